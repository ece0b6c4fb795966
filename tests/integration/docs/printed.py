"""What a page says is printed, held against what was. `…` is anything within a line; alone on one, any lines."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ANYTHING = "…"


def is_printed(expected: str, printed: str, *, in_part: bool = False) -> bool:
    """Whether it is what the page says, from beginning to end; or, `in_part`, whether it holds that somewhere."""
    wanted = expected.strip("\n").splitlines()
    if in_part:
        wanted = [_ANYTHING, *wanted, _ANYTHING]
    lines = [line.rstrip() for line in printed.strip("\n").splitlines()]
    return _matches([line.strip() if line.strip() == _ANYTHING else line.rstrip() for line in wanted], lines)


def _matches(wanted: Sequence[str], lines: Sequence[str]) -> bool:
    """By the wanted lines that may have ended at each line: never more than wanted × lines steps."""
    reached = {0}
    for position in range(len(lines) + 1):
        for index in sorted(reached):
            while index < len(wanted) and wanted[index] == _ANYTHING:
                index += 1
                reached.add(index)
        if position == len(lines):
            break
        following = set()
        for index in reached:
            if index > 0 and wanted[index - 1] == _ANYTHING:
                following.add(index)
            if index < len(wanted) and wanted[index] != _ANYTHING and _is_line(wanted[index], lines[position]):
                following.add(index + 1)
        reached = following
    return len(wanted) in reached


def _is_line(wanted: str, line: str) -> bool:
    pattern = ".*?".join(re.escape(part) for part in wanted.split(_ANYTHING))
    return re.fullmatch(pattern, line) is not None
