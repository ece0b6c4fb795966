"""What strangers' bytes go through before anything is known about them, as one function for every fuzzer."""

from __future__ import annotations

from collections.abc import Callable

from gridwitness.domain.readings import SignedReading
from gridwitness.errors import InputError
from gridwitness.sources.cose import open_cose
from gridwitness.sources.decoding import CBOR, JSON, decode
from gridwitness.sources.documents import check_document, statements
from gridwitness.sources.ocmf import open_ocmf
from gridwitness.sources.payloads import to_signed
from gridwitness.sources.signers import Signers

DEVICE = b"\x11" * 32


class Nobody:
    """A registry without devices."""

    def device_of_key(self, key_id: bytes) -> bytes | None:
        return None


_SIGNERS = Signers(Nobody())


def _native(content_type: str) -> Callable[[bytes], None]:
    def read(body: bytes) -> None:
        for payload in decode(body, content_type, _SIGNERS):
            check_document(to_signed(payload))

    return read


def _cose(body: bytes) -> None:
    statements(open_cose(body).document, DEVICE)


def _ocmf(body: bytes) -> None:
    statements(open_ocmf(body).document, DEVICE)


def _document(body: bytes) -> None:
    """A document as a peer attaches it: whatever it says is found in it again, or is refused for its flaw."""
    for said in statements(body, DEVICE):
        check_document(SignedReading(said.reading, bytes(65), body))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "json": _native(JSON),
    "cbor": _native(CBOR),
    "cose": _cose,
    "ocmf": _ocmf,
    "document": _document,
}


def read_anything(target: str, body: bytes) -> bool:
    """Whether a body was read; InputError (and so ReadingRejected) is the only error that may come out."""
    try:
        TARGETS[target](body)
    except InputError as error:
        assert error.message
        assert len(error.message) < 2_000, "a message repeats what a stranger sent"
        return False
    return True
