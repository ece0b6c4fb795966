"""Tests of the contracts, the oracle and the demo."""
