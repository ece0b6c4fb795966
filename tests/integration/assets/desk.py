"""The desk of an issuer who works with the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount
from typer.testing import CliRunner, Result

from gridwitness.chain.keystore import write_keystore
from gridwitness.cli import build_app
from gridwitness.errors import GridwitnessError
from tests.integration.assets.scene import Scene


class Desk:
    """The issuer's folder: manifest, keystore, settings."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        self.scene, self.folder = scene, folder
        contracts = {
            name: {"address": entry.address, "block": entry.block}
            for name, entry in scene.chain.manifest.contracts.items()
        }
        self.manifest = folder / "31337.json"
        self.manifest.write_text(json.dumps({"chain_id": scene.chain.chain_id, "contracts": contracts}))
        (folder / "password").write_text("pass\n")
        self.config = self.write_config("issuer", scene.issuer)

    def write_config(self, name: str, account: LocalAccount) -> Path:
        """Settings with the key of an account."""
        write_keystore(self.folder / name, bytes(account.key), self.folder / "password", light=True)
        config = self.folder / f"{name}.toml"
        config.write_text(
            f'rpc_url = "{self.scene.anvil.url}"\nmanifest = "31337.json"\nkeystore = "{name}"\n'
            'password_file = "password"\n'
        )
        return config

    def run(self, *arguments: str, answer: str = "") -> Result:
        """Run a command; raises what it raises."""
        command = ["asset", *arguments]
        result = CliRunner().invoke(build_app(command), command, input=answer)
        if isinstance(result.exception, GridwitnessError):
            raise result.exception
        return result

    def send(self, *arguments: str) -> dict[str, Any]:
        """Run a command that sends, without asking; its JSON."""
        result = self.run(*arguments, "--config", str(self.config), "--yes", "--json")
        assert result.exit_code == 0, result.output
        return dict(json.loads(result.stdout))

    def read(self, *arguments: str) -> Result:
        """Run a command that reads."""
        result = self.run(*arguments, "--rpc", self.scene.anvil.url, "--manifest", str(self.manifest))
        assert result.exit_code == 0, result.output
        return result
