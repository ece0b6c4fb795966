"""Packed words: orders, energies and batch summaries, as the contracts lay them out (big endian)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from gridwitness.domain.batches import BatchMeta
from gridwitness.domain.market import MAX_ORDER_ENERGY_WH, TICKS, Order, Side
from gridwitness.domain.readings import MAX_SCORE_BPS
from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.errors import InputError

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1


def pack_orders(orders: Sequence[Order]) -> tuple[int, ...]:
    """Pack 96 orders into 12 words: side 1 bit | tick 7 bits | energyWh 24 bits, slot 0 most significant.

    Raises InputError if there are not 96 orders, or a tick or energy is out of range.
    """
    if len(orders) != SLOTS_PER_DAY:
        raise InputError(f"a schedule has {len(orders)} orders; it must have {SLOTS_PER_DAY}")
    packed = []
    for index, order in enumerate(orders):
        if not 0 <= order.tick < TICKS:
            raise InputError(f"order {index}: tick {order.tick} is outside 0 to {TICKS - 1}")
        if not 0 <= order.energy_wh <= MAX_ORDER_ENERGY_WH:
            raise InputError(f"order {index}: energy {order.energy_wh} Wh is outside 0 to {MAX_ORDER_ENERGY_WH}")
        packed.append(order.side << 31 | order.tick << 24 | order.energy_wh)
    return _words(struct.pack(f">{SLOTS_PER_DAY}I", *packed))


def unpack_orders(words: Sequence[int]) -> tuple[Order, ...]:
    """The 96 orders of 12 packed words."""
    raw = struct.unpack(f">{SLOTS_PER_DAY}I", b"".join(word.to_bytes(32, "big") for word in words))
    return tuple(Order(Side(value >> 31), (value >> 24) & 0x7F, value & 0xFFFFFF) for value in raw)


def energy_bytes(energy_wh: Sequence[int]) -> bytes:
    """Net energies (Wh, import positive) as packed big-endian int32, four bytes each.

    Raises InputError if a value does not fit 32 bits.
    """
    for index, value in enumerate(energy_wh):
        if not INT32_MIN <= value <= INT32_MAX:
            raise InputError(f"energy {index}: {value} Wh is outside {INT32_MIN} to {INT32_MAX}")
    return struct.pack(f">{len(energy_wh)}i", *energy_wh)


def pack_energy_wh(energy_wh: Sequence[int]) -> tuple[int, ...]:
    """Pack 96 net energies (Wh) into 12 words. Raises InputError if there are not 96 or one is out of range."""
    if len(energy_wh) != SLOTS_PER_DAY:
        raise InputError(f"a day's profile has {len(energy_wh)} energies; it must have {SLOTS_PER_DAY}")
    return _words(energy_bytes(energy_wh))


def _words(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[i : i + 32], "big") for i in range(0, len(data), 32))


def pack_meta(meta: BatchMeta) -> int:
    """Pack a batch summary into one word (contracts/types/BatchMeta.sol). Raises InputError if a field is too wide."""
    if not 0 <= meta.max_score_bps <= MAX_SCORE_BPS:
        raise InputError(f"max_score_bps {meta.max_score_bps} is outside 0 to {MAX_SCORE_BPS}")
    if len(meta.model_hash) != 12:
        raise InputError(f"model_hash has {len(meta.model_hash)} bytes; it must have 12")
    word = 0
    for name, bits in (("count", 32), ("flagged_count", 32), ("max_score_bps", 16), ("time_from", 40), ("time_to", 40)):
        value = getattr(meta, name)
        if not 0 <= value < 1 << bits:
            raise InputError(f"{name} {value} does not fit {bits} bits")
        word = word << bits | value
    return word << 96 | int.from_bytes(meta.model_hash, "big")


def unpack_meta(word: int) -> BatchMeta:
    """The batch summary of a packed word."""
    return BatchMeta(
        count=word >> 224,
        flagged_count=word >> 192 & 0xFFFFFFFF,
        max_score_bps=word >> 176 & 0xFFFF,
        time_from=word >> 136 & 0xFFFFFFFFFF,
        time_to=word >> 96 & 0xFFFFFFFFFF,
        model_hash=(word & ((1 << 96) - 1)).to_bytes(12, "big"),
    )


def metric_bytes(metric: str) -> bytes:
    """A metric's name as 32 bytes, left-aligned ASCII. Raises InputError if it is empty, too long or not ASCII."""
    if not metric.isascii() or not metric.isprintable() or not 0 < len(metric) <= 32:
        raise InputError(f"metric {metric!r} is not 1 to 32 printable ASCII characters")
    return metric.encode("ascii").ljust(32, b"\0")
