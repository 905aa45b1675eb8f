"""A network computed in NumPy: the outputs of Keras, for all that the course builds."""

import pickle

import numpy as np
import pytest

from lib import models, scoring
from lib.backend import keras
from lib.numpy_lstm import forward

CASES = {
    "forecaster": (models.build_lstm_forecaster, {"units": (5, 3)}),
    "forecaster of three rows": (models.build_lstm_forecaster, {"units": (4,), "horizon": 3}),
    "autoencoder": (models.build_lstm_autoencoder, {"units": 5, "latent": 3}),
    "deep autoencoder": (models.build_lstm_autoencoder, {"units": 4, "depth": 2, "dropout": 0.3}),
    "combined autoencoder": (models.build_lstm_autoencoder, {"units": 4, "horizon": 3}),
    "gru": (models.build_lstm_autoencoder, {"units": 5, "latent": 3, "cell": "gru"}),
    "dense forecaster": (models.build_dense_forecaster, {"units": (6, 5)}),
    "convolutional forecaster": (models.build_conv_forecaster, {"filters": (6, 4)}),
    "dense autoencoder": (models.build_dense_autoencoder, {"units": (6, 5), "latent": 2}),
    "linear autoencoder": (models.build_dense_autoencoder, {"units": ()}),
    "sigmoid autoencoder": (models.build_dense_autoencoder, {"activation": "sigmoid"}),
    "convolutional autoencoder": (models.build_conv_autoencoder, {"filters": (6, 4)}),
    "even kernel": (models.build_conv_autoencoder, {"filters": (3, 2, 2), "kernel": 4}),
}


def network(case="autoencoder", window=13, n_features=2, seed=0, **options):
    """A network with weights and biases that are all of consequence, and outputs of size 1."""
    build, settings = CASES[case]
    model = build(window, n_features, **settings, **options)
    rng = np.random.default_rng(seed)
    spread = [1.5 / np.sqrt(max(np.prod(w.shape[:-1]), 4)) for w in model.get_weights()]
    shapes = [weight.shape for weight in model.get_weights()]
    model.set_weights([rng.normal(0, s, shape) for s, shape in zip(spread, shapes, strict=True)])
    return model


def windows(count, model, seed=1):
    shape = (count, *model.input_shape[1:])
    return np.random.default_rng(seed).normal(0, 2, shape).astype("float32")


def by_keras(model, inputs):
    """Outputs without what `predict` compiles first, which takes a second."""
    return keras.ops.convert_to_numpy(model(inputs))


@pytest.mark.parametrize(("window", "n_features"), [(12, 7), (13, 1)])
@pytest.mark.parametrize("case", CASES)
def test_same_outputs_as_keras(case, window, n_features):
    model = network(case, window, n_features)
    inputs = windows(40, model)
    quick = forward.compiled(model)
    assert isinstance(quick, forward.Forward)
    expected = by_keras(model, inputs)
    outputs = quick.predict(inputs, batch_size=8, verbose=0)
    assert outputs.dtype == expected.dtype == np.float32
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)
    assert np.ptp(expected) > 0.02
    sent = pickle.loads(pickle.dumps(quick))  # as it is sent to another process
    np.testing.assert_array_equal(sent.predict(inputs), outputs)


def test_an_encoder_too():
    encoder = models.build_encoder(network())
    inputs = windows(9, encoder)
    quick = forward.compiled(encoder)
    assert isinstance(quick, forward.Forward)
    np.testing.assert_allclose(quick.predict(inputs), by_keras(encoder, inputs), atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_a_window_does_not_depend_on_those_beside_it(case):
    model = network(case)
    quick, inputs = forward.compiled(model), windows(forward.AT_ONCE + 1, model)
    alone = [quick.predict(inputs[i : i + 1])[0] for i in range(33)]
    np.testing.assert_array_equal(quick.predict(inputs[:33]), alone)
    np.testing.assert_array_equal(quick.predict(inputs)[:33], alone)
    last = quick.predict(inputs[-1:])[0]
    np.testing.assert_array_equal(quick.predict(inputs)[-1], last)


def test_no_windows_have_no_outputs():
    model = network()
    assert forward.compiled(model).predict(windows(0, model)).shape == (0, 13, 2)


def test_overlapping_windows_of_float64_as_well():
    model = network()
    series = np.sin(np.arange(100.0))[:, None] * [1, 2]
    overlapping = np.moveaxis(np.lib.stride_tricks.sliding_window_view(series, 13, axis=0), -1, 1)
    before = overlapping.copy()
    outputs = forward.compiled(model).predict(overlapping)
    np.testing.assert_allclose(outputs, by_keras(model, before), atol=1e-5)
    np.testing.assert_array_equal(overlapping, before)


@pytest.mark.parametrize("case", CASES)
def test_extreme_inputs_do_as_in_keras(case):
    model = network(case)
    inputs = windows(4, model)
    inputs[1] *= 1e6
    inputs[2, 5] = np.nan  # what becomes of it after a `relu` depends on the backend
    outputs = forward.compiled(model).predict(inputs)[[0, 1, 3]]
    expected = by_keras(model, inputs)[[0, 1, 3]]
    assert np.isfinite(expected).all()
    for place, size in enumerate([1, np.abs(expected[1]).max(), 1]):
        np.testing.assert_allclose(outputs[place] / size, expected[place] / size, atol=1e-5)


def test_missing_values_are_left_to_who_asks():
    model = network()
    inputs = windows(30, model).astype("float64")
    inputs[3:9, 4:6, 0] = inputs[20] = np.nan
    errors = [
        scoring.window_errors(one, inputs, inputs) for one in (forward.compiled(model), model)
    ]
    np.testing.assert_allclose(*errors, atol=1e-5)
    known = np.isfinite(errors[0]).all(axis=(1, 2))
    assert np.flatnonzero(~known).tolist() == [3, 4, 5, 6, 7, 8, 20]


def test_the_weights_are_those_of_the_moment():
    model = network()
    inputs, quick = windows(5, model), forward.compiled(model)
    before = quick.predict(inputs)
    model.set_weights([weight * 2 for weight in model.get_weights()])
    np.testing.assert_array_equal(quick.predict(inputs), before)
    again = forward.compiled(model).predict(inputs)
    np.testing.assert_allclose(again, by_keras(model, inputs), atol=1e-5)


def chain(*layers):
    tensor = inputs = keras.Input((6, 2))
    for layer in layers:
        tensor = layer(tensor)
    return keras.Model(inputs, tensor)


def two_paths():
    inputs = keras.Input((6, 2))
    return keras.Model(inputs, keras.layers.Add()([inputs, keras.layers.Dense(2)(inputs)]))


class Dense(keras.layers.Dense):
    """Of the same name, but somebody's own."""

    def call(self, inputs):
        """Twice the layer's output."""
        return 2 * super().call(inputs)


layers = keras.layers
UNKNOWN = {
    "old GRU": lambda: chain(layers.GRU(3, reset_after=False)),
    "activation of an LSTM": lambda: chain(layers.LSTM(3, activation="relu")),
    "gates of an LSTM": lambda: chain(layers.LSTM(3, recurrent_activation="hard_sigmoid")),
    "backwards": lambda: chain(layers.LSTM(3, go_backwards=True)),
    "no bias": lambda: chain(layers.LSTM(3, use_bias=False)),
    "activation of a dense layer": lambda: chain(layers.Dense(3, "gelu")),
    "no bias in a dense layer": lambda: chain(layers.Dense(3, use_bias=False)),
    "padding": lambda: chain(layers.Conv1D(3, 2, padding="causal")),
    "activation of a convolution": lambda: chain(layers.Conv1D(3, 2, activation="elu")),
    "dilation": lambda: chain(layers.Conv1D(3, 2, padding="same", dilation_rate=2)),
    "normalisation": lambda: chain(layers.Dense(3), layers.LayerNormalization()),
    "two paths": two_paths,
    "half precision": lambda: chain(layers.Dense(3, dtype="float16")),
    "own layer": lambda: chain(Dense(2)),
    "nothing": chain,
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_is_left_to_keras(name):
    model = UNKNOWN[name]()
    assert forward.compiled(model) is model
