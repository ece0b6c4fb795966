"""The examples, run as their READMEs say, from the installed packages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.integration.packages.conftest import OpenWorkshop
from tests.integration.packages.scene import EXAMPLES, EXAMPLES_PAGE, ROOT, Packages, ServedDemo, Workshop

CHECKS = ["✓ by itself", "✓ with one word of the chain", "✓ by the contract"]


@pytest.fixture(scope="module", params=["python-feed", "viem"])
def verifier(
    request: pytest.FixtureRequest, open_workshop: OpenWorkshop, packages_of_demo: Packages, served_demo: ServedDemo
) -> Workshop:
    """An example that reads a feed and verifies a proof, installed and run once."""
    shop = open_workshop(request.param, packages_of_demo)
    outputs = [shop.shell(block, **served_demo.variables) for block in shop.readme_blocks()]
    (shop.folder / "printed.txt").write_text(outputs[-1], encoding="utf-8")
    return shop


def run_again(verifier: Workshop, served_demo: ServedDemo) -> tuple[int, str]:
    """The last line of the README's last block, once more."""
    return verifier.try_shell(verifier.readme_blocks()[-1].splitlines()[-1], **served_demo.variables)


def test_feed_example__as_its_readme_says__prints_the_feed_and_three_checks(
    verifier: Workshop, served_demo: ServedDemo
) -> None:
    printed = (verifier.folder / "printed.txt").read_text(encoding="utf-8")
    proof = json.loads((verifier.folder / "proof.json").read_text(encoding="utf-8"))
    value = int(proof["leaf"]["fields"][4])
    assert re.search(
        rf"town hall / kWh: {value / 1000:g}, measured until 2016-08-13 12:15 UTC, round 1, batch \d+ standing", printed
    )
    assert [line for line in CHECKS if line not in printed] == []
    assert f"{served_demo.device} measured 1-0:16.29.0 = {value} at 2016-08-13 12:00 UTC" in printed


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (("leaf", "fields", 4), "✗ the reading is not in the batch"),
        (("leaf", "fields", 5), "✗ the reading is not in the batch"),
        (("range_proof", "path", 0), "✗ the batch is not in the stream"),
        (("batch", "stream"), "the proof is of another chain or stream"),
        (("chain_id",), "the proof is of another chain or stream"),
        (("format",), "is no proof of a reading"),
    ],
)
def test_feed_example__proof_with_one_thing_changed__is_refused_with_the_reason(
    verifier: Workshop, served_demo: ServedDemo, place: tuple[str | int, ...], message: str
) -> None:
    path = verifier.folder / "proof.json"
    whole = path.read_text(encoding="utf-8")
    document = json.loads(whole)
    *parents, last = place
    table = document
    for key in parents:
        table = table[key]
    changed = {"format": "gridwitness-proof/1", "chain_id": 1, "stream": "0x" + "07" * 32}
    table[last] = changed.get(str(last)) or {4: "7", 5: "1", 0: "0x" + "07" * 32}[last]  # type: ignore[index]
    path.write_text(json.dumps(document), encoding="utf-8")
    try:
        code, printed = run_again(verifier, served_demo)
    finally:
        path.write_text(whole, encoding="utf-8")
    assert code == 1, printed
    assert message in printed
    assert "✓ by the contract" not in printed


def test_examples__each__is_installed_from_packages_alone(verifier: Workshop) -> None:
    if verifier.folder.name == "viem":
        script = 'console.log(import.meta.resolve("@gridwitness/contracts"))'
        where = verifier.shell(f"node --input-type=module --eval '{script}'")
        assert where.strip() == f"file://{verifier.folder}/node_modules/@gridwitness/contracts/dist/index.js"
        return
    where = verifier.shell("python -c 'import gridwitness_contracts; print(gridwitness_contracts.__file__)'")
    assert Path(where.strip()).is_relative_to(verifier.folder.parent / "venv")
    code, _ = verifier.try_shell("python -c 'import gridwitness'")
    assert code == 1


def test_examples__each_folder__has_a_readme_with_commands_and_pins_what_it_installs() -> None:
    folders = sorted(path for path in EXAMPLES.iterdir() if path.is_dir())
    assert [path.name for path in folders] == ["ape-console", "indexer", "python-feed", "solidity-insurance", "viem"]
    for folder in folders:
        assert Workshop(folder).readme_blocks(), folder
        requirements = folder / "requirements.txt"
        lines = requirements.read_text(encoding="utf-8").split() if requirements.exists() else []
        package = folder / "package.json"
        pins = json.loads(package.read_text(encoding="utf-8")) if package.exists() else {}
        versions = (pins.get("dependencies", {}) | pins.get("devDependencies", {})).values()
        assert lines or versions, folder
        assert [line for line in lines if not re.fullmatch(r"[\w-]+==[\d.]+", line)] == []
        assert [version for version in versions if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []
    made = json.loads((ROOT / "packages/npm/package.json").read_text(encoding="utf-8"))["version"]
    assert made == "1.0.0"


def test_examples__what_installs_the_packages__is_as_the_pages_say() -> None:
    pages = [EXAMPLES_PAGE.read_text(encoding="utf-8"), (ROOT / "docs/integrator.md").read_text(encoding="utf-8")]
    build = 'make packages ARGS="--local --deployments out/demo"\nexport PACKAGES="$PWD/out/packages"\n'
    assert [page.count(build) for page in pages] == [1, 1]
    for folder in sorted(EXAMPLES.glob("*/README.md")):
        blocks = "".join(Workshop(folder.parent).readme_blocks())
        lines = [line for line in blocks.splitlines() if "$PACKAGES" in line]
        assert len(lines) == 1, folder
        assert f"\n{lines[0]}\n" in pages[0], folder
