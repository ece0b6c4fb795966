"""Behaviour of DeviceRegistry."""
