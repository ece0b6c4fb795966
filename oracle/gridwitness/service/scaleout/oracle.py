"""Scale-out on the oracle's side: the front that publishes readings, and the log that takes them back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext

from gridwitness.encoding.eip712 import Domain
from gridwitness.service.evidence import Decoder
from gridwitness.service.ingest import Ingest
from gridwitness.service.scaleout.front import Front
from gridwitness.service.scaleout.link import (
    LOG,
    READINGS,
    VERIFIED,
    VERIFIERS,
    NatsConfig,
    make_log_consumer,
    make_streams,
    stay_connected,
)
from gridwitness.service.scaleout.log import Offsets, VerifiedLog
from gridwitness.service.scaleout.trust import Trust

_LOOK_EVERY_S = 2.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ScaleOutConfig:
    """The broker, and how it is used: devices go to `partitions`; each stream holds `max_bytes`; a call waits
    `answer_timeout_s` for its verdicts; `reverify_share` of what workers found is found out again.
    """

    nats: NatsConfig
    partitions: int = 16
    max_bytes: int = 1 << 30
    answer_timeout_s: float = 15.0
    reverify_share: float = 0.01


class ScaleOut:
    """Readings over a broker. `run` it; `problem` says why none come back, empty if they do.

    `pulls_waiting` is how many messages workers would take at once, two each, when last looked at.
    """

    def __init__(
        self,
        config: ScaleOutConfig,
        owner: str,
        domain: Domain,
        ingest: Ingest,
        decoder: Decoder,
        offsets: Offsets,
    ) -> None:
        """`owner` is the oracle's address, `domain` the registry's. Raises ConfigError."""
        config.nats.check()
        self._config = config
        self._owner = owner
        self._connection_problem = "not connected yet"
        self._trust = Trust(domain, config.reverify_share)
        self._front = Front(ingest.settle_here, config.partitions, config.answer_timeout_s)
        self._log = VerifiedLog(ingest, decoder, offsets, self._trust, self._front.under_way)
        self._lag: dict[str, object] = {}
        self._is_idle = False
        self.pulls_waiting = 0
        ingest.send_through(self._front)

    async def run(self) -> None:
        """Work until cancelled."""
        await stay_connected(self._config.nats, "oracle", self._session, self._report_problem)

    @property
    def problem(self) -> str:
        """Why readings do not come through, or may not be what they seem."""
        problems = [self._connection_problem]
        if self._is_idle:
            problems.append("readings wait and no worker takes them")
        return "; ".join(problem for problem in [*problems, *self._trust.problems()] if problem)

    def report(self) -> dict[str, object]:
        """For the status."""
        return {
            "url": self._config.nats.url,
            "problem": self.problem,
            **self._log.counts,
            "streams": self._lag,
            "workers": self._trust.report(),
        }

    def _report_problem(self, problem: str) -> None:
        if problem != self._connection_problem:
            log = _log.error if problem else _log.info
            log("nats_problem" if problem else "nats_ok", url=self._config.nats.url, problem=problem)
        self._connection_problem = problem

    async def _session(self, client: Client) -> None:
        stream = client.jetstream()
        verified = await make_streams(stream, self._owner, self._config.max_bytes)
        await make_log_consumer(stream)
        await self._front.open(client)
        self._report_problem("")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._log.consume(client, verified))
                group.create_task(self._look(stream))
        finally:
            self._front.close()

    async def _look(self, stream: JetStreamContext) -> None:
        """How far workers and the log are behind. Raises nats' errors, so if streams are gone."""
        while True:
            lag: dict[str, object] = {}
            for name, consumer in ((READINGS, VERIFIERS), (VERIFIED, LOG)):
                info = await stream.consumer_info(name, consumer)
                state = (await stream.stream_info(name)).state
                lag[name] = {
                    "messages": state.messages,
                    "bytes": state.bytes,
                    "unacknowledged": info.num_ack_pending or 0,
                    "redelivered": info.num_redelivered or 0,
                    "pulls_waiting": info.num_waiting or 0,
                }
                if name == READINGS:
                    self.pulls_waiting = info.num_waiting or 0
                    self._is_idle = bool(state.messages) and not (info.num_waiting or info.num_ack_pending)
            self._lag = lag
            await asyncio.sleep(_LOOK_EVERY_S)
