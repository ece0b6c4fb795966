"""The demo's report, on generated results of realistic shape: what a person must find in it."""

from __future__ import annotations

import io
import json
import re
import struct
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from gridwitness.errors import ConfigError
from gridwitness.service.demo.facts import flagged_meters, home_figures
from gridwitness.service.demo.report import checks, print_summary, write_report
from gridwitness.service.demo.result import CLEARING_COLUMNS, READING_COLUMNS, SETTLEMENT_COLUMNS, DemoResult
from gridwitness.service.demo.shares_words import asset_rows, reconciliation_words
from gridwitness.service.demo.wording import better, cents, count, euros, exact_euros, grouped, kwh, percent
from tests.oracle.service.generated_demo import ASSET, FEEDER, SHARE_REASON, generated_result

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """The parts of a report that tests look for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.headings: list[tuple[str, str]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.labels: list[str] = []
        self.references: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self._open: list[str] = []
        self._sections: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.references += [value for name, value in attrs if name in {"href", "src", "data", "action"} and value]
        if given.get("id"):
            self.ids.append(given["id"] or "")
        if tag == "section":
            self._sections.append(given["id"] or "")
        if tag == "svg":
            self.labels.append(given.get("aria-label") or "")
        if tag == "tr":
            self.tables.setdefault(self._sections[-1], []).append([])
        if tag in {"td", "th"}:
            self.tables[self._sections[-1]][-1].append("")
        if tag in {"h1", "h2", "h3"}:
            self.headings.append((tag, ""))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in {"style", "text"}:
            return
        self.words += data
        cell = next((tag for tag in reversed(self._open) if tag in {"td", "th"}), None)
        if cell:
            self.tables[self._sections[-1]][-1][-1] += data
        if any(tag in {"h1", "h2", "h3"} for tag in self._open):
            name, text = self.headings[-1]
            self.headings[-1] = (name, text + data)


def page_of(folder: Path) -> Page:
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.fixture(scope="module")
def result() -> DemoResult:
    return generated_result()


@pytest.fixture(scope="module")
def folder(result: DemoResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out_dir = tmp_path_factory.mktemp("demo") / "not" / "there" / "yet"
    write_report(result, out_dir)
    return out_dir


def test_write_report__one_day__sections_stand_in_order(folder: Path) -> None:
    page = page_of(folder)
    assert page.headings[0] == ("h1", "14 homes trading energy, 20 July 2016")
    assert [text for tag, text in page.headings if tag == "h2"] == [
        "Price and volume",
        "How one quarter hour was cleared",
        "Energy per home",
        "Bills against buying everything from the grid",
        "Shares of a plant",
        "Scores: what was flagged, and why",
        "Gas per kind of call",
        "Proofs and conservation",
    ]


def test_write_report__one_day__lede_gives_the_day_in_numbers(folder: Path, result: DemoResult) -> None:
    summary, words = result.summary, one_line(page_of(folder).words)
    saved = summary["grid_only_bills_eur"] - summary["bills_eur"]
    for figure in (
        "14 homes and the feeder’s meter signed 5,760 readings, 1,440 of them on the day shown here",
        "accepted 5,757, rejected 3 and co-signed 97 batches",
        f"cleared 96 quarter hours and matched {kwh(summary['traded_wh'])}",
        f"come to {euros(summary['bills_eur'])}",
        f"against {euros(summary['grid_only_bills_eur'])} with the grid alone: "
        f"{better(saved)}, which is {percent(summary['saving_pct'])} of",
        "own exports covered 41.3 % of its imports",
        "2 meters had readings flagged, and 2 meters had a bill held",
    ):
        assert figure in words


def test_write_report__one_day__every_home_has_energy_and_bill(folder: Path, result: DemoResult) -> None:
    page = page_of(folder)
    energy = {row[0]: row[1:] for row in page.tables["energy"]}
    bills = {row[0]: row[1:] for row in page.tables["bills"]}
    homes = home_figures(result)
    assert len(homes) == 14
    for home in homes:
        traded = "held" if home.traded_wh is None else kwh(home.traded_wh)
        assert energy[home.meter] == [home.kind, kwh(home.import_wh), kwh(home.export_wh), traded]
        if home.bill_eur is None:
            assert bills[home.meter] == ["", "held", euros(home.grid_only_eur), "–"]
        else:
            figures = (*(home.lines_eur or ()), home.bill_eur, home.grid_only_eur, home.saving_eur or 0)
            assert bills[home.meter] == [euros(figure) for figure in figures]
            assert sum(home.lines_eur or ()) == pytest.approx(home.bill_eur, abs=1e-5)
    settled = [home for home in homes if home.bill_eur is not None]
    assert bills["Home"][:6] == ["Traded", "Fee less premium", "Imbalance", "Penalty", "Residual", "Bill"]
    assert bills["Settled"][1] == euros(sum((home.lines_eur or ())[1] for home in settled))
    assert bills["Settled"][5] == euros(sum(home.bill_eur or 0 for home in settled))
    assert FEEDER not in energy


def test_write_report__held_bills__are_never_shown_as_zero(folder: Path) -> None:
    rows = [row for row in page_of(folder).tables["bills"] if row[0] in {"bus-02", "bus-05"}]
    assert len(rows) == 2
    assert all("€0.00" not in row and "held" in row for row in rows)


def test_write_report__two_faults__names_meter_time_and_reason(folder: Path) -> None:
    page = page_of(folder)
    words = one_line(page.words)
    assert ["bus-02", "20 Jul 13:30", "00:00", "42", "9,990", SHARE_REASON] in page.tables["scores"]
    assert f"42 readings flagged. “{SHARE_REASON}”, from 20 Jul 13:30 to 21 Jul 00:00 UTC" in words
    assert "42 readings: the feeder's meter sees energy that this meter does not report" in words
    assert "Of the meters that are not held, 0 of 1,248 readings were flagged (0.0 %)" in words
    assert [text for tag, text in page.headings if tag == "h3"] == ["bus-05 bill held", "bus-02 bill held"]


def test_write_report__gas__has_calls_mean_total_and_sum(folder: Path) -> None:
    rows = page_of(folder).tables["gas"]
    assert ["DataAttestation.attest", "97", "58,996", "5,722,612", ""] in rows
    assert rows[-1][:4] == ["All", "107", "", "8,368,078"]


def test_write_report__conservation__shows_every_digit(folder: Path) -> None:
    words = one_line(page_of(folder).words)
    assert "€2,800.000000 in = €1,790.123456 out + €1,009.876544 left; difference €0.000000" in words
    assert "failed" not in words


def test_write_report__money_missing__says_the_check_failed(tmp_path: Path) -> None:
    result = generated_result()
    result.summary.update(cash_conserved=False, cash_left=1_009_876_543)
    write_report(result, tmp_path)
    words = one_line(page_of(tmp_path).words)
    assert "Money conserved: failed" in words
    assert "€1,009.876543 left; difference €0.000001" in words


def test_write_report__rules_of_the_zone__are_told_where_they_matter(folder: Path) -> None:
    words = one_line(page_of(folder).words)
    assert "buyers pay 2.00 ct/kWh for the local grid" in words
    assert "receive a premium of 1.00 ct/kWh" in words
    assert "bus-04 doubted the bill of bus-01 and staked €5.00; no correction came, so bus-01 got the stake." in words
    assert "it might have owed €325.323333 at most, and had €5,000.000000" in words


def test_write_report__feeder_at_its_cap__says_so(tmp_path: Path, result: DemoResult) -> None:
    book = replace(result.book, cap_wh=result.book.volume_wh)
    write_report(replace(result, book=book), tmp_path)
    assert "change hands, all that the feeder carries." in one_line(page_of(tmp_path).words)


def test_write_report__page__refers_to_nothing_outside_itself(folder: Path) -> None:
    html = (folder / "report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert {"script", "link", "img", "iframe", "object"}.isdisjoint(page.tags)
    assert "://" not in html and "@import" not in html
    assert set(re.findall(r"url\(([^)]{1,200})\)", html)) <= {f"#{name}" for name in page.ids}
    assert all(reference.startswith("#") and reference[1:] in page.ids for reference in page.references)


def test_write_report__page__gives_no_id_twice(folder: Path) -> None:
    ids = page_of(folder).ids
    assert sorted(set(ids)) == sorted(ids)


def test_write_report__charts__have_words_and_follow_the_colour_scheme(folder: Path) -> None:
    html = (folder / "report.html").read_text(encoding="utf-8")
    labels = Page(html).labels
    assert len(labels) == 2 * (4 + 2)  # wide and narrow: four charts, two flagged meters
    assert all(len(label) > 40 for label in labels)
    drawn = "".join(re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL))
    assert "var(--c-price)" in drawn
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawn)) == set()


def test_write_report__unknown_summary_key__is_kept_in_json_and_not_shown(folder: Path, result: DemoResult) -> None:
    assert json.loads((folder / "summary.json").read_text(encoding="utf-8")) == result.summary
    assert "unknown_key" not in page_of(folder).words


def test_write_report__reason_with_markup__is_text(tmp_path: Path) -> None:
    result = generated_result()
    result.readings.loc[result.readings["flagged"], "reason"] = '<script>alert("$1 & $2")</script>'
    write_report(result, tmp_path)
    page = page_of(tmp_path)
    assert "script" not in page.tags
    assert '<script>alert("$1 & $2")</script>' in page.words


@pytest.mark.parametrize(
    ("name", "columns", "times"),
    [
        ("clearings", CLEARING_COLUMNS, ["slot_start"]),
        ("settlements", SETTLEMENT_COLUMNS, []),
        ("readings", READING_COLUMNS, ["slot_start"]),
    ],
)
def test_write_report__csv__round_trips_in_documented_columns(
    folder: Path, result: DemoResult, name: str, columns: tuple[str, ...], times: list[str]
) -> None:
    text = (folder / f"{name}.csv").read_text(encoding="utf-8")
    assert text.splitlines()[0] == ",".join(columns)
    read = pd.read_csv(
        io.StringIO(text),
        parse_dates=times,
        keep_default_na=False,
        na_values={"bill_eur": [""]} | {column: [""] for column in columns if column.endswith(("_eur", "_wh"))},
    )
    pd.testing.assert_frame_equal(read, getattr(result, name), check_dtype=False)


def test_write_report__overview__is_a_picture_1400_pixels_wide(folder: Path) -> None:
    png = (folder / "overview.png").read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    assert width == 1400 and 500 <= height <= 900


def test_write_report__same_result__same_bytes(folder: Path, tmp_path: Path) -> None:
    write_report(generated_result(), tmp_path)
    for name in ("report.html", "overview.png", "readings.csv"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_write_report__nothing_traded__says_so(tmp_path: Path) -> None:
    result = generated_result(trades=False)
    result.summary.update(bills_eur=-3.0, grid_only_bills_eur=-3.5)
    write_report(result, tmp_path)
    page = page_of(tmp_path)
    words = one_line(page.words)
    assert "matched nothing: no bid met an offer" in words
    assert "come to −€3.00 (below zero the homes are paid), against −€3.50 with the grid alone: €0.50 worse" in words
    assert "Here they do not meet, so nothing was traded." in words
    assert any("no energy was matched in any slot" in label for label in page.labels)


def test_write_report__nothing_flagged__says_so(tmp_path: Path) -> None:
    write_report(generated_result(faults=False), tmp_path)
    page = page_of(tmp_path)
    words = one_line(page.words)
    assert "No meter was flagged." in words and "No reading was flagged." in words
    assert "scores" not in page.tables
    assert "held" not in [cell for row in page.tables["bills"] for cell in row]


def test_write_report__a_week_of_118_meters__renders_all_homes(tmp_path: Path) -> None:
    result = generated_result(days=7, meters=118)
    write_report(result, tmp_path)
    page = page_of(tmp_path)
    assert page.headings[0][1] == "118 homes trading energy, 20 July to 26 July 2016"
    assert "shows the 40 homes with most energy, the table all 118" in one_line(page.words)
    bills = {row[0]: row[1:] for row in page.tables["bills"]}
    assert len(bills) == 118 + 2  # and the rows of headings and totals
    frozen = next(home for home in home_figures(result) if home.meter == "bus-05")
    assert (frozen.held_days, frozen.days) == (1, 7)
    assert bills["bus-05"][-1] == "1 of 7" and bills["bus-05"][5] == euros(frozen.bill_eur or 0)
    assert bills["bus-02"][1] == "held"


def test_write_report__folder_is_a_file__names_it(tmp_path: Path, result: DemoResult) -> None:
    (tmp_path / "taken").write_text("", encoding="ascii")
    with pytest.raises(ConfigError, match=r"cannot write the report to .*taken"):
        write_report(result, tmp_path / "taken")


def test_flagged_meters__gap_or_other_channel__starts_a_new_run(result: DemoResult) -> None:
    readings = result.readings.copy()
    of_meter = readings.index[readings["meter"] == "bus-02"]
    readings.loc[of_meter[60], "flagged"] = False
    readings.loc[of_meter[80:], "channel"] = "limit"
    changed = DemoResult(**{**vars(result), "readings": readings})
    entry = next(entry for entry in flagged_meters(changed) if entry.meter == "bus-02")
    assert [(run.readings, run.channel) for run in entry.runs] == [(6, "residual"), (19, "residual"), (16, "limit")]
    assert entry.flagged == 41 and entry.main_run.readings == 19


def test_print_summary__one_day__names_what_was_held_and_checked(result: DemoResult) -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    print_summary(result, console)
    text = console.export_text()
    assert "held: bus-02" in text and SHARE_REASON in text
    assert f"{euros(result.summary['bills_eur'])} instead of" in text
    assert "bus-04 doubted the bill of bus-01 and staked €5.00; no correction came" in text
    assert f"fee less premium {euros(result.summary['bill_lines_eur']['grid'])}" in text
    assert "Roof of bus-14, 0xa5a5" in text
    assert "10,000 of 3 holders: 2 in Germany, 1 in France" in text
    assert "a buyer from the United States: the shares' rules do not accept its country (840)" in text
    assert "61.0 kWh sold to neighbours, 64.0 kWh attested" in text
    assert "€12.345675, €9.000000 of it for what it sold and €3.345675 for energy beside its" in text
    assert "contracts; €0.001235 a share" in text
    assert text.count("✓") == 7 and "✗" not in text


def test_asset_rows__community_without_a_plant__says_so_in_one_line() -> None:
    assert asset_rows(None) == [("asset", "none, as no home of this community feeds in")]


def test_asset_rows__plant_whose_bill_is_held__says_why_nothing_was_paid() -> None:
    held = {**ASSET, "days_paid": [], "unpaid": "its bill is held, so days from then on wait", "revenue": 0}
    assert asset_rows(held)[-1] == ("not paid", "its bill is held, so days from then on wait")
    assert "its revenue" not in dict(asset_rows(held))
    assert reconciliation_words(held) == "nothing was paid: its bill is held, so days from then on wait"


def test_checks__shares_that_do_not_reconcile__fail_and_without_shares_nothing_is_checked(result: DemoResult) -> None:
    def names(asset: dict[str, object] | None) -> dict[str, bool]:
        changed = DemoResult(**{**vars(result), "summary": {**result.summary, "asset": asset}})
        return {check.name: check.passed for check in checks(changed)}

    name = "Shares paid what was proven"
    assert names(ASSET)[name] is True
    assert names({**ASSET, "reconciles": False})[name] is False
    assert name not in names(None)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (kwh(-1_234), "−1.2 kWh"),
        (kwh(-4), "0.0 kWh"),
        (kwh(2_345_678), "2,346 kWh"),
        (euros(-2.005), "−€2.00"),
        (euros(-0.001), "€0.00"),
        (exact_euros(-1_000_001), "−€1.000001"),
        (cents(0.12345), "12.35 ct/kWh"),
        (percent(12.34), "12.3 %"),
        (better(-3), "€3.00 worse"),
        (grouped(-1_234_567), "−1,234,567"),
        (count(1, "batch", "batches"), "1 batch"),
        (count(1_200, "batch", "batches"), "1,200 batches"),
    ],
)
def test_wording__numbers__read_as_people_write_them(shown: str, expected: str) -> None:
    assert shown == expected
