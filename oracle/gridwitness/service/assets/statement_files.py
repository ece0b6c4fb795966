"""A statement as CSV, JSON and PDF. The same statement gives the same bytes, on any day and machine.

CSV and PDF show shares and cash with their decimals, JSON has whole units.
"""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib
from fpdf import FPDF

from gridwitness.domain.assets import Dividend
from gridwitness.domain.slots import SECONDS_PER_DAY
from gridwitness.errors import InputError
from gridwitness.service.assets.statement import Line, Statement
from gridwitness.service.assets.words import clean, display

_COLUMNS = (
    "time",
    "block",
    "kind",
    "wallet",
    "counterparty",
    "shares",
    "price_per_share",
    "due",
    "cash",
    "cash_token",
    "first_day",
    "last_day",
    "sold_wh",
    "attested_wh",
    "transaction",
)
# What a spreadsheet takes for a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_ROW_MM = 4.5
_ADDRESS_SHOWN, _SYMBOL_SHOWN = 6, 12
_LINES_PT, _HASH_PT, _HASH_CHARACTERS = 6.5, 5, 66
# Width (mm) and alignment of each column; 277 mm are there.
_SUMMARY_COLUMNS = ((60, "L"), (45, "R"), (45, "R"))
_WALLET_COLUMNS = ((90, "L"), (35, "R"), (35, "R"), (45, "R"), (60, "L"))
_LINE_COLUMNS = (
    (29, "L"),
    (20, "L"),
    (21, "L"),
    (21, "L"),
    (22, "R"),
    (24, "R"),
    (28, "R"),
    (36, "R"),
    (76, "L"),
)


def write_statement(path: Path, statement: Statement) -> None:
    """Write a statement as the file's name ends: .csv, .json or .pdf. Raises InputError for another ending."""
    makers: dict[str, Callable[[Statement], bytes]] = {
        ".csv": lambda one: csv_text(one).encode(),
        ".json": lambda one: json_text(one).encode(),
        ".pdf": pdf_bytes,
    }
    if path.suffix not in makers:
        raise InputError(f"{path} is no .csv, .json or .pdf")
    content = makers[path.suffix](statement)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error


def csv_text(statement: Statement) -> str:
    """A row for the opening, each line and the closing. Shares and cash have their decimals, cash of other tokens than
    the asset's is in whole units of them."""
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    terms, cash = statement.ledger.terms, statement.ledger.cash
    bounds = (
        ("opening", statement.period.begins_at, statement.opening),
        ("closing", statement.period.ends_at, statement.closing),
    )
    for kind, time, position in bounds:
        row = {
            "time": _when(time),
            "kind": kind,
            "wallet": statement.investor,
            "shares": display(position.shares, terms.decimals),
            "due": display(position.due, cash.decimals),
        }
        if kind == "closing":
            writer.writerows(_row(statement, line) for line in statement.lines)
        writer.writerow(row)
    return out.getvalue()


def _row(statement: Statement, line: Line) -> dict[str, str]:
    terms, cash = statement.ledger.terms, statement.ledger.cash
    decimals = cash.decimals if line.cash_token == cash.address else 0
    price = line.price_per_share
    row = {
        "time": _when(line.at.time),
        "block": str(line.at.block_number),
        "kind": line.kind.value,
        "wallet": line.wallet,
        "counterparty": line.counterparty,
        "shares": display(line.shares, terms.decimals),
        "price_per_share": "" if price is None else display(price * 10**terms.decimals, decimals),
        "due": display(line.due, cash.decimals),
        "cash": display(line.cash, decimals),
        "cash_token": _token(statement, line),
        "transaction": "0x" + line.at.transaction.hex(),
    }
    return row | (_revenue(line.dividend) if line.dividend is not None and line.dividend.is_attested else {})


def _revenue(dividend: Dividend) -> dict[str, str]:
    days = {"first_day": dividend.first_day, "last_day": dividend.last_day}
    shown = {name: _day(day) for name, day in days.items() if day is not None}
    return shown | {"sold_wh": str(dividend.sold_wh), "attested_wh": str(dividend.attested_wh)}


def _token(statement: Statement, line: Line) -> str:
    """Symbol of the asset's own token, address of another, "unknown" where the chain does not say."""
    if line.cash == 0:
        return ""
    if line.cash_token == statement.ledger.cash.address:
        symbol = clean(statement.ledger.cash.symbol)
        return f"'{symbol}" if symbol.startswith(_FORMULA_STARTS) else symbol
    return line.cash_token or "unknown"


def json_document(statement: Statement) -> dict[str, Any]:
    """The statement in whole units, ready for `json.dumps`."""
    ledger, passport = statement.ledger, statement.passport
    return {
        "asset": {"address": ledger.asset, "name": ledger.terms.name, "symbol": ledger.terms.symbol},
        "share_decimals": ledger.terms.decimals,
        "cash": {"address": ledger.cash.address, "symbol": ledger.cash.symbol, "decimals": ledger.cash.decimals},
        "chain_id": ledger.chain_id,
        "block": {"number": ledger.block.number, "hash": "0x" + ledger.block.hash.hex()},
        "period": {"first": str(statement.period.first), "last": str(statement.period.last)},
        "investor": statement.investor,
        "passport": None
        if passport is None
        else {"country": passport.country, "class": passport.investor_class, "expires_at": passport.expires_at},
        "opening": {"shares": statement.opening.shares, "due": statement.opening.due},
        "closing": {"shares": statement.closing.shares, "due": statement.closing.due},
        "accrued": statement.accrued,
        "claimed": statement.claimed,
        "withheld": statement.withheld,
        "wallets": [
            {
                "address": wallet.address,
                "shares": wallet.position.shares,
                "due": wallet.position.due,
                "frozen": wallet.frozen,
                "withheld": wallet.withheld,
            }
            for wallet in statement.wallets
        ],
        "lines": [_line_document(line) for line in statement.lines],
    }


def _line_document(line: Line) -> dict[str, Any]:
    document: dict[str, Any] = {
        "time": line.at.time,
        "block": line.at.block_number,
        "kind": line.kind.value,
        "wallet": line.wallet,
        "counterparty": line.counterparty,
        "shares": line.shares,
        "due": line.due,
        "cash": line.cash,
        "cash_token": line.cash_token,
        "transaction": "0x" + line.at.transaction.hex(),
    }
    if line.dividend is not None and line.dividend.is_attested:
        document["revenue"] = {
            "first_day": line.dividend.first_day,
            "last_day": line.dividend.last_day,
            "sold_wh": line.dividend.sold_wh,
            "attested_wh": line.dividend.attested_wh,
        }
    return document


def json_text(statement: Statement) -> str:
    """`json_document` as text."""
    return json.dumps(json_document(statement), indent=2, ensure_ascii=False) + "\n"


class _Page(FPDF):
    """A4 across, with the statement's source at the foot of each page."""

    def __init__(self, foot: str) -> None:
        super().__init__(orientation="landscape", format="A4")
        self._foot = foot
        fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"  # names of assets may be in any script
        self.add_font("DejaVu", fname=fonts / "DejaVuSans.ttf")
        self.add_font("DejaVu", "B", fname=fonts / "DejaVuSans-Bold.ttf")
        self.set_font("DejaVu", size=8)

    def footer(self) -> None:
        """Called by FPDF for each page."""
        self.set_y(-12)
        self.set_font("DejaVu", size=6)
        self.cell(0, 4, f"{self._foot} · page {self.page_no()} of {{nb}}", align="C")


def pdf_bytes(statement: Statement) -> bytes:
    """The statement as PDF, for people: summary, wallets, lines."""
    ledger = statement.ledger
    # A glyph that the font does not have is left out; that is no matter for a log.
    logging.getLogger("fpdf.output").setLevel(logging.ERROR)
    page = _Page(f"chain {ledger.chain_id}, block {ledger.block.number} (0x{ledger.block.hash.hex()})")
    # The block's time, so that the file says nothing of when it was made.
    page.set_creation_date(datetime.fromtimestamp(ledger.block.time, UTC))
    page.set_title(f"Statement of {clean(ledger.terms.symbol)}")
    page.set_producer("gridwitness")
    page.add_page()
    page.set_font("DejaVu", "B", 14)
    title = f"{clean(ledger.terms.name)} ({clean(ledger.terms.symbol)})"
    page.cell(0, 9, f"Statement of {title}", new_x="LMARGIN", new_y="NEXT")
    page.set_font("DejaVu", size=8)
    for line in _head(statement):
        page.cell(0, _ROW_MM, line, new_x="LMARGIN", new_y="NEXT")
    page.ln(2)
    _table(page, _summary(statement), _SUMMARY_COLUMNS)
    _table(page, _wallet_rows(statement), _WALLET_COLUMNS)
    page.set_font_size(_LINES_PT)
    _table(page, _line_rows(statement), _LINE_COLUMNS)
    return bytes(page.output())


def _head(statement: Statement) -> list[str]:
    ledger, passport = statement.ledger, statement.passport
    known = "" if passport is None else f", country {passport.country}, class {passport.investor_class}"
    return [
        f"Asset {ledger.asset}, pays in {clean(ledger.cash.symbol)} ({ledger.cash.address})",
        f"Investor {statement.investor}{known}",
        f"Period {statement.period.first} to {statement.period.last}, whole UTC days",
    ]


def _summary(statement: Statement) -> list[tuple[str, ...]]:
    decimals, cash = statement.ledger.terms.decimals, statement.ledger.cash
    due = f"due ({clean(cash.symbol)})"
    opening, closing = statement.opening, statement.closing
    moved = closing.shares - opening.shares
    return [
        ("", "shares", due),
        ("opening", display(opening.shares, decimals), display(opening.due, cash.decimals)),
        ("moved in less out", display(moved, decimals), ""),
        ("dividends accrued", "", display(statement.accrued, cash.decimals)),
        ("dividends claimed", "", display(-statement.claimed, cash.decimals)),
        ("closing", display(closing.shares, decimals), display(closing.due, cash.decimals)),
        ("of which withheld", "", display(statement.withheld, cash.decimals)),
    ]


def _wallet_rows(statement: Statement) -> list[tuple[str, ...]]:
    decimals, cash = statement.ledger.terms.decimals, statement.ledger.cash.decimals
    rows = [
        (
            wallet.address,
            display(wallet.position.shares, decimals),
            display(wallet.frozen, decimals),
            display(wallet.position.due, cash),
            wallet.withheld,
        )
        for wallet in statement.wallets
    ]
    return [("wallet at the end", "shares", "frozen", "due", "withheld because of"), *rows]


def _line_rows(statement: Statement) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        ("time (UTC)", "", "wallet", "with", "shares", "price a share", "due", "cash", "transaction")
    ]
    for line in statement.lines:
        row = _row(statement, line)
        cash = f"{row['cash']} {_short(row['cash_token'])[:_SYMBOL_SHOWN]}" if line.cash else ""
        rows.append(
            (
                row["time"],
                row["kind"],
                _short(line.wallet),
                _short(line.counterparty),
                row["shares"] if line.shares else "",
                row["price_per_share"],
                row["due"] if line.due else "",
                cash,
                row["transaction"],
            )
        )
    return rows


def _table(page: _Page, rows: list[tuple[str, ...]], columns: tuple[tuple[int, str], ...]) -> None:
    """A table whose heading stands on each of its pages; of each column the width (mm) and L or R.

    Drawn cell by cell: FPDF's own tables take a minute for 2,000 rows.
    """
    heading, *rest = rows
    size = page.font_size_pt
    _row_of_cells(page, heading, columns, size, is_heading=True)
    for values in rest:
        if page.will_page_break(_ROW_MM):
            page.add_page()
            _row_of_cells(page, heading, columns, size, is_heading=True)
        _row_of_cells(page, values, columns, size)
    page.ln(4)


def _row_of_cells(
    page: _Page, values: tuple[str, ...], columns: tuple[tuple[int, str], ...], size: float, *, is_heading: bool = False
) -> None:
    page.set_font("DejaVu", "B" if is_heading else "", size)
    for value, (width_mm, align) in zip(values, columns, strict=True):
        # A hash in full is wider than anything else.
        page.set_font_size(_HASH_PT if len(value) == _HASH_CHARACTERS else size)
        page.cell(width_mm, _ROW_MM, value, border="B", align=align)
    page.set_font_size(size)
    page.ln()


def _short(text: str) -> str:
    return f"{text[:_ADDRESS_SHOWN]}…{text[-4:]}" if text.startswith("0x") else text


def _when(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _day(day: int) -> str:
    return datetime.fromtimestamp(day * SECONDS_PER_DAY, UTC).date().isoformat()
