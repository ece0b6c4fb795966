"""The pinned solc, which in one test run answers the same question from what it answered before.

The npm build takes minutes to compile all that is deployed, and four tests and the rehearsal ask for just that. The
first of them has it compiled; a question is the same if input, arguments and all sources on disk are.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import solcx


def install(kept: Path) -> None:
    """Have solcx, here and in processes started from here, find this in the place of its compilers."""
    folder = kept / "compilers"
    folder.mkdir(parents=True, exist_ok=True)
    for compiler in solcx.get_solcx_install_folder().glob("solc-v*"):
        front = folder / compiler.name
        command = shlex.join([sys.executable, str(Path(__file__).resolve()), str(kept), str(compiler)])
        scratch = front.with_name(f".{os.getpid()}")
        scratch.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
        scratch.chmod(0o755)
        scratch.replace(front)  # whole at any moment: other processes of the run write the same
    os.environ["SOLCX_BINARY_PATH"] = str(folder)


def question(arguments: Sequence[str], request: bytes) -> str:
    """Hash of all that an answer depends on."""
    root = Path(arguments[arguments.index("--base-path") + 1])
    parts = [json.dumps([*arguments, json.loads(request)], sort_keys=True).encode()]
    parts += [path.read_bytes() for path in sorted((root / "contracts").rglob("*.sol"))]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def main(kept: Path, compiler: str, arguments: Sequence[str]) -> None:
    """Answer as `compiler` does with these arguments and standard input."""
    if not {"--standard-json", "--base-path"} <= {*arguments}:
        os.execv(compiler, [compiler, *arguments])
    request = sys.stdin.buffer.read()
    answer = kept / question(arguments, request)
    with answer.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not answer.exists():
            done = subprocess.run([compiler, *arguments], input=request, stdout=subprocess.PIPE, check=False)
            if done.returncode:
                sys.exit(done.returncode)
            scratch = answer.with_suffix(".new")
            scratch.write_bytes(done.stdout)
            scratch.replace(answer)
    sys.stdout.buffer.write(answer.read_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
