"""README's comparison with EAS is what a fresh run gives."""

from __future__ import annotations

from typing import Any

import pytest

from tests.anchors.bench import Row, differences, measure, shown_table, table
from toolchain.install_eas import check


def test_show_anchors__readme__is_within_a_per_cent_of_a_fresh_run(project: Any, deployer: Any) -> None:
    rows = measure(project, deployer)
    drifts = differences(shown_table(), table(rows))
    assert not drifts, "\n".join([*drifts, "if meant: make bench-anchors ARGS=--write"])


def test_compare_tables__drift_or_other_text__is_told() -> None:
    kept = table([Row("attest", 200_000, 60_000), Row("read", 30_000, 0.66)])
    assert differences(kept, table([Row("attest", 201_900, 60_000), Row("read", 30_000, 0.66)])) == []
    drifted = table([Row("attest", 202_100, 60_000), Row("read", 30_000, 0.64)])
    assert differences(kept, drifted) == ["200,000.0 shown, 202,100.0 measured", "0.66 shown, 0.64 measured"]
    assert differences(kept, table([Row("attest", 200_000, 60_000)])) == ["the tables differ in more than figures"]


def test_install_eas__other_bytes_than_pinned__are_refused() -> None:
    with pytest.raises(ValueError, match="pinned is"):
        check(b"another package")
