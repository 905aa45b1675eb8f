"""Episodes: equal to a definition written down another way, and strict about what comes in."""

import datetime

import numpy as np
import pandas as pd
import pytest

from lib import faults
from lib.stream.alerts import Alerts, episodes, openings

START = pd.Timestamp("2024-01-01")


def by_pairs(times, cool_down):
    """Independent: a flag opens an episode if no other lies within the cool-down before it."""
    first = [t for t in times if not any(0 < t - other <= cool_down for other in times)]
    bounds = [*first[1:], np.inf]
    inside = [
        [t for t in times if a <= t < b] for a, b in zip(first, bounds[: len(first)], strict=True)
    ]
    return [[group[0], group[-1], len(group)] for group in inside]


@pytest.mark.parametrize("cool_down", [0, 1, 3, 10, 1000])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
def test_episodes_are_those_of_the_definition(cool_down, share):
    flags = pd.Series(np.random.default_rng(0).random(200) < share)
    wanted = by_pairs(np.flatnonzero(flags).tolist(), cool_down)
    found = episodes(flags, cool_down)
    assert found.to_numpy().tolist() == wanted
    assert list(found) == ["start", "end", "flags"]
    assert found["flags"].sum() == flags.sum()


@pytest.mark.parametrize("cool_down", [0, 1, 3, 10])
def test_row_by_row_tells_what_the_whole_series_tells(cool_down):
    flags = pd.Series(np.random.default_rng(1).random(300) < 0.2)
    alerts = Alerts(cool_down)
    said = [alerts.see(time, flag) for time, flag in flags.items()]
    pd.testing.assert_frame_equal(alerts.table, episodes(flags, cool_down))
    opened = np.flatnonzero([word == "opened" for word in said]).tolist()
    assert opened == alerts.table["start"].tolist()
    assert openings(flags, cool_down).to_numpy().nonzero()[0].tolist() == opened
    closed = np.flatnonzero([word == "closed" for word in said])
    ends = alerts.table["end"].to_numpy()
    # "closed" comes in the first row after the cool-down, unless that row opens the next one.
    wanted = [end + cool_down + 1 for end in ends if end + cool_down + 1 < len(flags)]
    assert closed.tolist() == [row for row in wanted if row not in opened]
    assert alerts.is_open == (len(flags) - 1 - ends[-1] <= cool_down)


def test_times_count_and_not_rows():
    times = START + pd.to_timedelta([0, 50, 120, 125], unit="min")
    flags = pd.Series(True, times)
    assert episodes(flags, pd.Timedelta("1h"))["flags"].tolist() == [2, 2]
    assert episodes(flags, datetime.timedelta(hours=2))["flags"].tolist() == [4]
    assert openings(flags, pd.Timedelta("1h")).tolist() == [True, False, True, False]


def test_a_gap_without_rows_closes_an_episode_too():
    alerts = Alerts(pd.Timedelta("1h"))
    assert alerts.see(START, True) == "opened"
    assert alerts.see(START + pd.Timedelta("3h"), False) == "closed"
    assert not alerts.is_open
    assert alerts.see(START + pd.Timedelta("4h"), True) == "opened"
    assert alerts.see(START + pd.Timedelta("9h"), True) == "opened"
    assert len(alerts.table) == 3


def test_a_numpy_flag_will_do():
    alerts = Alerts(2)
    assert alerts.see(0, np.True_) == "opened"
    assert alerts.see(1, np.False_) is None


def test_no_flag_is_no_episode():
    flags = pd.Series(False, pd.date_range(START, periods=5, freq="h"))
    assert episodes(flags, pd.Timedelta("1h")).shape == (0, 3)
    assert not openings(flags, pd.Timedelta("1h")).any()
    assert Alerts(1).table.shape == (0, 3)


def test_a_fault_inside_an_older_episode_calls_nobody():
    flags = pd.Series([False, True, False, True, True, False, False, False])
    planned = pd.DataFrame({"kind": ["stuck"], "sensor": "wind", "start": [3], "end": [4]})
    assert faults.evaluate(planned, flags)["hit"].all()
    assert not faults.evaluate(planned, openings(flags, 2))["hit"].any()
    assert faults.evaluate(planned, openings(flags, 1))["hit"].all()


@pytest.mark.parametrize("cool_down", [-1, "6h", None, True, float("nan"), pd.Timedelta("-1h")])
def test_a_cool_down_is_a_time_from_0(cool_down):
    with pytest.raises(ValueError, match=r"`cool_down` must be .*Received: cool_down="):
        Alerts(cool_down)


def test_a_cool_down_in_rows_does_not_suit_a_clock():
    alerts = Alerts(6)
    alerts.see(START, True)
    with pytest.raises(ValueError, match=r"`cool_down` must be a difference .*Received: .*=6"):
        alerts.see(START + pd.Timedelta("1h"), True)


@pytest.mark.parametrize("again", [5, 4])
def test_time_goes_on(again):
    alerts = Alerts(2)
    alerts.see(5, True)
    with pytest.raises(ValueError, match=f"`time` must be later than 5. Received: time={again}"):
        alerts.see(again, True)
    assert alerts.see(6, True) is None
    assert alerts.table.to_numpy().tolist() == [[5, 6, 2]]
