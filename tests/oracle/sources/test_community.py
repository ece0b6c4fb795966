"""Community files: the bundled village, other shapes of good data, and each fault by name."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.errors import CommunityError
from gridwitness.sources.community import Community, load_community

DATA = Path(__file__).parents[3] / "data" / "simbench-rural1"
DAY = 17_000  # 2016-07-18


def rows(days: int = 2, meters: tuple[str, ...] = ("a", "b"), start: str = "2016-07-18T00:00Z") -> pd.DataFrame:
    """Good data: each meter imports its place in the list (1, 2, …) plus the slot's place in the day."""
    times = pd.date_range(start, periods=days * SLOTS_PER_DAY, freq="15min")
    frames = [
        pd.DataFrame(
            {
                "slot_start": times.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "meter": meter,
                "import_wh": np.arange(len(times)) % SLOTS_PER_DAY + place,
                "export_wh": 0,
            }
        )
        for place, meter in enumerate(meters, start=1)
    ]
    return pd.concat(frames, ignore_index=True)


def load(folder: Path, frame: pd.DataFrame) -> Community:
    frame.to_csv(folder / "meters.csv", index=False)
    return load_community(folder)


def fault(folder: Path, frame: pd.DataFrame) -> CommunityError:
    with pytest.raises(CommunityError) as caught:
        load(folder, frame)
    assert "\n" not in caught.value.message
    return caught.value


def with_value(column: str, value: object, row: int = 4) -> pd.DataFrame:
    frame = rows().astype({column: object})
    frame.loc[row, column] = value
    return frame


@pytest.fixture(scope="module")
def bundled_village() -> Community:
    return load_community(DATA)


def test_load__bundled_village__thirteen_prosumers_over_four_whole_weeks(bundled_village: Community) -> None:
    assert bundled_village.name == "simbench-rural1"
    assert len(bundled_village.meters) == 13
    assert [block.slots for block in bundled_village.blocks] == [7 * SLOTS_PER_DAY] * 4
    assert [len(block.days) for block in bundled_village.blocks] == [7] * 4
    # 1970-01-01 was a Thursday, so day 4 was a Monday.
    assert {block.days.start % 7 for block in bundled_village.blocks} == {4}
    assert {bundled_village.kind_of(meter) for meter in bundled_village.meters} == {DeviceKind.PROSUMER}
    assert {len(bundled_village.net_wh(meter)) for meter in bundled_village.meters} == {4 * 672}


def test_load__bundled_village__energy_is_what_its_readme_says(bundled_village: Community) -> None:
    weeks = bundled_village.energies_wh.reshape(13, 4, 672)
    imports_kwh = weeks.clip(min=0).sum(axis=(0, 2)) / 1000
    exports_kwh = -weeks.clip(max=0).sum(axis=(0, 2)) / 1000
    assert [f"{value:.0f}" for value in imports_kwh] == ["3426", "2190", "1125", "2185"]
    assert [f"{value:.0f}" for value in exports_kwh] == ["2672", "7060", "10498", "4558"]


def test_load__bundled_village__plants_sleep_at_night(bundled_village: Community) -> None:
    summer = next(block for block in bundled_village.blocks if block.days.start == 17_021)
    midnight_wh, noon_wh = (
        sum(int(bundled_village.days_wh(meter, summer.days)[:, slot].sum()) for meter in bundled_village.meters)
        for slot in (0, 46)
    )
    assert noon_wh < 0 < midnight_wh


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_load__single_file__same_as_its_folder(tmp_path: Path, suffix: str) -> None:
    frame, file = rows(), tmp_path / f"meters{suffix}"
    if suffix == ".csv":
        frame.to_csv(file, index=False)
    else:
        frame.assign(slot_start=pd.to_datetime(frame.slot_start)).to_parquet(file)
    (tmp_path / "README.md").write_text("not data", encoding="utf-8")
    for path in (file, tmp_path):
        community = load_community(path)
        assert community.meters == ("a", "b")
        assert community.days == (DAY, DAY + 1)
        assert community.days_wh("b", range(DAY + 1, DAY + 2)).tolist() == [list(range(2, 98))]


def test_load__several_files__joined(tmp_path: Path) -> None:
    frame = rows()
    frame[frame.meter == "a"].to_csv(tmp_path / "a.csv", index=False)
    frame[frame.meter == "b"].to_parquet(tmp_path / "b.parquet")
    assert load_community(tmp_path).meters == ("a", "b")


def test_load__times_with_offset__converted_to_utc(tmp_path: Path) -> None:
    frame = rows(start="2016-07-18T02:00")
    frame["slot_start"] = frame.slot_start.str.replace("Z", "+02:00")
    assert load(tmp_path, frame).days == (DAY, DAY + 1)


def test_load__times_without_offset__taken_as_utc(tmp_path: Path) -> None:
    frame = rows()
    frame["slot_start"] = frame.slot_start.str.replace("T", " ").str.replace("Z", "")
    assert load(tmp_path, frame).days == (DAY, DAY + 1)


def test_load__autumn_hour_with_offsets__no_slot_double_or_missing(tmp_path: Path) -> None:
    frame = rows(start="2016-10-29T22:00Z")
    local = pd.to_datetime(frame.slot_start).dt.tz_convert("Europe/Berlin")
    frame["slot_start"] = [time.isoformat() for time in local]
    assert [block.slots for block in load(tmp_path, frame).blocks] == [2 * SLOTS_PER_DAY]


def test_load__whole_floats_and_numeric_meters__accepted(tmp_path: Path) -> None:
    frame = rows(meters=("007", "12")).astype({"import_wh": float})
    community = load(tmp_path, frame)
    assert community.meters == ("007", "12")
    assert community.net_wh("12").dtype == np.int64


def test_load__import_and_export_in_one_slot__net(tmp_path: Path) -> None:
    assert load(tmp_path, with_value("export_wh", 30)).net_wh("a")[4] == 5 - 30


def test_load__gap_of_a_day_for_all__two_blocks(tmp_path: Path) -> None:
    frame = rows(days=5)
    gap = frame[frame.slot_start.str.startswith("2016-07-20")].index
    community = load(tmp_path, frame.drop(gap))
    assert [list(block.days) for block in community.blocks] == [[DAY, DAY + 1], [DAY + 3, DAY + 4]]
    assert community.days_wh("a", range(DAY + 3, DAY + 4))[0, 0] == 1


def test_history__data_that_ends_within_the_day_before__comes_as_far_as_it_goes(tmp_path: Path) -> None:
    frame = rows(days=3, meters=("a",))
    community = load(tmp_path, frame.iloc[:-50])
    whole = np.arange(SLOTS_PER_DAY) + 1
    assert community.history_wh("a", DAY + 3, days=2).tolist() == [*whole, *whole[:-50]]
    assert community.history_wh("a", DAY + 1, days=9).tolist() == whole.tolist()


def test_history__nothing_of_the_day_before__error_names_its_start_and_what_there_is(tmp_path: Path) -> None:
    community = load(tmp_path, rows(days=1))
    with pytest.raises(CommunityError, match="no slot 2016-07-19T00:00:00Z, the start of the day before") as caught:
        community.history_wh("a", DAY + 2, days=3)
    assert caught.value.hint == "it has 2016-07-18T00:00:00Z to 2016-07-19T00:00:00Z"


def test_kind_of__importer_exporter_and_both__told_apart(tmp_path: Path) -> None:
    frame = rows(meters=("home", "idle", "plant", "roof")).astype({"import_wh": int})
    frame.loc[frame.meter.isin(["idle", "plant"]), "import_wh"] = 0
    frame.loc[frame.meter == "plant", "export_wh"] = 9
    frame.loc[frame[frame.meter == "roof"].index[:5], "export_wh"] = 500
    kinds = [load(tmp_path, frame).kind_of(meter) for meter in ("home", "idle", "plant", "roof")]
    assert kinds == [DeviceKind.CONSUMPTION, DeviceKind.CONSUMPTION, DeviceKind.GENERATION, DeviceKind.PROSUMER]


@pytest.mark.parametrize("column", ["slot_start", "meter", "import_wh", "export_wh"])
def test_load__missing_column__named(tmp_path: Path, column: str) -> None:
    error = fault(tmp_path, rows().drop(columns=column))
    assert error.message == f"meters.csv: column {column} is missing"
    assert "slot_start, meter, import_wh, export_wh" in error.hint


def test_load__extra_column__named(tmp_path: Path) -> None:
    assert fault(tmp_path, rows().assign(kwh=1)).message == "meters.csv: column kwh is not expected"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "import_wh is NaN or empty; give whole Wh, 0 if there was none"),
        ("NaN", "import_wh is NaN or empty; give whole Wh, 0 if there was none"),
        (-3, "import_wh -3 is negative; at least 0 Wh"),
        (1.5, "import_wh 1.5 is not whole; round to Wh"),
        ("inf", "import_wh inf is infinite; at most 250000 Wh"),
        (250_001, "import_wh 250001 is too much; at most 250000 Wh a quarter hour"),
        (1 << 31, "import_wh 2147483648 is too much; at most 250000 Wh a quarter hour"),
        ("12 kWh", "import_wh '12 kWh' is not a number"),
    ],
)
def test_load__bad_energy__error_names_row_value_and_limit(tmp_path: Path, value: object, message: str) -> None:
    assert fault(tmp_path, with_value("import_wh", value)).message == f"meters.csv, row 5: {message}"


def test_load__nan_in_parquet__error_names_row(tmp_path: Path) -> None:
    with_value("export_wh", np.nan).astype({"export_wh": float}).to_parquet(tmp_path / "meters.parquet")
    with pytest.raises(CommunityError, match=r"meters.parquet, row 5: export_wh is NaN"):
        load_community(tmp_path)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("2016-07-18T01:07:00Z", "is not on a quarter hour (:00, :15, :30, :45)"),
        ("2016-07-18T01:00:00.5Z", "is not on a quarter hour (:00, :15, :30, :45)"),
        ("18.07.2016 01:00", "is not a time such as 2016-08-11T12:15:00Z"),
        ("2016-07-18T25:00:00Z", "is not a time such as 2016-08-11T12:15:00Z"),
        ("1468803600", "is not a time such as 2016-08-11T12:15:00Z"),
        ("1969-12-31T23:45:00Z", "is outside the years 1970 to 2106"),
        ("2107-01-01T00:00:00Z", "is outside the years 1970 to 2106"),
    ],
)
def test_load__bad_time__error_names_row_and_value(tmp_path: Path, value: str, message: str) -> None:
    assert (
        fault(tmp_path, with_value("slot_start", value)).message == f"meters.csv, row 5: slot_start {value} {message}"
    )


def test_load__empty_meter__error_names_row(tmp_path: Path) -> None:
    assert (
        fault(tmp_path, with_value("meter", "")).message
        == "meters.csv, row 5: meter '' is empty; each row names its meter"
    )


def test_load__duplicate_slot__error_names_meter_and_slot(tmp_path: Path) -> None:
    frame = rows()
    error = fault(tmp_path, pd.concat([frame, frame.iloc[[4]]]))
    assert error.message == "meters.csv: meter a has slot 2016-07-18T01:00:00Z twice; at most once"


def test_load__one_meter_lacks_slots__error_names_meter_and_first(tmp_path: Path) -> None:
    error = fault(tmp_path, rows().drop(index=[6, 7, 30]))
    assert error.message == "meter a has no slot 2016-07-18T01:30:00Z, the first of 3 that other meters have"


def test_load__short_gap_for_all__error_names_slot_and_limit(tmp_path: Path) -> None:
    frame = rows()
    error = fault(tmp_path, frame[~frame.slot_start.str.contains("18T05")])
    assert (
        error.message == "no meter has slot 2016-07-18T05:00:00Z, the first of 4 missing; a gap has at least 96 slots"
    )


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("2016-10-29T22:00Z", "meters.csv: meter a has slot 2016-10-30T02:00:00Z twice; at most once"),
        (
            "2016-03-26T23:00Z",
            "no meter has slot 2016-03-27T02:00:00Z, the first of 4 missing; a gap has at least 96 slots",
        ),
    ],
)
def test_load__local_time_with_daylight_saving_hour__hint_asks_for_offsets(
    tmp_path: Path, start: str, message: str
) -> None:
    frame = rows(start=start)
    local = pd.to_datetime(frame.slot_start).dt.tz_convert("Europe/Berlin")
    frame["slot_start"] = local.dt.strftime("%Y-%m-%d %H:%M")
    error = fault(tmp_path, frame)
    assert error.message == message
    assert "daylight saving" in error.hint
    assert "offset" in error.hint


def test_load__no_such_path__error_names_it(tmp_path: Path) -> None:
    with pytest.raises(CommunityError, match=r"nowhere: no such file or folder"):
        load_community(tmp_path / "nowhere")


def test_load__empty_folder__error_names_suffixes(tmp_path: Path) -> None:
    with pytest.raises(CommunityError, match=r"the folder has no \.csv or \.parquet file"):
        load_community(tmp_path)


def test_load__other_kind_of_file__error_names_suffixes(tmp_path: Path) -> None:
    file = tmp_path / "meters.xlsx"
    file.write_bytes(b"PK")
    with pytest.raises(CommunityError, match=r"a community file ends in \.csv or \.parquet, not '\.xlsx'"):
        load_community(file)


def test_load__no_rows__error(tmp_path: Path) -> None:
    assert fault(tmp_path, rows().iloc[:0]).message == "meters.csv: the file has no rows; it must have at least 1"


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.parquet", b"not parquet"), ("x.csv", b'"open'), ("x.csv", b""), ("x.csv", b"\xff\xfe\x00")],
)
def test_load__unreadable_file__one_line_naming_it(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CommunityError) as caught:
        load_community(tmp_path)
    assert caught.value.message.startswith(name)
    assert "\n" not in caught.value.message


def test_net_wh__unknown_meter__error_names_those_there(bundled_village: Community) -> None:
    with pytest.raises(CommunityError, match=r"no meter bus-99; there are bus-01, bus-02"):
        bundled_village.net_wh("bus-99")


def test_days_wh__day_not_there__error_names_date(bundled_village: Community) -> None:
    with pytest.raises(CommunityError, match=r"no complete UTC day 2016-07-18"):
        bundled_village.days_wh("bus-01", range(DAY, DAY + 1))


def test_choose_days__bundled_village__day_of_the_summer_week_with_most_to_trade(bundled_village: Community) -> None:
    chosen = bundled_village.choose_days(1)
    saturday = (date(2016, 8, 13) - date(1970, 1, 1)).days
    assert (chosen.history, chosen.trade) == (range(saturday - 3, saturday), range(saturday, saturday + 1))


def test_choose_days__many_days__history_shrinks_to_one(bundled_village: Community) -> None:
    chosen = bundled_village.choose_days(6)
    assert (len(chosen.history), len(chosen.trade)) == (1, 6)
    assert chosen.history.stop == chosen.trade.start


def test_choose_days__start_given__taken_with_what_history_there_is(bundled_village: Community) -> None:
    second = (date(2016, 3, 15) - date(1970, 1, 1)).days
    chosen = bundled_village.choose_days(2, 3, date(2016, 3, 15))
    assert (chosen.history, chosen.trade) == (range(second - 1, second), range(second, second + 2))


@pytest.mark.parametrize(
    ("days", "history", "start", "message"),
    [
        (7, 3, None, r"7 days need 8 complete UTC days in a row \(one of history\); the longest block has 7"),
        (0, 3, None, "0 days with 3 days of history: each must be at least 1"),
        (1, 0, None, "1 days with 0 days of history: each must be at least 1"),
        (1, 3, date(2016, 3, 14), "start 2016-03-14 has 0 days of history; it needs at least 1"),
        (1, 3, date(2016, 5, 1), "start 2016-05-01 is not a complete UTC day of the data"),
        (3, 3, date(2016, 3, 19), "3 days from 2016-03-19 end after 2016-03-20, at most 2 are there"),
    ],
)
def test_choose_days__too_little_data__error_names_value_and_limit(
    bundled_village: Community, days: int, history: int, start: date | None, message: str
) -> None:
    with pytest.raises(CommunityError, match=message):
        bundled_village.choose_days(days, history, start)


def test_choose_days__incomplete_first_and_last_day__not_counted(tmp_path: Path) -> None:
    community = load(tmp_path, rows(days=3, start="2016-07-17T12:00Z"))
    assert community.days == (DAY, DAY + 1)
    assert community.choose_days(1).trade == range(DAY + 1, DAY + 2)
