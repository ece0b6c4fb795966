"""How well the scorer does over seasons, victims and hours of the bundled community: a compact, fixed sample.

Every case has a thief (60 % of its import from 12:00 UTC on) and another meter frozen from some hour on, after three
honest days. Victims are meters for which it matters: the thief hides at least 2 kWh, the frozen one is not at rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from .zone import NOON, DayResult, RuralZone, frozen_from, reports_share

THIEVES = ("bus-01", "bus-02", "bus-03", "bus-05")
CASES = [
    (season, 3 + index, thief, frozen, start)
    for season in ("winter", "spring", "summer", "autumn")
    for index, (thief, frozen, start) in enumerate(
        zip(THIEVES, ("bus-07", "bus-13", "bus-01", "bus-02"), (56, 52, 72, 76), strict=True)
    )
]


@dataclass
class Case:
    thief: str
    frozen: str
    hidden_wh: int
    stuck_at_wh: int
    result: DayResult

    @property
    def others(self) -> list[str]:
        return [meter for meter in self.result.zone.meters if meter not in (self.thief, self.frozen)]


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    made = []
    for season, day, thief, frozen, start in CASES:
        zone = RuralZone(season, day, {thief: reports_share(60)})
        zone.faults[frozen] = frozen_from(start, zone.true_day(frozen))
        hidden_wh = sum(max(value, 0) for value in zone.true_day(thief)[NOON:]) * 2 // 5
        made.append(Case(thief, frozen, hidden_wh, zone.true_day(frozen)[start - 1], zone.run()))
    return made


def test_cases__all__are_faults_that_matter(cases: list[Case]) -> None:
    assert all(case.hidden_wh >= 2_000 and abs(case.stuck_at_wh) >= 30 for case in cases)


def test_score__thieves__are_held_in_all_but_one_case(cases: list[Case]) -> None:
    assert sum(case.result.is_held(case.thief) for case in cases) >= len(cases) - 1


def test_score__frozen_meters__are_held_in_all_but_one_case(cases: list[Case]) -> None:
    assert sum(case.result.is_held(case.frozen) for case in cases) >= len(cases) - 1


def test_score__honest_meters__are_flagged_in_at_most_2_percent_of_every_case(cases: list[Case]) -> None:
    shares = [case.result.flagged_pct(case.others) for case in cases]
    assert max(shares) <= 2
    assert sum(shares) / len(shares) <= 0.5


def test_score__honest_meters__are_held_on_at_most_1_percent_of_days(cases: list[Case]) -> None:
    days = sum(len(case.others) for case in cases)
    held = sum(case.result.is_held(meter) for case in cases for meter in case.others)
    assert 100 * held <= days
