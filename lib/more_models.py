"""Two more networks for the comparison study: a GRU autoencoder, and one that also predicts.

Built, seeded and compiled as those of `lib.models`.
"""

from lib import models
from lib.backend import keras

layers = keras.layers


def build_gru_autoencoder(
    window,
    n_features=1,
    *,
    units=64,
    latent=None,
    patch=1,
    activation="tanh",
    learning_rate=1e-3,
    loss="mae",
    seed=0,
):
    """GRU autoencoder: `models.build_lstm_autoencoder` with gated recurrent units.

    Parameters
    ----------
    window, n_features : int
        Shape of a window, both input and output.
    units : int
        Width of the decoder's layer.
    latent : int, optional
        Width of the encoder's layer: the bottleneck. Default: `units`.
    patch : int
        As in `models.build_lstm_autoencoder`.
    activation, learning_rate, loss, seed
        As in `models.build_lstm_forecaster`.

    Returns
    -------
    keras.Model
        Compiled; input and output `(batch, window, n_features)`. Its layer `latent` gives the
        latent vector, `(batch, latent)`.

    Raises
    ------
    ValueError
        If a size is not a positive integer, or `window` is no multiple of `patch`.

    Notes
    -----
    A gated recurrent unit (Cho et al., 2014) has two gates and no cell state, so at equal width
    three quarters of the LSTM's parameters, or a little more.

    Examples
    --------
    >>> build_gru_autoencoder(window=30, units=16, latent=8).output_shape
    (None, 30, 1)
    """
    sizes = (window, n_features, units, latent, patch)
    inputs, outputs = _recurrent(layers.GRU, *sizes, activation, seed)
    return models.compiled(
        inputs, outputs, "gru_autoencoder", learning_rate, models.SameShapeLoss(loss)
    )


def build_combined_autoencoder(
    window,
    n_features=1,
    *,
    units=64,
    latent=None,
    patch=1,
    activation="tanh",
    learning_rate=1e-3,
    loss="mae",
    seed=0,
):
    """LSTM autoencoder whose decoder also predicts what comes before and after the window.

    Parameters
    ----------
    window, n_features : int
        Shape of an input window.
    units, latent, patch, activation, learning_rate, loss, seed
        As in `build_gru_autoencoder`.

    Returns
    -------
    keras.Model
        Compiled with `models.CombinedLoss`; input `(batch, window, n_features)`, output
        `(batch, window + 2 * patch, n_features)`: `patch` rows before, the window, `patch` rows
        after. As many parameters as `models.build_lstm_autoencoder` of the same `units`, `latent`
        and `patch`.

    Raises
    ------
    ValueError
        If a size is not a positive integer, or `window` is no multiple of `patch`.

    Notes
    -----
    The idea of AER, Wong, Liu, Berti-Equille and Veeramachaneni (2022), "AER: Auto-Encoder with
    Regression for time series anomaly detection". Theirs is bidirectional; this one is not, so
    that it differs from the LSTM autoencoder in nothing but the two rows.

    Examples
    --------
    >>> build_combined_autoencoder(window=30, units=16, latent=8).output_shape
    (None, 32, 1)
    """
    sizes = (window, n_features, units, latent, patch)
    inputs, outputs = _recurrent(layers.LSTM, *sizes, activation, seed, beyond=2)
    loss = models.CombinedLoss(loss, outer=patch)
    return models.compiled(inputs, outputs, "combined_autoencoder", learning_rate, loss)


def _recurrent(layer, window, n_features, units, latent, patch, activation, seed, beyond=0):
    """Input and output of an autoencoder with one recurrent layer on each side of its code.

    The output has `beyond` steps more than the window.
    """
    latent = units if latent is None else latent
    models.check_sizes(window=window, n_features=n_features, units=units, latent=latent)
    models.set_seed(seed)
    inputs = keras.Input((window, n_features), name="window")
    code = layer(latent, activation, name="encoder_1")(models.patches(inputs, patch))
    code = layers.Identity(name="latent")(code)
    hidden = layers.RepeatVector(window // patch + beyond, name="repeat")(code)
    hidden = layer(units, activation, return_sequences=True, name="decoder_1")(hidden)
    outputs = layers.Dense(patch * n_features, name="dense_per_step")(hidden)
    return inputs, models.rows(outputs, patch)
