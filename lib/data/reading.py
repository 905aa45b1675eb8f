"""From a CSV file to a clean time series, or to one sentence that says what is wrong with it."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_string_dtype

from lib.data import cells as meaning
from lib.data.cells import LARGEST, listed, numeric
from lib.data.refusals import quoted, refuse, refuse_rows, shown
from lib.data.table import is_data, read_table
from lib.data.times import as_index, check_order, check_time_format, read_times
from lib.errors import did_you_mean

JOINED = ("first", "last", "mean", "sum", "min", "max", "count")  # what equal times become
REMEDIES = {  # for a cell that is not a number, the first that fits
    r"[-+]?\d{1,3}((,\d{3})+\.\d*|(,\d{3}){2,})": "thousands=','",
    r"[-+]?\d{1,3}(\.\d{3})+,\d*": "decimal=',' and thousands='.'",
    r"[-+]?[1-9]\d{0,2},\d{3}": "thousands=',' or decimal=',', whichever it means",
    r"[-+]?\d{1,3}(['’]\d{3})+(\.\d*)?": 'thousands="\'"',
    r"[-+]?\d{1,3}(\s\d{3})+(\.\d*)?": "thousands=' '",
    r"[-+]?\d{1,3}(\s\d{3})+,\d*": "decimal=',' and thousands=' '",
    r"[-+]?\d*,\d+": "decimal=','",
}
TAGS = 50  # more values than these in a column are no names of sensors


def read_csv(  # noqa: PLR0915 - one path, read from top to bottom
    path,
    *,
    column=None,
    time=None,
    separator=",",
    day_first=False,
    max_gap=10,
    min_rows=2,
    allow_missing=False,
    repeated="refuse",
    sort=False,
    time_format=None,
    missing=(),
    decimal=".",
    thousands=None,
    skip_rows=None,
    names=None,
    exclude=(),
    where=(),
    tag=None,
    value=None,
):
    """Read a time series from a CSV file, or say in one sentence what is wrong with it.

    Parameters
    ----------
    path : str or pathlib.Path
        A UTF-8 text file with a header line.
    column : str or list of str, optional
        The column or columns to read, such as "Open,Close"; by default all that hold numbers, but
        for `time`, for counters of rows and for columns of one value only. Where the header has
        several rows, a cell of one of them stands for all columns under it.
    time : str or list of str, optional
        The column of times; by default rows are counted and the index is called "step".
        Date and time of day may stand in two: "Date,Time" or a list. See `time_format`.
    separator : str, default=","
        The one character between columns, "tab", or "auto" to take it from the header.
    day_first : bool, default=False
        Read 01/02/2014 as 1 February instead of 2 January, where no other cell tells, such as
        13/02/2014. 01.02.2014 is always 1 February.
    max_gap : float, default=10
        The longest step in time that is not a gap, in median steps. Ten lets pass all weekends and
        holidays of a daily market series (7 days in September 2001), 0 any step.
    min_rows : int, default=2
        The fewest rows that will do, such as those of one window.
    allow_missing : bool, default=False
        Let empty cells pass as NaN.
    repeated : {"refuse", "first", "last", "mean", "sum", "min", "max", "count"}, default="refuse"
        What becomes of rows with the same time, such as several events a second, or the hour that
        comes twice when summer ends: an error, or one row, that is one of them or what they make.
    sort : bool, default=False
        Bring rows into the order of their times. By default only rows that stand newest first are;
        any other order is an error, as it may come of dates that were misread.
    time_format : str, optional
        As in `datetime.strptime`, such as "%d/%m/%Y %H:%M"; or "unix", "s", "ms", "us", "ns" for
        Unix time; or "excel" for days of a spreadsheet; or "counter". By default any one common
        form will do: "2014-01-31 00:10:00", "31-Jan-14", "01/31/14 12:10 AM", "Jan-24", "202401",
        "2024-W05", "2024Q1", Unix time by its size. Times with an offset or a zone such as +01:00
        or CET become UTC; the index itself carries no time zone. Other numbers, or times of day,
        that never fall are a counter; of an interval its start counts.
    missing : str or list of str, default=()
        Cells that mean "no reading", besides empty ones, such as "?,-999".
    decimal : {".", ",", "auto"}, default="."
        The decimal sign; "auto" takes the comma where numbers have one and none has a point.
    thousands : str, optional
        The one character between thousands, such as "," in "1,234.5".
    skip_rows : int, optional
        The lines above the header; by default those that begin with "#".
    names : str or list of str, optional
        The names of all columns of a file without a header line, such as "time,temperature".
    exclude : str or list of str, default=()
        Columns to leave out where `column` names none.
    where : str or list of str, default=()
        Only rows with these cells, such as "machine=A" or "machine=A,tag=temperature".
    tag, value : str, optional
        For a file in long format, one row for each time and sensor: the column that names the
        sensor, and the one of its readings (by default the only one of numbers). Each sensor
        becomes a column.

    Returns
    -------
    pandas.DataFrame
        Float64 columns, shape (n_rows, n_features), over a DatetimeIndex, a counter of the file
        or a count of rows. Its `attrs` hold `name`, `title`, `rows`, an empty `unit`, `dropped`
        (the rows left out as their time is repeated or by `where`), `notes`, plain sentences
        on what was left out, sorted or taken for granted, and `reading`, what was given or found:
        a detector that is fitted to the frame keeps it, so that `watch` reads rows in this way.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        If `path` cannot be opened as a file.
    DataError
        A ValueError, if the content is not a clean time series.
    ValueError
        If an option has no such value.

    Examples
    --------
    >>> from lib.data.catalogue import DATA_DIR
    >>> frame = read_csv(DATA_DIR / "nasdaq.csv", column="Close", time="Date")
    >>> frame.shape, frame.index.name
    ((5031, 1), 'Date')
    """
    path = Path(path)
    _check_options(time, repeated, time_format, tag, value)
    decimal, thousands = meaning.checked_signs(decimal, thousands, "auto")
    table, sign, dropped = _table(
        path, separator, time, tag, where, decimal, thousands, missing, skip_rows, names
    )
    notes, layout = table.attrs.pop("notes"), table.attrs.pop("layout")
    if len(table) < min_rows:
        refuse(path, f"have at least {min_rows} rows of data", f"{len(table)}")
    header = layout["header"]
    clock, rows = _time_columns(time, table.columns, path, header), None
    reading = {**layout, "time": clock, "time_format": "step", "tag": tag, "value": value}
    if clock:
        table = _without_blank(table, path, notes)
        cells = _joined(table, clock)
        cells = cells[: len(cells) - _footer(cells, notes)]
        table = table.loc[cells.index]
        if sign != "." or thousands:  # a counter such as 0,1
            fits = cells.str.fullmatch(meaning.number_pattern(sign, thousands)).fillna(False)
            written = cells[fits].map(lambda cell: meaning.plain(cell, sign, thousands))
            cells = written.reindex(cells.index).fillna(cells)
        times, reading["time_format"] = read_times(cells, path, day_first, time_format, notes)
        rows = pd.DataFrame({"time": times, "cell": cells})  # of each row, and where it comes from
        reading["in_order"] = bool(times.is_monotonic_increasing)
        rows.attrs["clock"] = " ".join(clock)
        if tag is not None:
            used = {"column": column, "exclude": exclude, "repeated": repeated}
            table, rows, reading["value"], joined = _pivot(
                table, rows, tag, value, clock, path, notes, **used
            )
            clock, exclude, dropped = [], (), dropped + joined
        else:
            without = table.drop(columns=listed(exclude, table.columns), errors="ignore")
            _check_long(without, times, clock, column, path)
    chosen = _choose(table, column, clock, exclude, path, header, notes)
    frame = _columns(table, chosen, column, path, allow_missing, sign, notes)
    if rows is None:
        frame.index = pd.RangeIndex(len(frame), name="step")
    else:
        beside = _tags_beside(table, [*clock, *chosen])
        frame, rows, joined = _in_order(frame, rows, repeated, sort, path, beside, notes)
        dropped += joined
        frame.index = as_index(rows["time"].rename(cells.name))
        _check_gaps(frame.index, path, max_gap)
    _note_markers(frame, notes)
    frame.attrs = {"name": path.stem, "title": path.name, "rows": len(frame), "unit": ""}
    reading |= {"decimal": sign, "thousands": thousands, "missing": listed(missing)}
    reading |= {"repeated": repeated, "where": _conditions(where, reading["names"], path)}
    frame.attrs |= {"dropped": dropped, "notes": notes, "reading": reading}
    return frame


def _without_blank(table, path, notes):
    """Leave out rows in which nothing stands, not even a time."""
    blank = table.isna().all(axis=1)
    if blank.any():
        notes.append(f"Blank rows left out: {blank.sum()}.")
    if blank.all():
        refuse(path, "have rows of data", "blank rows only")
    return table[~blank]


def _footer(cells, notes):
    """Return how many of the last rows have text in place of a time, such as "Total"."""
    looks_right = is_data if is_data(str(cells.iloc[0])) else re.compile("[0-9]").search
    last = np.array([bool(looks_right(cell)) for cell in cells.iloc[-5:].fillna("")])
    rows = int(last[::-1].argmax()) if last.any() else 0
    if rows:
        what = quoted(cells.iloc[-rows:].dropna().tolist())
        notes.append(f"Rows left out at the end, as they hold no time but {what}: {rows}.")
    return rows


def _table(path, separator, time, tag, where, decimal, thousands, missing, skip_rows, names):
    """Return the rows that are asked for, the decimal sign, and how many other rows there were."""
    sign, kept = decimal, []

    def text(names, header, top):
        # Numbers are read as text where a strict look at their signs is asked for.
        nonlocal sign, kept
        if decimal == "auto":
            sign = {",": ".", ".": ","}.get(thousands) or _decimal_of(top)
        kept = [*_time_columns(time, names, path, header), *([tag] if tag in names else [])]
        kept += [name for name, _ in _conditions(where, names, path)]
        return names if sign != "." or thousands else kept

    layout = {"skip_rows": skip_rows, "names": None if names is None else listed(names)}
    if time:  # one name with a comma in it, or several
        layout["find"] = [listed(time, [time]), listed(time)]
    table = read_table(path, separator, text, missing=listed(missing), **layout)
    notes = table.attrs["notes"]
    table, dropped = _only(table, where, path, notes)
    if decimal == "auto" and sign == ",":
        notes.append(f"The decimal sign is {sign!r}, as in the cells.")
    absent = meaning.numbers_of(listed(missing))
    for name in table.columns.difference(kept):
        table[name] = _converted(table[name], sign, thousands, absent)
    table.attrs["notes"] = notes
    return table, sign, dropped


def _converted(cells, decimal, thousands, absent):
    """Return a column as numbers if most of its cells are some; others stay text for the error."""
    if not is_string_dtype(cells) or cells.isna().all():
        return cells
    cells = cells.str.strip()
    bare = cells.map(meaning.bare, na_action="ignore")
    pattern = f"{meaning.number_pattern(decimal, thousands)}|[-+]?inf"
    fits = bare.str.fullmatch(pattern).fillna(False).astype(bool)
    if not fits.any() or fits.sum() < 0.5 * cells.notna().sum():
        return cells
    numbers = numeric(bare[fits].map(lambda cell: meaning.plain(cell, decimal, thousands)))
    is_whole = fits[cells.notna()].all()
    numbers = numbers.mask(numbers.isin(absent)).reindex(cells.index)
    return numbers if is_whole else cells.astype(object).mask(fits, numbers)


def group_names(path, group, *, separator=",", skip_rows=None, names=None, where=()):
    """Return the names of the series that stand in one file, one below or between the other.

    `group` is the column that says which series a row belongs to, all else is as in `read_csv`. The
    names stand in the order of the file; `read_csv` reads one with `where="<group>=<name>"`. They
    are refused if one is missing, or if they are not 2 to 50.
    """
    path = Path(path)
    names = None if names is None else listed(names)
    table = read_table(
        path, separator, lambda names, *_: names, skip_rows=skip_rows, names=names, find=[[group]]
    )
    (group,) = _require([group], table.columns, path)
    table, _ = _only(table, where, path, [])
    refuse_rows(table[group].isna(), table[group], path, "name a series in each line")
    found = table[group].str.strip().unique().tolist()
    if not 2 <= len(found) <= TAGS:
        rule = f"hold 2 to {TAGS} values, each the name of a series"
        refuse(f"{path}: column {group!r}", rule, len(found))
    return found


def _conditions(where, columns, path):
    """Return the column and the cell of each condition."""
    found = []
    # A comma parts conditions, but for one within a cell: "place=Paris, France".
    parts = re.split(r",(?=[^,=]+=)", where) if isinstance(where, str) else list(where)
    for one in filter(None, parts):
        name, equals, cell = (part.strip() for part in one.partition("="))
        if not equals:
            raise ValueError(f"`where` must be such as 'machine=A'. Received: where={where!r}")
        found += [[*_require([name], columns, path), cell]]
    return found


def _only(table, where, path, notes):
    """Return the rows that `where` asks for, and how many others there were."""
    keep = np.ones(len(table), bool)
    for name, cell in _conditions(where, table.columns, path):
        values = table[name].astype("str").str.strip()
        if not (values == cell).any():
            what = quoted(sorted(values.dropna().unique())[:20])
            refuse(f"{path}: column {name!r}", f"hold {cell!r}, as `where` says", what)
        keep &= (values == cell).to_numpy(bool, na_value=False)
    dropped = int((~keep).sum())
    if dropped:
        notes.append(f"Rows left out, as they are not those of `where`: {dropped}.")
    return table[keep], dropped


def _check_options(time, repeated, time_format, tag, value):
    """Check what can be known of the options before there is a file to read."""
    if repeated not in ("refuse", *JOINED):
        words = ", ".join(map(repr, JOINED))
        raise ValueError(f"`repeated` must be 'refuse' or one of {words}. Received: {repeated=}")
    check_time_format(time_format)
    if tag is None and value is not None:
        raise ValueError(f"`tag` must name a column where `value` does. Received: {tag=}, {value=}")
    if tag is not None and time is None:
        raise ValueError(f"`time` must name a column where `tag` does. Received: {time=}, {tag=}")


def _require(names, columns, path, header=()):
    """Return names that all exist, without blanks around them.

    A cell of the header rows stands for all columns under it.
    """
    found = []
    for name in [name.strip() if isinstance(name, str) else name for name in names]:
        at = {i for cells in header for i, cell in enumerate(cells) if cell == name}
        under = [one for i, one in enumerate(columns) if i in at]
        if name not in columns and not under:
            near = did_you_mean(name, columns)
            refuse(path, f"have a column {name!r}", quoted(list(columns)), near)
        found += [name] if name in columns else under
    return list(dict.fromkeys(found))


def _time_columns(time, columns, path, header=()):
    """Return the column of times, or the two of date and time of day."""
    if time is None:
        return []
    parts = listed(time, columns)
    if isinstance(time, str) and not set(parts) <= set(columns) and "," in time:
        known = {cell for cells in header for cell in cells}
        parts = parts if set(parts) <= known | set(columns) else [time]
    return _require(parts, columns, path, header)


def _joined(table, clock):
    """Return the cells of the columns of time, joined by a blank, as one column of text."""
    first, *more = (table[name].astype("str").str.strip() for name in clock)
    cells = first.str.cat(more, sep=" ") if more else first
    # A missing part leaves the whole missing.
    return cells.where(table[clock].notna().all(axis=1)).rename(" ".join(clock))


def _decimal_of(rows):
    """Return the decimal sign that the cells of these rows show."""
    cells = [meaning.bare(cell).replace(" ", "") for row in rows for cell in row]
    commas = [cell for cell in cells if re.fullmatch(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?", cell)]
    # "1,234" alone may be a thousand as well.
    sure = any(not re.fullmatch(r"[-+]?[1-9]\d{0,2},\d{3}", cell) for cell in commas)
    return "," if sure and not any(re.fullmatch(r"[-+]?\d*\.\d+", cell) for cell in cells) else "."


def _choose(table, column, clock, exclude, path, header, notes):
    """Return the names of the columns to read, all of which exist."""
    names = _require(listed(column or (), table.columns), table.columns, path, header)
    if column is None:
        # A column without a name is a count of rows, not a sensor.
        without = {*clock, *_require(listed(exclude, table.columns), table.columns, path, header)}
        rest = [one for one in table if one not in without and not one.startswith("Unnamed: ")]
        empty = [name for name in rest if table[name].isna().all()]
        # Numbers written with other signs are an error with a remedy, no text to leave out.
        names = [name for name in rest if _is_numeric(table[name]) or _has_signs(table[name])]
        texts = [name for name in rest if name not in names and name not in empty]
        counters = [name for name in names if _is_counter(table[name])]
        counters = counters if len(counters) < len(names) else []
        names = [name for name in names if name not in counters]
        for left, what in ((texts, "text"), (counters, "a counter"), (empty, "nothing")):
            if left and names:
                notes.append(f"Columns left out, as they hold {what}: {quoted(left)}.")
    if not names:
        filled = table.iloc[:5].bfill().iloc[:1].astype("str")
        cells = [f"{name!r} ({shown(cell)})" for name, cell in filled.iloc[0].items()]
        refuse(path, "have a column of numbers to read", ", ".join(cells[:20]))
    return names


def _is_numeric(values):
    """Tell whether most filled cells are numbers; a few texts among them are errors to report."""
    filled = values.dropna()
    return not filled.empty and numeric(filled).notna().mean() >= 0.5


def _has_signs(values):
    """Tell whether most filled cells are numbers that an option would read."""
    filled = values.dropna().head(1000)
    if filled.empty or pd.api.types.is_numeric_dtype(filled):
        return False
    return filled.astype("str").str.strip().str.fullmatch("|".join(REMEDIES)).mean() >= 0.5


def _is_counter(values):
    """Tell whether a column counts rows: whole numbers, each the same step from the last."""
    if len(values) < 3 or values.dtype.kind not in "iu":
        return False
    steps = np.diff(values.to_numpy())
    return steps[0] != 0 and bool((steps == steps[0]).all())


def _columns(table, names, column, path, allow_missing, decimal, notes):
    """Return the chosen columns as float64, without those of one value if none was named."""
    table = table[list(dict.fromkeys(names))]
    frame = pd.DataFrame(
        {name: _numbers(table[name], path, allow_missing, decimal) for name in table}
    )
    constant = [name for name in frame if frame[name].nunique() < 2]
    if constant and (column is not None or len(constant) == len(frame.columns)):
        one = len(constant) == 1
        what = f"{shown(table[constant[0]].iloc[0])} in every line"
        which = f"column {constant[0]!r}" if one else f"columns {quoted(constant)}"
        refuse(f"{path}: {which}", "vary, or there is nothing to learn", what)
    if constant:
        notes.append(f"Columns left out, as they hold one value only: {quoted(constant)}.")
    return frame.drop(columns=constant)


def _numbers(values, path, allow_missing, decimal="."):
    """Return a column as float64, sure to be finite."""
    if values.dtype.kind == "O" or is_string_dtype(values):
        values = values.map(lambda cell: meaning.TRUTH.get(str(cell).strip().lower(), cell))
    plain_cells = values
    if decimal == ",":  # what is still text is not a number, though it may have a point
        plain_cells = values.where(~values.map(lambda cell: isinstance(cell, str)))
    numbers = numeric(plain_cells).astype("float64")
    text = (numbers.isna() & values.notna()).to_numpy()
    rule = f"hold numbers, with a decimal {'point' if decimal == '.' else 'comma'}"
    if text.any():
        refuse_rows(text, values, path, rule, _remedy(str(values.iloc[int(text.argmax())])))
    if not allow_missing:
        refuse_rows(numbers.isna(), numbers, path, "have a number in each line")
    rule = f"hold finite numbers, of at most {LARGEST:g}"
    refuse_rows(numbers.abs() > LARGEST, numbers, path, rule)
    return numbers


def _remedy(cell):
    """Return which option would read a cell that is not a number, as a sentence."""
    cell = cell.strip()
    for pattern, what in REMEDIES.items():
        if re.fullmatch(pattern, cell):
            return f" Pass {what}."
    is_mark = len(cell) < 20 and not re.search("[0-9]", cell)
    return f" Pass missing={cell!r} if it marks a missing reading." if is_mark else ""


def _note_markers(frame, notes):
    """Point out one extreme value that repeats far from all others, as -999 for "missing"."""
    for name in frame:
        counts = frame[name].value_counts().sort_index()
        if len(counts) < 4:
            continue
        for at, rest in ((0, counts.index[1:]), (-1, counts.index[:-1])):
            odd, times = counts.index[at], int(counts.iloc[at])
            far = min(abs(odd - rest[0]), abs(odd - rest[-1])) > 3 * (rest[-1] - rest[0])
            if times >= 3 and far:
                notes.append(
                    f"Column {name!r} holds {odd:g} in {times} rows, far from all other values: "
                    f"pass missing='{odd:g}' if it marks a missing reading."
                )


def _in_order(frame, rows, repeated, sort, path, beside, notes):
    """Return rows whose times increase, and how many were joined with one of the same time."""
    again = rows["time"].duplicated()
    joined = int(again.sum()) if repeated != "refuse" else 0
    if joined:
        if repeated == "first":
            frame = frame[~again]
        else:
            frame = _aggregated(frame.groupby(rows["time"].to_numpy(), sort=False), repeated)
        rows = rows[~again]
        frame = frame.set_axis(rows.index)
        what = {"first": "left out, as their time stood in a row before"}
        words = what.get(repeated, f"joined with one of the same time, by {repeated!r}")
        notes.append(f"Rows {words}: {joined}.{beside}")
    times = rows["time"]
    if len(times) > 1 and times.iloc[0] > times.iloc[-1] and times.is_monotonic_decreasing:
        frame, rows = frame.iloc[::-1], rows.iloc[::-1]
        notes.append("The rows stand newest first in the file; they were sorted, oldest first.")
    elif sort and not times.is_monotonic_increasing:
        earlier = int((times < times.cummax()).sum())
        notes.append(f"Rows that stood after a later one and were sorted: {earlier}.")
        rows = rows.sort_values("time", kind="stable")
        frame = frame.loc[rows.index]
    check_order(rows["time"], rows["cell"].rename(rows.attrs["clock"]), path, beside)
    return frame, rows, joined


def _aggregated(groups, statistic):
    """Return what rows of one time become; a sum of nothing at all stays missing."""
    statistic = "first" if statistic == "refuse" else statistic
    few = {"min_count": 1} if statistic == "sum" else {}
    return getattr(groups, statistic)(**few).astype("float64")


def _tags_beside(table, used):
    """Return a sentence on columns of few texts, which may say that there are several series."""
    for name in table:
        values = table[name].dropna()
        if name not in used and not _is_numeric(values) and 2 <= values.nunique() <= TAGS:
            shown = quoted(values.unique().tolist()[:4])
            what = f"Column {name!r} holds {values.nunique()} texts ({shown})"
            return f" {what}; if they name series, see `tag`, `group` and `where`."
    return ""


def _check_long(table, times, clock, column, path):
    """Refuse a file that holds several series, one below or between the other."""
    chosen = listed(column or (), table.columns)
    rest = [name for name in table if name not in clock and name not in chosen]
    filled = [name for name in [*chosen, *rest] if name in table and _is_numeric(table[name])]
    again = times.duplicated(keep=False).mean() >= 0.3
    for name in rest:
        tags, readings = table[name], [one for one in filled if one != name]
        if not readings or not 2 <= tags.nunique() <= min(TAGS, len(table) / 2):
            continue
        if again:
            found = not pd.DataFrame({"time": times, "tag": tags}).duplicated().any()
        else:
            mixed = name not in filled and (tags != tags.shift()).mean() > 0.5
            found = mixed and any(_apart(table[one], tags) for one in readings)
        if found:
            first = tags.dropna().unique().tolist()[:4]
            what = f"{tags.nunique()} series, named in column {name!r} ({quoted(first)})"
            hint = (
                f" Pass tag={name!r}, value={readings[0]!r} for one column of each, group={name!r} "
                f"for one detector each, or where='{name}={first[0]}' for one of them."
            )
            refuse(path, "hold one series in each column, not the long format", what, hint)


def _apart(values, tags):
    """Tell whether the numbers under different tags have nothing in common."""
    groups = numeric(values).groupby(tags)
    ends = pd.DataFrame({"low": groups.quantile(0.05), "high": groups.quantile(0.95)})
    ends = ends.sort_values("low")
    return bool((ends["low"].to_numpy()[1:] > ends["high"].to_numpy()[:-1]).any())


def _pivot(table, rows, tag, value, clock, path, notes, *, column, exclude, repeated):
    """Return one column for each tag and one row for each time, `value`, and the rows joined."""
    (tag,) = _require([tag], table.columns, path)
    (value,) = _require([value or _only_numbers(table, [*clock, tag], path)], table.columns, path)
    refuse_rows(table[tag].isna(), table[tag], path, "name a series in each line")
    if table[tag].nunique() > 1000:
        refuse(f"{path}: column {tag!r}", "name at most 1,000 series", table[tag].nunique())
    tags = table[tag].astype("str").str.strip()
    # A time at which only others have a reading is none of theirs.
    keep = tags.isin(_wanted_tags(tags, table[value], column, exclude, path, notes))
    table, rows, tags = table[keep], rows[keep], tags[keep]
    keys = [rows["time"].rename("time"), tags.rename("tag")]
    again = pd.concat(keys, axis=1).duplicated()
    if repeated == "refuse":
        cells = rows["cell"].rename(rows.attrs["clock"])
        rule, hint = f"hold each time only once for each {tag!r}", " See `repeated`."
        refuse_rows(again, cells, path, rule, hint)
    elif again.any():
        notes.append(f"Rows joined with one of the same time, by {repeated!r}: {again.sum()}.")
    values = _numbers(table[value], path, allow_missing=True)  # text stays, for its error
    wide = _aggregated(values.groupby(keys), repeated).unstack()  # noqa: PD010 - no pair twice
    wide.columns = [str(name) for name in wide.columns]
    first = rows.drop_duplicates("time").sort_values("time")
    return wide.set_axis(first.index), first, value, int(again.sum())


def _wanted_tags(tags, cells, column, exclude, path, notes):
    """Return the series that are asked for, all of which exist; by default those of numbers."""
    known = sorted(set(tags))
    if column:
        return _require(listed(column, known), known, path)
    texts = [
        name
        for name, values in cells.groupby(tags)
        if values.notna().any() and not _is_numeric(values) and not _has_signs(values)
    ]
    texts = texts if len(texts) < len(known) else []  # else the error says what they hold
    if texts:
        notes.append(f"Series left out, as they hold text: {quoted(texts)}.")
    without = {*texts, *_require(listed(exclude, known), known, path)}
    if without >= set(known):
        refuse(path, "have a series that is not excluded", quoted(known))
    return [name for name in known if name not in without]


def _only_numbers(table, others, path):
    """Return the one column of numbers beside others."""
    numbers = [one for one in table if one not in others and _is_numeric(table[one])]
    if len(numbers) != 1:
        refuse(path, "have one column of numbers, or pass `value`", quoted(numbers) or "none")
    return numbers[0]


def _check_gaps(index, path, max_gap):
    """Check that no step in time is much longer than the usual one."""
    step = index.to_series().diff()
    longest, median = step.max(), step.median()
    if max_gap and longest > max_gap * median:
        rule = f"have no gap, that is no step over {max_gap} times its median of {median}"
        what = f"a step of {longest} up to {step.idxmax()}"
        refuse(path, rule, what, " Pass max_gap=0 if that is as it should be.")
