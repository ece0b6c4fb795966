"""Contracts read from Python: one class each, made from their ABIs."""

from gridwitness.client.contracts.asset_factory import AssetFactory
from gridwitness.client.contracts.asset_shares import AssetShares
from gridwitness.client.contracts.calls import Contract, Node
from gridwitness.client.contracts.data_attestation import DataAttestation
from gridwitness.client.contracts.device_registry import DeviceRegistry
from gridwitness.client.contracts.market import EnergyMarket
from gridwitness.client.contracts.passports import Passports
from gridwitness.client.contracts.share_market import ShareMarket

__all__ = [
    "AssetFactory",
    "AssetShares",
    "Contract",
    "DataAttestation",
    "DeviceRegistry",
    "EnergyMarket",
    "Node",
    "Passports",
    "ShareMarket",
]
