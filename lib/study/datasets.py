"""The data sets of the comparison study: what to learn from, what to score, what is anomalous.

Each is split in time: rows to train on, rows to validate on (early stopping, thresholds), and rows
to score. Metrics are taken over the rows of `labels` alone; the scored rows before them are
context, so that every detector has a score for the first of them.
"""

import functools
import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib import baselines, data, windowing
from lib.data import downloads, ucr
from lib.errors import did_you_mean
from lib.preprocessing import autocorrelation_period
from lib.study.turbine import la_haute_borne

VALIDATION = 0.2  # share of the training part, its last rows
TOLERANCE = 3  # calendar days around a market shock, as `lib.metrics.event_matching` matches events
SKAB_TRAIN = 400
NAB_TRAIN = 0.15  # its probation period
FALLBACK = 30  # rows of a window where no period is found
SHARE = 8  # a window is at most such a part of the training rows
STEPS = 13  # of a recurrent network in a window
RETURNS = ("sp500_returns", "sp500_z")  # for which volatility has a meaning
SHIPPED = ("sp500_returns", "sp500_z", "lhb_rules", "lhb_faults")
# Sources of the UCR archive that configurations are chosen on, with all their series; nothing is
# evaluated on them. Of 71 sources of 145 series, sorted by name, every fourth from the fourth on.
TUNING = (
    *("CHARISten", "CIMIS44AirTemperature4", "GP711MarkerLFM5z1", "InternalBleeding14"),
    *("InternalBleeding5", "Lab2Cmac011215EPG2", "PowerDemand1", "TkeepFifthMARS"),
    *("WalkingAceleration1", "gait2", "gaitHunt3", "insectEPG4", "mit14046longtermecg"),
    *("resperation1", "resperation9", "sel840mECG2", "tiltAPB1"),
)
TURBINE_WINDOW = 12  # rows, two hours, as in notebook 09: what a fault is depends on it


@dataclass(frozen=True)
class DataSet:
    """One series, cut for the study. All frames have the same columns.

    Parameters
    ----------
    name : str
    train, validation : DataFrame of n_times rows
    series : DataFrame of n_times rows
        What is scored. It overlaps `validation`, or for SKAB, whose protocol scores all rows, both.
    labels : Series of bool, its index a part of that of `series`
        The rows that count, True where one is anomalous.
    """

    name: str
    train: pd.DataFrame
    validation: pd.DataFrame
    series: pd.DataFrame
    labels: pd.Series

    @functools.cached_property
    def geometries(self):
        """Rows of a window and of a patch: the same rule for every detector and series.

        First one period of the training part, the first prominent peak of its autocorrelation;
        then 30 rows, for a series without a period, or a network that learned nothing from
        windows of that period. Never more than an eighth of the training rows.
        """
        rows = len(self.train) + len(self.validation)
        if self.name.startswith("lhb"):
            wanted = [TURBINE_WINDOW]
        else:
            period = autocorrelation_period(pd.concat([self.train, self.validation]))
            wanted = [period or FALLBACK, FALLBACK]
        return tuple(dict.fromkeys(_geometry(min(one, rows // SHARE)) for one in wanted))


def _geometry(wanted):
    """Rows of a window, a whole number of patches, and of a patch."""
    patch = max(1, round(max(4, wanted) / STEPS))
    return patch * max(4, round(max(4, wanted) / patch)), patch


def table():
    """List all data sets of the study.

    Returns
    -------
    DataFrame
        Index `data`, the name. `collection`; `source`, the recording that a series was made from;
        `family` of sources of one kind; `part`, "tuning" or "evaluation"; `related`, whether an
        evaluation series has a source of its family in the tuning part; `here`, whether its data
        ship or have been fetched.
    """
    found = _known()
    found.insert(2, "here", [_is_here(*one) for one in found["collection"].items()])
    return found


def facts(name):
    """Return what a row of results says of its data set, in plain types.

    Examples
    --------
    >>> facts("sp500_z")
    {'collection': 'sp500', 'source': 'sp500/sp500_z', 'family': 'sp500/sp500', 'related': False}
    """
    one = _known().loc[name]
    words = {key: str(one[key]) for key in ("collection", "source", "family")}
    return words | {"related": bool(one["related"])}


def names(word, part=None):
    """Return the names of the data sets that one word means: a name, or a collection.

    Raises
    ------
    ValueError
        If nothing has that name.

    Examples
    --------
    >>> names("lhb")
    ['lhb_rules', 'lhb_faults']
    """
    known = _known()
    chosen = known[(known.index == word) | (known["collection"] == word)]
    if not len(chosen):
        options = [*dict.fromkeys(known["collection"]), *known.index]
        raise ValueError(
            f"`data` must hold names or collections, {', '.join(options[:5])} and "
            f"others. Received: {word!r}.{did_you_mean(word, options)}"
        )
    return list(chosen.index if part is None else chosen.index[chosen["part"] == part])


def digest(name):
    """Return the SHA-256 of the data of a set, 16 digits of it."""
    one = load(name)
    parts = [one.train, one.validation, one.series, one.labels]
    values = [np.ascontiguousarray(part.to_numpy(dtype="float64")) for part in parts]
    return hashlib.sha256(b"".join(value.tobytes() for value in values)).hexdigest()[:16]


@functools.lru_cache(maxsize=4)
def load(name):
    """Load a data set.

    Parameters
    ----------
    name : str
        Of the index of `table`.

    Returns
    -------
    DataSet

    Raises
    ------
    ValueError
        If there is none of that name.
    FileNotFoundError
        If the data have to be fetched first; the message has the command.

    Examples
    --------
    >>> one = load("sp500_returns")
    >>> len(one.train), len(one.validation), int(one.labels.sum())
    (1961, 490, 59)
    """
    if name in RETURNS:
        return DataSet(name, *_sp500(name == "sp500_z"))
    if name.startswith("lhb_"):
        return DataSet(name, *la_haute_borne(name == "lhb_faults", TURBINE_WINDOW))
    return DataSet(name, *_labelled(name))


def _known():
    """The table without a look at the files, which takes long."""
    known = downloads.entries()
    rows = [_row(name, "sp500" if name in RETURNS else "lhb") for name in SHIPPED]
    rows += [_row(name, "skab") for name in known if name[:5] == "skab_" and "free" not in name]
    rows += [_row(name, "nab", known[name]) for name in known if name.startswith("nab_")]
    listing = ucr.series().to_dict("index") or {"ucr_135": {"source": "InternalBleeding16"}}
    rows += [_row(name, "ucr", one) for name, one in listing.items()]
    found = pd.DataFrame(rows).set_index("data")
    is_tuning = found["source"].isin([f"ucr/{source}" for source in TUNING])
    found["part"] = np.where(is_tuning, "tuning", "evaluation")
    tuned = set(found.loc[is_tuning, "family"])
    found["related"] = (found["part"] == "evaluation") & found["family"].isin(tuned)
    return found


def _is_here(name, collection):
    if collection not in ("skab", "nab"):
        return True
    return all(map(downloads.is_here, downloads.parts(downloads.entries()[name])))


def _row(name, collection, entry=None):
    entry = entry or {}
    source = entry.get("source") or ("skab" if collection == "skab" else name)
    family = entry.get("family") or (source if collection == "nab" else collection)
    row = {"data": name, "collection": collection}
    return row | {"source": f"{collection}/{source}", "family": f"{collection}/{family}"}


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
    return train, validation, pd.concat([validation, test]), pd.Series(near, test.index)


def _labelled(name):
    """A series with a label for each row: UCR, NAB, SKAB."""
    frame = data.load(name)
    labels = frame["anomaly"]
    values = frame.drop(columns=["anomaly", "changepoint"], errors="ignore")
    rows = frame.attrs.get("train_rows")
    rows = rows or (SKAB_TRAIN if name.startswith("skab") else int(NAB_TRAIN * len(frame)))
    cut = rows - int(rows * VALIDATION)
    train, validation = values[:cut], values[cut:rows]
    if name.startswith("skab"):  # whose protocol scores the training rows as well
        return train, validation, values, labels
    return train, validation, values[cut:], labels[rows:]
