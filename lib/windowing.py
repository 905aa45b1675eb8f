"""From a series to windows, and from windows back to time points, without leaking the future.

A series has shape `(n_times, n_features)`. Cut into windows it has shape
`(n_windows, window, n_features)`; window `i` starts at row `i * stride`::

    rows                 0  1  2  3  4  5        window=3, stride=1
    window 0             [  ·  ·  ]
    window 1                [  ·  ·  ]
    window 2                   [  ·  ·  ]
    window 3                      [  ·  ·  ]

What the model has to produce from a window is its target. `horizon=0` means the window
itself (an autoencoder reconstructs), `horizon=h` the next `h` rows (a forecaster predicts).
"""

import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler

from lib.errors import choice, whole

FOLDS = ("mean", "median", "last")


def chronological_split(series, train=0.8, validation=0.0):
    """Split a series in time order into train, validation and test; nothing is shuffled.

    Parameters
    ----------
    series : DataFrame, Series or ndarray of n_times rows
    train : float
        Share of the rows before the test part starts; it includes `validation`.
    validation : float
        Share of those training rows, the last ones, that is held out for early stopping.

    Returns
    -------
    train, validation, test : three consecutive parts of `series`
        The validation part is empty when `validation=0`.

    Raises
    ------
    ValueError
        If a share is outside its range, or a part that was asked for would be empty.

    Examples
    --------
    >>> parts = chronological_split(np.arange(10), train=0.8, validation=0.25)
    >>> [part.tolist() for part in parts]
    [[0, 1, 2, 3, 4, 5], [6, 7], [8, 9]]
    """
    if not 0 < train < 1:
        raise ValueError(f"`train` must be between 0 and 1, both excluded. Received: train={train}")
    if not 0 <= validation < 1:
        raise ValueError(
            f"`validation` must be at least 0 and below 1. Received: validation={validation}"
        )
    test_start = int(len(series) * train)
    validation_start = test_start - int(test_start * validation)
    missing = validation > 0 and validation_start == test_start
    if missing or validation_start == 0 or test_start == len(series):
        raise ValueError(
            f"`series` must have enough rows for every part that is asked for. "
            f"Received: {len(series)} rows, train={train}, validation={validation}"
        )
    rows = series.iloc if isinstance(series, pd.DataFrame | pd.Series) else series
    return rows[:validation_start], rows[validation_start:test_start], rows[test_start:]


def fit_scaler(train, *, allow_missing=False):
    """Fit a standard scaler (mean 0, standard deviation 1 per column) on the training rows only.

    Parameters
    ----------
    train : DataFrame of n_times rows and n_features columns
    allow_missing : bool
        Leave NaN out of mean and standard deviation, instead of refusing it.

    Returns
    -------
    StandardScaler
        Its `transform` keeps column names and index, and NaN as NaN.

    Raises
    ------
    ValueError
        If a column is constant, so that its scale would be meaningless, or not finite.

    Examples
    --------
    >>> scaler = fit_scaler(pd.DataFrame({"close": [1.0, 3.0]}))
    >>> scaler.transform(pd.DataFrame({"close": [4.0]}))
       close
    0    2.0
    """
    values = train.to_numpy(dtype=float)
    if not np.isfinite(values[~np.isnan(values)] if allow_missing else values).all():
        raise ValueError("`train` must be finite: fill or drop missing values before scaling.")
    # A column that is missing throughout has no range at all, NaN, which is not above 0 either.
    constant = [str(name) for name in train if not train[name].max() - train[name].min() > 0]
    if constant:
        raise ValueError(
            f"`train` must vary in every column: a constant cannot be scaled. "
            f"Received: constant column(s) {', '.join(constant)}"
        )
    return StandardScaler().set_output(transform="pandas").fit(train)


def sliding_windows(values, window, *, stride=1):
    """Every `stride`-th window of a series, as a view: no value is copied.

    Parameters
    ----------
    values : array-like of shape (n_times, n_features) or (n_times,)
    window : int
        Time steps per window.
    stride : int
        Rows from one window's start to the next.

    Returns
    -------
    ndarray of shape (n_windows, window, n_features), read-only
        `n_windows = (n_times - window) // stride + 1`.

    Raises
    ------
    ValueError
        If `window` or `stride` is not a positive integer, or the series is shorter than a window.

    Examples
    --------
    >>> sliding_windows([1, 2, 3, 4], window=3)[:, :, 0]
    array([[1, 2, 3],
           [2, 3, 4]])
    """
    values = _two_dimensional(values)
    window, stride = whole("window", window), whole("stride", stride)
    if len(values) < window:
        raise ValueError(
            f"`window` must be at most the number of rows, {len(values)}. Received: window={window}"
        )
    view = np.lib.stride_tricks.sliding_window_view(values, window, axis=0)
    return np.moveaxis(view, -1, 1)[::stride]


def evenly(count, most):
    """At most so many of `count` places, evenly spread: an array of int.

    Examples
    --------
    >>> evenly(10, most=3)
    array([0, 4, 9])
    """
    return np.linspace(0, count - 1, min(count, most)).round().astype(int)


def window_pairs(values, window, *, horizon=0, stride=1):
    """Inputs and targets: a window and itself (`horizon=0`), or a window and what follows it.

    Parameters
    ----------
    values : array-like of shape (n_times, n_features) or (n_times,)
    window, stride : int
        As in `sliding_windows`.
    horizon : int
        0 to reconstruct the window, h > 0 to predict the next h rows.

    Returns
    -------
    inputs : ndarray of shape (n_windows, window, n_features)
    targets : ndarray of shape (n_windows, horizon or window, n_features)
        Both are views. The first target row is row `target_offset(window, horizon)`.

    Raises
    ------
    ValueError
        If the series is shorter than a window and its horizon, or a size is not an integer.

    Examples
    --------
    >>> inputs, targets = window_pairs([1, 2, 3, 4, 5], window=3, horizon=1)
    >>> inputs[:, :, 0].tolist(), targets[:, :, 0].tolist()
    ([[1, 2, 3], [2, 3, 4]], [[4], [5]])
    """
    if horizon == 0:
        inputs = sliding_windows(values, window, stride=stride)
        return inputs, inputs
    values = _two_dimensional(values)
    window, horizon = whole("window", window), whole("horizon", horizon)
    if len(values) < window + horizon:
        raise ValueError(
            f"`window` must be at most {len(values) - horizon}: there are {len(values)} rows, "
            f"and {horizon} must remain to predict. Received: window={window}"
        )
    inputs = sliding_windows(values[:-horizon], window, stride=stride)
    return inputs, sliding_windows(values[window:], horizon, stride=stride)


def fill_windows(windows):
    """Fill what is missing from within the window: the last value before, else the first after.

    Returns a copy, float64, of windows of shape (n_windows, window, n_features). Nothing outside a
    window is used, so that it is filled the same way wherever it stands. A feature that is missing
    throughout becomes 0, the mean of a scaled series.

    Examples
    --------
    >>> nan = float("nan")
    >>> fill_windows([[[nan], [2.0], [nan]], [[nan], [nan], [nan]]])[:, :, 0].tolist()
    [[2.0, 2.0, 2.0], [0.0, 0.0, 0.0]]
    """
    filled = np.array(windows, dtype=float)
    steps = filled.shape[1]
    from_before = [(step, step - 1) for step in range(1, steps)]
    from_after = [(step, step + 1) for step in reversed(range(steps - 1))]
    for step, source in from_before + from_after:
        missing = np.isnan(filled[:, step])
        filled[:, step][missing] = filled[:, source][missing]
    return np.nan_to_num(filled, nan=0.0)


def fold_windows(errors, n_times, *, offset=0, stride=1, how="mean"):
    """Fold errors per window and step back to one error per time point.

    Parameters
    ----------
    errors : ndarray of shape (n_windows, steps, n_features)
        Step `k` of window `i` belongs to row `offset + i * stride + k`.
    n_times : int
        Rows of the series that the windows were cut from.
    offset, stride : int
        Row of the first window's first step, and rows from one window to the next.
    how : {"mean", "median", "last"}
        `mean` and `median` over all windows that cover the row. These look ahead: a row is
        covered by windows that end up to `steps - 1` rows later. `last` takes the one window
        whose last step is the row: the causal choice, known the moment the row arrives.

    Returns
    -------
    ndarray of shape (n_times, n_features), float64
        NaN in rows that no window covers. An error that is NaN is left out, as if its window
        did not cover the row.

    Raises
    ------
    ValueError
        If `how` is unknown or the windows do not fit into `n_times` rows.

    Examples
    --------
    >>> errors = np.array([[[1.0], [2.0]], [[4.0], [8.0]]])
    >>> fold_windows(errors, n_times=4, how="mean")[:, 0]
    array([ 1.,  3.,  8., nan])
    >>> fold_windows(errors, n_times=4, how="last")[:, 0]
    array([nan,  2.,  8., nan])
    """
    choice("how", how, FOLDS)
    n_windows, steps, n_features = errors.shape
    if offset + (n_windows - 1) * stride + steps > n_times:
        raise ValueError(
            f"`n_times` must cover all {n_windows} windows of {steps} steps. "
            f"Received: n_times={n_times}"
        )
    starts = offset + stride * np.arange(n_windows)
    folded = np.full((n_times, n_features), np.nan)
    if how == "last":
        folded[starts + steps - 1] = errors[:, -1]
        return folded
    if how == "median":
        by_step = np.full((steps, n_times, n_features), np.nan)
        for step in range(steps):
            by_step[step, starts + step] = errors[:, step]
        covered = ~np.isnan(by_step).all(axis=0)
        folded[covered] = np.nanmedian(by_step[:, covered], axis=0)
        return folded
    total, count = np.zeros((2, n_times, n_features))
    for step in range(steps):
        present = ~np.isnan(errors[:, step])
        total[starts + step] += np.where(present, errors[:, step], 0.0)
        count[starts + step] += present
    return np.divide(total, count, out=folded, where=count > 0)


def overlap_mean(scores, window, n_times, *, offset=0, stride=1):
    """Give each row the mean score of the windows that cover it, as `fold_windows` does for errors.

    Scores of shape (n_windows,) or (n_windows, n_features), one for all `window` rows of a window,
    become an array of shape (n_times,) or (n_times, n_features). A score that is NaN does not
    count; rows that no window covers are NaN.

    Examples
    --------
    >>> overlap_mean(np.array([1.0, 3.0]), window=2, n_times=4)
    array([ 1.,  2.,  3., nan])
    """
    columns = scores.reshape(len(scores), 1, -1)
    errors = np.broadcast_to(columns, (len(scores), window, columns.shape[2]))
    rows = fold_windows(errors, n_times, offset=offset, stride=stride)
    return rows.reshape(n_times, *scores.shape[1:])


def _two_dimensional(values):
    values = np.asarray(values)
    if values.ndim == 1:
        values = values[:, np.newaxis]
    if values.ndim != 2:
        raise ValueError(
            f"`values` must have shape (n_times, n_features) or (n_times,). "
            f"Received: shape {values.shape}"
        )
    return values
