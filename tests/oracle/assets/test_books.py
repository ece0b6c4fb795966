"""Books kept by entries alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwitness.domain.assets import AssetRule, Claim, Dividend, MovementKind, Passport
from gridwitness.errors import ChainError
from gridwitness.service.assets.books import Books
from tests.oracle.assets.shares_story import AMERICA, ANNA, BERT, CARLA, EUR, START, Story

WALLETS = (ANNA, BERT, CARLA)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["mint", "transfer", "pay", "claim", "retire", "recover"]),
        st.sampled_from(range(3)),
        st.sampled_from(range(3)),
        st.integers(1, 3 * EUR),
    ),
    max_size=40,
)


def act(story: Story, step: tuple[str, int, int, int]) -> None:
    """Do what is possible of a step, as the contract would."""
    name, first, second, amount = step
    sender, receiver, books = WALLETS[first], WALLETS[second], story.books
    held = books.shares_of(sender)
    if name == "mint":
        story.mint(sender, amount)
    elif name == "transfer":
        story.transfer(sender, receiver, min(amount, held))
    elif name == "pay" and books.supply:
        story.pay(amount)
    elif name == "claim" and books.due_of(sender):
        story.claim(sender)
    elif name == "retire" and held:
        story.move(MovementKind.RETIREMENT, sender, "0x" + "00" * 20, min(amount, held))
    elif name == "recover" and first != second:
        story.recover(sender, receiver)


@settings(max_examples=150)
@given(STEPS)
def test_apply__any_life__keeps_sums(steps: list[tuple[str, int, int, int]]) -> None:
    story = Story()
    story.begin(*WALLETS)
    for step in steps:
        act(story, step)
        books = story.books
        assert sum(books.shares_of(wallet) for wallet in WALLETS) == books.supply
        assert sum(books.due_of(wallet) for wallet in WALLETS) <= books.dividend_cash


@given(STEPS, st.data())
def test_apply__an_entry_missing__is_found_or_changes_the_sums(
    steps: list[tuple[str, int, int, int]], data: st.DataObject
) -> None:
    story = Story()
    story.begin(*WALLETS)
    for step in [("mint", 0, 0, 5_000), ("pay", 0, 0, 7 * EUR), ("claim", 0, 0, 1), *steps]:
        act(story, step)
    candidates = [at for at, entry in enumerate(story.entries) if isinstance(entry, Dividend)]
    left_out = data.draw(st.sampled_from(candidates))
    entries = story.entries[:left_out] + story.entries[left_out + 1 :]
    try:
        books = Books(entries)
    except ChainError:
        return
    assert books.index != story.books.index


def test_apply__more_shares_moved_than_held__is_refused() -> None:
    story = Story()
    story.begin(ANNA, BERT)
    story.mint(ANNA, 10)
    with pytest.raises(ChainError, match="moved 5 shares more than it had") as info:
        story.transfer(ANNA, BERT, 15)
    assert "ask another node" in info.value.hint


def test_apply__claim_of_another_amount__is_refused() -> None:
    story = Story()
    story.begin(ANNA)
    story.mint(ANNA, 10)
    story.pay(30)
    with pytest.raises(ChainError, match="was owed 30, but 31 was claimed"):
        story.books.apply(Claim(story.at(), ANNA, 31))


def test_apply__dividend_of_a_made_up_index__is_refused() -> None:
    story = Story()
    story.begin(ANNA)
    story.mint(ANNA, 3)
    story.pay(10)
    dividend = story.entries[-1]
    assert isinstance(dividend, Dividend)
    with pytest.raises(ChainError, match="the dividend index is"):
        Books([*story.entries[:-1], replace(dividend, index=dividend.index + 1)])


def test_apply__dividend_without_shares__is_refused() -> None:
    story = Story()
    story.begin(ANNA)
    with pytest.raises(ChainError, match="paid to no shares"):
        story.books.apply(Dividend(story.at(), ANNA, 10, 0))


def test_passport_of__several_wallets__is_that_of_the_investor() -> None:
    story = Story()
    story.begin(ANNA)
    story.add_wallet(ANNA, BERT)
    books = story.books
    assert books.wallets_of(ANNA) == [ANNA, BERT]
    assert books.passport_of(BERT) == books.passport_of(ANNA) != None  # noqa: E711
    story.retire_wallet(ANNA, ANNA)
    assert books.verdict_of(ANNA, START).rule is AssetRule.PASSPORT
    assert books.verdict_of(BERT, START).rule is AssetRule.NONE
    assert books.passport_of(CARLA) is None


def test_withheld__by_passport_country_and_freezing__says_which() -> None:
    story = Story()
    story.begin(ANNA, BERT)
    story.admit(CARLA, AMERICA)
    story.mint(ANNA, 10)
    story.mint(BERT, 10)
    story.revoke(ANNA)
    story.freeze(BERT, 10)
    books = story.books
    assert [books.withheld(wallet, story.time) for wallet in WALLETS] == ["passport", "all shares frozen", "country"]
    story.freeze(BERT, 9)
    assert books.withheld(BERT, story.time) == ""
    story.add(replace(story.entries[1], at=story.at()))
    assert books.passport_of(ANNA) == Passport(1 << 39, 276, 0)
    assert books.withheld(ANNA, story.time) == ""


def test_holders__two_wallets_of_one__are_counted_once() -> None:
    story = Story()
    story.begin(ANNA, CARLA)
    story.add_wallet(ANNA, BERT)
    for wallet in WALLETS:
        story.mint(wallet, 1)
    assert story.books.holders() == 2
