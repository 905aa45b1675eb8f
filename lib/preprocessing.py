"""From a stranger's series to rows that a detector can learn from, and whether they are enough.

A form (levels or returns), an even clock, a window as long as one period, and a count of what
there is to learn from.
"""

import numpy as np
import pandas as pd
import scipy

from lib.errors import choice

FORMS = ("levels", "returns")
STATISTICS = ("mean", "sum", "count", "min", "max", "last")
FALLBACK_WINDOW = 30
PART = 4  # of the rows between two gaps that a window may be: three of four rows have a score
LONGEST_WINDOW = 200  # an LSTM goes through a window step by step: longer ones are for later
FEWEST_WINDOWS = 50  # that share no row
FEWEST_SCORES = 100  # below, the 99th percentile is nothing but the largest of them


class Preprocessing:
    """What is done to the rows of a series before a detector sees them, in training and later.

    First the rows are resampled, then cut at gaps, then brought into their form.

    Parameters
    ----------
    form : {"levels", "returns"}
        The values themselves, or their log returns `log(x[t] / x[t-1])`; the first row, and the
        first one after a gap, have none.
    resample : str
        Step of the new clock in pandas' words, such as "1h", "14D" or "W-FRI"; "" keeps the rows.
        Steps are counted from 1970, and those of the calendar come one at a time, so that they do
        not depend on the first row. A step without any row is missing.
    statistic : str
        What a step becomes: "mean", "sum", "count", "min", "max" or "last" of its rows. "" is the
        mean for levels and the last for returns.
    max_gap : float
        A step in time longer than so many expected ones is a gap: what lies before it says
        nothing about what comes after. 0: there are no gaps.

    Attributes
    ----------
    settings : dict
        The arguments, checked.
    step_ : float or None
        The expected step in seconds, the median of the training rows' steps; None if their index
        holds no times.

    Examples
    --------
    >>> times = pd.DatetimeIndex(["2024-01-01", "2024-01-02", "2024-01-03", "2024-03-01"])
    >>> prices = pd.DataFrame({"close": [1.0, np.e, 1.0, 5.0]}, times)
    >>> preprocessing = Preprocessing("returns", max_gap=10).fit(prices)
    >>> preprocessing.step_ / 3600
    24.0
    >>> [(start, piece.tolist()) for start, piece, _ in preprocessing.pieces(prices)]
    [(1, [[1.0], [-1.0]]), (4, [])]
    """

    def __init__(self, form="levels", resample="", statistic="", max_gap=0.0):
        choice("form", form, FORMS)
        if statistic:
            choice("statistic", statistic, STATISTICS)
        if not isinstance(resample, str):
            raise ValueError(f"`resample` must be a text. Received: resample={resample!r}")
        if resample:
            _checked_rule(resample)
        number = isinstance(max_gap, int | float) and not isinstance(max_gap, bool)
        if not number or not 0 <= max_gap <= 1e100:
            raise ValueError(f"`max_gap` must be 0 or above. Received: max_gap={max_gap!r}")
        statistic = statistic or ("last" if form == "returns" else "mean")
        self.settings = {"form": form, "resample": resample, "statistic": statistic}
        self.settings["max_gap"] = float(max_gap)
        self.step_ = None

    def fit(self, *recordings):
        """Learn the expected step from one series, or from several recordings; returns itself.

        Raises
        ------
        ValueError
            If resampling is asked of an index that holds no times, or returns of values that are
            not positive.
        """
        if self.settings["form"] == "returns":
            for train in recordings:
                _check_positive(train)
        steps = [seconds(self.rows(train).index) for train in recordings]
        steps = np.concatenate([one for one in steps if one is not None] or [[]])
        self.step_ = float(np.median(steps)) if len(steps) else None
        return self

    def rows(self, series):
        """Return the rows that get a score: those of the series, or the steps they fall into.

        Takes and returns a DataFrame with the same columns.
        """
        rule, statistic = self.settings["resample"], self.settings["statistic"]
        if not rule:
            return series
        enough = {"min_count": 1} if statistic == "sum" else {}  # a step without rows is missing
        return getattr(_steps(series, rule), statistic)(**enough).astype("float64")

    def is_gap(self, step):
        """Whether a step in seconds is a gap; of an array of steps, an array of bool."""
        longest = self.settings["max_gap"] * self.step_ if self.has_gaps else np.inf
        return np.asarray(step) > longest

    @property
    def has_gaps(self):
        """Whether a step in time can be a gap."""
        return bool(self.settings["max_gap"]) and self.step_ is not None

    def pieces(self, rows, before=None):
        """Cut rows at gaps, and bring each piece into its form.

        Parameters
        ----------
        rows : DataFrame of n_rows rows and n_features columns
            As `rows` gave them.
        before : DataFrame of one row, optional
            The row before, if there was one. Where there can be gaps, both have an index of times.

        Returns
        -------
        list of (int, ndarray of shape (n_of_piece, n_features), bool)
            The place of the piece's first row in `rows`, its values, and whether the piece begins
            anew or goes on from `before`.
        """
        is_return = self.settings["form"] == "returns"
        if not is_return and not self.has_gaps:
            return [(0, rows.to_numpy(), before is None)]
        values, index, known = rows.to_numpy(), rows.index, int(before is not None)
        if known:
            values, index = np.concatenate([before.to_numpy(), values]), before.index.append(index)
        begins = [0, *self._gaps(index).tolist()]
        if is_return:
            logarithms = np.log(np.where(values > 0, values, np.nan))  # no price: missing
            values = np.diff(logarithms, axis=0, prepend=np.nan)
        found = []
        for begin, end in zip(begins, [*begins[1:], len(values)], strict=True):
            fresh = begin > 0 or not known
            # A piece that goes on begins with the row before; the first row of all has no return.
            first = begin + int(is_return or not fresh)
            if fresh or end > known:
                found.append((first - known, values[first:end], fresh))
        return found

    def frames(self, series):
        """Return a series preprocessed: a list of frames of float64, one between two gaps each."""
        rows = self.rows(series).astype("float64")
        return [
            pd.DataFrame(values, rows.index[start : start + len(values)], rows.columns)
            for start, values, _ in self.pieces(rows)
        ]

    def _gaps(self, index):
        """Places of the rows that come after a gap."""
        if not self.has_gaps or len(index) < 2:
            return np.empty(0, int)
        steps = seconds(index)
        if steps is None:
            raise ValueError(
                f"The rows must have an index of times, as the training rows had. "
                f"Received: {type(index).__name__}"
            )
        return np.flatnonzero(self.is_gap(steps)) + 1


def prepare(series, resample="", form="levels", statistic=""):
    """Bring a whole series into the rows that a detector learns from, gaps left aside.

    Parameters
    ----------
    series : DataFrame of n_times rows and n_features columns
        NaN is a missing value.
    resample, form, statistic : str
        As in `Preprocessing`.

    Returns
    -------
    DataFrame, float64
        Returns have one row fewer.

    Raises
    ------
    ValueError
        If `resample` is not a step, or the index holds no times, or if values of which returns are
        wanted are not positive.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=4, freq="30min")
    >>> prepare(pd.DataFrame({"power": [1.0, 3, 5, 7]}, times), "1h")["power"].tolist()
    [2.0, 6.0]
    >>> prepare(pd.DataFrame({"close": [1.0, np.e]}), form="returns")["close"].tolist()
    [1.0]
    """
    (rows,) = Preprocessing(form, resample, statistic).fit(series).frames(series)
    return rows


def until(series, last, resample=""):
    """Return the rows of a series up to a row of `prepare(series, resample)`, that one included.

    `last` is the entry of that row in the index.

    Examples
    --------
    >>> times = pd.date_range("2024-01-01", periods=4, freq="30min")
    >>> until(pd.DataFrame({"power": [1.0, 3, 5, 7]}, times), times[0], "1h")["power"].tolist()
    [1.0, 3.0]
    """
    if not resample:
        return series.loc[:last]
    return series.iloc[: int(_steps(series, resample).size().loc[:last].sum())]


def seconds(index):
    """Return the steps of an index of times in seconds, an ndarray; None if it holds no times.

    Examples
    --------
    >>> seconds(pd.DatetimeIndex(["2024-01-01 00:00", "2024-01-01 00:10"]))
    array([600.])
    """
    if not isinstance(index, pd.DatetimeIndex):
        return None
    return np.diff(index.asi8) * {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[index.unit]


def _check_positive(series):
    smallest = series.min()
    if (smallest <= 0).any():
        name = smallest.idxmin()
        raise ValueError(
            f"`form` 'returns' is for positive values, such as prices; use 'levels'. "
            f"Received: {smallest[name]:g} in column {name!r}"
        )


def _checked_rule(rule):
    try:
        step = pd.tseries.frequencies.to_offset(rule)
        if step.n < 1:
            raise ValueError("not above 0")
        of_calendar = not isinstance(step, pd.offsets.Tick | pd.offsets.Day)
        if of_calendar and step.n > 1:
            raise ValueError("where several of a calendar's steps begin, only the first row says")
        return step
    except ValueError as error:
        raise ValueError(
            f"`resample` must be a step such as '1h', '14D' or 'W-FRI', or ''. "
            f"Received: resample={rule!r} ({error})"
        ) from error


def _steps(series, rule):
    if not isinstance(series.index, pd.DatetimeIndex):
        raise ValueError(
            f"`resample` needs a column of times: pass `time`. Received: resample={rule!r}"
        )
    step = _checked_rule(rule)
    if isinstance(step, pd.offsets.Day) and step.n > 1:
        step = pd.offsets.Hour(24 * step.n)
    # Steps that do not depend on the first row: a part of the series has the same ones. Those of
    # the calendar, of which there is one at a time, never do.
    origin = {"origin": "epoch"} if isinstance(step, pd.offsets.Tick) else {}
    return series.resample(step, **origin)


def autocorrelation(series):
    """Correlation of a series with itself, so many rows later; its linear trend is taken out.

    Parameters
    ----------
    series : DataFrame of n_times rows and n_features columns
        At least 3. Missing values are filled on straight lines.

    Returns
    -------
    Series of float64, index `lag` from 0 to a third of the rows
        So that a period is seen three times; 1 at lag 0. The mean over the columns that vary; 0 if
        none does.

    Examples
    --------
    >>> wave = pd.DataFrame({"x": np.sin(2 * np.pi * np.arange(400) / 20)})
    >>> autocorrelation(wave).loc[[0, 10, 20]].round(1).tolist()
    [1.0, -1.0, 1.0]
    """
    if len(series) < 3:
        raise ValueError(f"`series` must have at least 3 rows. Received: {len(series)}")
    longest = len(series) // 3
    values = series.reset_index(drop=True).interpolate(limit_direction="both").fillna(0.0)
    values = scipy.signal.detrend(values.to_numpy(dtype=float), axis=0)
    deviation = values.std(axis=0)
    values = values[:, deviation > 1e-9 * max(1.0, np.abs(series.max()).max())]
    total = np.zeros(longest + 1)
    for column in values.T:
        whole = scipy.signal.correlate(column, column, method="fft")
        whole = whole[len(column) - 1 :][: longest + 1]
        # Fewer pairs at a longer lag: each sum is divided by their number.
        unbiased = whole / (len(column) - np.arange(longest + 1))
        total += unbiased / unbiased[0] / values.shape[1]
    return pd.Series(total, pd.RangeIndex(longest + 1, name="lag"), name="autocorrelation")


def autocorrelation_period(series):
    """Rows after which a series repeats itself: the first prominent peak of its autocorrelation.

    Prominent is a peak that rises above its surroundings by 0.1 and by what chance alone would
    do: 8 standard errors, after Bartlett (1946), "On the theoretical specification and sampling
    properties of autocorrelated time-series", with the correlations up to the first negative one.
    A peak below four fifths of the highest is an overtone, and passed over. The result is 0 if no
    peak is left: the series does not repeat itself.

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
    peaks, _ = scipy.signal.find_peaks(curve, prominence=max(0.1, 8 * error), height=2 * error)
    if not len(peaks):
        return 0
    return int(peaks[curve[peaks] >= 0.8 * curve[peaks].max()][0])


def choose_window(train, max_gap=0.0):
    """Choose the rows that a network sees at once, and say why.

    Parameters
    ----------
    train : DataFrame of n_times rows and n_features columns
    max_gap : float
        As in `Preprocessing`. Where there are gaps, the period is looked for in the longest
        stretch between two of them. More missing rows in a row than so many are a gap, too.

    Returns
    -------
    window : int
        The period, or 30 without one; never more than 200, a tenth of the rows or a quarter of
        those between two gaps, at least 2.
    why : str
        One sentence.

    Examples
    --------
    >>> choose_window(pd.DataFrame({"x": np.sin(2 * np.pi * np.arange(400) / 20)}))
    (20, 'one period, the first prominent peak of the autocorrelation')
    >>> days = [pd.date_range(f"2024-01-0{day}", periods=48, freq="10min") for day in (1, 2, 3)]
    >>> noise = np.random.default_rng(0).normal(size=144)
    >>> choose_window(pd.DataFrame({"x": noise}, days[0].append(days[1:])), max_gap=10)[0]
    12
    """
    missing = train.isna().all(axis=1)
    if max_gap and missing.any():  # steps of a new clock, on which nights are rows as well
        runs = missing.groupby((~missing).cumsum()).transform("sum")
        train = train[~(missing & (runs > max_gap))]
    pieces = Preprocessing(max_gap=max_gap).fit(train).frames(train)
    longest = max(pieces, key=len)
    period = autocorrelation_period(longest) if len(longest) > 2 else 0
    window, why = period, "one period, the first prominent peak of the autocorrelation"
    if not period:
        window = FALLBACK_WINDOW
        why = "the autocorrelation has no prominent peak, so the usual one is taken"
    limits = {"the longest that is quick": LONGEST_WINDOW, "a tenth of the rows": len(train) // 10}
    if len(pieces) > 1:
        lengths = [len(piece) for piece in pieces]
        of_a_row = int(np.median(np.repeat(lengths, lengths)))
        limits[f"a quarter of the rows between two gaps, usually {of_a_row}"] = of_a_row // PART
    limit = min(limits, key=limits.get)
    most = max(2, limits[limit])
    if window > most:
        why += f"; cut from {window} to {most}, {limit}"
    return min(window, most), why


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

    `rows` were trained on, each of so many `features`, in windows of `window` rows, by a network
    of `parameters` numbers; the threshold was set from so many `scores`.

    Examples
    --------
    >>> objections(rows=160, features=1, window=20, parameters=100, scores=200)
    ['8 windows that share no row; fewer than 50 show too little of what is normal']
    """
    apart, numbers = rows // window, rows * features
    doubts = {
        f"{apart} windows that share no row; fewer than {FEWEST_WINDOWS} "
        f"show too little of what is normal": apart < FEWEST_WINDOWS,
        f"{parameters:,} parameters for {numbers:,} numbers: "
        f"it can learn the training part by heart": parameters > numbers,
        f"a threshold from {scores} scores; fewer than {FEWEST_SCORES} "
        f"say little about the rarest hundredth": scores < FEWEST_SCORES,
    }
    return [doubt for doubt, holds in doubts.items() if holds]
