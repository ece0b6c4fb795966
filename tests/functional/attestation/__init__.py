"""Behaviour of DataAttestation."""
