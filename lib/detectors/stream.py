"""The rows of a stream as a detector remembers them: so many that the next scores can be made."""

import numpy as np
import pandas as pd

from lib import scoring
from lib.detectors.pipeline import shares_of


class Piece:
    """Rows of a stream without a gap, and the scores that they have so far.

    Parameters
    ----------
    pipeline : lib.detectors.pipeline.Pipeline
    """

    def __init__(self, pipeline):
        self.pipeline, width = pipeline, len(pipeline.features)
        self.offset = 0  # rows that have been forgotten
        self.values, self.labels = np.empty((0, width)), pd.Index([])
        self.starts, self.parts = np.empty(0, int), None  # of the blocks that still matter
        self._next, self.newest = 0, None  # start of the next block; parts of the newest score
        self.rows = None  # last rows of parts, for `smooth`
        self.scored = 0  # rows that have got their score

    def add(self, scaled, labels):
        """Take rows that follow; returns the scores that are known now, with their labels."""
        self.values = np.concatenate([self.values, scaled]) if len(self.values) else scaled
        self.labels = self.labels.append(labels) if len(self.labels) else labels
        scorer, span, end = self.pipeline.scorer, self.pipeline.span, self.offset + len(self.values)
        first = self.starts[-1] + scorer.stride if len(self.starts) else self._next
        starts = np.arange(first, end - span + 1, scorer.stride)
        if len(starts):
            parts = self.pipeline.by_block(self.values, starts - self.offset)
            self.starts = np.concatenate([self.starts, starts])
            self.parts = parts if self.parts is None else np.concatenate([self.parts, parts])
            self._next = int(starts[-1]) + scorer.stride
        return self._scores(max(end - scorer.delay, self.scored))

    def finish(self):
        """The scores of the last rows, which no later block will cover."""
        return self._scores(self.offset + len(self.values))

    def shares(self):
        """Share of each sensor in the newest score, shape (1, n_features); NaN if there is none."""
        pipeline = self.pipeline
        if self.newest is None or np.isnan(self.newest).all():
            return np.full((1, len(pipeline.targets)), np.nan)
        if pipeline.kind.one_score:  # of the last block, as far as it is known
            until = self.scored - self.offset
            return pipeline.shares(self.values[max(until - pipeline.span, 0) : until])[-1:]
        return shares_of(self.newest)

    def _scores(self, until):
        """Scores of the rows from the last scored one on."""
        begin, pipeline = self.scored, self.pipeline
        scorer, base = pipeline.scorer, self.offset
        rows = np.full((len(self.values), pipeline.width), np.nan)
        if self.parts is not None:
            rows = scorer.rows(self.starts - base, self.parts, len(self.values))
        rows = rows[begin - base : until - base] / scorer.balance
        before = 0 if self.rows is None else len(self.rows)
        rows = rows if not before else np.concatenate([self.rows, rows])
        smoothed = scorer.smoothed(rows)[before:]
        labels = self.labels[begin - base : until - base]
        scores = pd.Series(scoring.known_mean(smoothed), labels, name="score")
        self.newest = smoothed[-1:] if len(smoothed) else self.newest
        self.rows, self.scored = rows[max(len(rows) - scorer.smooth + 1, 0) :], until
        self._forget()
        return scores

    def _forget(self):
        """Drop what no later score rests on."""
        span = self.pipeline.span
        end = self.offset + len(self.values)
        needed = min(end - span, self._next, self.scored)  # one block stays, for `shares`
        if self.pipeline.scorer.aggregation == "overlap" and self.parts is not None:
            kept = self.starts + span > self.scored
            self.starts, self.parts = self.starts[kept], self.parts[kept]
            needed = min(needed, self.starts[0]) if len(self.starts) else needed
        else:
            self.starts, self.parts = self.starts[:0], None
        drop = max(int(needed) - self.offset, 0)
        if drop:
            self.values, self.labels = self.values[drop:], self.labels[drop:]
            self.offset += drop
