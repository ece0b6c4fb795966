"""`ape …` as a process of its own, forked from one that has imported Ape: importing costs more than most scripts do."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(
    [
        "ape._cli",
        "ape_run._cli",
        "ape.managers.chain",
        "ape_ethereum.ecosystem",
        "ape_accounts.accounts",
        "ape_test.accounts",
        "ape_pm.project",
        # Ape imports every provider there is to find the one that is meant.
        "ape_test.provider",
        "ape_node.provider",
        "ape_foundry.provider",
        "ape_solidity.compiler",
        "tests.integration.deploy.warm_ape",
        "scripts._contracts",
        "scripts._streams",
        "scripts._zone_steps",
    ]
)


class ForkedApe:
    """A running `ape`, with what one needs of `subprocess.Popen`."""

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        output: Path,
        terminal: str | None = None,
    ) -> None:
        """Start it in `folder` with these variables and no others; it writes to `output`, errors too.

        It reads from the device `terminal`, or from nothing.
        """
        self._output = output
        arguments = list(arguments)
        self._process = _server.Process(target=_ape, args=(arguments, folder, dict(environment), output, terminal))
        self._process.start()
        self.returncode: int | None = None

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()

    def communicate(self) -> tuple[str, None]:
        """Wait for its end; all it wrote."""
        self._process.join()
        self.returncode = self._process.exitcode
        return self._output.read_text(encoding="utf-8"), None


def _ape(arguments: list[str], folder: Path, environment: dict[str, str], output: Path, terminal: str | None) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    with output.open("wb") as file:
        for standard in (1, 2):
            os.dup2(file.fileno(), standard)
    if terminal is not None:
        sys.stdin = Path(terminal).open(encoding="utf-8")  # noqa: SIM115 (for as long as the process lives)
    sys.argv = ["ape", *arguments]

    from ape._cli import cli

    cli()
