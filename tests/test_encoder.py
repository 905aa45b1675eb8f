"""The encoder taken out of an autoencoder: same numbers, shared weights, saved and loaded."""

import numpy as np
import pytest

from lib import models, training
from lib.backend import keras

STEPS, FEATURES, LATENT = 6, 2, 3
WINDOWS = np.random.default_rng(0).normal(size=(16, STEPS, FEATURES)).astype("float32")
BUILDERS = {
    "lstm": lambda: models.build_lstm_autoencoder(STEPS, FEATURES, units=4, latent=LATENT),
    "deep lstm": lambda: models.build_lstm_autoencoder(
        STEPS, FEATURES, units=4, latent=LATENT, depth=2, dropout=0.2
    ),
    "dense": lambda: models.build_dense_autoencoder(
        STEPS, FEATURES, units=(5,), latent=LATENT, seed=0
    ),
}


@pytest.fixture(params=BUILDERS)
def autoencoder(request):
    return BUILDERS[request.param]()


def latent_by_hand(autoencoder, windows):
    """Pass the windows through the layers one after the other, up to `latent`."""
    values = windows
    for layer in autoencoder.layers:
        values = values if isinstance(layer, keras.layers.InputLayer) else layer(values)
        if layer.name == "latent":
            return keras.ops.convert_to_numpy(values)


def test_it_gives_what_comes_out_of_the_layer_latent(autoencoder):
    vectors = models.build_encoder(autoencoder).predict(WINDOWS, verbose=0)
    assert vectors.shape == (len(WINDOWS), LATENT)
    np.testing.assert_allclose(vectors, latent_by_hand(autoencoder, WINDOWS), atol=1e-6)


def test_it_ends_at_the_latent_layer(autoencoder):
    encoder = models.build_encoder(autoencoder)
    names = [layer.name for layer in autoencoder.layers]
    assert [layer.name for layer in encoder.layers] == names[: names.index("latent") + 1]


def test_it_learns_with_its_autoencoder(autoencoder):
    encoder = models.build_encoder(autoencoder)
    before = encoder.predict(WINDOWS, verbose=0)
    training.fit(autoencoder, WINDOWS, WINDOWS, epochs=1)
    after = encoder.predict(WINDOWS, verbose=0)
    assert np.abs(after - before).max() > 1e-6
    np.testing.assert_allclose(after, latent_by_hand(autoencoder, WINDOWS), atol=1e-6)


def test_both_come_back_from_a_file_unchanged(autoencoder, tmp_path):
    for model in (autoencoder, models.build_encoder(autoencoder)):
        path = tmp_path / f"{model.name}.keras"
        model.save(path)
        loaded = keras.saving.load_model(path)
        np.testing.assert_array_equal(
            loaded.predict(WINDOWS, verbose=0), model.predict(WINDOWS, verbose=0)
        )


def test_a_model_without_a_latent_layer_is_refused():
    forecaster = models.build_lstm_forecaster(STEPS, FEATURES, units=(2,))
    with pytest.raises(ValueError, match=r"layer named 'latent'.* layers window, lstm_1"):
        models.build_encoder(forecaster)
