"""Layers that can be walked back: outputs on the way forward, gradients on the way back.

Each layer has its `weights`, and after `backward` their `gradients`, arrays of the same shapes.
`backward` takes the gradient of the loss by the layer's output and returns that by its input. The
batch is the last axis: `(steps, width, batch)`, or `(width, batch)`.
"""

import numpy as np

from lib.numpy_lstm.forward import ACTIVATIONS, gru_step, halves, lstm_rows, patches_of, step_of

SLOPES = {  # of the activations, told from what they gave
    "linear": np.ones_like,
    "relu": np.sign,
    "tanh": lambda y: 1.0 - y * y,
    "sigmoid": lambda y: y * (1.0 - y),
}


def layer(one):
    """Return the twin of a layer of Keras.

    Parameters
    ----------
    one : keras.Layer

    Returns
    -------
    Moved, Dense, Conv, Gru, Lstm or None
        None if the layer is of a kind, or has an option, that is not known here.

    Examples
    --------
    >>> from lib.backend import keras
    >>> type(layer(keras.layers.RepeatVector(3))).__name__
    'Moved'
    >>> layer(keras.layers.Dropout(0.5)) is None
    True
    """
    kind, options, step = type(one).__name__, one.get_config(), step_of(one)
    if step is not None and kind in WITH_WEIGHTS:
        weights = [np.array(weight, order="C") for weight in one.get_weights()]
        return WITH_WEIGHTS[kind](weights, options)
    return Moved(step, BACK[kind], options) if step is not None and kind in BACK else None


class _Plain:
    """A layer whose arrays are those of Keras."""

    weights, gradients = (), ()

    @property
    def count(self):
        """Number of arrays that Keras has for this layer."""
        return len(self.weights)

    def packed(self, arrays):
        """Arrays in Keras's order as this layer holds them."""
        return list(arrays)

    def unpacked(self, arrays):
        """Arrays as this layer holds them, copied into Keras's order."""
        return [array.copy() for array in arrays]


class Moved(_Plain):
    """A layer that moves values or repeats them; what comes back from copies is added up."""

    def __init__(self, step, back, options):
        self.step, self.back, self.options = step, back, options

    def forward(self, x):
        """As `forward` does it."""
        self.came = x.shape
        return self.step(x)

    def backward(self, gradient):
        """Give each value its share of the gradient."""
        return self.back(gradient, self.came, self.options)


def _shape_of(gradient, came, _):
    return gradient.reshape(came)


BACK = {
    "Identity": _shape_of,
    "Flatten": _shape_of,
    "Reshape": _shape_of,
    "RepeatVector": lambda gradient, came, _: gradient.sum(axis=0),
    "UpSampling1D": lambda gradient, came, _: gradient.reshape(came[0], -1, *came[1:]).sum(axis=1),
    "Cropping1D": lambda gradient, _, of: np.pad(gradient, (of["cropping"], (0, 0), (0, 0))),
}


class Dense(_Plain):
    """The same product, sum and activation at each step, if there are steps."""

    def __init__(self, weights, options):
        activation = options["activation"]
        self.weights = weights
        kernel, self.bias = weights
        self.kernel = kernel.reshape(-1, len(self.bias))  # a view: it learns with the weights
        self.function, self.slope = ACTIVATIONS[activation], SLOPES[activation]

    def forward(self, x):
        """Keep input and output."""
        self.x, self.y = x, self.function(self.kernel.T @ x + self.bias[:, None])
        return self.y

    def backward(self, gradient):
        """By kernel and bias, summed over steps and batch."""
        gradient = gradient * self.slope(self.y)
        by_kernel = self.x @ np.swapaxes(gradient, -1, -2)
        by_kernel = by_kernel.reshape(-1, *self.kernel.shape).sum(axis=0)
        every = tuple(axis for axis in range(gradient.ndim) if axis != gradient.ndim - 2)
        self.gradients = [by_kernel.reshape(self.weights[0].shape), gradient.sum(axis=every)]
        return self.kernel @ gradient


class Conv(Dense):
    """A dense layer on what each step looks at: itself and its neighbours, side by side."""

    def __init__(self, weights, options):
        super().__init__(weights, options)
        (self.size,), (self.stride,) = options["kernel_size"], options["strides"]

    def forward(self, x):
        """Lay the neighbours side by side, which takes no memory."""
        self.came = x.shape
        seen, self.before = patches_of(x, self.size, self.stride)
        return super().forward(seen)

    def backward(self, gradient):
        """Add up, for each step, what comes from all that looked at it."""
        steps, width, batch = self.came
        by_seen = super().backward(gradient).reshape(len(gradient), self.size, width, batch)
        last = (len(gradient) - 1) * self.stride
        by_input = np.zeros((max(last + self.size, self.before + steps), width, batch), "float32")
        for place in range(self.size):
            by_input[place : place + last + 1 : self.stride] += by_seen[:, place]
        return by_input[self.before : self.before + steps]


class Gru(_Plain):
    """One layer of gated recurrent units (Cho et al., 2014), as Keras computes them."""

    def __init__(self, weights, options):
        self.weights, self.sequence = weights, options["return_sequences"]
        self.units = len(weights[1])

    def forward(self, x):
        """Hidden states, (steps, units, batch), or the last one."""
        kernel, recurrent, bias = self.weights
        self.x, self.same = x, x.strides[0] == 0  # the same at each step: multiplied once
        given = kernel.T @ (x[:1] if self.same else x) + bias[0][:, None]
        self.states = np.zeros((len(x) + 1, self.units, x.shape[-1]), "float32")
        self.kept, rows = [], np.ascontiguousarray(recurrent.T)
        for t in range(len(x)):
            parts = gru_step(given[0 if self.same else t], rows, bias[1], self.states[t])
            self.states[t + 1], kept = parts[0], parts[1:]
            self.kept.append(kept)
        return self.states[1:] if self.sequence else self.states[-1]

    def backward(self, gradient):
        """By the weights; and by the input, of one step where all steps have the same."""
        kernel, recurrent, _ = self.weights
        steps, batch, two = len(self.x), self.x.shape[-1], 2 * self.units
        by_given = np.empty((steps, 3 * self.units, batch), "float32")
        by_state, by_recurrent = np.zeros((self.units, batch), "float32"), 0.0
        by_told, by_bias = np.empty((3 * self.units, batch), "float32"), 0.0
        for t in reversed(range(steps)):
            if self.sequence or t == steps - 1:
                by_state = by_state + (gradient[t] if self.sequence else gradient)
            gates, candidate, told = self.kept[t]
            update, reset = gates.reshape(2, self.units, batch)
            by_kept, by_reset, by_candidate = by_given[t].reshape(3, self.units, batch)
            by_candidate[:] = by_state * (1.0 - update) * (1.0 - candidate * candidate)
            by_kept[:] = by_state * (self.states[t] - candidate)
            by_reset[:] = by_candidate * told
            by_given[t, :two] *= gates * (1.0 - gates)
            by_told[:two], by_told[two:] = by_given[t, :two], by_candidate * reset
            by_recurrent = by_recurrent + self.states[t] @ by_told.T
            by_bias = by_bias + by_told.sum(axis=1)
            by_state = by_state * update + recurrent @ by_told
        total = by_given.sum(axis=0)
        x, by_x = (self.x[:1], total[None]) if self.same else (self.x, by_given)
        by_kernel = (x @ np.swapaxes(by_x, 1, 2)).sum(axis=0)
        self.gradients = [by_kernel, by_recurrent, np.stack([total.sum(axis=1), by_bias])]
        return kernel @ by_x


class Lstm:
    """One LSTM layer, its weights in one array, `forward.lstm_rows`.

    Inside, i, f and o are the input, forget and output gate, g is the candidate.

    Backpropagation through time: Werbos (1990), "Backpropagation through time: what it does and
    how to do it".
    """

    count = 3

    def __init__(self, weights, options):
        self.units, self.sequence = len(weights[1]), options["return_sequences"]
        self.weights, self.half = self.packed(weights), halves(self.units)[:, None]
        self.room = {}

    def packed(self, arrays):
        """One array from kernel, recurrent kernel and bias."""
        return [lstm_rows(*arrays)]

    def unpacked(self, arrays):
        """Kernel, recurrent kernel and bias from one array."""
        i, f, o, g = np.split(arrays[0], 4, axis=1)
        rows = np.concatenate([i, f, g, o], axis=1)  # as Keras has them
        return [rows[self.units : -1], rows[: self.units], rows[-1]]

    def forward(self, x):
        """Hidden states, (steps, units, batch), or the last one."""
        weights = np.ascontiguousarray(self.weights[0].T) * self.half
        self.x, self.base = x, None
        if x.strides[0] == 0:  # the same at each step
            self.base = weights[:, self.units : -1] @ x[0] + weights[:, -1:]
            weights = np.ascontiguousarray(weights[:, : self.units])
        self._take_room(len(x), weights.shape[1], x.shape[-1])
        if self.base is None:
            self.seen[:-1, self.units : -1], self.seen[:-1, -1] = x, 1.0
        for t in range(len(x)):
            self._step(weights, t)
        states = self.seen[1:, : self.units]
        return states if self.sequence else states[-1]

    def _take_room(self, steps, rows, batch):
        """Arrays for all steps; taken anew they would cost more than some of the sums."""
        shape, units = (steps, rows, batch), self.units
        if shape not in self.room:
            self.room[shape] = (
                np.zeros((steps + 1, rows, batch), "float32"),
                *(np.zeros((steps + 1, units, batch), "float32") for _ in range(2)),
                np.empty((steps, 4 * units, batch), "float32"),
            )
        self.seen, self.cells, self.tanh, self.gates = self.room[shape]

    def _step(self, weights, t):
        """What the step sees is its state and, if that changes, its input and a one."""
        z, units = self.gates[t], self.units
        np.dot(weights, self.seen[t], z)
        if self.base is not None:
            z += self.base
        np.tanh(z, z)
        z[: 3 * units] += 1.0
        z[: 3 * units] *= 0.5
        i, f, o, g = z.reshape(4, units, -1)
        np.multiply(f, self.cells[t], self.cells[t + 1])
        self.cells[t + 1] += i * g
        np.tanh(self.cells[t + 1], self.tanh[t])
        np.multiply(o, self.tanh[t], self.seen[t + 1, :units])

    def backward(self, gradient):
        """By the weights; and by the input, of one step where all steps have the same."""
        steps, batch = len(self.x), self.x.shape[-1]
        recurrent, kernel = self.weights[0][: self.units], self.weights[0][self.units : -1]
        by_state, by_cell = np.zeros((2, self.units, batch), "float32")
        by_gates, total = np.zeros((2, 4 * self.units, batch), "float32")
        by_seen = np.zeros((4 * self.units, self.seen.shape[1]), "float32")
        by_input = np.empty((steps, len(kernel), batch), "float32")
        for t in reversed(range(steps)):
            if self.sequence or t == steps - 1:
                by_state += gradient[t] if self.sequence else gradient
            self._step_back(t, by_state, by_cell, by_gates)
            np.dot(recurrent, by_gates, by_state)
            by_seen += np.dot(by_gates, self.seen[t].T)
            if self.base is None:
                np.dot(kernel, by_gates, by_input[t])
            else:
                total += by_gates
        if self.base is None:
            self.gradients = [by_seen.T]
            return by_input
        rest = self.x[0] @ total.T, total.sum(axis=1)[None]
        self.gradients = [np.concatenate([by_seen.T, *rest])]
        return (kernel @ total)[None]

    def _step_back(self, t, by_state, by_cell, by_gates):
        """From the gradients by state and cell after a step to those by its gates and the cell."""
        z, tanh, gates = self.gates[t], self.tanh[t], 3 * self.units
        i, f, o, g = z.reshape(4, self.units, -1)
        by_i, by_f, by_o, by_g = by_gates.reshape(4, self.units, -1)
        np.multiply(by_state, tanh, by_o)
        by_state *= o
        by_cell += by_state
        by_state *= tanh * tanh
        by_cell -= by_state
        np.multiply(by_cell, g, by_i)
        np.multiply(by_cell, self.cells[t], by_f)
        np.multiply(by_cell, i, by_g)
        by_gates[:gates] *= z[:gates] * (1.0 - z[:gates])  # the slopes: of three sigmoids,
        by_g *= 1.0 - g * g  # and of a tanh
        by_cell *= f


WITH_WEIGHTS = {"LSTM": Lstm, "GRU": Gru, "Dense": Dense, "Conv1D": Conv}
