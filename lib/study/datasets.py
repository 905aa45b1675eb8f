"""The data sets of the comparison study, each as one task: what to learn from, what to judge.

A contest is split in time: rows to train on, rows for early stopping and thresholds, rows to
score. Of the scored rows only those of `labels` are judged; the others are context, so that
every detector has a score for the first judged row, or belong to what nobody can know.
"""

import functools
import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib import baselines, data, windowing
from lib.data import downloads
from lib.errors import did_you_mean
from lib.study.turbine import la_haute_borne

VALIDATION = 0.2  # share of the training part, its last rows; two windows at least
TOLERANCE = 3  # calendar days around a market shock, as `lib.metrics.event_matching` matches events
SKAB_TRAIN = 400
NAB_TRAIN = 0.15  # its probation period
CONTEXT = 500  # rows before the first judged one, more than any window or period
# Rows of a window: one period where there is one (the first prominent peak of the
# autocorrelation of the training part), else a month of trading days, or half a minute.
WINDOWS = {
    **{"sp500_returns": 20, "sp500_z": 20, "lhb_rules": 12, "lhb_faults": 12, "skab": 30},
    **{"ucr_001": 208, "ucr_002": 208, "ucr_109": 208, "ucr_135": 184, "ucr_136": 182},
    **{"ucr_152": 24, "ucr_193": 108, "ucr_195": 172},
    **{"nab_machine_temperature": 48, "nab_ambient_temperature": 24, "nab_nyc_taxi": 48},
}
# Rows after which a series repeats itself, where that is not the window: a week, a day.
PERIODS = {"sp500_returns": 5, "sp500_z": 5, "lhb_rules": 144, "lhb_faults": 144}
PERIODS |= {"nab_machine_temperature": 288}
RETURNS = ("sp500_returns", "sp500_z")  # for which volatility has a meaning
SHIPPED = ("sp500_returns", "sp500_z", "lhb_rules", "lhb_faults", "ucr_135")


@dataclass(frozen=True)
class Contest:
    """One data set, cut for the study. All frames have the same columns and do not overlap.

    Parameters
    ----------
    name : str
    train, validation : DataFrame of n_times rows
        A missing value (NaN) belongs to no window that is learned from.
    series : DataFrame of n_times rows
        What is scored: complete, and later than the other two. SKAB alone judges all rows, so
        there it begins with them.
    labels : Series of bool, its index a part of that of `series`
        The rows that are judged, True where one is anomalous.
    """

    name: str
    train: pd.DataFrame
    validation: pd.DataFrame
    series: pd.DataFrame
    labels: pd.Series

    @property
    def window(self):
        """Rows that a detector sees at once."""
        return WINDOWS[kind(self.name)]

    @property
    def period(self):
        """Rows after which the series repeats itself, more or less."""
        return PERIODS.get(self.name, self.window)


def kind(name):
    """Return the key of a contest's settings: its name; for the files of SKAB, "skab".

    Examples
    --------
    >>> kind("skab_valve1_0"), kind("ucr_135")
    ('skab', 'ucr_135')
    """
    return "skab" if name.startswith("skab_") else name


def names(word=None):
    """Return the names of all contests, or of those that one word means.

    Parameters
    ----------
    word : str, optional
        A name, or a family: "sp500", "lhb", "ucr", "nab", "skab".

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If nothing has that name.

    Examples
    --------
    >>> names("lhb")
    ['lhb_rules', 'lhb_faults']
    >>> len(names("skab"))
    34
    """
    fetched = [name for name in downloads.entries() if kind(name) in WINDOWS]
    known = [*SHIPPED, *(name for name in fetched if name != "skab_anomaly_free")]
    if word is None:
        return known
    chosen = [name for name in known if word in (name, name.partition("_")[0])]
    if not chosen:
        families = dict.fromkeys(name.partition("_")[0] for name in known)
        options = [*families, *(name for name in known if kind(name) == name)]
        raise ValueError(
            f"`data` must hold names among {', '.join(options)}. "
            f"Received: {word!r}.{did_you_mean(word, [*options, *known])}"
        )
    return chosen


def is_here(name):
    """Return whether the data of a contest ship or have been fetched.

    Examples
    --------
    >>> is_here("ucr_135")
    True
    """
    return name in SHIPPED or all(map(downloads.is_here, _parts(name)))


def digest(name):
    """Return the SHA-256 of the data behind a contest: of its file, or of all its files'.

    Examples
    --------
    >>> digest("ucr_135")[:8]
    '43987e3c'
    """
    sums = [part["sha256"] for part in _parts(name)]
    return sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()


@functools.lru_cache(maxsize=2)
def load(name):
    """Load a contest.

    Parameters
    ----------
    name : str
        One of `names()`.

    Returns
    -------
    Contest

    Raises
    ------
    ValueError
        If there is none of that name.
    FileNotFoundError
        If the data have to be fetched first; the message has the command.

    Examples
    --------
    >>> contest = load("ucr_135")
    >>> len(contest.train), len(contest.validation), contest.labels.sum()
    (832, 368, np.int64(12))
    """
    if name not in names():
        names(name)  # which says what there is
        raise ValueError(f"`name` must be one of {', '.join(names())}. Received: name={name!r}")
    if name in RETURNS:
        return Contest(name, *_sp500(name == "sp500_z"))
    if name.startswith("lhb_"):
        return Contest(name, *la_haute_borne(name == "lhb_faults", WINDOWS[name]))
    return Contest(name, *_labelled(name))


def _sp500(in_volatilities):
    """Daily log returns, or returns in units of the volatility known the day before.

    Labelled are the days up to `TOLERANCE` calendar days around a known shock. The first three
    tenths of the days are learned from, so that most of the shocks are left to be found.
    """
    returns = np.log(data.load("sp500")["close"]).diff().dropna()
    z = (returns / baselines.ewma_volatility(returns)).dropna()
    values = (z if in_volatilities else returns[z.index]).rename("value").to_frame()
    train, validation, test = windowing.chronological_split(values, 0.3, VALIDATION)
    days = test.index.to_numpy()[:, np.newaxis]
    distance = np.abs(days - data.load("sp500_events").index.to_numpy())
    near = (distance <= np.timedelta64(TOLERANCE, "D")).any(axis=1)
    return train, validation, _with_context(validation, test), pd.Series(near, test.index)


def _labelled(name):
    """A series with a label for each row: UCR, NAB, SKAB."""
    frame = data.load(name)
    labels = frame["anomaly"]
    values = frame.drop(columns=["anomaly", "changepoint"], errors="ignore")
    rows = frame.attrs.get("train_rows")
    rows = rows or (SKAB_TRAIN if kind(name) == "skab" else int(NAB_TRAIN * len(frame)))
    cut = rows - max(int(rows * VALIDATION), 2 * WINDOWS[kind(name)])
    train, validation, test = values[:cut], values[cut:rows], values[rows:]
    if kind(name) == "skab":  # whose protocol judges the training rows as well
        return train, validation, values, labels
    return train, validation, _with_context(validation, test), labels[rows:]


def _with_context(before, test):
    """Put rows before the test part, from the validation part: it was not trained on."""
    return pd.concat([before[-CONTEXT:], test])


def _parts(name):
    """What `downloads` knows of the files of a contest; for shipped ones the checksums alone."""
    if name not in SHIPPED:
        return downloads.parts(downloads.entries()[name])
    files = {"sp500": ("sp500.csv", "sp500_events.csv"), "lhb": ("la_haute_borne.csv.bz2",)}
    lines = (data.DATA_DIR / "SHA256SUMS").read_text(encoding="utf-8").split("\n")
    sums = {line.split()[1]: line.split()[0] for line in lines if line}
    wanted = files.get(name.partition("_")[0], (f"{name}.csv",))
    return [{"file": file, "sha256": sums[file]} for file in wanted]
