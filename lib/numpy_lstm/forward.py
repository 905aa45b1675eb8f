"""What a network answers, computed in NumPy: the same outputs as Keras gives, in less time.

A step of Keras costs as much as hundreds of small products of matrices, and its LSTM walks through
a window with little work at each step. Here a window's steps share one matrix, a gate costs
no pass of its own, and an input that never changes, as behind `RepeatVector`, is multiplied once.

Inside, the batch is the last axis: `(steps, n_features, batch)`, or `(width, batch)`.
"""

import math
from functools import partial

import numpy as np

AT_ONCE = 256  # windows; their states stay in the processor's cache
BLOCK = 16  # windows; products of other widths end in other last digits
ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0.0, out=x),
    "tanh": lambda x: np.tanh(x, out=x),
    "sigmoid": lambda x: np.tanh(x * 0.5) * 0.5 + 0.5,
}


def compiled(model):
    """Return what computes a network's outputs fastest: NumPy, or the network itself.

    Parameters
    ----------
    model : keras.Model
        Its weights are copied: what it learns later is not seen.

    Returns
    -------
    Forward or keras.Model
        The latter if any layer is of a kind, or has an option, that the builders of `models`
        do not use. Both have `predict(inputs, batch_size=…, verbose=0)`.

    Examples
    --------
    >>> from lib import models
    >>> model = models.build_lstm_autoencoder(window=5, units=2)
    >>> windows = np.sin(np.arange(10.0)).reshape(2, 5, 1)
    >>> np.allclose(compiled(model).predict(windows), model.predict(windows, verbose=0), atol=1e-6)
    True
    """
    layers = chain(model)
    steps = [step_of(layer) for layer in layers]
    return model if not steps or None in steps else Forward(steps)


class Forward:
    """Steps that turn windows into outputs; made by `compiled`.

    Each is a function of an array of float32 whose last axis is the batch, and returns such a one.
    """

    def __init__(self, steps):
        self.steps = steps

    def predict(self, inputs, **options):
        """Outputs for windows, as `keras.Model.predict` gives them; its options change nothing."""
        starts = range(0, max(len(inputs), 1), AT_ONCE)
        return np.concatenate([self._part(inputs[start : start + AT_ONCE]) for start in starts])

    def _part(self, inputs):
        # In whole blocks, so that a window has the same output whichever windows stand beside it.
        count = len(inputs)
        values = np.zeros((*inputs.shape[1:], count + -count % BLOCK), dtype="float32")
        values[..., :count] = np.moveaxis(inputs, 0, -1)
        for step in self.steps:
            values = step(values)
        return np.moveaxis(values[..., :count], -1, 0)


def chain(model):
    """Return the layers behind the input layer; none if they are no chain of Keras's own kinds.

    Examples
    --------
    >>> from lib import models
    >>> [layer.name for layer in chain(models.build_lstm_forecaster(5, units=(2,)))]
    ['lstm_1', 'dense', 'forecast']
    """
    layers, last = [], model.inputs[0]
    for layer in model.layers:
        if type(layer).__name__ != "InputLayer":
            known = type(layer).__module__.startswith("keras.") and layer.input is last
            layers.append(layer if known and layer.compute_dtype == "float32" else None)
            last = layer.output
    return [] if None in layers or last is not model.outputs[0] else layers


def step_of(layer):
    """Return what a layer does, as a function; None if it is not known here."""
    options = layer.get_config()
    make, needed = KNOWN.get(type(layer).__name__, (None, {}))
    if make is None or not needed.items() <= options.items():
        return None
    return make(options, *(np.asarray(weight) for weight in layer.get_weights()))


def _dense(options, kernel, bias):
    if options["activation"] not in ACTIVATIONS:
        return None
    return partial(_product, np.ascontiguousarray(kernel.T), bias[:, None], options["activation"])


def _product(kernel, bias, activation, x):
    return ACTIVATIONS[activation](kernel @ x + bias)


def _conv(options, kernel, bias):
    product = _dense(options, kernel.reshape(-1, kernel.shape[-1]), bias)
    return product and partial(_convolve, product, *options["kernel_size"], *options["strides"])


def _convolve(product, size, stride, x):
    """One product for each step: what it looks at lies side by side in memory."""
    return product(patches_of(x, size, stride)[0])


def patches_of(x, size, stride):
    """Lay side by side what each step of a convolution looks at.

    Parameters
    ----------
    x : ndarray of shape (steps, width, batch)
    size, stride : int

    Returns
    -------
    ndarray of shape (steps / stride, size * width, batch), read-only
        A view of a padded copy.
    int
        Rows of zeros that were put before the first step.

    Examples
    --------
    >>> patches, before = patches_of(np.arange(1.0, 4.0).reshape(3, 1, 1), size=3, stride=1)
    >>> patches[:, :, 0].tolist(), before
    ([[0.0, 1.0, 2.0], [1.0, 2.0, 3.0], [2.0, 3.0, 0.0]], 1)
    """
    steps = math.ceil(len(x) / stride)
    surplus = max((steps - 1) * stride + size - len(x), 0)
    # Rows of zeros on both sides; where their number is odd, one more at the end.
    x = np.pad(x, ((surplus // 2, surplus - surplus // 2), (0, 0), (0, 0)))
    shape = (steps, size * x.shape[1], x.shape[2])
    strides = (stride * x.strides[0], *x.strides[1:])
    return np.lib.stride_tricks.as_strided(x, shape, strides, writeable=False), surplus // 2


def _lstm(options, kernel, recurrent, bias):
    weights = lstm_rows(kernel, recurrent, bias) * halves(len(recurrent))
    return partial(_run_lstm, weights, len(recurrent), options["return_sequences"])


def lstm_rows(kernel, recurrent, bias):
    """Weights of an LSTM in one array: rows of the state, of the input, of the bias.

    Parameters
    ----------
    kernel, recurrent, bias : ndarray
        As Keras has them, with columns of input gate, forget gate, candidate, output gate.

    Returns
    -------
    ndarray of shape (units + n_features + 1, 4 * units)
        The candidate comes last, so that the three gates lie side by side.

    Examples
    --------
    >>> lstm_rows(np.ones((2, 4)), np.zeros((1, 4)), np.arange(4.0))
    array([[0., 0., 0., 0.],
           [1., 1., 1., 1.],
           [1., 1., 1., 1.],
           [0., 1., 3., 2.]])
    """
    columns = np.arange(recurrent.shape[1]).reshape(4, -1)[[0, 1, 3, 2]].ravel()
    return np.ascontiguousarray(np.concatenate([recurrent, kernel, bias[None]])[:, columns])


def halves(units):
    """Factors of these columns: the sigmoid of a gate is a tanh of half the size.

    So one tanh serves all four.

    Examples
    --------
    >>> halves(1).tolist()
    [0.5, 0.5, 0.5, 1.0]
    """
    return np.repeat(np.float32([0.5, 0.5, 0.5, 1.0]), units)


def _run_lstm(weights, units, sequence, x):
    """Hidden states, (steps, units, batch), or the last one."""
    base = None
    if x.strides[0] == 0:  # the same at each step
        base = weights[units:-1].T @ x[0] + weights[-1:].T
        weights = weights[:units]
    # What a step sees: its state and, if that changes, its input and a one for the bias.
    seen = np.empty((len(x) + 1, len(weights), x.shape[-1]), dtype="float32")
    if base is None:
        seen[:-1, units:-1], seen[:, -1] = x, 1.0
    states = seen[:, :units]
    states[0] = 0.0
    _recur(weights.T, base, seen, states)
    return states[1:] if sequence else states[-1]


def _recur(weights, base, seen, states):
    """Fill `states` step by step; all products and sums go where they are needed next."""
    units, batch = states.shape[1:]
    block = np.zeros((5 * units, batch), dtype="float32")
    every, gates, last = block[: 4 * units], block[: 3 * units], block[2 * units : 3 * units]
    first_two, candidate_and_cell, cell = block[: 2 * units], block[3 * units :], block[4 * units :]
    kept = np.empty_like(first_two)
    new, old = kept[:units], kept[units:]
    one, half = np.ones_like(gates), np.full_like(cell, 0.5)  # NumPy is slower with a number
    for now, after in zip(seen[:-1], states[1:], strict=True):
        np.dot(weights, now, every)
        if base is not None:
            np.add(every, base, every)
        np.tanh(every, every)
        np.add(gates, one, gates)  # twice the sigmoid
        np.multiply(first_two, candidate_and_cell, kept)
        np.add(new, old, cell)
        np.multiply(cell, half, cell)
        np.tanh(cell, new)
        np.multiply(last, new, after)
        np.multiply(after, half, after)


def _gru(options, kernel, recurrent, bias):
    return partial(_run_gru, kernel.T, recurrent.T, bias, options["return_sequences"])


def _run_gru(kernel, recurrent, bias, sequence, x):
    """Hidden states, (steps, units, batch), or the last one."""
    same = x.strides[0] == 0  # at each step
    given = kernel @ (x[:1] if same else x) + bias[0][:, None]
    states = np.zeros((len(x) + 1, recurrent.shape[1], x.shape[-1]), dtype="float32")
    for t in range(len(x)):
        states[t + 1] = gru_step(given[0 if same else t], recurrent, bias[1], states[t])[0]
    return states[1:] if sequence else states[-1]


def gru_step(given, recurrent, bias, state):
    """One step of gated recurrent units: the new state, and what led to it.

    Parameters
    ----------
    given : ndarray of shape (3 * units, batch)
        From the input: for the update gate, the reset gate, the candidate.
    recurrent : ndarray of shape (3 * units, units)
    bias : ndarray of 3 * units
    state : ndarray of shape (units, batch)

    Returns
    -------
    state, gates, candidate, told : ndarray
        `told` is what the candidate hears of the old state before the reset gate.

    Examples
    --------
    >>> given, recurrent = np.array([[9.0], [0.0], [0.0]]), np.zeros((3, 1))
    >>> gru_step(given, recurrent, np.zeros(3), np.array([[1.0]]))[0].round(2)  # it stays
    array([[1.]])
    """
    units = len(state)
    told = recurrent @ state + bias[:, None]
    gates = ACTIVATIONS["sigmoid"](given[: 2 * units] + told[: 2 * units])
    update, told = gates[:units], told[2 * units :]
    candidate = np.tanh(given[2 * units :] + gates[units:] * told)
    return candidate + update * (state - candidate), gates, candidate, told


def _shaped(shape, x):
    return np.ascontiguousarray(x).reshape(*shape, x.shape[-1])


def _repeated(count, x):
    return np.broadcast_to(x, (count, *x.shape))


def _cropped(before, after, x):
    return x[before : len(x) - after]


# Kind of layer -> what makes its step, and the options that this step takes for granted.
PLAIN_LSTM = {
    **{"activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True},
    **{"return_state": False, "go_backwards": False, "stateful": False},
}
PLAIN_GRU = {**PLAIN_LSTM, "reset_after": True}
PLAIN_CONV = {
    **{"padding": "same", "data_format": "channels_last", "dilation_rate": (1,)},
    **{"groups": 1, "use_bias": True},
}
KNOWN = {
    "LSTM": (_lstm, PLAIN_LSTM),
    "GRU": (_gru, PLAIN_GRU),
    "Dense": (_dense, {"use_bias": True}),
    "Conv1D": (_conv, PLAIN_CONV),
    "RepeatVector": (lambda options: partial(_repeated, options["n"]), {}),
    "Flatten": (lambda options: partial(_shaped, (-1,)), {"data_format": "channels_last"}),
    "Reshape": (lambda options: partial(_shaped, options["target_shape"]), {}),
    "UpSampling1D": (lambda options: partial(np.repeat, repeats=options["size"], axis=0), {}),
    "Cropping1D": (lambda options: partial(_cropped, *options["cropping"]), {}),
    **dict.fromkeys(("Dropout", "GaussianNoise", "Identity"), (lambda options: np.asarray, {})),
}
