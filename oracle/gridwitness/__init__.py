"""Devices sign what they measure; oracles score and co-sign it; contracts settle on what was proven."""

__version__ = "0.1.0"
