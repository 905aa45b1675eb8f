"""The cells of a CSV file: bytes to text, where the header stands, what separates the columns."""

import bz2
import codecs
import contextlib
import csv
import io
import re
import warnings
from collections import Counter

import numpy as np
import pandas as pd
from pandas.api.types import is_string_dtype

from lib.data.cells import MISSING, checked_separator, numeric
from lib.data.refusals import quoted, refuse
from lib.data.times import MONTH
from lib.errors import DataError, did_you_mean, whole

MAX_BYTES = 500_000_000  # about 20 million rows of one sensor
HEAD_BYTES = 1 << 20  # enough to tell lines of text from nonsense before reading the rest

# What a cell looks like; a number, a date or a time of day begins with a digit, or a month.
_DATA = re.compile(rf"[-+(\"']*[.,]?\d.*|[-+]?inf(?:inity)?|{MONTH}[-/. ,]+\d.*", re.I | re.S)


def read_table(path, separator, text, *, missing=(), skip_rows=None, names=None, find=()):
    """Read the cells of a CSV file, plain or compressed as .bz2.

    `separator`, `missing`, `skip_rows`, `names` and the errors are those of `lib.data.read_csv`.

    Parameters
    ----------
    text : callable
        Gets the names of the columns, the cells of the header rows and those of the first rows;
        returns the names of the columns that stay text as it stands.
    find : list of lists of str, default=()
        Names of one of which the header has all, wherever it stands among the first lines.

    Returns
    -------
    pandas.DataFrame
        The cells of shape (n_rows, n_columns), numbers where a column holds nothing else.
        The row of index i stands in line i + 2 of the file. Its `attrs["notes"]` list what was
        left out or taken for granted, its `attrs["layout"]` has `separator`, `encoding`, `header`
        (the cells of the header rows), `skip_rows`, `short` (whether rows have fewer cells than
        the header) and `names` (of the columns), as `lib.stream.row_parser` needs them.
    """
    sep = checked_separator(separator, "auto")
    if skip_rows is not None:
        skip_rows = whole("skip_rows", skip_rows, 0)
    _check_path(path)
    notes = []
    data, encoding = _as_utf8(_read_bytes(path), path, notes)
    top = _top(data)
    if find and names is None and skip_rows is None:
        skip_rows = _place_of(find, top, path, sep)
    if sep == "auto":
        sep = _separator_of(top[_above(top, skip_rows) :], notes)
    data = _without_empty_end(data, sep, notes)
    names, header, below, more = _header(top, path, sep, skip_rows, names)
    first = [cells for cells, _ in _split(top[below:], sep)]
    keep = text(names, header, first)
    table = _parse(data, path, sep, names, below, keep, missing)
    if table.empty:
        refuse(path, "have rows of data", "a header line only")
    table.index = pd.RangeIndex(below - 1, below - 1 + len(table))
    table = _without_lines(table, header, keep, notes)
    table.attrs["notes"] = [*more, *notes]
    table.attrs["layout"] = {
        "separator": sep,
        "encoding": encoding,
        "header": header,
        "names": names,
        "skip_rows": int(skip_rows or 0),
        "short": any(1 < len(cells) < len(names) for cells in first),
    }
    return table


def _place_of(find, top, path, sep):
    """Return the lines above the header that has these names, None if it is the usual line."""
    try:
        usual = sep if sep != "auto" else _separator_of(top[_above(top, None) :], [])
        names, header, *_ = _header(top, path, usual, None, None)
        known = {*names, *(cell for cells in header for cell in cells)}
        if any(set(wanted) <= known for wanted in find):
            return None
    except DataError:
        pass
    for wanted in find:
        patterns = [rf'(?:^|[",;\t|])\s*{re.escape(name)}\s*(?:$|[",;\t|])' for name in wanted]
        for i, line in enumerate(top):
            if all(re.search(pattern, line) for pattern in patterns):
                return i or None
    return None


def _without_lines(table, header, keep, notes):
    """Leave out lines among the data that hold none, and headers of files put together."""
    again = np.zeros(len(table), bool)
    for cells in header:
        named = [(table.iloc[:, i], cell) for i, cell in enumerate(cells) if cell]
        if named and all(is_string_dtype(values) for values, _ in named):
            found = [(values.str.strip() == cell).to_numpy(bool) for values, cell in named]
            again |= np.logical_and.reduce(found)
    first, marked = table.iloc[:, 0], np.zeros(len(table), bool)
    if is_string_dtype(first):
        is_one = table.iloc[:, 1:].isna().all(axis=1)
        rule = first.str.fullmatch(r"[-+=*_ ]{3,}").fillna(False) & is_one
        marked = (rule | first.str.startswith("#").fillna(False)).to_numpy(bool)
    if not (again | marked).any():
        return table
    left_out = {"Header lines": again, "Lines without data, such as #,": marked & ~again}
    for what, lines in left_out.items():
        if lines.any():
            notes.append(f"{what} left out among the rows: {lines.sum()}.")
    table = table[~(again | marked)].copy()
    for name in table.columns.difference(keep):
        numbers = numeric(table[name])
        if numbers.notna().equals(table[name].notna()):
            table[name] = numbers
    return table


def _separator_of(lines, notes):
    """Return the separator that a header shows, a comma if it shows none."""
    line, below = lines[0], [len(line.split()) for line in lines[1:20] if line.strip()]
    sep = max(";\t|,", key=line.count)
    if sep not in line:
        width = len(line.lstrip('#" ').split())
        sep = " " if width > 1 and below and set(below) == {width} else ","
    if sep != ",":
        notes.append(f"The separator is {sep!r}, as in the header.")
    return sep


def _top(data):
    """Return the first lines as text, as many as a header and the rows that explain it need."""
    # Cut at a line end, so that no character is torn; `_check_text` has read them all.
    head = data[:HEAD_BYTES]
    head = head if len(data) <= HEAD_BYTES else head[: head.rfind(b"\n")]
    return head.decode("utf-8-sig", errors="ignore").rstrip().split("\n")[:200]


def _without_empty_end(data, sep, notes):
    """Cut off the blank lines at the end, and those that hold nothing but separators."""
    end, rows = len(data.rstrip()), 0
    blank = f'{sep} \t\r\n"'.encode()
    while (begin := data.rfind(b"\n", 0, end) + 1) and not data[begin:end].strip(blank):
        rows += bool(data[begin:end].strip())
        end = begin - 1
    if rows:
        notes.append(f"Rows left out at the end, as they hold nothing but separators: {rows}.")
    return data[:end]


def _above(lines, skip_rows):
    """Return how many lines stand above the header."""
    if skip_rows is not None:
        return min(skip_rows, len(lines) - 1)
    marked = 0
    if re.fullmatch(r'"?sep=."?\s*', lines[0]):  # a hint to Excel
        marked = 1
    while marked < len(lines) - 1 and re.match(r'"?#[^,;\t|"]', lines[marked]):
        marked += 1
    return marked


def _split(lines, sep):
    """Yield the cells of each line, without blanks around them, and the line after it."""
    if sep == " ":
        yield from ((line.split(), i) for i, line in enumerate(lines, 1))
        return
    reader = csv.reader((line + "\n" for line in lines), delimiter=sep, skipinitialspace=True)
    try:
        for row in reader:
            yield [cell.strip() for cell in row], reader.line_num
    except csv.Error:  # a cell without end; pandas says where
        return


def _header(lines, path, sep, skip_rows, names):
    """Return names of columns, rows of the header, the number of lines above the data, notes."""
    notes, above = [], _above(lines, skip_rows)
    if skip_rows is not None and skip_rows > above:
        refuse(path, f"have more than the {skip_rows} lines of `skip_rows`", len(lines))
    rows = list(_split(lines[above:], sep))
    if not rows or (names is None and not lines[above].strip()):
        refuse(path, "have a header line", f"a blank line {above + 1}", " See `skip_rows`.")
    first = rows[0][0]
    if names is not None:
        if len(names) != len(first):
            refuse(path, f"have one column for each of `names`, {len(names)}", len(first))
        return _distinct([str(name).strip() for name in names], notes), [], above, notes
    below, rest = above + rows[0][1], rows[1:]
    comments = [] if skip_rows is not None else _names_in_comment(lines[:above], first, sep)
    if comments:
        above, first, rest = above - len(comments), comments[0], rows
        below = above + len(comments)
    _check_header(lines[above], first, path, sep)
    if above:
        notes.append(f"Lines left out above the header: {above}.")
    _check_titles(rows, first, path, skip_rows, above)
    extra = _extra_headers(rest, len(first))
    header = [first, *comments[1:], *(cells for cells, _ in extra)]
    if extra:
        first = _with_extra(first, [cells for cells, _ in extra], notes)
        # Lines are counted from that below which `rest` begins.
        below = extra[-1][1] + (above if rest is not rows else below)
    return _distinct(first, notes), header, below, notes


def _names_in_comment(above, first, sep):
    """Return the last lines of a comment that name columns, as numpy.savetxt writes them."""
    found = []
    for line in reversed(above if all(map(is_data, filter(None, first))) else []):
        cells = next(_split([line.lstrip('#" ')], sep), ([], 0))[0]
        if len(cells) != len(first) or all(map(is_data, cells)):
            break
        found = [cells, *found]
    return found


def _check_header(line, names, path, sep):
    """Refuse a header with another separator, and a row of data in its place."""
    other = max(";\t|,", key=line.count)
    if sep not in line and other in line and len(names) == 1:
        refuse(
            path, f"be separated by {sep!r}", f"a header with {other!r}; pass separator={other!r}"
        )
    if _is_row_of_numbers(names):
        cells = ", ".join(map(repr, names[:4]))
        more = " Name its columns with `names`, or write a line of names above it."
        refuse(path, "have a header line", f"a first line of numbers, {cells}", more)


def _with_extra(first, extra, notes):
    """Return names that use the further header rows of a file."""
    shown = "; ".join(",".join(cells)[:60] for cells in extra)
    notes.append(f"Lines left out below the header, as they hold no data: {shown}.")
    if len(set(first)) < len(first):
        first = [" ".join(filter(None, pair)) for pair in zip(first, extra[0], strict=True)]
    if extra[-1][0] and not any(extra[-1][1:]):  # only the first column has its name there
        notes.append(f"The first column is called {extra[-1][0]!r}, as there.")
        first = [extra[-1][0], *first[1:]]
    return first


def is_data(cell):
    """Tell whether a cell looks like a number or a time."""
    return _DATA.fullmatch(cell) is not None


def _is_row_of_numbers(cells):
    """Tell whether a first line can only be data; 0, 1, 2 … are names that pandas gives."""
    filled = [cell for cell in cells if cell not in MISSING]
    counts = [str(i) for i in range(len(filled) + 1)]
    return bool(filled) and filled not in (counts[:-1], counts[1:]) and all(map(_is_plain, filled))


def _is_plain(cell):
    """Tell whether a cell is a number or a time, and not a name such as "2m temperature"."""
    return is_data(cell) and re.search(r"[A-Za-z]{3,}", re.sub(MONTH, "", cell, flags=re.I)) is None


def _check_titles(rows, first, path, skip_rows, above):
    """Refuse a line that has fewer cells than all that follow, as a title has."""
    widths = [len(cells) for cells, _ in rows[:50] if any(cells)]
    if len(widths) < 3 or len(first) > 1:
        return
    usual = Counter(widths).most_common(1)[0][0]
    if usual > len(first):
        at = next(i for i, (cells, _) in enumerate(rows) if len(cells) == usual)
        line = above + rows[at - 1][1]
        what = f"{first[0]!r} in line {above + 1}"
        hint = f" Pass skip_rows={line} if titles stand above the header."
        refuse(path, "have one cell under each name of the header line", what, hint)


def _extra_headers(rows, width):
    """Return the first rows that name units or tickers: text in columns that hold data below."""
    extra = 0
    while extra < min(4, len(rows) - 1):
        cells, below = rows[extra][0], [row for row, _ in rows[extra + 1 : extra + 30]]
        texts = [i for i, cell in enumerate(cells) if cell not in MISSING]
        if len(cells) != width or not texts or any(map(is_data, cells)):
            break
        # The next rows may be extra headers too; most rows below must hold data there.
        data = [sum(len(row) > i and is_data(row[i]) for row in below) for i in texts]
        if max(data) < 0.5 * len(below):
            break
        extra += 1
    return rows[:extra]


def _distinct(names, notes):
    """Return names that differ, and never an empty one, as pandas would."""
    names = [" ".join(name.splitlines()) or f"Unnamed: {i}" for i, name in enumerate(names)]
    seen, twice = set(), sorted({name for name in names if names.count(name) > 1})
    for i, name in enumerate(names):
        more = 0
        while names[i] in seen:
            more += 1
            names[i] = f"{name}.{more}"
        seen.add(names[i])
    if twice:
        notes.append(f"The header has these names more than once: {quoted(twice)}.")
    return names


def _check_path(path):
    """Check all that can be known without opening the file."""
    others = []
    try:
        is_there = path.exists()
        others = [other.name for other in path.parent.glob("*.csv")] if not is_there else []
    except PermissionError:
        raise
    except (OSError, ValueError):  # no name of a file at all, as one too long or with a zero byte
        is_there = False
    if not is_there:
        raise FileNotFoundError(f"{path} does not exist.{did_you_mean(path.name, others)}")
    if path.is_dir():
        raise IsADirectoryError(f"{path} must be a CSV file. Received: a folder.")
    if not path.is_file():
        refuse(path, "be a plain file", "a device or a pipe")
    if path.stat().st_size > MAX_BYTES:
        refuse(path, f"have at most {MAX_BYTES:,} bytes", f"{path.stat().st_size:,} bytes")


def _read_bytes(path):
    """Return the content, or only its head where that already shows that it is not text."""
    opener = bz2.open if path.suffix == ".bz2" else open
    try:
        with opener(path, "rb") as file:
            head = file.read(HEAD_BYTES)
            if len(head) == HEAD_BYTES and b"\n" not in head:
                refuse(path, "consist of lines", f"no line end in the first {HEAD_BYTES:,} bytes")
            utf16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            data = head if b"\0" in head and not utf16 else head + file.read(MAX_BYTES)
    except EOFError as error:
        refuse(path, "be a whole .bz2 archive", str(error).rstrip("."))
    except OSError as error:
        if error.errno is not None or opener is open:  # errno: the file itself cannot be read
            raise
        refuse(path, "be a .bz2 archive", str(error).rstrip("."))
    if len(data) > MAX_BYTES:
        refuse(path, f"have at most {MAX_BYTES:,} bytes", "more when unpacked")
    with contextlib.suppress(UnicodeDecodeError):  # else its zero bytes are refused
        data = data.decode("utf-16").encode() if utf16 else data
    return data


def _as_utf8(data, path, notes):
    """Return the content, sure to be UTF-8 text and not nothing, and how it was encoded."""
    rule = "be UTF-8 text"
    if b"\0" in data:
        what = f"a zero byte at position {data.index(0):,}, as in binary files and in UTF-16"
        refuse(path, rule, what, " Save it as CSV in UTF-8.")
    if not data.strip():
        refuse(path, "have a header line and rows", "an empty file")
    if b"\n" not in data and b"\r" in data.strip():
        data = data.replace(b"\r", b"\n")
    try:
        data.decode("utf-8")
        return data, "utf-8"
    except UnicodeDecodeError as error:
        # A spreadsheet writes so; text that is UTF-8 elsewhere is damaged.
        if data.decode("utf-8", "ignore").isascii():
            with contextlib.suppress(UnicodeDecodeError):
                text = data.decode("cp1252").encode()
                notes.append("The file is no UTF-8; it was read as Windows-1252.")
                return text, "cp1252"
        line = data.count(b"\n", 0, error.start) + 1
        hint = " Save it as CSV in UTF-8, or use `iconv -f WINDOWS-1252 -t UTF-8`."
        refuse(path, rule, f"byte {data[error.start]:#04x} in line {line}", hint)


def _parse(data, path, sep, names, skip, text, missing):
    """Let pandas read the cells, and take its warnings for what they are."""
    # Empty lines for those above the data, so that pandas counts as the file does.
    rest = data.split(b"\n", skip)[skip] if data.count(b"\n") >= skip else b""
    bad_shape = pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError
    try:
        with warnings.catch_warnings():
            # Too many cells in every line are only a warning to pandas, which then drops them.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                io.BytesIO(b"\n" * skip + rest),
                sep=sep if sep != " " else r"\s+",
                encoding="utf-8-sig",
                header=None,
                names=names,
                skiprows=skip,
                index_col=False,
                low_memory=False,
                skip_blank_lines=False,
                skipinitialspace=True,
                dtype=dict.fromkeys(text, str),
                keep_default_na=False,
                na_values=[*MISSING, *missing],
            )
    except pd.errors.EmptyDataError:
        return pd.DataFrame(columns=names)
    except bad_shape as error:
        reason = str(error).strip().rpartition("error: ")[2].rstrip(".")
        reason = "rows of more cells" if reason.startswith("Length of header") else reason
        hint = " See `skip_rows` if titles stand above the header."
        refuse(path, "have one cell under each name of the header line", reason, hint)
