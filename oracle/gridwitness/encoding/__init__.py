"""Bytes that contracts and oracles must agree on: digests, leaves, trees, packed words, signatures."""
