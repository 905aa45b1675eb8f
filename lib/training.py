"""Seeded training with early stopping, and a progress bar that leaves no trace."""

import os
import sys
import time

import numpy as np
import pandas as pd
from tqdm import tqdm

from lib.backend import keras


def fit(
    model,
    inputs,
    targets,
    *,
    validation=None,
    epochs=20,
    batch_size=128,
    patience=3,
    seed=0,
):
    """Train a compiled model and keep the weights of its best epoch.

    Parameters
    ----------
    model : keras.Model
    inputs, targets : ndarray of shape (n_windows, steps, n_features)
        Their order is shuffled anew in each epoch.
    validation : tuple (inputs, targets), optional
        Later windows, never trained on. With them, training stops after `patience` epochs
        without a better validation loss; without them it runs for all `epochs`.
    epochs, batch_size, patience : int
    seed : int
        Of the shuffling; dropout draws from the seed that the model was built with. Same seeds,
        same thread count, same machine: the same weights, bit for bit.

    Returns
    -------
    DataFrame
        One row per epoch run (index `epoch`, from 1): `loss` and, with validation, `val_loss`.
        `attrs["best_epoch"]` is the epoch whose weights were kept, `attrs["seconds"]` the time.

    Raises
    ------
    ValueError
        If a count is not a positive integer, the arrays differ in length, hold a value that
        is not finite, are empty, or have another shape than the model's input and output.

    Examples
    --------
    >>> from lib import models
    >>> windows = np.sin(np.arange(60)).reshape(12, 5, 1)
    >>> model = models.build_lstm_autoencoder(window=5, units=2)
    >>> history = fit(model, windows, windows, epochs=2)
    >>> history.shape
    (2, 1)
    """
    _check(model, inputs, targets, epochs=epochs, batch_size=batch_size, patience=patience)
    callbacks = [_Progress(epochs)]
    if validation is not None:
        _check(model, *validation)
        stopping = keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)
        callbacks.append(stopping)
    keras.utils.set_random_seed(seed)
    started = time.perf_counter()
    result = model.fit(
        np.ascontiguousarray(inputs, dtype="float32"),
        np.ascontiguousarray(targets, dtype="float32"),
        validation_data=validation,
        epochs=epochs,
        batch_size=batch_size,
        callbacks=callbacks,
        verbose=0,
    )
    history = _history(result.history)
    history.attrs["seconds"] = time.perf_counter() - started
    return history


def _history(losses):
    """One row per epoch, sure to be finite, with the epoch whose weights were kept."""
    history = pd.DataFrame(losses)
    if not np.isfinite(history.to_numpy()).all():
        raise ValueError(
            "`learning_rate` must be small enough for the loss to stay finite. "
            "Received: a model whose training diverged"
        )
    history.index = pd.RangeIndex(1, len(history) + 1, name="epoch")
    best = history["val_loss"].idxmin() if "val_loss" in history else len(history)
    history.attrs = {"best_epoch": int(best)}
    return history


def restart(model, fresh):
    """Put a model back to the start: weights, random state and optimiser of a fresh twin.

    Compiling a network for the first time takes seconds, copying its state nothing: a model
    that is trained many times over is better restarted than built anew.

    Parameters
    ----------
    model : keras.Model
        Fitted or not.
    fresh : keras.Model
        Built with the same arguments, perhaps another seed, and never fitted.

    Examples
    --------
    >>> from lib import models
    >>> model = models.build_lstm_autoencoder(window=5, units=2, seed=0)
    >>> restart(model, models.build_lstm_autoencoder(window=5, units=2, seed=1))
    """
    for one in (model, fresh):
        one.optimizer.build(one.trainable_variables)
    state = [*fresh.weights, *_random_state(fresh), *fresh.optimizer.variables]
    own = [*model.weights, *_random_state(model), *model.optimizer.variables]
    for variable, start in zip(own, state, strict=True):
        variable.assign(start)


def _random_state(model):
    layers = [layer for layer in model.layers if hasattr(layer, "seed_generator")]
    return [layer.seed_generator.state for layer in layers if layer.seed_generator is not None]


class _Progress(keras.callbacks.Callback):
    """A bar over epochs for a person who watches; nothing for a log, a test or a stored output."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_train_begin(self, logs=None):
        self.bar = tqdm(
            total=self.epochs, unit="epoch", file=sys.stdout, leave=False, disable=not _watched()
        )

    def on_epoch_end(self, epoch, logs=None):
        self.bar.set_postfix({name: f"{value:.3g}" for name, value in (logs or {}).items()})
        self.bar.update()

    def on_train_end(self, logs=None):
        self.bar.close()
        if not self.bar.disable and _in_notebook():
            from IPython.display import clear_output

            clear_output()


def _watched():
    """Whether a person looks on. `LIB_PROGRESS=0` says no, as automatic runs do."""
    if os.environ.get("LIB_PROGRESS") == "0":
        return False
    return sys.stdout.isatty() or _in_notebook()


def _in_notebook():
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")


def _check(model, inputs, targets, **counts):
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError(f"`{name}` must be a positive integer. Received: {name}={count!r}")
    if len(inputs) != len(targets):
        raise ValueError(
            f"`targets` must have one entry per window, {len(inputs)}. Received: {len(targets)}"
        )
    _check_array("inputs", inputs, model.input_shape[1:])
    _check_array("targets", targets, model.output_shape[1:])


def _check_array(name, values, expected):
    if len(values) == 0 or values.shape[1:] != expected:
        raise ValueError(
            f"`{name}` must have shape (n_windows, {', '.join(map(str, expected))}), "
            f"with at least one window. Received: {values.shape}"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"`{name}` must be finite. Received: NaN or infinity in {name}.")
