"""Coverage-guided fuzzing of the decoders: `python -m tests.fuzz.decoders cose -max_total_time=60 out/fuzz/cose`.

The first argument names the target, the others are libFuzzer's. What crashes is kept where `-artifact_prefix` says.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["gridwitness.sources", "gridwitness.encoding"]):
    from tests.fuzz.targets import read_anything


def main() -> None:
    """Fuzz until a limit is reached or something else than InputError comes out."""
    name, target, *arguments = sys.argv
    atheris.Setup([name, *arguments], lambda body: read_anything(target, body) and None)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
