"""The command line: `python -m lib list | run | refresh | exercises | fetch | study | …`.

Each command imports what it needs by itself, so that `list` answers at once and `check` also
in an environment where packages are missing.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

from lib.course import execution, notebooks


def list_notebooks(arguments):
    """Print the notebooks, or what one of them accepts."""
    from lib.course import parameters

    chosen = notebooks.select(arguments.notebooks, arguments.folder)
    if not arguments.notebooks:
        rows = [(n.number, n.title, n.question, _seconds(n.budget)) for n in chosen]
        print(notebooks.columns([("#", "notebook", "question", "budget"), *rows]))
    for notebook in chosen if arguments.notebooks else ():
        print(f"{notebook.name}: {notebook.question}\n")
        known = parameters.specification(notebook.name).values()
        rows = [(p.name, repr(p.default), p.help, p.accepts) for p in known]
        print(notebooks.columns([("parameter", "default", "meaning", "accepts"), *rows]), "\n")
    return 0


def run(arguments):
    """Execute notebooks into the folder of results and print what became of them."""
    from lib.course import runner

    chosen = notebooks.select(arguments.notebooks, arguments.folder)
    values = runner.prepare(chosen, arguments.parameter, arguments.output)
    results = runner.run(chosen, values, arguments.output, arguments.jobs)
    code = _report(results)
    print(f"\nFigures and tables: {arguments.output}/figures, {arguments.output}/tables")
    return code


def refresh(arguments):
    """Execute stale notebooks and solutions in place and renew the figures."""
    from lib.course.refresh import refresh_course

    chosen = notebooks.select(arguments.notebooks, arguments.folder)
    results = refresh_course(chosen, arguments.all, arguments.output, arguments.jobs)
    if not results:
        print("Nothing to do: every notebook is fresh.")
    return _report(results) if results else 0


def make_exercises(arguments):
    """Make the exercise notebooks from the solution notebooks."""
    from lib.course import exercises

    changed = exercises.changes(arguments.folder, arguments.notebooks)
    if not arguments.check:
        exercises.apply(changed)
    for path, data in changed.items():
        done, missing = ("removed", "no source") if data is None else ("written", "stale")
        print(f"{path.name}: {missing if arguments.check else done}")
    if not changed:
        print("Nothing to do: every exercise notebook is what its solution makes of it.")
    return 1 if arguments.check and changed else 0


def fetch(arguments):
    """Fetch series that do not ship, or list them: name, size, licence."""
    from lib.data import downloads, fetch

    if not arguments.names:
        print(notebooks.columns(fetch.overview()))
        print(f"\nFolder: {downloads.folder()}. An archive serves all series that are in it.")
    for name in fetch.select(arguments.names):
        fetched = fetch.fetch(name)
        print(f"{name}: {'fetched' if fetched else 'already here'}", flush=True)
    return 0


def study(arguments):
    """Run what is missing of a grid of the comparison study; resumable, and two may run at once."""
    execution.take_one_thread()  # before NumPy is imported: cells run side by side
    from lib.study import run as study_run

    options = {name: getattr(arguments, name) for name in ("jobs", "backend", "scheduler", "again")}
    failed = study_run.run(arguments.grid, **options)
    for row in failed:
        print(f"failed: {row['data']}, {row['detector']}, seed {row['seed']}: {row['error']}")
    return 1 if failed else 0


def watch(arguments):
    """Watch a stream of rows with a stored detector: flags as JSON lines, metrics by HTTP."""
    execution.take_one_thread()  # the products are too small for more
    from lib.stream import watch

    options = {k: v for k, v in vars(arguments).items() if k not in ("function", "folder", "file")}
    return watch.run(arguments.folder, arguments.file, **options)


def check(arguments):
    """Compare what is installed with what is needed, and the data with their checksums."""
    from lib.course import installation

    wrong = [*installation.packages(), *installation.data_files()]
    print(*wrong, "Not ready: see above." if wrong else "All is well.", sep="\n")
    return 1 if wrong else 0


def readme(arguments):
    """Print the table of notebooks for the README, or write it there."""
    table = notebooks.readme_table(arguments.folder)
    if not arguments.write:
        print(table)
        return 0
    from lib.course import outputs

    path = arguments.folder.parent / "README.md"
    content = notebooks.put_into_readme(path.read_text(encoding="utf-8"), table)
    outputs.write(path, content.encode())
    return 0


def _seconds(number):
    return "-" if number is None else f"{number:.0f} s"


def _report(results):
    """Print the closing table; return the exit code."""
    rows = [("notebook", "took", "budget", "status", "where to look")]
    for result in results:
        budget = result.notebook.budget
        late = result.status == "ok" and budget is not None and result.seconds > budget
        status = "ok, over budget" if late else result.status
        took = _seconds(result.seconds) if result.seconds else "-"
        rows.append((result.notebook.name, took, _seconds(budget), status, result.where))
    print("\n" + notebooks.columns(rows))
    return 0 if all(result.status == "ok" for result in results) else 1


def _parser():
    parser = argparse.ArgumentParser("python -m lib", description="The notebooks of the course.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, function in COMMANDS.items():
        help = (function.__doc__ or name).split(".")[0]  # PYTHONOPTIMIZE=2 takes it away
        command = commands.add_parser(name, help=help, description=help + ".")
        command.set_defaults(function=function)
        if name == "fetch":
            what = "which series, or a kind of them, such as ucr (default: list all)"
            command.add_argument("names", nargs="*", metavar="NAME", help=what)
        elif name == "study":
            _add_study_options(command)
        elif name == "watch":
            _add_watch_options(command)
        else:
            _add_notebook_options(name, command)
    return parser


def _add_notebook_options(name, command):
    folder = notebooks.COURSE
    command.add_argument("--folder", type=Path, default=folder, help="where the notebooks are")
    if name in ("list", "run", "refresh", "exercises"):
        command.add_argument("notebooks", nargs="*", metavar="NN", help="which (default: all)")
    if name in ("run", "refresh"):
        jobs = "notebooks at a time (default: the number of cores)"
        command.add_argument("--jobs", type=_positive, metavar="N", help=jobs)
        output = "folder for results (default: build)"
        command.add_argument("--output", type=Path, default=Path("build"), help=output)
    if name == "run":
        names = {"nargs": 2, "metavar": ("NAME", "VALUE"), "action": "append", "default": []}
        command.add_argument("-p", "--parameter", help="set a parameter; repeatable", **names)
    if name in FLAGS:
        flag, help = FLAGS[name]
        command.add_argument(flag, action="store_true", help=help)


def _add_study_options(command):
    what = "the grid, such as data/results/grid.toml"
    command.add_argument("grid", type=Path, metavar="GRID.toml", help=what)
    jobs = "processes on this machine, of one thread each (default: 1)"
    command.add_argument("--jobs", type=_positive, default=1, metavar="N", help=jobs)
    where = "where to compute: on this machine (loky), or on a Dask cluster (dask)"
    command.add_argument("--backend", default="loky", help=where)
    command.add_argument("--scheduler", metavar="tcp://HOST:PORT", help="of the Dask cluster")
    command.add_argument("--again", action="store_true", help="also what is done already")


def _add_watch_options(command):
    add = command.add_argument
    add("folder", type=Path, metavar="DETECTOR", help="the folder that `Detector.save` wrote")
    add("file", nargs="?", default="-", metavar="FILE", help="a CSV file (default: -, stdin)")
    add("--follow", action="store_true", help="wait for more at the end of the file")
    add("--output", type=Path, metavar="FILE", help="add the lines to it (default: stdout)")
    add("--state", type=Path, metavar="FILE", help="where to keep what a restart goes on from")
    _add_reading_options(add)
    angles = "sensors in degrees that the detector sees as sine and cosine, such as Va_avg,Wa_avg"
    add("--angles", type=lambda text: text.split(","), default=(), metavar="A,B", help=angles)
    gap = "a step longer than so many usual ones starts the stream anew (default: 10; inf: never)"
    add("--gap", type=float, default=10.0, metavar="STEPS", help=gap)
    ahead = "by which a row may be ahead of the clock (default: a day)"
    add("--ahead", type=float, default=86_400.0, metavar="SECONDS", help=ahead)
    add("--flags-only", action="store_true", help="no line for a row that is not flagged")
    expected = "say for flagged rows what the detector expected, in the units of the sensors"
    add("--expected", action="store_true", help=expected)
    add("--port", type=int, help="serve metrics there; 0: any free port (default: do not)")
    add("--host", default="127.0.0.1", help="the address to listen at (default: 127.0.0.1)")


def _add_reading_options(add):
    time = "the column of times, or Date,Time (default: as in training, or the first)"
    add("--time", metavar="COLUMN", help=time)
    form = "such as %%d.%%m.%%Y, or unix, s, ms, us, ns (default: as in training, or ISO 8601)"
    add("--time-format", metavar="FORMAT", help=form)
    separator = "between columns, or tab (default: as in training, or a comma)"
    add("--separator", metavar="C", help=separator)
    add("--decimal", metavar="C", help="the decimal sign (default: as in training, or a point)")
    add("--thousands", metavar="C", help="between thousands (default: nothing)")
    add("--missing", metavar="A,B", help="cells that mean no reading, such as ?,-999")
    columns = "the columns of the sensors, in the detector's order, if they have other names"
    add("--columns", metavar="A,B", help=columns)
    add("--names", metavar="A,B", help="the names of all columns of a file without a header")
    skip = "lines above the header (default: those that begin with #)"
    add("--skip-rows", type=int, metavar="N", help=skip)


def _positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1. Received: {number}")
    return number


COMMANDS = {
    "list": list_notebooks,
    "run": run,
    "refresh": refresh,
    "exercises": make_exercises,
    "fetch": fetch,
    "study": study,
    "watch": watch,
    "check": check,
    "readme": readme,
}


NOBODY_READS = 128 + 13  # how a shell counts an end by SIGPIPE

FLAGS = {
    "refresh": ("--all", "also those that are fresh"),
    "exercises": ("--check", "only say what is stale"),
    "readme": ("--write", "write it into README.md"),
}


def main(words=None):
    """Run one command; return its exit code.

    Parameters
    ----------
    words : list of str, optional
        The command line; by default that of the process.

    Returns
    -------
    int
        0 if all is well, 1 if a notebook failed or something is missing, 2 for a request that
        cannot be carried out, 130 after Ctrl-C, 141 if whoever read the output has gone, as
        `head` does (but `watch` says so, and ends with 2).
    """
    arguments = _parser().parse_args(words)
    try:
        code = arguments.function(arguments)
        sys.stdout.flush()  # at exit it would be too late for an answer
        return code
    except KeyboardInterrupt:
        print("Interrupted. All kernels have been stopped; no file is half written.")
        return 130
    except _refusals() as error:
        if isinstance(error, BrokenPipeError) and error.filename is None:  # of `print`
            # What is still to be written must not be tried once more at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return NOBODY_READS
        print(f"error: {error}", file=sys.stderr)
        return 2


def _refusals():
    """Errors whose message is all there is to say; looked up only when something was raised."""
    from lib.errors import DetectorError, ParameterError

    return ParameterError, DetectorError, notebooks.NotebookError, OSError


if __name__ == "__main__":
    execution.open_closed_streams()
    # A closed terminal or a `kill` must not leave kernels behind either.
    for name in {"SIGTERM", "SIGHUP"} & set(dir(signal)):
        if signal.getsignal(getattr(signal, name)) != signal.SIG_IGN:  # as under `nohup`
            signal.signal(getattr(signal, name), signal.default_int_handler)
    sys.exit(main())
