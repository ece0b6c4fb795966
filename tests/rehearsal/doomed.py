"""`ape …` that kills itself (SIGKILL) at each step in turn: before and after it writes the manifest or sends.

A step has a name. The process dies at the first that is new, and says which in a file: what a killed process has handed
to the kernel stays. To be quicker it may die at every n-th new step only.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.integration.deploy.forked_ape import ForkedApe, _ape, _server


class AllBut:
    """All steps but one, to die at that."""

    def __init__(self, step: str) -> None:
        self._step = step

    def __contains__(self, step: object) -> bool:
        return step != self._step


class DoomedApe(ForkedApe):
    """A running `ape` that ends at the first step whose name is not among the `known`, or at the n-th such."""

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        output: Path,
        known: Container[str],
        last_words: Path,
        every: int = 1,
    ) -> None:
        """As ForkedApe; names of new steps that it came to are written to `last_words`, the one where it died last."""
        self._output = output
        own = (list(arguments), folder, dict(environment), output, known, last_words, every)
        self._process = _server.Process(target=_doomed, args=own)
        self._process.start()
        self.returncode: int | None = None


def _doomed(
    arguments: list[str],
    folder: Path,
    environment: dict[str, str],
    output: Path,
    known: Container[str],
    last_words: Path,
    every: int,
) -> None:
    from scripts._manifest import ManifestFile
    from scripts._sender import Sender

    seen: list[str] = []

    def at(step: str) -> None:
        if step in known or step in seen:
            return
        seen.append(step)
        last_words.write_text("\n".join(seen), encoding="utf-8")
        if len(seen) == every:
            os.kill(os.getpid(), signal.SIGKILL)

    inside: list[str] = []

    def around(owner: type, method: str, name: Callable[..., str], *moments: str) -> None:
        original = getattr(owner, method)

        def surrounded(self: Any, *arguments: Any) -> Any:
            if inside:  # a part of a step that is surrounded already
                return original(self, *arguments)
            step = name(self, *arguments)
            if "before" in moments:
                at(f"before {step}")
            inside.append(step)
            try:
                result = original(self, *arguments)
            finally:
                inside.pop()
            if "after" in moments:
                at(f"after {step}")
            return result

        setattr(owner, method, surrounded)

    def pending(sender: Any, attempt: Any) -> str:
        return f"sending: {(sender._manifest.pending or {'what': 'what was dropped'})['what']}"

    # After the note nothing happens before the transaction leaves; after a record nothing before the next note.
    around(ManifestFile, "begin", lambda _, transaction: f"noting: {transaction['what']}", "before")
    around(Sender, "_broadcast", pending, "before", "after")
    around(ManifestFile, "finish", lambda _, sent, *rest: f"recording: {sent['what']}", "before")
    around(ManifestFile, "record", lambda _, keys, entry: f"recording: {'.'.join(keys)}", "before")
    around(ManifestFile, "settle", lambda *_: f"settling: {' '.join(arguments[1:3])}", "before", "after")
    _ape(arguments, folder, environment, output, None)
