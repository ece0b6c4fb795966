"""Every block of every page is accounted for: it runs, or a hidden comment says why it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.docs.blocks import DOCS, REASONS, ROOT, blocks_of, pages
from tests.integration.docs.printed import is_printed
from tests.integration.docs.walk import Walk, walking
from tests.integration.docs.walks import DEPLOYER, ELSEWHERE, HOUSEHOLD, MANUALS, OPERATOR, names_page, others

# As few as there are now: who adds one says why here, or makes it run.
MOST_LEFT_OUT = 12


def test_leave_out__blocks__are_few_and_have_a_good_reason() -> None:
    left_out = [block for page in pages() for block in blocks_of(page) if block.reason]
    assert len(left_out) <= MOST_LEFT_OUT
    for block in left_out:
        reason, _, test = block.reason.partition(": ")
        assert reason in REASONS, block.place
        assert (reason == "tested elsewhere") == bool(test), block.place
        assert not test or (ROOT / test.split()[0]).exists(), block.place


def test_comment__blocks__say_what_is_known() -> None:
    comments = {block.comment for page in pages() for block in blocks_of(page) if not block.reason}
    assert comments <= {"", "fails"}


def test_comment__every_one__stands_before_a_block() -> None:
    for page in pages():
        told = page.read_text(encoding="utf-8").count("<!-- block:")
        assert told == sum(block.comment != "" for block in blocks_of(page)), page


def test_follow__walks__are_of_pages_that_are_there() -> None:
    named = [*OPERATOR, *MANUALS, *DEPLOYER, *HOUSEHOLD, *ELSEWHERE]
    assert len(set(named)) == len(named)
    assert [name for name in named if not (DOCS / name).is_file()] == []
    assert [name for name, test in ELSEWHERE.items() if not names_page(test, name)] == []


def test_follow__any_other_page__prints_what_it_says(tmp_path: Path) -> None:
    for number, page in enumerate(others()):
        with walking(tmp_path / str(number)) as reader:
            reader.follow(page)


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        ("```sh\nfalse\ntrue\n```\n", "exit code 1"),
        ("```sh\necho 1\n```\n\n```text\n2\n```\n", "printed was\n1"),
        ("```python\nassert 1 == 2\n```\n", "exit code 1"),
        ("```js\nthrow new Error('no')\n```\n", "no"),
        ("```solidity\ncontract {}\n```\n", "Expected identifier"),
        ('```toml title="oracle.toml"\nnme = 1\n```\n', "manifest: Field required"),
        ("```json\n{\n```\n", "Expecting"),
        ("```rust\nfn main() {}\n```\n", "not known"),
        ("<!-- block: fails -->\n```sh\ntrue\n```\n", "exit code 0"),
        ("```\nno language\n```\n", "not known"),
    ],
)
def test_follow__block_that_is_wrong__is_found(walk: Walk, tmp_path: Path, page: str, complaint: str) -> None:
    (tmp_path / "page.md").write_text(page, encoding="utf-8")
    with pytest.raises(AssertionError, match=complaint):
        walk.follow(tmp_path / "page.md")


@pytest.mark.parametrize(
    ("expected", "printed", "is_same"),
    [
        ("a\n…\nd", "a\nb\nc\nd", True),
        ("a\n…\nd", "a\nd", True),
        ("a\n…\nd", "a\nb", False),
        ("x…z", "x y z", True),
        ("a", "a\nb", False),
        ("…\nb\n…", "a\nb", True),
        ("a\nb", "a\nc\nb", False),
    ],
)
def test_compare__ellipsis__stands_for_anything_there(expected: str, printed: str, is_same: bool) -> None:
    assert is_printed(expected, printed) == is_same
