"""One oracle: from readings posted to proofs served, in step with its chain and its committee."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog

from gridwitness import __version__
from gridwitness.api.protocols import CommitteeReply, Document, Verdict
from gridwitness.chain.attestation import StreamView
from gridwitness.chain.challenges import ChallengeView
from gridwitness.chain.client import Chain
from gridwitness.chain.outbox import Outbox, OutboxRules
from gridwitness.chain.registry import RegistryFollower
from gridwitness.chain.signing_key import SigningKey
from gridwitness.encoding.eip712 import attestation_domain, registry_domain
from gridwitness.errors import ChainError, Overloaded, StoreError
from gridwitness.scoring import Scorer
from gridwitness.service.admission import Admission
from gridwitness.service.answering import Answerer
from gridwitness.service.batching import BatchRules
from gridwitness.service.clock import ChainClock, ChainTime, Clock, SystemClock
from gridwitness.service.evidence import Decoder
from gridwitness.service.fleet import Fleet
from gridwitness.service.following import Follower
from gridwitness.service.ingest import Ingest, IngestLimits
from gridwitness.service.instruments import Instruments
from gridwitness.service.messages import encode_message, to_hex
from gridwitness.service.metric_families import StatusCollector, make_registry
from gridwitness.service.metrics import oracle_families
from gridwitness.service.node_status import (
    STOPPING_RETRY_S,
    batch_document,
    describe_account,
    describe_disk,
    describe_fees,
    describe_readings,
    describe_stream,
    reading_document,
)
from gridwitness.service.peers import Peers
from gridwitness.service.profile_batches import ProfileBatches
from gridwitness.service.proposing import Proposer, Submission
from gridwitness.service.proving import Prover
from gridwitness.service.reading_batches import ReadingBatches
from gridwitness.service.scaleout.oracle import ScaleOut, ScaleOutConfig
from gridwitness.service.signing import Signer
from gridwitness.service.voting import Voter
from gridwitness.sources.decoding import JSON
from gridwitness.sources.mqtt import MqttConfig, MqttSource
from gridwitness.store import DEADLETTERS_KEPT, BatchLog, Database, ProfileLog, ReadingLog

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """Everything an oracle needs to know. `peers` maps checksummed addresses to URLs, itself left out or not, and
    `peer_keys` some of them to the API keys they want.

    Durations in seconds: of real time, but for the `rules`, which go by the oracle's clock ("system" or "chain"), and
    `batch_validity_s`, which goes by the chain's.
    """

    name: str
    data_dir: Path
    zone: int
    readings_stream: str
    profiles_stream: str
    peers: Mapping[str, str]
    clock: str = "system"
    poll_interval_s: float = 0.5
    takeover_s: float = 10.0
    batch_validity_s: int = 120
    peer_timeout_s: float = 5.0
    outbox: OutboxRules = field(default_factory=OutboxRules)
    dry_run: bool = True
    mqtt: MqttConfig | None = None
    scale_out: ScaleOutConfig | None = None
    verify_workers: int = 0
    deadletters_kept: int = DEADLETTERS_KEPT
    peer_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    limits: IngestLimits = field(default_factory=IngestLimits)
    rules: BatchRules = field(default_factory=BatchRules)


class OracleNode:
    """A running oracle; fulfils api.Oracle. Make it, `run` it, `stop` it, `close` it."""

    def __init__(self, config: NodeConfig, chain: Chain, key: SigningKey, peers: Peers | None = None) -> None:
        """Open the log in `data_dir`. Raises StoreError, ChainError, ConfigError."""
        manifest = chain.manifest
        self.config = config
        self.address = key.address
        self._chain = chain
        self._stopping = asyncio.Event()
        self._problem = "starting"
        self._head = chain.head()
        self._database = Database(config.data_dir / "oracle.sqlite")
        self.registry = make_registry()
        self._instruments = Instruments(self.registry)
        self._database.on_commit = self._instruments.sync_seconds.observe
        self._readings = ReadingLog(self._database, config.deadletters_kept)
        self._batches = BatchLog(self._database)
        self._profiles = ProfileLog(self._database)
        self._clock: Clock = ChainClock(chain.head_time) if config.clock == "chain" else SystemClock()
        self._chain_time = ChainTime(self._clock, self._head.time)
        self._fleet = Fleet(RegistryFollower(chain), config.zone)
        self._registry_domain = registry_domain(chain.chain_id, manifest.address("DeviceRegistry"))
        self._admission = Admission(self._fleet, self._clock, self._registry_domain, config.verify_workers)
        decoder = Decoder(self._fleet)
        self._ingest = Ingest(self._admission, decoder, self._readings, self._clock, config.limits, self._instruments)
        self._scale_out = None
        if config.scale_out is not None:
            self._scale_out = ScaleOut(
                config.scale_out, self.address, self._registry_domain, self._ingest, decoder, self._readings
            )
        self._mqtt = None if config.mqtt is None else MqttSource(config.mqtt, partial(self.ingest, source="mqtt"))
        others = {address: url for address, url in config.peers.items() if address != self.address}
        self._peers = peers or Peers(others, config.peer_timeout_s, keys=config.peer_keys)
        self._outbox = None
        if not config.dry_run:
            self._outbox = Outbox(chain, key, config.data_dir / "outbox.sqlite", config.outbox)
        self._make_streams(key)
        self.registry.register(StatusCollector(self._status, oracle_families))

    def _make_streams(self, key: SigningKey) -> None:
        config, manifest = self.config, self._chain.manifest
        domain = attestation_domain(self._chain.chain_id, manifest.address("DataAttestation"))
        readings_stream, profiles_stream = (
            manifest.stream(config.readings_stream),
            manifest.stream(config.profiles_stream),
        )
        reading_batches = ReadingBatches(readings_stream, self._readings, self._batches, self._fleet, config.rules)
        profile_batches = ProfileBatches(
            profiles_stream, readings_stream, self._profiles, self._batches, self._fleet, config.rules
        )
        self._followers = {
            kind.stream_id: Follower(
                kind,
                StreamView(self._chain, kind.stream_id),
                self._batches,
                self._readings,
                self._admission,
                self._peers,
                self._clock,
                self._instruments,
            )
            for kind in (reading_batches, profile_batches)
        }
        self._instruments.show(kind.name for kind in (reading_batches, profile_batches))
        self._voter = Voter(
            Signer(key, domain, self._batches, self._chain_time, config.batch_validity_s),
            self._followers,
            self._admission,
            self._fleet,
        )
        self._prover = Prover(manifest, readings_stream, profile_batches, self._readings, self._profiles, self._batches)
        self._prover_lock = asyncio.Lock()
        self._make_workers(self._followers[readings_stream])

    def _make_workers(self, readings: Follower) -> None:
        """What sends transactions."""
        config = self.config
        self._proposers = [
            Proposer(follower, self._voter, self._peers, self._submit, config.takeover_s, config.poll_interval_s)
            for follower in self._followers.values()
        ]
        self._answerer = Answerer(
            readings,
            ChallengeView(self._chain, readings.kind.stream_id, self.address),
            self._readings,
            self._outbox,
            self.address,
            config.takeover_s,
        )

    async def run(self) -> None:
        """Follow, propose and submit until `stop` is called. Whatever fails is logged, shown and tried again."""
        _log.info("oracle_started", name=self.config.name, address=self.address, dry_run=self.config.dry_run)
        async with asyncio.TaskGroup() as sources:
            taking = [sources.create_task(source.run()) for source in (self._scale_out, self._mqtt) if source]
            await self._step_until_stopped()
            for task in taking:
                task.cancel()
        _log.info("oracle_stopped", name=self.config.name)

    async def _step_until_stopped(self) -> None:
        while not self._stopping.is_set():
            try:
                await self.step()
                self._problem = ""
            except (ChainError, StoreError) as error:
                if error.message != self._problem:
                    _log.error("step_failed", error=error.message)
                self._problem = error.message
            except Exception as error:
                # A last resort: whatever it is, readings are still to be taken, and the next step may go well.
                _log.exception("step_failed_unexpectedly")
                self._problem = f"unexpected {type(error).__name__}; the log tells where"
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self.config.poll_interval_s)

    def stop(self) -> None:
        """Ask `run` to end after the step it is in."""
        self._stopping.set()

    async def close(self) -> None:
        """Close files and connections."""
        await self._peers.close()
        self._admission.close()
        if self._outbox is not None:
            self._outbox.close()
        self._database.close()

    async def step(self) -> None:
        """One round. Raises ChainError or StoreError; everything already done stays done."""
        await self._ingest.probe()
        head = await asyncio.to_thread(self._chain.head)
        self._clock.observe(head.time)
        self._chain_time.observe(head.time)
        moved = head.hash != self._head.hash or bool(self._problem)
        if moved:
            await self._fleet.refresh()
        for follower in self._followers.values():
            if moved or not follower.caught_up:
                await follower.step(head.number - self.config.outbox.confirmations)
        # Before proposing: a batch can wait, a deadline cannot.
        await asyncio.to_thread(self._answerer.step, self._chain_time.now(), head.number, moved=moved)
        self._head = head
        if self._outbox is None:
            return
        for proposer in self._proposers:
            await proposer.step(self._clock.now())
        if moved or self._answerer.busy or any(proposer.submission is not None for proposer in self._proposers):
            await asyncio.to_thread(self._outbox.step)
        for proposer in self._proposers:
            await self._check_submission(proposer, self._outbox)

    def _submit(self, submission: Submission) -> None:
        assert self._outbox is not None
        if self._outbox.status(submission.intent_key) is None:
            address = self._chain.manifest.address("DataAttestation")
            self._outbox.enqueue(submission.intent_key, address, submission.calldata)

    async def _check_submission(self, proposer: Proposer, outbox: Outbox) -> None:
        if proposer.submission is None:
            return
        status = await asyncio.to_thread(outbox.status, proposer.submission.intent_key)
        if status is not None:
            proposer.observe(status)

    # What follows answers the HTTP interface.

    async def ingest(self, body: bytes, content_type: str = JSON, source: str = "http") -> list[Verdict]:
        """Verify and log the readings of a body; what brokers still bring while it stops is finished."""
        if self._stopping.is_set() and source == "http":
            raise Overloaded("this oracle is stopping", STOPPING_RETRY_S)
        return await self._ingest.submit_body(body, content_type, source)

    async def sign(self, body: bytes) -> CommitteeReply:
        """Answer a peer's proposal."""
        return await self._voter.sign(body)

    async def voted_content(self, stream: bytes, seq: int) -> bytes | None:
        """Content this oracle is bound to by a vote."""
        content = await self._voter.voted_content(stream, seq)
        return None if content is None else encode_message(content)

    async def batch(self, stream: bytes, seq: int) -> bytes | None:
        """An attested batch with its content."""
        follower = self._followers.get(stream)
        return None if follower is None else await asyncio.to_thread(batch_document, follower, self._batches, seq)

    async def readings(self, device_id: bytes, time_from: int, time_to: int, after: int, limit: int) -> list[Document]:
        """Readings of a device."""
        rows = await asyncio.to_thread(self._readings.of_device, device_id, time_from, time_to, after, limit)
        return [reading_document(row, self._registry_domain) for row in rows]

    async def prove_reading(self, device_id: bytes, counter: int) -> Document:
        """Proof of a reading by its counter."""
        async with self._prover_lock:
            return (await asyncio.to_thread(self._prover.reading, device_id, counter)).document()

    async def prove_reading_at(self, device_id: bytes, time: int, metric: str) -> Document:
        """Proof of a reading by its time."""
        async with self._prover_lock:
            return (await asyncio.to_thread(self._prover.reading_at, device_id, metric, time)).document()

    async def prove_profile(self, device_id: bytes, day: int) -> Document:
        """Proof of a profile."""
        async with self._prover_lock:
            return (await asyncio.to_thread(self._prover.profile, device_id, day)).document()

    async def status(self) -> Document:
        """Everything an operator wants to know at a glance."""
        return await asyncio.to_thread(self._status)

    def _status(self) -> Document:
        return {
            "name": self.config.name,
            "version": __version__,
            "address": self.address,
            "zone": self._fleet.zone,
            "dry_run": self.config.dry_run,
            "ready": not self.not_ready(),
            "problems": self.not_ready(),
            "chain": {"id": self._chain.chain_id, "block": self._head.number, "time": self._head.time},
            "clock": {"kind": self.config.clock, "now": self._clock.now()},
            "devices_active": len(self._fleet.active()),
            "readings": describe_readings(self._readings, self._clock.now()),
            "rejections": self._readings.rejections(),
            "ingest": self._ingest.waiting(),
            "verification": self._admission.report(),
            "disk": describe_disk(self._database.path),
            "streams": {
                follower.kind.name: describe_stream(follower, self._batches) for follower in self._followers.values()
            },
            "challenges": self._answerer.report,
            "members": self._peers.report(),
            "mqtt": {} if self._mqtt is None else self._mqtt.report(),
            "nats": {} if self._scale_out is None else self._scale_out.report(),
            "outbox": {} if self._outbox is None else self._outbox.counts(),
            "account": describe_account(self._outbox),
            "fees": describe_fees(self._head, self.config.outbox),
            "model_hash": to_hex(Scorer().model_hash),
            "warnings": [] if self._outbox is None else self._outbox.warnings(),
            "rpc": self._chain.node.provider.report(),
        }

    def not_ready(self) -> list[str]:
        """Why this oracle cannot do its work now: trouble with chain or disk, not in step, or not in the committee."""
        problems = ["stopping"] if self._stopping.is_set() else []
        problems += [self._problem, self._ingest.problem, *(follower.problem for follower in self._followers.values())]
        problems += [] if self._outbox is None else [self._outbox.halted]
        problems += [proposer.problem for proposer in self._proposers]
        for name, source in (("mqtt", self._mqtt), ("nats", self._scale_out)):
            problems += [] if source is None or not source.problem else [f"{name}: {source.problem}"]
        problems += [
            f"{follower.kind.name}: {self.address} is not in the committee"
            for follower in self._followers.values()
            if follower.caught_up and self.address not in follower.committee.members
        ]
        return [problem for problem in problems if problem]
