"""Rules that label the faults of sensors without any training, and angles as sine and cosine.

A rule returns which readings or rows must be faulty. Angles are converted here as well, because
a jump from 360 to 0 degrees looks like a fault and is not one.
"""

import numpy as np
import pandas as pd

from lib.errors import whole

ENOUGH_WIND = 5.0  # m/s


def out_of_range(frame, limits):
    """Find readings outside the physically possible range.

    Parameters
    ----------
    frame : DataFrame of n_times rows
    limits : dict of column name to (lowest, highest)
        Possible range, both ends included. Other columns are never out of range.

    Returns
    -------
    DataFrame of bool, shaped as `frame`
        False where the reading is missing.

    Raises
    ------
    ValueError
        If `limits` names an unknown column, or a lowest value above the highest.

    Examples
    --------
    >>> frame = pd.DataFrame({"temperature": [12.5, -273.2]})
    >>> out_of_range(frame, {"temperature": (-40, 50)})["temperature"].tolist()
    [False, True]
    """
    check_columns("limits", limits, frame)
    for name, (lowest, highest) in limits.items():
        if not lowest <= highest:
            raise ValueError(
                f"`limits` must give the lowest first, then the highest. "
                f"Received: {name}=({lowest}, {highest})"
            )
    outside = pd.DataFrame(False, index=frame.index, columns=frame.columns)
    for name, (lowest, highest) in limits.items():
        outside[name] = (frame[name] < lowest) | (frame[name] > highest)
    return outside


def stopped(power, wind):
    """Find rows in which a turbine produces nothing although there is enough wind.

    Parameters
    ----------
    power : Series of n_times
        A turbine at rest consumes a little, so its power is below zero.
    wind : Series of n_times, in m/s
        Above 5 m/s, which is well above its start, a fault-free turbine turns.

    Returns
    -------
    Series of n_times bool
        False where a reading is missing.

    Examples
    --------
    >>> stopped(pd.Series([-1.4, 380.0, -0.8]), pd.Series([7.2, 7.2, 2.1])).tolist()
    [True, False, False]
    """
    return ((power <= 0) & (wind > ENOUGH_WIND)).rename("stopped")


def frozen(frame, rows, *, known=False):
    """Find readings that stay exactly the same for `rows` rows or more.

    Parameters
    ----------
    frame : DataFrame of n_times rows
        Only sensors that should vary. Blades, for example, may hold their angle for hours.
    rows : int
        Number of consecutive equal readings that makes a fault, at least 2.
    known : bool
        False marks all rows of the run, as for a label. True marks the rows from the `rows`-th
        on, when the fault can first be known, as for an alarm.

    Returns
    -------
    DataFrame of bool, shaped as `frame`
        A missing reading is never frozen, and ends a run.

    Raises
    ------
    ValueError
        If `rows` is not an integer of at least 2.

    Examples
    --------
    >>> frame = pd.DataFrame({"t": [9.1, 9.3, 9.3, 9.3, 9.2]})
    >>> frozen(frame, rows=3)["t"].tolist()
    [False, True, True, True, False]
    >>> frozen(frame, rows=3, known=True)["t"].tolist()
    [False, False, False, True, False]
    """
    whole("rows", rows, 2)
    result = {}
    for name, values in frame.items():
        run = (values != values.shift()).cumsum()  # NaN differs from everything: a run of its own
        reached = values.groupby(run).cumcount() + 1
        length = reached if known else run.map(run.value_counts())
        result[name] = length >= rows
    return pd.DataFrame(result, index=frame.index)


def widen(flags, rows):
    """Mark also the `rows` rows before and after each marked row.

    Parameters
    ----------
    flags : Series of n_times bool
    rows : int
        0 changes nothing.

    Returns
    -------
    Series of n_times bool

    Raises
    ------
    ValueError
        If `rows` is not an integer of at least 0.

    Examples
    --------
    >>> widen(pd.Series([False, False, False, True, False]), rows=1).tolist()
    [False, False, True, True, True]
    """
    whole("rows", rows, 0)
    wide = flags.astype(float).rolling(2 * rows + 1, center=True, min_periods=1).max()
    return (wide > 0).rename(flags.name)


def unroll_angles(frame, columns):
    """Replace angles in degrees by their sine and cosine, which do not jump at north.

    Parameters
    ----------
    frame : DataFrame of n_times rows
    columns : sequence of column names
        Angles in degrees. The others stay as they are.

    Returns
    -------
    DataFrame of n_times rows and one more column per angle
        An angle `a` becomes `a sin` and `a cos`: the part before the blank names the sensor.

    Raises
    ------
    ValueError
        If a column is not there.

    Examples
    --------
    >>> unroll_angles(pd.DataFrame({"wind": [0.0, 90.0]}), ["wind"]).round(1)
       wind sin  wind cos
    0       0.0       1.0
    1       1.0       0.0
    """
    check_columns("columns", columns, frame)
    parts = {}
    for name, values in frame.items():
        if name in columns:
            angle = np.deg2rad(values)
            parts |= {f"{name} sin": np.sin(angle), f"{name} cos": np.cos(angle)}
        else:
            parts[name] = values
    return pd.DataFrame(parts, index=frame.index)


def check_columns(argument, names, frame):
    """Refuse names that are no columns of a frame."""
    unknown = [str(name) for name in names if name not in frame.columns]
    if unknown:
        raise ValueError(
            f"`{argument}` must name columns of the frame, {', '.join(map(str, frame.columns))}. "
            f"Received: {', '.join(unknown)}"
        )
