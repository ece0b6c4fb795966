"""CBOR of strangers (RFC 8949): one definite item, no duplicate keys, no tags but numbers, bounded nesting."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

import cbor2

from gridwitness.errors import InputError

MAX_DEPTH = 8
SIGN1_TAG = b"\xd2"
# All that cbor2 would turn into objects: dates, patterns, addresses, cycles, powers of two. Bignums (2, 3) and decimal
# fractions (4) are numbers, and those are read.
_REFUSED_TAGS = (0, 1, 5, 28, 29, 30, 35, 36, 37, 52, 54, 100, 258, 260, 261, 1_004, 43_000, 55_799)


def _refuse(*_: object) -> NoReturn:
    raise ValueError("a tag that is not read here")


_SEMANTICS: dict[int, Any] = dict.fromkeys(_REFUSED_TAGS, _refuse)


def _decoder(stream: BinaryIO, read_bytes: int) -> cbor2.CBORDecoder:
    return cbor2.CBORDecoder(
        stream,
        tag_hook=_refuse,
        semantic_decoders=_SEMANTICS,
        read_size=read_bytes,
        max_depth=MAX_DEPTH,
        allow_indefinite=False,
        allow_duplicate_keys=False,
    )


def _next(decoder: cbor2.CBORDecoder) -> Any:
    try:
        return decoder.decode()
    except (cbor2.CBORDecodeError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise InputError(f"not CBOR that is read here: {str(error.__cause__ or error)[:200]}") from error


def decode_cbor(data: bytes) -> Any:
    """The one item `data` is. Raises InputError for anything else."""
    decoder = _decoder(io.BytesIO(data), max(len(data), 1))
    item = _next(decoder)
    try:
        decoder.read(1)
    except cbor2.CBORDecodeEOF:
        return item
    raise InputError("bytes follow after the CBOR item")


def decode_sequence(stream: io.BufferedReader) -> Iterator[Any]:
    """Items of a CBOR sequence (RFC 8742), one after the other, tags of COSE_Sign1 taken off. Raises InputError."""
    decoder = _decoder(stream, 1)  # one byte at a time: nothing is read ahead, so the end shows where an item ends
    while first := stream.peek(1)[:1]:
        if first == SIGN1_TAG:
            stream.read(1)
        yield _next(decoder)
