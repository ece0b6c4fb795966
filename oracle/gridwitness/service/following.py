"""Following a stream on chain: every attested batch is recomputed and committed to the log, whoever proposed it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Protocol

import structlog

from gridwitness.chain.attestation import CommitteeState, StreamState
from gridwitness.domain.batches import AttestedBatch
from gridwitness.domain.readings import SignedReading
from gridwitness.encoding.eip712 import head_of
from gridwitness.errors import CommitteeError, InputError
from gridwitness.service.admission import Admission
from gridwitness.service.batching import BatchKind, Place, Prepared, attach, batch_in_log
from gridwitness.service.clock import Clock
from gridwitness.service.instruments import Instruments
from gridwitness.service.messages import BatchContent, to_hex
from gridwitness.service.peers import Peers
from gridwitness.sources.payloads import to_signed
from gridwitness.store import BatchLog, ReadingLog, StoredBatch

_log = structlog.get_logger()
_PREPARED_KEPT = 8


class Stream(Protocol):
    """What is needed of chain.StreamView."""

    def state(self) -> StreamState:
        """The stream's state at the head."""

    def committee(self) -> CommitteeState:
        """The committee in force."""

    def attested(self, since_seq: int) -> list[AttestedBatch]:
        """Batches after a number."""


class Follower:
    """Keeps the log in step with one stream. `problem` says what keeps it from doing so."""

    def __init__(
        self,
        kind: BatchKind,
        stream: Stream,
        batches: BatchLog,
        readings: ReadingLog,
        admission: Admission,
        peers: Peers,
        clock: Clock,
        instruments: Instruments | None = None,
    ) -> None:
        self._instruments = instruments or Instruments()
        self.kind = kind
        self.committee = CommitteeState(0, ())
        self.problem = "the chain was not read yet"
        self._stream = stream
        self._batches = batches
        self._readings = readings
        self._admission = admission
        self._peers = peers
        self._clock = clock
        self._state: StreamState | None = None
        self._prepared: OrderedDict[tuple[int, bytes], Prepared] = OrderedDict()
        self._computed: OrderedDict[tuple[bytes, str], Prepared] = OrderedDict()
        # Votes and commits of one stream must not interleave: both decide by the newest batch.
        self.lock = asyncio.Lock()

    @property
    def caught_up(self) -> bool:
        """Whether the log holds every batch that stood on chain at the last step."""
        return not self.problem

    def place(self) -> Place:
        """Where the next batch is to stand. Only meaningful when caught up."""
        assert self._state is not None
        return Place(self._state.seq + 1, self._state.head, self._state.config)

    @property
    def marks(self) -> int:
        """How often the stream was convicted, at the last step."""
        return 0 if self._state is None else self._state.marks

    def prepare(self, place: Place, keys: str, attached: Mapping[bytes, SignedReading]) -> Prepared:
        """`kind.prepare` for a place. Blocks. Raises InputError.

        Who gave up waiting for our answer asks again, and must not wait as long again: what scored readings was kept.
        Profiles follow from batches of another stream, which a reorganisation may change, so they are not.
        """
        known = self._computed.get((place.previous, keys))
        if known is not None and known.seq == place.seq:
            return known
        prepared = self.kind.prepare(place.seq, keys, attached)
        if prepared.scored:
            self._computed[place.previous, keys] = prepared
            while len(self._computed) > _PREPARED_KEPT:
                self._computed.popitem(last=False)
        return prepared

    def remember(self, prepared: Prepared) -> None:
        """Keep a prepared batch, so that it need not be computed again when it is attested."""
        self._prepared[prepared.seq, prepared.content] = prepared
        while len(self._prepared) > _PREPARED_KEPT:
            self._prepared.popitem(last=False)

    async def step(self, final_block: int) -> None:
        """Read the stream and commit what is new; `final_block` is the newest that no reorganisation can take back.

        Raises ChainError, StoreError.
        """
        async with self.lock:
            await self._step(final_block)

    async def adopt(self, readings: list[SignedReading]) -> None:
        """Take the committee's version of readings into the log. Raises InputError if others are attested already."""
        if not readings:
            return
        refused = await asyncio.to_thread(self._readings.adopt, readings, self._clock.now())
        if refused:
            raise InputError(f"{len(refused)} of {len(readings)} readings stand against readings attested before")

    async def take_over(self, content: BatchContent) -> None:
        """Take the readings a peer voted for into the log. Raises InputError if one of them is not admissible."""
        await self.adopt(await self._admission.admit(content.readings))

    async def _step(self, final_block: int) -> None:
        state = await asyncio.to_thread(self._stream.state)
        if self._state is None or state.config != self._state.config:
            self.committee = await asyncio.to_thread(self._stream.committee)
        self._state = state
        head = await asyncio.to_thread(self._batches.head, self.kind.stream_id)
        seq, digest = (0, bytes(32)) if head is None else (head.batch.seq, head.batch.digest)
        if (seq, head_of(digest)) != (state.seq, state.head):
            self.problem = f"{self.kind.name}: following batch {seq} of {state.seq}"
            if not await self._catch_up(seq, digest):
                return
        self.problem = ""
        for became_final in await asyncio.to_thread(self._batches.finalise, self.kind.stream_id, final_block):
            with batch_in_log(self.kind.name, became_final):
                _log.info("batch_final", head_block=final_block)

    async def _catch_up(self, seq: int, digest: bytes) -> bool:
        attested = await asyncio.to_thread(self._stream.attested, max(seq - 1, 0))
        if seq and (not attested or attested[0].digest != digest):
            with batch_in_log(self.kind.name, seq):
                _log.warning("batch_reorganised", digest=to_hex(digest))
                await asyncio.to_thread(self.kind.roll_back, seq - 1)
            self._instruments.reorganised(self.kind.name)
            return False
        for item in attested:
            if item.seq <= seq:
                continue
            try:
                with batch_in_log(self.kind.name, item.seq):
                    await self._take(item)
            except (InputError, CommitteeError) as error:
                self.problem = f"{self.kind.name}: batch {item.seq}: {error.message}"
                return False
        # More may have been attested since the state was read; the next step sees it.
        newest = attested[-1] if attested else None
        return newest is not None and self._state is not None and head_of(newest.digest) == self._state.head

    async def _take(self, item: AttestedBatch) -> None:
        prepared, adopted = await self._recompute(item)
        await self.adopt(adopted)
        await asyncio.to_thread(self.kind.commit, prepared, StoredBatch(item, "attested", prepared.keys))
        self._instruments.attested(prepared.scored, item.meta.flagged_count)
        delay_s = self._clock.now() - item.meta.time_to
        if self._state is not None and item.seq == self._state.seq:  # not one that was merely missed for long
            self._instruments.delayed(self.kind.name, delay_s)
        _log.info(
            "batch_attested",
            count=item.meta.count,
            flagged=item.meta.flagged_count,
            delay_s=delay_s,
            block=item.block_number,
            transaction=to_hex(item.transaction),
            digest=to_hex(item.digest),
        )

    async def _recompute(self, item: AttestedBatch) -> tuple[Prepared, list[SignedReading]]:
        """The batch as computed here, with readings to adopt first. Raises CommitteeError if no content gives it."""
        for known in self._prepared.values():
            if _is_of(known, item) and await asyncio.to_thread(self.kind.readings_of, known.keys) is not None:
                return known, []
        for vote in await asyncio.to_thread(self._batches.votes, self.kind.stream_id, item.seq):
            if not await asyncio.to_thread(self.kind.missing, vote.keys, {}):
                prepared = await asyncio.to_thread(self.kind.prepare, item.seq, vote.keys, {})
                if _is_of(prepared, item):
                    return prepared, []
        failures = []
        for address in self._peers.urls:
            try:
                return await self._from_peer(address, item)
            except (CommitteeError, InputError) as error:
                failures.append(error.message)
        if item.supersedes:  # made by hand, to take the place of one that was wrong: not for oracles to compute
            _log.warning("batch_not_computed", supersedes=item.supersedes)
            return await asyncio.to_thread(self.kind.opaque, item), []
        raise CommitteeError(f"no member's content gives its root: {'; '.join(failures) or 'there are no peers'}")

    async def _from_peer(self, address: str, item: AttestedBatch) -> tuple[Prepared, list[SignedReading]]:
        content = await self._peers.attested_content(address, to_hex(self.kind.stream_id), item.seq)
        if content is None:
            raise CommitteeError(f"member {address} does not have it")
        behind = await asyncio.to_thread(self.kind.behind, content.keys)
        if behind:
            raise CommitteeError(behind)
        readings = await asyncio.to_thread(self._signed_readings, content)
        prepared = await asyncio.to_thread(self.kind.prepare, item.seq, content.keys, attach(readings))
        if not _is_of(prepared, item):
            raise self._peers.failed(
                address,
                "wrong_content",
                f"its content of batch {item.seq} gives root {to_hex(prepared.root)}, the chain has {to_hex(item.root)}"
                if prepared.root != item.root
                else f"its content of batch {item.seq} gives another summary than the chain has",
            )
        return prepared, readings

    def _signed_readings(self, content: BatchContent) -> list[SignedReading]:
        """Readings of a peer's content whose device signatures are good; the root decides about everything else."""
        readings = [to_signed(payload) for payload in content.readings]
        for signed in readings:
            if not self._admission.is_signed(signed):
                reading = signed.reading
                raise InputError(
                    f"reading {reading.counter} of device {to_hex(reading.device_id)} has no signature of its device"
                )
        return readings


def _is_of(prepared: Prepared, item: AttestedBatch) -> bool:
    return (prepared.seq, prepared.root, prepared.meta) == (item.seq, item.root, item.meta)
