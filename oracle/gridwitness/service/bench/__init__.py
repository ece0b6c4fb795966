"""Benchmarks: how good and how fast the scoring is, on data given from outside."""
