"""The commands of docs/how-to/assets.md, each run as it stands there."""

from __future__ import annotations

import shlex
import shutil
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from gridwitness.cli import build_app
from tests.integration.assets.desk import Desk
from tests.integration.assets.scene import EUR, EXAMPLES
from tests.integration.docs.blocks import DOCS, blocks_of

AUGUST = int(datetime(2016, 8, 1, 12, tzinfo=UTC).timestamp())


def test_follow__every_command_of_the_page__does_what_it_says(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, folder = desk.scene, desk.folder
    monkeypatch.chdir(folder)
    shutil.copy(EXAMPLES / "credit.toml", folder)
    (folder / "deployments").mkdir()
    shutil.copy(desk.manifest, folder / "deployments")
    scene.send(scene.registrar, scene.euro.functions.mint(scene.issuer.address, 10_000 * EUR))
    desk.write_config("registrar", scene.registrar)
    names = {"0xHOLDER": scene.investors[5].address, "http://127.0.0.1:8545": scene.anvil.url}
    done = 0
    for line in (line for block in blocks_of(DOCS / "how-to/assets.md") for line in block.source.splitlines()):
        program, *words = shlex.split(line)
        assert program == "gridwitness"
        if words[1] == "statement":
            scene.anvil.set_next_time(AUGUST)
            scene.anvil.mine()
            words += ["--rpc", scene.anvil.url]
        command = [names.get(word, word) for word in words]
        result = CliRunner().invoke(build_app(command), command, input="y\n")
        assert result.exit_code == 0, (line, result.output, result.exception)
        if words[1] == "create" and "--dry-run" not in words:
            names["0xASSET"] = result.stdout.split("asset ")[1].split()[0]
        done += 1
    assert done == 8
    assert (folder / "july.pdf").read_bytes().startswith(b"%PDF-")
    assert ",dividend," in (folder / "july.csv").read_text()
