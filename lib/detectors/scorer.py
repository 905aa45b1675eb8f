"""From the errors of windows to one score for each row: the same ways for every kind."""

import numpy as np

from lib import scoring, windowing

SCORES = ("mae", "mse", "distance")
AGGREGATIONS = ("last", "window", "overlap")
OVERLAPS = 16  # windows, about, that cover a row where scores overlap
LARGEST = 4000  # numbers in a window whose covariance is learned
FEW = 6000  # training windows that it is learned from


class Scorer:
    """Scores of rows from errors of blocks: a block is a window and the rows predicted after it.

    Parameters
    ----------
    score, aggregation, smooth
        As in `lib.detectors.Detector`. "last" and "window" need only the block that ends with a
        row, so that the score is known with it; "overlap" is known `delay` rows later.
    first, span : int
        First row of a block that has an error, and rows of a block.
    """

    def __init__(self, score, aggregation, smooth, first, span):
        self.score, self.aggregation, self.smooth = score, aggregation, smooth
        self.first, self.span, self.distance = first, span, None
        self.balance = 1.0  # the usual score of each sensor, by which its score is divided

    @property
    def stride(self):
        """Rows from one scored block to the next."""
        overlap = self.aggregation == "overlap"
        return max(1, (self.span - self.first) // OVERLAPS) if overlap else 1

    @property
    def delay(self):
        """Rows after a row until its score is known."""
        return self.span - self.first - 1 if self.aggregation == "overlap" else 0

    def fit(self, errors):
        """Learn what `score` needs from the signed errors of training blocks."""
        if self.score != "distance":
            return
        errors = errors[~np.isnan(errors).any(axis=(1, 2))]
        if len(errors) < 2:
            raise ValueError("`train` must have 2 windows without missing values for 'distance'.")
        few = errors[windowing.evenly(len(errors), FEW)]
        self.distance = scoring.ErrorDistance().fit(few)

    def parts(self, errors):
        """Score of each block, divided among the sensors: their mean is the score.

        Parameters
        ----------
        errors : ndarray of shape (n_blocks, steps, n_features)
            Signed.

        Returns
        -------
        ndarray of shape (n_blocks, n_features)
        """
        if self.score == "distance":
            return self.distance.parts(errors)
        errors = np.abs(errors) if self.score == "mae" else np.square(errors)
        # A view would keep all errors in memory for the sake of the last.
        return errors[:, -1].copy() if self.aggregation == "last" else scoring.known_mean(errors)

    def rows(self, starts, parts, n_rows):
        """Give the scores of blocks to rows.

        Parameters
        ----------
        starts : ndarray of int
            First row of each block, `stride` rows apart where their scores overlap.
        parts : ndarray of shape (n_blocks, n_features)
        n_rows : int

        Returns
        -------
        ndarray of shape (n_rows, n_features)
            NaN where no block gives a score.
        """
        if self.aggregation == "overlap" and len(starts):
            place = {"offset": starts[0] + self.first, "stride": self.stride}
            return windowing.overlap_mean(parts, self.span - self.first, n_rows, **place)
        found = np.full((n_rows, parts.shape[1]), np.nan)
        found[starts + self.span - 1] = parts
        return found

    def smoothed(self, rows):
        """Mean of each sensor over the last `smooth` rows."""
        return rows if self.smooth == 1 else scoring.trailing_mean(rows, self.smooth)
