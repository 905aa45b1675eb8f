"""What lets a watcher that was killed go on: an output that can be cut back, and a state file.

The state says how far the input was read, how long the output was then, and what the next row
needs. It is replaced in one step after the output was written, so after a kill the output may be
ahead of it, never behind.
"""

import contextlib
import datetime
import json
import math
import os
import sys
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

from lib.course import outputs
from lib.errors import ParameterError

FORMAT, VERSION = "lstm-autoencoder-course/watch", 1


class Output:
    """JSON lines, added to a file that can be cut back, or to standard output.

    Parameters
    ----------
    path : str or pathlib.Path, optional
        By default standard output.
    place : dict, optional
        The `place` that a state holds: what was written after it is cut off.

    Raises
    ------
    ParameterError
        If another watcher writes to it.
    OSError
        If the file cannot be opened.
    """

    def __init__(self, path=None, place=None):
        self.path, self.is_pipe = path, path is None
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._file = sys.stdout.fileno() if self.is_pipe else os.open(path, flags, 0o666)
        self._lock()
        if place and not self.is_pipe:
            now = self.place
            # Another file of that name keeps all that it holds.
            if now["file"] == place["file"] and now["bytes"] > place["bytes"]:
                os.truncate(self._file, place["bytes"])

    def _lock(self):
        """Two that cut back the same file would each lose the other's lines."""
        if fcntl is None or self.is_pipe:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise ParameterError(
                f"`output` must not be written to by another watcher. Received: {self.path}"
            ) from error

    @property
    def place(self):
        """Which file, and how long it is; None for standard output."""
        if self.is_pipe:
            return None
        status = os.fstat(self._file)
        return {"file": [status.st_dev, status.st_ino], "bytes": status.st_size}

    def write(self, records):
        """Write one line for each record.

        Raises
        ------
        OSError
            If it cannot be written, such as for want of space.
        """
        lines = [json.dumps(x, ensure_ascii=False, allow_nan=False) + "\n" for x in records]
        data = "".join(lines).encode("utf-8", "replace")
        with _named("standard output" if self.is_pipe else self.path):
            while data:
                data = data[os.write(self._file, data) :]

    def close(self):
        """Close the file; standard output stays open."""
        if not self.is_pipe:
            os.close(self._file)


def save(path, said):
    """Store a state in one step.

    Parameters
    ----------
    path : pathlib.Path
    said : dict
        Its `recent` rows as a `detection.Stream` has them, the rest plain.

    Raises
    ------
    OSError
        If it cannot be written; then the one before stays.
    """
    recent = [
        [time.isoformat(), [None if math.isnan(value) else value for value in values]]
        for time, values in said["recent"]
    ]
    said = {"format": FORMAT, "version": VERSION, **said, "recent": recent}
    data = json.dumps(said, ensure_ascii=False, allow_nan=False).encode()
    with _named(path):
        outputs.write(Path(path), data + b"\n")


def load(path, sensors):
    """Read a state, or None if there is none yet.

    Parameters
    ----------
    path : str or pathlib.Path
    sensors : list of str
        The ones that the detector needs.

    Returns
    -------
    dict or None
        As `save` got it.

    Raises
    ------
    ParameterError
        If the file is no state, a damaged one, or one of other sensors.
    OSError
        If it cannot be read.
    """
    try:
        text = Path(path).read_bytes()
    except FileNotFoundError:
        return None
    try:
        return _checked(json.loads(text), sensors)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ParameterError(
            f"`state` must be what an earlier watch of the sensors {', '.join(sensors)} stored, or "
            f"not be there yet. Received: {path} ({type(error).__name__}: {error}). Move it away "
            f"to begin anew."
        ) from error


@contextlib.contextmanager
def _named(name):
    """Let an OSError say which file it is about; Python picks the subclass by the number."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(name)) from error


def _checked(said, sensors):
    if (said["format"], said["version"]) != (FORMAT, VERSION):
        raise ValueError(f"format {said['format']}, version {said['version']}")
    if said["sensors"] != sensors:
        raise ValueError(f"its sensors are {', '.join(said['sensors'])}")
    said["recent"] = [
        (datetime.datetime.fromisoformat(time), [math.nan if v is None else float(v) for v in row])
        for time, row in said["recent"]
    ]
    if any(len(row) != len(sensors) for _, row in said["recent"]):
        raise ValueError("rows of another length")
    place = said["input"]
    said["input"] = {**place, "tail": bytes.fromhex(place["tail"])}
    counted = [*said["counts"].values(), *said["bad"].values()]
    if min(place["offset"], place["line"], *counted) < 0:
        raise ValueError("a count below 0")
    return said
