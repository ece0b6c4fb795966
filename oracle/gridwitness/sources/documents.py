"""Signed documents, whichever their format: what they say, and whether they say a certain reading."""

from __future__ import annotations

from functools import lru_cache

from gridwitness.domain.readings import SignedReading
from gridwitness.errors import InputError, ReadingRejected
from gridwitness.sources.cose import read_cose
from gridwitness.sources.ocmf import read_ocmf
from gridwitness.sources.statements import Statement

# A Sig_structure is an array of four; an OCMF payload a JSON object.
_SIG_STRUCTURE = b"\x84"


# Every reading of a document is checked against the whole of it, usually one after the other.
@lru_cache(maxsize=64)
def statements(document: bytes, device_id: bytes) -> tuple[Statement, ...]:
    """What a device's document says, in its order. Raises InputError if it is none."""
    read = read_cose if document[:1] == _SIG_STRUCTURE else read_ocmf
    return tuple(read(document, device_id))


def check_document(signed: SignedReading) -> None:
    """Decode a reading's document again and see that it says exactly this reading, and calls it good.

    Nothing to check without a document. Raises ReadingRejected: `wrong_document`, or what its flaw is. The signature
    is not looked at.
    """
    if not signed.document:
        return
    reading = signed.reading
    try:
        said = next((one for one in statements(signed.document, reading.device_id) if one.reading == reading), None)
    except ReadingRejected:
        raise
    except InputError as error:
        raise ReadingRejected("wrong_document", f"the document cannot be read: {error.message}") from error
    if said is None:
        raise ReadingRejected(
            "wrong_document",
            f"the document does not say {reading.metric} = {reading.value} at {reading.time} with counter "
            f"{reading.counter}",
        )
    if said.flaw is not None:
        raise ReadingRejected(said.flaw.reason, said.flaw.message)
