"""Scores: the same for every chunking, in the right rows, as computed by hand."""

import numpy as np
import pandas as pd
import pytest

from lib import models, scoring, windowing
from lib.backend import keras
from lib.numpy_lstm.forward import compiled

INDEX = pd.date_range("2012-01-01", periods=61, name="date")
VALUES = np.random.default_rng(0).normal(size=(61, 2)).cumsum(axis=0)
SERIES = pd.DataFrame(VALUES, index=INDEX, columns=["power", "wind"])
WINDOW = 8


class LastValue:
    """Predicts that the last row stays, for `steps` rows."""

    def __init__(self, steps):
        self.steps = steps
        self.batches = []

    def predict(self, inputs, *, batch_size, verbose):
        self.batches.append(len(inputs))
        assert inputs.dtype == np.float32
        assert inputs.flags["C_CONTIGUOUS"]
        self.batch_size = batch_size
        return np.repeat(inputs[:, -1:], self.steps, axis=1)


@pytest.fixture(scope="module")
def networks():
    """Real, small, untrained LSTMs by the horizon they answer to, computed in NumPy."""
    return {
        0: compiled(models.build_lstm_autoencoder(WINDOW, 2, units=4, latent=3, seed=1)),
        2: compiled(models.build_lstm_forecaster(WINDOW, 2, units=(3, 4), horizon=2, seed=1)),
    }


@pytest.mark.parametrize("horizon", [0, 2])
def test_whole_in_chunks_and_one_by_one_agree(networks, horizon, monkeypatch):
    def scores(batch_size):
        monkeypatch.setattr(scoring, "BATCH", batch_size)
        return scoring.score(networks[horizon], series, WINDOW, horizon=horizon, how="mean")

    series = SERIES.iloc[:16]
    whole = scores(1024)
    assert whole.notna().sum() == (16 if horizon == 0 else 8)
    for batch_size in (1, 7):
        np.testing.assert_allclose(scores(batch_size), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("horizon", [0, 2])
def test_scored_in_pieces_that_overlap_by_a_window(networks, horizon):
    whole = scoring.score(networks[horizon], SERIES, WINDOW, horizon=horizon)
    context = WINDOW + max(horizon, 1) - 1  # rows that the first score of a piece looks back on
    pieces = [whole.iloc[:context]]
    for start in range(context, 61, 20):
        piece = SERIES.iloc[start - context : start + 20]
        pieces.append(scoring.score(networks[horizon], piece, WINDOW, horizon=horizon)[context:])
    pd.testing.assert_series_equal(
        pd.concat(pieces), whole, check_exact=False, rtol=0, atol=1e-6, check_freq=False
    )


def test_scores_of_a_network_are_its_absolute_errors():
    network = models.build_dense_autoencoder(WINDOW, 2, units=(4,), seed=1)
    inputs, targets = windowing.window_pairs(VALUES, WINDOW)
    errors = scoring.window_errors(network, inputs, targets)
    outputs = keras.ops.convert_to_numpy(network(inputs.astype("float32"))).astype(float)
    np.testing.assert_allclose(errors, np.abs(outputs - targets), atol=1e-6)
    assert errors.dtype == np.float64


def test_last_is_causal_and_the_mean_is_not(networks):
    changed = SERIES.copy()
    changed.iloc[40:] += 100.0
    for how, same in (("last", True), ("mean", False)):
        before, after = (
            scoring.score(networks[0], series, WINDOW, how=how) for series in (SERIES, changed)
        )
        close = np.allclose(before.iloc[:40], after.iloc[:40], atol=1e-6, equal_nan=True)
        assert close == same


@pytest.mark.parametrize(
    ("horizon", "how", "uncovered"),
    [  # 61 rows and a window of 8
        (0, "last", 7),
        (0, "mean", 0),
        (1, "last", 8),
        (1, "mean", 8),
        (3, "last", 10),
        (3, "mean", 8),
    ],
)
def test_points_without_a_window_are_nan(horizon, how, uncovered):
    model = LastValue(steps=horizon or WINDOW)
    scores = scoring.score(model, SERIES, WINDOW, horizon=horizon, how=how)
    assert scores.isna().sum() == uncovered
    assert len(scores) == len(SERIES)


def test_forecast_score_by_hand():
    scores = scoring.score(LastValue(steps=1), SERIES, WINDOW, horizon=1)
    expected = np.abs(np.diff(VALUES, axis=0)).mean(axis=1)[WINDOW - 1 :]
    np.testing.assert_allclose(scores.iloc[WINDOW:], expected, atol=1e-5)


def test_forecast_score_of_a_later_step_by_hand():
    scores = scoring.score(LastValue(steps=3), SERIES, WINDOW, horizon=3)
    expected = np.abs(VALUES[3:] - VALUES[:-3]).mean(axis=1)[WINDOW - 1 :]
    np.testing.assert_allclose(scores.iloc[WINDOW + 2 :], expected, atol=1e-5)


def test_reconstruction_score_by_hand():
    series = pd.DataFrame({"a": [1.0, 2.0, 4.0, 8.0]})
    scores = scoring.score(LastValue(steps=3), series, 3, how="mean")
    # Window 1 2 4 against 4 4 4, window 2 4 8 against 8 8 8.
    assert scores.tolist() == [3.0, (2 + 6) / 2, (0 + 4) / 2, 0.0]
    assert scoring.score(LastValue(steps=3), series, 3).tolist()[2:] == [0.0, 0.0]


def test_features_are_averaged():
    both, power, wind = (
        scoring.score(LastValue(steps=1), SERIES[columns], WINDOW, horizon=1)
        for columns in (["power", "wind"], ["power"], ["wind"])
    )
    np.testing.assert_allclose(both, (power + wind) / 2, rtol=1e-12)


def test_index_and_name_are_kept():
    scores = scoring.score(LastValue(steps=1), SERIES, WINDOW, horizon=1)
    pd.testing.assert_index_equal(scores.index, INDEX)
    assert scores.name == "score"
    assert scores.dtype == np.float64


def test_windows_go_through_the_model_in_pieces(monkeypatch):
    monkeypatch.setattr(scoring, "BATCH", 2)
    model = LastValue(steps=1)
    scoring.score(model, pd.DataFrame({"x": np.arange(300.0)}), WINDOW, horizon=1)
    assert model.batch_size == 2
    assert max(model.batches) <= 64 * 2
    assert sum(model.batches) == 300 - WINDOW


@pytest.mark.parametrize(("steps", "horizon"), [(1, 0), (WINDOW, 1), (2, 3)])
def test_targets_of_another_shape_are_an_error(steps, horizon):
    with pytest.raises(ValueError, match="`targets` must have the shape of the model's output"):
        scoring.score(LastValue(steps), SERIES, WINDOW, horizon=horizon)


def test_a_window_that_is_not_the_models_is_refused():
    model = models.build_lstm_forecaster(window=5, units=(2,))
    series = pd.DataFrame({"x": np.arange(20.0)})
    with pytest.raises(ValueError, match=r"`window` must be the model's, 5\. Received: window=7"):
        scoring.score(model, series, window=7, horizon=1)


def test_one_set_of_errors_serves_every_fold():
    model = models.build_lstm_autoencoder(window=5, units=2)
    series = pd.DataFrame({"x": np.sin(np.arange(30.0))})
    errors = scoring.series_errors(model, series, 5)
    for how in ("last", "mean", "median"):
        folded = scoring.point_scores(errors, series.index, 5, how=how)
        pd.testing.assert_series_equal(folded, scoring.score(model, series, 5, how=how))


# Missing values


def test_a_missing_target_has_no_error_and_the_others_stay():
    inputs = np.ones((2, 3, 2))
    targets = np.arange(12.0).reshape(2, 3, 2)
    targets[1, 2, 0] = np.nan
    errors = scoring.window_errors(LastValue(3), inputs, targets)
    assert np.argwhere(np.isnan(errors)).tolist() == [[1, 2, 0]]
    np.testing.assert_array_equal(errors[0], np.abs(targets[0] - 1))


def test_a_window_of_which_anything_is_missing_has_no_errors_and_the_model_never_sees_it():
    class Strict(LastValue):
        def predict(self, inputs, **options):
            assert np.isfinite(inputs).all()
            return super().predict(inputs, **options)

    series = SERIES.mask(np.random.default_rng(1).random(SERIES.shape) < 0.02)
    errors = scoring.series_errors(Strict(1), series, WINDOW, horizon=1)[:, 0]
    expected = series.diff().abs().iloc[WINDOW:].to_numpy()
    complete = series.notna().all(axis=1).rolling(WINDOW).sum().shift(1)[WINDOW:] == WINDOW
    assert 0 < complete.mean() < 1
    np.testing.assert_allclose(errors[complete], expected[complete], atol=1e-5)
    assert np.isnan(errors[~complete]).all()


def test_scores_average_the_features_that_are_there():
    errors = np.array([[[1.0, 3.0]], [[np.nan, 5.0]], [[np.nan, np.nan]]])
    scores = scoring.point_scores(errors, pd.RangeIndex(4), 1, horizon=1)
    np.testing.assert_array_equal(scores, [np.nan, 2.0, 5.0, np.nan])


@pytest.mark.parametrize("rows", [1, 3, 10, 200])
def test_trailing_means_as_pandas_has_them(rows):
    errors = np.random.default_rng(0).random((50, 2))
    errors[[3, 4, 5, 20], [0, 0, 0, 1]] = np.nan
    expected = pd.DataFrame(errors).rolling(rows, min_periods=1).mean().mask(np.isnan(errors))
    np.testing.assert_allclose(scoring.trailing_mean(errors, rows), expected, rtol=1e-9)


def test_a_huge_error_leaves_no_trace_behind_it():
    errors = np.ones((30, 1))
    errors[10] = 1e200
    assert (scoring.trailing_mean(errors, 5)[15:] == 1).all()


# The distance of a window's errors


def test_the_distance_is_that_of_mahalanobis():
    rng = np.random.default_rng(0)
    errors = rng.normal(size=(500, 3, 2)) @ rng.normal(size=(2, 2)) + 1.0
    later = rng.normal(size=(20, 3, 2))
    covariance = np.cov(errors.reshape(500, 6).T, bias=True)
    shrunk = 0.7 * covariance + 0.3 * np.trace(covariance) / 6 * np.eye(6)
    centred = later.reshape(20, 6) - errors.reshape(500, 6).mean(axis=0)
    by_hand = np.sqrt(np.einsum("ij,jk,ik->i", centred, np.linalg.inv(shrunk), centred) / 6)
    found = scoring.ErrorDistance().fit(errors).parts(later).mean(axis=1)
    np.testing.assert_allclose(found, by_hand, rtol=1e-9)


def test_usual_errors_have_a_distance_of_about_one():
    errors = np.random.default_rng(0).normal(size=(400, 10, 1))
    distances = scoring.ErrorDistance().fit(errors).parts(errors)
    assert np.mean(distances**2) == pytest.approx(1.0, abs=0.05)


def test_a_missing_error_gives_no_distance():
    errors = np.random.default_rng(0).normal(size=(50, 4, 1))
    distance = scoring.ErrorDistance().fit(errors)
    errors[3, 1] = np.nan
    assert np.isnan(distance.parts(errors)).nonzero()[0].tolist() == [3]


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_errors_without_a_covariance_are_refused(value):
    with pytest.raises(ValueError, match="`errors` must be finite, and not all equal"):
        scoring.ErrorDistance().fit(np.full((9, 3, 1), value))
