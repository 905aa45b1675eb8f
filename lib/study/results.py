"""A table of results that many processes may fill, killed at any moment, and never half written.

Each finished cell is a small file of its own in a hidden folder beside the table, written in one
step, and ends with a line that counts its rows: without it the cell is not done, and is computed
anew. The table, one JSON object a line, is made of those files and of what it held before, in
an order that does not depend on who finished first. Locks die with the process that holds them.
"""

import contextlib
import gzip
import json
import math
import time
import zlib
from pathlib import Path

import pandas as pd

from lib.course import outputs
from lib.detectors import KINDS
from lib.errors import ParameterError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

ORDER = ("data", "detector", "changes", "seed", "position")  # of the rows; then by their key
END = "rows"  # the name in the last line of a cell's file
SERIES = {  # the kind of series that a collection has
    "ucr": "shapes (UCR)",
    "nab": "cloud, traffic, business (NAB)",
    "skab": "pump with valves (SKAB), by file",
    "lhb": "wind turbine",
    "sp500": "prices",
}
TABLE, FIRST, SPAN = 0, 1, 2**30  # bytes of the lock file: one for the table, one for each cell


def read(path):
    """Read a table of results.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    DataFrame
        One row for each cell and threshold rule; `error` is a text where a cell failed.

    Raises
    ------
    ParameterError
        If a line is not a JSON object.
    """
    return pd.DataFrame(_rows(path))


def runs(path, rule):
    """Read the runs of a table that did not fail, at one threshold rule, in words for readers.

    Parameters
    ----------
    path : str or pathlib.Path
    rule : str
        A threshold rule, as in the table.

    Returns
    -------
    DataFrame
        As `read` returns it; `detector` is a title with, in brackets, what was changed. New are
        `of`, the kind of detector, `family`, and `kind`, that of the series. How many runs there
        are and how many failed is printed.

    Raises
    ------
    ParameterError
        As `read`; or if no row has that rule.
    """
    rows = read(Path(path)).query("rule == @rule or error.notna()")
    if rows["error"].notna().all():
        raise ParameterError(f"`rule` must be one of {path}. Received: rule={rule!r}")
    failed = rows["error"].notna()
    print(f"{Path(path).name}: {rows['key'].nunique():,} runs, {failed.sum()} failed")
    rows = rows[~failed].rename(columns={"detector": "of"})
    titles = rows["of"].map(lambda name: KINDS[name].title)
    return rows.assign(
        detector=titles + rows["changes"].map(_in_words),
        family=rows["of"].map(lambda name: KINDS[name].family),
        kind=pd.Categorical(rows["collection"].map(SERIES), [*SERIES.values()]),
    )


def _in_words(changes):
    """What was changed, for a title."""
    words = [f"{name} {value}" for name, value in json.loads(changes).items()]
    for place, word in enumerate(words):
        if word.startswith("beside"):
            words[place] = f"mean with {KINDS[word.split()[1]].title}"
    return f" ({', '.join(words)})" if words else ""


class Results:
    """The table and its cells.

    Parameters
    ----------
    table : pathlib.Path
        A `.jsonl` file, or `.jsonl.gz`, which is a tenth as large; it need not exist. Its folder
        has to.
    """

    def __init__(self, table):
        self.table = table
        stem = table.name.removesuffix(".gz").removesuffix(".jsonl")
        self.folder = table.with_name(f".{stem}.cells")
        self.folder.mkdir(exist_ok=True)
        self._locks = (self.folder / "locks").open("a+b")

    def __enter__(self):
        """Return the results themselves; leaving closes the locks."""
        return self

    def __exit__(self, *reason):
        """Give up all claims."""
        self._locks.close()

    def done(self, sizes):
        """Return the keys of the cells that have succeeded, here or in the table.

        `sizes` says how many rows each has: key -> number.
        """
        found = self.rows()
        return {k for k, n in sizes.items() if len(found.get(k, ())) == n and not _failed(found[k])}

    def is_done(self, key):
        """Return whether a cell has succeeded since, in this process or another."""
        rows = _whole(self._path(key))
        return bool(rows) and not _failed(rows)

    def store(self, key, rows):
        """Keep the rows of one cell, in one step; a failed one gives way to a later success."""
        lines = "".join(json.dumps({"key": key, **_plain(row)}) + "\n" for row in rows)
        end = json.dumps({END: len(rows)}) + "\n"
        outputs.write(self._path(key), (lines + end).encode(), sync=True)

    def merge(self):
        """Write the table from all that is known; return its rows."""
        with self._alone():
            return self._write(self.rows())

    def replace(self, rows):
        """Write other rows for some cells, by their keys, into the table."""
        with self._alone():
            self._write(self.rows() | rows)
            for key in rows:  # or they would stand for the table's
                self._path(key).unlink(missing_ok=True)

    def _write(self, by_key):
        rows = sorted((row for rows in by_key.values() for row in rows), key=_place)
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        packed = self.table.suffix == ".gz"
        # Without the time of packing: the same rows are the same bytes.
        content = gzip.compress(content, mtime=0) if packed else content
        outputs.write(self.table, content, sync=True)
        return rows

    def claim(self, key):
        """Take a cell for this process; return False if another one has it."""
        return self._lock(FIRST + int(key, 16) % SPAN)

    def release(self, key):
        """Give a claim up."""
        self._unlock(FIRST + int(key, 16) % SPAN)

    def _path(self, key):
        return self.folder / f"{key}.jsonl"

    def rows(self):
        """Return the rows of each cell by its key: those of its own file, or else the table's."""
        found = {}
        for row in _rows(self.table) if self.table.exists() else []:
            found.setdefault(row["key"], []).append(row)
        cells = {path.stem: _whole(path) for path in self.folder.glob("[!.]*.jsonl")}
        return found | {key: rows for key, rows in cells.items() if rows}

    @contextlib.contextmanager
    def _alone(self):
        while not self._lock(TABLE):
            time.sleep(0.05)
        try:
            yield
        finally:
            self._unlock(TABLE)

    def _lock(self, byte):
        try:
            if fcntl:
                fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
            else:
                self._locks.seek(byte)
                msvcrt.locking(self._locks.fileno(), msvcrt.LK_NBLCK, 1)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def _unlock(self, byte):
        if fcntl:
            fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, byte)
        else:
            self._locks.seek(byte)
            msvcrt.locking(self._locks.fileno(), msvcrt.LK_UNLCK, 1)


def _whole(path):
    """Return the rows of a cell's file; none if it is not there, damaged, or not whole."""
    try:
        *rows, end = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        is_whole = end == {END: len(rows)}
        is_whole = is_whole and all(row["key"] == path.stem and "error" in row for row in rows)
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return []
    return rows if is_whole else []


def _rows(path):
    rows, content = [], path.read_bytes()
    try:
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise ParameterError(
            f"`table` must be a whole gzip file. Received: {path} ({error})"
        ) from error
    for number, line in enumerate(content.decode("utf-8").splitlines(), start=1):
        try:
            rows.append(json.loads(line))
            rows[-1]["key"], rows[-1]["error"]
        except (ValueError, TypeError, KeyError) as error:
            raise ParameterError(
                f"`table` must hold one result a line, as `python -m lib study` writes it. "
                f"Received: line {number} of {path} ({error!r})"
            ) from error
    return rows


def _failed(rows):
    return any(row["error"] for row in rows)


def _place(row):
    return (*(str(row.get(name)) for name in ORDER[:3]), row["seed"], row["position"], row["key"])


def _plain(row):
    """Numbers that JSON knows: neither NaN nor infinity."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }
