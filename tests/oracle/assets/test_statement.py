"""Statements of investors."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings

from gridwitness.domain.assets import MovementKind, Passport
from gridwitness.errors import InputError
from gridwitness.service.assets.statement import LineKind, Period, Position, Statement, make_statement
from gridwitness.service.assets.statement_files import csv_text, json_text, pdf_bytes, write_statement
from tests.oracle.assets.shares_story import ANNA, BERT, CARLA, CASH, DAY_SECONDS, EUR, FOREVER, MARKET, START, Story
from tests.oracle.assets.test_books import STEPS, WALLETS, act

JULY = Period(date(2016, 7, 1), date(2016, 7, 31))
SECOND_DAY = Period(date(2016, 7, 2), date(2016, 7, 2))


@pytest.fixture
def story() -> Story:
    """Anna has 60 shares and Bert 40 on the first day; on the second one is paid, Bert sells, and Anna claims."""
    story = Story()
    story.begin(ANNA, BERT, CARLA)
    story.mint(ANNA, 60)
    story.mint(BERT, 40)
    story.pay(1_000)
    story.time = START + DAY_SECONDS
    story.pay(3_333_333, rows=1, sold_wh=9_000, attested_wh=9_500, first_day=16_982, last_day=16_983)
    story.move(MovementKind.TRADE, BERT, ANNA, 10, cash=120 * EUR, cash_token=CASH, ask_number=0)
    story.claim(ANNA)
    story.time = START + 2 * DAY_SECONDS
    story.transfer(ANNA, CARLA, 5)
    story.time = START + 40 * DAY_SECONDS
    return story


@pytest.fixture
def statement(story: Story) -> Statement:
    return make_statement(story.ledger(), ANNA, SECOND_DAY)


def test_make_statement__one_day__has_what_came_before_and_nothing_after(statement: Statement) -> None:
    assert statement.opening == Position(60, 600)
    assert [(line.kind, line.shares, line.due, line.cash) for line in statement.lines] == [
        (LineKind.DIVIDEND, 0, 1_999_999, 0),
        (LineKind.BOUGHT, 10, 0, -120 * EUR),
        (LineKind.CLAIMED, 0, -2_000_599, 2_000_599),
    ]
    assert [line.price_per_share for line in statement.lines] == [None, 12 * EUR, None]
    assert statement.lines[0].counterparty == MARKET
    assert statement.closing == Position(70, 0)
    assert (statement.accrued, statement.claimed, statement.withheld) == (1_999_999, 2_000_599, 0)


def test_make_statement__days_one_by_one__join_without_a_gap(story: Story) -> None:
    ledger = story.ledger()
    days = [make_statement(ledger, BERT, Period(date(2016, 7, day), date(2016, 7, day))) for day in range(1, 8)]
    assert [day.closing for day in days[:-1]] == [day.opening for day in days[1:]]
    whole = make_statement(ledger, BERT, Period(date(2016, 7, 1), date(2016, 7, 7)))
    assert whole.lines == tuple(line for day in days for line in day.lines)
    assert (whole.opening, whole.closing) == (days[0].opening, days[-1].closing)


@settings(max_examples=100)
@given(STEPS)
def test_make_statement__any_life__reconciles_for_every_investor(steps: list[tuple[str, int, int, int]]) -> None:
    story = Story()
    story.begin(*WALLETS)
    for step in steps:
        act(story, step)
    story.wait(DAY_SECONDS)
    ledger = story.ledger()
    first, second = Period(date(2016, 7, 1), date(2016, 7, 1)), Period(date(2016, 7, 2), date(2016, 7, 2))
    for wallet in WALLETS:
        for period in (first, second):
            if period.ends_at <= ledger.block.time:
                made = make_statement(ledger, wallet, period)
                assert made.opening.due + made.accrued - made.claimed + sum(
                    line.due for line in made.lines if line.kind in (LineKind.RECOVERED_IN, LineKind.RECOVERED_OUT)
                ) == (made.closing.due)


def test_make_statement__any_wallet_of_the_investor__is_the_same(story: Story) -> None:
    other = "0x" + "9" * 40
    story.add_wallet(ANNA, other)
    story.transfer(ANNA, other, 65)
    ledger = story.ledger()
    period = Period(date(2016, 8, 1), date(2016, 8, 10))
    made = make_statement(ledger, other, period)
    assert made == make_statement(ledger, ANNA, period)
    assert [(line.kind, line.wallet, line.shares) for line in made.lines] == [
        (LineKind.SENT, ANNA, -65),
        (LineKind.RECEIVED, other, 65),
    ]
    assert made.opening.shares == made.closing.shares == 65


def test_make_statement__lost_wallet__what_it_was_owed_goes_along(story: Story) -> None:
    other = "0x" + "9" * 40
    story.add_wallet(BERT, other)
    story.retire_wallet(BERT, BERT)
    story.recover(BERT, other)
    made = make_statement(story.ledger(), other, Period(date(2016, 8, 1), date(2016, 8, 10)))
    due = 1_333_733
    assert [(line.kind, line.shares, line.due) for line in made.lines] == [
        (LineKind.RECOVERED_OUT, -30, -due),
        (LineKind.RECOVERED_IN, 30, due),
    ]
    assert made.opening == made.closing == Position(30, due)


def test_make_statement__first_wallet_lost__shows_the_passport_that_still_holds(story: Story) -> None:
    other = "0x" + "9" * 40
    story.add_wallet(BERT, other)
    story.retire_wallet(BERT, BERT)
    story.recover(BERT, other)
    period = Period(date(2016, 8, 1), date(2016, 8, 10))
    made = make_statement(story.ledger(), other, period)
    assert json.loads(json_text(made))["passport"] == {"country": 276, "class": 0, "expires_at": FOREVER}
    story.revoke(BERT)
    revoked = make_statement(story.ledger(), other, period)
    assert revoked.passport == Passport(0, 276, 0)


def test_make_statement__passport_expired_meanwhile__what_is_due_is_withheld(story: Story) -> None:
    story.admit(BERT, expires_at=START + 41 * DAY_SECONDS)
    period = Period(date(2016, 8, 10), date(2016, 8, 12))
    story.time = START + 45 * DAY_SECONDS
    made = make_statement(story.ledger(), BERT, period)
    assert [wallet.withheld for wallet in made.wallets] == ["passport"]
    assert made.withheld == made.closing.due == 1_333_733
    assert made.passport == Passport(START + 41 * DAY_SECONDS, 276, 0)


def test_make_statement__all_frozen_then_let_go__is_withheld_only_while_it_is(story: Story) -> None:
    story.freeze(BERT, 30)
    story.time = START + 50 * DAY_SECONDS
    story.freeze(BERT, 0)
    story.wait(10 * DAY_SECONDS)
    ledger = story.ledger()
    frozen = make_statement(ledger, BERT, Period(date(2016, 8, 1), date(2016, 8, 15)))
    free = make_statement(ledger, BERT, Period(date(2016, 8, 1), date(2016, 8, 25)))
    assert (frozen.withheld, frozen.wallets[0].withheld) == (1_333_733, "all shares frozen")
    assert free.withheld == 0


def test_make_statement__wallet_never_registered__is_refused(story: Story) -> None:
    with pytest.raises(InputError, match="was never registered"):
        make_statement(story.ledger(), "0x" + "7" * 40, JULY)


def test_period__that_ends_before_it_begins__is_refused() -> None:
    with pytest.raises(InputError, match="ends on 2016-07-01, before it begins on 2016-07-02"):
        Period(date(2016, 7, 2), date(2016, 7, 1))


def test_make_statement__period_that_is_not_over__is_refused(story: Story) -> None:
    with pytest.raises(InputError, match="the period ends on 2016-08-31, the ledger at 2016-08-1"):
        make_statement(story.ledger(), ANNA, Period(date(2016, 7, 1), date(2016, 8, 31)))


def test_make_statement__last_day_of_the_calendar__is_refused_as_not_over(story: Story) -> None:
    with pytest.raises(InputError, match="the period ends on 9999-12-31, the ledger at 2016-08-1"):
        make_statement(story.ledger(), ANNA, Period(date(2016, 7, 1), date.max))


def test_make_statement__before_there_were_shares__is_empty(story: Story) -> None:
    made = make_statement(story.ledger(), ANNA, Period(date(2016, 6, 1), date(2016, 6, 30)))
    assert (made.opening, made.closing, made.lines) == (Position(0, 0), Position(0, 0), ())


def test_csv_text__a_day__has_opening_lines_and_closing_with_decimals(statement: Statement) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(statement))))
    assert [(row["kind"], row["shares"], row["due"], row["cash"], row["cash_token"]) for row in rows] == [
        ("opening", "60", "0.000600", "", ""),
        ("dividend", "0", "1.999999", "0", ""),
        ("bought", "10", "0.000000", "-120.000000", "EUR"),
        ("claimed", "0", "-2.000599", "2.000599", "EUR"),
        ("closing", "70", "0.000000", "", ""),
    ]
    assert rows[2]["price_per_share"] == "12.000000"
    revenue = (rows[1]["first_day"], rows[1]["last_day"], rows[1]["sold_wh"], rows[1]["attested_wh"])
    assert revenue == ("2016-06-30", "2016-07-01", "9000", "9500")
    assert all(row["transaction"].startswith("0x") and len(row["transaction"]) == 66 for row in rows[1:-1])


def test_csv_text__token_symbol_that_is_a_formula__is_text(story: Story) -> None:
    ledger = story.ledger()
    object.__setattr__(ledger, "cash", type(ledger.cash)(CASH, '=HYPERLINK("http://x")\n', 6))
    rows = list(csv.DictReader(io.StringIO(csv_text(make_statement(ledger, ANNA, SECOND_DAY)))))
    assert rows[2]["cash_token"] == '\'=HYPERLINK("http://x")'


def test_json_text__a_day__has_whole_units(statement: Statement) -> None:
    document = json.loads(json_text(statement))
    assert document["opening"] == {"shares": 60, "due": 600}
    assert [line["due"] for line in document["lines"]] == [1_999_999, 0, -2_000_599]
    assert (document["accrued"], document["claimed"], document["withheld"]) == (1_999_999, 2_000_599, 0)


def test_pdf_bytes__same_statement__same_bytes_dated_by_the_block(story: Story) -> None:
    first = pdf_bytes(make_statement(story.ledger(), ANNA, SECOND_DAY))
    assert first == pdf_bytes(make_statement(story.ledger(), ANNA, SECOND_DAY))
    assert first.startswith(b"%PDF-") and b"/CreationDate (D:2016" in first


def test_pdf_bytes__name_in_any_script_with_control_characters__is_made(story: Story) -> None:
    ledger = story.ledger(name="Ŝolar\x00\n太陽 ☀ " + "x" * 500, decimals=2)
    assert pdf_bytes(make_statement(ledger, ANNA, SECOND_DAY)).startswith(b"%PDF-")


def test_write_statement__by_suffix__writes_or_refuses(statement: Statement, tmp_path: Path) -> None:
    write_statement(tmp_path / "july.csv", statement)
    assert (tmp_path / "july.csv").read_text() == csv_text(statement)
    with pytest.raises(InputError, match=r"july\.xls is no \.csv, \.json or \.pdf"):
        write_statement(tmp_path / "july.xls", statement)
    with pytest.raises(InputError, match="cannot be written: No such file"):
        write_statement(tmp_path / "none" / "july.csv", statement)


def test_pdf_bytes__many_lines__goes_on_over_pages(story: Story) -> None:
    for _ in range(60):
        story.pay(1_000)
    story.time += DAY_SECONDS * 10
    pages = pdf_bytes(make_statement(story.ledger(), ANNA, Period(date(2016, 7, 1), date(2016, 8, 15))))
    assert pages.count(b"/Type /Page\n") == 3
