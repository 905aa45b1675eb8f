"""Model error to one anomaly score per time point, the same way for every model.

The error of a model is the absolute difference between its output and its target, per window,
step and feature. Folded back to time points and averaged over features it is the score:
higher means more anomalous. Where a target is missing (NaN) there is no error; a row's score
averages the features that are there.
"""

import numpy as np
import pandas as pd
from sklearn.covariance import ShrunkCovariance

from lib import windowing

BATCH = 1024  # windows scored at once; it changes speed and memory, not the scores
SHRINKAGE = 0.3  # weight of equal variances in a covariance of errors


def window_errors(model, inputs, targets):
    """Absolute error of each window, step and feature.

    Parameters
    ----------
    model : keras.Model, or anything with `predict(inputs, batch_size=…, verbose=0)`
    inputs : ndarray of shape (n_windows, window, n_features)
    targets : ndarray of shape (n_windows, steps, n_features), that of the model's output

    Returns
    -------
    ndarray of shape (n_windows, steps, n_features), float64
        NaN where the target is missing, and for a window of which anything is.

    Examples
    --------
    >>> class Zeros:
    ...     def predict(self, inputs, **options):
    ...         return np.zeros_like(inputs)
    >>> window_errors(Zeros(), np.ones((1, 2, 1)), np.ones((1, 2, 1))).shape
    (1, 2, 1)
    """
    # In pieces: overlapping windows are a view, and Keras would copy all of them at once.
    piece = 64 * BATCH
    starts = range(0, len(inputs), piece)
    outputs = np.concatenate([_outputs(model, inputs[start : start + piece]) for start in starts])
    if outputs.shape != targets.shape:
        raise ValueError(
            f"`targets` must have the shape of the model's output, {outputs.shape}. "
            f"Received: {targets.shape}"
        )
    return np.abs(outputs - targets)


def _outputs(model, inputs):
    inputs = np.ascontiguousarray(inputs, dtype="float32")
    missing = np.isnan(inputs)
    outputs = model.predict(np.where(missing, 0.0, inputs), batch_size=BATCH, verbose=0)
    outputs = np.array(outputs, dtype="float64")
    outputs[missing.any(axis=(1, 2))] = np.nan
    return outputs


class ErrorDistance:
    """How unusual the errors of a window are as a whole: their Mahalanobis distance.

    A network makes the same errors again and again: at steep flanks, where a period starts a
    little earlier or later. Such errors go together, step by step, and a covariance matrix of
    the training errors knows how. Errors of this kind count little; small errors of a kind that
    training never had count much.

    The matrix is shrunk towards equal variances without covariance, since neighbouring windows
    share most of their rows: few of them are independent.

    Notes
    -----
    Malhotra et al. (2015), "Long short term memory networks for anomaly detection in time
    series", score errors by a normal distribution that is fitted to them; the shrinkage is
    scikit-learn's `ShrunkCovariance`.

    Examples
    --------
    >>> flanks = np.array([[1.0, -1.0], [-1.0, 1.0], [0.1, 0.1], [-0.1, -0.1]])[:, :, None]
    >>> distance = ErrorDistance().fit(flanks)
    >>> distance.parts(np.array([[[1.0], [-1.0]], [[1.0], [1.0]]])).round(1)  # usual, unusual
    array([[1.1],
           [2.5]])
    """

    def fit(self, errors):
        """Learn mean and covariance of signed errors, those of windows without an anomaly.

        Returns itself, with `location_` of shape (n,) and `factor_` of shape (n, n), for
        `n = steps * n_features` numbers. A `ValueError` if errors are not finite, or all equal.
        """
        flat = np.asarray(errors, dtype=float).reshape(len(errors), -1)
        if not np.isfinite(flat).all() or not flat.std(axis=0).any():
            raise ValueError("`errors` must be finite, and not all equal, to have a covariance.")
        fitted = ShrunkCovariance(shrinkage=SHRINKAGE).fit(flat)
        self.location_ = fitted.location_
        self.factor_ = np.linalg.cholesky(fitted.precision_) / np.sqrt(flat.shape[1])
        return self

    def parts(self, errors):
        """Distance of each window, divided among the features: shape (n_windows, n_features).

        Its mean over the features is the distance: about 1 for usual errors, whatever their
        number; NaN where an error is missing. The squared distance is a sum over the errors, each
        times what its kind counts for. A feature whose sum is negative, since its errors make the
        others more usual, has no part.
        """
        n_features = errors.shape[2]
        flat = np.asarray(errors, dtype=float).reshape(len(errors), -1) - self.location_
        distance = np.linalg.norm(flat @ self.factor_, axis=1)
        if n_features == 1:
            return distance[:, np.newaxis]
        products = (flat * (flat @ self.factor_ @ self.factor_.T)).reshape(errors.shape)
        sums = np.maximum(products.sum(axis=1), 0.0)
        total = sums.sum(axis=1)
        per_sum = np.divide(distance * n_features, total, out=np.zeros(len(total)), where=total > 0)
        return sums * np.where(np.isnan(total), np.nan, per_sum)[:, np.newaxis]


def series_errors(model, series, window, *, horizon=0):
    """Absolute errors of a model on all windows of a series; the arguments are those of `score`.

    An array of shape (n_windows, steps, n_features), of which `point_scores` makes scores: one set
    of errors serves several ways to fold.

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
    values = series.to_numpy(dtype=float)
    return window_errors(model, *windowing.window_pairs(values, window, horizon=horizon))


def point_scores(errors, index, window, *, horizon=0, how="last"):
    """Fold window errors to one score per time point, averaged over features.

    The errors are those of `series_errors`, with the same `window` and `horizon`, the index is that
    of the series. All else is as in `score`, which does both.

    Examples
    --------
    >>> errors = np.array([[[1.0], [2.0]], [[4.0], [8.0]]])
    >>> point_scores(errors, pd.RangeIndex(3), window=2, how="mean").tolist()
    [1.0, 3.0, 8.0]
    """
    offset = window if horizon else 0
    folded = windowing.fold_windows(errors, len(index), offset=offset, how=how)
    return pd.Series(known_mean(folded), index=index, name="score")


def known_mean(errors):
    """Mean over the second axis of what is there; NaN where nothing is.

    Of an array of shape (n_times, n_features) or (n_windows, steps, n_features).

    Examples
    --------
    >>> known_mean(np.array([[1.0, 3.0], [np.nan, 3.0], [np.nan, np.nan]]))
    array([ 2.,  3., nan])
    """
    present = ~np.isnan(errors)
    if present.all():
        return errors.mean(axis=1)
    count = present.sum(axis=1)
    total = np.where(present, errors, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def trailing_mean(errors, rows):
    """Mean of each feature over the last `rows` rows, its own included, without what is missing.

    Takes and returns an array of shape (n_times, n_features). NaN where the row's own error is.

    Examples
    --------
    >>> trailing_mean(np.array([[1.0], [3.0], [np.nan], [7.0]]), rows=2)[:, 0]
    array([ 1.,  2., nan,  7.])
    """
    present = ~np.isnan(errors)
    total, count = np.zeros(errors.shape), np.zeros(errors.shape)
    for lag in range(min(rows, len(errors))):
        kept = len(errors) - lag
        total[lag:] += np.where(present, errors, 0.0)[:kept]
        count[lag:] += present[:kept]
    return np.divide(total, count, out=np.full(errors.shape, np.nan), where=present)


def score(model, series, window, *, horizon=0, how="last"):
    """One anomaly score per time point of a series.

    Parameters
    ----------
    model : keras.Model
        A forecaster (`horizon >= 1`) or an autoencoder (`horizon=0`).
    series : DataFrame of n_times rows and n_features columns
        Scaled as the training rows were.
    window, horizon : int
        As in training.
    how : {"last", "mean", "median"}
        How the errors of overlapping windows become one, see `windowing.fold_windows`. Only
        `last` is causal.

    Returns
    -------
    Series of n_times float64, with the index of `series`
        NaN where no complete window covers the row.

    Examples
    --------
    >>> class LastValue:
    ...     def predict(self, inputs, **options):
    ...         return inputs[:, -1:]
    >>> score(LastValue(), pd.DataFrame({"close": [1.0, 2, 4]}), window=1, horizon=1).tolist()
    [nan, 1.0, 2.0]
    """
    errors = series_errors(model, series, window, horizon=horizon)
    return point_scores(errors, series.index, window, horizon=horizon, how=how)
