"""README's comparisons with contracts of others are what a fresh run gives."""

from __future__ import annotations

from typing import Any

import pytest

from tests.anchors import bench, bench_shares
from tests.anchors.bench import Row, measure, table
from tests.anchors.bench_shares import ShareRow, measure_shares, share_table
from tests.anchors.tables import differences, shown_table
from toolchain.install_anchors import T_REX, check


@pytest.fixture(scope="session")
def share_rows(project: Any, accounts: Any) -> dict[str, ShareRow]:
    """A fresh run of the shares, by what was done."""
    return {row.work: row for row in measure_shares(project, accounts)}


def assert_shown(mark: str, fresh: str) -> None:
    drifts = differences(shown_table(mark), fresh)
    assert not drifts, "\n".join([*drifts, "if meant: make bench-anchors ARGS=--write"])


def test_show_anchors__readme__is_within_a_per_cent_of_a_fresh_run(project: Any, deployer: Any) -> None:
    assert_shown(bench.MARK, table(measure(project, deployer)))


def test_show_anchors__readme_s_shares__are_within_a_per_cent_of_a_fresh_run(share_rows: dict[str, ShareRow]) -> None:
    assert_shown(bench_shares.MARK, share_table(list(share_rows.values())))


@pytest.mark.parametrize(
    ("work", "times_less", "of_plain"),
    [
        ("transfer to somebody who has shares", 10, 1.15),
        ("transfer to a new holder", 5.5, 1.4),
        ("onboard an investor", 20, None),
        ("create an asset", 2.2, None),
    ],
)
def test_compare_shares__with_t_rex_and_a_plain_token__costs_a_fraction_of_one_and_hardly_more_than_the_other(
    share_rows: dict[str, ShareRow], work: str, times_less: float, of_plain: float | None
) -> None:
    row = share_rows[work]
    assert row.t_rex is not None
    assert row.t_rex >= times_less * row.ours
    assert of_plain is None or (row.plain is not None and row.ours <= of_plain * row.plain)


def test_compare_shares__with_the_least_of_erc_7943__costs_less_with_all_rules_and_dividends(
    share_rows: dict[str, ShareRow],
) -> None:
    row = share_rows["transfer to somebody who has shares"]
    assert row.least is not None
    assert row.ours < row.least


def test_compare_tables__drift_or_other_text__is_told() -> None:
    kept = table([Row("attest", 200_000, 60_000), Row("read", 30_000, 0.66)])
    assert differences(kept, table([Row("attest", 201_900, 60_000), Row("read", 30_000, 0.66)])) == []
    drifted = table([Row("attest", 202_100, 60_000), Row("read", 30_000, 0.64)])
    assert differences(kept, drifted) == ["200,000.0 shown, 202,100.0 measured", "0.66 shown, 0.64 measured"]
    assert differences(kept, table([Row("attest", 200_000, 60_000)])) == ["the tables differ in more than figures"]
    shares = share_table([ShareRow("claim", None, None, None, 45_000)])
    assert differences(shares, share_table([ShareRow("claim", None, None, 1, 45_000)]))


def test_install_anchors__other_bytes_than_pinned__are_refused() -> None:
    with pytest.raises(ValueError, match=f"{T_REX.name} .* pinned is"):
        check(T_REX, b"another package")
