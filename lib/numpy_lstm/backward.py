"""A network that learns in NumPy: Keras's gradients and Keras's Adam, in less time.

The same layout and the same savings as in `forward`: the batch is the last axis, a step of an LSTM
is one product, and an input that never changes, as behind `RepeatVector`, is multiplied once. Each
layer keeps from the way forward what the way back needs; the gradient of the loss passes through
the layers in reverse (`lib.numpy_lstm.gradients`).
"""

import numpy as np

from lib.backend import keras
from lib.models import SameShapeLoss
from lib.numpy_lstm import gradients
from lib.numpy_lstm.forward import chain

# What may not be changed in Keras's Adam, beside its rate, its betas and its epsilon.
PLAIN_ADAM = {
    **{"amsgrad": False, "weight_decay": None, "use_ema": False, "loss_scale_factor": None},
    **{"clipnorm": None, "global_clipnorm": None, "clipvalue": None},
    **{"gradient_accumulation_steps": None},
}
MOMENTS = ("momentum", "velocity")


def learner(model):
    """Return what trains a network fastest: NumPy, or the network itself.

    Parameters
    ----------
    model : keras.Model
        Compiled.

    Returns
    -------
    Learner or keras.Model
        The latter if a layer, the loss or the optimiser is of a kind that is not known here:
        dropout, an activation in an LSTM other than tanh. Both are trained by
        `train_on_batch`.

    Examples
    --------
    >>> from lib import models
    >>> type(learner(models.build_lstm_autoencoder(window=5, units=2))).__name__
    'Learner'
    >>> learner(models.build_lstm_autoencoder(window=5, dropout=0.1)).name
    'lstm_autoencoder'
    """
    layers = [gradients.layer(one) for one in chain(model)]
    known = layers and None not in layers and type(model.loss) is SameShapeLoss
    return Learner(model, layers) if known and _is_plain_adam(model.optimizer) else model


def _is_plain_adam(optimizer):
    options = optimizer.get_config()
    # By name, too: AdamW is an Adam, and on PyTorch each has a class of its own.
    is_adam = isinstance(optimizer, keras.optimizers.Adam) and type(optimizer).__name__ == "Adam"
    # A schedule of the rate would be a dict.
    is_plain = is_adam and PLAIN_ADAM.items() <= options.items()
    return is_plain and isinstance(options["learning_rate"], float)


class Learner:
    """A network's twin in NumPy; made by `learner`.

    It starts with the weights of the network and with what its optimiser remembers, and learns
    on its own. `give_back` hands over what it learned.

    Parameters
    ----------
    model : keras.Model
    layers : list
        As `gradients.layer` makes them.
    """

    def __init__(self, model, layers):
        self.model, self.layers, self.error = model, layers, model.loss.error
        self.weights = [weight for layer in layers for weight in layer.weights]
        self.optimizer = Adam(model.optimizer, layers)

    def reset_metrics(self):
        """Do nothing, as there is nothing to forget: each loss is that of one batch."""

    @np.errstate(over="ignore", invalid="ignore")  # where training runs away, the loss says so
    def train_on_batch(self, inputs, targets, **options):
        """Take one step of Adam; returns a dict with `loss`, the mean over the batch before it.

        Inputs and targets have shape (n_windows, steps, n_features). NaN in a target is a missing
        value. Keras's options change nothing.
        """
        difference, share = self._difference(inputs, targets)
        gradient = np.sign(difference) if self.error == "mae" else 2.0 * difference
        gradient *= share
        found = []
        for layer in reversed(self.layers):
            gradient = layer.backward(gradient)
            found[:0] = layer.gradients
        self.optimizer.step(self.weights, found)
        return self._loss(difference, share)

    def test_on_batch(self, inputs, targets, **options):
        """Return the loss as `train_on_batch` does, and learn nothing."""
        return self._loss(*self._difference(inputs, targets))

    def get_weights(self):
        """Return copies of the arrays that Keras's network would return."""
        return [weight for layer in self.layers for weight in layer.unpacked(layer.weights)]

    def set_weights(self, weights):
        """Take over arrays as `get_weights` returns them."""
        _fill(self.layers, [layer.weights for layer in self.layers], weights)

    def give_back(self):
        """Hand weights and the state of the optimiser to the network."""
        self.model.set_weights(self.get_weights())
        self.optimizer.give_back()

    def _difference(self, inputs, targets):
        """Outputs less targets, 0 where a target is missing; and the share of each in the loss."""
        values, wanted = (_batch_last(part) for part in (inputs, targets))
        for layer in self.layers:
            values = layer.forward(values)
        present = ~np.isnan(wanted)
        difference = np.where(present, values - wanted, np.float32(0.0))
        of_window = np.maximum(present.sum(axis=(0, 1)), 1) * len(inputs)
        share = (present / of_window).astype("float32")
        return difference, share

    def _loss(self, difference, share):
        distance = np.abs(difference) if self.error == "mae" else np.square(difference)
        return {"loss": float(np.vdot(distance, share))}


class Adam:
    """Adam (Kingma and Ba, 2015) as Keras takes its steps, on arrays that change in place."""

    def __init__(self, optimizer, layers):
        options = optimizer.get_config()
        names = ("learning_rate", "beta_1", "beta_2", "epsilon")
        self.learning_rate, self.mean, self.square, self.epsilon = (options[n] for n in names)
        self.keras, self.layers, self.steps = optimizer, layers, int(optimizer.iterations)
        self.moments = []
        for kind in MOMENTS:
            arrays = [[np.zeros_like(weight) for weight in layer.weights] for layer in layers]
            _fill(layers, arrays, [np.asarray(one) for one in self._variables(kind)])
            self.moments.append([array for of_layer in arrays for array in of_layer])

    def step(self, weights, found):
        """Change weights by their gradients."""
        self.steps += 1
        rate = self.learning_rate / (1.0 - self.mean**self.steps)
        rate *= (1.0 - self.square**self.steps) ** 0.5
        for weight, mean, square, gradient in zip(weights, *self.moments, found, strict=True):
            mean += (gradient - mean) * (1.0 - self.mean)
            square += (gradient * gradient - square) * (1.0 - self.square)
            weight -= rate * mean / (np.sqrt(square) + self.epsilon)

    def give_back(self):
        """Hand the count of steps and the moments to Keras's optimiser."""
        self.keras.iterations.assign(self.steps)
        for kind, moments in zip(MOMENTS, self.moments, strict=True):
            rest, arrays = iter(moments), []
            for layer in self.layers:
                arrays += layer.unpacked([next(rest) for _ in layer.weights])
            for variable, array in zip(self._variables(kind), arrays, strict=True):
                variable.assign(array)

    def _variables(self, kind):
        return [one for one in self.keras.variables if one.path.endswith(kind)]


def _batch_last(part):
    return np.asarray(np.moveaxis(part, 0, -1), dtype="float32", order="C")


def _fill(layers, targets, arrays):
    """Write Keras's arrays into those of the layers, which hold them in an order of their own."""
    rest = iter(arrays)
    for layer, own in zip(layers, targets, strict=True):
        packed = layer.packed([next(rest) for _ in range(layer.count)])
        for target, source in zip(own, packed, strict=True):
            target[...] = source
