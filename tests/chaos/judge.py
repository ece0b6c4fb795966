"""The verdict: pure functions from evidence to what was violated. The judge asks nobody and believes nobody.

| what must hold | how it is judged |
|---|---|
| nothing lost | every acknowledged reading stands in the log of each oracle that acknowledged it, as it was sent |
| attested exactly once | every acknowledged reading is named by exactly one batch on chain, in every honest log |
| the log tells the truth | each batch's root, computed anew from the readings and scores in the log, is the chain's |
| order | batches are numbered without gaps; in a batch, readings stand in canonical order (time, device, counter); \
a reading of which every honest oracle knew before the next of its device was sent is in no later batch than that one |
| refusals | what an oracle counted per reason lies between what senders were told and what they sent |
| transactions | each intent was mined at most once, no nonce below the next was left out, nobody else used the keys |
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.ledger import Key

# Device, counter, time, metric, value: what a device said.
Said = tuple[bytes, int, int, str, int]
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ChainBatch:
    """A batch as the chain has it."""

    seq: int
    root: bytes
    count: int


@dataclass(frozen=True, slots=True)
class LoggedBatch:
    """A batch as an oracle's log has it: the readings it names in their order, and the root they give."""

    seq: int
    keys: tuple[Key, ...]
    root: bytes


@dataclass(frozen=True, slots=True)
class Log:
    """An honest oracle's log."""

    oracle: int
    readings: Mapping[Key, Said]
    batches: Sequence[LoggedBatch]
    counted: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Transactions:
    """An honest oracle's transactions: hashes and nonces it signed for each intent, and what the chain has of it."""

    oracle: int
    signed: Mapping[str, Mapping[bytes, int]]
    mined: Mapping[bytes, int]
    unsettled: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known at the end. `acknowledged` says for each reading what was sent, and who acknowledged it."""

    acknowledged: Mapping[Key, tuple[Said, frozenset[int]]]
    followed: Sequence[tuple[Key, Key]]
    answered: Mapping[tuple[int, str], int]
    attempted: Mapping[tuple[int, str], int]
    open_ended: frozenset[str]
    chain: Sequence[ChainBatch]
    logs: Sequence[Log]
    transactions: Sequence[Transactions]


@dataclass
class Verdict:
    """Figures, and each violation in words."""

    lost: int = 0
    attested_twice: int = 0
    order_violations: int = 0
    double_mined: int = 0
    nonce_gaps: int = 0
    rejects: dict[str, dict[str, int]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)


def judge(evidence: Evidence) -> Verdict:
    """Judge everything."""
    verdict = Verdict()
    _judge_logs(evidence, verdict)
    for log in evidence.logs:
        _judge_batches(evidence, log, verdict)
        _judge_order(evidence, log, verdict)
    _judge_refusals(evidence, verdict)
    for transactions in evidence.transactions:
        _judge_transactions(transactions, verdict)
    return verdict


def _judge_logs(evidence: Evidence, verdict: Verdict) -> None:
    logs = {log.oracle: log for log in evidence.logs}
    lost: set[Key] = set()
    for key, (said, oracles) in evidence.acknowledged.items():
        for oracle in oracles & logs.keys():
            if logs[oracle].readings.get(key) != said:
                lost.add(key)
                _say(verdict, len(lost), f"{_name(key)} was acknowledged by oracle {oracle} and is not in its log")
    verdict.lost = len(lost)


def _judge_batches(evidence: Evidence, log: Log, verdict: Verdict) -> None:
    who = f"oracle {log.oracle}"
    on_chain = {batch.seq: batch for batch in evidence.chain}
    if [batch.seq for batch in log.batches] != [batch.seq for batch in evidence.chain]:
        verdict.violations.append(f"{who} has {len(log.batches)} batches; the chain has {len(evidence.chain)}")
    for batch in log.batches:
        standing = on_chain.get(batch.seq)
        if standing is None or (standing.root, standing.count) != (batch.root, len(batch.keys)):
            verdict.violations.append(f"{who}: batch {batch.seq} of its log does not give the chain's root and count")
    times = Counter(key for batch in log.batches for key in batch.keys)
    twice = [key for key, count in times.items() if count > 1]
    missing = [key for key in evidence.acknowledged if key not in times]
    verdict.attested_twice = max(verdict.attested_twice, len(twice))
    verdict.violations += [f"{who}: {_name(key)} is attested {times[key]} times" for key in twice[:_SHOWN]]
    verdict.violations += [f"{who}: {_name(key)} was acknowledged and is not attested" for key in missing[:_SHOWN]]
    verdict.lost = max(verdict.lost, len(missing))


def _judge_order(evidence: Evidence, log: Log, verdict: Verdict) -> None:
    found = []
    for number, batch in enumerate(log.batches, 1):
        if batch.seq != number:
            found.append(f"batch {batch.seq} stands as number {number}")
        place = [(log.readings[key][2], *key) for key in batch.keys if key in log.readings]
        found += [f"batch {batch.seq}: {_name(after[1:])} stands too late" for after in _descents(place)]
    batch_of = {key: batch.seq for batch in log.batches for key in batch.keys}
    for first, second in evidence.followed:
        if first in batch_of and second in batch_of and batch_of[first] > batch_of[second]:
            found.append(f"{_name(first)} is in batch {batch_of[first]}, {_name(second)} in {batch_of[second]}")
    verdict.order_violations = max(verdict.order_violations, len(found))
    verdict.violations += [f"order, oracle {log.oracle}: {what}" for what in found[:_SHOWN]]


def _descents(place: Sequence[tuple[int, bytes, int]]) -> Iterable[tuple[int, bytes, int]]:
    return (after for before, after in itertools.pairwise(place) if after < before)


def _judge_refusals(evidence: Evidence, verdict: Verdict) -> None:
    counted = {(log.oracle, reason): count for log in evidence.logs for reason, count in log.counted.items()}
    for oracle, reason in sorted({*counted, *evidence.answered, *evidence.attempted}):
        key = oracle, reason
        told, has = evidence.answered.get(key, 0), counted.get(key, 0)
        sent = max(evidence.attempted.get(key, 0), told)
        figures = verdict.rejects.setdefault(reason, {"sent": 0, "answered": 0, "counted": 0})
        for name, count in (("sent", sent), ("answered", told), ("counted", has)):
            figures[name] += count
        if has < told:
            verdict.violations.append(f"oracle {oracle} refused {told} for {reason} and counts {has}")
        if has > sent and not (reason in evidence.open_ended and told):
            verdict.violations.append(f"oracle {oracle} counts {has} for {reason}; {sent} were sent")


def _judge_transactions(transactions: Transactions, verdict: Verdict) -> None:
    who, mined = f"oracle {transactions.oracle}", transactions.mined
    ours: set[bytes] = set()
    for intent, attempts in transactions.signed.items():
        ours |= attempts.keys()
        blocks = [digest for digest in attempts if digest in mined]
        if len(blocks) > 1:
            verdict.double_mined += 1
            verdict.violations.append(f"{who}: {intent} was mined {len(blocks)} times")
    foreign = mined.keys() - ours
    if foreign:
        verdict.violations.append(f"{who}: {len(foreign)} transactions of its key are not of its outbox")
    nonces = {nonce for attempts in transactions.signed.values() for nonce in attempts.values()}
    gaps = (nonces | set(range(max(nonces, default=-1) + 1))) - set(mined.values())
    verdict.nonce_gaps += len(gaps)
    if gaps:
        verdict.violations.append(f"{who}: nonces {sorted(gaps)[:_SHOWN]} were never mined")
    if transactions.unsettled:
        verdict.violations.append(f"{who}: {transactions.unsettled} intents are not settled")


def _say(verdict: Verdict, number: int, what: str) -> None:
    if number <= _SHOWN:
        verdict.violations.append(what)


def _name(key: tuple[bytes, int]) -> str:
    return f"reading {key[1]} of device 0x{key[0].hex()[:12]}…"
