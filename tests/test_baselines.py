"""Each baseline against a slow loop, and that none of them looks ahead."""

import math
import statistics
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn import ensemble, svm

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
    (baselines.seasonal_naive, {"period": 7}, 7),
    (baselines.random_scores, {}, 0),
]
NAMES = [f"{baseline.__name__} {options}" for baseline, options, _ in BASELINES]


def slow(baseline, values, window=None, decay=0.94, warm_up=20, period=None):
    """The same scores, one point at a time from a plain list."""
    scores = []
    for now, value in enumerate(values):
        before = values[now - window : now] if window else values[:now]
        if now < (window or period or 1):
            scores.append(math.nan)
        elif baseline is baselines.last_value:
            scores.append(abs(value - values[now - 1]))
        elif baseline is baselines.seasonal_naive:
            scores.append(abs(value - values[now - period]))
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


def noisy(seed, rows, columns=("a",), start=0):
    values = np.random.default_rng(seed).normal(size=(rows, len(columns)))
    return pd.DataFrame(values, index=range(start, start + rows), columns=list(columns))


TRAIN, LATER = noisy(5, 60), noisy(6, 40, start=60)
TRAIN_2, LATER_2 = noisy(7, 60, ("a", "b")), noisy(8, 40, ("a", "b"), start=60)
LEARNING = {
    "pca": partial(baselines.pca, n_components=2),
    "isolation_forest": partial(baselines.isolation_forest, seed=0),
    "one_class_svm": partial(baselines.one_class_svm, seed=0),
    "discord": baselines.discord,
}
learning = pytest.mark.parametrize("baseline", LEARNING.values(), ids=LEARNING.keys())


def windows_of(frame, window):
    """Windows from slices, as rows of numbers, and the row at which each ends."""
    values = frame.to_numpy()
    cut = [values[end - window + 1 : end + 1].ravel() for end in range(window - 1, len(values))]
    return np.array(cut), range(window - 1, len(values))


def shape_of(values):
    spread = statistics.pstdev(values)
    return [(v - statistics.fmean(values)) / spread if spread > 1e-8 else 0.0 for v in values]


def slow_discord(train, series, window):
    """The nearest training window of each window, by comparing every pair of plain lists."""
    known = [shape_of(train[i : i + window]) for i in range(len(train) - window + 1)]
    scores = [math.nan] * (window - 1)
    for start in range(len(series) - window + 1):
        shape = shape_of(series[start : start + window])
        scores.append(min(math.dist(shape, other) for other in known))
    return scores


@pytest.mark.parametrize("period", [0, -1, 1.5, "7", True, None])
def test_seasonal_naive_refuses_what_is_no_period(period):
    with pytest.raises(
        ValueError, match=r"`period` must be a positive integer\. Received: period="
    ):
        baselines.seasonal_naive(SERIES, period)


@pytest.mark.parametrize(("train", "later"), [(TRAIN, LATER), (TRAIN_2, LATER_2)])
@pytest.mark.parametrize("n_components", [1, 3, 4])
def test_pca_is_a_projection_by_singular_vectors(train, later, n_components):
    (known, _), (cut, ends) = windows_of(train, 5), windows_of(later, 5)
    mean = known.mean(axis=0)
    axes = np.linalg.svd(known - mean)[2][:n_components]
    rest = (cut - mean) - (cut - mean) @ axes.T @ axes
    expected = np.linalg.norm(rest, axis=1) / math.sqrt(cut.shape[1])
    scores = baselines.pca(train, later, 5, n_components)
    np.testing.assert_allclose(scores.iloc[list(ends)], expected, rtol=1e-6)


def test_isolation_forest_and_svm_are_those_of_scikit_learn():
    (known, _), (cut, _) = windows_of(TRAIN_2, 5), windows_of(LATER_2, 5)
    forest = ensemble.IsolationForest(random_state=3).fit(known)
    found = baselines.isolation_forest(TRAIN_2, LATER_2, 5, seed=3)
    np.testing.assert_allclose(found.iloc[4:], -forest.score_samples(cut), rtol=1e-9)
    machine = svm.OneClassSVM(nu=0.05).fit(known)
    found = baselines.one_class_svm(TRAIN_2, LATER_2, 5, seed=3)
    np.testing.assert_allclose(found.iloc[4:], -machine.decision_function(cut), rtol=1e-9)


@pytest.mark.parametrize("name", ["isolation_forest", "one_class_svm"])
def test_the_seed_alone_decides(name):
    options = {"max_windows": 20} if name == "one_class_svm" else {}
    score = partial(getattr(baselines, name), TRAIN, LATER, 5, **options)
    pd.testing.assert_series_equal(score(seed=1), score(seed=1))
    assert not score(seed=1).equals(score(seed=2))


def test_one_class_svm_learns_from_no_more_windows_than_it_may(monkeypatch):
    sizes = []
    fit = svm.OneClassSVM.fit
    monkeypatch.setattr(svm.OneClassSVM, "fit", lambda m, x: sizes.append(len(x)) or fit(m, x))
    for most in (20, 56, 100):
        baselines.one_class_svm(TRAIN, LATER, 5, seed=0, max_windows=most)
    assert sizes == [20, 56, 56]


@pytest.mark.parametrize("window", [2, 5, 12])
def test_discord_is_the_nearest_of_all_pairs(window):
    expected = slow_discord(TRAIN["a"].tolist(), LATER["a"].tolist(), window)
    np.testing.assert_allclose(baselines.discord(TRAIN, LATER, window), expected, atol=1e-5)
    found = baselines.discord(TRAIN["a"], LATER["a"], window)  # a Series will do as well
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_flat_training_window_is_the_nearest_where_it_is_nearest():
    train, later = [1.0] * 12 + TRAIN["a"].tolist()[:20], LATER["a"].tolist()
    expected = slow_discord(train, later, 12)
    assert expected.count(math.sqrt(12)) > 5
    found = baselines.discord(pd.Series(train), pd.Series(later), 12)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_discord_sees_the_shape_alone():
    scores = baselines.discord(TRAIN, LATER, 8)
    for other in (LATER * 1000, LATER + 50, LATER * 0.001 - 7):
        np.testing.assert_allclose(baselines.discord(TRAIN, other, 8), scores, atol=1e-4)
    assert baselines.discord(TRAIN, TRAIN, 8).max() == 0.0
    assert baselines.discord(TRAIN, -LATER, 8).max() <= 2 * math.sqrt(8)


def test_flat_windows_divide_by_nothing():
    flat = pd.Series([0.1] * 6)
    wave = pd.Series([0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    assert baselines.discord(flat, flat + 7, 4).dropna().tolist() == [0, 0, 0]
    for train, later in ((flat, wave), (wave, flat)):
        assert baselines.discord(train, later, 4).dropna().tolist() == [2, 2, 2]
    # A sensor at rest is flat up to its noise, and what counts as noise can be said.
    resting = flat + wave * 1e-3
    assert baselines.discord(flat, resting, 4, floor=0.01).dropna().tolist() == [0, 0, 0]


def test_discord_equals_a_matrix_profile():
    stumpy = pytest.importorskip("stumpy", reason="stumpy comes with the extra `test`")
    rng = np.random.default_rng(9)
    wave = np.sin(np.arange(700) * 2 * np.pi / 50) + rng.normal(0, 0.1, 700)
    wave[100:160] = 0.5  # 60 flat rows to learn from, 50 to score
    wave[600:650] = -2.0
    train, later = wave[:400], wave[400:]
    profile = stumpy.stump(later, 40, train, ignore_trivial=False)
    expected = profile[:, 0].astype(float)
    found = baselines.discord(pd.Series(train), pd.Series(later), 40).to_numpy()[39:]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert (found[200:211] == 0).all()  # flat windows have met flat ones


def test_chunks_make_no_difference(monkeypatch):
    whole = {name: baseline(TRAIN, LATER, window=5) for name, baseline in LEARNING.items()}
    monkeypatch.setattr(baselines, "CHUNK", 7)
    for name, baseline in LEARNING.items():
        found = baseline(TRAIN, LATER, window=5)
        np.testing.assert_allclose(found, whole[name], rtol=1e-6, err_msg=name)


@learning
def test_a_score_belongs_to_the_last_row_of_its_window(baseline):
    before = TRAIN.copy(), LATER.copy()
    scores = baseline(TRAIN, LATER, window=5)
    pd.testing.assert_index_equal(scores.index, LATER.index)
    assert (scores.name, scores.dtype) == ("score", np.float64)
    assert np.flatnonzero(scores.isna()).tolist() == [0, 1, 2, 3]
    for frame, original in zip((TRAIN, LATER), before, strict=True):
        pd.testing.assert_frame_equal(frame, original)


@learning
@pytest.mark.parametrize("wild", [1e6, 0.0, np.nan])
def test_what_comes_later_changes_no_score(baseline, wild):
    changed = LATER.copy()
    changed.iloc[21:] = wild
    expected, found = baseline(TRAIN, LATER, window=5), baseline(TRAIN, changed, window=5)
    np.testing.assert_allclose(found.iloc[:21], expected.iloc[:21], rtol=1e-6)
    assert not np.allclose(found.iloc[21:], expected.iloc[21:])


@learning
def test_a_missing_row_costs_its_windows_and_no_other(baseline):
    later = LATER.copy()
    later.iloc[20] = np.nan
    scores = baseline(TRAIN, later, window=5)
    assert np.flatnonzero(scores.isna()).tolist() == [0, 1, 2, 3, *range(20, 25)]
    whole = baseline(TRAIN, LATER, window=5)
    np.testing.assert_allclose(scores.dropna(), whole[scores.notna()], rtol=1e-6)


@learning
def test_training_windows_with_a_hole_are_left_out(baseline):
    holed = pd.concat([TRAIN.iloc[:30], TRAIN.iloc[:1] * np.nan, TRAIN.iloc[30:]])
    pieces = [windows_of(TRAIN.iloc[part], 5)[0] for part in (slice(30), slice(30, 60))]
    # The same windows one after the other, each cut off by a missing row.
    rows = np.vstack([np.vstack([w[:, None], [[np.nan]]]) for w in np.vstack(pieces)])
    apart = pd.DataFrame(rows, columns=["a"])
    found = baseline(holed, LATER, window=5)
    np.testing.assert_allclose(found, baseline(apart, LATER, window=5), rtol=1e-6)


@learning
def test_all_rows_missing_is_all_scores_missing(baseline):
    assert baseline(TRAIN, LATER * np.nan, window=5).isna().all()


@learning
@pytest.mark.parametrize("how", ["mean", "max"])
def test_a_score_can_be_spread_over_the_rows_of_its_window(baseline, how):
    later = LATER.copy()
    later.iloc[20] = np.nan
    last = baseline(TRAIN, later, window=5).tolist()
    spread = baseline(TRAIN, later, window=5, how=how)
    for row in range(40):
        covering = [s for s in last[max(row, 4) : row + 5] if not math.isnan(s)]
        fold = max if how == "max" else statistics.fmean
        expected = fold(covering) if covering else math.nan
        assert spread.iloc[row] == pytest.approx(expected, rel=1e-9, nan_ok=True), row
    assert np.flatnonzero(spread.isna()).tolist() == [20]


REFUSED = [
    ({"window": 0}, "`window` must be a positive integer"),
    ({"window": 2.5}, "`window` must be a positive integer"),
    ({"window": 61}, "`window` must be at most the number of rows, 60"),
    ({"window": 41}, "`window` must be at most the number of rows, 40"),
    ({"how": "first"}, "`how` must be one of last, mean, max. Received: how='first'"),
    ({"train": TRAIN * np.nan}, "`train` must have at least 2 windows of 5 rows.* Received: 0"),
    ({"train": TRAIN.iloc[:5]}, "`train` must have at least 2 windows of 5 rows.* Received: 1"),
    ({"train": TRAIN.replace(TRAIN.iloc[3, 0], np.inf)}, "`train` must not be infinite"),
    ({"series": LATER.replace(LATER.iloc[3, 0], np.inf)}, "`series` must not be infinite"),
    ({"series": LATER_2}, "`series` must have as many columns as `train`, 1. Received: 2"),
]


@learning
@pytest.mark.parametrize(("changed", "message"), REFUSED)
def test_learning_baselines_refuse_what_they_cannot_use(baseline, changed, message):
    with pytest.raises(ValueError, match=message):
        baseline(**{"train": TRAIN, "series": LATER, "window": 5, **changed})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (partial(baselines.pca, n_components=0), "`n_components` must be an integer from 1 to 4"),
        (partial(baselines.pca, n_components=5), "from 1 to 4. Received: n_components=5"),
        (partial(baselines.pca, n_components=0.9), "from 1 to 4. Received: n_components=0.9"),
        (partial(baselines.isolation_forest, seed=-1), "`seed` must be an integer from 0 to"),
        (partial(baselines.isolation_forest, seed=None), "`seed` must be an integer.*seed=None"),
        (partial(baselines.one_class_svm, seed="a"), "`seed` must be an integer of at least 0"),
        (partial(baselines.one_class_svm, seed=0, max_windows=0), "`max_windows` must be a po"),
        (partial(baselines.one_class_svm, seed=0, nu=0), "`nu` must be above 0 and at most 1"),
        (partial(baselines.one_class_svm, seed=0, nu=1.1), "Received: nu=1.1"),
        (partial(baselines.discord, floor=-1), "`floor` must be at least 0"),
    ],
)
def test_each_refuses_its_own_bad_options(call, message):
    with pytest.raises(ValueError, match=message):
        call(TRAIN, LATER, 5)


def test_discord_compares_one_column():
    with pytest.raises(ValueError, match=r"`train` must have one column\. Received: 2 columns"):
        baselines.discord(TRAIN_2, LATER_2, 5)
