"""Parts: code that a contract makes in its constructor and runs on the storage of others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import click
from eth_utils.address import to_checksum_address

from scripts._params import ATTESTATION, MARKET
from scripts._session import Session
from scripts._shares import ASSET_FACTORY


class Part(NamedTuple):
    """`view` of the owner says where it is, and is its key in the owner's entry; `arguments` are references."""

    owner: str
    view: str
    name: str
    arguments: tuple[str, ...]


PARTS = (
    Part(MARKET, "extension", "MarketExtension", (f"${ATTESTATION}",)),
    Part(ASSET_FACTORY, "governance", "AssetGovernance", ()),
)


def parts_of(session: Session) -> Iterator[Part]:
    """Parts of the contracts that the parameters name."""
    return (part for part in PARTS if part.owner in session.params.contracts)


def address_of(session: Session, part: Part) -> str:
    """Where a part is, as its owner says."""
    return to_checksum_address(session.contract(part.owner).functions[part.view]().call())


def note_parts(session: Session) -> None:
    """Say and record where each contract made its part."""
    for part in parts_of(session):
        address = address_of(session, part)
        click.echo(f"· {part.owner}'s {part.view} is at {address}")
        if session.manifest.get("contracts", part.owner, part.view) != address:
            session.manifest.record(("contracts", part.owner, part.view), address)
