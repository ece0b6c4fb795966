"""Roles of an AccessControl contract, read from its events."""

from __future__ import annotations

from scripts._abi import role_names
from scripts._session import Session
from scripts._steps import role_id

ADMIN_ROLE = "DEFAULT_ADMIN_ROLE"
# Public nodes answer eth_getLogs for a few thousand blocks at a time.
BLOCK_RANGE = 5_000


def governed_contracts(session: Session) -> list[str]:
    """Contracts of the parameters that have roles."""
    return [name for name in session.params.contracts if role_names(session.artefacts[name].abi)]


def read_roles(session: Session, name: str) -> dict[str, list[str]]:
    """Accounts of each role, ascending. Candidates come from RoleGranted events, the answer from `hasRole`."""
    contract = session.contract(name)
    candidates: set[str] = set()
    newest = session.web3.eth.block_number
    start = int(session.manifest.get("contracts", name, "block") or 0)
    for first in range(start, newest + 1, BLOCK_RANGE):
        last = min(first + BLOCK_RANGE - 1, newest)
        for event in contract.events.RoleGranted().get_logs(from_block=first, to_block=last):
            candidates.add(event["args"]["account"])
    return {
        role: sorted(a for a in candidates if contract.functions.hasRole(role_id(contract, role), a).call())
        for role in role_names(session.artefacts[name].abi)
    }
