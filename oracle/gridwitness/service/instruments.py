"""What is measured as it happens, rather than read from the log when Prometheus asks; it begins anew at every start."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

from gridwitness.domain.readings import ScoredReading

# A sync takes a tenth of a millisecond on a disk with a battery, ten on one without, and seconds on one that fails.
_SYNC_BUCKETS_S = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_GROUP_BUCKETS = (1, 10, 100, 250, 500, 1_000, 2_000, 4_096, 8_192)
# Scores are calibrated: one of 0.99 is exceeded by a hundredth of normal readings.
_SCORE_BUCKETS = (0.5, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 1)
_DELAY_BUCKETS_S = (10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 21_600, 86_400)
_FULL_SCORE_BPS = 10_000


class Instruments:
    """Counters and histograms of one oracle. Without a registry they count for nobody."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.duplicates = Counter(
            "gridwitness_readings_duplicate",
            "Readings that were in the log before, and were acknowledged again, since the start",
            registry=registry,
        )
        self.group_readings = Histogram(
            "gridwitness_log_group_readings",
            "Readings that one transaction of the log took",
            buckets=_GROUP_BUCKETS,
            registry=registry,
        )
        self.sync_seconds = Histogram(
            "gridwitness_log_sync_duration_seconds",
            "Time to commit one transaction of the log and to sync it to the disk",
            buckets=_SYNC_BUCKETS_S,
            registry=registry,
        )
        self._flagged = Counter(
            "gridwitness_readings_flagged",
            "Readings that an attested batch flags as unusual, since the start",
            registry=registry,
        )
        self._scores = Histogram(
            "gridwitness_reading_score_ratio",
            "Scores of attested readings, 0 to 1; calibrated, so that 1 % of normal ones exceed 0.99",
            buckets=_SCORE_BUCKETS,
            registry=registry,
        )
        self._delays = Histogram(
            "gridwitness_attestation_delay_seconds",
            "Time from the end of a batch's newest content to its attestation, by the oracle's clock",
            ("stream",),
            buckets=_DELAY_BUCKETS_S,
            registry=registry,
        )
        self._reorganised = Counter(
            "gridwitness_batches_reorganised",
            "Batches that a reorganisation of the chain took back, since the start",
            ("stream",),
            registry=registry,
        )

    def show(self, streams: Iterable[str]) -> None:
        """Have a series of each stream from the start, or a first event would not show as an increase."""
        for stream in streams:
            self._delays.labels(stream)
            self._reorganised.labels(stream)

    def attested(self, scored: Iterable[ScoredReading], flagged: int) -> None:
        """A batch was found on chain, `flagged` of its readings unusual."""
        self._flagged.inc(flagged)
        for one in scored:
            self._scores.observe(one.score.score_bps / _FULL_SCORE_BPS)

    def delayed(self, stream: str, delay_s: int) -> None:
        """A batch was attested so long after its newest content."""
        self._delays.labels(stream).observe(max(0, delay_s))

    def reorganised(self, stream: str) -> None:
        """A batch is on chain no more."""
        self._reorganised.labels(stream).inc()
