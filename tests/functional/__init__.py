"""Behaviour of the contracts, through Ape on anvil."""
