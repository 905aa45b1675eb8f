"""Each baseline against a slow loop, and that none of them looks ahead."""

import math
import statistics

import numpy as np
import pandas as pd
import pytest

from lib import baselines

INDEX = pd.date_range("2016-01-01", periods=120, name="date")
SERIES = pd.Series(np.random.default_rng(2).normal(100, 3, 120).cumsum(), INDEX, name="close")
RETURNS = pd.Series(np.random.default_rng(3).normal(0, 0.01, 120), INDEX, name="returns")

BASELINES = [
    (baselines.last_value, {}, 1),
    (baselines.window_mean, {"window": 5}, 5),
    (baselines.window_mean, {"window": 1}, 1),
    (baselines.moving_z, {"window": 5}, 5),
    (baselines.moving_z, {"window": 30}, 30),
    (baselines.ewma_volatility, {}, 20),
    (baselines.ewma_volatility, {"decay": 0.5, "warm_up": 1}, 1),
    (baselines.ewma_z, {}, 20),
    (baselines.ewma_z, {"decay": 0.8, "warm_up": 3}, 3),
    (baselines.random_scores, {}, 0),
]
NAMES = [f"{baseline.__name__} {options}" for baseline, options, _ in BASELINES]


def slow(baseline, values, window=None, decay=0.94, warm_up=20):
    """The same scores, one point at a time from a plain list."""
    scores = []
    for now, value in enumerate(values):
        before = values[now - window : now] if window else values[:now]
        if now < (window or 1):
            scores.append(math.nan)
        elif baseline is baselines.last_value:
            scores.append(abs(value - values[now - 1]))
        elif baseline is baselines.window_mean:
            scores.append(abs(value - statistics.fmean(before)))
        elif baseline is baselines.moving_z:
            scores.append(abs(value - statistics.fmean(before)) / statistics.pstdev(before))
        else:
            volatility = slow_volatility(before, decay, warm_up)
            is_z = baseline is baselines.ewma_z
            scores.append(abs(value) / volatility if is_z else volatility)
    return scores


def slow_volatility(before, decay, warm_up):
    if len(before) < warm_up:
        return math.nan
    variance = before[0] ** 2
    for value in before[1:]:
        variance = decay * variance + (1 - decay) * value**2
    return math.sqrt(variance)


@pytest.mark.parametrize(("baseline", "options", "_"), BASELINES[:-1], ids=NAMES[:-1])
@pytest.mark.parametrize("series", [SERIES, RETURNS], ids=["levels", "returns"])
def test_baseline_matches_a_slow_loop(baseline, options, _, series):
    expected = slow(baseline, series.tolist(), **options)
    np.testing.assert_allclose(baseline(series, **options), expected, rtol=1e-7)


@pytest.mark.parametrize(("baseline", "options", "warm_up"), BASELINES, ids=NAMES)
def test_baseline_keeps_the_index_and_says_where_history_is_too_short(baseline, options, warm_up):
    original = RETURNS.copy()
    scores = baseline(RETURNS, **options)
    pd.testing.assert_index_equal(scores.index, INDEX)
    assert scores.dtype == np.float64
    assert scores.name == ("volatility" if baseline is baselines.ewma_volatility else "score")
    assert np.flatnonzero(scores.isna()).tolist() == list(range(warm_up))
    assert (scores.dropna() >= 0).all()
    pd.testing.assert_series_equal(RETURNS, original)  # the caller's series stays as it was


@pytest.mark.parametrize(("baseline", "options", "_"), BASELINES, ids=NAMES)
@pytest.mark.parametrize("now", [0, 31, 60, 118])
@pytest.mark.parametrize("wild", [1e9, 0.0, np.nan, np.inf])
def test_no_later_value_changes_an_earlier_score(baseline, options, _, now, wild):
    changed = RETURNS.copy()
    changed.iloc[now + 1 :] = wild
    expected, found = baseline(RETURNS, **options), baseline(changed, **options)
    pd.testing.assert_series_equal(
        found.iloc[: now + 1], expected.iloc[: now + 1], check_exact=True
    )


@pytest.mark.parametrize(("baseline", "options", "_"), BASELINES[:-1], ids=NAMES[:-1])
def test_a_score_is_the_same_however_much_follows(baseline, options, _):
    whole = baseline(RETURNS, **options)
    pd.testing.assert_series_equal(
        baseline(RETURNS.iloc[:70], **options), whole.iloc[:70], check_freq=False
    )


def test_volatility_was_known_the_day_before_and_the_z_score_sees_the_day():
    changed = RETURNS.copy()
    changed.iloc[60] = 0.5
    volatility, before = baselines.ewma_volatility(changed), baselines.ewma_volatility(RETURNS)
    assert volatility.iloc[60] == before.iloc[60]
    assert volatility.iloc[61] > before.iloc[61]
    assert baselines.ewma_z(changed).idxmax() == INDEX[60]


def test_volatility_starts_after_a_missing_first_return():
    with_gap = RETURNS.copy()
    with_gap.iloc[0] = np.nan  # what the log return of a price's first day is
    found = baselines.ewma_volatility(with_gap, warm_up=5)
    expected = baselines.ewma_volatility(RETURNS.iloc[1:], warm_up=4)
    pd.testing.assert_series_equal(found.iloc[5:], expected.iloc[4:], check_freq=False)


def test_random_scores_come_from_the_seed_alone():
    first = baselines.random_scores(SERIES, seed=4)
    pd.testing.assert_series_equal(first, baselines.random_scores(RETURNS, seed=4))
    assert not first.equals(baselines.random_scores(SERIES, seed=5))
    assert first.between(0, 1).all()
    assert first.mean() == pytest.approx(0.5, abs=0.1)
