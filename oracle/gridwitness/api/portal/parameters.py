"""Parameters that many routes have, with their limits as OpenAPI tells them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

MAX_PAGE = 1_000
MAX_INTEGER = (1 << 63) - 1
_MAX_SEQ = _MAX_SLOT = (1 << 32) - 1
_MAX_DAY = _MAX_SLOT // 96
_MAX_ZONE = (1 << 24) - 1
_MAX_CURSOR_CHARACTERS = 512
_ID = {"pattern": "^(0x)?[0-9a-fA-F]{64}$"}
# Of one case: an address of both is checked for its checksum, which a pattern cannot.
_ADDRESS = {"pattern": "^0x([0-9a-f]{40}|[0-9A-F]{40})$"}

DevicePath = Annotated[str, Path(description="Device id, 32 bytes in hexadecimal", json_schema_extra=_ID)]
DeviceQuery = Annotated[str, Query(description="Device id, 32 bytes in hexadecimal", json_schema_extra=_ID)]
DeviceFilter = Annotated[
    str | None, Query(description="Only of this device, 32 bytes in hexadecimal", json_schema_extra=_ID)
]
StreamPath = Annotated[str, Path(description="Stream id, 32 bytes in hexadecimal", json_schema_extra=_ID)]
CounterPath = Annotated[int, Path(ge=0, le=MAX_INTEGER, description="The device's counter of the reading")]
SeqPath = Annotated[int, Path(ge=0, le=_MAX_SEQ, description="Number of the batch in its stream, from 1")]
DayPath = Annotated[int, Path(ge=0, le=_MAX_DAY, description="UTC day, days since 1970-01-01")]
DayFilter = Annotated[int | None, Query(ge=0, le=_MAX_DAY, description="Only of this UTC day, days since 1970-01-01")]
ZonePath = Annotated[int, Path(ge=0, le=_MAX_ZONE, description="Market zone")]
ZoneFilter = Annotated[int | None, Query(ge=0, le=_MAX_ZONE, description="Only of this zone")]
SlotPath = Annotated[int, Path(ge=0, le=_MAX_SLOT, description="Delivery slot, unix time / 900")]
TimeFrom = Annotated[int, Query(alias="from", ge=0, le=MAX_INTEGER, description="From this unix second on")]
TimeTo = Annotated[int, Query(alias="to", ge=0, le=MAX_INTEGER, description="Before this unix second")]
TimeQuery = Annotated[int, Query(ge=0, le=MAX_INTEGER - 1, description="Unix second, start of the interval")]
AssetPath = Annotated[str, Path(description="Address of an asset's shares", json_schema_extra=_ADDRESS)]
AccountPath = Annotated[str, Path(description="Address of a wallet", json_schema_extra=_ADDRESS)]
TextFilter = Annotated[str, Query(max_length=80)]
Cursor = Annotated[
    str, Query(max_length=_MAX_CURSOR_CHARACTERS, description="`next_cursor` of the page before; empty for the first")
]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Items at most")]
