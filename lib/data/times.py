"""Recognising times: dates in any common form, Unix time by its size, or a counter."""

import re
import warnings

import numpy as np
import pandas as pd

from lib.data.refusals import refuse_rows

MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_CLOCK = r"(?:[T ,]+(\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?)( ?[AP]M)?)?((?:Z|[-+]\d\d:?\d\d)?)"
_DAY = re.compile(rf"(\d{{1,4}}|{MONTH})([-/. ])(\d{{1,2}}|{MONTH})\2(\d{{4}}|\d\d){_CLOCK}", re.I)
_YEAR_OF_MONTH = re.compile(rf"({MONTH}|\d{{1,2}}|\d{{4}})[-/. ](\d{{4}}|\d\d)", re.I)
_ZONE = re.compile(r"^(.*\d(?: ?[AaPp][Mm])?) ?\(?([A-Z]{3,5})\)?$")
_HOUR_24 = re.compile(r"(?<=[T ])24:00(?::00(?:\.0+)?)?")
_ZONES = {  # hours from UTC: those of RFC 2822, and of Europe
    **{"UTC": 0, "GMT": 0, "UCT": 0, "WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3},
    **{"MEZ": 1, "MESZ": 2, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6},
    **{"PST": -8, "PDT": -7},
}  # fmt: skip
# Unix times between 1973 and 2286, in these units; what is smaller counts something else.
_UNIX = {"s": 1e8, "ms": 1e11, "us": 1e14, "ns": 1e17}
_DIGITS = {6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


def check_time_format(time_format):
    """Check what can be known of a format before there is a cell to read."""
    words = ("unix", *_UNIX, "counter")
    text = isinstance(time_format, str)
    if time_format is not None and not (text and (time_format in words or "%" in time_format)):
        rule = f"a format such as '%d/%m/%Y %H:%M', or one of {', '.join(words)}"
        raise ValueError(f"`time_format` must be {rule}. Received: {time_format=}")


def read_times(values, path, day_first, time_format, notes):
    """Return the times of a column, each of which could be read."""
    text = values.astype("str").str.strip().where(values.notna())
    times = _recognised(text, day_first, time_format, notes)
    if times is None:
        times = pd.Series(pd.NaT, index=text.index, dtype="datetime64[us]")
    if time_format is None:
        rule = "hold dates in one format (see also `time_format` and `day_first`)"
    else:
        rule = f"hold times as time_format={time_format!r} reads them"
    refuse_rows(times.isna(), values, path, rule)
    if times.dtype.kind not in "iuf":
        # One resolution, whichever this version of pandas would have chosen.
        times = times.dt.as_unit("us")
    return times


def _recognised(text, day_first, time_format, notes):
    """Return times or a counter, NaT where a cell could not be read, None if no cell could."""
    if time_format == "counter":
        numbers = pd.to_numeric(text, errors="coerce")
        return numbers.where(np.isfinite(numbers.astype("float64")))
    if time_format in ("unix", *_UNIX):
        return _unix_times(text, None if time_format == "unix" else time_format)
    if time_format is not None:
        return _strptime(text, time_format)
    filled = text.dropna()
    if not filled.empty and filled.str.fullmatch(r"[-+]?\d*\.?\d+(?:[eE][-+]?\d+)?").all():
        return _times_of_numbers(text, filled, notes)
    return _parse_times(text, day_first, notes)


def _times_of_numbers(text, filled, notes):
    """Read a column of numbers: dates such as 20240131, Unix times by their size, or a counter."""
    form = _DIGITS.get(len(filled.iloc[0]))
    if form and (filled.str.len() == len(filled.iloc[0])).all():
        times = _strptime(text, form)
        read = times.dropna()
        if len(read) == len(filled) and read.dt.year.between(1900, 2100).all():
            notes.append(f"Times such as {filled.iloc[0]} were read as {form}.")
            return times
    times = _unix_times(text, None)
    if times is not None:
        unit = _unix_unit(pd.to_numeric(filled))
        notes.append(f"Times such as {filled.iloc[0]} were read as Unix time in {unit}.")
        return times
    numbers = pd.to_numeric(text)
    steps = numbers.dropna().diff().dropna()
    if (steps >= 0).all() or (steps <= 0).all():
        notes.append(f"Times such as {filled.iloc[0]} are a counter, no dates (see `time_format`).")
        return numbers
    return None


def _unix_unit(numbers):
    """Return the unit in which all these numbers are Unix times after 1973, or None."""
    for unit, low in _UNIX.items():
        if ((numbers >= low) & (numbers < 100 * low)).all():
            return unit
    return None


def _unix_times(text, unit):
    """Read Unix times in a unit, or in that which their size tells; None if it tells none."""
    numbers = pd.to_numeric(text, errors="coerce")
    unit = unit or _unix_unit(numbers.dropna())
    if unit is None or numbers.dropna().empty:
        return None
    parts = 1_000_000 / {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[unit]
    if numbers.dtype.kind in "iu":  # exact also beyond 2 ** 53
        micro = numbers * int(parts) if parts >= 1 else numbers // 1000
        micro = micro.where(numbers.abs() < 100 * _UNIX[unit]).astype("Int64")
    else:
        micro = (numbers * parts).round().where(numbers.abs() < 100 * _UNIX[unit]).astype("Int64")
    return pd.to_datetime(micro, unit="us", errors="coerce")


def _strptime(text, form):
    """Read times in one format as UTC without a zone, NaT where a cell has another."""
    try:
        times = pd.to_datetime(text, format=form, utc=True, errors="coerce")
    except ValueError as error:
        reason = str(error).rstrip(".")
        raise ValueError(
            f"`time_format` must be a format of strptime ({reason}). Received: time_format={form!r}"
        ) from error
    return times.dt.tz_localize(None).dt.as_unit("us")


def _parse_times(text, day_first, notes):
    """Parse dates in the one format that leaves the fewest of them unread."""
    best = _strptime(text, "ISO8601")
    if best.count() == text.count():
        return best
    text, day_later = _cleaned(text, notes)
    filled = text.dropna()
    for form in ["ISO8601", *_forms(filled.iloc[0] if len(filled) else "", day_first, notes), None]:
        if form is None:
            times = _guessed(text, day_first)
        elif isinstance(form, str):
            times = _strptime(text, form)
        else:  # one kind of date, with the clock written in several ways
            times = pd.Series(pd.NaT, index=text.index, dtype="datetime64[us]")
            for one in form:
                if times.isna().any():
                    times = times.fillna(_strptime(text.where(times.isna()), one))
        if times.count() > best.count():
            best = times + pd.to_timedelta(day_later.astype(int), unit="D")
        if best.count() == text.count():
            break
    return best


def _guessed(text, day_first):
    """Let pandas guess the one format from the first cell."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message="Could not infer format")
        try:
            times = pd.to_datetime(text, dayfirst=day_first, utc=True, errors="coerce")
        except UserWarning:
            return pd.Series(pd.NaT, index=text.index, dtype="datetime64[us]")
    return times.dt.tz_localize(None).dt.as_unit("us")


def _cleaned(text, notes):
    """Write times in one way: a point before fractions, AM and PM, offsets for names of zones.

    Returns the texts, and where the clock said 24:00, which is 00:00 of the next day.
    """
    text = text.str.replace(r"(?<=:\d\d),(?=\d)", ".", regex=True)
    text = text.str.replace(r"(?<=\d) ?([AaPp])\.?[Mm]\.?(?![A-Za-z])", r" \1M", regex=True)
    text = text.str.replace(r"^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? +", "", regex=True)
    text = text.str.replace(r"(?<=\d) +(?=[-+]\d\d:?\d\d$)", "", regex=True)
    text = text.str.replace(r"(?<=\d)\[[A-Za-z_/]+\]$", "", regex=True)  # a zone beside its offset
    found = text.str.extract(_ZONE)
    known = found[1].isin(list(_ZONES))
    if known.any():
        hours = found[1][known].map(_ZONES).astype(int)
        offsets = hours.map(lambda hour: f"{hour:+03d}:00")
        text = text.where(~known, found[0].str.strip().str.cat(offsets.reindex(text.index)))
        used = ", ".join(f"{name} = UTC{_ZONES[name]:+d}" for name in sorted(set(found[1][known])))
        notes.append(f"Zones were taken as {used}; times are in UTC.")
    day_later = text.str.contains(_HOUR_24).fillna(False).astype(bool)
    if day_later.any():
        text = text.str.replace(_HOUR_24, "00:00", regex=True).where(day_later, text)
        notes.append(f"24:00 is 00:00 of the next day. Rows: {int(day_later.sum())}.")
    return text, day_later


def _forms(cell, day_first, notes):
    """Return the formats of dates that a cell can have, each a list of what its clock may be."""
    month = re.fullmatch(_YEAR_OF_MONTH, cell)
    if month:
        sign = cell[len(month[1])]
        first = "%Y" if len(month[1]) == 4 and month[1].isdigit() else _month(month[1])
        last = "%m" if first == "%Y" else _year(month[2])
        # "01/24" and "Jan 24" may name a day as well as a year.
        unsure = last == "%y" and (first == "%m" or sign in " ,")
        return [] if unsure else [first + sign + last]
    day = re.fullmatch(_DAY, cell)
    if not day:
        return []
    first, sign, second, third, clock, half, zone = day.groups()
    date = sign.join(_order(first, sign, second, third, day_first))
    either = sign != "." and not day_first and f"{first}{second}".isdigit()
    if either and max(int(first), int(second)) <= 12:
        notes.append(f"Dates such as {cell} were read month first (see `day_first`).")
    gap = cell[day.end(4) : day.start(5)] if clock else " "
    hour, end = ("%I", (half[0] if half[0] == " " else "") + "%p") if half else ("%H", "")
    end += "%z" if zone else ""
    clocks = (f"{gap}{hour}:%M:%S", f"{gap}{hour}:%M", f"{gap}{hour}:%M:%S.%f")
    # May may be short for nothing; a day without a clock is midnight.
    dates = [date, date.replace("%b", "%B")] if "may" in cell.lower() else [date]
    return [[one + clock + end for clock in clocks] + [one] for one in dates]


def _order(first, sign, second, third, day_first):
    """Return the codes of the three parts of a date."""
    if len(first) == 4 and first.isdigit():
        return ["%Y", _month(second), "%d"]
    if first.isalpha():
        return [_month(first), "%d", _year(third)]
    if int(first) > 31:
        return ["%y", _month(second), "%d"]
    if second.isalpha():
        return ["%d", _month(second), _year(third)]
    leading = (day_first or sign == "." or int(first) > 12) and int(second) <= 12
    return ["%d", "%m", _year(third)] if leading else ["%m", "%d", _year(third)]


def _month(part):
    """Return the code of a month as it is written."""
    if part.isdigit():
        return "%m"
    return "%b" if len(part) == 3 else "%B"


def _year(part):
    """Return the code of a year as it is written."""
    return "%Y" if len(part) == 4 else "%y"


def check_order(times, cells, path, beside=""):
    """Check that times increase; `beside` says what else may tell rows apart."""
    step = times.diff()
    zero = pd.Timedelta(0) if step.dtype.kind == "m" else 0
    rule = "hold times in order, oldest first (see also `day_first`)"
    refuse_rows(step < zero, cells, path, rule)
    hint = beside or " See `repeated`, or `tag` if it has several series."
    refuse_rows(step == zero, cells, path, "hold each time only once", hint)


def as_index(times):
    """Return times as the index of a frame."""
    if times.dtype.kind in "iuf":
        return pd.Index(times.to_numpy(), name=times.name)
    return pd.DatetimeIndex(times, name=times.name).as_unit("us")
