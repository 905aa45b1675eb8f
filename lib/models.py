"""Builders for the networks: plain functional Keras, compiled, reproducible from a seed.

A forecaster maps `(batch, window, n_features)` to the next rows `(batch, horizon, n_features)`; an
autoencoder maps a window to itself, and its layer `latent` gives the latent vector
`(batch, latent)`. `build_lstm_forecaster(units=(latent, units))` has exactly as many parameters as
`build_lstm_autoencoder(units=units, latent=latent)`: the same two LSTM layers, once with a
bottleneck between them and once without.

Every builder returns a compiled `keras.Model`, and names in a `ValueError` what it cannot use, such
as a size that is not a positive integer. Besides sizes of their own they all take:

====================  ===========================================================================
`window, n_features`  shape of an input window
`horizon`             rows after the window to predict
`activation`          of the hidden layers; the output is linear, and so is the bottleneck of a
                      dense or convolutional autoencoder
`learning_rate`       of the Adam optimiser
`loss`                "mae" or "mse", see `SameShapeLoss`
`seed`                of the initial weights, of dropout and of noise
====================  ===========================================================================
"""

import functools
import inspect
import itertools
import random

import pandas as pd

from lib.backend import keras
from lib.errors import choice, whole

layers, ops = keras.layers, keras.ops
CELLS = {"lstm": layers.LSTM, "gru": layers.GRU}


@keras.saving.register_keras_serializable(package="lib")
class SameShapeLoss(keras.losses.Loss):
    """Mean absolute or squared error that refuses targets of another shape than the output.

    Keras broadcasts: a target of shape `(batch,)` against an output of shape
    `(batch, window, 1)` compares every sample with every other sample's target, silently.

    A NaN in a target is a missing value: it stays out of its sample's mean, and a sample whose
    targets are all missing has a loss of 0.

    Parameters
    ----------
    error : {"mae", "mse"}

    Examples
    --------
    >>> loss = SameShapeLoss("mae")
    >>> float(loss(ops.zeros((2, 3, 1)), ops.ones((2, 3, 1))))
    1.0
    >>> float(loss(ops.array([[[5.0], [float("nan")]]]), ops.ones((1, 2, 1))))
    4.0
    """

    def __init__(self, error="mae", name="same_shape_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        if error not in ("mae", "mse"):
            raise ValueError(f"`loss` must be 'mae' or 'mse'. Received: loss={error!r}")
        self.error = error

    def call(self, y_true, y_pred):
        """Error per sample, shape (batch,)."""
        if y_true.shape[1:] != y_pred.shape[1:]:
            # Fitted before on other targets, the backend may no longer know the rank: "<unknown>".
            raise ValueError(
                f"`targets` must have the shape of the model's output, {y_pred.shape}. "
                f"Received: targets of shape {y_true.shape}"
            )
        y_true = ops.cast(y_true, y_pred.dtype)
        missing = ops.isnan(y_true)
        # Not NaN times zero afterwards: the gradient would be NaN all the same.
        difference = ops.where(missing, 0.0, y_true) - y_pred
        distance = ops.abs(difference) if self.error == "mae" else ops.square(difference)
        present = 1.0 - ops.cast(missing, y_pred.dtype)
        axes = tuple(range(1, len(y_pred.shape)))
        count = ops.maximum(ops.sum(present, axis=axes), 1.0)
        return ops.sum(distance * present, axis=axes) / count

    def get_config(self):
        """Arguments to build the same loss again."""
        return {**super().get_config(), "error": self.error}


def _builder(count):
    """Make a builder of a function: it knows how many numbers its network learns, without building.

    It seeds Python's generator, and leaves the state of that to the caller as it was.
    """

    def decorate(build):
        @functools.wraps(build)
        def built(*args, **options):
            state = random.getstate()
            try:
                return build(*args, **options)
            finally:
                random.setstate(state)

        built.count = count
        return built

    return decorate


def _recurrent(cell, inputs, *widths):
    """Numbers of recurrent layers, the first of which sees `inputs` numbers in a step."""
    gates, biases = {"lstm": (4, 1), "gru": (3, 2)}[cell]  # Keras keeps two, as cuDNN does
    pairs = itertools.pairwise((inputs, *widths))
    return sum(gates * units * (seen + units + biases) for seen, units in pairs)


def _dense(*widths, kernel=1):
    """Numbers of dense layers, or of convolutions that see `kernel` steps at once."""
    return sum((kernel * a + 1) * b for a, b in itertools.pairwise(widths))


def _halved(window, filters):
    """Steps before the first convolution and behind each, which halves them, rounded up."""
    return [-(-window // 2**number) for number in range(len(filters) + 1)]


def _count_lstm_forecaster(window, n_features, *, units, horizon, patch, cell, **_):
    recurrent = _recurrent(cell, patch * n_features, *units)
    return recurrent + _dense(units[-1], horizon * n_features)


@_builder(_count_lstm_forecaster)
def build_lstm_forecaster(
    window,
    n_features=1,
    *,
    units=(64, 64),
    horizon=1,
    patch=1,
    cell="lstm",
    activation="tanh",
    dropout=0.0,
    learning_rate=1e-3,
    loss="mae",
    seed=0,
):
    """Stacked LSTM layers that predict the rows after a window.

    Parameters
    ----------
    units : sequence of int
        Width of each LSTM layer, first to last.
    patch : int
        Rows that the first LSTM layer sees in one step, a divisor of `window`. A window of 200 rows
        in patches of 10 is 20 steps: faster, and easier to learn, since the gradient has a shorter
        way.
    cell : {"lstm", "gru"}
        Kind of the recurrent layers. A gated recurrent unit (Cho et al., 2014) has two gates and
        no cell state.
    activation : str
        Of what a cell takes in and gives out, where an LSTM has tanh; the gates stay as they
        are.
    dropout : float in [0, 1)
        Share of each LSTM layer's outputs that is dropped in training.

    Examples
    --------
    >>> build_lstm_forecaster(window=30, units=(8, 16)).output_shape
    (None, 1, 1)
    """
    _check_widths("units", units)
    _check_share("dropout", dropout)
    inputs = _seeded_input(window, n_features, seed, horizon=horizon)
    hidden = _patches(inputs, patch)
    hidden = _recurrent_stack(hidden, cell, units, activation, dropout, name=cell)
    return _forecast(inputs, hidden, horizon, f"{cell}_forecaster", learning_rate, loss)


def _count_lstm_autoencoder(window, n_features, *, units, latent, depth, patch, cell, **_):
    step, latent, more = patch * n_features, units if latent is None else latent, depth - 1
    layer = functools.partial(_recurrent, cell)
    encoder = layer(step, latent)
    if more:  # counted, not listed: a stored recipe may ask for any depth
        encoder = layer(step, units) + (more - 1) * layer(units, units) + layer(units, latent)
    decoder = layer(latent, units) + more * layer(units, units)
    return encoder + decoder + _dense(units, step)


@_builder(_count_lstm_autoencoder)
def build_lstm_autoencoder(
    window,
    n_features=1,
    *,
    units=64,
    latent=None,
    depth=1,
    patch=1,
    horizon=0,
    cell="lstm",
    activation="tanh",
    dropout=0.0,
    noise=0.0,
    learning_rate=1e-3,
    loss="mae",
    seed=0,
):
    """LSTM autoencoder: encoder, `RepeatVector`, decoder, the same dense layer at each step.

    Parameters
    ----------
    units : int
        Width of every LSTM layer but the encoder's last.
    latent : int, optional
        Width of the encoder's last LSTM layer: the bottleneck. Default: `units`.
    depth : int
        LSTM layers in the encoder, and again in the decoder.
    patch : int
        Rows that an LSTM sees, and the dense layer gives, in one step; a divisor of `window` and
        of `horizon`.
    horizon : int
        Rows after the window that the decoder goes on to predict; 0 for a plain autoencoder. With
        more, the network reconstructs and forecasts from one latent vector: its output has
        `window + horizon` rows.
    noise : float in [0, 1)
        Standard deviation of Gaussian noise that training adds to each window, so that the network
        learns to take it away: a denoising autoencoder.
    cell, activation, dropout
        As in `build_lstm_forecaster`.

    Notes
    -----
    The encoder-decoder form is that of Malhotra et al. (2016), "LSTM-based encoder-decoder for
    multi-sensor anomaly detection", here with the latent vector repeated as decoder input. Patches
    are known from transformers: Nie et al. (2023), "A time series is worth 64 words". To
    reconstruct and forecast at once is the idea of AER: Wong, Liu, Berti-Equille and Veeramachaneni
    (2022), "AER: Auto-Encoder with Regression for time series anomaly detection"; theirs is
    bidirectional and predicts one row on each side.

    Examples
    --------
    >>> build_lstm_autoencoder(window=30, units=16, latent=8).output_shape
    (None, 30, 1)
    """
    latent = units if latent is None else latent
    if whole("horizon", horizon, 0) % whole("patch", patch):
        raise ValueError(
            f"`horizon` must be a multiple of `patch`, {patch}. Received: horizon={horizon}"
        )
    _check_share("dropout", dropout)
    _check_share("noise", noise)
    inputs = _seeded_input(window, n_features, seed, units=units, latent=latent, depth=depth)
    stack = functools.partial(_recurrent_stack, cell=cell, activation=activation, dropout=dropout)
    steps = inputs
    if noise:
        steps = layers.GaussianNoise(noise, seed=_drawn_seed(), name="noise")(inputs)
    code = stack(_patches(steps, patch), widths=[units] * (depth - 1) + [latent], name="encoder")
    code = layers.Identity(name="latent")(code)
    hidden = layers.RepeatVector((window + horizon) // patch, name="repeat")(code)
    hidden = stack(hidden, widths=[units] * depth, last_sequence=True, name="decoder")
    # On three axes `Dense` acts on each step alike: `TimeDistributed(Dense)`, but faster.
    outputs = layers.Dense(patch * n_features, name="dense_per_step")(hidden)
    if patch > 1:
        outputs = layers.Reshape((window + horizon, n_features), name="rows")(outputs)
    name = f"{cell}_{'combined' if horizon else 'autoencoder'}"
    return compiled(inputs, outputs, name, learning_rate, loss)


def _count_dense_autoencoder(window, n_features, *, units, latent, **_):
    numbers = window * n_features
    return _dense(numbers, *units, latent, *reversed(units), numbers)


@_builder(_count_dense_autoencoder)
def build_dense_autoencoder(
    window,
    n_features=1,
    *,
    units=(32,),
    latent=2,
    activation="tanh",
    learning_rate=1e-3,
    loss="mae",
    seed=0,
):
    """Autoencoder of dense layers: it sees all numbers of a window at once, in no order.

    Parameters
    ----------
    units : sequence of int
        Widths of the encoder's hidden layers; the decoder has them in reverse. With `()` there
        is nothing but the bottleneck, and the network is linear.
    latent : int
        Width of the bottleneck.

    Examples
    --------
    >>> model = build_dense_autoencoder(window=32, units=(16,), latent=2)
    >>> model.output_shape, model.get_layer("latent").output.shape
    ((None, 32, 1), (None, 2))
    """
    if units != ():
        _check_widths("units", units)
    inputs = _seeded_input(window, n_features, seed, latent=latent)
    hidden = _dense_stack(layers.Flatten(name="flat")(inputs), units, activation, "encoder")
    hidden = layers.Dense(latent, name="latent")(hidden)
    hidden = _dense_stack(hidden, units[::-1], activation, "decoder")
    outputs = layers.Dense(window * n_features, name="dense")(hidden)
    outputs = layers.Reshape((window, n_features), name="reconstruction")(outputs)
    return compiled(inputs, outputs, "dense_autoencoder", learning_rate, loss)


def _count_dense_forecaster(window, n_features, *, units, horizon, **_):
    return _dense(window * n_features, *units, horizon * n_features)


@_builder(_count_dense_forecaster)
def build_dense_forecaster(
    window,
    n_features=1,
    *,
    units=(32, 32),
    horizon=1,
    activation="tanh",
    learning_rate=1e-3,
    loss="mae",
    seed=0,
):
    """Dense layers, of the widths `units`, that predict the rows after a window from all of it.

    Examples
    --------
    >>> build_dense_forecaster(window=30, units=(8,), horizon=2).output_shape
    (None, 2, 1)
    """
    _check_widths("units", units)
    inputs = _seeded_input(window, n_features, seed, horizon=horizon)
    hidden = _dense_stack(layers.Flatten(name="flat")(inputs), units, activation, "hidden")
    return _forecast(inputs, hidden, horizon, "dense_forecaster", learning_rate, loss)


def _count_conv_autoencoder(window, n_features, *, filters, kernel, latent, **_):
    flat = _halved(window, filters)[-1] * filters[-1]
    encoder = _dense(n_features, *filters, kernel=kernel)
    decoder = _dense(filters[-1], *reversed(filters), n_features, kernel=kernel)
    return encoder + _dense(flat, latent, flat) + decoder


@_builder(_count_conv_autoencoder)
def build_conv_autoencoder(
    window,
    n_features=1,
    *,
    filters=(32, 16),
    kernel=7,
    latent=8,
    activation="relu",
    learning_rate=1e-3,
    loss="mae",
    seed=0,
):
    """Convolutional autoencoder: each layer looks at `kernel` steps and halves their number.

    Parameters
    ----------
    filters : sequence of int
        Channels of the encoder's convolutions, each with stride 2; the decoder has them in
        reverse, each after a doubling of the steps.
    kernel : int
        Steps that one convolution sees.
    latent : int
        Width of the bottleneck, a dense layer between encoder and decoder.

    Notes
    -----
    The decoder repeats steps and convolves, where a transposed convolution would leave a
    checkerboard (Odena et al., 2016, "Deconvolution and checkerboard artifacts"). An odd number
    of steps is one too many after the doubling; the last is cropped.

    Examples
    --------
    >>> model = build_conv_autoencoder(window=30, filters=(8, 4), kernel=5, latent=2)
    >>> model.output_shape, model.get_layer("latent").output.shape
    ((None, 30, 1), (None, 2))
    """
    _check_widths("filters", filters)
    inputs = _seeded_input(window, n_features, seed, kernel=kernel, latent=latent)
    hidden = _conv_encoder(inputs, filters, kernel, activation)
    hidden = layers.Dense(latent, name="latent")(hidden)
    *before, steps = _halved(window, filters)
    hidden = layers.Dense(steps * filters[-1], activation, name="widen")(hidden)
    hidden = layers.Reshape((steps, filters[-1]), name="steps")(hidden)
    for number, (width, length) in enumerate(zip(filters[::-1], before[::-1], strict=True), 1):
        hidden = layers.UpSampling1D(2, name=f"double_{number}")(hidden)
        hidden = layers.Cropping1D((0, length % 2), name=f"crop_{number}")(hidden)
        hidden = _convolution(width, kernel, 1, activation, f"decoder_{number}")(hidden)
    outputs = _convolution(n_features, kernel, 1, None, "reconstruction")(hidden)
    return compiled(inputs, outputs, "conv_autoencoder", learning_rate, loss)


def _count_conv_forecaster(window, n_features, *, filters, kernel, latent, horizon, **_):
    flat = _halved(window, filters)[-1] * filters[-1]
    return _dense(n_features, *filters, kernel=kernel) + _dense(flat, latent, horizon * n_features)


@_builder(_count_conv_forecaster)
def build_conv_forecaster(
    window,
    n_features=1,
    *,
    filters=(32, 16),
    kernel=7,
    latent=8,
    horizon=1,
    activation="relu",
    learning_rate=1e-3,
    loss="mae",
    seed=0,
):
    """Convolutions, as in `build_conv_autoencoder`, that predict the rows after a window.

    `latent` is the width of the dense layer between the convolutions and the forecast.

    Examples
    --------
    >>> build_conv_forecaster(window=30, filters=(8, 4), horizon=2).output_shape
    (None, 2, 1)
    """
    _check_widths("filters", filters)
    sizes = {"kernel": kernel, "latent": latent, "horizon": horizon}
    inputs = _seeded_input(window, n_features, seed, **sizes)
    hidden = _conv_encoder(inputs, filters, kernel, activation)
    hidden = layers.Dense(latent, activation, name="latent")(hidden)
    return _forecast(inputs, hidden, horizon, "conv_forecaster", learning_rate, loss)


def build_encoder(autoencoder):
    """Take the encoder out of an autoencoder: everything up to its layer `latent`.

    Parameters
    ----------
    autoencoder : keras.Model
        With a layer of that name, as the autoencoders of this module have.

    Returns
    -------
    keras.Model
        Input `(batch, window, n_features)`, output `(batch, latent)`. It shares its weights with
        the autoencoder: training the one changes the other.

    Raises
    ------
    ValueError
        If there is no layer named `latent`.

    Examples
    --------
    >>> autoencoder = build_lstm_autoencoder(window=30, units=16, latent=8)
    >>> build_encoder(autoencoder).output_shape
    (None, 8)
    """
    names = [layer.name for layer in autoencoder.layers]
    if "latent" not in names:
        raise ValueError(
            f"`autoencoder` must have a layer named 'latent'. Received: layers {', '.join(names)}"
        )
    return keras.Model(autoencoder.input, autoencoder.get_layer("latent").output, name="encoder")


def layer_table(model):
    """List the layers of a model, input first, as a learner can read them.

    Returns
    -------
    DataFrame with the index `layer`, the names
        `kind`, `output shape` without the batch axis, and `parameters`, the numbers it learns.

    Examples
    --------
    >>> layer_table(build_lstm_forecaster(window=30, units=(8,)))["parameters"].tolist()
    [0, 320, 9, 0]
    """
    columns = {
        "kind": [type(layer).__name__ for layer in model.layers],
        "output shape": [str(tuple(layer.output.shape[1:])) for layer in model.layers],
        "parameters": [layer.count_params() for layer in model.layers],
    }
    return pd.DataFrame(columns, pd.Index([layer.name for layer in model.layers], name="layer"))


def _seeded_input(window, n_features, seed, **sizes):
    """The input layer, once all sizes are sure; the layers built next depend on the seed alone."""
    for name, size in {"window": window, "n_features": n_features, **sizes}.items():
        whole(name, size)
    # Keras draws the seeds of its initializers and of dropout from here, on every backend.
    # `keras.utils.set_random_seed` would also make TensorFlow forget what it has compiled.
    random.seed(seed)
    return keras.Input((window, n_features), name="window")


def _drawn_seed():
    """Without a seed, Keras on PyTorch would draw from PyTorch's own, unseeded generator."""
    return random.randint(1, 10**9)


def _patches(inputs, patch):
    """Write so many rows of a window side by side, as one step of a recurrent layer."""
    _, window, n_features = inputs.shape
    if window % whole("patch", patch):
        raise ValueError(
            f"`window` must be a multiple of `patch`, {patch}. Received: window={window}"
        )
    if patch == 1:
        return inputs
    return layers.Reshape((window // patch, patch * n_features), name="patches")(inputs)


def _recurrent_stack(tensor, cell, widths, activation, dropout, last_sequence=False, *, name):
    choice("cell", cell, CELLS)
    for number, width in enumerate(widths, start=1):
        sequence = last_sequence or number < len(widths)
        layer = CELLS[cell](width, activation, return_sequences=sequence, name=f"{name}_{number}")
        tensor = layer(tensor)
        if dropout:
            dropped = layers.Dropout(dropout, seed=_drawn_seed(), name=f"{layer.name}_dropout")
            tensor = dropped(tensor)
    return tensor


def _dense_stack(tensor, widths, activation, name):
    for number, width in enumerate(widths, start=1):
        tensor = layers.Dense(width, activation, name=f"{name}_{number}")(tensor)
    return tensor


def _convolution(width, kernel, stride, activation, name):
    return layers.Conv1D(width, kernel, stride, "same", activation=activation, name=name)


def _conv_encoder(tensor, filters, kernel, activation):
    for number, width in enumerate(filters, start=1):
        tensor = _convolution(width, kernel, 2, activation, f"encoder_{number}")(tensor)
    return layers.Flatten(name="flat")(tensor)


def _forecast(inputs, hidden, horizon, name, learning_rate, loss):
    """The last layer of a forecaster: all numbers of the rows to come at once."""
    n_features = inputs.shape[2]
    outputs = layers.Dense(horizon * n_features, name="dense")(hidden)
    outputs = layers.Reshape((horizon, n_features), name="forecast")(outputs)
    return compiled(inputs, outputs, name, learning_rate, loss)


def compiled(inputs, outputs, name, learning_rate, loss):
    """Make a model from its input and output tensor, ready to be trained with Adam."""
    positive = isinstance(learning_rate, int | float) and 0 < learning_rate < float("inf")
    if not positive or isinstance(learning_rate, bool):
        raise ValueError(
            f"`learning_rate` must be a positive number. Received: learning_rate={learning_rate!r}"
        )
    model = keras.Model(inputs, outputs, name=name)
    model.compile(optimizer=keras.optimizers.Adam(learning_rate), loss=SameShapeLoss(loss))
    # Keras would do it in the first step of training, and after a refused target never again.
    model.optimizer.build(model.trainable_variables)
    return model


def _check_widths(name, widths):
    if not isinstance(widths, list | tuple) or not widths:
        raise ValueError(f"`{name}` must list a width per layer. Received: {name}={widths!r}")
    for place, width in enumerate(widths):
        whole(f"{name}[{place}]", width)


def _check_share(name, value):
    if not isinstance(value, int | float) or not 0 <= value < 1:
        raise ValueError(f"`{name}` must be at least 0 and below 1. Received: {name}={value!r}")


BUILDERS = {
    "lstm_autoencoder": build_lstm_autoencoder,
    "lstm_forecaster": build_lstm_forecaster,
    "lstm_combined": build_lstm_autoencoder,
    "gru_autoencoder": functools.partial(build_lstm_autoencoder, cell="gru"),
    "gru_forecaster": functools.partial(build_lstm_forecaster, cell="gru"),
    "dense_autoencoder": build_dense_autoencoder,
    "dense_forecaster": build_dense_forecaster,
    "conv_autoencoder": build_conv_autoencoder,
    "conv_forecaster": build_conv_forecaster,
}


def count_parameters(kind, window, n_features=1, **options):
    """Numbers that a network of a kind in `BUILDERS` learns, without building it.

    The arguments are those of the builder, with the same defaults.

    Examples
    --------
    >>> count_parameters("lstm_autoencoder", 30, units=16, latent=4)
    1457
    """
    build, options = BUILDERS[kind], _defaults(kind) | options
    return getattr(build, "func", build).count(window, n_features, **options)


@functools.cache
def _defaults(kind):
    found = inspect.signature(BUILDERS[kind]).parameters.values()
    return {one.name: one.default for one in found if one.kind == one.KEYWORD_ONLY}
