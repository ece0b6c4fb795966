"""Figures of a run, as out/chaos.json and in words."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from tests.chaos.faults import Chaos
from tests.chaos.judge import Verdict
from tests.chaos.ledger import Ledger
from tests.chaos.schedule import Plague
from tests.chaos.watcher import Watcher
from tests.chaos.world import World

BACK_GOAL_S = 2.0
REORG_GOAL_BLOCKS = 2


@dataclass
class Result:
    """A run and its verdict."""

    seed: int
    minutes: float
    world: World
    ledger: Ledger
    watcher: Watcher
    chaos: Chaos
    verdict: Verdict
    is_timed: bool = True

    def __post_init__(self) -> None:
        self._judge_members()
        self.missed = self._missed_goals()
        if self.is_timed:
            self.verdict.violations += self.missed

    def _judge_members(self) -> None:
        """The liar and the silent one must be named, and nobody else accused of lying."""
        watcher, world = self.watcher, self.world
        lies = ("wrong_digest", "wrong_content", "wrong_signature")
        if not watcher.failures[world.liar]["wrong_digest"] or watcher.signed[world.liar]:
            self.verdict.violations.append(f"the liar is not named: {dict(watcher.failures[world.liar])}")
        if not watcher.failures[world.silent]["no_answer"] or watcher.signed[world.silent]:
            self.verdict.violations.append(f"the silent one is not named: {dict(watcher.failures[world.silent])}")
        for member in world.honest:
            accused = {
                kind: watcher.failures[member.index][kind] for kind in lies if watcher.failures[member.index][kind]
            }
            if accused:
                self.verdict.violations.append(f"{member.name} is accused: {accused} {watcher.last_failures}")

    def _missed_goals(self) -> list[str]:
        """How soon things went on, where that was too late."""
        missed = []
        worst, blocks = max(self.backs, default=0.0), max(self.reorgs, default=0)
        if worst > BACK_GOAL_S:
            missed.append(f"RPC back → next transaction took {worst:.2f} s; goal {BACK_GOAL_S:g} s")
        if blocks > REORG_GOAL_BLOCKS:
            missed.append(f"a reorged attestation took {blocks} blocks; goal {REORG_GOAL_BLOCKS}")
        return missed

    @property
    def backs(self) -> list[float]:
        """Seconds from the RPC's return to the next transaction, where nothing else was wrong."""
        return [one.back_s for one in self.chaos.struck if one.back_s is not None and not one.disturbed]

    @property
    def reorgs(self) -> list[int]:
        """Blocks until every attestation of a reorganisation stood again, where nothing else was wrong."""
        return [one.blocks for one in self.chaos.struck if one.blocks is not None and not one.disturbed]

    def document(self) -> dict[str, Any]:
        """out/chaos.json."""
        verdict, ledger = self.verdict, self.ledger
        faults = {
            "kills": sum(count for name, count in self.chaos.counts.items() if name.startswith("kill_")),
            "reorgs": self.chaos.counts[Plague.REORG.value],
            "rpc": sum(count for name, count in self.chaos.counts.items() if name.startswith("rpc_")),
            **dict(sorted(self.chaos.counts.items())),
        }
        return {
            "seed": self.seed,
            "minutes": self.minutes,
            "faults": faults,
            "rpc_exchanges_struck": sum(sum(proxy.struck.values()) for proxy in self.world.proxies),
            "acknowledged": len(ledger.acknowledged),
            "by_format": dict(ledger.per_format),
            "parcels": dict(ledger.sent),
            "retries": ledger.retries,
            "batches": self.watcher.seq,
            "proven_on_chain": self.watcher.proven,
            "lost": verdict.lost,
            "attested_twice": verdict.attested_twice,
            "order_violations": verdict.order_violations,
            "ordered_pairs": len(ledger.followed),
            "rejects": verdict.rejects,
            "rpc_back_to_transaction_s": _spread(self.backs),
            "reorg_final_again_blocks": _spread(self.reorgs)
            | {"lost": sum(one.lost for one in self.chaos.struck), "disturbed": self._disturbed()},
            "double_mined": verdict.double_mined,
            "nonce_gaps": verdict.nonce_gaps,
            "liar": {"member": self.world.liar, **self.watcher.failures[self.world.liar]},
            "silent": {"member": self.world.silent, **self.watcher.failures[self.world.silent]},
            "disk": "tmpfs" if self.world.disk.was_mounted else "file size limit",
            "passed": not verdict.violations,
            "violations": verdict.violations,
            "missed_goals": self.missed,
        }

    def _disturbed(self) -> list[int]:
        return [one.blocks for one in self.chaos.struck if one.blocks is not None and one.disturbed]

    def events(self) -> list[dict[str, object]]:
        """What happened when."""
        return [one.document() for one in self.chaos.struck]

    def summary(self) -> str:
        """A few lines for people."""
        document = self.document()
        back, blocks = document["rpc_back_to_transaction_s"], document["reorg_final_again_blocks"]
        lines = [
            f"{document['faults']['kills']} kills, {document['faults']['reorgs']} reorganisations, "
            f"{document['faults']['rpc']} RPC faults, {document['faults'].get('disk_full', 0)} full disks "
            f"in {self.minutes:g} minutes (seed {self.seed})",
            f"{document['acknowledged']} acknowledged in {document['batches']} batches: {document['lost']} lost, "
            f"{document['attested_twice']} attested twice, {document['order_violations']} out of order; "
            f"{document['proven_on_chain']} proven on chain",
            f"RPC back → next transaction: at most {back['max']} s ({back['count']} cases); "
            f"reorged → attested again: at most {blocks['max']} blocks ({blocks['count']} cases)",
            "passed" if document["passed"] else "FAILED:",
            *(f"  {one}" for one in document["violations"][:40]),
            *(f"missed: {one}" for one in self.missed if not self.is_timed),
        ]
        return "\n".join(lines)


def _spread(values: list[float] | list[int]) -> dict[str, Any]:
    if not values:
        return {"max": None, "median": None, "count": 0}
    return {"max": round(max(values), 3), "median": round(statistics.median(values), 3), "count": len(values)}
