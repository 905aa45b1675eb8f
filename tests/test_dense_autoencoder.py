"""The dense autoencoder: shapes, sizes, and that its linear form finds what PCA finds."""

import itertools

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA

from lib import models, training
from lib.backend import keras

BUILD = models.build_dense_autoencoder


def dense_parameters(*widths):
    """A weight from each unit to each of the next layer, and a bias for each of these."""
    return sum(a * b + b for a, b in itertools.pairwise(widths))


@pytest.mark.parametrize(("units", "n_features"), [((), 1), ((5,), 3), ([6, 4, 3], 1)])
def test_shapes_and_parameters(units, n_features):
    model = BUILD(7, n_features, units=units, latent=2)
    assert model.input_shape == model.output_shape == (None, 7, n_features)
    assert model.get_layer("latent").output.shape == (None, 2)
    widths = (7 * n_features, *units, 2, *reversed(units), 7 * n_features)
    assert model.count_params() == dense_parameters(*widths)


def test_the_decoder_mirrors_the_encoder():
    dense = [
        layer for layer in BUILD(7, units=(6, 4)).layers if isinstance(layer, keras.layers.Dense)
    ]
    assert [layer.units for layer in dense] == [6, 4, 2, 4, 6, 7]
    assert [layer.activation.__name__ for layer in dense] == [
        "tanh", "tanh", "linear", "tanh", "tanh", "linear",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "`window` must be a positive integer. Received: window=0"),
        ({"n_features": 1.0}, "`n_features` must be a positive integer"),
        ({"latent": -1}, "`latent` must be a positive integer"),
        ({"units": 8}, "`units` must list a width per layer. Received: units=8"),
        ({"units": []}, "`units` must list a width per layer"),
        ({"units": (8, 0)}, r"`units\[1\]` must be a positive integer"),
        ({"loss": "huber"}, "`loss` must be 'mae' or 'mse'"),
    ],
)
def test_unusable_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        BUILD(**{"window": 7, **options})


def test_same_seed_same_weights():
    first, second, other = (BUILD(5, seed=seed).get_weights() for seed in (3, 3, 4))
    assert all(map(np.array_equal, first, second))
    assert not all(map(np.array_equal, first, other))


def test_a_linear_one_spans_the_subspace_of_pca():
    generator = np.random.default_rng(0)
    windows = generator.normal(size=(256, 2)) @ [[2, 1, 0, 1], [0, 1, -1, 0]]
    windows = (windows + generator.normal(scale=0.1, size=windows.shape))[:, :, np.newaxis]
    model = BUILD(4, units=(), latent=2, loss="mse", learning_rate=0.05)
    training.fit(model, windows, windows, epochs=150, batch_size=256)
    axes = PCA(2).fit(windows[:, :, 0]).components_
    decoder = model.get_layer("dense").get_weights()[0]
    assert np.rad2deg(subspace_angles(decoder.T, axes.T)).max() < 1


def test_a_target_of_another_shape_is_refused():
    model = BUILD(4)
    with pytest.raises(ValueError, match="`targets` must have the shape"):
        model.fit(np.zeros((8, 4, 1)), np.zeros((8, 4)), verbose=0)
