"""Running the grid of the comparison study: on this machine, or on a Dask cluster.

A cell is one detector with one seed on one data set. The process that computes it returns rows;
the process that was started writes them down (`lib.study.results`). So workers need no common
disk, only this project, and the fetched data where those are wanted.
"""

import functools
import importlib.util
import json
import math
import os
import sys
import time

import joblib
import numpy as np
from tqdm import tqdm

from lib import errors
from lib.course import fingerprints
from lib.course.execution import take_one_thread
from lib.detectors import KINDS, Detector
from lib.errors import ParameterError
from lib.metrics.summary import study_metrics, threshold_free
from lib.study import comparison, configurations, datasets, grid
from lib.study.results import Results

BACKENDS = ("loky", "dask")
# What a result depends on, with all that this imports.
COMPUTING = ["import lib.study.turbine, lib.study.configurations, lib.metrics.summary"]
# But for these: what was read, each row proves by a hash of its own.
NOT_COMPUTING = ("data", "detectors.storage", "detectors.stream", "errors")
# What the same code need not give twice, and what of a network no processor changes.
VARYING = ("key", "code", "made_by", "versions", "fit_seconds", "score_seconds")
SETTINGS = ("sha256", "trainer", "configuration", "window", "parameters", "points", "anomalous")
WAYS = ("score", "aggregation", "smooth")  # in which configurations of one training differ
PATIENCE = 60  # seconds to wait for a first worker of a cluster


def run(path, *, jobs=1, backend="loky", scheduler=None, again=False):
    """Run what is missing of a grid.

    Parameters
    ----------
    path : pathlib.Path
        The grid file, see `lib.study.grid`.
    jobs : int
        Processes on this machine, each with one thread.
    backend : {"loky", "dask"}
    scheduler : str, optional
        Address of a Dask scheduler, such as "tcp://10.0.0.1:8786". Its workers need one thread
        each.
    again : bool
        Also what is done already.

    Returns
    -------
    list of dict
        The rows of the grid that failed; empty if all is well.

    Raises
    ------
    ParameterError
        If the grid or an argument is of no use; nothing has been run then.
    """
    check_backend(backend, scheduler)
    plan = grid.read(path)
    cells = _by_key(plan)
    for name in plan.absent:
        print(f"left out: {name}, which does not ship (`python -m lib fetch {name}` fetches it)")
    with Results(plan.table) as results:
        sizes = {k: len(c["thresholds"]) * len(c["configurations"]) for k, c in cells.items()}
        done = set() if again else results.done(sizes)
        todo = {key: cell for key, cell in cells.items() if key not in done}
        print(f"{len(cells)} cells, {len(done)} done before, {len(todo)} to do", flush=True)
        try:
            _work_off(todo, results, again, functools.partial(_compute, jobs, backend, scheduler))
        finally:
            rows = [row for row in results.merge() if row["key"] in cells]
    others = sum(row["code"] != code_hash() for row in rows)
    if others:
        print(
            f"{others} rows were made by other code than today's: `--again` makes them anew, "
            "`--sample 200` some of them"
        )
    return [row for row in rows if row["error"]]


def sample(path, count, *, jobs=1, backend="loky", scheduler=None):
    """Compute some finished cells anew; if all come out the same, stamp the table as of this code.

    A change of code that should change no result makes a table stale. To run the grid again takes
    hours, a sample minutes. It does not prove that all other cells would come out the same: a
    stamped row keeps the hash of the code that computed it, in `made_by`. On another processor the
    training of a network ends elsewhere, as with another seed; so of networks `SETTINGS` are
    compared, and the mean of VUS-PR over the sample, within `comparison.MARGIN`; of all others
    every number.

    Parameters
    ----------
    path : pathlib.Path
        The grid file; cells that it does not have are neither computed nor stamped.
    count : int
        Cells at least; there is one of each detector on each collection, whatever the number.
    jobs, backend, scheduler
        As in `run`.

    Returns
    -------
    list of dict
        Rows of the table that come out otherwise, each with `found`, the first difference; if
        there is any, nothing is stamped.

    Raises
    ------
    ParameterError
        If the grid is of no use or has no finished cell, or its networks are not as good as before.
    """
    check_backend(backend, scheduler)
    plan = grid.read(path)
    cells = _by_key(plan)
    with Results(plan.table) as table:
        stored = {key: rows for key, rows in table.rows().items() if key in cells}
        chosen = _spread(stored, count)
        if not chosen:
            raise ParameterError(f"`grid` must have a finished cell. Received: {path}, with none")
        others, networks = [], []
        made = _compute(jobs, backend, scheduler, ((key, cells[key]) for key in chosen))
        for key, rows in _bar(len(chosen), made):
            is_network = KINDS[cells[key]["detector"]].family == "network"
            others += _otherwise(stored[key], rows, SETTINGS if is_network else None)
            if is_network and not rows[0]["error"]:
                networks.append((stored[key][0]["vus_pr"], rows[0]["vus_pr"]))
        print(f"{len(chosen)} of {len(stored)} cells computed anew, {len(others)} rows differ")
        _check_networks(networks)
        if not others:
            for key in stored:
                stored[key] = [_stamped(row) for row in stored[key]]
            table.replace(stored)
    return others


def _by_key(plan):
    """The cells of a grid by their keys, each with who trains its networks."""
    return {grid.key_of(cell): {**cell, "trainer": plan.trainer} for cell in plan.cells}


def _bar(total, cells=None):
    """A progress bar over cells, for a person who looks on."""
    return tqdm(cells, total=total, unit="cell", disable=not sys.stderr.isatty())


def _check_networks(pairs):
    """Refuse networks that are not as good as before; a pair is VUS-PR as stored and anew."""
    if not pairs:
        return
    before, after = np.nanmean(np.array(pairs, dtype=float), axis=0)
    print(f"{len(pairs)} cells of networks: mean VUS-PR {after:.4f}, stored {before:.4f}")
    if not abs(after - before) <= comparison.MARGIN:
        raise ParameterError(
            f"`grid` must have networks that are as good with this code. Received: a mean VUS-PR "
            f"of {after:.4f}, {before:.4f} is stored"
        )


def _spread(stored, count):
    """Keys of cells, the same each time: one of each detector and collection, then others."""
    order = sorted(stored)  # by their hashes: in no order that has a meaning
    first = {tuple(stored[key][0][n] for n in ("detector", "collection")): key for key in order}
    chosen = dict.fromkeys(first.values())
    rest = [key for key in order if key not in chosen]
    return [*chosen, *rest[: max(0, count - len(chosen))]]


def _otherwise(stored, made, names=None):
    """The stored rows that were not made anew, by some names or all, with the first difference."""
    if len(stored) != len(made):
        return [{**row, "found": f"{len(made)} rows"} for row in stored]
    found = []
    for one, other in zip(stored, made, strict=True):
        for name in names or [name for name in one if name not in VARYING]:
            value = one.get(name)
            if not _equal(value, other.get(name)):
                found.append({**one, "found": f"{name} {other.get(name)!r}, stored {value!r}"})
                break
    return found


def _equal(stored, made):
    """Alike to the sixth digit; JSON has None for NaN."""
    if isinstance(made, float):
        return made != made if stored is None else math.isclose(stored, made, rel_tol=1e-6)
    return stored == made


def _stamped(row):
    is_other = row["code"] != code_hash()
    made_by = {"made_by": row.get("made_by", row["code"])} if is_other else {}
    return {**row, "code": code_hash(), **made_by}


def check_backend(backend, scheduler):
    """Refuse what cannot work, with the reason.

    Examples
    --------
    >>> check_backend("loky", None)
    >>> check_backend("dask", "10.0.0.1:8786")
    Traceback (most recent call last):
    lib.errors.ParameterError: `scheduler` must be an address such as \
tcp://127.0.0.1:8786, for the backend dask alone. Received: scheduler='10.0.0.1:8786'
    """
    if backend not in BACKENDS:
        raise ParameterError(f"`backend` must be loky or dask. Received: backend={backend!r}")
    address = scheduler is not None and scheduler.startswith(("tcp://", "tls://"))
    if address != (backend == "dask"):
        raise ParameterError(
            "`scheduler` must be an address such as tcp://127.0.0.1:8786, for the backend dask "
            f"alone. Received: scheduler={scheduler!r}"
        )
    if backend == "dask" and not importlib.util.find_spec("distributed"):
        raise ParameterError(
            "`backend` dask needs the optional extra: "
            'python -m pip install -c constraints.txt -e ".[study]". Received: no such package'
        )


def run_cell(cell):
    """Fit, score and evaluate one cell.

    Parameters
    ----------
    cell : dict
        As `lib.study.grid.read` makes it.

    Returns
    -------
    list of dict
        One row for each configuration and threshold rule: settings, seconds, how training went,
        metrics, versions, who trained, and hashes of data and code. Of several detectors, whose
        scores are averaged, window, parameters and training are those of the first. A cell that
        fails has one row, with `error`, the reason.
    """
    take_one_thread()
    before = os.environ.get("LIB_TRAINER")
    os.environ["LIB_TRAINER"] = cell.get("trainer", "numpy")
    try:
        return _rows(cell)
    finally:
        if before is None:
            del os.environ["LIB_TRAINER"]
        else:
            os.environ["LIB_TRAINER"] = before


def _rows(cell):
    base = {
        **{name: cell[name] for name in ("data", "detector", "seed", "part")},
        **datasets.facts(cell["data"]),
        "changes": json.dumps(cell["changes"], sort_keys=True),
        "position": 0,
        "error": None,
        "code": code_hash(),
        "versions": fingerprints.versions(),
        "trainer": errors.trainer(),
    }
    try:
        base["sha256"] = datasets.digest(cell["data"])
        return [{**base, "position": place, **row} for place, row in enumerate(_evaluated(cell))]
    except Exception as error:
        # Whatever it is, the other cells go on, and the row says what it was.
        return [{**base, "error": f"{type(error).__name__}: {error}"}]


def _evaluated(cell):
    """Yield what differs between the rows of a cell: the configurations and threshold rules."""
    one, detectors = datasets.load(cell["data"]), ()
    for configuration in cell["configurations"]:
        if len(detectors) != 1:
            started = time.perf_counter()
            members = configurations.members({**cell, "configuration": configuration})
            detectors, hows = zip(*(_fitted(member, one) for member in members), strict=True)
            fit_seconds = time.perf_counter() - started
        else:  # the same training, other scores
            recipe = configurations.recipe(cell["detector"], configuration, one, **hows[0])
            ways = {name: recipe[name] for name in WAYS if name in recipe}
            detectors = [detectors[0].rescored(one.train, one.validation, **ways)]
        started = time.perf_counter()
        scores = _mean_scores([d.decision_function(one.series) for d in detectors], detectors)
        scores = scores[one.labels.index]
        facts = {
            "configuration": configuration,
            "window": detectors[0].window,
            "attempt": hows[0]["attempt"],
            "parameters": detectors[0].n_parameters_,
            "fit_seconds": fit_seconds,
            "score_seconds": time.perf_counter() - started,
            **_training(detectors[0].history_),
            "covered": float(scores.notna().mean()),
            "anomalous": int(one.labels.sum()),  # points; with it, counts can be pooled
        }
        scores = scores.fillna(scores.min())  # without enough history no row is called anomalous
        free = threshold_free(one.labels, scores)
        usual = _mean_scores([d.validation_scores_ for d in detectors], detectors).dropna()
        for rule in cell["thresholds"]:
            threshold = grid.threshold_of(rule, usual)
            metrics = study_metrics(one.labels, scores, threshold, free=free)
            yield {**facts, "rule": rule, "threshold": threshold, **metrics}


def _fitted(member, one):
    """Fit a detector; a network that learned nothing gets the next window, and the best is kept.

    Returns the detector and the arguments of its recipe.
    """
    tried, (kind, configuration, how) = [], member
    for attempt in range(len(one.geometries)):
        how = {**how, "attempt": attempt}
        recipe = configurations.recipe(kind, configuration, one, **how)
        detector = Detector(**recipe).fit(one.train, one.validation)
        ratio = detector.history_.attrs.get("ratio", 0.0)  # 0 for what is no network
        tried.append((ratio, detector, how))
        if ratio <= configurations.LEARNED:
            break
    return min(tried, key=lambda fit: fit[0])[1:]


def _mean_scores(scores, detectors):
    """The scores of one detector; of several the mean, each divided by its usual score."""
    if len(detectors) == 1:
        return scores[0]
    usual = [detector.validation_scores_.mean() for detector in detectors]
    return sum(one / of for one, of in zip(scores, usual, strict=True)) / len(scores)


def _training(history):
    """How the training of a network went; nothing for other kinds."""
    if not len(history):
        return {}
    facts = {name: history.attrs.get(name) for name in ("steps", "stopped", "ratio")}
    return facts | {"loss": history["loss"].iloc[-1], "val_loss": history["val_loss"].min()}


@functools.cache
def code_hash():
    """Return the SHA-256 of all code of `lib` that a result depends on, 16 digits of it."""
    return fingerprints.modules_hash(COMPUTING, without=NOT_COMPUTING)[:16]


def _work_off(todo, results, again, compute):
    """Compute all cells that no other run has claimed; wait for the others."""
    waiting = dict(todo)
    with _bar(len(todo)) as bar:
        while waiting:
            mine = _claimed(waiting, results, again)
            for key, rows in compute(mine):
                results.store(key, rows)
                results.release(key)
                del waiting[key]
                bar.update()
            for key in [key for key in waiting if not again and results.is_done(key)]:
                del waiting[key]
                bar.update()
            if waiting:
                time.sleep(0.5)


def _claimed(waiting, results, again):
    """Yield cells one by one, when a process is free for it, each claimed for this run."""
    for key, cell in list(waiting.items()):
        if results.claim(key):
            if again or not results.is_done(key):
                yield key, cell
            else:
                results.release(key)


def _with_key(key, cell):
    return key, run_cell(cell)


def _compute(jobs, backend, scheduler, cells):
    """Yield the rows of cells as they come, in no order."""
    if backend == "loky" and jobs == 1:
        yield from (_with_key(*cell) for cell in cells)
        return
    options, ahead = {"n_jobs": jobs, "inner_max_num_threads": 1}, "n_jobs"
    if backend == "dask":
        options = {"scheduler_host": scheduler, "wait_for_workers_timeout": PATIENCE}
        ahead = "2 * n_jobs"  # some for workers that come later, and for the way there
    with joblib.parallel_config(backend=backend, **options):
        # One at a time: a cell takes seconds, and what is claimed is kept from other runs.
        parallel = joblib.Parallel(
            return_as="generator_unordered", batch_size=1, pre_dispatch=ahead
        )
        yield from parallel(joblib.delayed(_with_key)(*cell) for cell in cells)
