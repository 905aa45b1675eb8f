"""Every index of the windowing, proved against plain Python loops; and that nothing leaks."""

import math
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from lib import scoring, thresholds, windowing

CASES = [  # n_times, window, stride, horizon, n_features
    (1, 1, 1, 0, 1),
    (2, 1, 1, 1, 1),
    (5, 5, 1, 0, 2),
    (6, 5, 1, 1, 2),
    (10, 3, 1, 0, 1),
    (10, 3, 1, 1, 3),
    (10, 3, 2, 2, 1),
    (11, 3, 3, 0, 2),
    (11, 4, 3, 3, 2),
    (12, 4, 4, 0, 1),
    (13, 2, 5, 0, 1),
    (13, 2, 5, 4, 6),
    (9, 8, 7, 1, 1),
    (40, 30, 1, 1, 1),
]


def random_cases(count=30, seed=7):
    """Sizes drawn at random, all of them with room for at least one window."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        window, stride, horizon, n_features = (int(rng.integers(a, b)) for a, b in
                                               ((1, 9), (1, 7), (0, 5), (1, 4)))  # fmt: skip
        yield int(rng.integers(window + horizon, 40)), window, stride, horizon, n_features


ALL_CASES = [*CASES, *random_cases()]


def series_of(n_times, n_features):
    """Values that tell row and feature: 100 * row + feature."""
    return [[100.0 * row + feature for feature in range(n_features)] for row in range(n_times)]


def slow_pairs(rows, window, stride, horizon):
    """Inputs and targets, cut row by row."""
    inputs, targets = [], []
    start = 0
    while start + window + horizon <= len(rows):
        inputs.append([rows[start + step] for step in range(window)])
        if horizon:
            targets.append([rows[start + window + step] for step in range(horizon)])
        else:
            targets.append(inputs[-1])
        start += stride
    return inputs, targets


def slow_fold(errors, n_times, offset, stride, how):
    """One number per row and feature, from a list of all errors that fall on it."""
    folded = []
    for row in range(n_times):
        values = []
        for feature in range(len(errors[0][0])):
            found = []
            for number, window in enumerate(errors):
                for step in range(len(window)):
                    is_last = step == len(window) - 1
                    on_row = offset + number * stride + step == row
                    if on_row and (is_last or how != "last"):
                        found.append(window[step][feature])
            values.append(slow_centre(sorted(found), how))
        folded.append(values)
    return folded


def slow_centre(found, how):
    if not found:
        return math.nan
    if how == "mean":
        return sum(found) / len(found)
    if how == "median":
        middle = len(found) // 2
        return found[middle] if len(found) % 2 else (found[middle - 1] + found[middle]) / 2
    (only,) = found
    return only


@pytest.mark.parametrize(("n_times", "window", "stride", "horizon", "n_features"), ALL_CASES)
def test_window_pairs_match_loops(n_times, window, stride, horizon, n_features):
    rows = series_of(n_times, n_features)
    inputs, targets = windowing.window_pairs(rows, window, horizon=horizon, stride=stride)
    expected_inputs, expected_targets = slow_pairs(rows, window, stride, horizon)
    np.testing.assert_array_equal(inputs, expected_inputs)
    np.testing.assert_array_equal(targets, expected_targets)
    assert inputs.shape == (len(expected_inputs), window, n_features)
    assert targets.shape == (len(expected_targets), horizon or window, n_features)


@pytest.mark.parametrize(("n_times", "window", "stride", "horizon", "n_features"), ALL_CASES)
def test_sliding_windows_match_loops(n_times, window, stride, horizon, n_features):
    rows = series_of(n_times, n_features)
    windows = windowing.sliding_windows(rows, window, stride=stride)
    expected, _ = slow_pairs(rows, window, stride, horizon=0)
    np.testing.assert_array_equal(windows, expected)
    assert len(windows) == (n_times - window) // stride + 1


@pytest.mark.parametrize("how", windowing.FOLDS)
@pytest.mark.parametrize(("n_times", "window", "stride", "horizon", "n_features"), ALL_CASES)
def test_fold_windows_matches_loops(n_times, window, stride, horizon, n_features, how):
    _, targets = windowing.window_pairs(
        series_of(n_times, n_features), window, horizon=horizon, stride=stride
    )
    errors = np.random.default_rng(n_times).random(targets.shape)
    offset = window if horizon else 0
    folded = windowing.fold_windows(errors, n_times, offset=offset, stride=stride, how=how)
    expected = slow_fold(errors.tolist(), n_times, offset, stride, how)
    np.testing.assert_allclose(folded, expected, rtol=1e-12)  # NaN equals NaN here
    assert folded.shape == (n_times, n_features)
    assert folded.dtype == np.float64


@pytest.mark.parametrize("how", windowing.FOLDS)
def test_folding_the_targets_gives_the_series_back(how):
    series = np.array(series_of(20, 2))
    _, targets = windowing.window_pairs(series, 4, horizon=3)
    folded = windowing.fold_windows(targets, 20, offset=4, how=how)
    covered = ~np.isnan(folded)
    np.testing.assert_allclose(folded[covered], series[covered])
    assert covered[:, 0].sum() == (14 if how == "last" else 16)


@pytest.mark.parametrize(
    ("stride", "horizon", "how", "uncovered"),
    [
        (1, 0, "mean", []),
        (1, 0, "median", []),
        (1, 0, "last", [0, 1]),
        (1, 1, "mean", [0, 1, 2]),
        (1, 2, "last", [0, 1, 2, 3]),
        (4, 0, "mean", [3, 7]),
        (4, 0, "median", [3, 7]),
        (4, 0, "last", [0, 1, 3, 4, 5, 7, 8, 9]),
        (5, 1, "mean", [0, 1, 2, 4, 5, 6, 7, 9, 10]),
        (9, 0, "mean", [3, 4, 5, 6, 7, 8, 9, 10]),
    ],
)
def test_uncovered_rows_are_nan(stride, horizon, how, uncovered):
    _, targets = windowing.window_pairs(np.zeros(11), 3, horizon=horizon, stride=stride)
    offset = 3 if horizon else 0
    folded = windowing.fold_windows(targets, 11, offset=offset, stride=stride, how=how)
    assert np.flatnonzero(np.isnan(folded[:, 0])).tolist() == uncovered


def test_folding_windows_keeps_the_last_causal_and_says_that_the_mean_is_not():
    errors = np.random.default_rng(0).random((8, 3, 1))
    later = errors.copy()
    later[5:] = 99.0  # windows 5, 6 and 7 end at rows 7, 8 and 9
    # The mean of row 5 has window 5 in it; the median of row 6 has it and window 6.
    for how, same_up_to, changed in (("last", 7, 7), ("mean", 5, 5), ("median", 5, 6)):
        before, after = (windowing.fold_windows(e, 10, how=how) for e in (errors, later))
        np.testing.assert_array_equal(before[:same_up_to], after[:same_up_to])
        assert before[changed] != after[changed]


# No copies


@pytest.mark.parametrize("horizon", [0, 1, 4])
@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("shape", [(50,), (50, 1), (50, 3)])
def test_windows_are_read_only_views(shape, stride, horizon):
    values = np.arange(math.prod(shape), dtype=float).reshape(shape)
    for part in windowing.window_pairs(values, 5, horizon=horizon, stride=stride):
        assert np.shares_memory(part, values)
        with pytest.raises(ValueError, match="read-only"):
            part[0, 0, 0] = 1.0


def test_windows_of_a_data_frame_are_views_of_its_values():
    values = np.arange(20.0).reshape(10, 2)
    frame = pd.DataFrame(values, columns=["a", "b"], copy=False)
    np.testing.assert_array_equal(
        windowing.sliding_windows(frame, 4), windowing.sliding_windows(values, 4)
    )
    assert np.shares_memory(windowing.sliding_windows(frame, 4), frame.to_numpy())


def test_ten_million_points_cost_no_copy():
    values = np.arange(10_000_000, dtype="float32")
    tracemalloc.start()
    inputs, targets = windowing.window_pairs(values, 30, horizon=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert inputs.shape == (9_999_970, 30, 1)
    assert targets.shape == (9_999_970, 1, 1)
    assert peak < 100_000  # bytes; one copy of the windows would be 1.2 GB
    assert inputs[-1, -1, 0] == values[-2]
    assert targets[-1, 0, 0] == values[-1]


# Errors


@pytest.mark.parametrize("name", ["window", "stride", "horizon"])
@pytest.mark.parametrize("bad", [-1, 2.0, 2.5, "3", None, True, [2]])
def test_a_bad_size_is_named(name, bad):
    sizes = {"window": 3, "stride": 1, "horizon": 1, name: bad}
    with pytest.raises(ValueError, match=f"`{name}` must be a positive integer") as caught:
        windowing.window_pairs(np.arange(10.0), sizes.pop("window"), **sizes)
    assert str(caught.value).endswith(f"Received: {name}={bad!r}")


@pytest.mark.parametrize("name", ["window", "stride"])
def test_a_window_or_stride_of_zero_is_named(name):
    sizes = {"window": 3, "stride": 1, name: 0}
    for function in (windowing.sliding_windows, windowing.window_pairs):
        with pytest.raises(ValueError, match=f"`{name}` must be .* Received: {name}=0"):
            function(np.arange(10.0), sizes["window"], stride=sizes["stride"])


def test_numpy_integers_are_integers():
    windows = windowing.sliding_windows(np.arange(6.0), np.int64(3), stride=np.int32(2))
    assert windows.shape == (2, 3, 1)


@pytest.mark.parametrize(
    ("n_times", "window", "horizon", "message"),
    [
        (4, 5, 0, r"at most the number of rows, 4\. Received: window=5"),
        (0, 1, 0, r"at most the number of rows, 0\. Received: window=1"),
        (5, 5, 1, r"at most 4: there are 5 rows, and 1 must remain .* Received: window=5"),
        (5, 3, 3, r"at most 2: there are 5 rows, and 3 must remain .* Received: window=3"),
        (5, 9, 1, r"at most 4: there are 5 rows, and 1 must remain .* Received: window=9"),
    ],
)
def test_a_series_that_is_too_short_is_an_error(n_times, window, horizon, message):
    with pytest.raises(ValueError, match=f"`window` must .*{message}"):
        windowing.window_pairs(np.zeros(n_times), window, horizon=horizon)


@pytest.mark.parametrize("shape", [(), (2, 3, 4)])
def test_values_of_another_rank_are_refused(shape):
    with pytest.raises(ValueError, match="`values` must have shape") as caught:
        windowing.sliding_windows(np.zeros(shape), 2)
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize("how", ["first", "Mean", "", None])
def test_an_unknown_fold_is_named(how):
    with pytest.raises(ValueError, match="`how` must be one of mean, median, last") as caught:
        windowing.fold_windows(np.zeros((2, 2, 1)), 3, how=how)
    assert f"how={how!r}" in str(caught.value)


@pytest.mark.parametrize(("offset", "stride", "n_times"), [(0, 1, 4), (1, 1, 5), (0, 2, 6)])
def test_folding_into_too_few_rows_is_an_error(offset, stride, n_times):
    errors = np.zeros((3, 3, 1))
    windowing.fold_windows(errors, n_times + 1, offset=offset, stride=stride)  # just enough
    with pytest.raises(ValueError, match=f"`n_times` must cover.* Received: n_times={n_times}"):
        windowing.fold_windows(errors, n_times, offset=offset, stride=stride)


# Split


@pytest.mark.parametrize(
    ("n_times", "train", "validation", "sizes"),
    [
        (8192, 0.8, 0.0, (6553, 0, 1639)),
        (8192, 0.8, 0.1, (5898, 655, 1639)),
        (10, 0.8, 0.25, (6, 2, 2)),
        (2, 0.5, 0.0, (1, 0, 1)),
        (3, 0.99, 0.5, (1, 1, 1)),
    ],
)
def test_split_sizes(n_times, train, validation, sizes):
    parts = windowing.chronological_split(np.arange(n_times), train, validation)
    assert tuple(map(len, parts)) == sizes
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(n_times))


@pytest.mark.parametrize("kind", [pd.Series, pd.DataFrame])
def test_split_goes_by_position_and_keeps_the_index(kind):
    index = pd.date_range("2020-01-01", periods=10)[::-1]  # labels must not matter
    parts = windowing.chronological_split(kind(np.arange(10), index=index), 0.7, 0.3)
    assert [type(part) for part in parts] == [kind] * 3
    assert [len(part) for part in parts] == [5, 2, 3]
    assert parts[0].index.append([parts[1].index, parts[2].index]).equals(index)


@pytest.mark.parametrize(
    ("n_times", "train", "validation", "message"),
    [
        (10, 0.0, 0.0, r"`train` must .* Received: train=0\.0"),
        (10, 1.0, 0.0, r"`train` must .* Received: train=1\.0"),
        (10, 1.5, 0.0, r"`train` must .* Received: train=1\.5"),
        (10, -0.5, 0.0, r"`train` must .* Received: train=-0\.5"),
        (10, math.nan, 0.0, "`train` must .* Received: train=nan"),
        (10, 0.8, 1.0, r"`validation` must .* Received: validation=1\.0"),
        (10, 0.8, -0.1, r"`validation` must .* Received: validation=-0\.1"),
        (10, 0.8, math.nan, "`validation` must .* Received: validation=nan"),
        (0, 0.8, 0.0, "`series` must have enough rows .* Received: 0 rows"),
        (1, 0.8, 0.0, "`series` must have enough rows .* Received: 1 rows"),
        (5, 0.8, 0.1, r"`series` must have enough rows .* validation=0\.1"),
    ],
)
def test_a_bad_split_is_named(n_times, train, validation, message):
    with pytest.raises(ValueError, match=message):
        windowing.chronological_split(np.arange(n_times), train, validation)


# Scaler


def test_scaler_uses_mean_and_deviation_of_train_and_keeps_names_and_index():
    rng = np.random.default_rng(1)
    index = pd.date_range("2015-01-01", periods=50, name="date")
    frame = pd.DataFrame(rng.normal([5, -3], [2, 0.1], (50, 2)), index, ["power", "wind"])
    scaled = windowing.fit_scaler(frame.iloc[:30]).transform(frame)
    train = frame.to_numpy()[:30]
    expected = (frame.to_numpy() - train.mean(axis=0)) / train.std(axis=0)
    np.testing.assert_allclose(scaled.to_numpy(), expected, rtol=1e-12)
    assert scaled.columns.tolist() == ["power", "wind"]
    pd.testing.assert_index_equal(scaled.index, index)


def test_scaler_names_the_constant_columns():
    frame = pd.DataFrame({"still": [2.0] * 4, "moves": [1.0, 2, 3, 4], "also": [0.1] * 4})
    with pytest.raises(ValueError, match=r"`train` must vary .* column\(s\) still, also$"):
        windowing.fit_scaler(frame)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scaler_refuses_what_is_not_finite(bad):
    with pytest.raises(ValueError, match="`train` must be finite"):
        windowing.fit_scaler(pd.DataFrame({"a": [1.0, bad, 3.0]}))


# The contract: nothing after the split reaches what training sees


class MeanOfWindow:
    """A stand-in for a network: predicts the mean of the window, at every step."""

    def __init__(self, horizon):
        self.horizon = horizon

    def predict(self, inputs, **options):
        steps = self.horizon or inputs.shape[1]
        return np.repeat(inputs.mean(axis=1, keepdims=True), steps, axis=1)


def what_training_sees(frame, horizon):
    """The bytes of scaler, windows and thresholds, made as a notebook makes them."""
    train, validation, _ = windowing.chronological_split(frame, 0.8, 0.25)
    scaler = windowing.fit_scaler(train)
    parts = {"mean": scaler.mean_, "scale": scaler.scale_}
    for name, rows in (("train", train), ("validation", validation)):
        scaled = scaler.transform(rows)
        pairs = windowing.window_pairs(scaled.to_numpy(), 6, horizon=horizon)
        parts[f"{name} inputs"], parts[f"{name} targets"] = pairs
        for how in windowing.FOLDS:
            scores = scoring.score(MeanOfWindow(horizon), scaled, 6, horizon=horizon, how=how)
            for rule in (thresholds.mean_plus_sigma, thresholds.percentile, thresholds.maximum):
                parts[f"{name} {how} {rule.__name__}"] = np.float64(rule(scores))
    return {name: np.ascontiguousarray(part).tobytes() for name, part in parts.items()}


@pytest.mark.parametrize("horizon", [0, 1, 3])
def test_no_value_after_the_split_changes_what_training_sees(horizon):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(100, 2)).cumsum(axis=0), columns=["a", "b"])
    expected = what_training_sees(frame, horizon)
    for wild in (1e12, -1e12, np.nan, np.inf, -np.inf, 0.0):
        for rows in (slice(80, None), slice(80, 81), slice(99, None)):
            changed = frame.copy()
            changed.iloc[rows] = wild
            assert what_training_sees(changed, horizon) == expected


@pytest.mark.parametrize("row", [0, 59, 60, 79])
def test_the_contract_would_notice_a_change_before_the_split(row):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(100, 2)).cumsum(axis=0), columns=["a", "b"])
    changed = frame.copy()
    changed.iloc[row] += 5.0
    before, after = what_training_sees(frame, 1), what_training_sees(changed, 1)
    differing = {name for name in before if before[name] != after[name]}
    assert any(name.startswith("validation") for name in differing)
    assert ("scale" in differing) == (row < 60)  # validation rows do not move the scaler


def test_validation_does_not_change_the_scaler_or_the_training_windows():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(rng.normal(size=(100, 1)), columns=["a"])
    changed = frame.copy()
    changed.iloc[60:] = 1e9 * rng.normal(size=(40, 1))
    before, after = what_training_sees(frame, 0), what_training_sees(changed, 0)
    for name in ("mean", "scale", "train inputs", "train targets", "train last maximum"):
        assert before[name] == after[name]
    assert before["validation inputs"] != after["validation inputs"]


# Missing values


def test_windows_are_filled_as_pandas_would():
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(40, 9, 2))
    windows[rng.random(windows.shape) < 0.6] = np.nan
    windows[3, :, 1] = np.nan
    filled = windowing.fill_windows(windows)
    for window, original in zip(filled, windows, strict=True):
        expected = pd.DataFrame(original).ffill().bfill().fillna(0)
        np.testing.assert_array_equal(window, expected)
    assert np.isnan(windows).any()


def test_what_is_complete_is_filled_with_itself():
    windows = windowing.sliding_windows(np.arange(8.0), 3)
    np.testing.assert_array_equal(windowing.fill_windows(windows), windows)


def test_a_scaler_may_leave_out_what_is_missing():
    frame = pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": [4.0, 6.0, np.nan]})
    scaler = windowing.fit_scaler(frame, allow_missing=True)
    assert scaler.mean_.tolist() == [2.0, 5.0]
    assert scaler.transform(frame)["a"].isna().tolist() == [False, True, False]
    with pytest.raises(ValueError, match="`train` must be finite"):
        windowing.fit_scaler(frame)


@pytest.mark.parametrize("values", [[7.0, np.nan, 7.0], [np.nan, np.nan, np.nan]])
def test_a_column_without_variation_is_refused_with_holes_too(values):
    with pytest.raises(ValueError, match=r"constant column.* b"):
        windowing.fit_scaler(pd.DataFrame({"a": [1.0, 2, 3], "b": values}), allow_missing=True)


def test_infinities_are_refused_with_holes_too():
    with pytest.raises(ValueError, match="`train` must be finite"):
        windowing.fit_scaler(pd.DataFrame({"a": [1.0, np.inf, np.nan]}), allow_missing=True)


@pytest.mark.parametrize("how", ["mean", "median"])
def test_missing_errors_are_left_out_when_folding(how):
    errors = np.random.default_rng(0).random((10, 4, 2))
    errors[2, 1, 0] = errors[5] = np.nan
    errors[:, :, 1][np.arange(10)[:, None] + np.arange(4) == 6] = np.nan  # row 6, throughout
    folded = windowing.fold_windows(errors, 13, how=how)
    for row in range(13):
        for feature in range(2):
            cover = [errors[i, row - i, feature] for i in range(10) if 0 <= row - i < 4]
            present = [error for error in cover if not np.isnan(error)]
            expected = getattr(np, how)(present) if present else np.nan
            np.testing.assert_allclose(folded[row, feature], expected, rtol=1e-12)
    assert np.isnan(folded).sum() == 1


@pytest.mark.parametrize("shape", [(7,), (7, 2)])
def test_a_row_has_the_mean_of_the_windows_that_cover_it(shape):
    scores = np.random.default_rng(0).normal(size=shape)
    scores[3] = np.nan
    found = windowing.overlap_mean(scores, window=5, n_times=22, offset=1, stride=2)
    assert found.shape == (22, *shape[1:])
    for row in range(22):
        covering = [scores[i] for i in range(7) if 1 + 2 * i <= row < 6 + 2 * i and i != 3]
        expected = np.mean(covering, axis=0) if covering else np.full(shape[1:], np.nan)
        np.testing.assert_allclose(found[row], expected)
