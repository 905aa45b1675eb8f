"""Recognising times: dates in any common form, Unix time by its size, or a counter.

A form says how the cells of a column are read: "counter", a unit of Unix time, "ISO8601", or a
list of formats of `strptime`. What the whole column has shown is enough to read one cell more.
"""

import datetime
import re
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from lib.data.cells import numeric
from lib.data.refusals import refuse_rows

MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_PART = re.compile(rf"{MONTH}|\d+", re.I)
_CLOCK = re.compile(r"\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?( ?[AP]M)?(Z|[-+]\d\d:?\d\d)?")
_NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?")
_DURATION = re.compile(r"(?:(\d+) days? ?)?(?:(\d+):)?(\d+):(\d\d(?:\.\d+)?)")
_OFFSET = re.compile(r":\d\d([-+]\d\d:?\d\d)$")
_ZONE = re.compile(r"^(.*\d(?: ?[AaPp][Mm])?) ?\(?([A-Z]{3,5})\)?$")
_PLACE = re.compile(r"^(\d{4}-\d\d-\d\d[T ][\d:.]+) ([A-Z][A-Za-z]+/[A-Za-z_/]+)$")
_HOUR_24 = re.compile(r"(?<=[T ])24:00(?::00(?:\.0+)?)?")
_ZONES = {  # hours from UTC: those of RFC 2822, of Europe, and others that mean one thing only
    **{"UTC": 0, "GMT": 0, "UCT": 0, "WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3},
    **{"MEZ": 1, "MESZ": 2, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6},
    **{"PST": -8, "PDT": -7, "AKST": -9, "AKDT": -8, "HST": -10, "BRT": -3, "BST": 1, "MSK": 3},
    **{"SGT": 8, "HKT": 8, "AWST": 8, "JST": 9, "KST": 9, "AEST": 10, "AEDT": 11, "NZST": 12},
    **{"NZDT": 13},
}  # fmt: skip
# The months as English, German, French, Spanish, Italian, Portuguese and Dutch begin their names.
_MONTHS = [
    "jan ene gen", "feb fev fév", "mar mär mrz mrt maa", "apr abr avr", "may mai mei mag",
    "jun juin giu", "jul juil lug", "aug ago aoû aou", "sep set", "oct okt ott out", "nov",
    "dec déc dez dic",
]  # fmt: skip
_STARTS = {start: i for i, month in enumerate(_MONTHS) for start in month.split()}
_NAMED = "|".join(sorted(_STARTS, key=len, reverse=True))
_NAMED = re.compile(rf"(?<![^\W\d_])({_NAMED})[^\W\d_]*(?:\.(?= ))?", re.I)
_ENGLISH = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE = r"(\d+([-/.])\d+\2\d+)"
# Times are written in one way: English months, a point before fractions, AM and PM, offsets for
# names of zones; of an interval its start, of a week or a quarter its first day.
_CLEANING = [
    (r"\s+", " "),
    (r"^\[(.*)\]$", r"\1"),
    (r"^(\d+)[年년] ?(\d+)[月월] ?(\d+)[日일]", r"\1-\2-\3"),
    (r"(\d+)[时時点시] ?(\d+)[分분](?: ?(\d+)[秒초])?", lambda found: _clock(found.groups())),
    (
        r"(上午|오전|下午|오후) ?(\d[\d:]*)",
        lambda found: f"{found[2]} {'AM' if found[1] in '上午오전' else 'PM'}",
    ),
    (r"^(?:Mon?|Tue|Wed|Thu|Fri?|Sat?|Sun|Di|Mi|Do|So)[a-z]*[.,]* +", ""),
    (r"(?<=\d) Uhr$", ""),
    (r"^(.*\d) ?[-–—] (?:\d+([-/.])\d+\2\d|\d\d?:\d\d).*$", r"\1"),
    (r"^(\d{4}-\d\d-\d\d[^/]*)/\d{4}-\d\d-\d\d.*$", r"\1"),
    (r"^(\d{4}) (\d{1,2}) (\d{1,2})((?: \d{1,2})*)$", lambda found: _of_parts(found[0].split())),
    (r"^(\d{4})-(\d{3})(?!\d)", lambda found: _day(found, "%Y-%j")),
    (r"^(\d{4})[-/ ]?(?:W|KW|CW) ?(\d\d?)$", lambda found: _day(found, "%G-%V-%u", "-1")),
    (r"^(?:W|KW|CW) ?(\d\d?)[-/ ](\d{4})$", lambda found: _day(found, "%V-%G-%u", "-1")),
    (r"^Q([1-4])[-/ ]?(\d{4})$", r"\2-Q\1"),
    (r"^(\d{4})[- ]?Q([1-4])$", lambda found: f"{found[1]}-{3 * int(found[2]) - 2:02}-01"),
    (r"^(\d{4})M(\d\d)$", r"\1-\2"),
    (r"^(\d\d?)\. (?=[^\W\d_])", r"\1 "),
    (_NAMED, lambda found: _ENGLISH[_STARTS[found[1].lower()]]),
    (rf"^(\d{{4}})[-/. ]({MONTH})$", r"\2 \1"),
    (r"^(\d\d?/[A-Z][a-z]+/\d{4}):", r"\1 "),
    (r"(?<=\d)_(?=\d)", " "),
    (
        rf"^{_DATE}[T ](\d\d?)(?:([-.])(\d\d)(?:\4(\d\d))?|(\d\d))?$",
        lambda found: f"{found[1]} {_clock((found[3], found[5] or found[7] or '0', found[6]))}",
    ),
    (r"(?<=:\d\d),(?=\d)|(?<=:\d\d[:]\d\d):(?=\d{3}$)", "."),
    (r"(?<=\d) ?([AP])(?:\.? ?M\.?(?![A-Z])|$)", lambda found: f" {found[1].upper()}M"),
    (r"(?<![:\d])(\d\d?) ([AP]M)$", r"\1:00 \2"),
    (r"(?<=\d)[tz](?=\d|$)", lambda found: found[0].upper()),
    (r"(?<=:\d\d) (?:UTC|GMT)(?= \d{4}$)", ""),
    (
        r" ?(?:GMT|UTC)([-+])(\d\d?)(?::?(\d\d))?(?!\d)",
        lambda found: found[1] + _clock((found[2], found[3] or "0")),
    ),
    (r"(?<=\d) +(?=[-+]\d\d:?\d\d(?: ?\(|$))", ""),
    (r"(?<=\d)(?:\[[A-Z_/]+\]| ?\([A-Z ]+ Time\))$", ""),  # a zone beside its offset
    (r"(?<=\.\d{6})\d+", ""),
    (_ZONE, lambda found: _with_offset(*found.groups()) or found[0]),
    (_PLACE, lambda found: _at_place(*found.groups()) or found[0]),
]
_CLEANING = [
    (re.compile(pattern, re.I) if isinstance(pattern, str) else pattern, written)
    for pattern, written in _CLEANING
]
# Parts of a second, and the least number taken for a Unix time: those between 1973 and 2286 are.
UNIX = {"s": (1, 10**8), "ms": (10**3, 10**11), "us": (10**6, 10**14), "ns": (10**9, 10**17)}
EXCEL = 25_569  # 1970 in days of a spreadsheet
_DIGITS = {6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
YEARS = (1700, 9999)  # what every version of pandas and of Python can hold as a time
EPOCH = datetime.datetime(1970, 1, 1)
MOST_OFFSETS = 4  # from UTC, in one column: two of summer and winter, of two zones


def check_time_format(time_format):
    """Check what can be known of a format before there is a cell to read."""
    words = ("unix", *UNIX, "excel", "counter")
    text = isinstance(time_format, str)
    if time_format is not None and not (text and (time_format in words or "%" in time_format)):
        rule = f"a format such as '%d/%m/%Y %H:%M', or one of {', '.join(words)}"
        raise ValueError(f"`time_format` must be {rule}. Received: {time_format=}")


def read_time(cell, form=None):
    """Return the time of one cell.

    Parameters
    ----------
    cell : str
    form : str or list of str, optional
        As `read_times` returns it, or "unix". By default ISO 8601, digits such as 201507010010, or
        Unix time, whose size tells the unit.

    Returns
    -------
    datetime.datetime
        In UTC, without a zone; a counter as so many seconds after 1970.

    Raises
    ------
    ValueError, OverflowError
        If the cell is not such a time.

    Examples
    --------
    >>> read_time("1:05 pm, 31/12/24", ["%I:%M %p, %d/%m/%y"])
    datetime.datetime(2024, 12, 31, 13, 5)
    """
    if form is None:
        is_long = len(cell) > 8 and cell.replace(".", "", 1).isdigit()
        return _of_digits(cell) if is_long else _without_zone(_iso(cell))
    if form == "counter":
        return EPOCH + datetime.timedelta(seconds=float(_count(cell)))
    if form == "excel":
        return _unix(round((_number(cell) - EXCEL) * 86_400, 3), "s")
    if form == "unix" or (isinstance(form, str) and form in UNIX):
        return _unix(_number(cell), form)
    for cleaned in (False, True):
        text, later = _cleaned_cell(cell) if cleaned else (cell, 0)
        for one in [form] if isinstance(form, str) else form:
            try:
                time = _iso(text) if one == "ISO8601" else datetime.datetime.strptime(text, one)
            except ValueError:
                continue
            return _without_zone(time) + datetime.timedelta(days=later)
    raise ValueError("no time in this form")


def _iso(cell):
    """Read ISO 8601 as pandas does, which knows more of its variants than Python."""
    try:
        return datetime.datetime.fromisoformat(cell)
    except ValueError:
        if not cell[:1].isdigit():  # much quicker than to ask
            raise
        return pd.to_datetime(cell, format="ISO8601").as_unit("us").to_pydatetime()


def _without_zone(time):
    return time.astimezone(datetime.UTC).replace(tzinfo=None) if time.tzinfo else time


def _count(cell):
    """Return a number, or the seconds of a time since the start, such as 0:20:00."""
    duration = _DURATION.fullmatch(cell)
    if not duration:
        return _number(cell)
    days, hours, minutes, seconds = (float(part or 0) for part in duration.groups())
    return 86400 * days + 3600 * hours + 60 * minutes + seconds


def _number(cell):
    if not _NUMBER.fullmatch(cell) or len(cell) > 30:
        raise ValueError("no number")
    return int(cell) if cell.isdigit() else float(cell)  # exact beyond 2 ** 53


def _of_digits(cell):
    """Read a date without signs, such as 201507010010, or else a Unix time."""
    form = _DIGITS.get(len(cell))
    if form and cell[:2] in ("19", "20"):
        try:
            return datetime.datetime.strptime(cell, form)
        except ValueError:
            pass
    return _unix(_number(cell), "unix")


def _unix(number, unit):
    if unit == "unix":
        unit = next((u for u, (_, low) in UNIX.items() if low <= number < 100 * low), None)
    if unit is None or not abs(number) < 100 * UNIX[unit][1]:
        raise ValueError("no Unix time")
    parts = UNIX[unit][0]
    micro = number * 10**6 // parts if isinstance(number, int) else number * 10**6 / parts
    return EPOCH + datetime.timedelta(microseconds=micro)


def _cleaned_cell(cell):
    """Return a time as it is written in one way, and 1 if it is on the next day, as 24:00 is."""
    for pattern, written in _CLEANING:
        cell = pattern.sub(written, cell)
    cell, later = _HOUR_24.subn("00:00", cell)
    return cell, later


def _clock(parts):
    return ":".join(f"{part:>02}" for part in parts if part)


def _of_parts(parts):
    """Write year, month, day, hour … that stood in columns of their own as one time."""
    date, clock = "-".join(f"{part:>02}" for part in parts[:3]), parts[3:]
    return f"{date} {_clock(clock if len(clock) > 1 else [*clock, '0'])}" if clock else date


def _day(found, form, more=""):
    """Return the date of a day of a year, or of the first one of a week."""
    try:
        return f"{datetime.datetime.strptime('-'.join(found.groups()) + more, form):%Y-%m-%d}"
    except ValueError:
        return found[0]


def _with_offset(time, zone):
    return f"{time.strip()}{_ZONES[zone]:+03d}:00" if zone in _ZONES else None


def _at_place(time, place):
    try:
        return datetime.datetime.fromisoformat(time).replace(tzinfo=ZoneInfo(place)).isoformat()
    except (ValueError, OSError, KeyError):  # no such time, or place
        return None


def read_times(values, path, day_first, time_format, notes):
    """Return the times of a column, and the form by which `read_time` reads one more.

    `day_first` and `time_format` are those of `lib.data.read_csv`; `notes` gets a sentence on what
    was taken for granted. The times are a Series of datetime64 or of numbers. A DataError says
    which cell could not be read.
    """
    text = values.astype("str").str.strip().where(values.notna())
    times, form = _recognised(text, day_first, time_format, notes)
    if times.dtype.kind == "M":
        times = times.where(times.dt.year.between(*YEARS))
    if time_format is None:
        rule = "hold dates in one format (see also `time_format` and `day_first`)"
    else:
        rule = f"hold times as time_format={time_format!r} reads them"
    hint = ""
    if times.isna().all() and text.str.fullmatch(_DURATION).any():
        hint = " A time of day needs its date: pass both columns, such as time='Date,Time'."
    refuse_rows(times.isna(), values, path, rule, hint)
    offsets = text.str.extract(_OFFSET)[0]
    if offsets.nunique() > MOST_OFFSETS:
        rule = "hold times and not intervals, whose ends read as offsets from UTC"
        refuse_rows(~times.isna(), values, path, rule)
    if offsets.str.contains("[1-9]").any():
        rule = "have an offset from UTC at each time or at none"
        has_clock = text.str.fullmatch(r".*:\d\d(?:\.\d+)?").fillna(False)
        refuse_rows(has_clock & offsets.isna(), values, path, rule)
    return times, form


def _unread(text):
    return pd.Series(pd.NaT, text.index, dtype="datetime64[us]")


def _recognised(text, day_first, time_format, notes):
    """Return times or a counter, NaT where a cell could not be read, and their form."""
    filled = text.dropna()
    form = time_format or _form_of_numbers(filled)
    said = f"Times such as {next(iter(filled), '')}"
    if form == "counter":
        is_duration = text.str.fullmatch(_DURATION).fillna(False)
        numbers = numeric(text.mask(is_duration, text[is_duration].map(_count)))
        numbers = numbers.where(np.isfinite(numbers.astype("float64")))
        steps = numbers.dropna().diff().dropna()
        if time_format:
            return numbers, form
        if not ((steps >= 0).all() or (steps <= 0).all()):
            return _unread(text), form
        notes.append(f"{said} are a counter, no dates (see `time_format`).")
        return numbers, form
    if form in ("unix", "excel", *UNIX):
        unit = _unit(numeric(filled).dropna()) if form == "unix" else form
        if unit is None:
            return _unread(text), form
        times = [_time_or_none(cell, unit) for cell in text]
        times, found = pd.Series(times, text.index, dtype="datetime64[us]"), unit
        form = f"Unix time in {unit}"
    else:
        times, found = _dates(text, form, day_first, notes)
    if form and not time_format:
        notes.append(f"{said} were read as {form}.")
    return times, found


def _form_of_numbers(filled):
    """Return how a column of numbers is read: as dates such as 20240131, Unix times, a counter."""
    numbers = filled.str.fullmatch(_NUMBER)
    if filled.empty or not (numbers | filled.str.fullmatch(_DURATION)).all():
        return None
    if not numbers.all():
        return None if numbers.any() else "counter"
    form = _DIGITS.get(len(filled.iloc[0]))
    alike = form and (filled.str.len() == len(filled.iloc[0])).all()
    if alike and _strptime(filled, form).dt.year.between(1900, 2100).all():
        return form
    return "unix" if _unit(numeric(filled)) else "counter"


def _unit(numbers):
    """Return the unit of Unix times that the size of all of these tells, None if it tells none."""
    fits = (unit for unit, (_, low) in UNIX.items() if numbers.between(low, 100 * low - 1).all())
    return None if numbers.empty else next(fits, None)


def _time_or_none(cell, form):
    try:
        return read_time(cell, form)
    except (ValueError, OverflowError, TypeError):  # TypeError: no cell at all
        return None


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


def _dates(text, form, day_first, notes):
    """Read dates in this form, or in the one that leaves the fewest of them unread.

    That tells 05/04 from 04/05 where some other cell has a day above 12.
    """
    best, best_form = _unread(text), form or "ISO8601"
    for cells, later, said in _as_written(text):
        first = next(iter(cells.dropna()), "")
        orders = [_forms(first, order) for order in ([True] if day_first else [False, True])]
        for one in [form] if form else ["ISO8601", *orders[0], *orders[-1]]:
            times = best if form else _unread(text)
            for alternative in [one] if isinstance(one, str) else one:
                if times.count() < text.count():
                    found = _strptime(cells.where(times.isna()), alternative) + later
                    times = times.fillna(found)
            if times.count() > best.count():
                best, best_form = times, one
            if best.count() == text.count():
                if orders[0] != orders[-1]:  # of the first cell, it could be either
                    order = "month" if best_form in orders[0] else "day"
                    said.append(f"Dates such as {first} were read {order} first (see `day_first`).")
                notes += [] if form else said
                return best, best_form
    return best, best_form


def _as_written(text):
    """Yield times as they stand and then written in one way, days to add, and notes on that."""
    yield text, pd.Timedelta(0).as_unit("us"), []
    said = []
    yield *_cleaned(text, said), said


def _cleaned(text, notes):
    """Return the times written in one way, and 1 for those on the next day, as 24:00 is."""
    zones = text.str.extract(_ZONE)[1]
    used = sorted(set(zones.dropna()) & set(_ZONES))
    if used:
        said = ", ".join(f"{name} = UTC{_ZONES[name]:+d}" for name in used)
        notes.append(f"Zones were taken as {said}; times are in UTC.")
    pairs = [_cleaned_cell(cell) if isinstance(cell, str) else (None, 0) for cell in text]
    cells, later = zip(*pairs, strict=True)
    if any(later):
        notes.append(f"24:00 is 00:00 of the next day. Rows: {sum(later)}.")
    later = pd.to_timedelta(pd.Series(later, text.index), unit="D").dt.as_unit("us")
    return pd.Series(cells, text.index, dtype="str"), later


def _forms(cell, day_first):
    """Return the formats of dates that a cell can have, as a list of what its clock may be."""
    if cell.isdigit():
        return [_DIGITS[len(cell)]] if len(cell) in _DIGITS else []
    clock = _CLOCK.search(cell)
    date = f"{cell[: clock.start()]}\0{cell[clock.end() :]}" if clock else f"{cell} \0"
    between, parts = _PART.split(date)[1:-1], _PART.findall(date)
    codes = _codes(parts, between, day_first) if not clock or len(parts) > 2 else None
    if not codes or not re.fullmatch("[-/. ,T\0]*", _PART.sub("", date)):
        return []
    codes = iter(codes)
    date = _PART.sub(lambda _: next(codes), date)
    half, zone = clock.groups() if clock else (None, None)
    hour, end = ("%I", f"{half[:-2]}%p") if half else ("%H", "")
    end += "%z" if zone else ""
    clocks = [f"{hour}:%M:%S", f"{hour}:%M", f"{hour}:%M:%S.%f"]
    forms = [date.replace("\0", one + end) for one in clocks]
    return [[*forms, re.sub("[T ,]*\0", "", date).strip()]]  # without a clock it is midnight


def _codes(parts, between, day_first):
    """Return the codes of the parts of a date, None if they are not those of one date."""
    is_odd = all(map(str.isdigit, parts)) and (len({*between}) != 1 or between[0] not in "-/. ")
    if len(parts) not in (2, 3) or is_odd:
        return None
    first, second, *_ = parts
    month = "%m" if second.isdigit() else "%b"
    year = "%Y" if len(parts[-1]) == 4 else "%y"
    if first.isdigit() and (len(first) == 4 or int(first) > 31):
        return ["%Y" if len(first) == 4 else "%y", month, "%d"][: len(parts)]
    if len(parts) == 2:
        # "01/24" and "Jan 24" may name a day as well as a year.
        unsure = year == "%y" and (first.isdigit() or between[0] in " ,")
        return None if unsure else ["%m" if first.isdigit() else "%b", year]
    if first.isalpha():
        return ["%b", "%d", year]
    if second.isalpha():
        return ["%d", "%b", year]
    leading = (day_first or between[0] == "." or int(first) > 12) and int(second) <= 12
    return ["%d", "%m", year] if leading else ["%m", "%d", year]


def check_order(times, cells, path, beside=""):
    """Check that times increase; `beside` says what else may tell rows apart."""
    step = times.diff()
    zero = pd.Timedelta(0) if step.dtype.kind == "m" else 0
    rule = "hold times in order, oldest first (see also `day_first` and `sort`)"
    refuse_rows(step < zero, cells, path, rule)
    hint = beside or " See `repeated`, or `tag` if it has several series."
    refuse_rows(step == zero, cells, path, "hold each time only once", hint)


def as_index(times):
    """Return times as the index of a frame."""
    if times.dtype.kind in "iuf":
        return pd.Index(times.to_numpy(), name=times.name)
    return pd.DatetimeIndex(times, name=times.name).as_unit("us")
