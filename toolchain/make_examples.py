"""Write the examples in the API's OpenAPI document, from what a demo's page answers: gridwitness serve, then this.

python toolchain/make_examples.py http://127.0.0.1:8100 [a wallet with shares]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import httpx

TARGET = Path(__file__).resolve().parents[1] / "oracle" / "gridwitness" / "api" / "examples.json"
# Enough to see what is in a list.
_ITEMS_SHOWN = 2
_NUMBERS_SHOWN = 6


def examples(client: httpx.Client, wallet: str) -> dict[str, Any]:
    """Path template to an answer, shortened; of a wallet's portfolio, if one is given."""
    settlements = client.get("/v1/settlements?limit=1000").json()["items"]
    settled = next(one for one in settlements if one["status"] == "final")
    device, day = settled["device_id"], settled["day"]
    reading = client.get(f"/v1/readings?device={device}&from={day * 86_400 + 43_200}&limit=1").json()["items"][0]
    stream = client.get("/v1/streams").json()[0]
    values = {
        "device": device,
        "counter": reading["counter"],
        "time": reading["time"],
        "day": day,
        "zone": 1,
        "slot": day * 96 + 48,
        "stream": stream["stream_id"],
        "seq": reading["batch_seq"],
        "asset": next(iter(client.get("/v1/assets").json()["items"]), {}).get("address", wallet),
        "account": wallet or settled["account"],
    }
    document = client.get("/openapi.json").json()
    found: dict[str, Any] = {"parameters": values}
    for path, methods in document["paths"].items():
        if "get" not in methods or not path.startswith("/v1/") or path in ("/v1/events", "/v1/status"):
            continue
        wanted = [p["name"] for p in methods["get"].get("parameters", []) if p["required"] and p["in"] == "query"]
        answer = client.get(path.format(**values), params={name: values[name] for name in wanted})
        if answer.is_success:
            found[path] = _shortened(answer.json())
    return found


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shortened(entry) for name, entry in value.items()}
    if isinstance(value, list):
        shown = _ITEMS_SHOWN if value and isinstance(value[0], dict) else _NUMBERS_SHOWN
        return [_shortened(entry) for entry in value[:shown]]
    return value


def main() -> None:
    """Ask, and write."""
    with httpx.Client(base_url=sys.argv[1], timeout=30) as client:
        found = examples(client, "".join(sys.argv[2:3]))
    TARGET.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
