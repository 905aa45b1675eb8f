"""Watch a stream: rows in, flags out as JSON lines, metrics for Prometheus; survives being killed.

A watcher with a state file that was killed and is started again cuts its output back to what the
state knows and reads on from there: each row is judged once, and its line stands there once. Into
a pipe nothing can be cut back; there the state is stored after each row, and a kill between the
two repeats at most that one line.
"""

import contextlib
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from lib.errors import DetectorError, ParameterError, did_you_mean, status
from lib.stream import checkpoint, source
from lib.stream.detection import AHEAD, GAP, Stream
from lib.stream.joining import Join
from lib.stream.prometheus import Metrics
from lib.stream.row_parser import BadLine, Lines, RowReader

EVERY = 0.5  # seconds between two states while rows wait to be read
WAIT = 10.0  # seconds without a row after which no other row of the last time is waited for
INTERRUPTED, NOTHING_READ = 130, 1
STORED = (  # what a detector keeps of how its rows were read, as `row_parser.RowReader` takes it
    *("separator", "decimal", "thousands", "missing", "time", "time_format", "names", "header"),
    *("skip_rows", "where", "short", "encoding", "tag", "value"),
)
RARE = {  # counts that `summary` names where there are any
    "jumps": "jumps in time, which later rows took back",
    "joined": "rows joined with one of the same time",
    "others": "rows of other series",
    "skipped": "skipped, not later than the last row before a restart",
}
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class Watch:
    """One stream that is watched: from the bytes of a source to the lines of an output.

    `before` is what `checkpoint.load` found in the file `state`: `source` and `output` were opened
    by it. `detector` is a `checkpoint.digest`. `join` is a `joining.Join` where rows of one time
    become one, after `wait` seconds of silence at the latest.
    """

    def __init__(self, stream, reader, source, output, metrics, *, join=None, state=None,
                 before=None, detector="", flags_only=False, wait=WAIT):  # fmt: skip
        self.join, self.wait, self._heard = join, wait, time.monotonic()
        self.stream, self.reader, self.source, self.output = stream, reader, source, output
        self.metrics, self.state, self.flags_only = metrics, state, flags_only
        self.bad, self._pending, self._errors, self._began = Counter(), [], [], 0.0
        self._detector = detector
        self._begin_with_header(False)
        if before:
            self._restore(before)
        self._is_stored = False
        self.commit()

    def _begin_with_header(self, is_catching_up):
        self._lines, self._offset, self._tail, self._number = Lines(), 0, b"", 0
        self._is_at_start, self._is_catching_up = True, is_catching_up

    def run(self, stop, reopen):
        """Read until the source ends or `stop` is set; at `reopen`, open the output again.

        Both are a `threading.Event`.

        Raises
        ------
        ParameterError
            If the source does not begin with a header.
        OSError
            If it cannot be read, or output or state cannot be written. A restart goes on from
            the last state.
        """
        while not stop.is_set():
            chunk = self.source.read()
            if chunk is None:
                self._begin_anew()
            elif chunk:
                self._read(chunk)
            elif self.source.ended:
                self.commit()
                self._read_rest()
                break
            else:
                if time.monotonic() - self._heard > self.wait:
                    self._let_go()
                self.commit()
                stop.wait(self.source.pause)
            if reopen.is_set():
                reopen.clear()
                self.commit()
                self.output.reopen()
                self._is_stored = False
        if not self.state:
            self._let_go()
        self.commit()

    def commit(self):
        """Write what is pending, then the state that says so."""
        self.output.write(self._pending)
        self._pending = []
        if self.state and not self._is_stored:
            checkpoint.save(self.state, self._said())
        self._is_stored, self._committed = True, time.monotonic()

    def summary(self):
        """What was counted since the first start, in words."""
        counts = self.stream.counts
        bad = ", ".join(f"{count} {reason}" for reason, count in sorted(self.bad.items()))
        more = "".join(f"; {counts[name]} {what}" for name, what in RARE.items() if counts[name])
        return (
            f"{counts['rows']} rows, {counts['flags']} flagged, {counts['unscored']} without a "
            f"score; bad lines: {bad or 'none'}{more}"
        )

    @property
    def has_read_nothing(self):
        """Whether there were lines, and not one of them was a row."""
        return not self.stream.counts["rows"] and bool(
            self.bad.total() + self.stream.counts["others"]
        )

    def _read(self, chunk):
        self._began, self._heard = time.perf_counter(), time.monotonic()
        for line, size in self._lines.cut(chunk):
            self._take(line)
            self._offset += size
            self._tail = ((line or b"") + b"\n")[-source.TAIL :]
            self._is_stored = False
            if self.output.is_pipe and self.state:
                self._score()
                self.commit()
        self._score()
        if self.output.is_pipe or time.monotonic() - self._committed > EVERY:
            self.commit()

    def _read_rest(self):
        """Read the last line, which has no end."""
        if self._lines.rest:
            self._take(self._lines.last)
            self._score()
        # A file's last line may get its end later, or rows of the same time may follow; then what
        # was said is taken back.
        is_pipe = isinstance(self.source, source.Pipe)
        is_stored = self._is_stored and not self._lines.rest
        self._let_go()
        self._is_stored = is_stored or not is_pipe

    def _take(self, line):
        self._number += 1
        try:
            if self._is_at_start and self._is_header(line):
                return
            found = self.reader.row(line)
            if found is None:
                self.stream.counts["others"] += 1
            elif self._was_seen(found[0]):
                return
            elif self.join:
                self._hold(*found)
            else:
                self.stream.take(*found)
        except BadLine as error:
            self._pass_over(error, self._number)

    def _hold(self, moment, values):
        """Hold a row until those of its time are complete."""
        if self.join.time not in (None, moment):
            self._hand_on()
        try:
            self.join.add(moment, values, self._number)
        except ValueError as error:
            raise BadLine("repeated", str(error)) from error
        if self.join.is_complete:
            self._hand_on()

    def _hand_on(self):
        """Give the stream what the rows that are held make."""
        line, rows = self.join.line, self.join.rows
        try:
            self.stream.take(*self.join.take())
            self.stream.counts["joined"] += rows - 1
        except BadLine as error:
            self._pass_over(error, line, rows)

    def _let_go(self):
        """Wait no longer for another row of the last time."""
        if self.join and self.join.time is not None:
            self._hand_on()
            self._score()
            self._is_stored = False

    def _score(self):
        """Score the rows that were taken, and put their records and the bad lines in order."""
        records = self.stream.score()
        seconds = time.perf_counter() - self._began
        self.metrics.judged(records, self.stream.counts, self.stream.shares, seconds)
        if self.flags_only:
            records = [record if record["flag"] else None for record in records]
        for place, error in reversed(self._errors):
            records.insert(place, error)
        self._pending += [record for record in records if record]
        self._errors, self._began = [], time.perf_counter()

    def _is_header(self, line):
        if self._number <= self.reader.skip_rows:
            return True
        found = self.reader.begin(line)
        self._is_at_start = found and len(self.reader.header_rows) > 1
        return found

    def _was_seen(self, moment):
        """Rows of a file or pipe that begins anew, and brings the old rows once more."""
        if self._is_catching_up and moment is not None and moment <= self.stream.last:
            self.stream.counts["skipped"] += 1
            return True
        self._is_catching_up = False
        return False

    def _pass_over(self, error, number, rows=1):
        self.bad[error.reason] += rows
        self.metrics.bad.labels(error.reason).inc(rows)
        record = {"error": error.reason, "line": number, "seen": str(error)}
        record = {name: value for name, value in record.items() if value != ""}
        if self.stream.resample:
            self._score()
        self._errors.append((self.stream.unsaid, record))

    def _begin_anew(self):
        """Begin with the header of another file, or of the one that was written anew."""
        self._let_go()
        if self.source.lost and self._offset:
            say(
                "warning: the input is not the one that was read so far, or was written anew; "
                "rows that were added to that one and not yet read are lost"
            )
        if self._lines.rest:
            seen = f"{self._lines.rest} bytes without a line end"
            self._pass_over(BadLine("truncated", seen), self._number + 1)
            self._score()
        self._begin_with_header(bool(self.stream.recent))
        self._is_stored = False

    def _said(self):
        place = {"offset": self._offset, "tail": self._tail.hex(), "line": self._number}
        place["identity"] = self.source.identity
        return {
            "detector": self._detector,
            "sensors": self.stream.sensors,
            "input": {**place, "catching_up": self._is_catching_up, "at_start": self._is_at_start},
            "header": self.reader.header,
            "recent": self.stream.recent,
            "before": self.stream.before,
            "counts": self.stream.counts,
            "bad": self.bad,
            "open": self.join and self.join.said,
            "output": self.output.place,
        }

    def _restore(self, before):
        self.stream.restore(before["recent"], before["before"], before["counts"])
        self.bad.update(before["bad"])
        self.metrics.count(before["counts"])
        for reason, count in before["bad"].items():
            self.metrics.bad.labels(reason).inc(count)
        if before["header"] is not None:
            self.reader.use(before["header"])
        place = before["input"]
        if self.source.offset:
            self._offset, self._tail, self._number = place["offset"], place["tail"], place["line"]
        # A pipe begins at its header, with rows that may have been judged before.
        self._is_at_start = not self.source.offset or place.get(
            "at_start", before["header"] is None
        )
        begins_anew = not self.source.offset and bool(before["recent"])
        self._is_catching_up = place["catching_up"] or begins_anew
        if self.join and before.get("open"):
            self.join.restore(before["open"])
            if not self.source.offset:  # rows of this time may come once more
                self._let_go()


def run(folder, path="-", *, output=None, state=None, follow=False, angles=(), gap=GAP,
        ahead=AHEAD, flags_only=False, expected=False, wait=WAIT, port=None, host="127.0.0.1",
        **reading):  # fmt: skip
    """Watch a file or standard input with a stored detector, until it ends or a signal comes.

    Parameters
    ----------
    folder : str or pathlib.Path
        As `Detector.save` wrote it.
    path : str or pathlib.Path
        A CSV file with a header; "-" for standard input.
    output, state : str or pathlib.Path, optional
        Files; see the top of this module. Beside the state stands an empty file, by whose lock
        a second watcher is refused.
    follow : bool
        Wait for more at the end of the file.
    angles, gap, ahead, expected
        As in `detection.Stream`.
    flags_only : bool
        Write no line for a row that is not flagged.
    wait : float
        Seconds without a row after which no other row of the last time is waited for.
    port, host
        Where to serve metrics for Prometheus; by default they are not served.
    **reading
        How to read the lines, as in `row_parser.RowReader`: `time`, `time_format`, `separator`, …
        By default as the detector's training rows were read, as far as `lib.data.read_csv` did it.

    Returns
    -------
    int
        The exit code: 0, also after SIGTERM; 130 after Ctrl-C; 1 if the input ended and not one
        of its lines could be read as a row.

    Raises
    ------
    ParameterError, DetectorError
        If an argument is of no use.
    OSError
        If a file cannot be read or written.
    """
    output = None if str(output) == "-" else output  # standard output, as by default
    _check_files(folder, path, output, state, follow)
    digest = checkpoint.digest(folder)
    if not wait >= 0:
        raise ParameterError(f"`wait` must be 0 or above. Received: {wait=}")
    stream, reader, join = _prepared(folder, reading, angles, gap, ahead, expected)
    metrics = Metrics(stream.detector.threshold_, stream.sensors)
    with contextlib.ExitStack() as stack:
        if state:
            stack.enter_context(checkpoint.locked(state))
        before = checkpoint.load(state, stream.sensors, digest) if state else None
        rows, lines = _opened(stack, path, follow, output, before)
        stop, reopen, received = stack.enter_context(_signals(not lines.is_pipe))
        if port is not None:
            say(f"metrics: {metrics.serve(port, host)}")
            if host not in LOOPBACK:
                say(f"warning: whoever can reach {host} can read the metrics")
        watch = Watch(stream, reader, rows, lines, metrics, join=join, state=state, before=before,
                      detector=digest, flags_only=flags_only, wait=wait)  # fmt: skip
        say(f"watching: {path}, with {stream.detector!r}")
        watch.run(stop, reopen)
    say(f"judged: {watch.summary()}")
    if signal.SIGINT in received:
        return INTERRUPTED
    if watch.has_read_nothing and rows.ended:
        say("No row could be read: see --time, --time-format and --separator")
        return NOTHING_READ
    return 0


def _prepared(folder, given, *options):
    """Load the detector, and read its stream as its training rows were, unless told otherwise."""
    from lib.detectors.detector import Detector  # after what is quick to check

    detector = Detector.load(folder)
    given = {name: value for name, value in given.items() if value is not None}
    trained = detector.reading_
    stored = {name: trained[name] for name in STORED if name in trained}
    reading = stored | ({"header": ()} if "names" in given else {}) | given
    counted = reading.get("time_format") in ("counter", "step")
    stream = Stream(detector, *options, counter=counted)
    if not trained.get("in_order", True):
        say(
            "warning: the training rows did not stand in the order of their times, oldest first; "
            "rows of a stream that come late are left out and counted"
        )
    try:
        reader = RowReader(stream.sensors, **reading)
        statistic = trained.get("repeated", "refuse").replace("refuse", "")
    except (TypeError, AttributeError) as error:
        raise DetectorError(
            f"{folder} must say how its training rows were read. Received: {stored}"[:500]
        ) from error
    joins = reader.time_format != "step" and (reader.tag or statistic not in ("", "first"))
    return stream, reader, Join(len(stream.sensors), statistic) if joins else None


def _opened(stack, path, follow, output, before):
    """Open input and output where the watcher before left them, until the stack is closed."""
    known = before["input"] if before else {}
    place = {name: known[name] for name in ("offset", "tail", "identity") if name in known}
    rows = stack.enter_context(contextlib.closing(source.open_source(path, follow, **place)))
    lines = checkpoint.Output(output, before and before["output"], say)
    return rows, stack.enter_context(contextlib.closing(lines))


def _check_files(folder, path, output, state, follow):
    if str(path) == "-":
        if follow:
            raise ParameterError("`follow` must go with a file: standard input always waits")
    elif not Path(path).exists():
        near = did_you_mean(Path(path).name, [p.name for p in Path(path).parent.glob("*.csv")])
        raise FileNotFoundError(f"{path} does not exist.{near}")
    names = [Path(name) for name in (path, output, state) if name and str(name) != "-"]
    try:
        status(Path(folder).expanduser().resolve())
        names = [name.resolve() for name in names]
    except (ValueError, RuntimeError) as error:  # a zero byte, a loop of links, an unknown home
        raise ParameterError(
            f"The detector, the input, `output` and `state` must be names of files. "
            f"Received: {folder}, {path}, {output}, {state} ({error})"
        ) from error
    there = [(x.st_dev, x.st_ino) for x in map(status, names) if x]
    if len(set(names)) < len(names) or len(set(there)) < len(there):  # a hard link is the same file
        raise ParameterError(
            f"The input, `output` and `state` must be different files. "
            f"Received: {path}, {output}, {state}"
        )


@contextlib.contextmanager
def _signals(reopens):
    """Turn the first signal to stop into an event, and SIGHUP into one if there is a file to open.

    The second signal to stop acts as ever.
    """
    stop, reopen, received, before = threading.Event(), threading.Event(), [], {}

    def remember(number, frame):
        if reopens and number == getattr(signal, "SIGHUP", None):
            reopen.set()
            return
        received.append(number)
        stop.set()
        signal.signal(number, before[number])

    for name in {"SIGINT", "SIGTERM", "SIGHUP"} & set(dir(signal)):
        number = getattr(signal, name)
        if signal.getsignal(number) != signal.SIG_IGN:  # as under `nohup`
            before[number] = signal.signal(number, remember)
    try:
        yield stop, reopen, received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say(text):
    """Write a line to standard error, if that is open."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)
