"""Running notebooks side by side: one thread of computation each, whole files or none.

Each notebook is executed by papermill in a process of its own. The kernel is this very Python,
with an environment that is the same for a run, a refresh, and the tests.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from lib import errors
from lib.course import execution, notebooks, outputs, parameters
from lib.course.comparison import with_tolerance
from lib.course.notebooks import NotebookError

# A network of this size gains nothing from a second thread, and a second notebook does. One
# thread also makes the sums, and so the stored outputs, the same on every number of cores.
KERNEL_ENVIRONMENT = {**execution.ONE_THREAD, "LIB_PROGRESS": "0"}
PATIENCE = 15  # seconds in which an interrupted notebook has to stop its kernel


def pytest_configure():
    """Give the kernels that nbval starts the same environment, and cells their tolerance.

    `pyproject.toml` names this hook.
    """
    os.environ.update(KERNEL_ENVIRONMENT)
    from nbval.plugin import IPyNbCell  # only there where tests run

    IPyNbCell.compare_outputs = with_tolerance(IPyNbCell.compare_outputs)


@dataclass(frozen=True)
class Result:
    """What became of one notebook: status is "ok" or "FAILED"."""

    notebook: notebooks.Notebook
    status: str
    seconds: float = 0.0
    where: str = ""


def prepare(chosen, pairs=(), output="build"):
    """Check everything that can be wrong with a run before a kernel starts.

    Takes pairs of name and value as typed; returns the checked values: name of a notebook ->
    {name: value}. It is a ParameterError if one is not accepted, a folder cannot be written to, or
    `LIB_TRAINER` or `KERAS_BACKEND` has an unknown name, and a NotebookError if the output folder
    holds the notebooks themselves.
    """
    values = {n.name: {p: parameters.find(n.name, p).parse(v) for p, v in pairs} for n in chosen}
    errors.trainer()
    try:
        errors.check_backend(os.environ.get("KERAS_BACKEND") or errors.BACKENDS[0])
    except ModuleNotFoundError as error:
        raise errors.ParameterError(str(error)) from error
    for name in ("notebooks", "figures", "tables"):
        outputs.claim(Path(output) / name, "--output")
    for kept in {given["output"] for given in values.values() if given.get("output")}:
        outputs.claim(kept)
    for notebook in chosen:
        if (Path(output) / "notebooks").samefile(notebook.path.parent):
            raise NotebookError(
                "`--output` must not be the folder that holds the notebooks: a run never writes "
                f"over them. Received: {output}"
            )
    return values


def run(chosen, values, output="build", jobs=None):
    """Execute notebooks with the values that `prepare` returned; return a `Result` for each.

    They run side by side, as many as there are cores or `jobs`, those with the longest budget
    first. The folder `output` gets `notebooks/`, `figures/` and `tables/`. Ctrl-C is raised after
    all kernels have been stopped.
    """
    n_cells = sum(len(notebooks.read(notebook.path)["cells"]) for notebook in chosen)
    # In a log file a moving bar would be a flood: there, only the lines of `_say` remain.
    hidden = not sys.stderr.isatty()
    with (
        tempfile.TemporaryDirectory() as folder,
        tqdm(total=n_cells, unit="cell", disable=hidden, leave=False) as bar,
        ThreadPoolExecutor(jobs or os.cpu_count()) as pool,
    ):
        one = _Runner(values, Path(output), _environment(Path(folder)), bar)
        longest_first = sorted(chosen, key=lambda notebook: -(notebook.budget or 0))
        futures = {notebook: pool.submit(one.run, notebook) for notebook in longest_first}
        try:
            while wait(futures.values(), timeout=1).not_done:
                pass  # without a timeout, Windows would not notice Ctrl-C
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            _stop(futures.values())
            raise
        return [futures[notebook].result() for notebook in chosen]


def _environment(folder):
    """The kernels' environment, in which "python3" means this Python, whatever is installed."""
    from ipykernel.kernelspec import write_kernel_spec

    write_kernel_spec(folder / "kernels" / "python3")
    # JUPYTER_PATH comes before the user's own kernels, which may point to another Python.
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("JUPYTER_PATH")]))
    return {**os.environ, **KERNEL_ENVIRONMENT, "JUPYTER_PATH": path}


def _say(line):
    tqdm.write(line, file=sys.stderr)


def _stop(futures):
    """End every notebook's process as Ctrl-C would, so that it takes its kernel along."""
    told, end = set(), time.monotonic() + PATIENCE
    while wait(futures, timeout=0.1).not_done:
        for process in multiprocessing.active_children():
            if time.monotonic() > end:
                process.kill()  # the kernel notices that its parent is gone
            elif process.pid not in told:
                os.kill(process.pid, signal.SIGINT)
            told.add(process.pid)


@dataclass
class _Runner:
    """What the notebooks of one run have in common; each is run by a thread and a process."""

    values: dict
    output: Path
    environment: dict
    bar: tqdm

    def run(self, notebook):
        """Return the `Result` of one notebook, whatever happens to it."""
        try:
            return self._run(notebook)
        except Exception as error:
            # Whatever it is, such as a full disk: the other notebooks go on.
            reason = f"{type(error).__name__}: {error}"
            _say(f"{notebook.name}: FAILED, {reason}")
            return Result(notebook, "FAILED", where=reason)

    def _run(self, notebook):
        _say(f"{notebook.name}: started")
        start = time.perf_counter()
        target = self.output / "notebooks" / notebook.path.name
        target.unlink(missing_ok=True)  # so that a failure is never explained by an earlier run
        failed, content = self._execute(notebook, target)
        seconds = time.perf_counter() - start
        if content:
            extract(notebook, content, self.output)
        if failed is None:
            _say(f"{notebook.name}: ok in {seconds:.0f} s")
            return Result(notebook, "ok", seconds, str(target))
        headline, details = failed
        _say(f"{notebook.name}: FAILED after {seconds:.0f} s at {headline}\n\n{details}\n")
        return Result(notebook, "FAILED", seconds, f"{target} {headline.split(':')[0]}")

    def _execute(self, notebook, target):
        """Execute in a new process; `target` is afterwards missing, or new and whole.

        Returns where it failed, and its content, None if there is none.
        """
        # Another run in the same folder has another one.
        partial = target.with_name(f".{target.stem}.{os.getpid()}.partial.ipynb")
        # A pool of one, so that a process that dies takes no other notebook along.
        context = multiprocessing.get_context("spawn")
        prepared = execution.start, (self.environment, cells := context.SimpleQueue())
        try:
            with ProcessPoolExecutor(1, context, *prepared) as pool:
                values = self.values[notebook.name]
                future = pool.submit(execution.execute, notebook.path, partial, values)
                while wait([future], timeout=0.2).not_done:
                    while not cells.empty():
                        self.bar.update(cells.get())
                failed = future.result()
            try:
                content = notebooks.read(partial)
            except (OSError, NotebookError):  # none, or half of one, as on a full disk
                if failed is None:
                    raise
                return failed, None
            os.replace(partial, target)
            return failed, content
        finally:
            partial.unlink(missing_ok=True)


def extract(notebook, content, folder):
    """Write the figures and tables of an executed notebook into the folder of results."""
    figures = outputs.figure_files(content, notebook.number)
    outputs.replace_written(folder / "figures", notebook.number, figures)
    tables = outputs.table_files(content, notebook.number)
    outputs.replace_written(folder / "tables", notebook.number, tables)
