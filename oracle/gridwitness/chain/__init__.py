"""The chain as the oracles use it: node, contracts, events, transactions that are never sent twice."""
