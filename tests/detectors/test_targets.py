"""Columns that are inputs only: they help to predict, and only the others raise an alarm."""

import datetime
import itertools

import numpy as np
import pandas as pd
import pytest

from lib.detectors import KINDS, Detector
from lib.stream.detection import Stream

TIMES = pd.date_range("2024-01-01", periods=360, freq="h", name="time")
NOISE = np.random.default_rng(0)
WIND = np.sin(np.arange(360) / 9) + 0.3 * NOISE.normal(size=360)
ROWS = pd.DataFrame({"wind": WIND, "power": 0.9 * WIND + 0.05 * NOISE.normal(size=360)}, TIMES)
ROWS["heat"] = ROWS["power"].rolling(3, min_periods=1).mean() + 0.05 * NOISE.normal(size=360)
HOLES = ROWS.mask(NOISE.random(ROWS.shape) < 0.02)
TARGETS = ["heat", "power"]
OF_ROWS = [kind for kind in KINDS if not KINDS[kind].one_score]
WAYS = {
    "last": {"aggregation": "last", "smooth": 2, "balance": True},
    "distance": {"aggregation": "overlap", "score": "distance", "normalisation": "window"},
}


def detector(kind, **options):
    settings = {"epochs": 1, "threshold": "maximum", "max_missing": 0.5, "targets": TARGETS}
    return Detector(kind, 8, **{**settings, **options})


@pytest.fixture(autouse=True)
def trained_in_numpy(monkeypatch):
    """Keras would compile each network anew."""
    monkeypatch.setenv("LIB_TRAINER", "numpy")


@pytest.mark.parametrize(
    ("kind", "way"),
    [(kind, WAYS["last"]) for kind in OF_ROWS]
    + [(kind, WAYS["distance"]) for kind in ("lstm_combined", "dense_forecaster", "pca", "ewma")],
)
def test_only_targets_are_scored_blamed_and_expected(kind, way, tmp_path):
    one = detector(kind, **way).fit(HOLES[:250])
    scores, shares, expected = (
        getattr(one, method)(ROWS) for method in ("decision_function", "contributions", "expected")
    )
    assert list(shares) == list(expected) == TARGETS
    assert scores.notna().sum() > 330
    np.testing.assert_allclose(shares.dropna().sum(axis=1), 1.0)
    one.save(tmp_path / "one")
    loaded = Detector.load(tmp_path / "one")
    assert loaded.recipe == one.recipe
    np.testing.assert_allclose(loaded.decision_function(ROWS), scores, rtol=1e-5, atol=1e-6)
    cuts = [0, 100, 101, 102, 110, 360]
    live = pd.concat([loaded.update(ROWS.iloc[a:b]) for a, b in itertools.pairwise(cuts)])
    np.testing.assert_allclose(live, scores.reindex(live.index), rtol=1e-3, atol=1e-4)
    assert list(loaded.stream_contributions().index) == TARGETS


@pytest.mark.parametrize("kind", [kind for kind in OF_ROWS if KINDS[kind].family != "network"])
def test_the_error_of_a_target_is_what_it_is_among_all(kind):
    """Kinds without batches learn from all columns, and are scored by some."""
    some, every = detector(kind).fit(ROWS[:250]), detector(kind, targets=None).fit(ROWS[:250])
    errors = every.contributions(ROWS).mul(3 * every.decision_function(ROWS), axis=0)
    np.testing.assert_allclose(some.decision_function(ROWS), errors[TARGETS].mean(axis=1))


def test_a_network_does_not_learn_to_give_inputs():
    one = detector("dense_forecaster", epochs=3, options={"units": (4,)}).fit(ROWS[:250])
    kernel, _ = one.model_.get_weights()[-2:]
    other = Detector(**{**one.recipe, "epochs": 1}).fit(ROWS[:250]).model_.get_weights()[-2:]
    changed = np.abs(kernel - other[0]).max(axis=0)
    assert changed[0] == 0  # the wind comes first
    assert changed[1:].min() > 0


def test_an_input_raises_no_alarm_and_a_target_does():
    one = detector("z_score").fit(ROWS[:250])
    gust, fault = ROWS.copy(), ROWS.copy()
    gust.iloc[300, 0] = fault.iloc[310, 1] = 50.0
    pd.testing.assert_series_equal(one.predict(gust), one.predict(ROWS))
    assert one.predict(fault).iloc[310] == 1


def test_a_stream_blames_targets_and_says_what_was_expected():
    one, fault = detector("last_value").fit(ROWS[:250]), ROWS.copy()
    fault.iloc[310, 1] = 50.0
    stream = Stream(one, expected=True)
    for time, row in zip(fault.index.to_pydatetime(), fault.to_numpy().tolist(), strict=True):
        stream.take(time, row)
    records = {record["time"]: record for record in stream.score()}
    flagged = records[str(TIMES[310])]
    assert flagged["flag"] == 1
    assert next(iter(flagged["sensors"])) == "power"
    assert set(flagged["expected"]) == set(TARGETS)
    stream.take(TIMES[-1].to_pydatetime() + datetime.timedelta(hours=1), [0.0, 0.0, 0.0])
    assert stream.shares["wind"] == 0


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([], "`targets` must be a list of columns that differ"),
        ("power", "`targets` must be a list of columns"),
        (["power", "power"], "`targets` must be a list of columns that differ"),
        (["pwer"], "`targets` must be one of wind, power, heat.*Did you mean 'power'"),
        ([3], "`targets` must be one of wind, power, heat"),
    ],
)
def test_targets_of_no_use(targets, message):
    with pytest.raises(ValueError, match=message):
        detector("pca", targets=targets).fit(ROWS)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(OF_ROWS)))
def test_a_score_of_a_whole_window_has_no_targets(kind):
    with pytest.raises(ValueError, match=r"`targets` must be None for an? .*as a whole"):
        detector(kind)
