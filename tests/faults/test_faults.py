"""Rules that label faults, against plain loops, and on the real record."""

import numpy as np
import pandas as pd
import pytest

from lib import data, faults

RNG = np.random.default_rng(5)


def frozen_by_hand(values, rows):
    """The whole runs, and the rows from which each is known: one loop, no pandas."""
    label, known = [False] * len(values), [False] * len(values)
    start = 0
    for i in range(1, len(values) + 1):
        if i == len(values) or values[i] != values[i - 1]:
            for k in range(start, i):
                label[k] = i - start >= rows
                known[k] = k - start + 1 >= rows
            start = i
    return label, known


@pytest.mark.parametrize("rows", [2, 3, 5])
def test_frozen_is_what_a_loop_finds(rows):
    values = np.repeat(RNG.integers(0, 3, 80), RNG.integers(1, 6, 80)).astype(float)
    values[RNG.random(len(values)) < 0.1] = np.nan
    frame = pd.DataFrame({"sensor": values})
    label, known = frozen_by_hand(values, rows)
    assert any(known)
    assert not all(label)
    assert faults.frozen(frame, rows)["sensor"].tolist() == label
    assert faults.frozen(frame, rows, known=True)["sensor"].tolist() == known


def test_frozen_treats_each_sensor_by_itself():
    frame = pd.DataFrame({"a": [1.0, 1, 1, 2], "b": [1.0, 2, 2, 2]})
    assert faults.frozen(frame, 3).to_numpy().tolist() == [
        [True, False],
        [True, True],
        [True, True],
        [False, True],
    ]


def test_a_known_freeze_does_not_depend_on_what_comes_later():
    frame = pd.DataFrame({"sensor": np.repeat(RNG.normal(size=20), RNG.integers(1, 8, 20))})
    whole = faults.frozen(frame, 4, known=True)["sensor"]
    for end in range(1, len(frame)):
        part = faults.frozen(frame.iloc[:end], 4, known=True)["sensor"]
        assert part.iloc[-1] == whole.iloc[end - 1]


@pytest.mark.parametrize("rows", [1, 0, 2.0, True, "3"])
def test_frozen_refuses_a_run_that_is_none(rows):
    with pytest.raises(ValueError, match="`rows` must be an integer of at least 2"):
        faults.frozen(pd.DataFrame({"a": [1.0]}), rows)


def test_both_ends_of_a_range_are_possible():
    frame = pd.DataFrame({"a": [-1.01, -1.0, 0.0, 2.0, 2.01, np.nan], "b": 9.0})
    outside = faults.out_of_range(frame, {"a": (-1, 2)})
    assert outside["a"].tolist() == [True, False, False, False, True, False]
    assert not outside["b"].any()


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"c": (0, 1)}, "`limits` must name columns of the frame, a, b. Received: c"),
        ({"a": (1, 0)}, "the lowest first, then the highest. Received: a=\\(1, 0\\)"),
        ({"a": (np.nan, 0)}, "the lowest first"),
    ],
)
def test_limits_of_no_use_are_refused(limits, message):
    with pytest.raises(ValueError, match=message):
        faults.out_of_range(pd.DataFrame({"a": [1.0], "b": [1.0]}), limits)


def test_stopped_needs_wind_and_no_power():
    power = pd.Series([-1.0, 0.0, 0.1, -1.0, np.nan, -1.0])
    wind = pd.Series([5.1, 9.0, 9.0, 5.0, 9.0, np.nan])
    assert faults.stopped(power, wind).tolist() == [True, True, False, False, False, False]


@pytest.mark.parametrize("rows", [0, 1, 4])
def test_widen_is_what_a_loop_marks(rows):
    flags = pd.Series(RNG.random(200) < 0.04, name="rule")
    expected = [flags.iloc[max(i - rows, 0) : i + rows + 1].any() for i in range(len(flags))]
    wide = faults.widen(flags, rows)
    assert wide.tolist() == expected
    assert wide.dtype == bool
    assert wide.name == "rule"


@pytest.mark.parametrize("rows", [-1, 1.5])
def test_widen_refuses_what_is_no_number_of_rows(rows):
    with pytest.raises(ValueError, match="`rows` must be an integer of at least 0"):
        faults.widen(pd.Series([True]), rows)


def test_an_angle_can_be_read_back_and_does_not_jump_at_north():
    degrees = pd.DataFrame({"power": [1.0, 2, 3, 4], "wind": [359.9, 0.1, 181.0, np.nan]})
    unrolled = faults.unroll_angles(degrees, ["wind"])
    assert unrolled.columns.tolist() == ["power", "wind sin", "wind cos"]
    back = np.rad2deg(np.arctan2(unrolled["wind sin"], unrolled["wind cos"])) % 360
    assert np.allclose(back, degrees["wind"], equal_nan=True)
    assert unrolled.diff().iloc[1][["wind sin", "wind cos"]].abs().max() < 0.01
    assert unrolled["power"].equals(degrees["power"])


def test_unroll_refuses_a_column_that_is_not_there():
    with pytest.raises(ValueError, match="`columns` must name columns of the frame, wind"):
        faults.unroll_angles(pd.DataFrame({"wind": [1.0]}), ["vane"])


def test_the_rules_find_the_known_faults_of_the_power_plant():
    plant = data.load("la_haute_borne")
    cold = faults.out_of_range(plant, {"Ot_avg": (-40, 50)})["Ot_avg"]
    assert cold.sum() == 34  # 33 at absolute zero, and one mean that is partly of it
    assert plant.index[cold][0] == pd.Timestamp("2014-06-08 21:40", tz=plant.index.tz)
    still = faults.frozen(plant[["Ot_avg"]], 18)["Ot_avg"]
    assert still.sum() == 39 + 33 + 73
    idle = faults.stopped(plant["P_avg"], plant["Ws_avg"])
    assert idle.sum() == ((plant["P_avg"] <= 0) & (plant["Ws_avg"] > 5)).sum() > 400
