"""From a stranger's series to rows that a detector can learn from, and a word on how far.

A form (levels or returns), an even clock, a window as long as one period, and an honest count
of what there is to learn from.
"""

import numpy as np
import pandas as pd
from scipy import signal

FORMS = ("levels", "returns")
FALLBACK_WINDOW = 30
LONGEST_WINDOW = 200  # an LSTM goes through a window step by step: longer ones are for later
FEWEST_WINDOWS = 50  # that share no row
FEWEST_SCORES = 100  # below, the 99th percentile is nothing but the largest of them


def prepare(series, rule="", form="levels"):
    """Bring a series to an even clock and into the form to learn from.

    Parameters
    ----------
    series : DataFrame of n_times rows and n_features columns
        NaN is a missing value.
    rule : str
        Step of the new clock in pandas' words, such as "1h", "1D" or "W-FRI"; "" keeps the rows.
        A step becomes the mean of its rows; for returns, the last of them. A step without any
        row is missing.
    form : {"levels", "returns"}
        The values themselves, or their log returns `log(x[t] / x[t-1])`, one row fewer.

    Returns
    -------
    DataFrame, float64

    Raises
    ------
    ValueError
        If the rule is none, or the index no times, or returns are asked of values that are not
        positive.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=4, freq="30min")
    >>> prepare(pd.DataFrame({"power": [1.0, 3, 5, 7]}, times), "1h")["power"].tolist()
    [2.0, 6.0]
    >>> prepare(pd.DataFrame({"close": [1.0, np.e]}), form="returns")["close"].tolist()
    [1.0]
    """
    if form not in FORMS:
        raise ValueError(f"`form` must be one of {', '.join(FORMS)}. Received: form={form!r}")
    if rule:
        series = _resampled(series, rule, last=form == "returns")
    if form == "levels":
        return series.astype("float64")
    smallest = series.min()
    if not (smallest > 0).all():
        name = smallest.idxmin()
        raise ValueError(
            f"`form` 'returns' is for positive values, such as prices; use 'levels'. "
            f"Received: {smallest[name]:g} in column {name!r}"
        )
    return np.log(series).diff().iloc[1:]


def _resampled(series, rule, *, last):
    if not isinstance(series.index, pd.DatetimeIndex):
        raise ValueError(
            f"`resample` needs a column of times: pass `time`. Received: resample={rule!r}"
        )
    try:
        steps = series.resample(rule)
        return steps.last() if last else steps.mean()
    except ValueError as error:
        raise ValueError(
            f"`resample` must be a step such as '1h', '1D' or 'W-FRI', or ''. "
            f"Received: resample={rule!r} ({error})"
        ) from error


def autocorrelation(series, longest=None):
    """Correlation of a series with itself, so many rows later; its linear trend is taken out.

    Parameters
    ----------
    series : DataFrame of n_times rows and n_features columns
        Missing values are filled on straight lines.
    longest : int, optional
        Largest lag; by default a third of the rows, so that a period is seen three times.

    Returns
    -------
    Series of float64, index `lag` from 0
        1 at lag 0. The mean over the columns that vary; 0 if none does.

    Raises
    ------
    ValueError
        If there are fewer than 3 rows.

    Examples
    --------
    >>> wave = pd.DataFrame({"x": np.sin(2 * np.pi * np.arange(400) / 20)})
    >>> autocorrelation(wave).loc[[0, 10, 20]].round(1).tolist()
    [1.0, -1.0, 1.0]
    """
    if len(series) < 3:
        raise ValueError(f"`series` must have at least 3 rows. Received: {len(series)}")
    longest = len(series) // 3 if longest is None else min(longest, len(series) - 1)
    values = series.reset_index(drop=True).interpolate(limit_direction="both").fillna(0.0)
    values = signal.detrend(values.to_numpy(dtype=float), axis=0)
    spread = values.std(axis=0)
    values = values[:, spread > 1e-9 * max(1.0, np.abs(series.max()).max())]
    total = np.zeros(longest + 1)
    for column in values.T:
        whole = signal.correlate(column, column, method="fft")[len(column) - 1 :][: longest + 1]
        # Fewer pairs at a longer lag: each sum is divided by their number.
        unbiased = whole / (len(column) - np.arange(longest + 1))
        total += unbiased / unbiased[0] / values.shape[1]
    return pd.Series(total, pd.RangeIndex(longest + 1, name="lag"), name="autocorrelation")


def autocorrelation_period(series):
    """Rows after which a series repeats itself: the first prominent peak of its autocorrelation.

    Prominent is a peak that rises above its surroundings by 0.1 and by what chance alone would
    do: 8 standard errors, after Bartlett (1946), "On the theoretical specification and sampling
    properties of autocorrelated time-series", with the correlations up to the first negative one.
    A peak below four fifths of the highest is an overtone, and passed over.

    Parameters
    ----------
    series : DataFrame of n_times rows and n_features columns

    Returns
    -------
    int
        0 if there is no such peak: the series does not repeat itself.

    Examples
    --------
    >>> wave = pd.DataFrame({"x": np.sin(2 * np.pi * np.arange(400) / 20)})
    >>> autocorrelation_period(wave)
    20
    >>> noise = pd.DataFrame({"x": np.random.default_rng(0).normal(size=400)})
    >>> autocorrelation_period(noise)
    0
    """
    curve = autocorrelation(series).to_numpy()
    first_negative = int(np.argmax(curve < 0)) or len(curve)
    error = np.sqrt((1 + 2 * np.square(curve[1:first_negative]).sum()) / len(series))
    peaks, _ = signal.find_peaks(curve, prominence=max(0.1, 8 * error), height=2 * error)
    if not len(peaks):
        return 0
    high = peaks[curve[peaks] >= 0.8 * curve[peaks].max()]
    return int(high[0])


def choose_window(train):
    """Choose the rows that a network sees at once, and say why.

    Parameters
    ----------
    train : DataFrame of n_times rows and n_features columns

    Returns
    -------
    window : int
        The period, or 30 without one; never more than 200 or a tenth of the rows, at least 2.
    why : str
        One sentence.

    Examples
    --------
    >>> choose_window(pd.DataFrame({"x": np.sin(2 * np.pi * np.arange(400) / 20)}))
    (20, 'one period, the first prominent peak of the autocorrelation')
    """
    period = autocorrelation_period(train)
    window = period or FALLBACK_WINDOW
    why = "one period, the first prominent peak of the autocorrelation"
    if not period:
        why = "the autocorrelation has no prominent peak, so the usual one is taken"
    longest = max(2, min(LONGEST_WINDOW, len(train) // 10))
    if window > longest:
        limit = "the longest that is quick" if longest == LONGEST_WINDOW else "a tenth of the rows"
        why += f"; cut from {window} to {longest}, {limit}"
    return min(window, longest), why


def fewest_rows(window, horizon=0):
    """Training rows without which nothing can be fitted: a fifth of them must hold 10 windows.

    Examples
    --------
    >>> fewest_rows(window=30)
    195
    """
    return 5 * (window + horizon + 9)


def objections(*, rows, features, window, parameters, scores):
    """Say why a detector should not be relied on; an empty list if there is no reason.

    Parameters
    ----------
    rows, features : int
        Rows trained on, and numbers in each.
    window : int
    parameters : int
        Of the network.
    scores : int
        From which the threshold was set.

    Returns
    -------
    list of str

    Examples
    --------
    >>> objections(rows=160, features=1, window=20, parameters=100, scores=200)
    ['8 windows that share no row; fewer than 50 show too little of what is normal']
    """
    apart = rows // window
    found = []
    if apart < FEWEST_WINDOWS:
        found.append(
            f"{apart} windows that share no row; fewer than {FEWEST_WINDOWS} "
            f"show too little of what is normal"
        )
    if parameters > rows * features:
        found.append(
            f"{parameters:,} parameters for {rows * features:,} numbers: "
            f"it can learn the training part by heart"
        )
    if scores < FEWEST_SCORES:
        found.append(
            f"a threshold from {scores} scores; fewer than {FEWEST_SCORES} "
            f"say little about the rarest hundredth"
        )
    return found


def same_promise(scores, other, threshold):
    """Threshold at which `other` flags as many rows as `scores` do at theirs.

    Two rules are compared fairly when they make the same promise: so many flags on the rows that
    set the thresholds.

    Parameters
    ----------
    scores, other : array-like of n_times
        Of the same rows, those that set the threshold. Rows where either is missing do not count.
    threshold : float
        Of `scores`; above it is flagged.

    Returns
    -------
    float
        Ties may leave a few flags fewer.

    Examples
    --------
    >>> same_promise([1.0, 2.0, 3.0, 4.0], [10.0, 40.0, 30.0, 20.0], threshold=2.5)
    20.0
    """
    scores, other = np.asarray(scores, dtype=float), np.asarray(other, dtype=float)
    both = ~(np.isnan(scores) | np.isnan(other))
    if not both.any():
        raise ValueError("`scores` and `other` must have a row in common. Received: none")
    flags = int((scores[both] > threshold).sum())
    highest_first = np.sort(other[both])[::-1]
    return float(highest_first[flags]) if flags < both.sum() else -np.inf
