"""Injected faults: where they lie, what they change, and how a detector is evaluated by them."""

import numpy as np
import pandas as pd
import pytest

from lib import faults

TIMES = pd.date_range("2015-06-01", periods=6000, freq="10min")
SENSORS = ["power", "wind", "compass"]


@pytest.fixture(scope="module")
def frame():
    noise = np.random.default_rng(1).normal(size=(6000, 3))
    return pd.DataFrame(noise * [100, 2, 60] + [300, 7, 180], TIMES, SENSORS)


@pytest.fixture(scope="module")
def fault_free():
    flags = pd.Series(True, TIMES)
    flags.iloc[1000:1400] = False
    return flags


@pytest.fixture(scope="module")
def planned(fault_free):
    return faults.plan(fault_free, SENSORS, repeats=2, rows=30, gap=24, seed=3)


def one(kind, start=100, rows=30, sensor="wind"):
    end = TIMES[start + rows - 1]
    return pd.DataFrame({"kind": [kind], "sensor": sensor, "start": [TIMES[start]], "end": [end]})


def positions(planned):
    return TIMES.get_indexer(planned["start"]), TIMES.get_indexer(planned["end"])


def test_each_kind_meets_each_sensor_equally_often(planned):
    assert len(planned) == 6 * 3 * 2
    assert (planned.groupby(["kind", "sensor"]).size() == 2).all()
    assert set(planned["kind"]) == set(faults.KINDS)


def test_faults_lie_in_fault_free_rows_with_fault_free_rows_before_them(planned, fault_free):
    starts, ends = positions(planned)
    assert (np.diff(starts) > 0).all()
    assert (starts[1:] - ends[:-1] > 24).all()
    for start, end in zip(starts, ends, strict=True):
        assert fault_free.iloc[start - 24 : end + 1].all()


def test_a_spike_lasts_one_row_and_all_else_as_long_as_asked(planned):
    starts, ends = positions(planned)
    lengths = ends - starts + 1
    assert (lengths == np.where(planned["kind"] == "spike", 1, 30)).all()


def test_the_seed_draws_the_places(fault_free, planned):
    same = faults.plan(fault_free, SENSORS, repeats=2, rows=30, gap=24, seed=3)
    other = faults.plan(fault_free, SENSORS, repeats=2, rows=30, gap=24, seed=4)
    pd.testing.assert_frame_equal(same, planned)
    assert not other["start"].equals(planned["start"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kinds": ["spike", "rust"]}, "`kinds` must be some of spike, .* Received: .*rust"),
        ({"kinds": []}, "`kinds` must be some of"),
        ({"repeats": 0}, "`repeats` must be a positive integer. Received: repeats=0"),
        ({"rows": 2.5}, "`rows` must be a positive integer"),
        ({"gap": True}, "`gap` must be a positive integer"),
        (
            {"repeats": 99},
            "room for 1782 faults of 72 rows each. Received: [78][0-9] fault-free slots",
        ),
    ],
)
def test_a_plan_that_cannot_be_is_refused(fault_free, changed, message):
    with pytest.raises(ValueError, match=message):
        faults.plan(fault_free, SENSORS, **changed)


def test_nothing_else_is_touched(frame, planned):
    before = frame.copy()
    spoiled = faults.inject(frame, planned, frame.std())
    pd.testing.assert_frame_equal(frame, before)
    expected = np.zeros(frame.shape, dtype=bool)
    for fault, start, end in zip(planned.itertuples(), *positions(planned), strict=True):
        expected[start : end + 1, SENSORS.index(fault.sensor)] = True
    assert not ((spoiled != frame) & ~expected).any(axis=None)
    assert (spoiled != frame).to_numpy()[expected].mean() > 0.99


@pytest.mark.parametrize(
    ("kind", "rows", "expected"),
    [
        ("spike", 1, lambda was: was + 6.0),
        ("level shift", 4, lambda was: was + 3.0),
        ("drift", 4, lambda was: was + np.array([1.5, 3.0, 4.5, 6.0])),
        ("stuck", 4, lambda was: 0 * was + was[0]),
    ],
)
def test_kinds_that_need_no_luck(frame, kind, rows, expected):
    spoiled = faults.inject(frame, one(kind, 100, rows), pd.Series({"wind": 2.0}), size=1.5)
    was = frame["wind"].to_numpy()[99 : 100 + rows] if kind == "stuck" else None
    was = frame["wind"].to_numpy()[100 : 100 + rows] if was is None else was
    assert np.allclose(spoiled["wind"].to_numpy()[100 : 100 + rows], expected(was)[-rows:])


def test_noise_has_the_spread_that_was_asked_for(frame):
    long = one("noise", 100, 5000)
    added = (faults.inject(frame, long, pd.Series({"wind": 2.0}), size=1.5) - frame)["wind"]
    inside = added.iloc[100:5100]
    assert abs(inside.mean()) < 0.15
    assert abs(inside.std() - 3.0) < 0.1


def test_broken_correlation_shows_what_the_sensor_read_at_another_time(frame):
    shown = faults.inject(frame, one("broken correlation"), frame.std())["wind"]
    shown = shown.to_numpy()[100:130]
    view = np.lib.stride_tricks.sliding_window_view(frame["wind"].to_numpy(), 30)
    found = np.flatnonzero((view == shown).all(axis=1))
    assert len(found) == 1
    assert abs(found[0] - 100) >= 300


def test_another_time_is_never_close(frame):
    short = frame.iloc[:800]
    view = np.lib.stride_tricks.sliding_window_view(short["wind"].to_numpy(), 30)
    for seed in range(30):
        shown = faults.inject(short, one("broken correlation", 400), frame.std(), seed=seed)
        found = np.flatnonzero((view == shown["wind"].to_numpy()[400:430]).all(axis=1))
        assert abs(found[0] - 400) >= 300


def test_a_series_without_another_time_is_refused(frame):
    with pytest.raises(ValueError, match=r"30 readings in a row at another time.*: 500 rows"):
        faults.inject(frame.iloc[:500], one("broken correlation", 250), frame.std())


def test_broken_correlation_never_shows_a_gap(frame):
    gappy = frame.copy()
    gappy.iloc[200::40] = np.nan
    many = pd.concat([one("broken correlation", start, 20) for start in (20, 60, 100, 140)])
    shown = faults.inject(gappy, many, frame.std(), seed=2)["wind"]
    assert shown.iloc[:160].notna().all()


def test_a_fault_goes_where_there_is_room_and_stops_at_the_limit(frame):
    high = frame.assign(wind=9.0)
    low = frame.assign(wind=1.0)
    limits = {"wind": (0.0, 10.0)}
    for start, values, expected in ((100, high, 4.0), (100, low, 6.0)):
        shown = faults.inject(values, one("level shift", start), pd.Series({"wind": 2.5}),
                                 limits=limits)["wind"]  # fmt: skip
        assert (shown.iloc[100:130] == expected).all()
    shown = faults.inject(low, one("spike", rows=1), pd.Series({"wind": 50.0}), limits=limits)
    assert shown["wind"].iloc[100] == 10.0


def test_an_angle_turns_round(frame):
    shown = faults.inject(
        frame.assign(compass=300.0), one("level shift", sensor="compass"),
        pd.Series({"compass": 60.0}), turns={"compass": (0, 360)},
    )["compass"]  # fmt: skip
    assert np.allclose(shown.iloc[100:130], 60.0)
    shown = faults.inject(
        frame.assign(compass=100.0), one("level shift", sensor="compass"),
        pd.Series({"compass": 60.0}), turns={"compass": (-180, 180)},
    )["compass"]  # fmt: skip
    assert np.allclose(shown.iloc[100:130], -140.0)


@pytest.mark.parametrize("size", [0, -1.0, np.nan])
def test_a_size_that_spoils_nothing_is_refused(frame, planned, size):
    with pytest.raises(ValueError, match="`size` must be above 0"):
        faults.inject(frame, planned, frame.std(), size=size)


def test_a_sensor_that_is_not_there_is_refused(frame):
    with pytest.raises(ValueError, match=r"columns of the frame, power, .*: vane"):
        faults.inject(frame, one("stuck", sensor="vane"), frame.std())


def test_a_fault_is_hit_while_it_lasts():
    index = pd.date_range("2015-01-01", periods=20, freq="10min")
    planned = pd.DataFrame(
        {"kind": "stuck", "sensor": "wind", "start": index[[2, 8, 14]], "end": index[[5, 10, 16]]}
    )
    flags = pd.Series(False, index)
    flags.iloc[[1, 6, 10, 14, 15]] = True  # too early, too late, last row, first row and next
    found = faults.evaluate(planned, flags)
    assert found["hit"].tolist() == [False, True, True]
    assert found["delay"].tolist()[1:] == [2.0, 0.0]
    assert pd.isna(found["delay"][0])
    assert pd.isna(found["flag"][0])
    assert found["flag"].tolist()[1:] == [index[10], index[14]]


def test_no_flag_is_no_hit():
    index = pd.RangeIndex(10)
    planned = pd.DataFrame({"kind": ["stuck"], "sensor": "a", "start": [2], "end": [4]})
    found = faults.evaluate(planned, pd.Series(False, index))
    assert not found["hit"].any()
    assert found["delay"].isna().all()


def test_what_no_fault_touched(planned):
    quiet = faults.undisturbed(planned, TIMES, after=11)
    expected = np.ones(len(TIMES), dtype=bool)
    for start, end in zip(*positions(planned), strict=True):
        for row in range(start, min(end + 12, len(TIMES))):
            expected[row] = False
    assert quiet.to_numpy().tolist() == expected.tolist()
