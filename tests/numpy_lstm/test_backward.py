"""Training in NumPy: Keras's gradients, Keras's steps, and the network none the wiser."""

import numpy as np
import pytest

from lib import models, training
from lib.backend import keras
from lib.numpy_lstm import backward

CASES = {
    "forecaster": (models.build_lstm_forecaster, {"units": (5, 3)}),
    "forecaster of three rows": (models.build_lstm_forecaster, {"units": (4,), "horizon": 3}),
    "autoencoder": (models.build_lstm_autoencoder, {"units": 5, "latent": 3}),
    "deep autoencoder": (models.build_lstm_autoencoder, {"units": 4, "latent": 3, "depth": 2}),
    "dense autoencoder": (models.build_dense_autoencoder, {"units": (6, 5), "latent": 2}),
    "patches": (models.build_lstm_autoencoder, {"units": 5, "latent": 3, "patch": 3}),
    "combined": (models.build_lstm_autoencoder, {"units": 5, "patch": 3, "horizon": 6}),
    "gru": (models.build_lstm_autoencoder, {"units": 5, "patch": 3, "cell": "gru"}),
    "convolutional forecaster": (models.build_conv_forecaster, {"filters": (4,)}),
    "convolutions": (models.build_conv_autoencoder, {"filters": (4, 3), "kernel": 4, "latent": 2}),
    "relu": (models.build_dense_autoencoder, {"units": (6,), "activation": "relu"}),
    "sigmoid": (models.build_dense_autoencoder, {"units": (6,), "activation": "sigmoid"}),
}


def network(case="autoencoder", n_features=2, **options):
    """A network whose weights and biases are all of consequence, and its twin."""
    build, settings = CASES[case]
    model = build(9, n_features, **settings, **options)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.5, weight.shape) for weight in model.get_weights()])
    twin = backward.learner(model)
    assert isinstance(twin, backward.Learner)
    return model, twin


def batch(model, count=12, seed=1):
    """Inputs and targets; of the targets one is missing, and of one window all."""
    rng = np.random.default_rng(seed)
    shapes = model.input_shape[1:], model.output_shape[1:]
    inputs, targets = (rng.normal(0, 1.5, (count, *shape)).astype("float32") for shape in shapes)
    targets[0, 0, 0] = targets[3] = np.nan
    return inputs, targets


def by_keras(model, inputs, targets):
    """Gradients, told from one step of plain descent at a rate of 1."""
    before = model.get_weights()
    model.compile(keras.optimizers.SGD(1.0), model.loss, run_eagerly=True)  # compiled: a second
    loss = model.train_on_batch(inputs, targets)
    pairs = zip(before, model.get_weights(), strict=True)
    gradients = [old - new for old, new in pairs]
    model.set_weights(before)
    return gradients, float(np.asarray(loss))


@pytest.mark.parametrize(("loss", "n_features"), [("mae", 3), ("mse", 1)])
@pytest.mark.parametrize("case", CASES)
def test_gradients_and_loss_are_those_of_keras(case, n_features, loss):
    model, twin = network(case, n_features, loss=loss)
    inputs, targets = batch(model)
    found = twin.train_on_batch(inputs, targets)["loss"]
    gradients = [one for layer in twin.layers for one in layer.unpacked(layer.gradients)]
    expected, expected_loss = by_keras(model, inputs, targets)
    assert found == pytest.approx(expected_loss, rel=1e-5)
    for one, other in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=2e-6)
        assert np.abs(other).max() > 3e-5


@pytest.mark.parametrize("case", CASES)
def test_steps_are_those_of_keras(case):
    model, _ = network(case)
    # With its usual epsilon, Adam makes as large a step of a gradient that is but rounding.
    adam = keras.optimizers.Adam(0.01, 0.8, 0.99, epsilon=1e-3)
    model.compile(adam, model.loss, run_eagerly=True)
    model.optimizer.build(model.trainable_variables)
    twin = backward.learner(model)
    for seed, count in enumerate([12, 12, 5]):  # the last batch is often smaller
        inputs, targets = batch(model, count, seed)
        twin.train_on_batch(inputs, targets)
        model.train_on_batch(inputs, targets)
        for one, other in zip(twin.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_an_lstm_is_equal_to_the_layer_of_keras_in_the_gradient_by_its_input():
    from lib.numpy_lstm import gradients

    inputs = keras.Input((6, 2))
    hidden = keras.layers.Dense(3, name="first")(inputs)  # its gradient passes through the LSTM
    outputs = keras.layers.LSTM(3, return_sequences=True)(hidden)
    model = models.compiled(inputs, outputs, "two", 0.01, "mse")
    twin = backward.learner(model)
    x = np.random.default_rng(0).normal(size=(9, 6, 2)).astype("float32")
    y = np.random.default_rng(1).normal(size=(9, 6, 3)).astype("float32")
    twin.train_on_batch(x, y)
    found = twin.layers[0].gradients[0]
    np.testing.assert_allclose(found, by_keras(model, x, y)[0][0], rtol=1e-5, atol=1e-6)
    assert isinstance(twin.layers[1], gradients.Lstm)


def test_testing_gives_the_loss_of_the_batch_and_teaches_nothing():
    model, twin = network()
    for part in (batch(model, 12), batch(model, 5, seed=2)):
        model.reset_metrics()
        expected = model.test_on_batch(*part, return_dict=True)["loss"]
        assert twin.test_on_batch(*part)["loss"] == pytest.approx(float(expected), rel=1e-5)
    for one, other in zip(twin.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_go_in_and_out():
    model, twin = network()
    for one, other in zip(twin.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    new = [weight + 1 for weight in model.get_weights()]
    twin.set_weights(new)
    for one, other in zip(twin.get_weights(), new, strict=True):
        np.testing.assert_array_equal(one, other)
    twin.get_weights()[0][:] = 7.0  # copies
    np.testing.assert_array_equal(twin.get_weights()[0], new[0])


# In `training.fit`


def fitted(trainer, fits=1, **options):
    model = models.build_lstm_autoencoder(6, 2, units=5, latent=3, learning_rate=0.01, seed=3)
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(70, 6, 2)).astype("float32").cumsum(axis=1)
    later = rng.normal(size=(20, 6, 2)).cumsum(axis=1)
    settings = {"epochs": 4, "batch_size": 16, "validation": (later, later), **options}
    for _ in range(fits):
        history = training.fit(model, windows, windows, trainer=trainer, **settings)
    return model, history


@pytest.mark.parametrize(
    "options", [{}, {"decay": True}, {"fits": 2}, {"epochs": 9, "patience": 1}]
)
def test_the_same_training(options):
    model, history = fitted("numpy", **options)
    other, expected = fitted("keras", **options)
    np.testing.assert_allclose(history, expected, rtol=1e-3)
    assert history.attrs["best_epoch"] == expected.attrs["best_epoch"]
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-2, atol=1e-3)
    for one, two in zip(model.optimizer.variables, other.optimizer.variables, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(two), rtol=1e-2, atol=1e-3)


def test_the_same_weights_each_time():
    one, other = (fitted("numpy")[0].get_weights() for _ in range(2))
    assert all(np.array_equal(*pair) for pair in zip(one, other, strict=True))


def test_the_environment_chooses(monkeypatch):
    asked = []
    monkeypatch.setattr(training, "learner", lambda model: asked.append(model) or model)
    fitted(None)
    monkeypatch.setenv("LIB_TRAINER", "numpy")
    assert not asked
    fitted(None)
    assert len(asked) == 1
    fitted("keras")
    assert len(asked) == 1


@pytest.mark.parametrize("name", ["argument", "environment"])
def test_no_such_trainer(monkeypatch, name):
    monkeypatch.setenv("LIB_TRAINER", "nunpy" if name == "environment" else "keras")
    asked = "LIB_TRAINER" if name == "environment" else "trainer"
    with pytest.raises(ValueError, match=f"`{asked}` must be one of keras, numpy. Received.*nunpy"):
        fitted(None if name == "environment" else "nunpy")


def test_a_training_that_runs_away_is_an_error():
    model = models.build_dense_autoencoder(5, units=(), loss="mse", learning_rate=1e30)
    windows = np.random.default_rng(0).normal(size=(40, 5, 1))
    with pytest.raises(ValueError, match="`learning_rate` must be small enough"):
        training.fit(model, windows, windows, epochs=3, trainer="numpy")


# What is left to Keras


def compiled(optimizer="adam", loss=None, last=None):
    inputs = keras.Input((5, 2))
    outputs = (last or keras.layers.Dense(2))(inputs)
    model = keras.Model(inputs, outputs)
    model.compile(optimizer, loss or models.SameShapeLoss())
    return model


LEFT = {
    "causal convolution": lambda: compiled(last=keras.layers.Conv1D(2, 3, padding="causal")),
    "dropout": lambda: models.build_lstm_autoencoder(6, units=3, dropout=0.1),
    "activation": lambda: models.build_lstm_autoencoder(6, units=3, activation="relu"),
    "own activation": lambda: compiled(last=keras.layers.Dense(2, "gelu")),
    "no bias": lambda: compiled(last=keras.layers.Dense(2, use_bias=False)),
    "loss of Keras": lambda: compiled(loss="mae"),
    "descent": lambda: compiled(keras.optimizers.SGD()),
    "another Adam": lambda: compiled(keras.optimizers.AdamW()),
    "clipped gradients": lambda: compiled(keras.optimizers.Adam(clipnorm=1.0)),
    "rate by a schedule": lambda: compiled(
        keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9))
    ),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_is_not_known_is_left_to_keras(name):
    model = LEFT[name]()
    assert backward.learner(model) is model
