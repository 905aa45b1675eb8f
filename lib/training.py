"""Seeded training with early stopping, and a progress bar that leaves no trace.

Keras's `train_on_batch` in a loop of our own, not its `fit`: a `fit` takes half a second to set
up, a study trains small networks by the hundred. And TensorFlow's shuffling can be repeated only by
`keras.utils.set_random_seed`, which throws away everything that was compiled so far.
"""

import contextlib
import itertools
import math
import os
import sys
import time

import numpy as np
import pandas as pd
from tqdm import tqdm

from lib import errors
from lib.backend import keras
from lib.numpy_lstm.backward import learner

SCORED_AT_ONCE = 1024  # validation windows; it changes speed and memory, not the loss
LOOKS = 40  # at the validation loss, if the budget is a number of steps


def fit(  # noqa: PLR0915 - one loop, read from top to bottom
    model,
    inputs,
    targets=None,
    *,
    validation=None,
    epochs=20,
    steps=None,
    min_steps=0,
    batch_size=128,
    patience=3,
    seed=0,
    allow_missing=False,
    decay=False,
    trainer=None,
):
    """Train a compiled model and keep the weights with the lowest validation loss.

    Parameters
    ----------
    model : keras.Model
    inputs, targets : ndarray of shape (n_windows, steps, n_features)
        Their order is shuffled anew in each epoch. Without `targets`, `inputs` is an object that
        cuts windows as they are needed: it has a length, and its item `[places]`, for an array
        of places, is a pair of float32 inputs and targets.
    validation : tuple (inputs, targets) or such an object, optional
        Later windows, never trained on. With them, training stops after `patience` epochs
        without a better validation loss; without them it runs for all `epochs` or `steps`.
    epochs, batch_size, patience : int
    steps : int, optional
        Steps of the optimiser, one per batch: the budget in place of `epochs`. Then the
        validation loss is looked at 40 times, evenly spread, and `patience` counts these looks.
        Series of any length get the same training.
    min_steps : int
        Steps before which training does not stop. A network often stays on a plateau, at the loss
        of predicting the mean, for hundreds of steps before it learns.
    seed : int
        Of the shuffling, in NumPy, so that the order is the same on every backend; dropout draws
        from the seed that the model was built with. Same seeds, same thread count, same machine:
        the same weights, bit for bit.
    allow_missing : bool
        Let NaN in targets pass, for a loss that leaves them out, as `models.SameShapeLoss` does.
    decay : bool
        Let the learning rate fall from batch to batch in a straight line, from the model's own to
        0 at the end of the budget. The same loss is often reached in fewer steps.
    trainer : {"keras", "numpy"}, optional
        Who computes gradients and steps: Keras, or where it can `backward`, which is faster and
        whose sums differ from Keras's in the seventh digit. Default: what the environment
        variable `LIB_TRAINER` says, else Keras.

    Returns
    -------
    DataFrame
        One row per epoch run (index `epoch`, from 1), or per look (index `step`, the steps taken
        so far): `loss` and, with validation, `val_loss`. Its `attrs`:

        * `best_epoch` or `best_step`: the row whose weights were kept;
        * `steps`: how many were taken;
        * `stopped`: `"budget"`, or `"patience"` if the validation loss no longer fell;
        * `ratio`: the kept loss (on validation windows if there are any), divided by the loss of
          predicting the mean of all targets, step by step. Near 1, nothing was learned;
        * `seconds`.

    Raises
    ------
    ValueError
        If a count is not a positive integer, the arrays differ in length, hold a value that
        is not finite, are empty, or have another shape than the model's input and output, or
        if training diverges.

    Examples
    --------
    >>> from lib import models
    >>> windows = np.sin(np.arange(60)).reshape(12, 5, 1)
    >>> model = models.build_lstm_autoencoder(window=5, units=2)
    >>> history = fit(model, windows, windows, epochs=2)
    >>> history.shape
    (2, 1)
    """
    for name, count in {"epochs": epochs, "batch_size": batch_size, "patience": patience}.items():
        errors.whole(name, count)
    if steps is not None:
        errors.whole("steps", steps)
    errors.whole("min_steps", min_steps, 0)
    trainer = errors.trainer(trainer)
    windows = _checked(model, inputs if targets is None else (inputs, targets), allow_missing)
    if validation is not None:
        validation = _checked(model, validation, allow_missing)
    batches = _shuffled(np.random.default_rng(seed), len(windows), batch_size)
    plan, name = _plan(math.ceil(len(windows) / batch_size), epochs, steps)
    started = time.perf_counter()
    with _student(model, trainer, sum(plan) if decay else 0) as (student, train):
        losses, taken, lowest, weights, waited = [], 0, np.inf, None, 0
        with _progress(len(plan), name) as bar:
            for count in plan:
                if waited >= patience and taken >= min_steps:
                    break
                some = itertools.islice(batches, count)
                losses.append({"loss": _epoch(train, student, windows, some)})
                taken += count
                if validation is not None:
                    in_order = _in_order(validation)
                    loss = _epoch(student.test_on_batch, student, validation, in_order)
                    losses[-1]["val_loss"], waited = loss, waited + 1
                    if loss < lowest:
                        lowest, weights, waited = loss, student.get_weights(), 0
                bar.set_postfix({key: f"{value:.3g}" for key, value in losses[-1].items()})
                bar.update()
        if weights is not None:
            student.set_weights(weights)
    history = _history(losses, plan, name)
    history.attrs |= {"steps": taken, "stopped": "budget" if taken == sum(plan) else "patience"}
    kept = losses[-1]["loss"] if validation is None else lowest
    of_mean = _mean_loss(model, windows, validation)
    history.attrs["ratio"] = kept / of_mean if of_mean else math.nan
    history.attrs["seconds"] = time.perf_counter() - started
    return history


def _plan(per_epoch, epochs, steps):
    """Steps before each look at the validation loss, and what such a part is called."""
    if steps is None:
        return [per_epoch] * epochs, "epoch"
    ends = np.linspace(0, steps, min(LOOKS, steps) + 1).round().astype(int)
    return np.diff(ends).tolist(), "step"


def _shuffled(order, count, size):
    """Batches without end; each window comes once before any comes again."""
    while True:
        yield from _batches(order.permutation(count), size)


def _mean_loss(model, windows, validation):
    """Loss of predicting the mean of the training targets, at each step and feature."""
    shape = model.output_shape[1:]
    total, count = np.zeros(shape), np.zeros(shape, int)
    for part in _in_order(windows):
        targets = windows[part][1]
        total += np.nansum(targets, axis=0, dtype="float64")
        count += np.count_nonzero(~np.isnan(targets), axis=0)
    mean = (total / np.maximum(count, 1)).astype("float32")
    wanted = windows if validation is None else validation
    loss, total = keras.losses.get(model.loss), 0.0
    for part in _in_order(wanted):
        targets = wanted[part][1]
        of_part = loss(targets, np.broadcast_to(mean, targets.shape))
        total += len(part) * float(np.mean(keras.ops.convert_to_numpy(of_part)))
    return total / len(wanted)


@contextlib.contextmanager
def _student(model, trainer, falling):
    """Give who learns, the model or its twin in NumPy, and its step; the model has it all then.

    Within so many steps, if any, the learning rate falls from its start towards 0.
    """
    student = model if trainer == "keras" else learner(model)
    rate = float(np.asarray(student.optimizer.learning_rate)) if falling else 0.0
    rates = iter(np.linspace(rate, 0.0, falling, endpoint=False))

    def train(*batch, **options):
        if falling:
            student.optimizer.learning_rate = float(next(rates))
        return student.train_on_batch(*batch, **options)

    try:
        yield student, train
    finally:
        if falling:
            student.optimizer.learning_rate = rate
    if student is not model:
        student.give_back()


class _Arrays:
    """Windows that lie in arrays."""

    def __init__(self, inputs, targets):
        first = np.ascontiguousarray(inputs, dtype="float32")
        is_same = targets is inputs
        self.arrays = first, first if is_same else np.ascontiguousarray(targets, dtype="float32")

    def __len__(self):
        return len(self.arrays[0])

    def __getitem__(self, places):
        return tuple(array[places] for array in self.arrays)


def _batches(order, size):
    return [order[start : start + size] for start in range(0, len(order), size)]


def _in_order(windows):
    return _batches(np.arange(len(windows)), SCORED_AT_ONCE)


def _epoch(step, model, windows, batches):
    """Take one step per batch; return the mean loss over all windows."""
    total, count = 0.0, 0
    for batch in batches:
        # Before version 3.15 Keras gave the mean over all steps since this call, now that of one.
        model.reset_metrics()
        logs = step(*windows[batch], return_dict=True)
        total += len(batch) * float(logs["loss"])
        count += len(batch)
    return total / count


def _history(losses, plan, name):
    """One row per part of the plan, sure to be finite, with the one whose weights were kept."""
    history = pd.DataFrame(losses)
    if not np.isfinite(history.to_numpy()).all():
        raise ValueError(
            "`learning_rate` must be small enough for the loss to stay finite. "
            "Received: a model whose training diverged"
        )
    rows = range(1, len(history) + 1) if name == "epoch" else np.cumsum(plan)[: len(history)]
    history.index = pd.Index(rows, name=name)
    best = history["val_loss"].idxmin() if "val_loss" in history else history.index[-1]
    history.attrs = {f"best_{name}": int(best)}
    return history


def restart(model, fresh):
    """Put a model back to the start: weights, random state and optimiser of a fresh twin.

    Compiling a network for the first time takes seconds, copying its state nothing: a model
    that is trained many times over is better restarted than built anew. The twin must be built with
    the same arguments, perhaps another seed, and never fitted.

    Examples
    --------
    >>> from lib import models
    >>> model = models.build_lstm_autoencoder(window=5, units=2, seed=0)
    >>> restart(model, models.build_lstm_autoencoder(window=5, units=2, seed=1))
    """
    for one in (model, fresh):
        one.optimizer.build(one.trainable_variables)
    # A model's own variables are its weights and the states of what draws random numbers.
    own, state = ([*one.variables, *one.optimizer.variables] for one in (model, fresh))
    for variable, start in zip(own, state, strict=True):
        # A copy: on JAX the two would share memory, which the next step of training gives away.
        variable.assign(np.array(start.numpy()))


@contextlib.contextmanager
def _progress(count, unit):
    """A bar over epochs or looks for a person who watches; nothing for a log or a stored output.

    Automatic runs set `LIB_PROGRESS=0`: no bar.
    """
    watched = os.environ.get("LIB_PROGRESS") != "0" and (sys.stdout.isatty() or _in_notebook())
    with tqdm(total=count, unit=unit, file=sys.stdout, leave=False, disable=not watched) as bar:
        yield bar
    if watched and _in_notebook():
        from IPython.display import clear_output

        clear_output()


def _in_notebook():
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")


def _checked(model, windows, allow_missing):
    """Windows, one at least, whose shapes suit the model; arrays are finite, too."""
    is_cut = not isinstance(windows, tuple | list)
    inputs, targets = windows[np.arange(min(len(windows), 1))] if is_cut else windows
    if len(inputs) != len(targets):
        raise ValueError(
            f"`targets` must have one entry per window, {len(inputs)}. Received: {len(targets)}"
        )
    shapes = {"inputs": (inputs, model.input_shape), "targets": (targets, model.output_shape)}
    for name, (values, expected) in shapes.items():
        if len(values) == 0 or values.shape[1:] != expected[1:]:
            raise ValueError(
                f"`{name}` must have shape (n_windows, {', '.join(map(str, expected[1:]))}), "
                f"with at least one window. Received: {values.shape}"
            )
        holes = is_cut or (allow_missing and name == "targets" and not np.isnan(values).all())
        if np.isinf(values).any() or (np.isnan(values).any() and not holes):
            raise ValueError(f"`{name}` must be finite. Received: NaN or infinity in {name}.")
    return windows if is_cut else _Arrays(inputs, targets)
