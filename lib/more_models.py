"""Two more networks for the comparison study: a GRU autoencoder, and one that also predicts.

Built, seeded and compiled as those of `lib.models`.
"""

from lib import models
from lib.backend import keras

layers, ops = keras.layers, keras.ops


@keras.saving.register_keras_serializable(package="lib")
class CombinedLoss(models.SameShapeLoss):
    """Half the error of the window's own rows, half that of the row before and the row after.

    Equal parts, whatever the window's length: Wong et al. (2022) call the share of the two
    outer rows the regression ratio, and use 0.5.

    Raises
    ------
    ValueError
        As `models.SameShapeLoss`.

    Examples
    --------
    >>> outputs, targets = ops.zeros((1, 4, 1)), ops.array([[[1.0], [0.0], [0.0], [1.0]]])
    >>> float(CombinedLoss("mae")(targets, outputs))
    0.5
    """

    def call(self, y_true, y_pred):
        """Error per sample, shape (batch,)."""
        if y_true.shape[1:] != y_pred.shape[1:]:
            return super().call(y_true, y_pred)  # which says what is wrong
        y_true = ops.cast(y_true, y_pred.dtype)
        outer = (ops.concatenate([y[:, :1], y[:, -1:]], axis=1) for y in (y_true, y_pred))
        own = (y[:, 1:-1] for y in (y_true, y_pred))
        return (super().call(*own) + super().call(*outer)) / 2


def build_gru_autoencoder(
    window,
    n_features=1,
    *,
    units=64,
    latent=None,
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
        If a size is not a positive integer.

    Notes
    -----
    A gated recurrent unit (Cho et al., 2014) has two gates and no cell state, so at equal width
    three quarters of the LSTM's parameters, or a little more.

    Examples
    --------
    >>> build_gru_autoencoder(window=30, units=16, latent=8).output_shape
    (None, 30, 1)
    """
    inputs, outputs = _recurrent(layers.GRU, window, n_features, units, latent, activation, seed)
    return models.compiled(
        inputs, outputs, "gru_autoencoder", learning_rate, models.SameShapeLoss(loss)
    )


def build_combined_autoencoder(
    window,
    n_features=1,
    *,
    units=64,
    latent=None,
    activation="tanh",
    learning_rate=1e-3,
    loss="mae",
    seed=0,
):
    """LSTM autoencoder whose decoder also predicts the row before and the row after the window.

    Parameters
    ----------
    window, n_features : int
        Shape of an input window.
    units, latent, activation, learning_rate, loss, seed
        As in `build_gru_autoencoder`.

    Returns
    -------
    keras.Model
        Compiled with `CombinedLoss`; input `(batch, window, n_features)`, output
        `(batch, window + 2, n_features)`: the row before, the window, the row after. As many
        parameters as `models.build_lstm_autoencoder` of the same `units` and `latent`.

    Raises
    ------
    ValueError
        If a size is not a positive integer.

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
    widths = (window, n_features, units, latent)
    inputs, outputs = _recurrent(layers.LSTM, *widths, activation, seed, beyond=2)
    return models.compiled(
        inputs, outputs, "combined_autoencoder", learning_rate, CombinedLoss(loss)
    )


def _recurrent(layer, window, n_features, units, latent, activation, seed, beyond=0):
    """Input and output of an autoencoder with one recurrent layer on each side of its code.

    The output has `beyond` steps more than the window.
    """
    latent = units if latent is None else latent
    models.check_sizes(window=window, n_features=n_features, units=units, latent=latent)
    models.set_seed(seed)
    inputs = keras.Input((window, n_features), name="window")
    code = layer(latent, activation, name="encoder_1")(inputs)
    code = layers.Identity(name="latent")(code)
    hidden = layers.RepeatVector(window + beyond, name="repeat")(code)
    hidden = layer(units, activation, return_sequences=True, name="decoder_1")(hidden)
    return inputs, layers.Dense(n_features, name="dense_per_step")(hidden)
