"""What Prometheus is told: the facts of an oracle's status, read when it asks, under names that follow its rules.

What counts readings comes from the log, so a restart resets nothing; nothing here counts rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import Metric

from gridwitness.service.metric_families import (
    Status,
    build_info,
    chain_families,
    counter,
    counters,
    gauge,
    gauges,
    transaction_families,
)
from gridwitness.service.peers import FAILURES


def oracle_families(status: Status) -> Iterator[Metric]:
    """Metrics of a status document as `OracleNode.status` makes it."""
    yield build_info(model_hash=status["model_hash"])
    yield gauge("dry_run", "Whether the oracle sends no transactions", status["dry_run"])
    yield gauge("devices_active", "Devices that may report to this oracle", status["devices_active"])
    yield from _readings(status)
    yield from _ingest(status)
    yield from chain_families(status)
    yield from _streams(status["streams"])
    yield from _committee(status["members"])
    yield from transaction_families(status)
    yield from _challenges(status["challenges"])
    yield from _mqtt(status["mqtt"])
    yield from _nats(status["nats"])


def _readings(status: Status) -> Iterator[Metric]:
    readings = status["readings"]
    yield gauge(
        "oldest_unattested_reading_age_seconds",
        "Time since the oldest reading that no batch holds yet, by the oracle's clock; 0 if none waits",
        readings["oldest_unattested_age_s"] or 0,
    )
    yield counter("readings_accepted", "Readings in the durable log, each counted once", readings["stored"])
    yield counter("readings_attested", "Readings that an attested batch holds", readings["attested"])
    yield counter("readings_pruned", "Readings taken out of the log after an export", readings["pruned"])
    yield gauge("readings_waiting", "Readings in the log that no batch holds yet", readings["unattested"])
    yield counters(
        "readings_rejected",
        "Readings refused, by reason",
        ("reason",),
        [((reason,), entry["count"]) for reason, entry in status["rejections"].items()],
    )
    yield gauge("deadletters_kept", "Refused readings kept to be looked at or sent again", readings["deadletters"])


def _ingest(status: Status) -> Iterator[Metric]:
    ingest, verification, disk = status["ingest"], status["verification"], status["disk"]
    yield gauge("ingest_waiting_readings", "Readings being verified or written", ingest["readings"])
    yield gauge("ingest_waiting_bytes", "Size of the bodies being decoded, verified or written", ingest["bytes"])
    yield gauge("ingest_device_buckets", "Devices whose rate is remembered", ingest["device_buckets"])
    yield gauge("verify_workers", "Processes that verify signatures; 0 if a thread does", verification["workers"])
    yield counter(
        "verify_worker_restarts", "Times verifying processes died and were replaced", verification["restarts"]
    )
    yield counters(
        "readings_vouched",
        "Readings judged that came in a signed document or with a gateway's signature, since the start",
        ("by",),
        [(("document",), verification["documents"]), (("gateway",), verification["gateways"])],
    )
    yield gauge("disk_free_bytes", "Room on the disk of data_dir", disk["free_bytes"])
    yield gauge("log_size_bytes", "Size of oracle.sqlite with its write-ahead log", disk["log_bytes"])


def _streams(streams: Status) -> Iterator[Metric]:
    yield counters(
        "batches",
        "Batches in the log that reached a status; final are those that no reorganisation takes back",
        ("stream", "status"),
        [
            ((name, status), stream[key])
            for name, stream in streams.items()
            for status, key in (("attested", "seq"), ("final", "final_seq"))
        ],
    )
    attested = {name: stream for name, stream in streams.items() if stream["block"] is not None}
    yield gauges(
        "stream_batch_block",
        "Block of the newest batch",
        ("stream",),
        [((name,), stream["block"]) for name, stream in attested.items()],
    )
    yield gauges(
        "stream_latest_time_seconds",
        "Time of the newest content attested, unix",
        ("stream",),
        [((name,), stream["latest_time"]) for name, stream in attested.items()],
    )
    yield gauges(
        "stream_stuck",
        "Whether something keeps the oracle back",
        ("stream",),
        [((name,), bool(stream["problem"])) for name, stream in streams.items()],
    )
    yield gauges(
        "stream_marks",
        "How often a stream was convicted of a false reading or of equivocation",
        ("stream",),
        [((name,), stream["marks"]) for name, stream in streams.items()],
    )
    yield gauges(
        "committee_members",
        "Members of a stream's committee",
        ("stream",),
        [((name,), len(stream["members"])) for name, stream in streams.items()],
    )
    yield gauges(
        "committee_threshold",
        "Members whose signatures a batch needs",
        ("stream",),
        [((name,), stream["threshold"]) for name, stream in streams.items()],
    )


def _committee(members: Iterable[Status]) -> Iterator[Metric]:
    members = list(members)
    yield counters(
        "member_signatures",
        "Good signatures a committee member gave since the start",
        ("member",),
        [((member["address"],), member["signed"]) for member in members],
    )
    yield gauges(
        "member_last_signature_time_seconds",
        "When a member gave its last good signature, unix; 0 if it gave none since the start",
        ("member",),
        [((member["address"],), member["last_signed_at"]) for member in members],
    )
    yield counters(
        "member_failures",
        "Failures of a committee member since the start",
        ("member", "kind"),
        [
            ((member["address"], kind), count)
            for member in members
            for kind, count in {**dict.fromkeys(FAILURES, 0), **member["failures"]}.items()
        ],
    )


def _challenges(report: Status) -> Iterator[Metric]:
    # Empty until the chain was asked for the first time.
    yield gauge("challenges_open", "Challenges without an answer on chain", len(report.get("open", ())))
    yield gauge("challenge_alarms", "Open challenges that nobody may answer in time", len(report.get("alarms", ())))
    yield gauge("challenges_unanswerable", "Open challenges this log has no answer to", report.get("unanswerable", 0))
    yield counters(
        "challenges_ended",
        "Challenges that ended, by how",
        ("outcome",),
        [((outcome,), report.get(outcome, 0)) for outcome in ("answered", "convicted")],
    )


def _mqtt(report: Status) -> Iterator[Metric]:
    if not report:
        return
    yield gauge("mqtt_connected", "Whether readings come in over MQTT", not report["problem"])
    yield gauge(
        "mqtt_messages_waiting",
        "Messages received that are not acknowledged yet",
        report["received"] - report["acknowledged"] - report["dropped"],
    )
    yield counters(
        "mqtt_messages",
        "Messages since the start, by what became of them",
        ("outcome",),
        [((outcome,), report[outcome]) for outcome in ("received", "acknowledged", "malformed", "dropped")],
    )


def _nats(report: Status) -> Iterator[Metric]:
    if not report:
        return
    workers: Status = report["workers"]
    streams: Status = report["streams"]
    yield gauges(
        "nats_stream_messages",
        "Messages in a stream of the broker: readings wait for workers, verified ones for the log",
        ("stream",),
        [((name,), stream["messages"]) for name, stream in streams.items()],
    )
    yield gauge("nats_connected", "Whether workers' verdicts come in over NATS", not report["problem"])
    yield counters(
        "nats_messages",
        "Messages of workers since the start, by what became of them",
        ("outcome",),
        [((outcome,), report[outcome]) for outcome in ("messages", "skipped", "missing", "deferred")],
    )
    yield gauges(
        "worker_last_seen_age_seconds",
        "Time since a worker's last message",
        ("worker",),
        [((name,), worker["last_seen_s"]) for name, worker in workers.items()],
    )
    yield counters(
        "worker_readings",
        "Readings a worker verified since the start",
        ("worker",),
        [((name,), worker["readings"]) for name, worker in workers.items()],
    )
    yield gauges(
        "worker_lied",
        "Whether a worker vouched for a signature that is not good",
        ("worker",),
        [((name,), bool(worker["lie"])) for name, worker in workers.items()],
    )
