"""The simple detectors that a network has to beat.

First come functions that need no training: each takes a series and returns one score per time
point, from the point itself and points before it; NaN where there is too little history. Then come
classes that work on windows, as the networks of `models` do: `lib.detectors` makes detectors of
them.
"""

import hashlib

import numpy as np
import pandas as pd
from sklearn import decomposition, ensemble, linear_model, neighbors, svm
from sklearn.metrics.pairwise import rbf_kernel

from lib.errors import whole
from lib.windowing import evenly

WARM_UP = 20  # returns that a volatility must rest on


def last_value(series):
    """Error of the forecast that nothing changes: `|x[t] - x[t-1]|`.

    Examples
    --------
    >>> last_value(pd.Series([1.0, 2.0, 4.0])).tolist()
    [nan, 1.0, 2.0]
    """
    return series.diff().abs().rename("score")


def window_mean(series, window):
    """Error of the forecast by the mean of the `window` points before.

    Examples
    --------
    >>> window_mean(pd.Series([1.0, 3.0, 4.0]), window=2).tolist()
    [nan, nan, 2.0]
    """
    return (series - series.rolling(window).mean().shift(1)).abs().rename("score")


def moving_z(series, window):
    """Distance from the mean of the `window` points before, in their standard deviations.

    Examples
    --------
    >>> moving_z(pd.Series([1.0, 3.0, 4.0]), window=2).tolist()
    [nan, nan, 2.0]
    """
    deviation = series.rolling(window).std(ddof=0).shift(1)
    return (window_mean(series, window) / deviation).rename("score")


def ewma_volatility(returns, decay=0.94):
    """Volatility of a return as it was known the day before, by exponential weights.

    `variance[t] = decay * variance[t-1] + (1 - decay) * returns[t-1]**2`, the RiskMetrics
    form (J.P. Morgan and Reuters, 1996, decay 0.94 for daily data: it forgets half of the past in
    11 days). The first 20 values are NaN, because they rest on too few returns.

    Examples
    --------
    >>> ewma_volatility(pd.Series([0.02] * 22)).round(3).tolist()[19:]
    [nan, 0.02, 0.02]
    """
    variance = returns.pow(2).ewm(alpha=1 - decay, adjust=False).mean().shift(1)
    variance.iloc[:WARM_UP] = np.nan
    return np.sqrt(variance).rename("volatility")


def ewma_z(returns, decay=0.94):
    """Size of a return in units of the volatility known the day before.

    Examples
    --------
    >>> ewma_z(pd.Series([0.02] * 21 + [0.06])).round(2).tolist()[19:]
    [nan, 1.0, 3.0]
    """
    return (returns.abs() / ewma_volatility(returns, decay)).rename("score")


def random_scores(series, seed=0):
    """Uniform random numbers: what any metric gives away for nothing.

    Examples
    --------
    >>> random_scores(pd.Series([1.0, 2.0])).between(0, 1).all()
    np.True_
    """
    values = np.random.default_rng(seed).random(len(series))
    return pd.Series(values, index=series.index, name="score")


# From here on: classes on windows. Each is made from `window`, `n_features`, `horizon` and `seed`,
# and learns by `fit(inputs, targets)` from arrays of shape (n_windows, window, n_features) and
# (n_windows, steps, n_features) without missing inputs. Then it has either
# `errors(inputs, targets)`, output less target, of the shape of `targets`, or
# `scores(inputs)`, one number for each window. `stored` names the arrays that it consists of.


class Mean:
    """Error against the mean of the training rows: the plain z-score.

    Examples
    --------
    >>> windows = np.array([[[1.0], [-1.0]]])
    >>> Mean(2, 1).errors(windows, windows)[0, :, 0].tolist()
    [-1.0, 1.0]
    """

    stored = ()

    def __init__(self, window, n_features, horizon=0, seed=0):
        self.seed = seed

    @property
    def n_parameters(self):
        """Numbers that were learned; None where training windows are kept."""
        return sum(getattr(self, name).size for name in self.stored)

    def fit(self, inputs, targets):
        """Learn nothing: the rows are scaled to mean 0."""

    def errors(self, inputs, targets):
        """Output less target."""
        return -np.asarray(targets, dtype=float)


class LastValue(Mean):
    """Error of the forecast that nothing changes.

    Examples
    --------
    >>> LastValue(2, 1).errors(np.array([[[1.0], [2.0]]]), np.array([[[5.0]]])).ravel().tolist()
    [-3.0]
    """

    def errors(self, inputs, targets):
        """Output less target."""
        return inputs[:, -1:] - targets


class SeasonalNaive(Mean):
    """Error of the forecast that everything repeats after `period` rows, by default a window.

    Examples
    --------
    >>> inputs, targets = np.array([[[1.0], [2.0]]]), np.array([[[5.0]]])
    >>> SeasonalNaive(2, 1).errors(inputs, targets).ravel().tolist()
    [-4.0]
    """

    def __init__(self, window, n_features, horizon=1, seed=0, *, period=None):
        self.period = window if period is None else whole("period", period, 1, window)

    def errors(self, inputs, targets):
        """Output less target."""
        steps = np.arange(targets.shape[1]) % self.period - self.period
        return inputs[:, steps] - targets


class MovingZ(Mean):
    """Distance from the mean of the window before, in its standard deviations.

    These are at least `floor` of those of the training rows.

    Examples
    --------
    >>> inputs, targets = np.array([[[1.0], [3.0]]]), np.array([[[4.0]]])
    >>> MovingZ(2, 1).errors(inputs, targets).ravel().tolist()
    [-2.0]
    """

    def __init__(self, window, n_features, horizon=1, seed=0, *, floor=0.01):
        self.floor = _positive("floor", floor)

    def errors(self, inputs, targets):
        """Mean less target, in standard deviations."""
        deviation = np.maximum(inputs.std(axis=1, keepdims=True), self.floor)
        return (self.outputs(inputs) - targets) / deviation

    def outputs(self, inputs):
        """Mean of each window."""
        return inputs.mean(axis=1, keepdims=True)


class Ewma(Mean):
    """Size of a value in units of the volatility known before, by exponential weights.

    As `ewma_z`, with weights that end after `window` rows, and a volatility of at least `floor`
    standard deviations of the training rows.

    Examples
    --------
    >>> inputs, targets = np.array([[[2.0], [2.0]]]), np.array([[[6.0]]])
    >>> Ewma(2, 1).errors(inputs, targets).ravel().tolist()
    [-3.0]
    """

    def __init__(self, window, n_features, horizon=1, seed=0, *, decay=0.94, floor=0.01):
        if not 0 < decay < 1:
            raise ValueError(f"`decay` must be between 0 and 1. Received: decay={decay}")
        self.floor = _positive("floor", floor)
        weights = decay ** np.arange(window)[::-1]
        self.weights = (weights / weights.sum())[:, np.newaxis]

    def errors(self, inputs, targets):
        """Negative target, in units of the volatility."""
        variance = (np.square(inputs) * self.weights).sum(axis=1, keepdims=True)
        return -targets / np.maximum(np.sqrt(variance), self.floor)

    def outputs(self, inputs):
        """No change: a return of 0, in units of the training rows."""
        return np.zeros((len(inputs), 1, inputs.shape[2]))


class Ridge(Mean):
    """Linear forecast of the rows after a window: ridge regression with the penalty `alpha`.

    Examples
    --------
    >>> line = np.arange(20.0).reshape(10, 2, 1)
    >>> ridge = Ridge(2, 1, 1, alpha=1e-6)
    >>> ridge.fit(line, line[:, -1:] + 1)
    >>> ridge.errors(line[:1], line[:1, -1:]).round(3).ravel().tolist()
    [1.0]
    """

    stored = ("coefficients", "intercept")

    def __init__(self, window, n_features, horizon=1, seed=0, *, alpha=1.0):
        self.alpha = _positive("alpha", alpha)

    def fit(self, inputs, targets):
        """Learn the coefficients."""
        known = ~np.isnan(targets).any(axis=(1, 2))
        if not known.any():
            raise ValueError("`train` must have a window whose next rows are complete.")
        model = linear_model.Ridge(alpha=self.alpha)
        model.fit(_flat(inputs[known]), _flat(targets[known]))
        self.coefficients = np.atleast_2d(model.coef_)
        self.intercept = np.atleast_1d(model.intercept_)

    def errors(self, inputs, targets):
        """Forecast less target."""
        forecast = _flat(inputs) @ self.coefficients.T + self.intercept
        return forecast.reshape(targets.shape) - targets


class Pca(Mean):
    """Distance of a window from the plane through the training windows' main directions.

    The linear autoencoder (Baldi and Hornik, 1989), with a latent vector of `n_components` numbers;
    a window has at least one more.

    Examples
    --------
    >>> line = np.array([[[1.0], [2.0]], [[2.0], [4.0]], [[3.0], [6.0]]])
    >>> pca = Pca(2, 1, n_components=1)
    >>> pca.fit(line, line)
    >>> bool(np.abs(pca.errors(line, line)).max() < 1e-9)
    True
    """

    stored = ("mean", "components")

    def __init__(self, window, n_features, horizon=0, seed=0, *, n_components=8):
        self.n_components = min(whole("n_components", n_components), window * n_features - 1)

    def fit(self, inputs, targets):
        """Learn the main directions."""
        count = min(self.n_components, len(inputs) - 1)
        if count < 1:
            raise ValueError("`train` must have at least 2 windows. Received: 1")
        # The other solvers draw random numbers, or take long for many windows.
        model = decomposition.PCA(count, svd_solver="covariance_eigh").fit(_flat(inputs))
        self.mean, self.components = model.mean_, model.components_

    def errors(self, inputs, targets):
        """Reconstruction less target."""
        latent = (_flat(inputs) - self.mean) @ self.components.T
        return (latent @ self.components + self.mean).reshape(inputs.shape) - targets


class Neighbours(Mean):
    """Difference of a window from the mean of its `k` nearest training windows.

    With `k=1`, on windows brought to mean 0 and standard deviation 1, the distances are the left
    half of a matrix profile (Yeh et al., 2016); a window far from all others is a discord. At most
    `max_windows` training windows are kept, evenly spread.

    Examples
    --------
    >>> windows = np.array([[[0.0], [1.0]], [[5.0], [5.0]]])
    >>> nearest = Neighbours(2, 1)
    >>> nearest.fit(windows, windows)
    >>> nearest.errors(np.array([[[5.0], [6.0]]]), np.array([[[5.0], [6.0]]])).ravel().tolist()
    [0.0, -1.0]
    """

    stored = ("windows",)
    n_parameters = None

    def __init__(self, window, n_features, horizon=0, seed=0, *, k=1, max_windows=6000):
        self.k = whole("k", k)
        self.max_windows = whole("max_windows", max_windows, self.k)
        self._search = None

    def fit(self, inputs, targets):
        """Keep training windows."""
        if len(inputs) < self.k:
            raise ValueError(
                f"`train` must have at least k={self.k} windows. Received: {len(inputs)}"
            )
        self.windows = _flat(inputs[evenly(len(inputs), self.max_windows)]).astype("float32")
        self._search = None

    def errors(self, inputs, targets):
        """Nearest less target."""
        if self._search is None:
            self._search = neighbors.NearestNeighbors(n_neighbors=self.k, algorithm="brute")
            self._search.fit(self.windows)
        found = self._search.kneighbors(_flat(inputs).astype("float32"), return_distance=False)
        return self.windows[found].mean(axis=1).reshape(inputs.shape) - targets


class IsolationForest(Mean):
    """How few random cuts set a window apart from the training windows (Liu et al., 2008).

    The scores of so many `trees` are from 0 to 1; about 0.5 is as easy to cut off as any other.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(300, 2, 1))
    >>> forest = IsolationForest(2, 1)
    >>> forest.fit(noise, noise)
    >>> forest.scores(np.array([[[0.0], [0.0]], [[0.0], [9.0]]])).round(1).tolist()
    [0.4, 0.6]
    """

    stored = ("roots", "left", "right", "number", "cut", "depth", "usual")
    n_parameters = None

    def __init__(self, window, n_features, horizon=0, seed=0, *, trees=100):
        self.seed, self.trees = seed, whole("trees", trees, 1, 10_000)

    def fit(self, inputs, targets):
        """Grow the trees, and keep them as arrays: they are stored without running code."""
        model = ensemble.IsolationForest(n_estimators=self.trees, random_state=self.seed)
        model.fit(_flat(inputs))

        def of_all_nodes(name):
            return np.concatenate([getattr(one.tree_, name) for one in model.estimators_])

        counts = np.array([one.tree_.node_count for one in model.estimators_])
        self.roots = np.cumsum(counts) - counts
        places = np.repeat(self.roots, counts)
        left, right = of_all_nodes("children_left"), of_all_nodes("children_right")
        self.left = np.where(left < 0, -1, left + places)
        self.right = np.where(right < 0, -1, right + places)
        self.number = np.maximum(of_all_nodes("feature"), 0)
        self.cut = of_all_nodes("threshold")
        inside = of_all_nodes("n_node_samples")
        self.depth = _usual_depth(inside)  # what cutting on would take, in a leaf
        self.usual = np.array(_usual_depth(np.array([model.max_samples_]))[0])

    def scores(self, inputs):
        """One score for each window."""
        values = _flat(inputs).astype("float32")
        rows = np.arange(len(values))[:, np.newaxis]
        node = np.tile(self.roots, (len(values), 1))
        length = np.zeros(node.shape)
        while (inside := self.left[node] >= 0).any():
            goes_left = values[rows, self.number[node]] <= self.cut[node]
            below = np.where(goes_left, self.left[node], self.right[node])
            node, length = np.where(inside, below, node), length + inside
        return 2.0 ** -((length + self.depth[node]).mean(axis=1) / self.usual)


class OneClassSvm(Mean):
    """Distance outside the boundary that a one-class SVM draws around the training windows.

    Schölkopf et al. (2001), with the radial kernel. Below 0 inside, above 0 outside, where a share
    `nu` of the training windows may lie. It learns from `max_windows` of them, evenly spread: the
    cost grows with the square of their number.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(300, 2, 1))
    >>> svm = OneClassSvm(2, 1)
    >>> svm.fit(noise, noise)
    >>> (svm.scores(np.array([[[0.0], [0.0]], [[0.0], [9.0]]])) > 0).tolist()
    [False, True]
    """

    stored = ("vectors", "weights", "offset", "gamma")
    n_parameters = None

    def __init__(self, window, n_features, horizon=0, seed=0, *, nu=0.05, max_windows=2000):
        if not 0 < nu <= 1:
            raise ValueError(f"`nu` must be above 0 and at most 1. Received: nu={nu}")
        self.nu, self.max_windows = nu, whole("max_windows", max_windows)

    def fit(self, inputs, targets):
        """Find the windows that carry the boundary."""
        values = _flat(inputs[evenly(len(inputs), self.max_windows)])
        self.gamma = np.array(1.0 / (values.shape[1] * (values.var() or 1.0)))
        model = svm.OneClassSVM(nu=self.nu, gamma=float(self.gamma)).fit(values)
        self.vectors, self.weights = model.support_vectors_, model.dual_coef_[0]
        self.offset = np.array(model.offset_).reshape(())

    def scores(self, inputs):
        """One score for each window."""
        kernel = rbf_kernel(_flat(inputs), self.vectors, gamma=float(self.gamma))
        return self.offset - kernel @ self.weights


class Random(Mean):
    """A random number for each window: what any metric gives away for nothing.

    Drawn from the window's own numbers and the seed, so that the same rows have the same scores,
    whether they come at once or one by one.

    Examples
    --------
    >>> scores = Random(1, 1).scores(np.arange(1000.0).reshape(1000, 1, 1))
    >>> 0.45 < scores.mean() < 0.55
    np.True_
    """

    def scores(self, inputs):
        """One score for each window."""
        # Rounded, since sums over many rows differ in the last digits from those over a few.
        key, rows = str(self.seed).encode(), np.round(inputs, 4) + 0.0
        drawn = [hashlib.blake2b(row.tobytes(), digest_size=8, key=key).digest() for row in rows]
        return np.frombuffer(b"".join(drawn), "<u8") / 2.0**64


def _positive(name, value):
    if not value > 0:
        raise ValueError(f"`{name}` must be above 0. Received: {name}={value!r}")
    return value


def _flat(windows):
    return np.asarray(windows, dtype=float).reshape(len(windows), -1)


def _usual_depth(count):
    """Mean depth at which a random tree sets one of `count` points apart (Liu et al., 2008)."""
    count = np.asarray(count, dtype=float)
    many = np.maximum(count, 3.0)
    depth = 2 * (np.log(many - 1) + np.euler_gamma) - 2 * (many - 1) / many
    return np.where(count > 2, depth, np.where(count == 2, 1.0, 0.0))
