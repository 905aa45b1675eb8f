"""The detectors of the study: equal in size, causal, blind to the test, and what they claim."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lib import baselines, models
from lib.detectors.detector import Detector
from lib.study import datasets, detectors, networks, parameter_matching
from lib.study.detectors import KINDS, Budget

SMALL = Budget(units=8, latent=3, epochs=2, batch_size=32)
WINDOW = 8


def wave(rows, columns=("a",), seed=0):
    rng = np.random.default_rng(seed)
    steps = np.arange(rows)
    data = {c: np.sin(steps / (2 + k)) + 0.1 * rng.normal(size=rows) for k, c in enumerate(columns)}
    return pd.DataFrame(data)


FRAME = wave(400, ("a", "b"))
PARTS = FRAME[:240], FRAME[240:300], FRAME[300:]


def run(name, parts=PARTS, **options):
    return detectors.scores(name, *parts, window=WINDOW, **{"budget": SMALL, **options})


@pytest.fixture(scope="module")
def usual():
    """Scores of all detectors on the same parts."""
    return {name: run(name) for name in KINDS}


SHAPES = [(window, 1) for window in (4, 20, 24, 48, 184, 208)] + [(12, 7), (30, 8), (60, 8)]


@pytest.mark.parametrize("kind", parameter_matching.KINDS)
@pytest.mark.parametrize(("window", "n_features"), [(12, 7), (30, 1), (21, 2)])
def test_parameters_are_counted_as_keras_counts_them(kind, window, n_features):
    widths = parameter_matching.equal_widths(kind, window, n_features, units=24, latent=6)
    model = models.BUILDERS[kind](window, n_features, **widths)
    assert model.count_params() == models.count_parameters(kind, window, n_features, **widths)


@pytest.mark.parametrize(("window", "n_features"), SHAPES)
def test_all_networks_are_equally_large(window, n_features):
    budget = Budget()
    counts = []
    for kind in parameter_matching.KINDS:
        options = {"units": budget.units, "latent": budget.latent}
        widths = parameter_matching.equal_widths(kind, window, n_features, **options)
        counts.append(models.count_parameters(kind, window, n_features, **widths))
    assert counts[0] == counts[1] == counts[2]  # forecaster, autoencoder, and both in one
    assert max(counts) <= 1.05 * counts[1]
    assert min(counts) >= 0.95 * counts[1]


def test_windows_of_the_contests_are_among_the_shapes_checked():
    assert {datasets.WINDOWS[name] for name in datasets.SHIPPED} <= {w for w, _ in SHAPES}


def test_no_equal_size_is_an_error():
    with pytest.raises(ValueError, match="dense_autoencoder of the same size, within 5 %"):
        parameter_matching.equal_widths("dense_autoencoder", 500, 8, units=4, latent=2)
    with pytest.raises(ValueError, match="must be one of lstm_forecaster"):
        parameter_matching.equal_widths("transformer", 30, 1, units=4, latent=2)


def test_combined_loss_weighs_the_window_and_its_neighbours_alike():
    rng = np.random.default_rng(0)
    targets, outputs = rng.normal(size=(2, 5, 7, 2)).astype("float32")
    for error, distance in (("mae", np.abs), ("mse", np.square)):
        difference = distance(targets - outputs)
        expected = (difference[:, 1:-1].mean() + difference[:, [0, -1]].mean()) / 2
        loss = float(models.CombinedLoss(error)(targets, outputs))
        assert loss == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="must have the shape of the model's output"):
        models.CombinedLoss()(targets[:, 1:-1], outputs)


@pytest.mark.parametrize("kind", ["gru_autoencoder", "combined_autoencoder"])
def test_new_networks_have_a_bottleneck_and_refuse_bad_sizes(kind):
    build = models.BUILDERS[kind]
    assert models.build_encoder(build(6, 2, units=5, latent=3)).output_shape == (None, 3)
    assert build(6, units=5).get_layer("latent").output.shape == (None, 5)
    with pytest.raises(ValueError, match="`units` must be a positive integer"):
        build(6, units=0)


@pytest.mark.parametrize("kind", ["lstm_forecaster", "lstm_autoencoder"])
def test_a_network_scores_as_the_detector_of_the_course_does(kind):
    widths = parameter_matching.equal_widths(
        kind, WINDOW, 2, units=SMALL.units, latent=SMALL.latent
    )
    detector = Detector(
        kind,
        WINDOW,
        network={**widths, "learning_rate": SMALL.learning_rate},
        epochs=SMALL.epochs,
        batch_size=SMALL.batch_size,
        patience=SMALL.patience,
        seed=3,
    ).fit(*PARTS[:2])
    of_validation, of_series, facts = run(kind, seed=3)
    for scores, part in ((of_validation, PARTS[1]), (of_series, PARTS[2])):
        expected = detector.decision_function(part)
        np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-6)
    assert facts["parameters"] == detector.model_.count_params()
    assert facts["epochs_run"] == len(detector.history_)


class Zeros:
    """A network that always answers zero: its error is what it is asked about."""

    def __init__(self, steps):
        self.steps = steps

    def predict(self, inputs, **options):
        return np.zeros((len(inputs), self.steps, inputs.shape[2]))


QUESTIONS = [
    ("lstm_forecaster", 1, [4]),
    ("lstm_autoencoder", 4, [3]),
    ("combined_autoencoder", 6, [3, 4]),
]


@pytest.mark.parametrize(("kind", "steps", "first"), QUESTIONS)
def test_errors_belong_to_their_rows(kind, steps, first):
    rows = wave(20, ("a", "b"))
    errors = networks._errors(Zeros(steps), kind, rows, 4, Budget())
    assert len(errors) == len(first)
    for error, row in zip(errors, first, strict=True):
        expected = rows.abs().mean(axis=1).to_numpy()
        assert np.isnan(error[:row]).all()
        np.testing.assert_allclose(error[row:], expected[row:])


@pytest.mark.parametrize(("kind", "steps", "first"), QUESTIONS[1:])
def test_the_mean_over_a_window_is_given_to_its_last_row(kind, steps, first):
    rows, budget = wave(20), Budget(aggregate="window")
    error = networks._errors(Zeros(steps), kind, rows, 4, budget)[0]
    np.testing.assert_allclose(error, rows["a"].abs().rolling(4).mean())


def test_normalised_windows_are_scored_in_their_own_spread():
    rows, budget = 5 + wave(20), Budget(normalise="window")
    errors = networks._errors(Zeros(1), "lstm_forecaster", rows, 4, budget)[0]
    window = rows["a"].rolling(4)
    spread = window.std(ddof=0).clip(lower=networks.SPREAD)
    expected = (rows["a"] - window.mean().shift(1)).abs() / spread.shift(1)
    np.testing.assert_allclose(errors, expected)


def test_combined_score_is_the_mean_of_errors_in_units_of_their_validation():
    ones, twos = np.array([np.nan, 1.0, 1.0]), np.array([np.nan, np.nan, 8.0])
    usual = [np.array([2.0, 2.0]), np.array([np.nan, 4.0])]
    score = networks._combined([ones, twos], usual)
    np.testing.assert_allclose(score, [np.nan, np.nan, (0.5 + 2) / 2])


@pytest.mark.parametrize("kind", list(KINDS))
def test_scores_use_nothing_later_and_learn_nothing_from_the_series(kind, usual):
    of_validation, of_series, facts = usual[kind]
    changed = PARTS[2].copy()
    changed.iloc[60:] += 100.0
    again_validation, again_series, _ = run(kind, (*PARTS[:2], changed))
    pd.testing.assert_series_equal(again_validation, of_validation)
    pd.testing.assert_series_equal(again_series[:60], of_series[:60])
    assert of_series.index.equals(PARTS[2].index)
    assert of_series[2 * WINDOW + 4 :].notna().all()
    assert {"parameters", "fit_seconds", "score_seconds"} <= set(facts)
    assert facts["fit_seconds"] >= 0 <= facts["score_seconds"]
    if kind not in ("random", "always_normal"):
        assert not again_series[60:].equals(of_series[60:])


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_seed_decides_what_is_random_and_nothing_else(kind, usual):
    parts = PARTS
    if kind == "one_class_svm":  # it draws lots only among many windows
        parts = wave(2200, ("a", "b"), seed=1), *PARTS[1:]
        usual = {kind: run(kind, parts)}
    same, other = run(kind, parts, seed=0)[1], run(kind, parts, seed=1)[1]
    pd.testing.assert_series_equal(same, usual[kind][1])
    assert other.equals(same) != KINDS[kind].seeded


def test_simple_rules_are_those_of_the_course():
    frame = wave(300)
    parts = frame[:200], frame[200:250], frame[250:]
    mean, std = parts[0]["a"].mean(), parts[0]["a"].std(ddof=0)
    scaled = (parts[2]["a"] - mean) / std
    expected = {
        "last_value": baselines.last_value(scaled),
        "seasonal_naive": baselines.seasonal_naive(scaled, 12),
        "moving_z": baselines.moving_z(scaled, WINDOW),
        "ewma_volatility": baselines.ewma_z(scaled),
    }
    for name, scores in expected.items():
        found = run(name, parts, period=12)[1]
        np.testing.assert_allclose(found, scores, err_msg=name)


def test_moving_z_does_not_blow_up_where_nothing_moves():
    parts = PARTS[0], PARTS[1], PARTS[2].copy()
    parts[2].iloc[:50] = 0.5
    assert np.isfinite(run("moving_z", parts)[1][WINDOW:]).all()


def test_ridge_solves_the_normal_equations():
    frame = wave(300)
    train, series = frame[:200], frame[200:]
    scaled = [(part["a"] - train["a"].mean()) / train["a"].std(ddof=0) for part in (train, series)]
    lags, values = zip(
        *(
            (np.lib.stride_tricks.sliding_window_view(x, WINDOW)[:-1], x.to_numpy()[WINDOW:])
            for x in scaled
        ),
        strict=True,
    )
    centre, mean = lags[0].mean(axis=0), values[0].mean()
    x = lags[0] - centre
    weights = np.linalg.solve(x.T @ x + np.eye(WINDOW), x.T @ (values[0] - mean))
    expected = np.abs((lags[1] - centre) @ weights + mean - values[1])
    np.testing.assert_allclose(run("ridge", (train, train, series))[1][WINDOW:], expected)


def test_gaps_in_training_are_left_out_for_every_detector():
    train = PARTS[0].copy()
    train.iloc[100:103] = np.nan
    for name in ("lstm_autoencoder", "combined_autoencoder", "ridge", "pca", "last_value"):
        assert np.isfinite(run(name, (train, *PARTS[1:]))[1][2 * WINDOW :]).all(), name


def test_training_windows_are_whole_and_evenly_spread():
    rows = wave(100)
    rows.iloc[50] = np.nan
    inputs, targets = networks._pairs("lstm_forecaster", rows, 4, Budget(), 1000)
    assert len(inputs) == 96 - 5  # a row is missing in four windows and one target
    assert np.isfinite(inputs).all()
    assert np.isfinite(targets).all()
    few, _ = networks._pairs("lstm_forecaster", rows, 4, Budget(), 10)
    assert len(few) == 10
    np.testing.assert_array_equal(few[[0, -1]], inputs[[0, -1]])


def test_activation_reaches_every_recurrent_network():
    for name in networks.RECURRENT:
        model = networks._build(name, 8, 1, replace(SMALL, activation="relu"), seed=0)
        cells = [layer for layer in model.layers if hasattr(layer, "recurrent_activation")]
        assert {(c.activation.__name__, c.recurrent_activation.__name__) for c in cells} == {
            ("relu", "sigmoid")
        }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "lstm_autoencodr"}, "Did you mean 'lstm_autoencoder'"),
        ({"window": 1}, "`window` must be an integer of at least 2"),
        ({"seed": -1}, "`seed` must be an integer of at least 0"),
        ({"series": PARTS[2].where(PARTS[2] > -0.5)}, "`series` must be complete"),
        ({"train": PARTS[0] * 0}, "`train` must vary in every column"),
    ],
)
def test_bad_input_is_one_error(change, said):
    names = ("train", "validation", "series")
    given = {"name": "last_value", **dict(zip(names, PARTS, strict=True)), "window": WINDOW}
    with pytest.raises(ValueError, match=said):
        detectors.scores(**{**given, **change})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"epochs": 0}, "`epochs` must be a positive integer"),
        ({"epochs": 2.5}, "`epochs` must be a positive integer"),
        ({"learning_rate": 0}, "`learning_rate` must be a number between 0 and 1"),
        ({"learning_rate": True}, "`learning_rate` must be a number between 0 and 1"),
        ({"normalise": "windw"}, "Did you mean 'window'"),
        ({"loss": "huber"}, "`loss` must be one of mae, mse"),
    ],
)
def test_bad_budget_is_one_error(change, said):
    with pytest.raises(ValueError, match=said):
        Budget(**change)
