"""The simple things a network has to beat: scores without any training.

Each takes a series and returns one score per time point, causal: a score uses the point
itself and points before it, nothing later. NaN where there is too little history.
The four that learn from training windows first stand at the end.
"""

import operator

import numpy as np
import pandas as pd

from lib.errors import whole
from lib.windowing import normalise_windows, sliding_windows

SPREADS = ("last", "mean", "max")
CHUNK = 512  # windows at a time; against 35,000 training windows that is 72 MB of distances


def last_value(series):
    """Error of the forecast that nothing changes: `|x[t] - x[t-1]|`.

    Examples
    --------
    >>> last_value(pd.Series([1.0, 2.0, 4.0])).tolist()
    [nan, 1.0, 2.0]
    """
    return series.diff().abs().rename("score")


def seasonal_naive(series, period):
    """Error of the forecast that everything repeats: `|x[t] - x[t-period]|`.

    Parameters
    ----------
    series : Series of n_times
    period : int
        Rows after which the series repeats, such as 144 ten-minute steps of a day.

    Raises
    ------
    ValueError
        If `period` is not a positive integer: 0 would score nothing, -1 look ahead.

    Examples
    --------
    >>> seasonal_naive(pd.Series([1.0, 5.0, 2.0, 5.0]), period=2).tolist()
    [nan, nan, 1.0, 0.0]
    """
    if isinstance(period, bool) or not hasattr(period, "__index__") or operator.index(period) < 1:
        raise ValueError(f"`period` must be a positive integer. Received: period={period!r}")
    return series.diff(period).abs().rename("score")


def window_mean(series, window):
    """Error of the forecast by the mean of the `window` points before.

    Examples
    --------
    >>> window_mean(pd.Series([1.0, 3.0, 4.0]), window=2).tolist()
    [nan, nan, 2.0]
    """
    return (series - series.rolling(window).mean().shift(1)).abs().rename("score")


def moving_z(series, window, floor=0.0):
    """Distance from the mean of the `window` points before, in their standard deviations.

    Parameters
    ----------
    series : Series of n_times
    window : int
    floor : float
        Least standard deviation, in the unit of the series: after points that stand still, any
        change would be infinitely large.

    Examples
    --------
    >>> moving_z(pd.Series([1.0, 3.0, 4.0]), window=2).tolist()
    [nan, nan, 2.0]
    >>> moving_z(pd.Series([3.0, 3.0, 4.0]), window=2, floor=0.1).tolist()
    [nan, nan, 10.0]
    """
    spread = series.rolling(window).std(ddof=0).shift(1).clip(lower=floor)
    return (window_mean(series, window) / spread).rename("score")


def ewma_volatility(returns, decay=0.94, warm_up=20):
    """Volatility of a return as it was known the day before, by exponential weights.

    `variance[t] = decay * variance[t-1] + (1 - decay) * returns[t-1]**2`, the RiskMetrics
    form (J.P. Morgan and Reuters, 1996, decay 0.94 for daily data).

    Parameters
    ----------
    returns : Series of n_times
    decay : float in (0, 1)
        Weight of the past; 0.94 forgets half of it in 11 days.
    warm_up : int
        First values that are NaN, because they rest on too few returns.

    Returns
    -------
    Series of n_times, in the unit of `returns`

    Examples
    --------
    >>> returns = pd.Series([0.02, 0.02, 0.02])
    >>> ewma_volatility(returns, warm_up=1).round(3).tolist()
    [nan, 0.02, 0.02]
    """
    variance = returns.pow(2).ewm(alpha=1 - decay, adjust=False).mean().shift(1)
    variance.iloc[:warm_up] = np.nan
    return np.sqrt(variance).rename("volatility")


def ewma_z(returns, decay=0.94, warm_up=20):
    """Size of a return in units of the volatility known the day before.

    Examples
    --------
    >>> ewma_z(pd.Series([0.02, 0.02, 0.06]), warm_up=1).round(2).tolist()
    [nan, 1.0, 3.0]
    """
    return (returns.abs() / ewma_volatility(returns, decay, warm_up)).rename("score")


def random_scores(series, seed=0):
    """Uniform random numbers: what any metric gives away for nothing.

    Examples
    --------
    >>> random_scores(pd.Series([1.0, 2.0])).between(0, 1).all()
    np.True_
    """
    values = np.random.default_rng(seed).random(len(series))
    return pd.Series(values, index=series.index, name="score")


def pca(train, series, window, n_components, *, how="last"):
    """Distance of a window from the plane through the training windows' main directions.

    The root mean squared error of the reconstruction from `n_components` principal components:
    a linear autoencoder (Baldi and Hornik, 1989), in the unit of the values.

    Parameters
    ----------
    train, series : DataFrame or Series of n_times rows and n_features columns
        Learn from the windows of `train`, score those of `series`.
    window : int
        Rows per window.
    n_components : int
        Size of the code, below `window * n_features`, the numbers in a window.
    how : {"last", "mean", "max"}
        Which rows a window's score goes to; see the top of this module.

    Returns
    -------
    Series of n_times scores, one for each row of `series`

    Raises
    ------
    ValueError
        If the two differ in columns, are shorter than a window or infinite somewhere, if no
        training window is complete, or if a number is out of its range.

    Examples
    --------
    >>> line = pd.Series([1.0, 2.0, 3.0, 4.0, 5.0])
    >>> pca(line, pd.Series([7.0, 8.0, 8.0]), window=2, n_components=1).round(1).tolist()
    [nan, 0.0, 0.5]
    """
    return pca_scorer(train, window, n_components)(series, how)


def pca_scorer(train, window, n_components):
    """Learn for `pca`."""
    from sklearn.decomposition import PCA

    learn = _learnable(train, window)
    n_components = whole("n_components", n_components, 1, min(learn.shape) - 1)
    # The other solvers draw random numbers, or take long for many windows.
    model = PCA(n_components, svd_solver="covariance_eigh").fit(learn)

    def error(chunk):
        difference = chunk - model.inverse_transform(model.transform(chunk))
        return np.sqrt(np.square(difference).mean(axis=1))

    return _scorer(train, window, error)


def isolation_forest(train, series, window, seed, *, how="last"):
    """How few random cuts set a window apart from the training windows (Liu et al., 2008).

    From 0 to 1; about 0.5 is as easy to cut off as any other.

    Parameters
    ----------
    train, series, window, how
        As in `pca`.
    seed : int
        The same seed cuts the same way.

    Returns
    -------
    Series of n_times scores, one for each row of `series`

    Raises
    ------
    ValueError
        As `pca`.

    Examples
    --------
    >>> noise = pd.Series(np.random.default_rng(0).normal(size=300))
    >>> isolation_forest(noise, pd.Series([0.0, 0.0, 9.0]), window=2, seed=0).round(1).tolist()
    [nan, 0.4, 0.7]
    """
    return isolation_forest_scorer(train, window, seed)(series, how)


def isolation_forest_scorer(train, window, seed):
    """Learn for `isolation_forest`."""
    from sklearn.ensemble import IsolationForest

    learn = _learnable(train, window)
    model = IsolationForest(random_state=whole("seed", seed, 0, 2**32 - 1)).fit(learn)
    return _scorer(train, window, lambda chunk: -model.score_samples(chunk))


def one_class_svm(train, series, window, seed, max_windows=2000, *, nu=0.05, how="last"):
    """Distance outside the boundary that a one-class SVM draws around the training windows.

    Schölkopf et al. (2001), with the radial kernel. Below 0 inside, above 0 outside.

    Parameters
    ----------
    train, series, window, how
        As in `pca`.
    seed : int
        Chooses which windows are learned from, where there are more than `max_windows`.
    max_windows : int
        The cost of learning grows with the square of their number.
    nu : float in (0, 1]
        Share of the training windows that may lie outside.

    Returns
    -------
    Series of n_times scores, one for each row of `series`

    Raises
    ------
    ValueError
        As `pca`.

    Examples
    --------
    >>> noise = pd.Series(np.random.default_rng(0).normal(size=300))
    >>> scores = one_class_svm(noise, pd.Series([0.0, 0.0, 9.0]), window=2, seed=0)
    >>> (scores > 0).tolist()
    [False, False, True]
    """
    return one_class_svm_scorer(train, window, seed, max_windows, nu=nu)(series, how)


def one_class_svm_scorer(train, window, seed, max_windows=2000, *, nu=0.05):
    """Learn for `one_class_svm`."""
    from sklearn.svm import OneClassSVM

    if not 0 < nu <= 1:
        raise ValueError(f"`nu` must be above 0 and at most 1. Received: nu={nu}")
    learn = _learnable(train, window)
    seed, limit = whole("seed", seed, 0), whole("max_windows", max_windows, 1)
    if len(learn) > limit:
        learn = np.random.default_rng(seed).choice(learn, limit, replace=False)
    model = OneClassSVM(nu=nu).fit(learn)
    return _scorer(train, window, lambda chunk: -model.decision_function(chunk))


def discord(train, series, window, *, floor=1e-8, how="last"):
    """Distance of a window's shape to the nearest shape among the training windows.

    Each window is brought to mean 0 and standard deviation 1, then compared with every
    training window: the left half of a matrix profile (Yeh et al., 2016; Yankov et al., 2008,
    for the name). No tuning but `window`. From 0, the same shape, to `2 * sqrt(window)`, the
    shape upside down. A flat window is at distance 0 from another, `sqrt(window)` from all else.

    Parameters
    ----------
    train, series : Series, or DataFrame of one column
        No row of `series` should be in `train`: it would find itself, at distance 0.
    window, how
        As in `pca`.
    floor : float
        Standard deviation up to which a window is called flat, in the unit of the series.

    Returns
    -------
    Series of n_times scores, one for each row of `series`

    Raises
    ------
    ValueError
        As `pca`, and if there is more than one column.

    Examples
    --------
    >>> zigzag = pd.Series([0.0, 1.0, 0.0, 1.0, 0.0])
    >>> discord(zigzag, pd.Series([5.0, 9.0, 5.0, 5.0]), window=3).round(2).tolist()
    [nan, nan, 0.0, 1.73]
    """
    return discord_scorer(train, window, floor=floor)(series, how)


def discord_scorer(train, window, *, floor=1e-8):
    """Learn for `discord`."""
    if np.ndim(train) == 2 and np.shape(train)[1] != 1:
        raise ValueError(f"`train` must have one column. Received: {np.shape(train)[1]} columns")
    learn = _shapes(_learnable(train, window), floor)
    half = np.square(learn).sum(axis=1) / 2

    def distance(chunk):
        shapes = _shapes(chunk, floor)
        # |a - b|² = |a|² + |b|² - 2ab is least where |b|²/2 - ab is: one matrix product.
        nearest = learn[np.argmin(half - shapes @ learn.T, axis=1)]
        # Anew from the difference, which the product would give to two digits only near 0.
        return np.sqrt(np.square(shapes - nearest, dtype=float).sum(axis=1))

    return _scorer(train, window, distance)


def _shapes(windows, floor):
    """Bring windows of shape (n_windows, window) to mean 0 and standard deviation 1."""
    return normalise_windows(windows[:, :, np.newaxis], floor)[:, :, 0].astype(np.float32)


def _cut(name, values, window):
    values = np.asarray(values, dtype=float)
    if np.isinf(values).any():
        raise ValueError(f"`{name}` must not be infinite. Received: {np.isinf(values).sum()} inf")
    return sliding_windows(values, window)


def _learnable(train, window):
    """Complete training windows, each as one line of numbers."""
    windows = _cut("train", train, window)
    complete = ~np.isnan(windows).any(axis=(1, 2))
    if complete.sum() < 2:
        raise ValueError(
            f"`train` must have at least 2 windows of {window} rows without missing values. "
            f"Received: {complete.sum()}"
        )
    return windows[complete].reshape(complete.sum(), -1)


def _scorer(train, window, judge):
    """A function from a series to scores, where `judge` scores windows, one in a line."""
    columns = 1 if np.ndim(train) == 1 else np.shape(train)[1]

    def score(series, how="last"):
        if how not in SPREADS:
            raise ValueError(f"`how` must be one of {', '.join(SPREADS)}. Received: how={how!r}")
        windows = _cut("series", series, window)
        if windows.shape[2] != columns:
            raise ValueError(
                f"`series` must have as many columns as `train`, {columns}. "
                f"Received: {windows.shape[2]}"
            )
        scores = pd.Series(_of_ends(windows, len(series), judge), series.index, name="score")
        if how == "last":
            return scores
        # A row is covered by the windows that end there and up to `window - 1` rows later.
        covering = scores[::-1].rolling(window, min_periods=1)
        return getattr(covering, how)()[::-1]

    return score


def _of_ends(windows, n_times, judge):
    """Judge the complete windows, chunk by chunk, and give the scores to their last rows."""
    scores = np.full(n_times, np.nan)
    ends = scores[windows.shape[1] - 1 :]
    for start in range(0, len(windows), CHUNK):
        chunk = windows[start : start + CHUNK]
        chunk = chunk.reshape(len(chunk), -1)
        complete = ~np.isnan(chunk).any(axis=1)
        if complete.any():
            ends[start : start + CHUNK][complete] = judge(chunk[complete])
    return scores
