"""Each baseline against a slow loop, and that none of them looks ahead."""

import math
import statistics
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn import ensemble, linear_model, svm

from lib import baselines, windowing

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
    (baselines.ewma_volatility, {"decay": 0.5}, 20),
    (baselines.ewma_z, {}, 20),
    (baselines.ewma_z, {"decay": 0.8}, 20),
    (baselines.random_scores, {}, 0),
]
NAMES = [f"{baseline.__name__} {options}" for baseline, options, _ in BASELINES]


def slow(baseline, values, window=None, decay=0.94):
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
            volatility = slow_volatility(before, decay)
            is_z = baseline is baselines.ewma_z
            scores.append(abs(value) / volatility if is_z else volatility)
    return scores


def slow_volatility(before, decay):
    if len(before) < 20:
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
    found = baselines.ewma_volatility(with_gap)
    expected = baselines.ewma_volatility(RETURNS.iloc[1:])
    pd.testing.assert_series_equal(found.iloc[21:], expected.iloc[20:], check_freq=False)


def test_random_scores_come_from_the_seed_alone():
    first = baselines.random_scores(SERIES, seed=4)
    pd.testing.assert_series_equal(first, baselines.random_scores(RETURNS, seed=4))
    assert not first.equals(baselines.random_scores(SERIES, seed=5))
    assert first.between(0, 1).all()
    assert first.mean() == pytest.approx(0.5, abs=0.1)


WINDOWS = np.random.default_rng(5).normal(size=(60, 5, 2))
OTHERS = np.random.default_rng(6).normal(size=(40, 5, 2))


def fitted(make, windows=WINDOWS, **options):
    method = make(windows.shape[1], windows.shape[2], **options)
    method.fit(windows, windows)
    return method


@pytest.mark.parametrize("n_components", [1, 3, 9])
def test_pca_is_a_projection_by_singular_vectors(n_components):
    known, cut = WINDOWS.reshape(60, -1), OTHERS.reshape(40, -1)
    mean = known.mean(axis=0)
    axes = np.linalg.svd(known - mean)[2][:n_components]
    expected = mean + (cut - mean) @ axes.T @ axes - cut
    errors = fitted(baselines.Pca, n_components=n_components).errors(OTHERS, OTHERS)
    np.testing.assert_allclose(errors.reshape(40, -1), expected, atol=1e-9)


def test_ridge_is_that_of_scikit_learn():
    targets = np.random.default_rng(7).normal(size=(60, 3, 2))
    method = baselines.Ridge(5, 2, 3, alpha=2.0)
    method.fit(WINDOWS, targets)
    model = linear_model.Ridge(alpha=2.0).fit(WINDOWS.reshape(60, -1), targets.reshape(60, -1))
    expected = model.predict(OTHERS.reshape(40, -1)).reshape(40, 3, 2)
    np.testing.assert_allclose(method.errors(OTHERS, np.zeros((40, 3, 2))), expected)


def test_isolation_forest_and_svm_are_those_of_scikit_learn():
    known, cut = WINDOWS.reshape(60, -1), OTHERS.reshape(40, -1)
    forest = ensemble.IsolationForest(random_state=3).fit(known)
    mine = fitted(baselines.IsolationForest, seed=3).scores(OTHERS)
    np.testing.assert_allclose(mine, -forest.score_samples(cut))
    machine = svm.OneClassSVM(nu=0.1).fit(known)
    mine = fitted(baselines.OneClassSvm, nu=0.1).scores(OTHERS)
    np.testing.assert_allclose(mine, -machine.decision_function(cut), atol=1e-9)


@pytest.mark.parametrize("k", [1, 3])
def test_neighbours_are_the_nearest_of_all_pairs(k):
    method = fitted(baselines.Neighbours, k=k)
    errors = method.errors(OTHERS, OTHERS)
    for window, error in zip(OTHERS, errors, strict=True):
        distances = [math.dist(window.ravel(), other.ravel()) for other in WINDOWS]
        nearest = np.mean([WINDOWS[i] for i in np.argsort(distances)[:k]], axis=0)
        np.testing.assert_allclose(error, nearest - window, atol=1e-6)


def test_nearest_shapes_are_a_matrix_profile():
    """Against the textbook's formula with the correlation of two windows (Mueen, 2010)."""
    random = np.random.default_rng(2)
    train, later = (random.normal(size=rows).cumsum() for rows in (300, 120))
    cut = [windowing.sliding_windows(values, 40) for values in (train, later)]
    centred = [windows - windows.mean(axis=1, keepdims=True) for windows in cut]
    shapes = [windows / windows.std(axis=1, keepdims=True) for windows in centred]
    method = fitted(baselines.Neighbours, shapes[0])
    found = np.sqrt(np.square(method.errors(shapes[1], shapes[1])).sum(axis=(1, 2)))
    for place in range(0, 81, 10):
        correlations = [np.corrcoef(cut[1][place, :, 0], w[:, 0])[0, 1] for w in cut[0]]
        expected = math.sqrt(2 * 40 * (1 - max(correlations)))
        assert found[place] == pytest.approx(expected, abs=1e-3)


def test_at_most_so_many_windows_are_kept_evenly_spread():
    method = fitted(baselines.Neighbours, max_windows=7)
    kept = method.windows.reshape(7, 5, 2)
    np.testing.assert_allclose(kept[0], WINDOWS[0], atol=1e-6)
    np.testing.assert_allclose(kept[-1], WINDOWS[-1], atol=1e-6)


def test_neighbours_are_of_the_windows_fitted_last():
    method = fitted(baselines.Neighbours)
    method.errors(WINDOWS, WINDOWS)
    method.fit(WINDOWS[:3], WINDOWS[:3])
    expected = fitted(baselines.Neighbours, WINDOWS[:3]).errors(WINDOWS, WINDOWS)
    np.testing.assert_array_equal(method.errors(WINDOWS, WINDOWS), expected)


def test_rules_are_the_functions_of_the_same_name():
    """The class on windows scores as the function on the series, where both have a score."""
    values = pd.Series(np.random.default_rng(3).normal(size=100))
    blocks = windowing.sliding_windows(values.to_numpy(), 21)
    inputs, targets = blocks[:, :20], blocks[:, 20:]
    pairs = {
        baselines.LastValue: baselines.last_value(values),
        baselines.SeasonalNaive: values.diff(20).abs(),
        baselines.MovingZ: baselines.moving_z(values, 20),
    }
    for make, expected in pairs.items():
        errors = np.abs(make(20, 1).errors(inputs, targets))[:, 0, 0]
        np.testing.assert_allclose(errors, expected.iloc[20:], err_msg=make.__name__)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (partial(baselines.Pca, n_components=0), "`n_components` must be a positive integer"),
        (partial(baselines.Pca, n_components=0.9), "Received: n_components=0.9"),
        (partial(baselines.Neighbours, k=0), "`k` must be a positive integer"),
        (partial(baselines.Neighbours, k=4, max_windows=3), "`max_windows` .* at least 4"),
        (partial(baselines.OneClassSvm, max_windows=0), "`max_windows` must be a positive"),
        (partial(baselines.OneClassSvm, nu=0), "`nu` must be above 0 and at most 1"),
        (partial(baselines.OneClassSvm, nu=1.1), "Received: nu=1.1"),
        (partial(baselines.IsolationForest, trees=0), "`trees` must be an integer from 1"),
        (partial(baselines.Ridge, alpha=0), "`alpha` must be above 0"),
        (partial(baselines.SeasonalNaive, period=6), "`period` must be an integer from 1 to 5"),
        (partial(baselines.MovingZ, floor=0), "`floor` must be above 0"),
        (partial(baselines.Ewma, decay=1), "`decay` must be between 0 and 1"),
    ],
)
def test_each_refuses_its_own_bad_options(call, message):
    with pytest.raises(ValueError, match=message):
        call(5, 2)
