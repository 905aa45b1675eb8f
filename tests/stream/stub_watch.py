"""`python -m lib watch` with a detector of a few lines, no network, so that it starts at once.

Its score rests on the last rows of the stream: a row that is forgotten or given twice changes it.
With KILL="before 5", "within 5" or "after 5" the process kills itself at its fifth state: before it
is stored, within the line that is written, or once it is stored.
"""

import os
import signal
import sys
import tempfile
import time
import types

import numpy as np
import pandas as pd

from lib import __main__, preprocessing
from lib.stream import checkpoint, source, watch

WINDOW = 6


class StubDetector:
    recipe = {"window": WINDOW, "horizon": 1, "smooth": 1}  # noqa: RUF012
    threshold_ = 5.0
    depth_ = WINDOW
    preprocessing_ = preprocessing.Preprocessing()
    reading_ = {}  # noqa: RUF012

    def __init__(self, features):
        self.features_ = features
        self.reset()

    def reset(self):
        self.rows = np.empty((0, len(self.features_)))

    def update(self, frame):
        assert list(frame.columns) == self.features_
        scores = []
        for row in frame.to_numpy():
            self.rows = np.concatenate([self.rows, row[None]])[-WINDOW:]
            scored = len(self.rows) == WINDOW and not np.isnan(self.rows).any()
            # A sum in which the place of each row counts.
            scores.append((np.arange(1, WINDOW + 1) @ self.rows).sum() if scored else np.nan)
        self.shares = self.contributions(frame.iloc[-1:]).to_numpy()[0]
        return pd.Series(scores, frame.index)

    def contributions(self, frame):
        sizes = frame.abs()
        return sizes.div(sizes.sum(axis=1, skipna=False), axis=0)

    def doubts(self, frame):
        return []

    def stream_contributions(self):
        return pd.Series(self.shares, self.features_)

    @classmethod
    def load(cls, folder):
        return cls(["level", "wind"])


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at(place, count):
    """Kill this process at its `count`-th state."""
    save, write, calls = checkpoint.save, checkpoint.Output.write, []

    def killing_save(path, said):
        calls.append(1)
        if len(calls) == count and place == "before":
            die()
        save(path, said)
        if len(calls) == count and place == "after":
            die()

    def killing_write(self, records):
        if len(calls) + 1 >= count and place == "within" and records:
            os.write(self._file, b'{"time": "half a li')
            die()
        write(self, records)

    checkpoint.save, checkpoint.Output.write = killing_save, killing_write


def main(words):
    """Run the command; its exit code."""
    sys.modules["lib.detectors.detector"] = types.SimpleNamespace(Detector=StubDetector)
    watch.EVERY = float(os.environ.get("EVERY", 0))
    source.CHUNK = int(os.environ.get("CHUNK", source.CHUNK))
    if "KILL" in os.environ:
        word, number = os.environ["KILL"].split()
        kill_at(word, int(number))
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, signal.SIGINT)
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    return __main__.main(["watch", *map(str, words)])


class Forked:
    """The stub in a process forked off this one, without the second that Python needs to begin."""

    def __init__(self, *words, before=None, **variables):
        self.code = None
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        reading, writing = os.pipe()
        self.number = os.fork()
        if not self.number:
            os.close(writing)
            self._become(
                words, (reading, self._out.fileno(), self._err.fileno()), before, variables
            )
        os.close(reading)
        self.stdin = open(writing, "wb", buffering=0)  # noqa: SIM115

    @staticmethod
    def _become(words, files, before, variables):
        try:
            for standard, file in enumerate(files):
                os.dup2(file, standard)
            sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
            os.environ.update({name: str(value) for name, value in variables.items()})
            if before:
                before()
            os._exit(main(["folder", *words]))
        finally:
            os._exit(99)

    @property
    def out(self):
        """What it wrote to standard output so far."""
        return self._so_far(self._out)

    @property
    def err(self):
        """What it wrote to standard error so far."""
        return self._so_far(self._err)

    @staticmethod
    def _so_far(file):
        return file if isinstance(file, str) else os.pread(file.fileno(), 1 << 20, 0).decode()

    def send(self, number):
        os.kill(self.number, number)

    def end(self, number=None, seconds=120):
        """Send it a signal, if one is given, and wait for its end; its exit code."""
        latest = time.monotonic() + seconds
        if self.code is None and number:
            self.send(number)
        while self.code is None:
            done, status = os.waitpid(self.number, os.WNOHANG)
            if done:
                self.code = os.waitstatus_to_exitcode(status)
                out, err = self._out, self._err
                self._out, self._err = self.out, self.err
                for file in (self.stdin, out, err):
                    file.close()
            elif time.monotonic() > latest:
                self.send(signal.SIGKILL)
            else:
                time.sleep(0.005)
        return self.code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
