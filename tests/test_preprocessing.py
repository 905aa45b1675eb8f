"""A stranger's series: even clock, form, period, and an honest word on how much there is."""

import numpy as np
import pandas as pd
import pytest
from scipy import signal

from lib import data, preprocessing

TIMES = pd.date_range("2024-01-01", periods=240, freq="30min", name="time")
NOISE = np.random.default_rng(0)
FRAME = pd.DataFrame(100 + NOISE.normal(size=(240, 2)), TIMES, ["power", "wind"])


def wave(period, n_times=600, noise=0.0, slope=0.0, seed=0):
    step = np.arange(n_times)
    values = np.sin(2 * np.pi * step / period) + slope * step
    return pd.DataFrame({"x": values + np.random.default_rng(seed).normal(0, noise, n_times)})


# Clock and form


def test_a_step_is_the_mean_of_its_rows():
    hourly = preprocessing.prepare(FRAME, "1h")
    pd.testing.assert_frame_equal(hourly, FRAME.resample("1h").mean())
    assert hourly.iloc[3, 1] == pytest.approx(FRAME.iloc[6:8, 1].mean())


def test_a_return_is_between_last_values():
    returns = preprocessing.prepare(FRAME, "1h", "returns")
    last = FRAME["power"].to_numpy()[1::2]
    np.testing.assert_allclose(returns["power"], np.log(last[1:] / last[:-1]), rtol=1e-9)
    assert len(returns) == 119


def test_without_rule_levels_stay_as_they_are():
    pd.testing.assert_frame_equal(preprocessing.prepare(FRAME), FRAME)


def test_a_step_without_rows_is_missing():
    gap = preprocessing.prepare(FRAME.drop(FRAME.index[10:14]), "1h")
    assert gap.isna().all(axis=1).sum() == 2
    assert len(gap) == 120


def test_missing_values_stay_missing():
    holes = FRAME.copy()
    holes.iloc[5, 0] = np.nan
    assert preprocessing.prepare(holes, form="returns").isna().sum().tolist() == [2, 0]


def test_a_part_of_the_series_has_the_same_steps():
    for rule in ("7h", "1h", "W-FRI", "1D"):
        whole = preprocessing.prepare(FRAME, rule)
        later = preprocessing.prepare(FRAME.iloc[100:], rule)
        pd.testing.assert_frame_equal(later.iloc[1:], whole.loc[later.index[1:]], check_freq=False)


def test_until_is_the_inverse_of_a_cut():
    for rule in ("", "1h", "7h", "W-FRI", "1D"):
        steps = preprocessing.prepare(FRAME, rule)
        for last in steps.index[[0, len(steps) // 2, -1]]:
            again = preprocessing.prepare(preprocessing.until(FRAME, last, rule), rule)
            pd.testing.assert_frame_equal(again, steps.loc[:last], check_freq=False)


@pytest.mark.parametrize("statistic", preprocessing.STATISTICS)
def test_every_statistic(statistic):
    made = preprocessing.Preprocessing(resample="1h", statistic=statistic).rows(FRAME)
    expected = FRAME.to_numpy().reshape(120, 2, 2)
    by_hand = {"last": expected[:, -1], "count": np.full((120, 2), 2.0)}
    found = by_hand.get(statistic)
    np.testing.assert_allclose(
        made, getattr(np, statistic)(expected, axis=1) if found is None else found
    )
    gap = preprocessing.Preprocessing(resample="1h", statistic=statistic).rows(
        FRAME.drop(FRAME.index[10:14])
    )
    assert gap.iloc[5].tolist() == [0, 0] if statistic == "count" else gap.iloc[5].isna().all()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_the_expected_step_is_in_seconds(unit, zone):
    frame = FRAME.set_axis(TIMES.tz_localize(zone).as_unit(unit))
    assert preprocessing.Preprocessing(max_gap=3).fit(frame).step_ == 1800
    assert preprocessing.Preprocessing(max_gap=3).fit(FRAME.reset_index(drop=True)).step_ is None


def test_nothing_goes_across_a_gap():
    frame = FRAME.drop(FRAME.index[10:14])
    fitted = preprocessing.Preprocessing("returns", max_gap=4).fit(frame)
    assert [(start, len(values)) for start, values, _ in fitted.pieces(frame)] == [
        (1, 9),
        (11, 225),
    ]
    wide = preprocessing.Preprocessing("returns", max_gap=5).fit(frame)
    assert [(start, len(values)) for start, values, _ in wide.pieces(frame)] == [(1, 235)]
    with pytest.raises(ValueError, match="an index of times, as the training rows had"):
        fitted.pieces(frame.reset_index(drop=True))


@pytest.mark.parametrize("form", preprocessing.FORMS)
def test_pieces_go_on_from_the_row_before(form):
    frame = FRAME.drop(FRAME.index[10:14])
    fitted = preprocessing.Preprocessing(form, max_gap=4).fit(frame)
    whole = np.full((len(frame), 2), np.nan)
    for start, values, _ in fitted.pieces(frame):
        whole[start : start + len(values)] = values
    for size in (1, 3, 10):
        parts, begins = np.full((len(frame), 2), np.nan), []
        for first in range(0, len(frame), size):
            before = frame.iloc[first - 1 : first] if first else None
            for start, values, fresh in fitted.pieces(frame.iloc[first : first + size], before):
                parts[first + start : first + start + len(values)] = values
                begins += [first + start - (form == "returns")] if fresh else []
        np.testing.assert_array_equal(parts, whole)
        assert begins == [0, 10]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"form": 3}, "`form` must be one of"),
        ({"statistic": "meen"}, "Did you mean 'mean'"),
        ({"resample": 5}, "`resample` must be a text"),
        ({"resample": "0h"}, "`resample` must be a step"),
        ({"max_gap": -1}, "`max_gap` must be 0 or above"),
        ({"max_gap": float("nan")}, "`max_gap` must be 0 or above"),
        ({"max_gap": True}, "`max_gap` must be 0 or above"),
    ],
)
def test_settings_of_no_use(settings, message):
    with pytest.raises(ValueError, match=message):
        preprocessing.Preprocessing(**settings)


@pytest.mark.parametrize(
    ("frame", "rule", "form", "message"),
    [
        (FRAME, "5 apples", "levels", "`resample` must be a step such as .*resample='5 apples'"),
        (FRAME, "-1h", "levels", "`resample` must be a step"),
        (FRAME.reset_index(drop=True), "1h", "levels", "`resample` needs a column of times"),
        (FRAME - 100, "", "returns", "'returns' is for positive values.*in column 'power'"),
        (FRAME * 0, "", "returns", "Received: 0 in column 'power'"),
        (FRAME, "", "changes", "`form` must be one of levels, returns"),
    ],
)
def test_what_cannot_be_prepared_is_one_error(frame, rule, form, message):
    with pytest.raises(ValueError, match=message):
        preprocessing.prepare(frame, rule, form)


# Period


@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("period", [5, 7, 20, 33, 50, 100])
def test_the_period_of_a_sine_is_found(period, noise):
    found = preprocessing.autocorrelation_period(wave(period, 1500, noise, slope=0.01))
    assert found == pytest.approx(period, abs=1 + 3 * noise)


@pytest.mark.parametrize("n_times", [60, 200, 1000, 5000])
def test_noise_has_no_period(n_times):
    """Over many draws: white, wandering, and slowly decaying noise."""
    found = []
    for seed in range(20):
        white = np.random.default_rng(seed).normal(size=n_times)
        slow = signal.lfilter([1], [1, -0.9], white)
        for values in (white, white.cumsum(), slow):
            found.append(preprocessing.autocorrelation_period(pd.DataFrame({"x": values})))
    assert np.count_nonzero(found) <= 1  # of 60


def test_an_overtone_is_passed_over():
    step = np.arange(900)
    values = np.sin(2 * np.pi * step / 60) + 0.8 * np.sin(2 * np.pi * step / 20)
    assert preprocessing.autocorrelation_period(pd.DataFrame({"x": values})) == 60


def test_two_sensors_with_one_period():
    both = pd.concat([wave(24, noise=1.5), 1e4 * wave(24, noise=1.5, seed=1)], axis=1)
    assert preprocessing.autocorrelation_period(both) == pytest.approx(24, abs=1)


def test_holes_do_not_hide_the_period():
    holes = wave(24, noise=0.3).mask(np.random.default_rng(5).random((600, 1)) < 0.2)
    assert preprocessing.autocorrelation_period(holes) == pytest.approx(24, abs=1)


def test_a_constant_column_is_left_out():
    flat = wave(24).assign(y=7.3, z=np.nan)
    assert preprocessing.autocorrelation_period(flat) == 24
    assert preprocessing.autocorrelation_period(flat[["y", "z"]]) == 0


def test_real_periods():
    pressure = data.load("ucr_135")[["pressure"]].iloc[:1200]
    spectrum = np.abs(np.fft.rfft(signal.detrend(pressure["pressure"])))
    beats = 1200 / spectrum.argmax()  # from the highest line of the spectrum
    found = preprocessing.autocorrelation_period(pressure)
    assert min(abs(found / k - beats) for k in (1, 2, 3)) < 0.1 * beats
    prices = preprocessing.prepare(data.load("nasdaq")[["Close"]], form="returns")
    assert preprocessing.autocorrelation_period(prices) == 0


def test_autocorrelation_by_hand():
    values = signal.detrend(np.random.default_rng(1).normal(size=50))
    curve = preprocessing.autocorrelation(pd.DataFrame({"x": values}))
    assert len(curve) == 50 // 3 + 1
    for lag in range(len(curve)):
        by_hand = np.mean(values[lag:] * values[: 50 - lag]) / np.mean(values**2)
        assert curve[lag] == pytest.approx(by_hand, abs=1e-9)
    with pytest.raises(ValueError, match="`series` must have at least 3 rows"):
        preprocessing.autocorrelation(pd.DataFrame({"x": [1.0, 2.0]}))


@pytest.mark.parametrize(
    ("series", "window", "why"),
    [
        (wave(24), 24, "one period"),
        (wave(1e9, noise=1), 30, "no prominent peak"),
        (wave(1e9, n_times=100, noise=1), 10, "cut from 30 to 10, a tenth of the rows"),
        (
            wave(90),
            60,
            "one period, the first prominent peak of the autocorrelation; cut from 90 to 60",
        ),
        (wave(300, n_times=9000), 200, "cut from 300 to 200, the longest that is quick"),
        (wave(1e9, n_times=12, noise=1), 2, "cut from 30 to 2"),
    ],
)
def test_the_window_and_why(series, window, why):
    chosen, sentence = preprocessing.choose_window(series)
    assert chosen == window
    assert why in sentence


def shifts(days, start, rows, step, freq="D"):
    """Noise on the rows of each day from a start on, as a factory or an exchange writes it."""
    begins = pd.date_range(f"2024-01-01 {start}", periods=days, freq=freq)
    times = [pd.date_range(begin, periods=rows, freq=step) for begin in begins]
    index = times[0].append(times[1:])
    return pd.DataFrame({"x": np.random.default_rng(0).normal(size=len(index))}, index)


def waving(frame, period):
    """The same with a wave that goes on by the clock, whatever the gaps."""
    rows = (frame.index - frame.index[0]) / pd.Series(frame.index).diff().median()
    return frame * 0.1 + np.sin(2 * np.pi * rows.to_numpy() / period)[:, np.newaxis]


SHIFTS = shifts(20, "06:00", 480, "1min")  # 8 hours a day
NIGHTS = shifts(60, "06:00", 96, "10min")  # 16 hours a day
EXCHANGE = shifts(100, "09:00", 8, "1h", freq="B")
BUSINESS_DAYS = shifts(800, "00:00", 1, "1h", freq="B")
RESTARTED = SHIFTS.drop(SHIFTS.index[[100, 300]]).drop(SHIFTS.index[101:299:2])


@pytest.mark.parametrize(
    ("series", "max_gap", "window", "why"),
    [
        (SHIFTS, 10, 30, "the usual one is taken"),
        (waving(SHIFTS, 40), 10, 40, "one period"),
        (waving(SHIFTS, 100), 10, 100, "one period"),  # across the joins it would look like 440
        (NIGHTS, 10, 24, "cut from 30 to 24, a quarter of the rows between two gaps, usually 96"),
        (EXCHANGE, 10, 2, "cut from 30 to 2, a quarter of the rows between two gaps, usually 8"),
        (EXCHANGE, 100, 30, "the usual one is taken"),
        (BUSINESS_DAYS, 10, 30, "the usual one is taken"),
        (BUSINESS_DAYS, 2, 2, "usually 5"),
        (RESTARTED, 1.5, 30, "the usual one is taken"),  # most rows lie in long stretches
    ],
)
def test_a_window_fits_between_two_gaps(series, max_gap, window, why):
    chosen, sentence = preprocessing.choose_window(series, max_gap)
    assert chosen == pytest.approx(window, abs=2 if why == "one period" else 0)
    assert why in sentence


# A clock that does not depend on the first row


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
@pytest.mark.parametrize("rule", ["3D", "7D", "1D", "36h", "7min", "W-FRI", "MS", "B"])
def test_a_part_of_a_series_has_the_same_steps(rule, zone):
    times = pd.date_range("2024-02-27 05:00", periods=2000, freq="1h", tz=zone)
    rows = pd.DataFrame({"x": np.arange(2000.0)}, times)
    one = preprocessing.Preprocessing(resample=rule, statistic="sum")
    if rule == "7min":
        rows = rows.iloc[:300]
    whole = one.rows(rows)
    for start in (1, 30, 100, 250):
        part = one.rows(rows.iloc[start:])
        pd.testing.assert_frame_equal(
            part.iloc[1:], whole.loc[part.index[1:]], check_freq=False, check_dtype=False
        )


@pytest.mark.parametrize("rule", ["2W", "2MS", "2B", "3QS", "2YE"])
def test_several_steps_of_a_calendar_would_depend_on_the_first_row(rule):
    with pytest.raises(ValueError, match=r"`resample` must be a step .*the first row"):
        preprocessing.Preprocessing(resample=rule)


# How far


def test_enough_is_enough():
    enough = {"rows": 5000, "features": 1, "window": 30, "parameters": 1400, "scores": 900}
    assert preprocessing.objections(**enough) == []
    for change, word in (
        ({"rows": 1499}, "49 windows that share no row"),
        ({"parameters": 5001}, "5,001 parameters for 5,000 numbers"),
        ({"scores": 99}, "a threshold from 99 scores"),
    ):
        (found,) = preprocessing.objections(**{**enough, **change})
        assert word in found


def test_few_windows_get_three_objections():
    few = {"rows": 158, "features": 1, "window": 19, "parameters": 1457, "scores": 21}
    assert len(preprocessing.objections(**few)) == 3


@pytest.mark.parametrize("window", [2, 19, 30, 200])
@pytest.mark.parametrize("horizon", [0, 1])
def test_fewest_rows_leave_ten_scores(window, horizon):
    rows = preprocessing.fewest_rows(window, horizon)
    assert int(rows * 0.2) - (window + horizon - 1) == 10
