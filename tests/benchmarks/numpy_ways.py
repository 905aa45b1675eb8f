"""The autoencoder by hand in NumPy, gradient and all: an experiment, and no part of the course.

As `lib.forward` computes it: batch last, one product a step, one tanh for all gates, a constant
input multiplied once. What a step leaves behind is all that the way back needs.
"""

import numpy as np
from common import epochs_by, first_weights, peak_memory, windows  # noqa: F401


def regrouped(weights):
    """[recurrent, kernel, bias] with the columns of Keras (i, f, g, o) as i, f, o, g."""
    kernel, recurrent, bias = weights
    order = np.array([0, 1, 3, 2]).repeat(len(recurrent)) * len(recurrent)
    order += np.tile(np.arange(len(recurrent)), 4)
    return np.concatenate([recurrent, kernel, bias[None]])[:, order]


class Lstm:
    """One layer; `weights` is (units + n_features + 1, 4 * units), `base` a projected input."""

    def __init__(self, units, weights):
        self.units, self.weights = units, weights
        self.half = np.repeat(np.float32([0.5, 0.5, 0.5, 1.0]), units)[:, None]

    def forward(self, seen, base=None):
        """States of all steps; `seen` is (steps + 1, rows, batch), its states are filled in."""
        units, steps, batch = self.units, len(seen) - 1, seen.shape[-1]
        self.seen, self.tanh = seen, np.empty((steps, units, batch), "float32")
        self.gates = np.empty((steps, 4 * units, batch), "float32")
        self.cells = np.zeros((steps + 1, units, batch), "float32")
        seen[0, :units] = 0.0
        weights = (self.weights[: seen.shape[1]] * self.half.T).T
        base = None if base is None else base * self.half
        for t, z in enumerate(self.gates):
            np.dot(weights, seen[t], z)
            if base is not None:
                z += base
            np.tanh(z, z)
            z[: 3 * units] += 1.0
            z[: 3 * units] *= 0.5
            i, f, o, g = z.reshape(4, units, batch)
            np.multiply(f, self.cells[t], self.cells[t + 1])
            self.cells[t + 1] += i * g
            np.tanh(self.cells[t + 1], self.tanh[t])
            np.multiply(o, self.tanh[t], seen[t + 1, :units])
        return seen[1:, :units]

    def backward(self, d_states):
        """Gradient of the rows of the weights that `seen` met, and the sum of dz over steps."""
        units = self.units
        batch = self.seen.shape[-1]
        recurrent = self.weights[:units]
        gradient = np.zeros((4 * units, self.seen.shape[1]), "float32")
        total, dz = np.zeros((2, 4 * units, batch), "float32")
        dh, dc = np.zeros((2, units, batch), "float32")
        di, df, do, dg = dz.reshape(4, units, batch)
        for t in reversed(range(len(self.gates))):
            z, tanh = self.gates[t], self.tanh[t]
            i, f, o, g = z.reshape(4, units, batch)
            if t < len(d_states):
                dh += d_states[t]
            np.multiply(dh, tanh, do)
            dh *= o
            dc += dh
            dh *= tanh * tanh
            dc -= dh
            np.multiply(dc, g, di)
            np.multiply(dc, self.cells[t], df)
            np.multiply(dc, i, dg)
            dz[: 3 * units] *= z[: 3 * units] * (1.0 - z[: 3 * units])
            dg *= 1.0 - g * g
            dc *= f
            np.dot(recurrent, dz, dh)
            gradient += np.dot(dz, self.seen[t].T)
            total += dz
        return gradient.T, total


class Autoencoder:
    def __init__(self, units, latent, weights):
        self.weights = [*map(regrouped, (weights[:3], weights[3:6])), *weights[6:]]
        self.encoder, self.decoder = Lstm(latent, self.weights[0]), Lstm(units, self.weights[1])
        self.units, self.latent = units, latent
        self.moments = [[np.zeros_like(w) for w in self.weights] for _ in range(2)]
        self.count = 0

    def outputs(self, x):
        """From (steps, n_features, batch) to the same."""
        steps, n_features, batch = x.shape
        seen = np.ones((steps + 1, self.latent + n_features + 1, batch), "float32")
        seen[:-1, self.latent : -1] = x
        self.code = self.encoder.forward(seen)[-1]
        kernel, bias = self.weights[1][self.units : -1], self.weights[1][-1:]
        base = kernel.T @ self.code + bias.T
        self.states = self.decoder.forward(
            np.empty((steps + 1, self.units, batch), "float32"), base
        )
        return self.weights[2].T @ self.states + self.weights[3][:, None]

    def gradients(self, x):
        d_out = np.sign(self.outputs(x) - x) / np.float32(x.size)
        d_dense = (self.states @ d_out.transpose(0, 2, 1)).sum(axis=0)
        rows, total = self.decoder.backward(self.weights[2] @ d_out)
        kernel = self.weights[1][self.units : -1]
        d_decoder = np.concatenate([rows, self.code @ total.T, total.sum(axis=1)[None]])
        d_encoder = self._through_the_code(kernel @ total, len(x))
        return [d_encoder, d_decoder, d_dense, d_out.sum(axis=(0, 2))]

    def _through_the_code(self, d_code, steps):
        d_states = [0.0] * (steps - 1) + [d_code]  # only the last state is seen by anyone
        return self.encoder.backward(d_states)[0]

    def step(self, x, rate):
        """One step of Adam, as Keras takes it."""
        self.count += 1
        rate *= np.sqrt(1 - 0.999**self.count) / (1 - 0.9**self.count)
        for w, m, v, g in zip(self.weights, *self.moments, self.gradients(x), strict=True):
            m += (g - m) * 0.1
            v += (g * g - v) * 0.001
            w -= (rate * m / (np.sqrt(v) + 1e-7)).astype("float32")


def train(window, units, latent, count, held_out, batch, rate, epochs, target=None, way=None):
    parts = windows(window, count, held_out)
    inputs, later = (np.ascontiguousarray(np.moveaxis(part, 0, -1)) for part in parts)
    model = Autoencoder(units, latent, first_weights(units, latent))

    def loss():
        pieces = [later[..., start : start + 256] for start in range(0, held_out, 256)]
        total = sum(np.abs(model.outputs(piece) - piece).sum() for piece in pieces)
        return float(total / max(later.size, 1))

    def step(places):
        model.step(np.take(inputs, places, axis=-1), rate)

    return epochs_by(step, loss, count, batch, epochs, target)
