"""Readings as rows of the log."""

from __future__ import annotations

from dataclasses import dataclass

from gridwitness.domain.readings import Reading, Score, ScoredReading, SignedReading
from gridwitness.errors import StoreError

# device_id, counter, time, metric, value, signature, document, gateway_signature: what a device signed, without the
# objects that a million of them would cost. The last two are empty for a reading that its device signed itself.
ReadingRow = tuple[bytes, int, int, str, int, bytes, bytes, bytes]
ReadingKey = tuple[bytes, int]

# Of the view signed_readings, in the order `stored_reading` takes them.
COLUMNS = (
    "device_id, counter, time, metric, value, signature, document, gateway_signature, batch_seq, score_bps, channel,"
    " reason"
)


@dataclass(frozen=True, slots=True)
class StoredReading:
    """A reading in the log; `batch_seq` and `score` are None until it is attested."""

    signed: SignedReading
    batch_seq: int | None
    score: Score | None

    @property
    def scored(self) -> ScoredReading:
        """The reading as attested. Raises StoreError if it is not."""
        if self.score is None:
            reading = self.signed.reading
            raise StoreError(f"reading {reading.counter} of device 0x{reading.device_id.hex()} is not attested yet")
        return ScoredReading(self.signed, self.score)


def row_of(signed: SignedReading) -> ReadingRow:
    """The row of a signed reading."""
    reading = signed.reading
    return (
        reading.device_id,
        reading.counter,
        reading.time,
        reading.metric,
        reading.value,
        signed.signature,
        signed.document,
        signed.gateway_signature,
    )


def signed_of(row: ReadingRow) -> SignedReading:
    """The signed reading of a row."""
    return SignedReading(Reading(*row[:5]), *row[5:])


def stored_reading(columns: tuple[object, ...]) -> StoredReading:
    """The reading of a row of COLUMNS."""
    *row, batch_seq, score_bps, channel, reason = columns
    score = None if score_bps is None else Score(score_bps, channel, reason)  # type: ignore[arg-type]
    return StoredReading(signed_of(tuple(row)), batch_seq, score)  # type: ignore[arg-type]
