"""The grid of the comparison study: a small TOML file, read and checked before anything runs.

It looks like this::

    table = "study.jsonl"                 # beside the grid file

    [budget]                              # of every network: lib.study.detectors.Budget
    epochs = 20

    [[study]]                             # one or more; each is a product of its lists
    data = ["ucr_135", "nab"]             # names, or families of names
    detectors = ["network", "discord"]    # names, or families of names
    seeds = [0, 1, 2, 3, 4]
    thresholds = ["maximum", {rule = "percentile", q = 99.0, smooth = 6}]  # mean of 6 rows
    vary = {latent = [2, 8]}              # optional: settings of the budget, or window
"""

import itertools
import json
import tomllib
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path

import numpy as np

from lib import thresholds
from lib.errors import ParameterError, did_you_mean, whole
from lib.study import datasets
from lib.study.detectors import KINDS, Budget

RULES = (
    *("maximum", "percentile", "mean_plus_sigma", "mad", "conformal"),
    *("peaks_over_threshold", "dynamic", "fixed", "oracle"),
)
TABLES = (".jsonl", ".jsonl.gz")
BESIDE = ("rule", "factor", "smooth")  # what stands beside the options of a rule
TOP = ("table", "budget", "study")
BLOCK = ("data", "detectors", "seeds", "thresholds", "vary")
BUDGET = tuple(field.name for field in fields(Budget))
FAMILIES = tuple(dict.fromkeys(kind.family for kind in KINDS.values()))


@dataclass(frozen=True)
class Grid:
    """What is to be run: the `table` to fill, its `cells`, and the data sets that are `absent`."""

    table: Path
    cells: tuple
    absent: tuple


def read(path):
    """Read a grid.

    Parameters
    ----------
    path : pathlib.Path

    Returns
    -------
    Grid
        Each cell is a dict of plain values: `data`, `detector`, `seed`, `window` (None for that
        of the data set), `budget` and `thresholds`. Those on data that have not been fetched are
        left out. A detector without random numbers gets the first seed alone.

    Raises
    ------
    ParameterError
        That names the setting, what it accepts and what came.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ParameterError(f"`grid` must be TOML. Received: {path} ({error})") from error
    try:
        return _grid(path, content)
    except ValueError as error:
        raise ParameterError(f"{path}: {error}") from error


def key_of(cell):
    """Return what tells a cell from all others: 16 digits from its settings and its data.

    Examples
    --------
    >>> cell = {"data": "ucr_135", "detector": "random", "seed": 0}
    >>> len(key_of(cell)), key_of(cell) == key_of(cell | {"seed": 1})
    (16, False)
    """
    text = json.dumps([cell, datasets.digest(cell["data"])], sort_keys=True)
    return sha256(text.encode()).hexdigest()[:16]


def _grid(path, content):
    _check_names("grid", content, TOP)
    table = content.get("table", f"{path.stem}.jsonl")
    if not isinstance(table, str) or Path(table).name != table or not table.endswith(TABLES):
        raise ValueError(
            f"`table` must be the name of a .jsonl or .jsonl.gz file beside the grid. "
            f"Received: table={table!r}"
        )
    blocks = content.get("study", [])
    if not isinstance(blocks, list) or not blocks or not all(isinstance(b, dict) for b in blocks):
        raise ValueError("`study` must be one or more tables, [[study]]. Received: none")
    budget = _table("budget", content.get("budget", {}), BUDGET)
    Budget(**budget)
    cells = {}
    for block in blocks:
        cells |= {json.dumps(cell, sort_keys=True): cell for cell in _cells(block, budget)}
    ordered = sorted(cells.values(), key=lambda cell: cell["seed"])  # first results come soon
    here = {name: datasets.is_here(name) for name in {cell["data"] for cell in ordered}}
    present = tuple(cell for cell in ordered if here[cell["data"]])
    absent = tuple(sorted(name for name in here if not here[name]))
    return Grid(path.parent / table, present, absent)


def _cells(block, budget):
    """Yield the cells of one block."""
    _check_names("study", block, BLOCK)
    data = [name for word in _list(block, "data", str) for name in datasets.names(word)]
    detectors = [name for word in _list(block, "detectors", str) for name in _detectors(word)]
    seeds = [whole("seeds", seed, 0, 2**32 - 1) for seed in _list(block, "seeds", int)]
    rules = [_rule(given) for given in _list(block, "thresholds", str | dict)]
    vary = _table("vary", block.get("vary", {}), ("window", *BUDGET))
    choices = [[(name, value) for value in _list(vary, name, object)] for name in vary]
    for chosen in itertools.product(*choices):
        changed = dict(chosen)
        window = changed.pop("window", None)
        settings = {
            "window": window if window is None else whole("window", window, 2, 10_000),
            "budget": asdict(Budget(**{**budget, **changed})),
            "thresholds": rules,
        }
        for seed, name, detector in itertools.product(seeds, data, detectors):
            volatile = detector != "ewma_volatility" or name in datasets.RETURNS
            if volatile and (KINDS[detector].seeded or seed == seeds[0]):
                yield {"data": name, "detector": detector, "seed": seed, **settings}


def _detectors(word):
    chosen = [name for name, kind in KINDS.items() if word in (name, kind.family)]
    if not chosen:
        options = [*FAMILIES, *KINDS]
        raise ValueError(
            f"`detectors` must hold names among {', '.join(options)}. "
            f"Received: {word!r}.{did_you_mean(word, options)}"
        )
    return chosen


def _rule(given):
    """A threshold rule with its options, tried on made-up scores."""
    options = dict(given) if isinstance(given, dict) else {"rule": given}
    rule = options.pop("rule", None)
    if rule not in RULES:
        raise ValueError(
            f"`thresholds` must hold rules among {', '.join(RULES)}. "
            f"Received: {rule!r}.{did_you_mean(rule, RULES)}"
        )
    scores = np.random.default_rng(0).exponential(size=1000)
    whole("smooth", options.get("smooth", 1))
    try:
        threshold_of({"rule": rule, **options}, scores, scores, scores > 5)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`thresholds` must suit the rule {rule!r}. Received: {options} ({error})"
        ) from error
    return {"rule": rule, **options}


def threshold_of(rule, calibration, scores, labels):
    """Apply a threshold rule as a grid names it.

    Parameters
    ----------
    rule : dict
        `rule`, a function of `lib.thresholds`, its options, and `factor`, which the threshold is
        multiplied by (below zero: moved up by as much). Its `smooth` is for those who make the
        scores.
    calibration : array-like of float
        Scores of the validation rows.
    scores, labels : array-like
        Of the judged rows: for "oracle", which is no rule but an upper bound, alone.

    Returns
    -------
    float

    Examples
    --------
    >>> threshold_of({"rule": "maximum", "factor": 1.5}, [1.0, 2.0], [], [])
    3.0
    >>> threshold_of({"rule": "maximum", "factor": 1.5}, [-3.0, -2.0], [], [])
    -1.0
    """
    options = {name: value for name, value in rule.items() if name not in BESIDE}
    function = getattr(thresholds, rule["rule"])
    given = (scores, labels) if rule["rule"] == "oracle" else (calibration,)
    line = function(*given, **options)
    return float(line + (rule.get("factor", 1.0) - 1.0) * abs(line))


def _table(name, given, known):
    if not isinstance(given, dict):
        raise ValueError(f"`{name}` must be a table. Received: {name}={given!r}")
    _check_names(name, given, known)
    return given


def _list(table, name, kind):
    """A list that is not empty, without repetitions, of values of one kind."""
    values = table.get(name)
    if not isinstance(values, list) or not values or not all(isinstance(v, kind) for v in values):
        what = {str: "names", int: "whole numbers"}.get(kind, "values")
        raise ValueError(f"`{name}` must be a list of {what}. Received: {name}={values!r}")
    repeated = [value for place, value in enumerate(values) if value in values[:place]]
    if repeated:
        raise ValueError(f"`{name}` must hold each value once. Received: {repeated[0]!r} twice")
    return values


def _check_names(name, given, known):
    for word in given:
        if word not in known:
            raise ValueError(
                f"`{name}` must have settings among {', '.join(known)}. "
                f"Received: {word!r}.{did_you_mean(word, known)}"
            )
