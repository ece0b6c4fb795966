"""Shares of assets: the ledger read from the chain, statements made of it, and what issuers send."""
