"""`gridwitness prove` and `gridwitness verify`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from gridwitness.chain.client import Chain
from gridwitness.chain.manifest import Manifest
from gridwitness.domain.readings import NET_ENERGY_METRIC
from gridwitness.errors import GridwitnessError, InputError
from gridwitness.service.proof_checks import (
    check_offline,
    check_on_chain,
    check_profile_asked,
    check_reading_asked,
    manifest_of,
    with_stream,
)
from gridwitness.service.proof_requests import request_profile_proof, request_reading_proof
from gridwitness.service.proofs import ProofFile, load_proof


def prove(
    url: Annotated[str, typer.Option(help="HTTP address of an oracle, such as http://127.0.0.1:8101")],
    device: Annotated[str, typer.Option(help="The device's id: 0x and 64 hex digits")],
    time: Annotated[str, typer.Option(help="Start of the interval, ISO 8601 with zone, such as 2016-07-20T12:00Z")],
    metric: Annotated[str, typer.Option(help="What was measured; the default is net energy")] = NET_ENERGY_METRIC,
    profile: Annotated[bool, typer.Option("--profile", help="Prove the device's whole UTC day instead")] = False,
    out: Annotated[Path, typer.Option(help="File to write")] = Path("proof.json"),
    key_file: Annotated[
        Path | None, typer.Option(help="File with an API key of the scope read, where data is not open to all")
    ] = None,
) -> None:
    """Get the proof that a reading was attested.

    The file holds the reading, the device's signature and the way to a root on chain: whoever has it can check it
    with `gridwitness verify` or any Merkle library, without trusting the oracle it came from.

    \b
    Example: gridwitness prove --url http://127.0.0.1:8101 --device 0x… --time 2016-07-20T12:00Z
    """
    device_id, instant = parse_device_id(device), _unix_time(time)
    key = read_key(key_file) if key_file is not None else ""
    if profile:
        file = request_profile_proof(url, device_id, instant, key=key)
        check_profile_asked(file, device_id, instant)
    else:
        file = request_reading_proof(url, device_id, instant, metric, key=key)
        check_reading_asked(file, device_id, instant, metric)
    for _ in check_offline(file):  # an oracle is not trusted to hand out what holds
        pass
    file.save(out)
    _describe(file, Console())
    typer.echo(f"written to {out}; check it with: gridwitness verify {out} --rpc URL --manifest FILE")


def verify(
    proof: Annotated[Path, typer.Argument(help="Proof file")],
    rpc: Annotated[str, typer.Option(help="URL of an Ethereum node")] = "http://127.0.0.1:8545",
    manifest: Annotated[
        Path | None, typer.Option(help="deployments/<chain-id>.json, whose contracts and streams you trust")
    ] = None,
    stream: Annotated[
        str, typer.Option(help="Id of the stream you trust, 0x and 64 hex digits, instead of the manifest's")
    ] = "",
) -> None:
    """Check a proof file: its own hashes and signatures first, then against the chain.

    Every step that holds is printed with a tick. The first that does not is named with its reason, and the exit
    code is 1. Without --manifest contracts and stream are those the file names: make sure they are the ones you
    know. Anybody may open a stream, with a committee that attests whatever they like.

    \b
    Example: gridwitness verify proof.json --rpc http://127.0.0.1:8545 --manifest deployments/31337.json
    """
    console = Console()
    try:
        file = load_proof(proof)
        _describe(file, console)
        for step in check_offline(file):
            _tick(console, step)
        trusted = manifest_of(file, proof) if manifest is None else Manifest.load(manifest)
        if stream:
            trusted = with_stream(trusted, _parse_id("stream", stream))
        for step in check_on_chain(file, Chain(rpc, trusted)):
            _tick(console, step)
    except GridwitnessError as error:
        console.print(Text.assemble(("✗", "red"), " ", error.message), soft_wrap=True)
        if error.hint:
            console.print(Text(f"  {error.hint}"), soft_wrap=True)
        raise typer.Exit(1) from error
    if manifest is None:
        named = "the contracts are" if stream else "the contracts and the stream, which anybody may open, are"
        warning = f" {named} as {proof} names them; --manifest checks them"
        console.print(Text.assemble(("!", "yellow"), warning), soft_wrap=True)


def _tick(console: Console, step: str) -> None:
    console.print(Text.assemble(("✓", "green"), " ", step), soft_wrap=True)


def _describe(file: ProofFile, console: Console) -> None:
    words = [f"{name} {value}" for name, value in file.statement().items() if value != ""]
    console.print(Text(f"{file.kind}: {', '.join(words)}"), soft_wrap=True)
    if file.explanation:
        console.print(Text(f"  the oracles' words: {file.explanation}"), soft_wrap=True)


def read_key(path: Path) -> str:
    """The API key in a file. Raises InputError if it cannot be read."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise InputError(f"key file {path} cannot be read: {error}") from error


def parse_device_id(text: str) -> bytes:
    """A device id as 0x and 64 hex digits. Raises InputError if it is not one."""
    return _parse_id("device", text)


def _parse_id(what: str, text: str) -> bytes:
    try:
        value = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        value = b""
    if len(value) != 32:
        raise InputError(f"{what} {text!r} is not 0x and 64 hex digits")
    return value


def _unix_time(text: str) -> int:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"time {text!r} is not ISO 8601", hint="write 2016-07-20T12:00Z") from None
    if instant.tzinfo is None:
        raise InputError(f"time {text!r} has no zone", hint=f"write {text}Z if it is UTC")
    return int(instant.astimezone(UTC).timestamp())
