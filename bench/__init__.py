"""Measures the runtime against the raw primitives it stands on; `python -m bench` or `make bench`."""
