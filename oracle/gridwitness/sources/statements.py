"""What a signed document says: readings, each good or with the reason it is refused for."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from gridwitness.domain.readings import Reading
from gridwitness.errors import ReadingRejected
from gridwitness.sources.quantities import in_unit

# The lowest byte of a counter numbers the readings of one document.
MAX_STATEMENTS = 256


@dataclass(frozen=True, slots=True)
class Statement:
    """A reading a document makes; `flaw` says why it does not count, None if it does."""

    reading: Reading
    flaw: ReadingRejected | None = None


def make_statement(
    reading: Reading, value: Fraction, factor: Fraction, what: str, flaw: ReadingRejected | None = None
) -> Statement:
    """The statement of `reading`, its value set from the document's; a value that does not fit is its flaw."""
    number = 0
    try:
        number = in_unit(value, factor, what)
    except ReadingRejected as rejected:
        flaw = flaw or rejected
    return Statement(Reading(reading.device_id, reading.counter, reading.time, reading.metric, number), flaw)
