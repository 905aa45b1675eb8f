"""Running the grid of the comparison study: on this machine, or on a Dask cluster.

A cell is one detector with one seed on one data set. The process that computes it returns rows;
the process that was started writes them down (`lib.study.results`). So workers need no common
disk, only this project, and the fetched data where those are wanted.
"""

import functools
import importlib.util
import json
import sys
import time

import joblib
import numpy as np
import pandas as pd
from tqdm import tqdm

from lib import errors, scoring
from lib.course import fingerprints
from lib.course.execution import take_one_thread
from lib.errors import ParameterError
from lib.study import datasets, detectors, grid
from lib.study.results import Results

BACKENDS = ("loky", "dask")
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
    _check_trainer()
    plan = grid.read(path)
    cells = {grid.key_of(cell): cell for cell in plan.cells}
    for name in plan.absent:
        print(f"left out: {name}, which does not ship (`python -m lib fetch {name}` fetches it)")
    with Results(plan.table) as results:
        done = set() if again else results.done() & set(cells)
        todo = {key: cell for key, cell in cells.items() if key not in done}
        print(f"{len(cells)} cells, {len(done)} done before, {len(todo)} to do", flush=True)
        try:
            _work_off(todo, results, again, functools.partial(_compute, jobs, backend, scheduler))
        finally:
            rows = [row for row in results.merge() if row["key"] in cells]
    others = sum(row["code"] != code_hash() for row in rows)
    if others:
        print(f"{others} rows were made by other code than today's; `--again` makes them anew")
    return [row for row in rows if row["error"]]


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


def _check_trainer():
    try:
        errors.trainer()
    except ValueError as error:
        raise ParameterError(str(error)) from error


def run_cell(cell):
    """Fit, score and judge one cell.

    Parameters
    ----------
    cell : dict
        As `lib.study.grid.read` makes it.

    Returns
    -------
    list of dict
        One row for each threshold rule: settings, seconds, metrics, versions, who trained, and
        the SHA-256 of data and code. A cell that fails has one row, with `error`, the reason.
    """
    take_one_thread()
    base = {
        **{name: cell[name] for name in ("data", "detector", "seed", "window")},
        "settings": json.dumps(cell["budget"], sort_keys=True),
        "position": 0,
        "error": None,
        "sha256": datasets.digest(cell["data"]),
        "code": code_hash(),
        "versions": fingerprints.versions(),
        "trainer": errors.trainer(),
    }
    try:
        return [{**base, "position": place, **row} for place, row in enumerate(_judged(cell))]
    except Exception as error:
        # Whatever it is, the other cells go on, and the row says what it was.
        return [{**base, "error": f"{type(error).__name__}: {error}"}]


def _judged(cell):
    """Yield what differs between the rows of a cell: the rules, and all that depends on them."""
    from lib.metrics.summary import study_metrics, threshold_free

    contest = datasets.load(cell["data"])
    budget = detectors.Budget(**cell["budget"])
    window = cell["window"] or contest.window
    calibration, scores, facts = detectors.scores(
        cell["detector"],
        *(contest.train, contest.validation, contest.series),
        window=window,
        seed=cell["seed"],
        budget=budget,
        period=contest.period,
    )
    smoothed = functools.cache(functools.partial(_smoothed, contest, calibration, scores))
    free = functools.cache(lambda rows: threshold_free(contest.labels, smoothed(rows)[1]))
    for given in cell["thresholds"]:
        rule = {"smooth": 1, "factor": 1.0, **given}
        usual, judged = smoothed(rule["smooth"])
        line = grid.threshold_of(rule, usual, judged, contest.labels)
        metrics = study_metrics(contest.labels, judged, line, free=free(rule["smooth"]))
        metrics["anomalous"] = int(contest.labels.sum())  # points; with it, counts can be pooled
        yield {"window": window, **cell["budget"], **facts, **rule, "threshold": line, **metrics}


def _smoothed(contest, calibration, scores, rows):
    """Mean over the last rows, known when the row is: of the calibration, and of what is judged."""
    usual, judged = (
        pd.Series(scoring.trailing_mean(part.to_numpy()[:, np.newaxis], rows)[:, 0], part.index)
        for part in (calibration, scores)
    )
    judged = judged[contest.labels.index]
    return usual, judged.fillna(judged.min())  # without enough history no row is called anomalous


@functools.cache
def code_hash():
    """Return the SHA-256 of all code of `lib` that a result depends on, 16 digits of it."""
    packages = ("lib.study.datasets", "lib.study.detectors", "lib.study.networks")
    rest = ("lib.metrics.summary", "lib.thresholds")
    imports = [f"import {name}" for name in (*packages, *rest)]
    return fingerprints.modules_hash(imports)[:16]


def _work_off(todo, results, again, compute):
    """Compute all cells that nobody else has; wait for those that somebody else has."""
    waiting = dict(todo)
    with tqdm(total=len(todo), unit="cell", disable=not sys.stderr.isatty()) as bar:
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
