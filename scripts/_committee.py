"""Committees of streams: who signs now, and how another takes its place."""

from __future__ import annotations

from dataclasses import dataclass, replace

import click
from web3.contract import Contract

from gridwitness.errors import ChainError, ConfigError
from scripts._abi import AbiChecker
from scripts._events import events_of
from scripts._params import ATTESTATION, MAX_MEMBERS
from scripts._session import Session


@dataclass(frozen=True, slots=True)
class Committee:
    """Members in ascending order, and how many of them must sign. `config` is its number, 0 if it has none yet."""

    threshold: int
    members: tuple[str, ...]
    config: int = 0

    def __str__(self) -> str:
        return f"{self.threshold} of {len(self.members)}: {', '.join(self.members)}"


@dataclass(frozen=True, slots=True)
class StreamState:
    """A stream as the chain has it: owner, number of its newest batch, number and digest of its committee."""

    session: Session
    name: str
    identity: bytes
    owner: str
    seq: int
    config: int
    digest: bytes

    @classmethod
    def read(cls, session: Session, name: str) -> StreamState:
        """The stream of the manifest. Raises ConfigError if it has none of that name."""
        identity = session.manifest.get("streams", name, "id")
        if identity is None:
            known = ", ".join(session.manifest.get("streams") or {}) or "none"
            raise ConfigError(f"{session.manifest.path}: streams.{name} is missing; there are {known}")
        raw = bytes.fromhex(identity.removeprefix("0x"))
        functions = session.contract(ATTESTATION).functions
        owner, seq, _, config, _, _, _ = functions.stream(raw).call()
        return cls(session, name, raw, owner, seq, config, bytes(functions.term(raw, config).call()[0]))

    @property
    def attestation(self) -> Contract:
        """The contract that has the stream."""
        return self.session.contract(ATTESTATION)

    def is_served_by(self, committee: Committee) -> bool:
        """Whether this committee is in force. The chain keeps its digest alone."""
        wanted = (committee.threshold, list(committee.members))
        digest = self.attestation.functions.committeeDigest(self.identity, self.config, wanted).call()
        return bytes(digest) == self.digest

    def committee(self) -> Committee | None:
        """The committee in force, from the manifest or from its event; None if neither has it."""
        recorded = self.session.manifest.get("streams", self.name)
        known = Committee(recorded["threshold"], tuple(recorded["members"]), self.config)
        if self.is_served_by(known):
            return known
        start = self.session.manifest.get("contracts", ATTESTATION, "block")
        event = self.attestation.events.CommitteeSet()
        filters = {"streamId": self.identity, "config": self.config}
        for found in events_of(self.session.web3, event, start, filters):
            set_then = Committee(found["args"]["threshold"], tuple(found["args"]["members"]), self.config)
            if self.is_served_by(set_then):
                return set_then
        return None


def wanted_committee(session: Session, name: str, members: tuple[str, ...], threshold: int | None) -> Committee:
    """The committee that the command line names; what it leaves out is as in the parameters. Raises ConfigError."""
    check = AbiChecker("the command line", {})
    params = session.params.streams.get(name)
    if params is None and (not members or threshold is None):
        raise ConfigError(
            f"{session.params.source}: streams.{name} is missing", hint="give all by --member and --threshold"
        )
    if params is not None:
        members = members or params.members
        threshold = params.threshold if threshold is None else threshold
    checked = sorted((check.value("address", member, "--member") for member in members), key=lambda one: int(one, 16))
    if not 1 <= len(checked) <= MAX_MEMBERS or len(set(checked)) != len(checked):
        raise check.error("--member", ", ".join(members), f"expected 1 to {MAX_MEMBERS} different addresses")
    if threshold is None or not 1 <= threshold <= len(checked):
        raise check.error("--threshold", threshold, f"{len(checked)} members allow 1 to {len(checked)}")
    return Committee(threshold, tuple(checked))


def rotate(session: Session, name: str, wanted: Committee) -> None:
    """Replace a stream's committee unless this one serves already; shows what changes and asks first.

    Raises ChainError if somebody else owns the stream.
    """
    stream = StreamState.read(session, name)
    if stream.is_served_by(wanted):
        _note(session, name, replace(wanted, config=stream.config))
        click.echo(f"· stream {name} has this committee, number {stream.config}: {wanted}")
        return
    if stream.owner != session.sender.address:
        raise ChainError(
            f"{session.sender.address} may not replace the committee of stream {name}",
            hint=f"only its owner {stream.owner} may",
        )
    _show(stream, stream.committee(), wanted)
    session.confirm(f"Replace the committee of stream {name}?")
    data = stream.attestation.encode_abi("setCommittee", [stream.identity, (wanted.threshold, list(wanted.members))])
    entry = _entry(session, name, replace(wanted, config=stream.config + 1))
    what = f"committee {stream.config + 1} of stream {name}: {wanted.threshold} of {len(wanted.members)}"
    session.sender.send(("streams", name), entry, data, stream.attestation.address, what=what)


def _entry(session: Session, name: str, committee: Committee) -> dict[str, object]:
    recorded = session.manifest.get("streams", name)
    members = {"members": list(committee.members), "threshold": committee.threshold}
    # The first committee is the one the stream was opened with, and has no entry of its own.
    number = {"config": committee.config} if committee.config > 1 else {}
    return {**recorded, **members, **number}


def _note(session: Session, name: str, committee: Committee) -> None:
    entry = _entry(session, name, committee)
    if entry != session.manifest.get("streams", name):
        session.manifest.record(("streams", name), entry)


def _show(stream: StreamState, old: Committee | None, new: Committee) -> None:
    click.echo(f"stream {stream.name}, {stream.seq} batches so far")
    click.echo(f"  now, committee {stream.config}: {old or f'with digest 0x{stream.digest.hex()}, members unknown'}")
    click.echo(f"  then, committee {stream.config + 1}: {new}")
    staying = set(new.members) & set(old.members if old else ())
    for sign, members in (("+", set(new.members) - staying), ("-", set(old.members if old else ()) - staying)):
        for member in sorted(members):
            click.echo(f"  {sign} {member}")
    click.echo(
        f"! It takes over at once, from batch {stream.seq + 1} on. A batch that is signed but not on the chain yet "
        "will be refused, and has to be signed anew by the new committee. Batches that stand go on to verify."
    )
    if len(staying) < new.threshold:
        click.echo(
            f"! {len(staying)} of its members sign now, {new.threshold} must: nothing is attested until others do."
        )
    if 2 * new.threshold <= len(new.members):
        click.echo("! Two parts of it that share no member could sign two batches of one number: take more than half.")
