"""The contract's clearing against the Python reference, book by book."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gridwitness.domain.market import TICKS, Clearing
from gridwitness.market.clearing import Book, book_of, clear
from tests.functional.differential.conftest import SEED, Encodings, assert_equal
from tests.oracle.market.books import adversarial_books

BOOKS = 20_000
BOOKS_OF_A_CALL = 400
SLOT = 2_000_000
LANES, LANE_BITS = 10, 24


def words(book: Book) -> list[int]:
    """The 26 words of a book, without their lap: ten sums each, the lowest tick in the least significant bits."""
    return [
        sum(energy_wh << LANE_BITS * lane for lane, energy_wh in enumerate(sums_wh[start : start + LANES]))
        for sums_wh in (book.bids_wh, book.offers_wh)
        for start in range(0, TICKS, LANES)
    ]


def packed(clearing: Clearing) -> int:
    """A result as `SlotCleared` packs it."""
    word = SLOT << 8 | 1
    for tick in (clearing.tick, clearing.bid_tick, clearing.offer_tick):
        word = word << 8 | tick
    for quantity_wh in (
        clearing.volume_wh,
        clearing.cap_wh,
        clearing.marginal_bid_filled_wh,
        clearing.marginal_bid_wh,
        clearing.marginal_offer_filled_wh,
        clearing.marginal_offer_wh,
    ):
        word = word << 32 | quantity_wh
    return word


def cleared(harness: Encodings, books: Sequence[Book], caps_wh: Sequence[int]) -> list[int]:
    """The contract's results."""
    results: list[int] = []
    for start in range(0, len(books), BOOKS_OF_A_CALL):
        part = slice(start, start + BOOKS_OF_A_CALL)
        results += harness.ask("clear", [words(book) for book in books[part]], caps_wh[part])
    return results


# INV-M4
def test_clear__adversarial_books__equal_the_reference(deployer: Any, project: Any) -> None:
    contract = deployer.deploy(project.BookHarness)
    cases = [(book_of(orders), params, cap_wh) for orders, params, cap_wh in adversarial_books(BOOKS, SEED)]
    books, caps_wh = [book for book, _, _ in cases], [cap_wh for _, _, cap_wh in cases]
    ours = [packed(clear(book, params, cap_wh)) for book, params, cap_wh in cases]
    assert_equal(ours, cleared(Encodings(contract, contract.address), books, caps_wh), cases)
