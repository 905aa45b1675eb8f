"""What every kind of detector keeps to, and a kind that is added in one line."""

import itertools
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from places import ROOT

from lib import baselines
from lib.detectors import KINDS, Detector, kinds
from lib.errors import DetectorError

WINDOW, TRAIN = 12, 250
RNG = np.random.default_rng(0)
TIMES = pd.date_range("2024-01-01", periods=360, freq="h")
STEPS = np.arange(len(TIMES))
WAVES = pd.DataFrame({"a": np.sin(STEPS / 4), "b": np.cos(STEPS / 5)}, TIMES) + 0.1 * RNG.normal(
    size=(len(TIMES), 2)
)
HOLES = WAVES.mask(RNG.random(WAVES.shape) < 0.02)
HOLES.iloc[300:325, 1] = np.nan
SMALL = {
    "lstm_forecaster": {"units": (3, 4)},
    "gru_forecaster": {"units": (3, 4)},
    "dense_forecaster": {"units": (4,)},
    "conv_forecaster": {"filters": (3, 2), "latent": 2},
    "conv_autoencoder": {"filters": (3, 2), "latent": 2},
    "dense_autoencoder": {"units": (4,)},
    "pca": {"n_components": 3},
    "isolation_forest": {"trees": 20},
}
WAYS = {
    "last": {"aggregation": "last", "score": "mae", "smooth": 3},
    "window": {"aggregation": "window", "score": "mse", "normalisation": "window"},
    "overlap": {"aggregation": "overlap", "score": "mae", "normalisation": "window", "smooth": 2},
    "distance": {"aggregation": "overlap", "score": "distance"},
}


def detector(kind, way="last", **options):
    settings = {"options": SMALL.get(kind, {}), "epochs": 1, "horizon": 2, "max_missing": 0.5}
    if KINDS[kind].family == "network" and "lstm" in kind and "forecaster" not in kind:
        settings["options"] = {"units": 4}
    return Detector(kind, WINDOW, **{**settings, **WAYS[way], **options})


FITTED = {}


@pytest.fixture(autouse=True)
def trained_in_numpy(monkeypatch):
    """Keras would compile each network anew."""
    monkeypatch.setenv("LIB_TRAINER", "numpy")


@pytest.fixture(params=[(kind, way) for kind in KINDS for way in WAYS], ids=lambda it: "-".join(it))
def fitted(request):
    """Each kind in each way."""
    return fitted_once(*request.param)


@pytest.fixture(params=KINDS)
def plain(request):
    """Each kind once, for what no way changes."""
    return fitted_once(request.param, "last")


def fitted_once(kind, way):
    if way == "distance" and KINDS[kind].one_score:
        with pytest.raises(ValueError, match=r"`score` must be 'mae' or 'mse' with an? "):
            detector(kind, way)
        pytest.skip("a kind that scores windows as a whole has no errors to measure")
    if (kind, way) not in FITTED:
        FITTED[kind, way] = detector(kind, way).fit(HOLES[:TRAIN])
    FITTED[kind, way].reset()
    return FITTED[kind, way]


def test_scores_and_flags_have_the_index_of_the_rows(fitted):
    scores, flags = fitted.decision_function(WAVES), fitted.predict(WAVES)
    for found in (scores, flags):
        pd.testing.assert_index_equal(found.index, WAVES.index)
    assert scores.dtype == "float64"
    assert set(flags) <= {0, 1}
    assert scores.notna().mean() > 0.9
    assert scores.attrs["uncovered"] == scores.isna().sum()
    assert ((scores > fitted.threshold_) == flags.astype(bool)).all()


def test_what_comes_later_changes_no_score_that_is_known(fitted):
    """A score rests on rows up to its own, or up to `delay` rows later where blocks overlap."""
    delay = fitted._pipeline.scorer.delay
    spoiled = HOLES.copy()
    spoiled.iloc[200:] += 50.0
    known = slice(0, 200 - delay)
    first, second = (fitted.decision_function(rows).iloc[known] for rows in (HOLES, spoiled))
    np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-5)


SIZES = {"some": [50, 1, 29, 40], "one by one": [1] * 75}


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_a_stream_has_the_scores_of_the_whole(fitted, sizes):
    rows = HOLES.iloc[-sum(sizes) :]  # with the sensor that is silent for longer than a window
    cut = [rows.iloc[a:b] for a, b in itertools.pairwise(np.cumsum([0, *sizes]))]
    stream = pd.concat([fitted.update(piece) for piece in cut])
    whole = fitted.decision_function(rows)
    assert len(stream) == len(rows) - fitted._pipeline.scorer.delay
    np.testing.assert_allclose(stream, whole.reindex(stream.index), rtol=1e-3, atol=1e-4)


def test_a_window_with_too_much_missing_has_no_score(fitted):
    scores = fitted.decision_function(HOLES)
    assert np.isfinite(scores.dropna()).all()
    all_gone = HOLES.copy()
    all_gone.iloc[100:140] = np.nan
    assert fitted.decision_function(all_gone).iloc[115:125].isna().all()


def test_shares_of_the_sensors_sum_to_one(fitted):
    shares = fitted.contributions(WAVES)
    assert list(shares.columns) == ["a", "b"]
    total = shares.sum(axis=1)[shares.notna().all(axis=1)]
    np.testing.assert_allclose(total, 1.0)
    if KINDS[fitted.recipe["kind"]].family != "control":
        assert len(total) > 0.5 * len(WAVES)


@pytest.mark.parametrize("way", ["last", "distance"])  # of the ways, distance alone has arrays
@pytest.mark.parametrize("kind", KINDS)
def test_a_stored_one_scores_alike_and_runs_no_code(kind, way, tmp_path):
    fitted = fitted_once(kind, way)
    fitted.save(tmp_path / "one")
    loaded = Detector.load(tmp_path / "one")
    assert loaded.recipe == fitted.recipe
    assert loaded.threshold_ == fitted.threshold_
    expected = fitted.decision_function(HOLES)
    np.testing.assert_allclose(loaded.decision_function(HOLES), expected, rtol=1e-5, atol=1e-6)
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert names <= {"detector.json", "model.keras", "state.npz"}


def test_a_damaged_state_is_one_error(plain, tmp_path):
    plain.save(tmp_path / "one")
    state = tmp_path / "one" / "state.npz"
    if not state.exists():
        pytest.skip("a kind without arrays")
    state.write_bytes(state.read_bytes()[:-7])
    with pytest.raises(DetectorError, match=r"damaged state\.npz"):
        Detector.load(tmp_path / "one")


def test_other_scores_without_training(plain):
    """`rescored` gives what a detector with the other settings would have learned."""
    changes = {"aggregation": "overlap", "smooth": 1, "threshold": "maximum"}
    other = plain.rescored(HOLES[:TRAIN], **changes)
    fresh = Detector(**{**plain.recipe, **changes, "threshold_options": None})
    fresh = fresh.fit(HOLES[:TRAIN])
    assert other.threshold_ == pytest.approx(fresh.threshold_, rel=1e-4)
    pairs = other.decision_function(HOLES), fresh.decision_function(HOLES)
    np.testing.assert_allclose(*pairs, rtol=1e-3, atol=1e-5)


def test_a_recipe_makes_an_equal_one(plain):
    other = Detector(**plain.recipe)
    assert other.recipe == plain.recipe
    pairs = [one.decision_function(WAVES) for one in (plain, other.fit(HOLES[:TRAIN]))]
    pd.testing.assert_series_equal(*pairs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"options": {"untis": 3}}, "`options` must be one of"),
        ({"options": {"window": 3}}, "`options` must be one of"),
        ({"aggregation": "mean"}, "`aggregation` must be one of last, window, overlap"),
        ({"score": "rmse"}, "`score` must be one of mae, mse, distance"),
        ({"normalisation": "row"}, "`normalisation` must be one of train, window"),
        ({"score": "distance"}, "`aggregation` must be 'window' or 'overlap'"),
        ({"steps": 0}, "`steps` must be"),
    ],
)
def test_a_setting_of_no_use_is_one_error(kind, change, message):
    with pytest.raises(ValueError, match=message):
        detector(kind, **{"score": "mae", **change})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (WAVES[: WINDOW - 1], "`train` must have at least"),
        (WAVES.assign(a=1.0)[:TRAIN], "constant column"),
        (WAVES[:TRAIN][::-1], "`train` must have an index that increases"),
        (WAVES.assign(a=np.inf)[:TRAIN], "`train` must not hold infinities"),
        (WAVES.to_numpy(), "`train` must be a pandas DataFrame"),
    ],
)
def test_rows_of_no_use_are_one_error(kind, rows, message):
    with pytest.raises(ValueError, match=message):
        detector(kind).fit(rows)


def test_rows_for_a_single_block_have_its_score():
    """Blocks that overlap are some rows apart; here a second one has no room."""
    one = detector("pca", "overlap").fit(HOLES[:TRAIN])
    one = Detector(**{**one.recipe, "window": 40}).fit(WAVES[:TRAIN])
    assert one._pipeline.scorer.stride == 2
    scores = one.decision_function(WAVES[200:241])
    assert scores.notna().sum() == 40
    assert scores.iloc[:40].min() == scores.iloc[:40].max()


class Flat(baselines.Mean):
    """A toy: how far the mean of a window is from 0."""

    def scores(self, inputs):
        return np.abs(inputs.mean(axis=(1, 2)))


def test_a_kind_is_added_in_one_line(monkeypatch, tmp_path):
    toy = kinds.Kind("toy", "rule", "window", Flat, one_score=True)
    monkeypatch.setitem(KINDS, "toy", toy)
    one = Detector("toy", WINDOW, threshold="maximum").fit(HOLES[:TRAIN])
    spoiled = WAVES.copy()
    spoiled.iloc[300:320] += 9.0
    assert one.predict(spoiled).iloc[310] == 1
    assert one.contributions(spoiled).notna().any().all()
    one.save(tmp_path / "toy")
    loaded = Detector.load(tmp_path / "toy")
    pd.testing.assert_series_equal(loaded.predict(spoiled), one.predict(spoiled))
    stream = pd.concat([one.update(spoiled.iloc[at : at + 1]) for at in range(len(spoiled))])
    np.testing.assert_allclose(stream, one.decision_function(spoiled), atol=1e-9)


# Separate recordings

RUNS = [HOLES[:120], HOLES[100:230], HOLES[30:45]]
GROUPS = pd.concat(dict(zip("abc", RUNS, strict=True)), names=["run", "time"])


@pytest.fixture(params=KINDS)
def of_runs(request):
    if request.param not in FITTED:
        FITTED[request.param] = detector(request.param).fit(RUNS)
    return FITTED[request.param]


def test_no_window_crosses_the_join_of_two_recordings(of_runs):
    """One of 15 rows is too short for a window of its own in what is trained on."""
    span = of_runs._pipeline.span
    lengths = [len(run) - len(run) // 5 for run in RUNS]
    assert of_runs.n_windows_ <= sum(max(length - span + 1, 0) for length in lengths)
    assert of_runs.n_windows_ > sum(max(length - span + 1, 0) for length in lengths) - 20
    held_out = pd.concat([run.iloc[length:] for run, length in zip(RUNS, lengths, strict=True)])
    np.testing.assert_array_equal(of_runs.validation_scores_.index, held_out.index)


def test_recordings_are_scored_as_each_is_alone(of_runs):
    for method in ("decision_function", "contributions"):
        ask = getattr(of_runs, method)
        alone, together, groups = [ask(run) for run in RUNS], ask(RUNS), ask(GROUPS)
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.index.equals(other.index)
        assert groups.index.equals(GROUPS.index)
        np.testing.assert_array_equal(groups, np.concatenate(alone))
    assert ask(RUNS)[0].shape == (120, 2)
    flags = of_runs.predict(RUNS[:2])
    np.testing.assert_array_equal(of_runs.predict(GROUPS.loc[["a", "b"]]), np.concatenate(flags))


def test_groups_are_learned_as_a_list_is(of_runs):
    other = Detector(**of_runs.recipe).fit(GROUPS)
    assert other.threshold_ == of_runs.threshold_
    mixed = GROUPS.sort_index(level="time", kind="stable")
    scores = other.decision_function(mixed)
    pd.testing.assert_index_equal(scores.index, mixed.index)
    assert scores.attrs["uncovered"] == scores.isna().sum()
    np.testing.assert_array_equal(scores.loc[["b"]], of_runs.decision_function(RUNS[1]))


def test_a_stream_is_one_recording():
    one = detector("pca").fit(RUNS)
    for rows in (RUNS, GROUPS):
        with pytest.raises(ValueError, match=r"`rows` must be (a pandas|of one recording)"):
            one.update(rows)


def test_later_rows_of_each_recording_validate():
    one = Detector("pca", WINDOW, threshold="maximum")
    parts = [run.iloc[:90] for run in RUNS[:2]], [run.iloc[90:] for run in RUNS[:2]]
    listed = one.fit(*parts).threshold_
    groups = [pd.concat(dict(zip("ab", part, strict=True))) for part in parts]
    assert one.fit(*groups).threshold_ == listed
    assert one.validation_scores_.max() == listed


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "`train` must hold a recording"),
        ([HOLES, HOLES.to_numpy()], r"`train\[1\]` must be a pandas DataFrame"),
        ([HOLES, HOLES[["a"]]], r"`train\[1\]` must have the columns \['a', 'b'\]"),
        ([HOLES, [HOLES]], r"`train\[1\]` must be a pandas DataFrame"),
        (GROUPS[::-1], r"`train\['c'\]` must have an index that increases"),
        (GROUPS.rename({"b": np.nan}), "`train` must name the group of each row"),
    ],
)
def test_recordings_of_no_use(rows, message):
    with pytest.raises(ValueError, match=message):
        Detector("pca", WINDOW).fit(rows)


@pytest.mark.parametrize(
    ("train", "validation"),
    [
        (HOLES[:200], HOLES[:200]),
        (HOLES[:200], HOLES[100:]),
        (HOLES[200:], HOLES[:200]),
        (HOLES[:200], HOLES[200:].reset_index(drop=True)),
        (RUNS, RUNS),
        (GROUPS, GROUPS),
    ],
)
def test_validation_that_is_not_later_than_train(train, validation):
    with pytest.raises(ValueError, match=r"`validation` must be (later than|others)"):
        Detector("pca", WINDOW).fit(train, validation)


def test_a_score_rests_on_as_many_rows_as_the_detector_says(fitted):
    """Those before have no say; in a stream they need not be kept."""
    depth, delay = fitted.depth_, fitted._pipeline.scorer.delay
    if fitted._pipeline.scorer.stride > 1:
        pytest.skip("blocks some rows apart start where the rows start")
    last = fitted.decision_function(HOLES[: 250 + delay])
    alone = fitted.decision_function(HOLES[250 + delay - depth : 250 + delay])
    np.testing.assert_allclose(alone.iloc[-1 - delay], last.iloc[-1 - delay], rtol=1e-4, atol=1e-5)
    assert (
        fitted.decision_function(HOLES[250 : 250 + depth - fitted.recipe["smooth"] - delay])
        .isna()
        .all()
    )


KERASLESS = """
import sys
import numpy as np, pandas as pd
from lib.detectors import KINDS, Detector
rows = pd.DataFrame({"a": np.sin(np.arange(300) / 4), "b": np.cos(np.arange(300) / 5)})
for kind in [name for name in KINDS if KINDS[name].family != "network"]:
    one = Detector(kind, 8, normalisation="window").fit(rows)
    one.save(sys.argv[1])
    other = Detector.load(sys.argv[1])
    other.update(rows[:20])
    assert other.predict(rows).equals(one.predict(rows))
    other.contributions(rows)
found = {"keras", "tensorflow", "jax", "torch"} & set(sys.modules)
assert not found, found
"""


def test_kinds_without_a_network_need_no_keras(tmp_path):
    subprocess.run([sys.executable, "-c", KERASLESS, str(tmp_path / "one")], check=True, cwd=ROOT)
