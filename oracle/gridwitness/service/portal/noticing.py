"""What the chain's events leave out, noticed at every refresh: when batches became final, and what was refused."""

from __future__ import annotations

import json

from gridwitness.chain.node import Block
from gridwitness.errors import GridwitnessError
from gridwitness.service.portal.sources import Site
from gridwitness.store.site_index import put_meta, record_happenings

_BATCHES_AT_ONCE = 100


class Finality:
    """Times at which batches had as many blocks on top as the oracle waits for."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def refresh(self, head: Block) -> bool:
        """Note the times of batches that are final by now; whether there are more. Raises ChainError."""
        confirmations = self._site.options.confirmations
        if not confirmations:
            return False  # a batch is final in its own block
        noted = int(self._site.index.meta("final_block") or -1)
        query = "SELECT stream, seq, block FROM logs WHERE name = 'BatchAttested' AND block > ? AND block <= ?"
        query += " ORDER BY block LIMIT ?"
        values = (noted, head.number - confirmations, _BATCHES_AT_ONCE)
        batches = self._site.index.rows(query, values)
        if not batches:
            return False
        # Those of one block are noted together, or the rest of them would be passed over.
        last = batches[-1][2]
        if len(batches) == _BATCHES_AT_ONCE and batches[0][2] != last:
            batches = [row for row in batches if row[2] != last]
        times = self._times({block + confirmations for _, _, block in batches})
        with self._site.index.write() as connection:
            rows = [(stream, seq, times[block + confirmations]) for stream, seq, block in batches]
            connection.executemany("INSERT OR REPLACE INTO finals VALUES (?, ?, ?)", rows)
            put_meta(connection, "final_block", str(batches[-1][2]))
        return True

    def _times(self, numbers: set[int]) -> dict[int, int]:
        requests = [("eth_getBlockByNumber", (hex(number), False)) for number in sorted(numbers)]
        answers = self._site.chain.node.rpc_batch(requests)
        for answer in answers:
            if isinstance(answer, GridwitnessError):
                raise answer
        return {int(raw["number"], 16): int(raw["timestamp"], 16) for raw in answers}


def tell_refusals(site: Site) -> None:
    """Let those who watch know that readings were refused, by reason and number."""
    noted: dict[str, int] = json.loads(site.index.meta("refused") or "{}")
    counts = site.log.refused()
    if counts == noted:
        return
    with site.index.write() as connection:
        put_meta(connection, "refused", json.dumps(counts))
        record_happenings(
            connection,
            [
                ("rejection", site.head.time, {"reason": reason, "count": count - noted.get(reason, 0)})
                for reason, count in counts.items()
                if count > noted.get(reason, 0)
            ],
        )
