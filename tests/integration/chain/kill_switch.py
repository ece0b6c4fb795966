"""An oracle's outbox in a process of its own, which kills itself in the middle of its work.

A point is any SQLite statement, and the moments before a request leaves and after its answer came.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from eth_account.signers.local import LocalAccount

from gridwitness.chain.client import Chain
from gridwitness.chain.manifest import Manifest
from gridwitness.chain.outbox import Outbox
from gridwitness.chain.signing_key import LocalKey


@dataclass(frozen=True, slots=True)
class Work:
    """Intents (key, recipient, calldata) that a process is to bring to the end."""

    url: str
    manifest: Manifest
    account: LocalAccount
    path: Path
    intents: tuple[tuple[str, str, bytes], ...]


def run_until_killed(work: Work, kill_at: int | None) -> bool:
    """Do the work in a process that gets SIGKILL at point `kill_at`; whether it came through unharmed."""
    process = multiprocessing.get_context("fork").Process(target=_run, args=(work, kill_at))
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode == 0


def _run(work: Work, kill_at: int | None) -> None:
    chain = Chain(work.url, work.manifest)
    outbox = Outbox(chain, LocalKey(work.account), work.path)
    passed = 0

    def point(*_: object) -> None:
        nonlocal passed
        if passed == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        passed += 1

    outbox._store._database.set_trace_callback(point)
    for name in ("make_request", "make_batch_request"):
        _watch(chain, name, point)
    for key, to, calldata in work.intents:
        outbox.enqueue(key, to, calldata)
    while set(outbox.counts()) != {"final"}:
        outbox.step()


def _watch(chain: Chain, name: str, point: object) -> None:
    request = getattr(chain.node.provider, name)

    def watched(*arguments: object) -> object:
        point()  # type: ignore[operator]
        answer = request(*arguments)
        point()  # type: ignore[operator]
        return answer

    setattr(chain.node.provider, name, watched)
