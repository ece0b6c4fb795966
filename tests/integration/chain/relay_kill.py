"""A relay in a process of its own, which kills itself in the middle of its work.

A point is any SQLite statement of the log or the outbox, and the moments before a request leaves and after its answer
came.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection

from gridwitness.domain.market import SignedSchedule
from tests.integration.chain.kill_switch import _watch
from tests.integration.chain.relay_scene import Scene, post, step_until_idle


def post_until_killed(scene: Scene, row: SignedSchedule | None, kill_at: int | None) -> tuple[bool, bool]:
    """Post a row, if any, and work until nothing is left to do, in a process that gets SIGKILL at point `kill_at`.

    Returns whether the row was acknowledged, and whether the process came through unharmed.
    """
    context = multiprocessing.get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(scene, row, kill_at, writer))
    process.start()
    writer.close()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    try:
        is_acknowledged: bool = reader.recv()
    except EOFError:
        is_acknowledged = False
    return is_acknowledged, process.exitcode == 0


def _run(scene: Scene, row: SignedSchedule | None, kill_at: int | None, writer: Connection) -> None:
    relay = scene.relay()
    passed = 0

    def point(*_: object) -> None:
        nonlocal passed
        if passed == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        passed += 1

    relay._log._database._writer.set_trace_callback(point)
    relay._outbox._store._database.set_trace_callback(point)
    for name in ("make_request", "make_batch_request"):
        _watch(relay._chain, name, point)
    if row is not None:
        (result,) = post(relay, row)
        assert result.status == "accepted"
        writer.send(True)
    step_until_idle(relay)
