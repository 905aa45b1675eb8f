"""Where the bytes of a stream come from: a file that may grow and be replaced, or a pipe.

Both have `read`, which never waits long: it returns bytes, b"" if there are none now, or None when
the file has begun anew; `ended`, true once nothing more can come; and the `offset` they began at.
"""

import io
import os
import re
import select
import sys
from pathlib import Path

from lib.errors import status

CHUNK = 1 << 16  # bytes; small, since what was read is scored as one batch, also before a stop
TAIL = 64  # bytes before the place of reading that must still be there
PAUSE = 0.1  # seconds between two looks at what does not move


class File:
    """A file, from a given place on.

    Whether it is still the same is seen by the bytes before that place: they must not change. So
    a file cut short or written anew is noticed, also between two runs, and one that was moved away
    is read to its end before the new one of its name is opened. Where a file was moved away while
    no watcher ran, it is looked for under names such as rows.csv.1, rows.csv-20240131 and
    rows-20240131.csv; it and those younger than it are read first, as `follow` or not.

    Parameters
    ----------
    path : pathlib.Path
    follow : bool
        Wait for more at the end.
    offset : int, default=0
        The place to begin at.
    tail : bytes, default=b""
        What stood before it, as far as known.
    identity : list of int, optional
        The `identity` of the file that was read.

    Attributes
    ----------
    lost : bool
        The file that was read is not there any more, and what it held after the place of reading
        may not have been read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "rows.csv"
    ...     count = path.write_bytes(b"a,b")
    ...     file = File(path, follow=False)
    ...     file.read(), file.read(), file.ended
    ...     file.close()
    (b'a,b', b'', True)
    """

    pause = PAUSE

    def __init__(self, path, follow, offset=0, tail=b"", identity=None):
        self.path, self.follow, self.offset, self.ended = Path(path), follow, offset, False
        self.lost = False
        first, *self._later = self._unread(identity)
        self._file = io.FileIO(first)
        self._place, self._tail = offset, tail

    @property
    def identity(self):
        """Which file is read, whatever its name."""
        return _identity(os.fstat(self._file.fileno()))

    def read(self):
        """Return the next bytes, b"" if there are none now, or None if it began anew."""
        new = self._next()
        self.lost = new is None
        if new == b"" and (self._later or (self.follow and self._is_replaced())):
            new = self._next()  # written between the last look and the move
            if not new:
                self.close()
                self._file = io.FileIO(self._later.pop(0) if self._later else self.path)
                new = None
        if new is None:
            self._place, self._tail = 0, b""
        else:
            self._place += len(new)
            self._tail = (self._tail + new)[-TAIL:]
            self.ended = not new and not self.follow
        return new

    def close(self):
        """Close the file."""
        self._file.close()

    def _next(self):
        """The bytes after the place, or None if those before it have changed."""
        self._file.seek(self._place - len(self._tail))
        data = self._file.read(len(self._tail) + CHUNK)
        return data[len(self._tail) :] if data.startswith(self._tail) else None

    def _unread(self, identity):
        """The files to read, oldest first: what a rotation has put aside, then that of the name."""
        stem, suffix = map(re.escape, (self.path.stem, self.path.suffix))
        old = re.compile(rf"{stem}(?:{suffix}[._-][\d._-]*\d|[._-][\d._-]*\d{suffix})")
        if identity is None or identity == _identity(os.stat(self.path)):
            return [self.path]
        aside = [p for p in self.path.parent.iterdir() if old.fullmatch(p.name) and p.is_file()]
        aside.sort(key=lambda path: path.stat().st_mtime_ns)
        known = [_identity(os.stat(path)) for path in aside]
        return [*(aside[known.index(identity) :] if identity in known else []), self.path]

    def _is_replaced(self):
        found = status(self.path)  # None if it was moved away; the new one will come
        return bool(found) and _identity(found) != self.identity


def _identity(found):
    return [found.st_dev, found.st_ino]


class Pipe:
    """Standard input, or another pipe, until its writer closes it."""

    pause, lost, identity = 0.0, False, None  # `read` waits by itself

    def __init__(self, file=None):
        self._file = sys.stdin if file is None else file
        self.offset, self.ended = 0, False

    def read(self):
        """Return the next bytes, or b"" if none arrive within a moment."""
        descriptor = self._file.fileno()
        # Windows can only wait in `read` itself.
        if os.name != "nt" and not select.select([descriptor], [], [], PAUSE)[0]:
            return b""
        new = os.read(descriptor, CHUNK)
        self.ended = not new
        return new

    def close(self):
        """Close it, unless it is standard input."""
        if self._file is not sys.stdin:
            self._file.close()


def open_source(path, follow=False, offset=0, tail=b"", identity=None):
    """Return a `File`, or a `Pipe` for a named pipe or "-", standard input."""
    if str(path) == "-":
        return Pipe()
    if Path(path).is_fifo():
        return Pipe(io.FileIO(path))
    return File(path, follow, offset, tail, identity)
