"""What each detector of the study may choose from: eight configurations, the same number for all.

A configuration is a word such as "window distance 0.01": the normalisation, the score, and one
setting of the kind's own. All networks have as many parameters as the LSTM autoencoder of
`UNITS` and `LATENT`, within 5 % where whole widths allow.
"""

import functools
import itertools

from lib.detectors import KINDS

UNITS, LATENT, KERNEL = 64, 32, 5
STEPS, BATCH = 1500, 32
RATE, SLOW = 0.01, 0.003  # of recurrent networks; of the others, which large steps throw off
RATES = (0.01, 0.003)
AHEAD = (1, 6)  # patches that are predicted
MANY = 20_000  # training windows
OVERLAPS = 16  # training windows, about, that share a row, for methods that compare all of them
SMOOTH = (0.0, 0.125, 0.25, 0.5)  # parts of a window that the score of a rule is averaged over
OWN = {
    "pca": ("n_components", (8, 16)),
    "nearest_neighbour": ("k", (1, 5)),
    "isolation_forest": ("trees", (100, 300)),
    "one_class_svm": ("nu", (0.05, 0.01)),
}
NORMALISATIONS, SCORES = ("train", "window"), ("mse", "distance")
AGGREGATIONS = ("window", "overlap")
RULE = {"threshold": "maximum"}
LEARNED = 0.9  # loss over that of predicting the mean, above which a network learned nothing


def names(kind):
    """Return the configurations that a kind may choose from.

    Examples
    --------
    >>> len(names("lstm_autoencoder")), names("pca")[0]
    (8, 'train mse 8')
    """
    return [word for group in fits(kind) for word in group]


def fits(kind):
    """Return the configurations in groups that share one training and differ in scores alone."""
    of = KINDS[kind]
    if kind == "random":
        return [("train mse 0",)]
    if of.family == "rule":
        return [tuple(f"{norm} mse {part}" for part in SMOOTH) for norm in NORMALISATIONS]
    ways = AGGREGATIONS if of.one_score else SCORES
    return [
        tuple(f"{norm} {way} {value}" for way in ways)
        for norm, value in itertools.product(NORMALISATIONS, _own_values(kind))
    ]


def members(cell):
    """List the detectors of a cell; with more than one, the mean of their scores counts.

    Parameters
    ----------
    cell : dict
        With `detector`, `configuration`, `seed` and `changes`. Of the last, `seeds` is a number of
        trainings from other seeds, and `beside` another kind with its configuration.

    Returns
    -------
    list of tuple (kind, configuration, dict)
        The dict holds arguments of `recipe`.

    Examples
    --------
    >>> cell = {"detector": "pca", "configuration": "train mse 8", "seed": 0, "changes": {}}
    >>> members(cell)
    [('pca', 'train mse 8', {'seed': 0, 'changes': {}})]
    >>> [how["seed"] for _, _, how in members(cell | {"changes": {"seeds": 2}})]
    [0, 1]
    >>> members(cell | {"changes": {"beside": "ridge train mse 1"}})[1]
    ('ridge', 'train mse 1', {'seed': 0})
    """
    changes, seed = dict(cell["changes"]), cell["seed"]
    seeds, beside = changes.pop("seeds", 1), changes.pop("beside", None)
    own = cell["detector"], cell["configuration"]
    found = [(*own, {"seed": seed + more, "changes": changes}) for more in range(seeds)]
    if beside is not None:
        kind, _, configuration = beside.partition(" ")
        found.append((kind, configuration, {"seed": seed}))
    return found


def recipe(kind, configuration, data, seed=0, changes=None, attempt=0):
    """Return the arguments of `Detector` for a configuration on a data set.

    Parameters
    ----------
    kind, configuration : str
    data : lib.study.datasets.DataSet
    seed : int
    changes : dict, optional
        Other values of some arguments, or of options of the kind itself; `periods` makes the
        window so many times as long, `patches` a patch.
    attempt : int
        Which of the windows of the data set, see `DataSet.geometries`.

    Returns
    -------
    dict
    """
    (window, patch), changes = data.geometries[attempt], dict(changes or {})
    patch = max(1, round(patch * changes.pop("patches", 1)))
    window = patch * max(4, round(window * changes.pop("periods", 1) / patch))
    found = _recipe(kind, configuration, data, window, patch) | {"seed": seed}
    of_kind = {name: changes.pop(name) for name in list(changes) if name in KINDS[kind].options}
    return {**found, **changes, "options": {**found.get("options", {}), **of_kind}}


def _recipe(kind, configuration, data, window, patch):
    (normalisation, way, value), of = configuration.split(), KINDS[kind]
    value = type(_own_values(kind)[0])(value)
    n_features = data.train.shape[1]
    found = {"kind": kind, "window": window, "normalisation": normalisation, **RULE}
    found["stride"] = max(1, len(data.train) // MANY)
    if of.family in ("rule", "control"):
        smooth = 1 if of.family == "control" else max(1, round(value * window))
        return found | {"smooth": smooth, "score": "mae", "aggregation": "last"}
    found["aggregation"] = way if of.one_score else "overlap"
    found["score"] = "mae" if of.one_score else way
    if of.output != "window":
        found["horizon"] = patch * (value if of.output == "ahead" else AHEAD[-1])
    if of.family == "network":
        rate = value if of.output != "ahead" else RATE if kind[:4] in ("lstm", "gru_") else SLOW
        sizes = widths(kind, window, n_features, patch, found.get("horizon", 0))
        found["options"] = {**sizes, "loss": "mse", "learning_rate": rate}
        return found | {"steps": STEPS, "batch_size": BATCH, "patience": 10}
    found["stride"] = max(found["stride"], window // OVERLAPS)
    if kind in OWN:
        found["options"] = {OWN[kind][0]: value}
    return found


@functools.cache
def widths(kind, window, n_features, patch, horizon=0):
    """Widths and other sizes with which a network is as large as the LSTM autoencoder.

    Examples
    --------
    >>> widths("lstm_autoencoder", 130, 1, 10)
    {'units': 64, 'latent': 32, 'patch': 10}
    >>> widths("dense_autoencoder", 130, 1, 10)
    {'units': (95,), 'latent': 32}
    """
    from lib import models  # and with it Keras, which other kinds do without

    own = {"units": UNITS, "latent": LATENT, "patch": patch}
    if kind in ("lstm_autoencoder", "lstm_combined"):
        return own
    target = models.count_parameters("lstm_autoencoder", window, n_features, **own)
    ahead = {"horizon": horizon} if KINDS[kind].output == "ahead" else {}

    def distance(sizes):
        count = models.count_parameters(kind, window, n_features, **sizes, **ahead)
        return abs(count / target - 1)

    return min(_candidates(kind, patch), key=distance)


@functools.cache
def _candidates(kind, patch):
    family, _, output = kind.partition("_")
    counts = range(1, 2 * UNITS + 1)
    if family == "conv":
        pairs = [(a, b) for a in counts for b in range(a // 2, a // 2 + 2) if b]
        return [{"filters": pair, "kernel": KERNEL, "latent": LATENT} for pair in pairs]
    if family == "dense" and output == "forecaster":
        return [{"units": (a, LATENT)} for a in range(1, 20 * UNITS)]
    if family == "dense":
        return [{"units": (a,), "latent": LATENT} for a in range(1, 20 * UNITS)]
    if output == "forecaster":
        return [{"units": (LATENT, a), "patch": patch} for a in counts]
    return [{"units": a, "latent": LATENT, "patch": patch} for a in counts]


def _own_values(kind):
    of = KINDS[kind]
    if of.family in ("rule", "control"):
        return (0.0,)
    if kind in OWN:
        return OWN[kind][1]
    return AHEAD if of.output == "ahead" else RATES
