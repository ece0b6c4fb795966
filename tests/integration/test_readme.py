"""What README and the documents tell people to type, open or run exists, and their examples work."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest
import typer
from ape.cli import ConnectedProviderCommand
from typer.core import TyperGroup

from gridwitness.cli import build_app
from gridwitness.cli.settings import load_settings
from gridwitness.cli.trading import load_battery, zone_rules
from gridwitness.domain.batches import BatchMeta, Proof
from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, Score, ScoredReading, SignedReading
from gridwitness.encoding.eip712 import reading_digest, registry_domain
from gridwitness.encoding.keys import P256Key
from gridwitness.encoding.leaves import reading_fields, reading_leaf
from gridwitness.encoding.merkle import StandardMerkleTree
from gridwitness.service.proofs import ProofFile

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
PROGRAMS = {"make", "gridwitness", "ape", "cast", "chmod", "systemctl", "journalctl", "npm", "pip", "export"}
REGISTRY = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


def code_blocks(document: Path, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )


def commands() -> Iterator[list[str]]:
    """Every command of every shell block, split as a shell does."""
    for document in DOCUMENTS:
        for block in code_blocks(document, "sh"):
            for line in block.splitlines():
                yield shlex.split(line, comments=True)


def commands_of(program: str) -> list[list[str]]:
    found = [words[1:] for words in commands() if words and Path(words[0]).name == program]
    assert found, f"no document shows a command of {program}"
    return found


@cache
def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][\w./-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))


def test_show_commands__every_program__is_one_the_tests_know() -> None:
    assert {Path(words[0]).name for words in commands() if words} <= PROGRAMS


@pytest.mark.parametrize("words", commands_of("gridwitness"), ids=" ".join)
def test_show_commands__gridwitness__parses_with_its_options(words: list[str]) -> None:
    command = typer.main.get_command(build_app())
    while isinstance(command, TyperGroup):
        name, *words = words
        assert name in command.commands
        command = command.commands[name]
    if "--help" not in words:
        command.make_context(name, words)


@pytest.mark.parametrize("words", [*commands_of("systemctl"), *commands_of("journalctl")], ids=" ".join)
def test_show_commands__units__are_shipped(words: list[str]) -> None:
    units = [word for word in words if "@" in word]
    assert units
    assert [unit for unit in units if not (ROOT / "ops" / f"{unit.partition('@')[0]}@.service").is_file()] == []


@pytest.mark.parametrize("words", commands_of("make"), ids=" ".join)
def test_show_commands__make__target_exists(words: list[str]) -> None:
    assert {word for word in words if "=" not in word} <= make_targets()


@pytest.mark.parametrize("words", [words for words in commands_of("ape") if words[0] == "run"], ids=" ".join)
def test_show_commands__ape_run__script_has_the_options(words: list[str]) -> None:
    command = importlib.import_module(f"scripts.{words[1]}").cli
    if isinstance(command, click.Group):
        command = command.commands[words[2]]
    assert isinstance(command, ConnectedProviderCommand)  # which brings --network
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    known = {name for option in options for name in option.opts} | {"--network"}
    shown = {word for word in words if word.startswith("--")}
    assert shown <= known
    assert [option.name for option in options if option.required and not shown & {*option.opts}] == []


def test_show_map__every_folder__exists() -> None:
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("## Where things are")[1].split("\n## ")[0]
    folders = re.findall(r"^\| `([^`]+/)` \|", table, flags=re.MULTILINE)
    assert len(folders) >= 8
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_link__every_document__resolves(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if "://" not in target]
    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_name_test__every_document__exists(document: Path) -> None:
    named = set(re.findall(r"`((?:test|testFuzz|invariant)_\w+)`", document.read_text(encoding="utf-8")))
    sources = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("tests/**/*.t.sol")]
    written = set(
        re.findall(r"(?:def|function) (\w+)\(", "".join(path.read_text(encoding="utf-8") for path in sources))
    )
    assert named - written == set()


def test_show_figures__gas_table__is_within_a_per_cent_of_the_snapshot() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = {key: int(gas.replace(",", "")) for gas, key in re.findall(r"\| ([\d,]+) \| `([^`]+)` \|\n", text)}
    snapshot = json.loads((ROOT / "tests/gas/gas.json").read_text(encoding="utf-8"))["calls"]
    assert len(shown) >= 7
    measured = {key: snapshot[key]["gas"] for key in shown}
    assert {key: gas for key, gas in shown.items() if abs(gas - measured[key]) > measured[key] / 100} == {}


def test_show_settings__operator_manual__is_what_run_reads(tmp_path: Path) -> None:
    (block,) = code_blocks(ROOT / "docs/operator.md", "toml")
    settings_file = tmp_path / "oracle.toml"
    settings_file.write_text(block, encoding="utf-8")
    settings = load_settings(settings_file)
    assert settings.name == tomllib.loads(block)["name"]
    assert len(settings.peers) == 2


def test_show_rules__integrator_guide__are_what_agent_reads(tmp_path: Path) -> None:
    rules_block, battery_block = code_blocks(ROOT / "docs/integrator.md", "toml")
    rules_file, battery_file = tmp_path / "zone.toml", tmp_path / "battery.toml"
    rules_file.write_text(rules_block, encoding="utf-8")
    battery_file.write_text(battery_block, encoding="utf-8")
    rules = zone_rules(1, rules_file, None, None, day=0)
    assert rules.is_green(DeviceKind.GENERATION)
    assert load_battery(battery_file).capacity_wh == tomllib.loads(battery_block)["capacity_wh"]


@pytest.fixture
def proof_folder(tmp_path: Path) -> Path:
    """A folder with a proof.json as `gridwitness prove` writes it, and the npm packages."""
    key = P256Key(7)
    domain = registry_domain(31337, REGISTRY)
    leaves = []
    for counter in range(5):
        reading = Reading(key.device_id, counter, 1_470_830_400 + 900 * counter, NET_ENERGY_METRIC, -412 - counter)
        signed = SignedReading(reading, key.sign(reading_digest(domain, reading)))
        leaves.append(ScoredReading(signed, Score(120, "none", "nothing unusual")))
    tree = StandardMerkleTree([reading_leaf(scored) for scored in leaves])
    meta = BatchMeta(5, 0, 120, 1_470_830_400, 1_470_834_900, bytes(12))
    ProofFile(
        kind="reading",
        chain_id=31337,
        contracts={"DeviceRegistry": REGISTRY, "DataAttestation": REGISTRY},
        proof=Proof(bytes(32), 1, meta, tree.proof(2), ()),
        root=tree.root,
        range_length=1,
        fields=reading_fields(leaves[2]),
        signature=leaves[2].signed.signature,
        device_key=key.device_id,
    ).save(tmp_path / "proof.json")
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    return tmp_path


def test_show_example__javascript__verifies_the_proof(proof_folder: Path) -> None:
    (block,) = code_blocks(ROOT / "docs/integrator.md", "js")
    node = shutil.which("node") or "node"
    done = subprocess.run(
        [node, "--input-type=module", "-e", block], cwd=proof_folder, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("true", 0), done.stderr


def test_show_example__python__runs(proof_folder: Path) -> None:
    checking, scoring = code_blocks(ROOT / "docs/integrator.md", "python")
    printed = run_python(checking, proof_folder)
    assert "the device signed exactly this reading" in printed
    assert "-414" in printed
    assert run_python(f"{scoring}print(len(scores.score_bps), bool(state))", proof_folder) == "1 True\n"


def run_python(block: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", block], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_show_example__solidity__compiles() -> None:
    (block,) = code_blocks(ROOT / "docs/integrator.md", "solidity")
    names = ("IDataAttestation", "IVersioned")
    interfaces = {name: (ROOT / f"contracts/interfaces/{name}.sol").read_text(encoding="utf-8") for name in names}
    request = {
        "language": "Solidity",
        "sources": {
            "GreenBonus.sol": {"content": block},
            **{f"@gridwitness/contracts/interfaces/{name}.sol": {"content": text} for name, text in interfaces.items()},
        },
        "settings": {"outputSelection": {"*": {"*": ["evm.bytecode.object"]}}},
    }
    (compiler,) = (ROOT / ".toolchain").glob("solc-v*")
    done = subprocess.run(
        [str(compiler), "--standard-json"], input=json.dumps(request), capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout)
    assert [problem["formattedMessage"] for problem in answer.get("errors", [])] == []
    assert answer["contracts"]["GreenBonus.sol"]["GreenBonus"]["evm"]["bytecode"]["object"]
