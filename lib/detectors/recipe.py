"""What a detector accepts: a recipe of settings, and rows of a series. All else is one error.

Both are checked before anything is trained. A recipe holds numbers and words only, so that it
can be stored as text and read again without running anything.
"""

import inspect

import numpy as np
import pandas as pd

from lib import thresholds
from lib.detectors.kinds import KINDS
from lib.detectors.scorer import AGGREGATIONS, SCORES
from lib.errors import choice, whole
from lib.preprocessing import Preprocessing

RULES = (
    *("fixed", "mean_plus_sigma", "percentile", "maximum", "mad"),
    *("peaks_over_threshold", "dynamic", "conformal"),
)
LARGEST = 1e100  # no reading of any sensor, in a stream neither; its square is still a number
WORDS = {
    "kind": KINDS,
    "threshold": RULES,
    "normalisation": ("train", "window"),
    "score": SCORES,
    "aggregation": AGGREGATIONS,
}
# Keras would look up any other name, or build an object from a dictionary.
ACTIVATIONS = ("relu", "tanh", "sigmoid", "elu", "selu", "gelu", "silu", "softplus", "linear")
BOUNDS = {
    "window": (2, 10_000),
    "horizon": (1, 10_000),
    "stride": (1, 10_000),
    "smooth": (1, 10_000),
    "epochs": (1, 100_000),
    "batch_size": (1, 1_000_000),
    "patience": (1, 100_000),
    "steps": (1, 10_000_000),
    "seed": (0, 2**32 - 1),
}


def checked_recipe(**recipe):
    """Return the arguments of `Detector` in plain Python types, sure to be usable.

    Raises
    ------
    ValueError
        That names the setting, what it accepts and what was received.
    """
    for name, bounds in BOUNDS.items():
        if name != "steps" or recipe[name] is not None:
            recipe[name] = whole(name, recipe[name], *bounds)
    for name, words in WORDS.items():
        choice(name, recipe[name], words)
    share, kind = recipe["max_missing"], KINDS[recipe["kind"]]
    if not _is_number(share) or not 0 <= share < 1:
        raise ValueError(f"`max_missing` must be from 0 to below 1. Received: max_missing={share}")
    if not isinstance(recipe["balance"], bool):
        raise ValueError(f"`balance` must be True or False. Received: {recipe['balance']!r}")
    _check_scoring(recipe, kind)
    return recipe | {
        "max_missing": float(share),
        "targets": _checked_targets(recipe["targets"], kind),
        "options": _checked_own(recipe, kind),
        "threshold_options": _checked_options(recipe["threshold"], recipe["threshold_options"]),
        "preprocessing": _checked_preprocessing(recipe["preprocessing"]),
    }


def _check_scoring(recipe, kind):
    """Refuse scores that do not go together."""
    if recipe["score"] != "distance":
        return
    if recipe["aggregation"] == "last":
        raise ValueError(
            "`aggregation` must be 'window' or 'overlap' for the score 'distance', which is that "
            "of a whole window. Received: aggregation='last'"
        )
    if kind.one_score or recipe["balance"]:
        reason = f"a {kind.title}, which scores windows as a whole" if kind.one_score else "balance"
        raise ValueError(
            f"`score` must be 'mae' or 'mse' with {reason}. Received: score='distance'"
        )


def checked_rows(series, features=None, name="series"):
    """Return a series as a frame of floats, sure to be in order and without infinities.

    Parameters
    ----------
    series : DataFrame or Series of n_times rows
        NaN is a missing value.
    features : list of str, optional
        The columns that it must have. They come back in this order.
    name : str
        What to call it in an error.

    Returns
    -------
    DataFrame of n_times rows and n_features columns, float64, with the index of `series`

    Raises
    ------
    ValueError
        If it is not a pandas object, has other columns, holds texts or infinities, or its index
        does not strictly increase.

    Examples
    --------
    >>> checked_rows(pd.Series([1, 2], name="close"))["close"].tolist()
    [1.0, 2.0]
    """
    if isinstance(series, pd.Series):
        only = features[0] if features and len(features) == 1 else "value"
        series = series.to_frame(only if series.name is None else series.name)
    if not isinstance(series, pd.DataFrame):
        raise ValueError(
            f"`{name}` must be a pandas DataFrame or Series. Received: {type(series).__name__}"
        )
    columns, dtypes = list(series.columns), list(series.dtypes)
    _check_columns(columns, features, name)
    texts = [key for key, dtype in zip(columns, dtypes, strict=True) if dtype.kind not in "biuf"]
    if texts:
        raise ValueError(f"`{name}` must hold numbers. Received: column {texts[0]!r} with others")
    # A row of a stream has all this already, and pandas would take longer than the network.
    frame = series if features in (None, columns) else series[features]
    frame = frame if dtypes == [np.float64] * len(dtypes) else frame.astype("float64")
    _check_order(frame.index, name)
    _check_finite(frame, name)
    return frame


def checked_recordings(series, features=None, name="series"):
    """Return the recordings that somebody gave as one, several, or groups of one frame.

    Parameters
    ----------
    series : DataFrame or Series, or list of such
        A list holds separate recordings. Of a MultiIndex all levels but the last name the
        recording that a row belongs to.
    features : list of str, optional
        The columns that each must have; by default those of the first.
    name : str
        What to call it in an error.

    Returns
    -------
    dict of recording to DataFrame
        As `checked_rows` returns them. The key is None for a single recording, its place in a
        list, or the name of its group.

    Raises
    ------
    ValueError
        As `checked_rows`, if there is no recording, or a row belongs to none.

    Examples
    --------
    >>> index = pd.MultiIndex.from_product([["left", "right"], [1, 2]])
    >>> found = checked_recordings(pd.Series([1.0, 2.0, 3.0, 4.0], index, name="load"))
    >>> {name: rows["load"].tolist() for name, rows in found.items()}
    {'left': [1.0, 2.0], 'right': [3.0, 4.0]}
    """
    if isinstance(series, list | tuple):
        given = dict(enumerate(series))
    elif isinstance(getattr(series, "index", None), pd.MultiIndex):
        given = _groups(series, name)
    else:
        return {None: checked_rows(series, features, name)}
    if not given:
        raise ValueError(f"`{name}` must hold a recording. Received: none")
    found = {}
    for key, rows in given.items():
        found[key] = checked_rows(rows, features, f"{name}[{key!r}]")
        features = list(found[key].columns)
    return found


def _groups(series, name):
    levels = list(range(series.index.nlevels - 1))
    if series.index.to_frame().iloc[:, levels].isna().any(axis=None):
        raise ValueError(f"`{name}` must name the group of each row. Received: rows without a name")
    levels = levels[0] if len(levels) == 1 else levels
    return {key: rows.droplevel(levels) for key, rows in series.groupby(level=levels, sort=False)}


def check_later(index, last, name):
    """Refuse rows that do not come after another one.

    Examples
    --------
    >>> check_later(pd.RangeIndex(3), 2, "rows")
    Traceback (most recent call last):
    ValueError: `rows` must be later than the last one, 2. Received: 0
    """
    try:
        is_later = index[0] > last
    except TypeError:
        is_later = False
    if not is_later:
        raise ValueError(f"`{name}` must be later than the last one, {last}. Received: {index[0]}")


def network_options(kind, units, latent, learning_rate):
    """Return the `options` of a network from two sizes that all networks share.

    Parameters
    ----------
    kind : str
        A network of `kinds.KINDS`.
    units, latent : int
        The wider and the narrower width. A forecaster's two layers have them in the order
        of an autoencoder's encoder and decoder, and so as many parameters.
    learning_rate : float

    Returns
    -------
    dict

    Examples
    --------
    >>> network_options("lstm_forecaster", units=16, latent=4, learning_rate=0.01)
    {'units': (4, 16), 'learning_rate': 0.01}
    """
    family, _, output = kind.partition("_")
    sizes = {"units": units, "latent": latent}
    if family == "conv":
        sizes = {"filters": (units, max(units // 2, 1)), "latent": latent}
    elif output == "forecaster":
        sizes = {"units": (latent, units)}
    elif family == "dense":
        sizes = {"units": (units,), "latent": latent}
    return {**sizes, "learning_rate": learning_rate}


def rule_options(rule, option):
    """Return the `threshold_options` of a rule from the one number that it takes.

    Parameters
    ----------
    rule : str
        One of `RULES`.
    option : float
        0 for the rule's own default.

    Returns
    -------
    dict or None
        None for the default.

    Raises
    ------
    ValueError
        If the rule takes no number, or needs one.

    Examples
    --------
    >>> rule_options("mean_plus_sigma", 2.0), rule_options("maximum", 0.0)
    ({'k': 2.0}, None)
    """
    choice("threshold", rule, RULES)
    taken = list(inspect.signature(getattr(thresholds, rule)).parameters.values())[1:]
    if not option and not (taken and taken[0].default is inspect.Parameter.empty):
        return None
    if not taken or not option:
        needs = f"be above 0, its `{taken[0].name}`," if taken else "be 0, as it takes none,"
        raise ValueError(f"`option` must {needs} for the rule {rule!r}. Received: option={option}")
    return {taken[0].name: option}


def try_rule(rule, options, count):
    """Try a threshold rule on so many made-up scores: what it refuses shows before any training.

    Examples
    --------
    >>> try_rule("peaks_over_threshold", {}, count=2000)
    """
    scores = np.random.default_rng(0).exponential(size=count)
    float(getattr(thresholds, rule)(scores, **options))


def _check_columns(columns, features, name):
    lines = [key for key in columns if isinstance(key, str) and key.splitlines() == [key]]
    are_names = len(lines) == len(columns) and all(key.strip() for key in lines)
    if not columns or not are_names or len(set(columns)) < len(columns):
        raise ValueError(
            f"`{name}` must have columns with names (texts of one line) that differ. "
            f"Received: {columns}"
        )
    if features is not None and set(columns) != set(features):
        raise ValueError(f"`{name}` must have the columns {features}. Received: {columns}")


def _check_order(index, name):
    if index.nlevels > 1:
        raise ValueError(f"`{name}` must be of one recording. Received: an index of groups")
    if not (index.is_monotonic_increasing and index.is_unique):
        raise ValueError(
            f"`{name}` must have an index that increases, each entry once, oldest first. "
            f"Received: an index from {index[0]} to {index[-1]} that does not"
        )


def _check_finite(frame, name):
    wrong = np.abs(frame.to_numpy()) > LARGEST
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            f"`{name}` must not hold infinities or numbers beyond {LARGEST:g}; NaN is a missing "
            f"value. Received: {frame.iloc[row, column]} in column {frame.columns[column]!r} "
            f"at {frame.index[row]}"
        )


def _is_number(value):
    # To Python, True is a number.
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and abs(value) <= LARGEST


def _checked_own(recipe, kind):
    """The options of the kind itself, sure to be known and plain."""
    options = {} if recipe["options"] is None else recipe["options"]
    if not isinstance(options, dict):
        raise ValueError(f"`options` must be a dict of settings. Received: {options!r}")
    for name, value in options.items():
        choice("options", name, kind.options)
        plain = value is None or isinstance(value, str) or _is_number(value)
        widths = isinstance(value, list | tuple) and all(map(_is_number, value))
        if not plain and not widths:
            raise ValueError(
                f"`options` must hold numbers, words and lists of numbers. "
                f"Received: {name}={value!r}"
            )
    choice("activation", options.get("activation", "tanh"), ACTIVATIONS)
    # JSON has no tuples, and the builders distinguish `()` from a list.
    options = {name: tuple(v) if isinstance(v, list) else v for name, v in options.items()}
    if kind.family != "network":  # made in no time: what it refuses shows at once
        try:
            kind.make(recipe["window"], 1, recipe["horizon"], 0, **options)
        except TypeError as error:
            raise ValueError(f"`options` must hold numbers. Received: {options}") from error
    return options


def _checked_targets(targets, kind):
    """Names of columns; of which series they must be is known when there is one."""
    if targets is None:
        return None
    names = list(targets) if isinstance(targets, list | tuple) else []
    if not names or len(set(map(str, names))) < len(names):
        raise ValueError(f"`targets` must be a list of columns that differ. Received: {targets!r}")
    if kind.one_score:
        raise ValueError(
            f"`targets` must be None for a {kind.title}, which scores windows as a whole. "
            f"Received: targets={targets!r}"
        )
    return names


def _checked_preprocessing(settings):
    if settings is None:
        return None
    if not isinstance(settings, dict):
        raise ValueError(f"`preprocessing` must be a dict of settings. Received: {settings!r}")
    for name in settings:
        choice("preprocessing", name, inspect.signature(Preprocessing).parameters)
    return Preprocessing(**settings).settings


def _checked_options(threshold, options):
    if options is None:
        options = {"q": 99.0} if threshold == "percentile" else {}
    if not isinstance(options, dict) or not all(map(_is_number, options.values())):
        raise ValueError(
            f"`threshold_options` must be a dict of numbers. Received: threshold_options={options}"
        )
    try:
        try_rule(threshold, options, 1000)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`threshold_options` must suit the rule {threshold!r}. Received: {options} ({error})"
        ) from error
    return dict(options)
