"""Where the bytes of a stream come from: a file that may grow and be replaced, or a pipe.

Both have `read`, which never waits long: it returns bytes, b"" if there are none now, or None when
the file has begun anew; `ended`, true once nothing more can come; and the `offset` they began at.
"""

import io
import os
import select
import sys
from pathlib import Path

CHUNK = 1 << 13  # bytes; small, since what was read is finished before a stop
TAIL = 64  # bytes before the place of reading that must still be there
PAUSE = 0.1  # seconds between two looks at what does not move


class File:
    """A file, from a given place on.

    Whether it is still the same is seen by the bytes before that place: they must not change. So
    a file cut short or written anew is noticed, also between two runs, and one that was moved away
    is read to its end before the new one of its name is opened.

    Parameters
    ----------
    path : pathlib.Path
    follow : bool
        Wait for more at the end.
    offset : int, default=0
        The place to begin at.
    tail : bytes, default=b""
        What stood before it, as far as known.

    Raises
    ------
    OSError
        If it cannot be opened.

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

    def __init__(self, path, follow, offset=0, tail=b""):
        self.path, self.follow, self.offset, self.ended = Path(path), follow, offset, False
        self._file = io.FileIO(path)
        self._place, self._tail = offset, tail

    def read(self):
        """Return the next bytes, b"" if there are none now, or None if it began anew."""
        new = self._next()
        if new == b"" and self.follow and self._is_replaced():
            new = self._next()  # written between the last look and the move
            if not new:
                self.close()
                self._file = io.FileIO(self.path)
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

    def _is_replaced(self):
        try:
            return not os.path.samestat(os.stat(self.path), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            return False  # moved away; the new one will come


class Pipe:
    """Standard input, or another pipe, until whoever writes closes it."""

    pause = 0.0  # `read` waits by itself

    def __init__(self, file=None):
        self._file = sys.stdin if file is None else file
        self.offset, self.ended = 0, False

    def read(self):
        """Return the next bytes, or b"" if none came for a moment."""
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


def open_source(path, follow=False, offset=0, tail=b""):
    """Return a `File` or a `Pipe` for a name on the command line.

    Parameters
    ----------
    path : str or pathlib.Path
        "-" for standard input.
    follow, offset, tail
        As in `File`; a pipe has no use for them.

    Raises
    ------
    OSError
        If it cannot be opened.
    """
    if str(path) == "-":
        return Pipe()
    if Path(path).is_fifo():
        return Pipe(io.FileIO(path))
    return File(path, follow, offset, tail)
