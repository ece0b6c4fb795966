"""The file of benchmark results: its shape, how parts are merged, when a goal is met."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from bench.__main__ import PARTS, RESULTS
from bench.picture import draw
from bench.results import Goal, load, merge, rows, save, with_goals


@pytest.mark.parametrize(
    ("goal", "value", "is_met"),
    [
        (Goal(at_least=2), 2, True),
        (Goal(at_least=2), 1.99, False),
        (Goal(at_most=0.25), 0.25, True),
        (Goal(at_most=0.25), 0.26, False),
    ],
)
def test_judge__at_the_limit__is_met_and_beyond_is_not(goal: Goal, value: float, is_met: bool) -> None:
    assert with_goals("part", {"figure": value}, {"figure": goal})["goals"]["figure"]["met"] is is_met


@pytest.mark.parametrize("limits", [{}, {"at_least": 1, "at_most": 2}])
def test_make_goal__none_or_both_limits__is_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="either at_least or at_most"):
        Goal(**limits)


def test_judge__goal_of_nothing_measured__is_refused() -> None:
    with pytest.raises(ValueError, match=r"part has goals for \['speed'\], which it did not measure"):
        with_goals("part", {"size": 1}, {"speed": Goal(at_least=1)})


def test_judge__goal_of_data_that_is_not_there__is_left_out() -> None:
    goals = {"rate": Goal(at_least=2), "score": Goal(at_least=78, if_measured=True)}
    assert with_goals("part", {"rate": 3}, goals)["goals"].keys() == {"rate"}
    assert with_goals("part", {"rate": 3, "score": 77}, goals)["goals"]["score"] == {"at_least": 78, "met": False}


@pytest.mark.parametrize("value", ["fast", None, True])
def test_judge__figure_that_is_no_number__is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"part\.figure is .*; it must be a number"):
        with_goals("part", {"figure": value}, {})  # type: ignore[dict-item]


def test_merge__a_part_measured_again__replaces_it_and_leaves_the_others() -> None:
    before = {"http": {"a": 1, "goals": {}}, "merkle": {"b": 1, "c": 1, "goals": {}}, "measured_at": "then"}
    merged = merge(before, {"merkle": {"b": 2, "goals": {}}})
    assert merged["http"] == before["http"]
    assert merged["merkle"] == {"b": 2, "goals": {}}
    assert merged["measured_at"] != "then"
    assert merged["machine"]["cores"] >= 1


def test_save__then_load__is_the_same_and_leaves_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    assert load(path) == {}
    results = merge({}, {"http": with_goals("http", {"rate": 2.5}, {"rate": Goal(at_least=2)})})
    save(path, results)
    assert load(path) == results
    assert list(tmp_path.iterdir()) == [path]


def test_list_rows__goals_of_both_kinds__say_how_far_they_are_reached() -> None:
    goals = {"rate": Goal(at_least=200), "time_s": Goal(at_most=0.5)}
    results = merge({}, {"part": with_goals("part", {"rate": 100, "time_s": 0.25, "raw_rate": 300}, goals)})
    assert [(row.figure, row.is_met, row.share_of_goal) for row in rows(results)] == [
        ("rate", False, 0.5),
        ("time_s", True, 2.0),
        ("raw_rate", None, None),
    ]


def test_draw__results_with_goals__is_a_picture_and_without_is_none(tmp_path: Path) -> None:
    path = tmp_path / "bench.png"
    draw(merge({}, {"part": with_goals("part", {"rate": 1}, {})}), path)
    assert not path.exists()
    draw(merge({}, {"part": with_goals("part", {"rate": 1}, {"rate": Goal(at_least=2)})}), path)
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", PARTS)
def test_kept_results__each_part__has_its_goals_judged_by_what_it_measured(name: str) -> None:
    entry = json.loads(RESULTS.read_text())[name]
    module = importlib.import_module(f"bench.{name}")
    figures = {figure: value for figure, value in entry.items() if figure != "goals"}
    assert with_goals(name, figures, module.GOALS) == entry
    assert any(figure.startswith("raw_") for figure in figures), "a figure stands beside its raw primitive"
