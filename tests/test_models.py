"""The networks: sizes, seeds, and a loss that refuses what Keras would broadcast."""

import random

import numpy as np
import pytest

from lib import models
from lib.backend import keras

array = keras.ops.convert_to_numpy  # a tensor of PyTorch that has gradients does not go by itself

FORECASTER, AUTOENCODER = models.build_lstm_forecaster, models.build_lstm_autoencoder
STEPS = 6
WINDOWS = np.random.default_rng(0).normal(size=(16, STEPS, 1)).astype("float32")


def lstm_parameters(inputs, units):
    """Four gates, each with a weight per input, per own output, and a bias."""
    return 4 * (units * (units + inputs) + units)


def small(builder, **options):
    sizes = {"units": (2, 3)} if builder is FORECASTER else {"units": 3, "latent": 2}
    return builder(**{"window": STEPS, **sizes, **options})


def weights_of(model):
    return b"".join(weight.tobytes() for weight in model.get_weights())


# Sizes


@pytest.mark.parametrize(("latent", "units", "n_features"), [(1, 1, 1), (8, 16, 3), (64, 32, 6)])
def test_both_networks_have_the_same_number_of_parameters(latent, units, n_features):
    by_hand = (
        lstm_parameters(n_features, latent)
        + lstm_parameters(latent, units)
        + (units + 1) * n_features
    )
    forecaster = FORECASTER(30, n_features, units=(latent, units))
    autoencoder = AUTOENCODER(30, n_features, units=units, latent=latent)
    assert forecaster.count_params() == by_hand
    assert autoencoder.count_params() == by_hand


def test_a_longer_horizon_stays_within_five_percent():
    latent, units = 16, 32
    forecaster = FORECASTER(30, units=(latent, units), horizon=5)
    autoencoder = AUTOENCODER(30, units=units, latent=latent)
    assert forecaster.count_params() == pytest.approx(autoencoder.count_params(), rel=0.05)
    assert forecaster.count_params() - autoencoder.count_params() == (units + 1) * 4


@pytest.mark.parametrize(
    ("units", "horizon", "n_features"), [((3,), 5, 4), ((3, 2), 1, 4), ([4, 3, 2], 5, 1)]
)
def test_forecaster_shapes(units, horizon, n_features):
    model = FORECASTER(7, n_features, units=units, horizon=horizon)
    assert model.input_shape == (None, 7, n_features)
    assert model.output_shape == (None, horizon, n_features)
    lstms = [layer for layer in model.layers if isinstance(layer, keras.layers.LSTM)]
    assert [layer.units for layer in lstms] == list(units)


@pytest.mark.parametrize(("depth", "n_features"), [(1, 4), (3, 1)])
def test_autoencoder_shapes(depth, n_features):
    model = AUTOENCODER(7, n_features, units=3, latent=2, depth=depth)
    assert model.input_shape == model.output_shape == (None, 7, n_features)
    assert model.get_layer("latent").output.shape == (None, 2)
    assert model.get_layer("repeat").output.shape == (None, 7, 2)
    lstms = [layer.units for layer in model.layers if isinstance(layer, keras.layers.LSTM)]
    assert lstms == [3] * (depth - 1) + [2] + [3] * depth


@pytest.mark.parametrize(
    ("kind", "patch"), [("lstm_autoencoder", 6), ("gru_autoencoder", 2), ("lstm_combined", 3)]
)
def test_a_window_in_patches(kind, patch):
    widths = {"units": 4, "latent": 3, "patch": patch}
    widths |= {"horizon": 2 * patch} if kind == "lstm_combined" else {}
    model = models.BUILDERS[kind](12, 2, **widths)
    beyond = widths.get("horizon", 0)
    assert model.output_shape == (None, 12 + beyond, 2)
    assert model.get_layer("repeat").output.shape[1] == (12 + beyond) // patch
    assert model.count_params() == models.count_parameters(kind, 12, 2, **widths)


def test_an_autoencoder_predicts_whole_patches_alone():
    with pytest.raises(ValueError, match="`horizon` must be a multiple of `patch`, 3"):
        AUTOENCODER(12, 2, patch=3, horizon=4)


@pytest.mark.parametrize("kind", models.BUILDERS)
def test_every_builder_counts_its_parameters_and_knows_its_output(kind):
    options = {"horizon": 3} if kind.endswith("forecaster") else {}
    model = models.BUILDERS[kind](11, 2, **options)
    assert model.count_params() == models.count_parameters(kind, 11, 2, **options)
    assert model.output_shape == (None, options.get("horizon", 11), 2)


def test_a_forecaster_of_patches():
    options = {"units": (3, 4), "patch": 3, "horizon": 6}
    model = FORECASTER(12, 2, **options)
    assert model.output_shape == (None, 6, 2)
    expected = models.count_parameters("lstm_forecaster", 12, 2, **options)
    assert model.count_params() == expected


@pytest.mark.parametrize("builder", [FORECASTER, AUTOENCODER])
def test_a_window_that_is_no_multiple_of_the_patch_is_refused(builder):
    with pytest.raises(ValueError, match="`window` must be a multiple of `patch`, 4"):
        builder(10, patch=4)
    with pytest.raises(ValueError, match="`patch` must be a positive integer"):
        builder(10, patch=0)


def test_the_latent_vector_is_as_wide_as_the_units_unless_told():
    assert AUTOENCODER(7, units=5).get_layer("latent").output.shape == (None, 5)


def test_the_latent_layer_gives_one_vector_per_window():
    model = small(AUTOENCODER)
    encoder = keras.Model(model.input, model.get_layer("latent").output)
    latent = array(encoder(WINDOWS))
    assert latent.shape == (16, 2)
    changed = WINDOWS.copy()
    changed[3] += 1.0
    differs = (latent != array(encoder(changed))).any(axis=1)
    assert np.flatnonzero(differs).tolist() == [3]


def test_the_decoder_sees_the_window_through_the_latent_vector_alone():
    model = small(AUTOENCODER)
    decoder = keras.Model(model.get_layer("latent").output, model.output)
    encoder = keras.Model(model.input, model.get_layer("latent").output)
    np.testing.assert_allclose(array(decoder(encoder(WINDOWS))), array(model(WINDOWS)), atol=1e-7)


def test_the_dense_layer_is_the_same_at_each_step():
    model = AUTOENCODER(7, 2, units=3)
    assert [weight.shape for weight in model.get_layer("dense_per_step").weights] == [(3, 2), (2,)]


@pytest.mark.parametrize("builder", [FORECASTER, AUTOENCODER])
def test_dropout_stands_after_each_lstm_and_acts_in_training_only(builder):
    def kinds(model):
        return [type(layer).__name__ for layer in model.layers if layer.name != "window"]

    with_dropout, without = small(builder, dropout=0.5), small(builder)
    assert "Dropout" not in kinds(without)
    found = kinds(with_dropout)
    assert all(found[place + 1] == "Dropout" for place, kind in enumerate(found) if kind == "LSTM")
    assert found.count("Dropout") == 2
    assert {layer.rate for layer in with_dropout.layers if hasattr(layer, "rate")} == {0.5}
    without.set_weights(with_dropout.get_weights())
    np.testing.assert_array_equal(array(with_dropout(WINDOWS)), array(without(WINDOWS)))
    assert not np.array_equal(array(with_dropout(WINDOWS, training=True)), array(without(WINDOWS)))


def test_layer_table_counts_every_parameter():
    model = small(AUTOENCODER, dropout=0.1)
    table = models.layer_table(model)
    assert table.index.tolist() == [layer.name for layer in model.layers]
    assert table["parameters"].sum() == model.count_params()
    assert table.loc["latent", "output shape"] == "(2,)"
    assert table.loc["encoder_1", "kind"] == "LSTM"


# Seeds


@pytest.mark.parametrize("builder", [FORECASTER, AUTOENCODER])
def test_the_seed_alone_decides_the_initial_weights(builder):
    first = weights_of(small(builder, seed=3))
    np.random.default_rng().random()
    assert weights_of(small(builder, seed=3)) == first
    assert weights_of(small(builder, seed=4)) != first


# The loss


@pytest.mark.parametrize("n_features", [1, 3])
@pytest.mark.parametrize(
    ("error", "by_numpy"),
    [("mae", lambda a, b: np.abs(a - b).mean()), ("mse", lambda a, b: ((a - b) ** 2).mean())],
)
def test_loss_equals_numpy(error, by_numpy, n_features):
    rng = np.random.default_rng(1)
    true, predicted = rng.normal(size=(2, 9, 5, n_features)).astype("float32")
    loss = models.SameShapeLoss(error)
    assert float(loss(true, predicted)) == pytest.approx(by_numpy(true, predicted), rel=1e-6)
    per_window = np.asarray(loss.call(keras.ops.array(true), keras.ops.array(predicted)))
    assert per_window.shape == (9,)
    assert per_window[4] == pytest.approx(by_numpy(true[4], predicted[4]), rel=1e-6)


@pytest.mark.parametrize("loss", ["mae", "mse"])
def test_the_loss_that_training_reports_is_that_of_the_output(loss):
    model = small(AUTOENCODER, loss=loss)
    difference = WINDOWS - array(model(WINDOWS))
    expected = np.abs(difference).mean() if loss == "mae" else np.square(difference).mean()
    model.run_eagerly = True
    assert model.evaluate(WINDOWS, WINDOWS, verbose=0) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [(16,), (16, 1), (16, 30), (16, 1, 1), (16, 29, 1), (16, 30, 2)])
def test_the_loss_refuses_a_target_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"`targets` must have .*, 30, 1[\])]+\. Received"):
        models.SameShapeLoss("mae")(np.zeros(shape, "float32"), np.zeros((16, 30, 1), "float32"))


@pytest.mark.parametrize("shape", [(16,), (16, 1, 1)])
def test_a_target_of_another_shape_is_an_error_in_plain_keras_too(shape):
    model = small(AUTOENCODER)
    before = weights_of(model)
    with pytest.raises(ValueError, match=r"`targets` must have .*, 6, 1[\])]+\. Received"):
        model.fit(WINDOWS, np.zeros(shape, "float32"), verbose=0)
    assert weights_of(model) == before


@pytest.mark.parametrize("shape", [(16,), (16, STEPS, 1)])
def test_a_forecaster_refuses_other_shapes_as_well(shape):
    with pytest.raises(ValueError, match=r"`targets` must have .*, 1, 1[\])]+\. Received"):
        small(FORECASTER).fit(WINDOWS, np.zeros(shape, "float32"), verbose=0)


def test_after_a_refused_target_the_right_one_trains():
    model = small(AUTOENCODER)
    before = weights_of(model)
    with pytest.raises(ValueError, match="`targets` must have"):
        model.fit(WINDOWS, WINDOWS[:, -1], verbose=0)
    model.fit(WINDOWS, WINDOWS, verbose=0)
    assert weights_of(model) != before


@pytest.mark.parametrize("shape", [(16,), (16, 1), (16, 1, 1)])
def test_the_trap_a_plain_keras_loss_broadcasts_silently(shape):
    """If this fails, Keras has learned to refuse, and `SameShapeLoss` may go."""
    model = small(AUTOENCODER)
    model.compile(loss="mae", run_eagerly=True)
    targets = np.arange(16, dtype="float32").reshape(shape)
    loss = model.evaluate(WINDOWS, targets, verbose=0)
    output = array(model(WINDOWS))
    if len(shape) == 1:  # every window against the target of every window
        expected = np.abs(output - targets).mean()
    else:  # every step against its window's one target
        expected = np.abs(output - targets.reshape(16, 1, 1)).mean()
    assert loss == pytest.approx(expected, rel=1e-5)


# Saved and loaded


@pytest.mark.parametrize("builder", [FORECASTER, AUTOENCODER])
def test_a_saved_model_predicts_the_same_and_keeps_its_loss(builder, tmp_path):
    model = small(builder, loss="mse", dropout=0.2)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(array(loaded(WINDOWS)), array(model(WINDOWS)))
    assert isinstance(loaded.loss, models.SameShapeLoss)
    assert loaded.loss.error == "mse"
    with pytest.raises(ValueError, match="`targets` must have"):
        loaded.evaluate(WINDOWS, np.zeros((16, 2, 1), "float32"), verbose=0)


# Errors


@pytest.mark.parametrize("bad", [0, -1, 2.0, "8", None, True])
@pytest.mark.parametrize(
    ("builder", "name"),
    [
        (FORECASTER, "window"),
        (FORECASTER, "n_features"),
        (FORECASTER, "horizon"),
        (AUTOENCODER, "window"),
        (AUTOENCODER, "n_features"),
        (AUTOENCODER, "units"),
        (AUTOENCODER, "depth"),
    ],
)
def test_a_bad_size_is_named(builder, name, bad):
    with pytest.raises(ValueError, match=f"`{name}` must be a positive integer") as caught:
        small(builder, **{name: bad})
    assert str(caught.value).endswith(f"Received: {name}={bad!r}")


@pytest.mark.parametrize("bad", [0, -1, 2.0, "8", True])
def test_a_bad_latent_size_is_named(bad):
    with pytest.raises(ValueError, match=f"`latent` must .* Received: latent={bad!r}"):
        small(AUTOENCODER, latent=bad)


@pytest.mark.parametrize("bad", [(), [], 64, "64", None])
def test_units_that_list_no_widths_are_an_error(bad):
    with pytest.raises(ValueError, match="`units` must list a width per layer") as caught:
        FORECASTER(30, units=bad)
    assert f"units={bad!r}" in str(caught.value)


@pytest.mark.parametrize(("units", "place"), [((0, 4), 0), ((4, 2.0), 1), ((4, 4, True), 2)])
def test_a_bad_width_is_named_by_its_place(units, place):
    with pytest.raises(ValueError, match=rf"`units\[{place}\]` must be a positive integer"):
        FORECASTER(30, units=units)


@pytest.mark.parametrize("builder", [FORECASTER, AUTOENCODER])
@pytest.mark.parametrize("bad", [-0.1, 1.0, 1.5, float("nan")])
def test_a_bad_dropout_is_named(builder, bad):
    with pytest.raises(ValueError, match=f"`dropout` must .* Received: dropout={bad}"):
        small(builder, dropout=bad)


@pytest.mark.parametrize("builder", [FORECASTER, AUTOENCODER])
@pytest.mark.parametrize("bad", ["mape", "MAE", None, ""])
def test_a_bad_loss_is_named(builder, bad):
    with pytest.raises(ValueError, match=f"`loss` must be 'mae' or 'mse'. .*loss={bad!r}"):
        small(builder, loss=bad)


# Missing targets


@pytest.mark.parametrize("error", ["mae", "mse"])
def test_missing_targets_stay_out_of_the_loss(error):
    rng = np.random.default_rng(0)
    targets, outputs = rng.normal(size=(2, 5, 4, 3))
    targets[0, 1] = targets[2, :, 0] = targets[3] = np.nan
    distance = np.abs(targets - outputs) ** (2 if error == "mse" else 1)
    by_hand = [distance[i][~np.isnan(distance[i])].mean() for i in (0, 1, 2, 4)]
    loss = models.SameShapeLoss(error).call(
        keras.ops.array(targets, "float32"), keras.ops.array(outputs, "float32")
    )
    loss = np.asarray(loss)
    np.testing.assert_allclose(loss[[0, 1, 2, 4]], by_hand, rtol=1e-6)
    assert loss[3] == 0


@pytest.mark.parametrize("error", ["mae", "mse"])
def test_without_missing_targets_the_loss_is_the_plain_mean(error):
    targets, outputs = np.random.default_rng(1).normal(size=(2, 7, 6, 2)).astype("float32")
    loss = models.SameShapeLoss(error)(keras.ops.array(targets), keras.ops.array(outputs))
    plain = {"mae": np.abs, "mse": np.square}[error](targets - outputs).mean()
    assert float(loss) == pytest.approx(float(plain), rel=1e-6)


@pytest.mark.parametrize("error", ["mae", "mse"])
def test_a_step_on_missing_targets_leaves_finite_weights(error):
    """The gradient must not see the NaN, not even times zero."""
    model = models.build_dense_autoencoder(STEPS, units=(3,), loss=error)
    before = weights_of(model)
    targets = WINDOWS.copy()
    targets[:, 2] = np.nan
    targets[0] = np.nan
    loss = model.train_on_batch(WINDOWS, targets)
    assert np.isfinite(loss)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert weights_of(model) != before


def test_nothing_is_learned_from_windows_without_targets():
    model = models.build_dense_autoencoder(STEPS, units=(3,))
    before = weights_of(model)
    assert model.train_on_batch(WINDOWS, np.full_like(WINDOWS, np.nan)) == 0
    assert weights_of(model) == before


def test_what_a_missing_target_would_have_been_does_not_matter():
    """Masked: the same step as with a target that the network hits exactly."""
    masked, exact = (models.build_dense_autoencoder(STEPS, units=(3,)) for _ in range(2))
    targets = WINDOWS.copy()
    targets[:, 3] = np.nan
    hit = np.where(np.isnan(targets), exact.predict(WINDOWS, verbose=0), targets)
    share = (STEPS - 1) / STEPS  # of the steps that are there: means differ by it
    loss = masked.train_on_batch(WINDOWS, targets)
    assert float(exact.train_on_batch(WINDOWS, hit)) == pytest.approx(loss * share, rel=1e-5)


# The convolutional autoencoder

CONV = models.build_conv_autoencoder


@pytest.mark.parametrize(
    ("window", "filters", "n_features"),
    [(2, (4,), 1), (3, [4, 3, 2], 6), (7, (4, 3), 1), (30, [4, 3, 2], 6), (31, (4, 3), 1)],
)
def test_conv_autoencoder_shapes(window, filters, n_features):
    model = CONV(window, n_features, filters=filters, kernel=3, latent=5)
    assert model.input_shape == model.output_shape == (None, window, n_features)
    assert models.build_encoder(model).output_shape == (None, 5)


def test_conv_autoencoder_has_the_weights_that_it_should():
    # Steps 8 -> 4 -> 2; each convolution: kernel * in * out + out.
    by_hand = (3 * 2 * 4 + 4) + (3 * 4 * 3 + 3) + (6 * 5 + 5) + (5 * 6 + 6)
    by_hand += (3 * 3 * 3 + 3) + (3 * 3 * 4 + 4) + (3 * 4 * 2 + 2)
    assert CONV(8, 2, filters=(4, 3), kernel=3, latent=5).count_params() == by_hand


def test_conv_autoencoder_is_reproducible():
    first, same, other = (weights_of(CONV(8, seed=seed)) for seed in (0, 0, 1))
    assert first == same != other


def test_conv_autoencoder_learns():
    model = CONV(STEPS, filters=(4,), kernel=3, latent=3, learning_rate=0.01)
    before = model.evaluate(WINDOWS, WINDOWS, verbose=0)
    model.fit(WINDOWS, WINDOWS, epochs=30, verbose=0)
    assert model.evaluate(WINDOWS, WINDOWS, verbose=0) < 0.8 * before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": ()}, "`filters` must list a width per layer"),
        ({"filters": 4}, "`filters` must list a width per layer"),
        ({"filters": (4, 0)}, r"`filters\[1\]` must be a positive integer"),
        ({"kernel": 0}, "`kernel` must be a positive integer"),
        ({"latent": True}, "`latent` must be a positive integer"),
        ({"window": 0}, "`window` must be a positive integer"),
    ],
)
def test_a_conv_autoencoder_of_no_use_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        CONV(**{"window": 8, **options})


@pytest.mark.parametrize(
    ("builder", "rate"),
    [(models.build_dense_autoencoder, rate) for rate in (-1e-3, float("nan"), "fast", None, True)]
    + [(builder, 0) for builder in (FORECASTER, AUTOENCODER, CONV)],
)
def test_a_learning_rate_of_no_use_is_refused(builder, rate):
    with pytest.raises(ValueError, match="`learning_rate` must be a positive number"):
        builder(STEPS, learning_rate=rate)


def test_a_builder_leaves_the_callers_random_numbers_alone():
    random.seed(5)
    expected = random.random()
    random.seed(5)
    models.build_lstm_autoencoder(5, units=2, seed=3)
    assert random.random() == expected
