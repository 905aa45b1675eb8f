"""The simple things a network has to beat: scores without any training.

Each takes a series and returns one score per time point, causal: a score uses the point
itself and points before it, nothing later. NaN where there is too little history.
The four that learn from training windows first come from `lib.window_baselines`.
"""

import operator

import numpy as np
import pandas as pd

from lib.window_baselines import discord, isolation_forest, one_class_svm, pca

__all__ = ["discord", "ewma_volatility", "ewma_z", "isolation_forest", "last_value", "moving_z",
           "one_class_svm", "pca", "random_scores", "seasonal_naive", "window_mean"]  # fmt: skip


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
