"""The two packages themselves: what is in them, that it compiles and infers, and that both say the same."""

from __future__ import annotations

import filecmp
import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.integration.packages.conftest import OpenWorkshop
from tests.integration.packages.scene import ROOT, Packages, ServedDemo, Workshop, build_packages, make_packages

CONTRACTS = [
    "AssetFactory", "AssetShares", "DataAttestation", "DeviceRegistry", "EasMirror", "EnergyMarket", "EuroToken",
    "FeedAdapter", "Passports", "ShareMarket",
]  # fmt: skip
MANIFEST = {
    "chain_id": 84532,
    "network": "base:sepolia",
    "contracts": {
        "DataAttestation": {"address": "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0", "block": 12},
        "Token": {"address": "0x5FbDB2315678afecb367f032d93F642f64180aa3"},
    },
    "streams": {"readings": {"id": "0x" + "5a" * 32, "threshold": 1}},
    "feeds": {"townhall": {"address": "0x8A791620dd6260079BF849Dc5567aDC3F2FdC318", "block": 19}},
}
ROLE_GRANTED = "event RoleGranted ['bytes32', 'address', 'address']"
TYPED = """
import { dataAttestationAbi, deploymentOn, deployments, energyMarketAbi, feedAdapterAbi } from "@gridwitness/contracts";
import { type Hex, createPublicClient, http, parseEventLogs } from "viem";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Equal<A, B>): void {}

const client = createPublicClient({ transport: http() });
const attestation = { abi: dataAttestationAbi, address: deployments[84532].contracts.DataAttestation.address };
same<typeof attestation.address, "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0">(true);
same<(typeof deployments)[84532]["streams"]["readings"], `0x${string}`>(false);

const stream = await client.readContract({ ...attestation, functionName: "stream", args: ["0x00"] });
same<typeof stream.seq, number>(true);
same<typeof stream.owner, Hex>(true);
same<typeof stream.latestTime, number>(true);
const status = await client.readContract({ ...attestation, functionName: "batchStatus", args: ["0x00", 1] });
same<typeof status, readonly [number, number]>(true);
const version = await client.readContract({ ...attestation, functionName: "version" });
same<typeof version, string>(true);
const price = await client.readContract({ abi: feedAdapterAbi, address: "0x00", functionName: "latestRoundData" });
same<typeof price, readonly [bigint, bigint, bigint, bigint, bigint]>(true);

const [cleared] = parseEventLogs({ abi: energyMarketAbi, eventName: "SlotCleared", logs: [] });
if (cleared !== undefined) same<typeof cleared.args.volumeWh, bigint>(true);

// @ts-expect-error there is no such function
await client.readContract({ ...attestation, functionName: "streams", args: ["0x00"] });
// @ts-expect-error a stream is named by 32 bytes, not by a number
await client.readContract({ ...attestation, functionName: "stream", args: [1n] });
const place = { streamId: "0x00", seq: 1, meta: 1n, treeProof: [] } as const;
// @ts-expect-error a proof needs its range
await client.readContract({ ...attestation, functionName: "verifyLeaf", args: ["0x00", place] });
// @ts-expect-error nothing stands there
deployments[1];
// @ts-expect-error which contracts there are is known only at run time
deploymentOn(1).contracts.DataAttestation.address;
"""


@pytest.fixture(scope="session")
def packages_of_base(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """Both packages with the addresses of one public chain."""
    manifests = tmp_path_factory.mktemp("manifests")
    (manifests / "84532.json").write_text(json.dumps(MANIFEST), encoding="utf-8")
    (manifests / "31337.json").write_text(json.dumps(MANIFEST | {"chain_id": 31_337}), encoding="utf-8")
    return build_packages(tmp_path_factory.mktemp("packages-of-base"), "--deployments", str(manifests))


@pytest.fixture(scope="module")
def typescript(open_workshop: OpenWorkshop, packages_of_base: Packages) -> Workshop:
    """The viem example's folder, installed."""
    shop = open_workshop("viem", packages_of_base)
    shop.shell('npm install "$PACKAGES"/*.tgz && npm install --no-save @openzeppelin/contracts@5.7.0 solc@0.8.37')
    return shop


@pytest.fixture(scope="module")
def python(open_workshop: OpenWorkshop, packages_of_base: Packages) -> Workshop:
    """A folder with a Python that has the wheel and nothing else."""
    shop = open_workshop("python-feed", packages_of_base)
    shop.shell(f"pip install --no-index {packages_of_base.wheel}")
    return shop


def test_npm_package__files__are_sources_abis_and_modules_alone(packages_of_base: Packages) -> None:
    with tarfile.open(packages_of_base.npm) as archive:
        files = sorted(name.removeprefix("package/") for name in archive.getnames())
    folders = {name.partition("/")[0] for name in files}
    assert folders == {"LICENSE", "README.md", "package.json", "abi", "dist", "interfaces", "libraries", "types"}
    interfaces = sorted(path.name for path in (ROOT / "contracts" / "interfaces").glob("*.sol"))
    assert [name.removeprefix("interfaces/") for name in files if name.startswith("interfaces/")] == interfaces
    for name in files:
        if name.endswith(".sol"):
            with tarfile.open(packages_of_base.npm) as archive:
                source = archive.extractfile(f"package/{name}")
                assert source is not None
                assert source.read() == (ROOT / "contracts" / name).read_bytes()
    modules = {Path(name).stem for name in files if name.startswith("abi/")}
    assert modules == {*CONTRACTS, *(Path(name).stem for name in interfaces)}


def test_npm_package__every_source__compiles_from_node_modules(typescript: Workshop) -> None:
    package = typescript.folder / "node_modules" / "@gridwitness" / "contracts"
    sources = sorted(path.relative_to(package).as_posix() for path in package.glob("*/*.sol"))
    imports = "".join(f'import "@gridwitness/contracts/{source}";\n' for source in sources)
    (typescript.folder / "All.sol").write_text(f"pragma solidity ^0.8.30;\n{imports}contract All {{}}\n")
    typescript.shell("npx solcjs --bin --base-path . --include-path node_modules --output-dir compiled All.sol")
    compiled = {path.stem.rpartition("_sol_")[2] for path in (typescript.folder / "compiled").glob("*.bin")}
    assert {Path(source).stem for source in sources if source.startswith("interfaces/")} <= compiled


def test_npm_package__in_typescript__gives_viem_every_type(typescript: Workshop) -> None:
    (typescript.folder / "src" / "typed.ts").write_text(TYPED, encoding="utf-8")
    typescript.shell("npx tsc --noEmit")
    (typescript.folder / "src" / "typed.ts").write_text(TYPED.replace("// @ts-expect-error", "//"), encoding="utf-8")
    code, printed = typescript.try_shell("npx tsc --noEmit")
    (typescript.folder / "src" / "typed.ts").unlink()
    assert code != 0
    assert printed.count("src/typed.ts(") == TYPED.count("@ts-expect-error")


@pytest.mark.parametrize("kind", ["module", "commonjs"])
def test_npm_package__at_run_time__answers_and_says_what_is_missing(typescript: Workshop, kind: str) -> None:
    load = 'import * as contracts from "@gridwitness/contracts"'
    if kind == "commonjs":
        load = 'const contracts = require("@gridwitness/contracts")'
    script = f"""{load};
    const {{ deploymentOn, isCompatible, interfaceVersions }} = contracts;
    const failed = (call) => {{ try {{ return call(); }} catch (error) {{ return error.message; }} }};
    console.log(JSON.stringify([
      deploymentOn(84532).feeds.townhall, failed(() => deploymentOn(31337)), interfaceVersions.DataAttestation,
      ["1.0.0", "1.4.2", "2.0.0", "0.9.0"].map((version) => isCompatible("DataAttestation", version)),
      failed(() => isCompatible("DataAttestation", "1")),
    ]));"""
    (typescript.folder / f"run-{kind}.txt").write_text(script, encoding="utf-8")
    printed = typescript.shell(f'node --no-warnings --input-type={kind} --eval "$(cat run-{kind}.txt)"')
    feed, unknown, version, compatible, malformed = json.loads(printed)
    assert feed == MANIFEST["feeds"]["townhall"]  # type: ignore[index]
    assert unknown == "@gridwitness/contracts knows no deployment on chain 31337; it knows 84532"
    assert version == "1.0.0"
    assert compatible == [True, True, False, False]
    assert malformed == '"1" is no version of the form major.minor.patch'


def test_wheel__in_an_empty_environment__needs_nothing_and_answers(python: Workshop) -> None:
    installed = json.loads(python.shell("pip list --format json"))
    assert {each["name"] for each in installed} == {"pip", "setuptools", "gridwitness-contracts"}
    script = """
import gridwitness_contracts as package
import json

def failed(call):
    try:
        return call()
    except (KeyError, ValueError) as error:
        return error.args[0]

chain = package.deployment(84532)
print(json.dumps([
    package.chains(), chain.address("DataAttestation"), chain.block("DataAttestation"), chain.block("Token"),
    chain.feed("townhall"), chain.stream("readings"), failed(lambda: chain.stream("profiles")),
    failed(lambda: package.deployment(1)), failed(lambda: package.abi("Registry"))[:28],
    [package.is_compatible("DataAttestation", version) for version in ("1.0.0", "1.4.2", "2.0.0", "0.9.0")],
    failed(lambda: package.is_compatible("EnergyMarket", "1")), failed(lambda: package.interface_version("EuroToken")),
    package.__version__, (package.solidity_path() / "@gridwitness/contracts/interfaces/IDataAttestation.sol").exists(),
]))"""
    (python.folder / "ask.py").write_text(script, encoding="utf-8")
    assert json.loads(python.shell("python ask.py")) == [
        [84532], "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0", 12, 0,
        "0x8A791620dd6260079BF849Dc5567aDC3F2FdC318", "0x" + "5a" * 32,
        "no stream 'profiles' on chain 84532; there are readings",
        "no deployment on chain 1; there are 84532", "no ABI 'Registry'; there are",
        [True, True, False, False],
        "'1' is no version of the form major.minor.patch",
        "no version of 'EuroToken'; there are AssetFactory, AssetShares, DataAttestation, DeviceRegistry, EasMirror, "
        "EnergyMarket, Passports, ShareMarket",
        "1.0.0", True,
    ]  # fmt: skip


def test_wheel__types__are_checked_by_mypy(python: Workshop) -> None:
    script = "from gridwitness_contracts import abi, deployment\n"
    script += "address: str = deployment(1).address('EnergyMarket')\nentries: int = abi('EnergyMarket')\n"
    (python.folder / "typed.py").write_text(script, encoding="utf-8")
    mypy = Path(sys.executable).with_name("mypy")
    printed = python.try_shell(f"{mypy} --strict --python-executable {python.python} typed.py")[1]
    assert 'typed.py:3: error: Incompatible types in assignment (expression has type "list[dict[str, Any]]"' in printed
    assert "Found 1 error in 1 file" in printed


def test_packages__of_one_build__say_the_same(packages_of_base: Packages) -> None:
    npm, wheel = (
        packages_of_base.out / "npm",
        packages_of_base.out / "python" / "src" / "gridwitness_contracts" / "data",
    )
    names = [path.name for path in (npm / "abi").iterdir()]
    assert filecmp.cmpfiles(npm / "abi", wheel / "abi", names, shallow=False) == (names, [], [])
    for folder in ("interfaces", "libraries", "types"):
        own = wheel / "solidity" / "@gridwitness" / "contracts" / folder
        names = [path.name for path in (npm / folder).iterdir()]
        assert filecmp.cmpfiles(npm / folder, own, names, shallow=False) == (names, [], [])
    with zipfile.ZipFile(packages_of_base.wheel) as archive:
        assert f"gridwitness_contracts-{version_of(npm)}.dist-info/METADATA" in archive.namelist()


def version_of(npm: Path) -> str:
    return str(json.loads((npm / "package.json").read_text(encoding="utf-8"))["version"])


def test_packages__abi_of_a_contract__has_all_of_its_interfaces_and_nothing_twice(packages_of_base: Packages) -> None:
    folder = packages_of_base.out / "npm" / "abi"

    def signatures(name: str) -> list[str]:
        entries: list[dict[str, Any]] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        return [f"{e['type']} {e.get('name')} {[i['type'] for i in e.get('inputs', [])]}" for e in entries]

    for name in CONTRACTS:
        own = signatures(name)
        assert len(own) == len(set(own)), name
        if (folder / f"I{name}.json").exists():
            assert set(signatures(f"I{name}")) <= set(own)
    inside = {
        "EnergyMarket": ["error SafeERC20FailedOperation ['address']", ROLE_GRANTED],
        "AssetShares": ["error SafeERC20FailedOperation ['address']", ROLE_GRANTED, "function plantOf ['bytes32']"],
        "Passports": ["function REGISTRAR_ROLE []", "function grantRole ['bytes32', 'address']", ROLE_GRANTED],
        "ShareMarket": ["error SafeERC20FailedOperation ['address']", "error ReentrancyGuardReentrantCall []"],
    }
    for name, some in inside.items():
        assert set(some) <= set(signatures(name)), name


def test_packages__every_contract_with_a_version_or_an_address__has_an_abi(
    packages_of_demo: Packages, served_demo: ServedDemo
) -> None:
    data = packages_of_demo.out / "python" / "src" / "gridwitness_contracts" / "data"
    versions = json.loads((data / "versions.json").read_text(encoding="utf-8"))
    deployed = served_demo.deployed["contracts"].keys()
    assert {"Passports", "AssetFactory", "ShareMarket"} <= deployed
    abis = {path.stem for path in (data / "abi").iterdir()}
    assert versions.keys() | deployed <= abis


def test_make_packages__folder_of_a_demo__takes_its_manifest_alone(
    packages_of_demo: Packages, served_demo: ServedDemo
) -> None:
    beside = {path.name for path in served_demo.manifest.parent.glob("*.json")}
    assert {"31337.json", "proof.json", "summary.json"} <= beside
    data = packages_of_demo.out / "python" / "src" / "gridwitness_contracts" / "data"
    assert json.loads((data / "deployments.json").read_text(encoding="utf-8")).keys() == {"31337"}


def test_packages__built_twice__are_the_same_bytes(packages_of_base: Packages, tmp_path: Path) -> None:
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    (manifests / "84532.json").write_text(json.dumps(MANIFEST), encoding="utf-8")
    again = build_packages(tmp_path / "out", "--deployments", str(manifests))
    assert again.npm.read_bytes() == packages_of_base.npm.read_bytes()
    assert again.wheel.read_bytes() == packages_of_base.wheel.read_bytes()


def test_make_packages__deployment_not_finished__is_refused_and_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "84532.json").write_text(json.dumps(MANIFEST | {"pending": {}}), encoding="utf-8")
    out = tmp_path / "out"
    out.mkdir()
    (out / "kept").touch()
    done: subprocess.CompletedProcess[str] = make_packages("--out", str(out), "--deployments", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "the manifest of chain 84532 has a transaction pending: `ape run deploy` ends it\n"
    assert (out / "kept").exists()


def test_npm_package__peer__is_the_openzeppelin_that_the_contracts_are_built_with() -> None:
    package = json.loads((ROOT / "packages" / "npm" / "package.json").read_text(encoding="utf-8"))
    root = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    built_with = root["dependencies"]["@openzeppelin/contracts"]
    assert package["peerDependencies"]["@openzeppelin/contracts"] == f"^{built_with}"
    for page in ("packages/npm/README.md", "packages/python/README.md", "docs/integrator.md"):
        assert f" @openzeppelin/contracts@^{built_with}" in (ROOT / page).read_text(encoding="utf-8"), page
