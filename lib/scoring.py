"""Model error to one anomaly score per time point, the same way for every model.

The error of a model is the absolute difference between its output and its target, per window,
step and feature. Folded back to time points and averaged over features it is the score:
higher means more anomalous.
"""

import numpy as np
import pandas as pd

from lib import windowing


def window_errors(model, inputs, targets, *, batch_size=1024):
    """Absolute error of each window, step and feature.

    Parameters
    ----------
    model : keras.Model, or anything with `predict(inputs, batch_size=…, verbose=0)`
    inputs : ndarray of shape (n_windows, window, n_features)
    targets : ndarray of shape (n_windows, steps, n_features)
    batch_size : int
        Windows scored at once. It changes speed and memory, not the result.

    Returns
    -------
    ndarray of shape (n_windows, steps, n_features), float64

    Raises
    ------
    ValueError
        If the model's output has another shape than the targets.

    Examples
    --------
    >>> class Zeros:
    ...     def predict(self, inputs, **options):
    ...         return np.zeros_like(inputs)
    >>> window_errors(Zeros(), np.ones((1, 2, 1)), np.ones((1, 2, 1))).shape
    (1, 2, 1)
    """
    # In pieces: overlapping windows are a view, and Keras would copy all of them at once.
    piece = 64 * batch_size
    outputs = [
        model.predict(
            np.ascontiguousarray(inputs[start : start + piece], dtype="float32"),
            batch_size=batch_size,
            verbose=0,
        )
        for start in range(0, len(inputs), piece)
    ]
    outputs = np.concatenate(outputs).astype("float64")
    if outputs.shape != targets.shape:
        raise ValueError(
            f"`targets` must have the shape of the model's output, {outputs.shape}. "
            f"Received: {targets.shape}"
        )
    return np.abs(outputs - targets)


def series_errors(model, series, window, *, horizon=0, stride=1, batch_size=1024):
    """Absolute errors of a model on all windows of a series.

    Parameters
    ----------
    model, series, window, horizon, stride, batch_size
        As in `score`.

    Returns
    -------
    ndarray of shape (n_windows, steps, n_features), float64
        `point_scores` turns it into scores; one set of errors serves several ways to fold.

    Examples
    --------
    >>> class LastValue:
    ...     def predict(self, inputs, **options):
    ...         return inputs[:, -1:]
    >>> frame = pd.DataFrame({"close": [1.0, 2, 4]})
    >>> series_errors(LastValue(), frame, window=1, horizon=1)[:, 0, 0]
    array([1., 2.])
    """
    expected = getattr(model, "input_shape", (None, window))[1]
    if expected != window:
        raise ValueError(f"`window` must be the model's, {expected}. Received: window={window}")
    inputs, targets = windowing.window_pairs(
        series.to_numpy(dtype=float), window, horizon=horizon, stride=stride
    )
    return window_errors(model, inputs, targets, batch_size=batch_size)


def point_scores(errors, index, window, *, horizon=0, stride=1, how="last"):
    """Fold window errors to one score per time point, averaged over features.

    Parameters
    ----------
    errors : ndarray of shape (n_windows, steps, n_features)
        From `series_errors`, with the same `window`, `horizon` and `stride`.
    index : Index of n_times
        Of the series that the windows were cut from.
    window, horizon, stride, how
        As in `score`.

    Returns
    -------
    Series of n_times float64
        NaN where no window covers the row: `attrs["uncovered"]` says how many those are.

    Examples
    --------
    >>> errors = np.array([[[1.0], [2.0]], [[4.0], [8.0]]])
    >>> point_scores(errors, pd.RangeIndex(3), window=2, how="mean").tolist()
    [1.0, 3.0, 8.0]
    """
    offset = windowing.target_offset(window, horizon)
    folded = windowing.fold_windows(errors, len(index), offset=offset, stride=stride, how=how)
    scores = pd.Series(folded.mean(axis=1), index=index, name="score")
    scores.attrs["uncovered"] = int(scores.isna().sum())
    return scores


def score(model, series, window, *, horizon=0, stride=1, how="last", batch_size=1024):
    """One anomaly score per time point of a series.

    Parameters
    ----------
    model : keras.Model
        A forecaster (`horizon >= 1`) or an autoencoder (`horizon=0`).
    series : DataFrame of n_times rows and n_features columns
        Scaled as the training rows were.
    window, horizon, stride : int
        As in `windowing.window_pairs`, and as in training.
    how : {"last", "mean", "median"}
        How the errors of overlapping windows become one, see `windowing.fold_windows`. Only
        `last` is causal.
    batch_size : int
        Windows scored at once; it does not change the scores.

    Returns
    -------
    Series of n_times float64, with the index of `series`
        NaN where no window covers the row: `attrs["uncovered"]` says how many those are.

    Examples
    --------
    >>> class LastValue:
    ...     def predict(self, inputs, **options):
    ...         return inputs[:, -1:]
    >>> scores = score(LastValue(), pd.DataFrame({"close": [1.0, 2, 4]}), window=1, horizon=1)
    >>> scores.tolist(), scores.attrs["uncovered"]
    ([nan, 1.0, 2.0], 1)
    """
    errors = series_errors(
        model, series, window, horizon=horizon, stride=stride, batch_size=batch_size
    )
    return point_scores(errors, series.index, window, horizon=horizon, stride=stride, how=how)
