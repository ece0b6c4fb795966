"""`gridwitness verify` on real proofs: every step ticks; whatever is off has its own line and exit code 1."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from typer.testing import CliRunner

from gridwitness.chain.anvil import Anvil, free_port
from gridwitness.chain.client import Chain
from gridwitness.cli import build_app
from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.readings import Profile
from gridwitness.encoding.keys import P256Key, Secp256k1Key
from gridwitness.encoding.leaves import PROFILE_TYPES, READING_TYPES, leaf_hash, profile_leaf, reading_leaf, schema_of
from gridwitness.errors import GridwitnessError
from gridwitness.service.proofs import ProofFile, load_proof, profile_proof, reading_proof
from tests.integration.chain.parties import Committee, open_strangers_stream, register, rotate, scored_reading

METERS = [P256Key(31), Secp256k1Key(32), P256Key(33)]
Edit = Callable[[dict[str, Any]], None]


class Verify:
    """Runs the command on a proof and gives exit code and output."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self._path = folder / "proof.json"

    def __call__(self, document: object, *options: str, rpc: str = "") -> tuple[int, str]:
        self._path.write_text(document if isinstance(document, str) else json.dumps(document))
        arguments = ["verify", str(self._path), "--rpc", rpc or self.url, *options]
        result = CliRunner().invoke(build_app(arguments), arguments)
        return result.exit_code, result.output


@pytest.fixture
def verify(anvil: Anvil, tmp_path: Path) -> Verify:
    return Verify(anvil.url, tmp_path)


@pytest.fixture
def committee(chain: Chain, open_stream: Any, oracles: list[LocalAccount]) -> Committee:
    return Committee(chain, open_stream("readings", schema_of(READING_TYPES)), oracles, 2)


@pytest.fixture
def proofs(chain: Chain, committee: Committee, transmitter: LocalAccount) -> list[ProofFile]:
    """Proofs of one batch of readings, by registered meters of both curves."""
    for key in METERS[:2]:
        register(chain, transmitter, transmitter.address, key, DeviceKind.CONSUMPTION, 7)
    scored = [
        scored_reading(chain, key, 1, 1_469_016_000, value, 77)
        for key, value in zip(METERS, (412, -1_250, 5), strict=True)
    ]
    committee.attest(transmitter, [reading_leaf(reading) for reading in scored])
    root = committee.trees[0][0].root
    return [
        reading_proof(chain.manifest, reading, root, committee.proof(1, index), 1)
        for index, reading in enumerate(scored)
    ]


@pytest.mark.parametrize("index", [0, 1], ids=["p256", "secp256k1"])
def test_verify__good_reading__every_step_ticks(verify: Verify, proofs: list[ProofFile], index: int) -> None:
    code, output = verify(proofs[index].document())
    assert code == 0, output
    assert output.count("✓") == 7
    assert "✗" not in output
    assert ("value 412, unit Wh", "value -1250, unit Wh")[index] in output
    assert "time 2016-07-20T12:00:00Z" in output
    assert "higher than on other days at this hour" in output


def test_verify__good_profile__every_step_ticks(
    chain: Chain, open_stream: Any, oracles: list[LocalAccount], transmitter: LocalAccount, verify: Verify
) -> None:
    committee = Committee(chain, open_stream("profiles", schema_of(PROFILE_TYPES)), oracles, 2)
    register(chain, transmitter, transmitter.address, METERS[0], DeviceKind.CONSUMPTION, 7)
    profile = Profile(METERS[0].device_id, 96 * 17_002, tuple(range(-48, 48)), 300)
    committee.attest(transmitter, [profile_leaf(profile)])
    document: Any = profile_proof(
        chain.manifest, profile, committee.trees[0][0].root, committee.proof(1, 0), 1
    ).document()
    code, output = verify(document)
    assert code == 0, output
    assert output.count("✓") == 7
    document["energy_wh"][5] += 1
    code, output = verify(document)
    assert (code, "✗ energy_wh hashes to" in output) == (1, True)
    document["energy_wh"].pop()
    code, output = verify(document)
    assert (code, "✗ energy_wh has 95 values, the leaf says 96" in output) == (1, True)


def flip(text: str) -> str:
    """Another last hex digit."""
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def set_value(document: dict[str, Any], value: int) -> None:
    document["statement"]["value"] = value
    document["leaf"]["fields"][4] = str(value)


def set_score(document: dict[str, Any]) -> None:
    document["statement"]["score_bps"] = 0
    document["leaf"]["fields"][5] = "0"


TAMPERINGS: dict[str, tuple[Edit, str]] = {
    "words": (lambda d: d["statement"].update(value=500), "the statement says value is 500, the leaf has 412"),
    "unit": (lambda d: d["statement"].update(unit="kWh"), "the statement says unit is kWh, the leaf has Wh"),
    "value": (lambda d: set_value(d, 500), "device_signature is not by key 0x"),
    "counter": (
        lambda d: (d["statement"].update(counter=2), d["leaf"]["fields"].__setitem__(1, "2")),
        "device_signature is not by key 0x",
    ),
    "signature": (lambda d: d.update(device_signature=flip(d["device_signature"])), "device_signature hashes to 0x"),
    "key": (lambda d: d.update(device_key=flip(d["device_key"])), "device_signature is not by key 0x"),
    "score": (set_score, "leaf and tree proof lead to root 0x"),
    "tree proof": (lambda d: d["tree_proof"].__setitem__(0, flip(d["tree_proof"][0])), "lead to root 0x"),
    "root": (lambda d: d["batch"].update(root=flip(d["batch"]["root"])), "lead to root 0x"),
    "meta": (lambda d: d["batch"].update(meta=flip(d["batch"]["meta"])), "was never attested in this stream"),
    "batch": (lambda d: d["batch"].update(seq=2), "batch 2 does not exist: the stream has 1"),
    "range proof": (
        lambda d: d["range_proof"]["path"].append("0x" + "00" * 32),
        "range_proof has 1 siblings, which fits no batch 1 of 1",
    ),
    "stream": (lambda d: d["batch"].update(stream=flip(d["batch"]["stream"])), "is not open"),
    "format": (lambda d: d.update(format="gridwitness-proof/1"), "this version reads 'gridwitness-proof/2'"),
    "kind": (lambda d: d.update(kind="promise"), "kind is 'promise'; it must be one of reading, profile"),
    "missing": (lambda d: d.pop("tree_proof"), "tree_proof is missing"),
    "not hex": (lambda d: d["batch"].update(root="0xzz"), "batch.root is '0xzz'; it must be 0x-hex"),
    "short": (lambda d: d["batch"].update(root="0x00"), "batch.root has 1 bytes; it must have 32"),
    "too wide": (
        lambda d: d["leaf"]["fields"].__setitem__(5, "65536"),
        "leaf.fields[5] is 65536; uint16 holds 0 to 65535",
    ),
    "not decimal": (
        lambda d: d["leaf"]["fields"].__setitem__(1, "0x1"),
        "leaf.fields[1] is '0x1'; it must be a decimal",
    ),
    "types": (lambda d: d["leaf"]["types"].pop(), "leaf.types are"),
    "time": (
        lambda d: d["leaf"]["fields"].__setitem__(2, str((1 << 64) - 1)),
        "time 18446744073709551615 is not a date",
    ),
    "address": (
        lambda d: d["contracts"].update(DataAttestation=d["contracts"]["DataAttestation"].lower()),
        "contracts.DataAttestation is '0x",
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_verify__one_thing_changed__is_named_with_exit_code_1(
    verify: Verify, proofs: list[ProofFile], name: str
) -> None:
    edit, reason = TAMPERINGS[name]
    document: Any = json.loads(json.dumps(proofs[0].document()))
    edit(document)
    code, output = verify(document)
    assert code == 1
    (line,) = [line for line in output.splitlines() if line.startswith("✗")]
    assert reason in line


def test_verify__forged_in_a_tree_of_its_own__is_not_in_the_stream(verify: Verify, proofs: list[ProofFile]) -> None:
    honest = proofs[0]
    fields = (*honest.fields[:5], 0, *honest.fields[6:])
    forged = replace(honest, fields=fields, root=leaf_hash(fields), proof=replace(honest.proof, tree_proof=()))
    code, output = verify(forged.document())
    assert code == 1
    assert "✗ batch 1 with this root and summary was never attested in this stream" in output


def test_verify__every_hex_value_changed__none_passes(verify: Verify, proofs: list[ProofFile]) -> None:
    document: Any = json.loads(json.dumps(proofs[0].document()))
    for keys in hex_values(document):
        changed = copy.deepcopy(document)
        table = changed
        for key in keys[:-1]:
            table = table[key]
        table[keys[-1]] = flip(table[keys[-1]])
        assert verify(changed)[0] == 1, keys


def hex_values(value: Any, keys: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the hex strings of a document are."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield from hex_values(entry, (*keys, key))
    if isinstance(value, str) and value.startswith("0x"):
        yield keys


def test_verify__stream_grew_and_mountain_merged__says_the_range_proof_is_old(
    chain: Chain, committee: Committee, transmitter: LocalAccount, verify: Verify, proofs: list[ProofFile]
) -> None:
    committee.attest(transmitter, [b"\x01" * 32])
    code, output = verify(proofs[0].document())
    assert code == 1
    assert "✗ the range proof is old: the stream grew from 1 to 2 batches since" in output
    assert "make a fresh one: gridwitness prove" in output


def test_verify__stream_grew_but_mountain_stands__still_holds(
    chain: Chain, committee: Committee, transmitter: LocalAccount, verify: Verify, proofs: list[ProofFile]
) -> None:
    reading = scored_reading(chain, METERS[0], 2, 1_469_016_900, 90, 0)
    committee.attest(transmitter, [reading_leaf(reading)])
    file = reading_proof(chain.manifest, reading, committee.trees[1][0].root, committee.proof(2, 0), 2)
    committee.attest(transmitter, [b"\x01" * 32])
    assert verify(file.document())[0] == 0


def test_verify__key_rotated__each_key_proves_readings_of_its_own_time(
    chain: Chain, committee: Committee, transmitter: LocalAccount, verify: Verify
) -> None:
    device, new = METERS[0], METERS[1]
    register(chain, transmitter, transmitter.address, device, DeviceKind.CONSUMPTION, 7)
    start = chain.head_time() // 900 * 900 + 1_800
    rotate(chain, transmitter, device.device_id, new, start, 0)
    scored = [
        scored_reading(chain, key, counter, time, 40, 0, device.device_id)
        for counter, (time, key) in enumerate([(t, k) for t in (start - 900, start) for k in (device, new)])
    ]
    committee.attest(transmitter, [reading_leaf(reading) for reading in scored])
    root = committee.trees[0][0].root
    answers = [
        verify(reading_proof(chain.manifest, reading, root, committee.proof(1, index), 1).document())
        for index, reading in enumerate(scored)
    ]
    assert [code for code, _ in answers] == [0, 1, 1, 0]
    assert f"✗ key 0x{new.device_id.hex()} did not speak for device 0x{device.device_id.hex()}" in answers[1][1]
    assert f"✓ the device's later key 0x{new.device_id.hex()} signed exactly this reading" in answers[3][1]


def test_verify__batch_superseded_or_compromised__says_that_it_does_not_count(
    chain: Chain,
    committee: Committee,
    deployer: LocalAccount,
    transmitter: LocalAccount,
    verify: Verify,
    proofs: list[ProofFile],
) -> None:
    reading = scored_reading(chain, METERS[0], 2, 1_469_016_900, 90, 0)
    committee.attest(transmitter, [reading_leaf(reading)], supersedes=1)
    superseded = replace(proofs[0], proof=replace(proofs[0].proof, range_proof=committee.proof(1, 0).range_proof))
    code, output = verify(replace(superseded, range_length=2).document())
    assert (code, "✗ batch 1 no longer counts: batch 2 took its place" in output) == (1, True)
    function = chain.contract("DataAttestation").functions.markCompromised(committee.stream_id, 1, 2)
    chain.transact(deployer, function)
    second = reading_proof(chain.manifest, reading, committee.trees[1][0].root, committee.proof(2, 0), 2)
    code, output = verify(second.document())
    assert (code, "✗ batch 2 does not count: its committee was found compromised" in output) == (1, True)


def test_verify__device_never_registered__is_said(verify: Verify, proofs: list[ProofFile]) -> None:
    code, output = verify(proofs[2].document())
    assert code == 1
    assert f"✗ device 0x{METERS[2].device_id.hex()} was never registered" in output


def test_verify__wrong_chain__names_both(verify: Verify, proofs: list[ProofFile]) -> None:
    with Anvil(chain_id=77_001) as other:
        code, output = verify(proofs[0].document(), rpc=other.url)
    assert code == 1
    assert f"✗ node at {other.url} is chain 77001, " in output
    assert "proof.json is for 31337" in output


def test_verify__no_node__is_one_line(verify: Verify, proofs: list[ProofFile]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    code, output = verify(proofs[0].document(), rpc=url)
    assert code == 1
    assert f"✗ no node answers at {url}" in output


def write_manifest(chain: Chain, folder: Path, streams: dict[str, bytes], **replaced: str) -> Path:
    """A manifest with the contracts of the chain but for those replaced by others, and with streams."""
    manifest, path = chain.manifest, folder / "31337.json"
    contracts = {
        name: {"address": manifest.address(replaced.get(name, name)), "block": 1} for name in manifest.contracts
    }
    named = {name: {"id": "0x" + stream.hex()} for name, stream in streams.items()}
    path.write_text(json.dumps({"chain_id": 31337, "contracts": contracts, "streams": named}))
    return path


def test_verify__manifest_with_another_contract__is_named(
    chain: Chain, committee: Committee, verify: Verify, proofs: list[ProofFile], tmp_path: Path
) -> None:
    streams = {"readings": committee.stream_id}
    path = write_manifest(chain, tmp_path, streams)
    code, output = verify(proofs[0].document(), "--manifest", str(path))
    assert (code, output.count("✓"), "!" in output) == (0, 7, False), output
    assert f"✓ the stream is readings, 0x{committee.stream_id.hex()}" in output
    path = write_manifest(chain, tmp_path, streams, DataAttestation="EuroToken")
    code, output = verify(proofs[0].document(), "--manifest", str(path))
    assert code == 1
    assert "✗ DataAttestation is 0x" in output
    assert "in the manifest" in output


def test_verify__stream_of_another_committee__is_named(
    chain: Chain,
    committee: Committee,
    outsider: LocalAccount,
    transmitter: LocalAccount,
    verify: Verify,
    proofs: list[ProofFile],
    tmp_path: Path,
) -> None:
    """A made-up profile of somebody's device, which a committee of one attested in a stream it opened for that."""
    strangers = open_strangers_stream(chain, outsider, schema_of(PROFILE_TYPES))
    profile = Profile(METERS[0].device_id, 96 * 17_002, (-9_000,) * 96, 0)
    strangers.attest(outsider, [profile_leaf(profile)], [0])
    root = strangers.trees[0][0].root
    forged = profile_proof(chain.manifest, profile, root, strangers.proof(1, 0), 1).document()
    stream, own = f"0x{strangers.stream_id.hex()}", f"0x{committee.stream_id.hex()}"
    manifest = ("--manifest", str(write_manifest(chain, tmp_path, {"readings": committee.stream_id})))

    code, output = verify(forged, *manifest)
    assert (code, "DataAttestation confirms" in output) == (1, False)
    assert f"✗ stream {stream} is of another committee: those known are readings, {own}" in output
    assert verify(forged, "--stream", own)[0] == 1
    assert verify(forged, *manifest, "--stream", stream)[0] == 0  # who trusts that committee may say so
    code, output = verify(forged)
    assert code == 0
    assert "! the contracts and the stream, which anybody may open, are as" in output.splitlines()[-1]
    assert "✗ stream '0x12' is not 0x and 64 hex digits" in verify(forged, "--stream", "0x12")[1]


def test_verify__manifest_without_streams__asks_for_one(
    chain: Chain, committee: Committee, verify: Verify, proofs: list[ProofFile], tmp_path: Path
) -> None:
    manifest = ("--manifest", str(write_manifest(chain, tmp_path, {})))
    code, output = verify(proofs[0].document(), *manifest)
    assert (code, "those known are none" in output, "name it with --stream" in output) == (1, True, True)
    assert verify(proofs[0].document(), *manifest, "--stream", "0x" + committee.stream_id.hex())[0] == 0


def test_prove__oracle_answers_with_a_proof_of_another_meter_or_time__is_refused(
    proofs: list[ProofFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridwitness.cli.proof.request_reading_proof", lambda *_, **__: proofs[0])
    monkeypatch.setattr("gridwitness.cli.proof.request_profile_proof", lambda *_, **__: proofs[0])
    meter, neighbour = (f"0x{key.device_id.hex()}" for key in METERS[:2])
    out, noon = tmp_path / "proven.json", "2016-07-20T12:00Z"

    def prove(device: str, *options: str) -> GridwitnessError | None:
        arguments = ["prove", "--url", "http://oracle", "--out", str(out), "--device", device, *options]
        error = CliRunner().invoke(build_app(arguments), arguments).exception
        assert error is None or isinstance(error, GridwitnessError)
        return error

    answered = f"; the proof is of the reading of 1-0:16.29.0 at 1469016000 of device {meter}"
    for device, options, asked in (
        (neighbour, ("--time", noon), f"the reading of 1-0:16.29.0 at 1469016000 of device {neighbour}"),
        (meter, ("--time", "2016-07-20T12:15Z"), f"the reading of 1-0:16.29.0 at 1469016900 of device {meter}"),
        (meter, ("--time", noon, "--metric", "1-0:1.8.0"), f"the reading of 1-0:1.8.0 at 1469016000 of device {meter}"),
        (meter, ("--time", noon, "--profile"), f"the profile of 96 slots from 1632192 on of device {meter}"),
    ):
        error = prove(device, *options)
        assert error is not None and error.message == f"asked for was {asked}{answered}"
        assert not out.exists()
    assert prove(meter, "--time", noon) is None
    assert load_proof(out) == proofs[0]


@pytest.mark.parametrize("content", ["", "[]", "{}", '"proof"', "{"])
def test_verify__no_proof_at_all__is_one_line(verify: Verify, content: str) -> None:
    code, output = verify(content)
    assert code == 1
    assert len([line for line in output.splitlines() if line.startswith("✗")]) == 1


def test_load_proof__saved__comes_back(proofs: list[ProofFile], tmp_path: Path) -> None:
    for file in proofs:
        file.save(tmp_path / "proof.json")
        assert load_proof(tmp_path / "proof.json") == file
