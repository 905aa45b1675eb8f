"""Running notebooks with papermill: side by side, one thread each, whole files or none.

Each notebook is executed by a papermill process of its own, whose kernel is this very Python
with an environment that is the same for a run, a refresh, and the tests.
"""

import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from tqdm import tqdm

from lib.course import notebooks, outputs, parameters
from lib.course.comparison import with_tolerance
from lib.course.execution import ONE_THREAD, execute, failure
from lib.course.notebooks import NotebookError

# A network of this size gains nothing from a second thread, and a second notebook does. One
# thread also makes the sums, and so the stored outputs, the same on every number of cores.
KERNEL_ENVIRONMENT = {**ONE_THREAD, "LIB_PROGRESS": "0"}


def pytest_configure():
    """Give the kernels that nbval starts the same environment, and cells their tolerance.

    `pyproject.toml` names this hook.
    """
    os.environ.update(KERNEL_ENVIRONMENT)
    from nbval.plugin import IPyNbCell  # only there where tests run

    IPyNbCell.compare_outputs = with_tolerance(IPyNbCell.compare_outputs)


@dataclass(frozen=True)
class Result:
    """What became of one notebook: status is "ok", "FAILED" or "skipped"."""

    notebook: notebooks.Notebook
    status: str
    seconds: float = 0.0
    where: str = ""


def prepare(chosen, pairs=(), output="build"):
    """Check everything that can be wrong with a run before a kernel starts.

    Parameters
    ----------
    chosen : list of Notebook
        What to run.
    pairs : iterable of (str, str)
        Parameters as typed: name and value.
    output : str or pathlib.Path
        Folder for results.

    Returns
    -------
    dict
        Checked values for each notebook: name of the notebook -> {name: value}.

    Raises
    ------
    ParameterError
        If one of the notebooks does not accept one of the parameters.
    NotebookError
        If the output folder cannot be written to or holds the notebooks themselves, or if
        notebooks need each other in a circle.
    """
    values = {n.name: {p: parameters.find(n.name, p).parse(v) for p, v in pairs} for n in chosen}
    try:
        TopologicalSorter({n.number: n.needs for n in chosen}).prepare()
    except CycleError as error:
        raise NotebookError(f"Notebooks need each other in a circle: {error.args[1]}.") from None
    for name in ("notebooks", "figures", "tables"):
        _claim(Path(output) / name, output)
    for notebook in chosen:
        if (Path(output) / "notebooks").samefile(notebook.path.parent):
            raise NotebookError(
                "`--output` must not be the folder that holds the notebooks: a run never writes "
                f"over them. Received: {output}"
            )
    return values


def _claim(folder, output):
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise NotebookError(
            f"`--output` must be a folder that can be written to. Received: {output} "
            f"({error.strerror}: {folder})"
        ) from None


def run(chosen, values, output="build", jobs=None):
    """Execute notebooks into `output`, as many side by side as there are cores.

    Parameters
    ----------
    chosen : list of Notebook
        What to run; the longest budget starts first, and what another needs before that.
    values : dict
        What `prepare` returned.
    output : str or pathlib.Path
        Folder for `notebooks/`, `figures/` and `tables/`.
    jobs : int, optional
        Notebooks at a time; by default the number of cores.

    Returns
    -------
    list of Result
        In the order of `chosen`.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, after all kernels have been stopped.
    """
    n_cells = sum(len(notebooks.read(notebook.path)["cells"]) for notebook in chosen)
    # In a log file a moving bar would be a flood: there, only the lines of `_say` remain.
    hidden = not sys.stderr.isatty()
    with (
        tempfile.TemporaryDirectory() as folder,
        tqdm(total=n_cells, unit="cell", disable=hidden, leave=False) as bar,
    ):
        queue = _Queue(values, Path(output), _environment(Path(folder)), jobs, bar)
        return asyncio.run(queue.run(chosen))


def _environment(folder):
    """The kernels' environment, in which "python3" means this Python, whatever is installed."""
    from ipykernel.kernelspec import write_kernel_spec

    write_kernel_spec(folder / "kernels" / "python3")
    # JUPYTER_PATH comes before the user's own kernels, which may point to another Python.
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("JUPYTER_PATH")]))
    return {**os.environ, **KERNEL_ENVIRONMENT, "JUPYTER_PATH": path}


def _say(line):
    tqdm.write(line, file=sys.stderr)


class _Queue:
    """The notebooks of one run, each waiting for what it needs and then for a free slot."""

    def __init__(self, values, output, environment, jobs, bar):
        self.values, self.output, self.environment, self.bar = values, output, environment, bar
        self.jobs = jobs or os.cpu_count()

    async def run(self, chosen):
        """Return the results of all, in the given order."""
        self.slots = asyncio.Semaphore(self.jobs)
        longest_first = sorted(chosen, key=lambda notebook: -(notebook.budget or 0))
        self.tasks = {n.number: asyncio.create_task(self._one(n)) for n in longest_first}
        await asyncio.gather(*self.tasks.values())
        return [self.tasks[notebook.number].result() for notebook in chosen]

    async def _one(self, notebook):
        for number in set(notebook.needs) & set(self.tasks):
            if (await self.tasks[number]).status != "ok":
                _say(f"{notebook.name}: skipped, because it needs {number}")
                return Result(notebook, "skipped", where=f"it needs {number}")
        async with self.slots:
            try:
                return await self._execute(notebook)
            except Exception as error:
                # Whatever it is, such as a full disk: the other notebooks go on.
                reason = f"{type(error).__name__}: {error}"
                _say(f"{notebook.name}: FAILED, {reason}")
                return Result(notebook, "FAILED", where=reason)

    async def _execute(self, notebook):
        _say(f"{notebook.name}: started")
        start = time.perf_counter()
        target = self.output / "notebooks" / notebook.path.name
        values = self.values[notebook.name]
        target.unlink(missing_ok=True)  # so that a failure is never explained by an earlier run
        succeeded, log = await execute(
            notebook.path, target, values, self.environment, self.bar.update
        )
        seconds = time.perf_counter() - start
        if target.exists():
            extract(notebook, target, self.output)
        if succeeded:
            _say(f"{notebook.name}: ok in {seconds:.0f} s")
            return Result(notebook, "ok", seconds, str(target))
        headline, details = failure(target, log)
        _say(f"{notebook.name}: FAILED after {seconds:.0f} s at {headline}\n\n{details}\n")
        return Result(notebook, "FAILED", seconds, f"{target} {headline.split(':')[0]}")


def extract(notebook, executed, folder):
    """Write the figures and tables of an executed notebook into the folder of results."""
    content = notebooks.read(executed)
    figures = outputs.figure_files(content, notebook.number)
    outputs.replace_written(folder / "figures", notebook.number, figures)
    tables = outputs.table_files(content, notebook.number)
    outputs.replace_written(folder / "tables", notebook.number, tables)
