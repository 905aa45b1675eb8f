"""The grid of the comparison study: a small TOML file, read and checked before anything runs.

It looks like this::

    table = "study.jsonl.gz"              # beside the grid file
    trainer = "numpy"                     # or "keras": who trains the networks
    thresholds = ["maximum", "percentile 99.5"]    # rules, each with its number

    [chosen]                              # what the tuning found best, written down before
    lstm_autoencoder = "window distance 0.01"      # the evaluation is run

    [[study]]                             # one or more; each is a product of its lists
    data = ["ucr", "nab_nyc_taxi"]        # collections or names
    part = "tuning"                       # or "evaluation"; optional
    detectors = ["network", "pca"]        # families or names
    configurations = "all"                # or "chosen"
    seeds = [0, 1, 2]
    changes = [{latent = 16}, {score = "mse"}]     # optional: each is a run of its own; with
                                          # {seeds = 3} or {beside = "pca"} scores are averaged
"""

import itertools
import json
import tomllib
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from lib import errors, thresholds
from lib.detectors import KINDS
from lib.errors import ParameterError, choice, did_you_mean, whole
from lib.study import configurations, datasets

TABLES = (".jsonl", ".jsonl.gz")
TOP = ("table", "trainer", "thresholds", "chosen", "study")
BLOCK = ("data", "part", "detectors", "configurations", "seeds", "changes")
FAMILIES = tuple(dict.fromkeys(kind.family for kind in KINDS.values()))
PARTS = ("tuning", "evaluation")


@dataclass(frozen=True)
class Grid:
    """What is to be run: the `table` to fill, its `cells`, and the data sets that are `absent`."""

    table: Path
    trainer: str
    chosen: dict
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
        Each cell is a dict of plain values: `data`, `detector`, `configurations` that share one
        training, `changes`, `seed` and `thresholds`. Those on data that have not been fetched are
        left out. A detector without random numbers gets the first seed alone.

    Raises
    ------
    ParameterError
        With the setting, what it accepts and what was received.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"`grid` must be TOML. Received: {path} ({error})") from error
    try:
        return _grid(path, content)
    except ValueError as error:
        raise ParameterError(f"{path}: {error}") from error


def key_of(cell):
    """Return what tells a cell from all others: 16 digits from its settings.

    Examples
    --------
    >>> cell = {"data": "ucr_135", "detector": "random", "seed": 0}
    >>> len(key_of(cell)), key_of(cell) == key_of(cell | {"seed": 1})
    (16, False)
    """
    return sha256(json.dumps(cell, sort_keys=True).encode()).hexdigest()[:16]


def threshold_of(rule, scores):
    """Apply a threshold rule as a grid names it, such as "percentile 99.5", to scores.

    Examples
    --------
    >>> threshold_of("maximum", [1.0, 3.0, 2.0])
    3.0
    """
    name, *number = rule.split()
    return float(getattr(thresholds, name)(scores, *map(float, number)))


def _grid(path, content):
    _check_names("grid", content, TOP)
    table = content.get("table", f"{path.stem}.jsonl")
    if not isinstance(table, str) or Path(table).name != table or not table.endswith(TABLES):
        raise ValueError(
            f"`table` must be the name of a .jsonl or .jsonl.gz file beside the grid. "
            f"Received: table={table!r}"
        )
    trainer = content.get("trainer", "numpy")
    choice("trainer", trainer, errors.TRAINERS)
    rules = [_rule(rule) for rule in _list(content, "thresholds", str)]
    chosen = content.get("chosen", {})
    _check_names("chosen", chosen, KINDS)
    for kind, word in chosen.items():
        choice(f"chosen.{kind}", word, configurations.names(kind))
    blocks = content.get("study", [])
    if not isinstance(blocks, list) or not blocks or not all(isinstance(b, dict) for b in blocks):
        raise ValueError("`study` must be one or more tables, [[study]]. Received: none")
    known, cells = datasets.table(), {}
    for block in blocks:
        for cell in _cells(block, chosen, known):
            cells[key_of(cell)] = cell | {"thresholds": rules}
    here = known["here"]
    present = tuple(cell for cell in cells.values() if here[cell["data"]])
    absent = tuple(sorted({cell["data"] for cell in cells.values() if not here[cell["data"]]}))
    return Grid(path.parent / table, trainer, chosen, present, absent)


def _cells(block, chosen, known):
    """Yield the cells of one block, all data sets of one detector after the other."""
    _check_names("study", block, BLOCK)
    part = block.get("part")
    if part is not None:
        choice("part", part, PARTS)
    data = [name for word in _list(block, "data", str) for name in datasets.names(word, part)]
    kinds = [name for word in _list(block, "detectors", str) for name in _detectors(word)]
    seeds = [whole("seeds", seed, 0, 2**32 - 1) for seed in _list(block, "seeds", int)]
    asked = block.get("configurations")
    choice("configurations", asked, ("all", "chosen"))
    changes = _list(block, "changes", dict) if "changes" in block else [{}]
    changes = [_with_configuration(change, chosen) for change in changes]
    for seed, name, kind in itertools.product(seeds, data, kinds):
        if KINDS[kind].of_returns and name not in datasets.RETURNS:
            continue
        if not KINDS[kind].seeded and seed != seeds[0]:
            continue
        if asked == "chosen" and kind not in chosen:
            raise ValueError(
                f"`chosen` must hold the configuration of each detector. Received: none of {kind!r}"
            )
        groups = configurations.fits(kind) if asked == "all" else [(chosen[kind],)]
        for group, change in itertools.product(groups, changes):
            cell = {"data": name, "detector": kind, "configurations": list(group)}
            yield cell | {"changes": change, "seed": seed, "part": known["part"][name]}


def _with_configuration(change, chosen):
    """A change whose `beside`, a kind, is followed by the configuration that was chosen for it."""
    if "beside" not in change:
        return change
    choice("beside", change["beside"], chosen)
    return {**change, "beside": f"{change['beside']} {chosen[change['beside']]}"}


def _detectors(word):
    choice("detectors", word, [*FAMILIES, *KINDS])
    return [name for name, kind in KINDS.items() if word in (name, kind.family)]


def _rule(rule):
    """A threshold rule with its number, tried on made-up scores."""
    try:
        threshold_of(rule, np.random.default_rng(0).exponential(size=1000))
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"`thresholds` must hold rules of `lib.thresholds`, such as 'maximum' or "
            f"'percentile 99.5'. Received: {rule!r} ({error})"
        ) from error
    return rule


def _list(table, name, kind):
    """A list that is not empty, without repetitions, of values of one kind."""
    values = table.get(name)
    if not isinstance(values, list) or not values or not all(isinstance(v, kind) for v in values):
        what = {str: "names", int: "whole numbers", dict: "tables"}[kind]
        raise ValueError(f"`{name}` must be a list of {what}. Received: {name}={values!r}")
    repeated = [value for place, value in enumerate(values) if value in values[:place]]
    if repeated:
        raise ValueError(f"`{name}` must hold each value once. Received: {repeated[0]!r} twice")
    return values


def _check_names(name, given, known):
    if not isinstance(given, dict):
        raise ValueError(f"`{name}` must be a table. Received: {name}={given!r}")
    for word in given:
        if word not in known:
            raise ValueError(
                f"`{name}` must have settings among {', '.join(known)}. "
                f"Received: {word!r}.{did_you_mean(word, known)}"
            )
