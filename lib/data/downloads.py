"""The series that do not ship: what `data/downloads.toml` knows of them, and how each is read.

Nothing here uses the network; `lib.data.fetch` does.
"""

import functools
import hashlib
import json
import os
import tomllib
from pathlib import Path

from lib.data.reading import read_csv
from lib.errors import DataError

DATA = Path(__file__).resolve().parents[2] / "data"
META = ("title", "rows", "unit", "licence", "citation", "train_rows")


def entries():
    """Return what `data/downloads.toml` says of each series, by name, with what its family shares.

    Examples
    --------
    >>> entries()["ucr_001"]["rows"], entries()["ucr_001"]["licence"]
    (79795, 'none stated; the archive asks to be cited')
    """
    known, found = _known(), {}
    for name, series in known["series"].items():
        word = name.partition("_")[0]
        found[name] = {**known["families"][word], **series}
        if "key" in series:
            place = {"file": f"{word}/{series['key'].rpartition('/')[2]}"}
            found[name] |= {**place, "url": found[name]["base"] + series["key"]}
    return found


def family(word):
    """Return what the series of a family have in common: title, unit, licence, citation.

    Examples
    --------
    >>> family("ucr")["title"]
    'UCR anomaly archive'
    """
    return {key: text for key, text in _known()["families"][word].items() if key in META}


def archives():
    """Return the families that come whole in one archive, each with that file's description.

    Examples
    --------
    >>> archives()["ucr"]["file"]
    'ucr_archive.zip'
    """
    return {w: one["archive"] for w, one in _known()["families"].items() if "archive" in one}


def _known():
    path = DATA / "downloads.toml"
    return _parsed(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=1)
def _parsed(path, _changed):
    return tomllib.loads(path.read_text(encoding="utf-8"))


def folder():
    """Return the folder of what has been fetched: $LIB_DOWNLOADS, or else `data/downloads`."""
    return Path(os.environ.get("LIB_DOWNLOADS") or DATA / "downloads")


def parts(entry):
    """Return the files that a series consists of, each with `file`, `bytes` and `sha256`.

    Examples
    --------
    >>> [part["file"] for part in parts(entries()["nab_nyc_taxi"])]
    ['nab/nyc_taxi.csv', 'nab/combined_windows.json']
    """
    return [entry, entry["labels"]] if "labels" in entry else [entry]


def is_right(data, part):
    r"""Return whether bytes have the `sha256` of a file, its lines ended by `\n` or by `\r\n`.

    Examples
    --------
    >>> part = {"sha256": hashlib.sha256(b"1\n2\n").hexdigest()}
    >>> is_right(b"1\r\n2\r\n", part), is_right(b"1\n3\n", part)
    (True, False)
    """
    unix = data.replace(b"\r\n", b"\n")
    forms = (data, unix, unix.replace(b"\n", b"\r\n"))
    return any(hashlib.sha256(form).hexdigest() == part["sha256"] for form in forms)


def is_here(part):
    """Return whether a file has been fetched, whole and unchanged."""
    path = folder() / part["file"]
    return path.is_file() and is_right(path.read_bytes(), part)


def check(name, entry):
    """Raise what `read` raises if a file of a series is missing, or is another one."""
    for part in parts(entry):
        path = folder() / part["file"]
        if not path.exists():
            command = f"`python -m lib fetch {name}`"
            raise FileNotFoundError(f"{name} does not ship: {command} fetches it. No file {path}.")
        if not is_here(part):
            raise DataError(
                f"{path} must have the SHA-256 in data/downloads.toml. Received: another "
                f"content, {path.stat().st_size:,} bytes. `python -m lib fetch {name}` renews it."
            )


def read(name):
    """Read a series that has been fetched, but for those of UCR, as `lib.data.load` describes it.

    `check` says which errors there are.
    """
    entry = entries()[name]
    check(name, entry)
    frame = READERS[name.partition("_")[0]](folder() / entry["file"], entry)
    words = {"source": entry["recording"], "family": entry["kind"]} if "kind" in entry else {}
    frame.attrs = {"name": name, **{key: entry[key] for key in META if key in entry}, **words}
    return frame


def _read_nab(path, entry):
    """A time and a value in each line; the labels are spans of time in a file of their own."""
    # Some files hold an hour twice, as clocks were put back; the second is left out.
    frame = read_csv(path, time="timestamp", max_gap=0, repeated="first").rename_axis("time")
    frame["anomaly"] = False
    labels = (folder() / entry["labels"]["file"]).read_text(encoding="utf-8")
    for first, last in json.loads(labels)[entry["key"]]:
        frame.loc[first:last, "anomaly"] = True
    return frame


def _read_skab(path, entry):
    """Eight sensors and two columns of labels; the normal run has none."""
    frame = read_csv(path, time="datetime", separator=";", max_gap=0).rename_axis("time")
    labels = [name for name in ("anomaly", "changepoint") if name in frame]
    return frame.astype(dict.fromkeys(labels, bool))


def _read_klse(path, entry):
    """The columns of a download from Yahoo Finance."""
    return read_csv(path, time="Date").rename_axis("date")


READERS = {"nab": _read_nab, "skab": _read_skab, "klse": _read_klse}
