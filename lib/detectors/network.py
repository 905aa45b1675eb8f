"""A Keras network as a detector sees it: it learns from windows, and gives errors of windows."""

import contextlib
import tempfile
from pathlib import Path

import numpy as np

from lib import models, training, windowing
from lib.backend import keras
from lib.numpy_lstm import forward

SHARE = 0.5  # of the steps before which training does not stop
MOST = 100_000_000  # parameters; training takes 16 bytes for each
LOOKED_AT = 500  # validation windows, where a number of steps is the budget


class Network:
    """A network, built when it learns or is loaded.

    Parameters
    ----------
    window, n_features, horizon, seed : int
    name : str
        Of the builder in `models.BUILDERS`.
    **options
        Of the builder.
    """

    stored = ()

    def __init__(self, window, n_features, horizon=0, seed=0, *, name, **options):
        self.name, self.build = name, models.BUILDERS[name]
        self.sizes = window, n_features
        self.options = options | ({"horizon": horizon} if horizon else {})
        self.seed, self.model, self._fast, self._kept = seed, None, None, None

    @property
    def n_parameters(self):
        """Numbers that the network learns; nothing is built."""
        return models.count_parameters(self.name, *self.sizes, **self.options)

    def fit(self, blocks, validation, *, steps=None, **options):
        """Train the network; returns the history of `training.fit`.

        With a number of `steps` the learning rate falls to 0, training does not stop before half
        of them, and the validation loss is that of 500 windows at most, evenly spread.
        """
        with contextlib.suppress(TypeError):  # what is not a number, the builder names
            if self.n_parameters > MOST:
                raise ValueError(
                    f"`options` must make a network of at most {MOST:,} parameters. "
                    f"Received: {self.n_parameters:,}"
                )
        self.model = self.build(*self.sizes, seed=self.seed, **self.options)
        if steps is not None:
            options |= {"steps": steps, "min_steps": int(steps * SHARE), "decay": True}
            validation = validation[windowing.evenly(len(validation), LOOKED_AT)]
        options |= {"validation": validation, "allow_missing": True, "seed": self.seed}
        return training.fit(self.model, blocks, **options)

    def errors(self, inputs, targets):
        """Output less target."""
        return self._outputs(inputs) - targets

    def fast(self):
        """Prepare for many small calls with the weights as they are now."""
        self._fast = self._compiled()

    def _compiled(self):
        """The network in NumPy, made anew only where it or a weight is another than last time."""
        known, weights = self._kept, self.model.get_weights()
        is_known = known is not None and known[0] is self.model
        if not is_known or not all(map(np.array_equal, known[1], weights)):
            self._kept = self.model, weights, forward.compiled(self.model)
        return self._kept[2]

    def _outputs(self, inputs):
        network = self._fast or self._compiled()
        inputs = np.ascontiguousarray(inputs, dtype="float32")
        return np.asarray(network.predict(inputs, batch_size=1024, verbose=0), dtype="float64")

    def save(self, path):
        """Write the network without loss and optimiser: plain Keras opens it."""
        model = self.model
        keras.Model(model.inputs, model.outputs, name=model.name).save(path)

    def load(self, content):
        """Build the network, and fill in the weights from the bytes of a file of Keras's."""
        self.model = self.build(*self.sizes, seed=self.seed, **self.options)
        with tempfile.TemporaryDirectory() as private:
            path = Path(private) / "model.keras"
            path.write_bytes(content)
            self.model.load_weights(path)
        if not all(np.isfinite(weight).all() for weight in self.model.get_weights()):
            raise ValueError("weights that are no finite numbers")
