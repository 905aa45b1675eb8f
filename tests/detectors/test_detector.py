"""One object that learns, scores, flags and streams: checked against the parts it is made of."""

import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from lib import baselines, models, scoring, thresholds, training, windowing
from lib.detectors.detector import Detector
from lib.numpy_lstm import forward

KINDS = ["lstm_forecaster", "lstm_autoencoder", "dense_autoencoder", "conv_autoencoder"]
SMALL = {
    "lstm_forecaster": {"units": (4, 4)},
    "lstm_autoencoder": {"units": 4, "latent": 3},
    "dense_autoencoder": {"units": (8,)},
    "conv_autoencoder": {"filters": (4,), "kernel": 3, "latent": 3},
}
WINDOW, ROWS, TRAIN = 8, 260, 160


def waves(n_rows=ROWS, seed=0):
    """Two sensors of very different size, with a clock."""
    step, noise = np.arange(n_rows), np.random.default_rng(seed)
    values = {
        "level": np.sin(step / 4) + noise.normal(0, 0.1, n_rows),
        "power": 500 + 100 * np.cos(step / 4) + noise.normal(0, 10, n_rows),
    }
    return pd.DataFrame(values, pd.date_range("2024-01-01", periods=n_rows, freq="h", name="time"))


def holes(frame):
    """The same with missing values: single ones, a sensor that is away, and a gap in both."""
    frame = frame.copy()
    frame.iloc[20, 0] = frame.iloc[33, 1] = frame.iloc[170, 1] = np.nan
    frame.iloc[60:66, 1] = frame.iloc[180:200, 0] = frame.iloc[220:232] = np.nan
    return frame


def detector(kind, **options):
    return Detector(kind, WINDOW, **{"options": SMALL[kind], "epochs": 1, **options})


@pytest.fixture(scope="module", params=KINDS)
def fitted(request):
    """A detector of each kind, fitted on two sensors with missing values."""
    settings = {"horizon": 2, "smooth": 3, "balance": True}
    return detector(request.param, **settings).fit(holes(waves()).iloc[:TRAIN])


@pytest.fixture(scope="module")
def dense():
    """Quick to apply: no test of this module changes it, but for its stream."""
    return detector("dense_autoencoder", epochs=3).fit(waves().iloc[:TRAIN])


# PyOD's conventions


def test_scores_flags_and_shares_keep_the_index(fitted):
    series = waves(seed=1)
    scores, flags = fitted.decision_function(series), fitted.predict(series)
    shares = fitted.contributions(series)
    for result in (scores, flags, shares):
        pd.testing.assert_index_equal(result.index, series.index)
    assert (scores.dtype, scores.name) == (np.float64, "score")
    assert flags.dtype == int
    assert set(flags) <= {0, 1}
    assert list(shares.columns) == ["level", "power"]


def test_a_flag_is_a_score_above_the_threshold(dense):
    scores = dense.decision_function(waves(seed=2))
    flags = dense.predict(waves(seed=2))
    assert flags.tolist() == [int(score > dense.threshold_) for score in scores]
    assert 0 < flags.sum() < len(flags)


def test_a_strange_row_is_flagged_the_moment_it_arrives(dense):
    strange = waves().iloc[:TRAIN]
    strange.iloc[100, 1] += 1000
    assert dense.predict(strange).iloc[100] == 1
    before = dense.decision_function(waves().iloc[:TRAIN])
    np.testing.assert_array_equal(dense.decision_function(strange).iloc[:100], before.iloc[:100])


def test_a_row_far_beyond_float32_still_has_a_score(fitted):
    wild = waves()
    wild.iloc[100, 0] = 1e99
    wild.iloc[110, 1] = -1e38
    scores = fitted.decision_function(wild)
    assert scores.iloc[90:].notna().all()
    assert scores.iloc[100] > 1e90
    assert scores.iloc[110] > 1e30


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_as_the_parts_put_together_by_hand(kind):
    train, later, horizon = waves().iloc[:128], waves().iloc[128:160], 2
    automatic = detector(kind, horizon=horizon, epochs=2, seed=5).fit(waves().iloc[:160])

    scaler = windowing.fit_scaler(train)
    horizon = horizon if kind == "lstm_forecaster" else 0
    build = getattr(models, f"build_{kind}")
    options = {**SMALL[kind], **({"horizon": horizon} if horizon else {})}
    model = build(WINDOW, 2, seed=5, **options)
    pairs = [
        windowing.window_pairs(scaler.transform(part).to_numpy(), WINDOW, horizon=horizon)
        for part in (train, later)
    ]
    training.fit(model, *pairs[0], validation=pairs[1], epochs=2, seed=5)
    by_hand = [
        scoring.score(model, scaler.transform(part), WINDOW, horizon=horizon)
        for part in (later, waves())
    ]

    assert automatic.n_windows_ == len(pairs[0][0])
    assert automatic.threshold_ == pytest.approx(np.nanpercentile(by_hand[0], 99), rel=1e-5)
    np.testing.assert_allclose(automatic.decision_function(waves()), by_hand[1], rtol=1e-5)


def test_rows_held_out_are_as_good_as_rows_given():
    by_itself = detector("dense_autoencoder").fit(waves().iloc[:100])
    given = detector("dense_autoencoder").fit(waves().iloc[:80], waves().iloc[80:100])
    assert by_itself.threshold_ == given.threshold_
    assert by_itself.n_windows_ == given.n_windows_ == 80 - WINDOW + 1
    pd.testing.assert_frame_equal(by_itself.history_, given.history_)


def test_the_threshold_comes_from_rows_not_trained_on():
    loud = waves().iloc[:TRAIN]
    loud.iloc[128:] *= 3
    quiet = detector("dense_autoencoder").fit(waves().iloc[:TRAIN])
    assert detector("dense_autoencoder").fit(loud).threshold_ > 2 * quiet.threshold_


@pytest.mark.parametrize(
    ("rule", "options"),
    [("fixed", {"value": 0.65}), ("mean_plus_sigma", {"k": 2}), ("maximum", None), ("mad", None)],
)
def test_any_rule_sets_the_threshold(rule, options):
    one = detector("dense_autoencoder", threshold=rule, threshold_options=options)
    one.fit(waves().iloc[:100], waves().iloc[100:150])
    scores = one.decision_function(waves().iloc[100:150])
    assert one.threshold_ == getattr(thresholds, rule)(scores, **(options or {}))


def test_seed_and_stride_reach_the_training():
    first, same, other = (
        detector("dense_autoencoder", seed=seed, stride=4).fit(waves().iloc[:100])
        for seed in (0, 0, 1)
    )
    assert first.threshold_ == same.threshold_ != other.threshold_
    assert first.n_windows_ == (80 - WINDOW) // 4 + 1


def test_one_sensor_as_series_or_as_frame():
    level = waves()["level"]
    one = detector("dense_autoencoder").fit(level.iloc[:TRAIN])
    assert one.features_ == ["level"]
    scores = one.decision_function(level)
    pd.testing.assert_series_equal(scores, one.decision_function(level.to_frame()))
    pd.testing.assert_series_equal(scores, one.decision_function(level.rename(None)))
    with pytest.raises(ValueError, match=r"must have the columns \['level'\]"):
        one.decision_function(level.rename("power"))


def test_columns_are_taken_by_name(dense):
    turned = waves()[["power", "level"]]
    expected = dense.decision_function(waves())
    pd.testing.assert_series_equal(dense.decision_function(turned), expected)


def test_first_rows_have_no_score(fitted):
    context = WINDOW + 2 - 1 if fitted.recipe["kind"] == "lstm_forecaster" else WINDOW - 1
    scores = fitted.decision_function(waves())
    assert scores.isna().sum() == scores.attrs["uncovered"] == context
    assert scores.iloc[:context].isna().all()
    assert fitted.decision_function(waves().iloc[:context]).isna().all()
    assert fitted.decision_function(waves().iloc[:0]).empty


def test_long_series_are_scored_in_pieces(dense, monkeypatch):
    whole = dense.decision_function(holes(waves()))
    monkeypatch.setattr("lib.detectors.pipeline.NUMBERS", 17 * WINDOW * 2)
    pieces = dense.decision_function(holes(waves()))
    np.testing.assert_allclose(pieces, whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["dense_autoencoder", "dense_forecaster", "nearest_neighbour"])
def test_memory_grows_with_the_rows_and_not_with_their_windows(kind, monkeypatch):
    """Batches are cut as they are needed, in training and in scoring."""
    for name in ("NUMBERS", "LEARNED_AT_ONCE"):
        monkeypatch.setattr(f"lib.detectors.pipeline.{name}", 100_000)
    rows, window = 40_000, 200
    frame = pd.DataFrame({"x": np.sin(np.arange(rows) / 9)})
    frame.iloc[::1000] = np.nan
    own = {"options": {"units": (4,)}, "steps": 3} if "dense" in kind else {}
    one = Detector(kind, window, normalisation="window", **own)
    one.fit(frame[:2000]).decision_function(frame[:2000])  # what is set up once
    tracemalloc.start()
    one.fit(frame)
    one.decision_function(frame)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < rows * window * 4 / 2  # half of a single copy of the windows, in float32


def test_smoothing_is_a_mean_of_the_last_rows():
    plain = detector("dense_autoencoder").fit(waves().iloc[:TRAIN])
    smooth = detector("dense_autoencoder", smooth=5).fit(waves().iloc[:TRAIN])
    expected = plain.decision_function(waves()).rolling(5, min_periods=1).mean()
    expected.iloc[: WINDOW - 1] = np.nan
    np.testing.assert_allclose(smooth.decision_function(waves()), expected, rtol=1e-9)


# Shares


def test_shares_add_up_to_the_whole(fitted):
    shares = fitted.contributions(holes(waves()))
    scored = fitted.decision_function(holes(waves())).notna()
    np.testing.assert_allclose(shares[scored].sum(axis=1), 1, rtol=1e-12)
    assert (shares[scored] >= 0).all(axis=None)
    assert shares[~scored].isna().all(axis=None)


def test_the_faulty_sensor_has_the_greater_share(dense):
    for sensor, other in (("level", "power"), ("power", "level")):
        faulty = waves()
        faulty.loc[faulty.index[100], sensor] += 20 * faulty[sensor].std()
        shares = dense.contributions(faulty).iloc[100]
        assert shares[sensor] > 0.7 > shares[other]


def test_shares_are_errors_of_sensors(dense):
    errors = scoring.series_errors(dense.model_, scaled(dense, waves()), WINDOW)[:, -1]
    shares = dense.contributions(waves()).iloc[WINDOW - 1 :]
    expected = errors / errors.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, expected, rtol=1e-5, atol=1e-6)


def scaled(one, frame):
    return (frame - one.scaler_["mean"]) / one.scaler_["scale"]


def test_a_missing_sensor_has_no_share(dense):
    gone = waves()
    gone.iloc[100, 0] = np.nan
    assert dense.contributions(gone).iloc[100].tolist() == [0.0, 1.0]


def test_balance_makes_sensors_alike_on_the_validation_rows():
    noisy = waves()
    noisy["level"] = np.random.default_rng(3).normal(size=ROWS)  # not to be predicted
    parts = noisy.iloc[:TRAIN], noisy.iloc[TRAIN:]
    settings = {"epochs": 30, "options": {"latent": 2, "learning_rate": 0.01}}
    balanced = detector("dense_autoencoder", balance=True, **settings).fit(*parts)
    plain = detector("dense_autoencoder", **settings).fit(*parts)
    errors = scoring.series_errors(plain.model_, scaled(plain, parts[1]), WINDOW)[:, -1]
    np.testing.assert_allclose(balanced.scaler_["balance"], errors.mean(axis=0), rtol=1e-4)
    uneven, even = (one.contributions(parts[1]).mean()["level"] for one in (plain, balanced))
    assert uneven > even + 0.05
    assert balanced.decision_function(parts[1]).mean() == pytest.approx(1, rel=1e-4)


# Missing values


def test_too_much_missing_has_no_score(dense):
    one_gone, half_gone = waves(), waves()
    one_gone.iloc[100] = np.nan  # 1 of 8 rows in each window over it: 0.125
    half_gone.iloc[100:104] = np.nan  # up to 0.5
    single = dense.decision_function(one_gone)
    assert single.iloc[WINDOW - 1 :].isna().sum() == 1  # nothing of row 100 is there to score
    assert np.isnan(single.iloc[100])
    gap = dense.decision_function(half_gone)
    assert gap.iloc[101 : 101 + WINDOW + 1].isna().all()  # two or more of 8 rows missing
    assert gap.iloc[102 + WINDOW :].notna().all()
    assert dense.predict(half_gone).iloc[101 : 101 + WINDOW + 1].eq(0).all()


def test_a_score_averages_the_sensors_that_are_there(dense):
    gone = waves()
    gone.iloc[100, 0] = np.nan
    filled = waves()
    filled.iloc[100, 0] = filled.iloc[99, 0]  # what the network sees instead
    errors = scoring.series_errors(dense.model_, scaled(dense, filled), WINDOW)[:, -1]
    score = dense.decision_function(gone).iloc[100]
    assert score == pytest.approx(errors[100 - WINDOW + 1, 1], rel=1e-5)


def test_what_is_missing_is_not_trained_on():
    """A hole is the same to the training as windows that were never there."""
    hole = waves().iloc[:TRAIN]
    hole.iloc[60:72] = np.nan
    one = detector("dense_autoencoder", max_missing=0.0).fit(hole, waves().iloc[TRAIN:])
    assert one.n_windows_ == (60 - WINDOW + 1) + (TRAIN - 72 - WINDOW + 1)
    assert np.isfinite(one.history_).all(axis=None)
    some = detector("dense_autoencoder", max_missing=0.5).fit(hole, waves().iloc[TRAIN:])
    assert one.n_windows_ < some.n_windows_ < TRAIN - WINDOW + 1
    np.testing.assert_allclose(one.scaler_["mean"], hole.mean(), rtol=1e-12)
    np.testing.assert_allclose(one.scaler_["scale"], hole.std(ddof=0), rtol=1e-12)


def test_missing_values_hardly_hurt():
    """A tenth of the values lost: nearly the scores of the complete series."""
    lost = waves().mask(np.random.default_rng(4).random((ROWS, 2)) < 0.1)
    settings = {"epochs": 30, "max_missing": 0.5, "options": {"latent": 4}}
    whole, part = (
        detector("dense_autoencoder", **settings).fit(series.iloc[:TRAIN])
        for series in (waves(), lost)
    )
    scores = [one.decision_function(waves()).mean() for one in (whole, part)]
    assert scores[1] < 1.5 * scores[0]


# Streams


def cut(series, sizes):
    """Pieces of these sizes, over and over, until the series is used up."""
    start, number = 0, 0
    while start < len(series):
        yield series.iloc[start : start + sizes[number % len(sizes)]]
        start, number = start + sizes[number % len(sizes)], number + 1


@pytest.mark.parametrize("sizes", [[1, 50, 3], [2, 9, 0, 120]])
@pytest.mark.parametrize("series", [waves(), holes(waves())], ids=["whole", "holes"])
def test_a_stream_scores_as_the_batch_does(fitted, series, sizes):
    batch = fitted.decision_function(series)
    fitted.reset()
    stream = pd.concat([fitted.update(rows) for rows in cut(series, sizes)])
    pd.testing.assert_index_equal(stream.index, batch.index, exact="equiv")
    np.testing.assert_allclose(stream, batch, rtol=0, atol=1e-6)
    assert batch.notna().sum() > 100


def test_rows_that_are_not_later_are_refused(dense):
    dense.reset()
    series = waves()
    dense.update(series.iloc[:50])
    for rows in (series.iloc[49:50], series.iloc[10:12], series.iloc[49:60]):
        with pytest.raises(ValueError, match="`rows` must be later than the last one, 2024-01-03"):
            dense.update(rows)
    with pytest.raises(ValueError, match="`rows` must be later"):
        dense.update(series.iloc[50:51].reset_index(drop=True))
    rest = dense.update(series.iloc[50:])
    expected = dense.decision_function(series).iloc[50:]
    np.testing.assert_allclose(rest, expected, rtol=0, atol=1e-6)


def test_a_refused_row_leaves_no_trace(dense):
    dense.reset()
    series = waves()
    dense.update(series.iloc[:50])
    bad = series.iloc[50:51].copy()
    bad.iloc[0, 0] = np.inf
    for rows in (bad, series.iloc[50:51][["level"]], series.iloc[50:51].to_numpy()):
        with pytest.raises(ValueError, match="`rows` must"):
            dense.update(rows)
    expected = dense.decision_function(series).iloc[50:]
    np.testing.assert_allclose(dense.update(series.iloc[50:]), expected, rtol=0, atol=1e-6)


def test_reset_forgets(dense):
    dense.reset()
    first = dense.update(waves().iloc[:30])
    dense.reset()
    pd.testing.assert_series_equal(dense.update(waves().iloc[:30]), first)


def test_the_stream_remembers_no_more_than_it_needs(dense):
    dense.reset()
    dense.update(waves())
    assert len(dense._piece.values) == len(dense._piece.labels) == WINDOW
    assert dense._piece.parts is None
    assert len(dense._piece.rows) == 0


@pytest.mark.parametrize("series", [waves(), holes(waves())], ids=["whole", "holes"])
def test_a_stream_knows_who_is_to_blame(fitted, series):
    fitted.reset()
    assert fitted.stream_contributions().isna().all()
    batch = fitted.contributions(series)
    for place in range(len(series)):
        fitted.update(series.iloc[place : place + 1])
        if place % 7 == 0:
            shares = fitted.stream_contributions()
            np.testing.assert_allclose(shares, batch.iloc[place], rtol=0, atol=1e-5)
            assert list(shares.index) == fitted.features_


def test_streams_and_long_series_need_no_keras(fitted, monkeypatch):
    expected = fitted.decision_function(waves())

    def refuse(*args, **options):
        raise AssertionError("asked all the same")

    for name in ("predict", "predict_on_batch", "call"):
        monkeypatch.setattr(fitted.model_, name, refuse)
    fitted.reset()
    stream = pd.concat([fitted.update(rows) for rows in cut(waves(), [1, 40])])
    np.testing.assert_allclose(stream, expected, rtol=0, atol=1e-6)
    pd.testing.assert_series_equal(fitted.decision_function(waves()), expected)


def test_what_numpy_does_not_know_is_left_to_keras():
    """`gelu` is no activation of `forward`: slower, and otherwise the same."""
    one = detector("dense_autoencoder", options={"units": (8,), "activation": "gelu"})
    batch = one.fit(waves().iloc[:TRAIN]).decision_function(waves())
    stream = pd.concat([one.update(rows) for rows in cut(waves(), [1, 60])])
    np.testing.assert_allclose(stream, batch, rtol=0, atol=1e-6)
    assert one._piece.pipeline.method._fast is one.model_


def test_new_weights_count_from_the_next_reset():
    one = detector("dense_autoencoder").fit(waves().iloc[:TRAIN])
    old = one.decision_function(waves())
    one.update(waves().iloc[:20])
    one.model_.set_weights([2 * weight for weight in one.model_.get_weights()])
    new = one.decision_function(waves())
    assert abs(new - old).max() > 0.1
    rest = one.update(waves().iloc[20:])
    np.testing.assert_allclose(rest, old.iloc[20:], rtol=0, atol=1e-6)
    one.reset()
    np.testing.assert_allclose(one.update(waves()), new, rtol=0, atol=1e-6)


def test_a_network_is_prepared_anew_for_new_weights_alone(monkeypatch):
    one, calls, rows = detector("dense_autoencoder").fit(waves()), [], waves()
    prepare = forward.compiled
    monkeypatch.setattr(forward, "compiled", lambda model: calls.append(model) or prepare(model))
    first = one.contributions(rows)
    pd.testing.assert_frame_equal(one.contributions(rows), first)
    one.decision_function(rows)
    assert len(calls) <= 1
    weights = one.model_.get_weights()
    one.model_.set_weights([2 * weight for weight in weights])
    assert not one.contributions(rows).equals(first)
    one.model_.set_weights(weights)
    pd.testing.assert_frame_equal(one.contributions(rows), first)
    one.fit(waves(seed=1))
    assert one.model_ is calls[-1]


def test_a_stream_goes_on_in_a_copy(fitted):
    fitted.reset()
    fitted.update(waves().iloc[:50])
    copy = pickle.loads(pickle.dumps(fitted))
    for one in (fitted, copy):
        rest = one.update(waves().iloc[50:])
        np.testing.assert_allclose(rest, fitted.decision_function(waves()).iloc[50:], atol=1e-6)


# Errors


def test_nothing_works_before_fit(tmp_path):
    one = detector("dense_autoencoder")
    for call in (one.decision_function, one.predict, one.contributions, one.update):
        with pytest.raises(NotFittedError, match="not fitted: call `fit`"):
            call(waves())
    with pytest.raises(NotFittedError):
        one.save(tmp_path / "detector")
    assert "not fitted" in repr(one)


@pytest.fixture
def no_training(monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("trained all the same")

    monkeypatch.setattr(training, "fit", refuse)


def changed(row, column, value):
    frame = waves().iloc[:TRAIN].astype(object)
    frame.iloc[row, column] = value
    return frame if isinstance(value, str) else frame.astype(float)


BAD_TRAINING = {
    "array": (waves().to_numpy(), "must be a pandas DataFrame or Series"),
    "no rows": (waves().iloc[:0], "must"),
    "too few rows": (waves().iloc[:WINDOW], r"`train` must have at least 8 rows"),
    "too few to validate": (waves().iloc[:30], r"`validation` must have at least 8 rows"),
    "infinity": (changed(3, 1, np.inf), "must not hold infinities.*column 'power'"),
    "text": (changed(3, 1, "many"), "must hold numbers.*column"),
    "constant": (waves().iloc[:TRAIN].assign(power=7.0), "constant column.*power"),
    "absent": (waves().iloc[:TRAIN].assign(power=np.nan), "power"),
    "backwards": (waves().iloc[:TRAIN].iloc[::-1], "index that increases"),
    "twice": (pd.concat([waves().iloc[:9], waves().iloc[8:TRAIN]]), "index that increases"),
    "same names": (waves().iloc[:TRAIN].set_axis(["a", "a"], axis=1), "names .* that differ"),
    "numbers as names": (waves().iloc[:TRAIN].set_axis([0, 1], axis=1), "names"),
    "all with holes": (
        waves().iloc[:TRAIN].mask(np.indices((TRAIN, 2))[0] % 2 == 0),
        "`train` must have a window of which at most a share of 0.2 is missing",
    ),
}


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("name", BAD_TRAINING)
def test_rows_of_no_use_are_refused_before_training(name):
    rows, message = BAD_TRAINING[name]
    with pytest.raises(ValueError, match=message):
        detector("dense_autoencoder").fit(rows)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("validation", "message"),
    [
        (waves()[["level"]].iloc[160:], r"`validation` must have the columns \['level', 'power'\]"),
        (waves().iloc[160:165], "`validation` must have at least 8 rows"),
        (
            waves().assign(level=np.nan).iloc[160:],
            "a value of each sensor. Received: none of 'level'",
        ),
    ],
)
def test_validation_rows_of_no_use_are_refused_before_training(validation, message):
    with pytest.raises(ValueError, match=message):
        detector("dense_autoencoder").fit(waves().iloc[:160], validation)


@pytest.mark.usefixtures("no_training")
def test_too_few_scores_for_a_rule_are_refused_before_training():
    one = detector("dense_autoencoder", threshold="peaks_over_threshold")
    with pytest.raises(ValueError, match=r"`validation` must have enough rows for the rule 'peaks"):
        one.fit(waves().iloc[:TRAIN])


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("kind", "network", "message"),
    [
        ("lstm_autoencoder", {"units": 0}, "`units` must be a positive integer"),
        ("lstm_autoencoder", {"units": (4, 4)}, "`units` must be"),
        ("lstm_forecaster", {"units": 4}, "`units` must list a width per layer"),
        ("dense_autoencoder", {"latent": "8"}, "`latent` must be"),
        ("conv_autoencoder", {"filters": (4, -1)}, r"`filters\[1\]` must be"),
        ("conv_autoencoder", {"kernel": 2.5}, "`kernel` must be"),
        ("dense_autoencoder", {"learning_rate": 0.0}, "`learning_rate` must be"),
        ("dense_autoencoder", {"learning_rate": "fast"}, "`learning_rate` must be"),
        ("lstm_forecaster", {"dropout": 1.0}, "`dropout` must be"),
        ("lstm_forecaster", {"dropout": "some"}, "`dropout` must be"),
        ("dense_autoencoder", {"loss": "mape"}, "`loss` must be"),
    ],
)
def test_networks_of_no_use_are_refused_before_training(kind, network, message):
    with pytest.raises(ValueError, match=message):
        detector(kind, options=network).fit(waves())


@pytest.mark.parametrize("failure", ["rows", "training", "threshold"])
def test_after_a_failed_fit_the_detector_is_as_before(failure, monkeypatch):
    one = detector("dense_autoencoder").fit(waves().iloc[:TRAIN])
    one.update(waves().iloc[:50])
    scores, threshold = one.decision_function(waves()), one.threshold_
    rows = waves().iloc[:5] if failure == "rows" else waves(seed=9)

    def break_down(*args, **options):
        raise RuntimeError("no more")

    if failure == "training":
        monkeypatch.setattr(training, "fit", break_down)
    if failure == "threshold":
        monkeypatch.setattr(thresholds, "percentile", break_down)
    with pytest.raises((ValueError, RuntimeError)):
        one.fit(rows)
    monkeypatch.undo()
    assert one.threshold_ == threshold
    pd.testing.assert_series_equal(one.decision_function(waves()), scores)
    rest = one.update(waves().iloc[50:])
    np.testing.assert_allclose(rest, scores.iloc[50:], rtol=0, atol=1e-6)


def test_fit_again_starts_anew():
    one = detector("dense_autoencoder").fit(waves().iloc[:TRAIN])
    one.update(waves().iloc[:50])
    assert one.fit(waves(seed=9)["level"]) is one
    twin = detector("dense_autoencoder").fit(waves(seed=9)["level"])
    assert one.threshold_ == twin.threshold_
    assert one.update(waves()["level"].iloc[:3]).isna().all()


@pytest.mark.parametrize("method", ["decision_function", "predict", "contributions"])
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (waves()[["level"]], r"`series` must have the columns \['level', 'power'\]"),
        (waves().assign(heat=1.0), "must have the columns"),
        (waves().to_numpy(), "must be a pandas DataFrame or Series. Received: ndarray"),
        (changed(3, 0, -np.inf), "must not hold infinities.*-inf in column 'level' at 2024-01-01"),
        (changed(3, 0, "much"), "must hold numbers"),
        (waves().iloc[::-1], "index that increases"),
    ],
)
def test_rows_of_no_use_are_not_scored(dense, method, rows, message):
    with pytest.raises(ValueError, match=message):
        getattr(dense, method)(rows)


def test_a_detector_finds_what_a_line_of_arithmetic_finds():
    """Sanity: the bar that a network has to reach on an easy fault."""
    series = waves(600)["level"]
    series.iloc[500] += 3
    one = Detector("dense_autoencoder", 16, threshold="maximum", epochs=40).fit(series.iloc[:400])
    scores, simple = one.decision_function(series), baselines.moving_z(series, 16)
    assert scores.iloc[400:].idxmax() == simple.iloc[400:].idxmax() == series.index[500]
    assert one.predict(series).iloc[500] == 1
