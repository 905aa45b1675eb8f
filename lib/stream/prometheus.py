"""What a watched stream tells Prometheus: counts, the last score, who is to blame, how fast.

The metrics live in a registry of their own, so that several streams may be watched, and tested,
in one process.
"""

import math
import socket
import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    make_wsgi_app,
)

from lib.errors import ParameterError
from lib.stream.row_parser import REASONS

BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0)  # seconds
COUNTED = {
    "rows": "Rows judged",
    "flags": "Rows flagged: their score was above the threshold",
    "unscored": "Rows without a score: too few before them, or too much is missing",
    "resets": "Times that the stream began anew after a gap",
    "jumps": "Jumps ahead in time that the next rows took back",
    "others": "Rows of other series, left out by the detector's `where`",
    "skipped": "Rows skipped after the input began anew: not later than the last row before",
}
PATIENCE = 5  # seconds that a connection may stay silent
CONNECTIONS = 32  # at a time; more are closed at once


class _Handler(WSGIRequestHandler):
    timeout = PATIENCE

    def log_message(self, *_):
        """Print nothing: a request does not belong to the stream."""


class _Server(ThreadingMixIn, WSGIServer):
    """A server that neither idle nor broken connections can hold up."""

    daemon_threads = True

    def __init__(self, address, handler):
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        super().__init__(address, handler)

    def process_request(self, request, client_address):
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request, client_address):
        """Print nothing: the client has gone."""


class Metrics:
    """The metrics of one watched stream.

    Parameters
    ----------
    threshold : float
        Of the detector.
    sensors : list of str

    Examples
    --------
    >>> metrics = Metrics(threshold=1.5, sensors=["wind"])
    >>> record = {"score": 2.0, "flag": 1, "sensors": {"wind": 1.0}}
    >>> metrics.judged([record], {"rows": 1, "flags": 1}, {"wind": 1.0}, seconds=0.001)
    >>> metrics.registry.get_sample_value("watch_flags_total")
    1.0
    """

    def __init__(self, threshold, sensors):
        self.registry = own = CollectorRegistry()
        ProcessCollector(registry=own)  # memory, processor time, open files; on Linux only
        self.counts = {n: Counter(f"watch_{n}", text, registry=own) for n, text in COUNTED.items()}
        self.bad = Counter("watch_bad_lines", "Lines passed over", ["reason"], registry=own)
        text = "Shares of a sensor in the scores of flagged rows"
        self.blame = Counter("watch_blame", text, ["sensor"], registry=own)
        text = "Share of a sensor in the last score"
        self.share = Gauge("watch_contribution", text, ["sensor"], registry=own)
        self.score = Gauge("watch_score", "Score of the last row, NaN without one", registry=own)
        text = "When a row was judged last, or the start"
        self.received = Gauge("watch_last_row_timestamp_seconds", text, registry=own)
        text = "Time to read and judge a row"
        self.seconds = Histogram("watch_row_seconds", text, registry=own, buckets=BUCKETS)
        Gauge("watch_threshold", "Scores above it are flagged", registry=own).set(threshold)
        # From the start: Prometheus sees no increase in what was not there before.
        for reason in REASONS:
            self.bad.labels(reason)
        for sensor in sensors:
            self.blame.labels(sensor)
        self._told = dict.fromkeys(COUNTED, 0)
        self.score.set(math.nan)
        self.received.set_to_current_time()

    def count(self, counts):
        """Take over the counts of a stream, also of a watcher before; the blame begins at 0."""
        for name in self._told.keys() & counts.keys():
            self.counts[name].inc(counts[name] - self._told[name])
            self._told[name] = counts[name]

    def judged(self, records, counts, shares, seconds):
        """Take over what became of rows: records, `counts` and `shares` of a `detection.Stream`."""
        rows = counts["rows"] - self._told["rows"]
        self.count(counts)
        for _ in range(rows):
            self.seconds.observe(seconds / rows)
        if rows:
            self.received.set_to_current_time()
        for record in records:
            for sensor, share in record.get("sensors", {}).items():
                if share > 0:
                    self.blame.labels(sensor).inc(share)
        if records:
            score = records[-1]["score"]
            self.score.set(math.nan if score is None else score)
            for sensor, share in shares.items():
                self.share.labels(sensor).set(share)

    def serve(self, port, host="127.0.0.1"):
        """Serve the metrics in a thread until the process ends; return their address.

        Port 0 is any free one. By default only this machine can connect. A ParameterError says
        that an address cannot be used.
        """
        if not 0 <= port <= 65535:
            raise ParameterError(f"`port` must be from 0 to 65535. Received: port={port}")
        try:
            server = _Server((host, port), _Handler)
        except OSError as error:
            reason = error.strerror or error
            raise ParameterError(
                f"`port` and `host` must be free to listen at. Received: {host}:{port} ({reason})"
            ) from error
        server.set_app(make_wsgi_app(self.registry))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{server.server_port}/metrics"
