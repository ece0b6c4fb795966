"""A shell that stays open from block to block, as a reader's terminal does, and a Python that does so too."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from gridwitness.chain.anvil import Anvil

PATIENCE_S = 240.0
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_MARK = "--- end of block ---"
# A command in the middle that fails is as bad as the last one.
_SHELL = ("bash", "--noprofile", "--norc", "-E")
_PYTHON = f"""
import json, sys, traceback
names = {{"__name__": "__main__"}}
for line in sys.stdin:
    code = 0
    try:
        exec(compile(json.loads(line), "<block>", "exec"), names)
    except BaseException:
        traceback.print_exc()
        code = 1
    print("\\n{_MARK}", code, flush=True)
"""


class TerminalError(AssertionError):
    """A block did not come to its end."""


class Terminal(ABC):
    """A process that takes blocks one after the other; what it prints, errors too, is `output`."""

    def __init__(self, command: tuple[str, ...], folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=Anvil.die_with_parent,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._output: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def output(self) -> str:
        """All that was printed and not yet returned by `run`."""
        while not self._lines.empty():
            self._take(0)
        return "".join(self._output)

    def run(self, source: str) -> tuple[str, int]:
        """Run a block to its end: what it printed, and its exit code."""
        self._output.clear()
        self.start(source)
        until = time.monotonic() + PATIENCE_S
        while True:
            line = self._take(until - time.monotonic())
            if line.startswith(_MARK):
                self._output.pop()
                code = int(line.removeprefix(_MARK))
                printed, self._output = "".join(self._output), []
                return printed.rstrip("\n"), code

    def start(self, source: str) -> None:
        """Let a block run, without waiting for its end."""
        assert self._process.stdin is not None
        self._process.stdin.write(self._typed(source))
        self._process.stdin.flush()

    def end(self) -> None:
        """End it and all that was started in it."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, sign)
                self._process.wait(5)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue

    @abstractmethod
    def _typed(self, source: str) -> str:
        """A block as the process reads it."""

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(_ESCAPE.sub("", line))
        self._lines.put(None)

    def _take(self, seconds: float) -> str:
        try:
            line = self._lines.get(timeout=max(seconds, 0.001))
        except queue.Empty:
            raise TerminalError(f"not at an end after {PATIENCE_S:.0f} s:\n{''.join(self._output)}") from None
        if line is None:
            raise TerminalError(f"the terminal is gone:\n{''.join(self._output)}")
        self._output.append(line)
        return line


class Shell(Terminal):
    """A bash."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        super().__init__(_SHELL, folder, environment)

    def _typed(self, source: str) -> str:
        # Read whole before it runs: a command that reads its standard input must not eat the lines after it.
        quoted = source.replace("'", "'\\''")
        return f"failed=0; trap 'failed=$?' ERR\neval '{quoted}' </dev/null\nprintf '\\n{_MARK} %s\\n' $failed\n"


class Python(Terminal):
    """A Python whose names stay."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        super().__init__((sys.executable, "-u", "-c", _PYTHON), folder, environment)

    def _typed(self, source: str) -> str:
        return json.dumps(source) + "\n"
