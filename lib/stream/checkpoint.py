"""What lets a watcher that was killed go on: an output that can be cut back, and a state file.

The state says how far the input was read, how long the output was then, and what the next row
needs. It is replaced in one step after the output was written, so after a kill the output may be
ahead of it, never behind.
"""

import contextlib
import datetime
import hashlib
import json
import math
import os
import stat
import sys
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

from lib.course import outputs
from lib.errors import ParameterError

FORMAT, VERSION = "lstm-autoencoder-course/watch", 2
SAMPLE = 64  # bytes at the beginning and before the end by which an output is known again
LARGEST = 1 << 28  # bytes of a state
ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


class Output:
    """JSON lines, added to a file that can be cut back, or to standard output if `path` is None.

    `place` is what a state holds: what was written after it is cut off, if the file is the one
    that the state speaks of. If it is not, or is lost while it is written to, `say` gets one
    sentence.

    Raises
    ------
    ParameterError
        If another watcher writes to it.
    OSError
        If the file cannot be opened.
    """

    def __init__(self, path=None, place=None, say=print):
        self.path, self._say = path, say
        self._open()
        if place and not self.is_pipe:
            self._cut_back(place)

    def _open(self):
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._file = sys.stdout.fileno() if self.path is None else os.open(self.path, flags, 0o666)
        # Two that cut back the same file would each lose the other's lines.
        self.is_pipe = self.path is None or not stat.S_ISREG(os.fstat(self._file).st_mode)
        if not self.is_pipe:
            lock(self._file, "output", self.path)

    def _cut_back(self, place):
        size, known = os.fstat(self._file).st_size, place["bytes"]
        if size >= known and self._sample(known) == place["sample"]:
            if size > known:
                os.truncate(self._file, known)
            return
        what = f"{size:,} bytes, where it had" if size < known else "another beginning than the"
        self._say(
            f"warning: {self.path} is not the output of the state, with {what} {known:,} bytes; "
            f"it stays as it is, and lines are added"
        )
        if size and self._read(size - 1, 1) != b"\n":
            os.write(self._file, b"\n")  # no line is glued to half of one

    def _sample(self, size):
        last = max(size - SAMPLE, 0)
        return (self._read(0, min(size, SAMPLE)) + self._read(last, size - last)).hex()

    def _read(self, start, count):
        os.lseek(self._file, start, os.SEEK_SET)  # writing always goes to the end
        return os.read(self._file, count)

    @property
    def place(self):
        """How long it is, and of which bytes; None for standard output."""
        if self.is_pipe:
            return None
        size = os.fstat(self._file).st_size
        return {"bytes": size, "sample": self._sample(size)}

    def write(self, records):
        """Write one line for each record; an OSError names the file, such as for want of space."""
        if not self.is_pipe and not os.fstat(self._file).st_nlink:
            self._say(f"warning: {self.path} was deleted, with its lines; it begins anew")
            self.reopen()
        data = "".join([ENCODE(record) + "\n" for record in records]).encode("utf-8", "replace")
        with _named("standard output" if self.path is None else self.path):
            while data:
                data = data[os.write(self._file, data) :]

    def reopen(self):
        """Open the file of that name again, after the one before was moved away."""
        self.close()
        self._open()

    def close(self):
        """Close the file; standard output stays open."""
        if self.path is not None:
            os.close(self._file)


def lock(file, name, path):
    """Lock an open file as long as it is open; a ParameterError if another watcher has."""
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(file)
        raise ParameterError(
            f"`{name}` must not be written to by another watcher. Received: {path}"
        ) from error


@contextlib.contextmanager
def locked(path):
    """Keep other watchers from a state; beside it, since the state itself is replaced each time."""
    beside = f"{path}.lock"
    file = os.open(beside, os.O_RDWR | os.O_CREAT, 0o666)
    lock(file, "state", path)
    try:
        yield
    finally:
        os.close(file)


def digest(folder):
    """Return the SHA-256 of the header of a stored detector, which names its weights."""
    header = Path(folder) / "detector.json"
    return hashlib.sha256(header.read_bytes() if header.exists() else b"").hexdigest()


def save(path, said):
    """Store a state in one step; on an OSError the one before stays.

    Its `recent` and `before` are as a `detection.Stream` has them, the rest is plain.
    """
    rows = {name: [_plain(*row) for row in said[name]] for name in ("recent", "before")}
    said = {"format": FORMAT, "version": VERSION, **said, **rows}
    said["sha256"] = hashlib.sha256(ENCODE(said).encode()).hexdigest()
    with _named(path):
        outputs.write(Path(path), ENCODE(said).encode() + b"\n")


def load(path, sensors, detector):
    """Read a state as `save` got it, or None if there is none yet.

    Raises
    ------
    ParameterError
        If the file is not a state, is damaged, or is of another detector or other sensors.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    if not path.exists():
        return None
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            raise ValueError("no plain file, or one too large")
        return _checked(json.loads(path.read_bytes()), sensors, detector)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ParameterError(
            f"`state` must be what an earlier watch with this detector stored, or not be there "
            f"yet. Received: {path} ({type(error).__name__}: {error}). Move it away to begin anew."
        ) from error


@contextlib.contextmanager
def _named(name):
    """Let an OSError say which file it is about; Python picks the subclass by the number."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(name)) from error


def _checked(said, sensors, detector):
    if (said["format"], said["version"]) != (FORMAT, VERSION):
        raise ValueError(f"format {said['format']}, version {said['version']}"[:200])
    if said.pop("sha256") != hashlib.sha256(ENCODE(said).encode()).hexdigest():
        raise ValueError("its checksum does not match")
    if said["detector"] != detector or said["sensors"] != sensors:
        raise ValueError(f"of another detector, with the sensors {', '.join(said['sensors'])}")
    for name in ("recent", "before"):
        said[name] = [
            (datetime.datetime.fromisoformat(time), [math.nan if v is None else v for v in row])
            for time, row in said[name]
        ]
    said["input"]["tail"] = bytes.fromhex(said["input"]["tail"])
    return said


def _plain(time, values):
    return [time.isoformat(), [None if math.isnan(value) else value for value in values]]
