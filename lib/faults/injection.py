"""Faults injected into fault-free rows, to evaluate a detector: kind, place and sensor are known.

`plan` draws the places, `inject` changes the readings there, and `evaluate` returns which faults
the flags of a detector found, and with which delay.
"""

import numpy as np
import pandas as pd

from lib.errors import whole
from lib.faults.rules import check_columns

KINDS = ("spike", "level shift", "drift", "stuck", "noise", "broken correlation")


def plan(fault_free, sensors, *, kinds=KINDS, repeats=4, rows=36, gap=36, seed=0):
    """Draw random places for faults: each kind on each sensor, `repeats` times.

    The series is divided into slots of `gap + rows` rows. A fault takes the last `rows` rows of a
    slot, so that faults do not touch. Only slots without a real fault are used.

    Parameters
    ----------
    fault_free : Series of n_times bool
        True where there is no real fault.
    sensors : sequence of column names
    kinds : sequence of str
        Some of `KINDS`.
    repeats : int
        Number of faults of each kind on each sensor.
    rows, gap : int
        Length of a fault in rows (a spike has one row), and the number of unchanged rows before.
    seed : int

    Returns
    -------
    DataFrame with one row per fault, in time order
        `kind`, `sensor`, `start` and `end` (index values, both included).

    Raises
    ------
    ValueError
        If a kind is unknown, a count is not a positive integer, or there are too few slots.

    Examples
    --------
    >>> fault_free = pd.Series(True, index=range(100))
    >>> planned = plan(fault_free, ["wind"], kinds=["spike", "stuck"], repeats=1, rows=5, gap=20)
    >>> sorted(planned["kind"]), sorted(planned["end"] - planned["start"] + 1)
    (['spike', 'stuck'], [1, 5])
    """
    if not kinds or not set(kinds) <= set(KINDS):
        raise ValueError(f"`kinds` must be some of {', '.join(KINDS)}. Received: kinds={kinds!r}")
    for name, count in {"repeats": repeats, "rows": rows, "gap": gap}.items():
        whole(name, count)
    pairs = [(kind, sensor) for kind in kinds for sensor in sensors for _ in range(repeats)]
    size = gap + rows
    count = len(fault_free) // size
    slots = fault_free.to_numpy(dtype=bool)[: count * size].reshape(count, size).all(axis=1)
    free = np.flatnonzero(slots)
    if len(free) < len(pairs):
        raise ValueError(
            f"`fault_free` must have room for {len(pairs)} faults of {size} rows each. "
            f"Received: {len(free)} fault-free slots"
        )
    places = np.random.default_rng(seed).permutation(free)[: len(pairs)]
    starts = size * places + gap
    planned = pd.DataFrame(pairs, columns=["kind", "sensor"])
    lengths = np.where(planned["kind"] == "spike", 1, rows)
    planned["start"] = fault_free.index[starts]
    planned["end"] = fault_free.index[starts + lengths - 1]
    return planned.sort_values("start", ignore_index=True)


def inject(frame, planned, standard_deviation, *, size=2.0, limits=None, turns=None, seed=0):
    """Inject the planned faults, each into one sensor.

    Let `s` be `size` times the standard deviation of the sensor. The kinds of fault are:

    * *spike*: one row plus `2 s`;
    * *level shift*: all rows plus `s`;
    * *drift*: a linear rise from 0 to `2 s`;
    * *noise*: normal random numbers with standard deviation `s`;
    * *stuck*: the last reading before the fault is repeated;
    * *broken correlation*: readings of the same sensor at another time. They are usual for this
      sensor, but do not fit the other sensors.

    If the sensor has limits, the change goes towards the limit that is farther away.

    Parameters
    ----------
    frame : DataFrame of n_times rows
    planned : DataFrame
        From `plan`.
    standard_deviation : Series
        Standard deviation of each sensor, on the training rows.
    size : float
        Above 0, in standard deviations. Spike and drift reach twice of it.
    limits : dict of column name to (lowest, highest), optional
        Range of the sensor: an injected reading is clipped to it.
    turns : dict of column name to (lowest, highest), optional
        For angles: a reading that leaves the range enters it at the other end.
    seed : int
        Seed of the noise, and of the other times of *broken correlation*.

    Returns
    -------
    DataFrame of n_times rows
        A copy. Only the planned rows of the planned sensors differ.

    Raises
    ------
    ValueError
        If `size` is not above 0, a planned sensor is not a column, or *broken correlation* finds
        no other time.

    Examples
    --------
    >>> frame = pd.DataFrame({"wind": [5.0, 6.0, 7.0, 5.0]})
    >>> planned = pd.DataFrame({"kind": ["stuck"], "sensor": "wind", "start": [2], "end": [3]})
    >>> inject(frame, planned, frame.std())["wind"].tolist()
    [5.0, 6.0, 6.0, 6.0]
    """
    if not size > 0:
        raise ValueError(f"`size` must be above 0. Received: size={size}")
    check_columns("planned", planned["sensor"].unique(), frame)
    limits, turns = limits or {}, turns or {}
    rng = np.random.default_rng(seed)
    changed = frame.copy()
    for fault in planned.itertuples():
        place = frame.index.slice_indexer(fault.start, fault.end)
        readings = frame[fault.sensor].to_numpy(dtype=float)
        low, high = limits.get(fault.sensor, (-np.inf, np.inf))
        step = size * standard_deviation[fault.sensor] * _side(readings[place], low, high)
        faulty = np.clip(_faulty(fault.kind, readings, place, step, rng), low, high)
        if fault.sensor in turns:
            start, end = turns[fault.sensor]
            faulty = start + (faulty - start) % (end - start)
        changed.iloc[place, changed.columns.get_loc(fault.sensor)] = faulty
    return changed


def _side(readings, low, high):
    """Direction of the farther limit, +1 or -1; +1 for a sensor without limits."""
    if not np.isfinite([low, high]).all():
        return 1.0
    return 1.0 if np.nanmean(readings) <= (low + high) / 2 else -1.0


def _faulty(kind, readings, place, step, rng):
    before = readings[place]
    n = len(before)
    if kind == "spike":
        return before + 2 * step
    if kind == "level shift":
        return before + step
    if kind == "drift":
        return before + 2 * step * np.arange(1, n + 1) / n
    if kind == "noise":
        return before + abs(step) * rng.normal(size=n)
    if kind == "stuck":
        return np.full(n, readings[max(place.start - 1, 0)])
    return _another_time(readings, place, rng)


def _another_time(readings, place, rng):
    """As many consecutive readings, at least ten times their number of rows away."""
    n = place.stop - place.start
    complete = np.lib.stride_tricks.sliding_window_view(~np.isnan(readings), n).all(axis=1)
    elsewhere = np.abs(np.arange(len(complete)) - place.start) >= 10 * n
    free = np.flatnonzero(complete & elsewhere)
    if len(free) == 0:
        raise ValueError(
            f"`frame` must hold {n} readings in a row at another time, at least {10 * n} rows "
            f"away. Received: {len(readings)} rows, none of them such"
        )
    start = rng.choice(free)
    return readings[start : start + n]


def evaluate(planned, flags):
    """Find the first flag of each fault, and its delay.

    Parameters
    ----------
    planned : DataFrame
        From `plan`.
    flags : Series of n_times bool, with the index of the series

    Returns
    -------
    DataFrame: `planned` with `hit` (bool), `flag` (index value of the first flag; missing without
    one) and `delay` (rows from the start to that flag; NaN without one)

    Examples
    --------
    >>> planned = pd.DataFrame({"kind": ["stuck"], "sensor": "wind", "start": [2], "end": [4]})
    >>> flags = pd.Series([True, False, False, True, True, False])
    >>> evaluate(planned, flags)[["hit", "flag", "delay"]].values.tolist()
    [[True, 3, 1.0]]
    """
    index, flagged = flags.index, flags.to_numpy(dtype=bool)
    starts, ends = _places(planned, index)
    spans = [flagged[a : b + 1] for a, b in zip(starts, ends, strict=True)]
    hit = pd.Series([bool(span.any()) for span in spans], planned.index, dtype=bool)
    first = pd.Series([span.argmax() for span in spans], planned.index, dtype=int)
    flag = pd.Series(index[starts + first], planned.index)
    delay = first.where(hit).astype(float)
    return planned.assign(hit=hit, flag=flag.where(hit), delay=delay)


def undisturbed(planned, index, after):
    """Find the rows that no injected fault affects: a flag there is a false alarm.

    Parameters
    ----------
    planned : DataFrame
        From `plan`.
    index : Index of n_times
    after : int
        Number of rows after a fault whose windows still contain it.

    Returns
    -------
    Series of n_times bool

    Examples
    --------
    >>> planned = pd.DataFrame({"kind": ["spike"], "sensor": "wind", "start": [1], "end": [1]})
    >>> undisturbed(planned, pd.RangeIndex(4), after=1).tolist()
    [True, False, False, True]
    """
    quiet = np.ones(len(index), dtype=bool)
    for start, end in zip(*_places(planned, index), strict=True):
        quiet[start : end + 1 + after] = False
    return pd.Series(quiet, index=index)


def _places(planned, index):
    return [index.get_indexer(planned[name]) for name in ("start", "end")]
