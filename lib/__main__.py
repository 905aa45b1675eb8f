"""The command line: `python -m lib list | run | refresh | exercises | fetch | study | …`.

Each command imports what it needs by itself, so that `list` answers at once and `check` also
in an environment where packages are missing.
"""

import os
import signal
import sys
from pathlib import Path

import click
from click import argument, option

from lib.course import execution, notebooks
from lib.errors import DetectorError, ParameterError

PATH, COUNT = Path, click.IntRange(min=1)  # `click.Path` breaks on a zero byte
NN = argument("words", metavar="[NN]...", nargs=-1)
WHERE = option("--folder", type=PATH, default=notebooks.COURSE, show_default="notebooks")
JOBS = option("--jobs", type=COUNT, show_default="cores", help="notebooks at a time")
OUTPUT = option("--output", type=PATH, default="build", help="the folder for results")
PAIRS = option("-p", "--parameter", "pairs", nargs=2, metavar="NAME VALUE", multiple=True)
NOBODY_READS = 128 + 13  # how a shell counts an end by SIGPIPE


@click.group(context_settings={"show_default": True})
def cli():
    """Run the notebooks of the course, the comparison study, or a detector on a stream."""


@cli.command("list")
@NN
@WHERE
def list_notebooks(words, folder):
    """Print the notebooks, or what some of them accept."""
    chosen = notebooks.select(words, folder)
    if not words:
        rows = [(n.number, n.title, n.question, _seconds(n.budget)) for n in chosen]
        print(notebooks.columns([("#", "notebook", "question", "budget"), *rows]))
        return
    from lib.course import parameters

    for notebook in chosen:
        print(f"{notebook.name}: {notebook.question}\n")
        known = parameters.specification(notebook.name).values()
        rows = [(p.name, repr(p.default), p.help, p.accepts) for p in known]
        print(notebooks.columns([("parameter", "default", "meaning", "accepts"), *rows]), "\n")


@cli.command()
@NN
@PAIRS
@WHERE
@JOBS
@OUTPUT
def run(words, pairs, folder, jobs, output):
    """Execute notebooks into the folder of results and print what became of them."""
    from lib.course import runner

    chosen = notebooks.select(words, folder)
    code = _report(runner.run(chosen, runner.prepare(chosen, pairs, output), output, jobs))
    print(f"\nFigures and tables: {output}/figures, {output}/tables")
    return code


@cli.command()
@NN
@option("--all", "everything", is_flag=True, help="also those that are fresh")
@WHERE
@JOBS
@OUTPUT
def refresh(words, everything, folder, jobs, output):
    """Execute stale notebooks and solutions in place and renew the figures."""
    from lib.course.refresh import refresh_course

    results = refresh_course(notebooks.select(words, folder), everything, output, jobs)
    return _report(results) if results else print("Nothing to do: every notebook is fresh.")


@cli.command("exercises")
@NN
@option("--check", "only_check", is_flag=True, help="only say what is stale")
@WHERE
def make_exercises(words, only_check, folder):
    """Make the exercise notebooks from the solution notebooks."""
    from lib.course import exercises

    changed = exercises.changes(folder, words)
    if not only_check:
        exercises.apply(changed)
    for path in changed:
        print(f"{path.name}: {'stale' if only_check else 'written'}")
    if not changed:
        print("Nothing to do: every exercise notebook is what its solution makes of it.")
    return int(only_check and bool(changed))


@cli.command()
@argument("names", metavar="[NAME]...", nargs=-1)
def fetch(names):
    """Fetch series by name or by kind, such as ucr; without a name: list all that do not ship."""
    from lib.data import downloads, fetch

    if not names:
        print(notebooks.columns(fetch.overview()))
        print(f"\nFolder: {downloads.folder()}. An archive serves all series that are in it.")
    for name in fetch.select(names):
        fetched = fetch.fetch(name)
        print(f"{name}: {'fetched' if fetched else 'already here'}", flush=True)


@cli.command()
@argument("grid", metavar="GRID.toml", type=PATH)
@option("--jobs", type=COUNT, default=1, help="processes on this machine, of one thread each")
@option("--backend", default="loky", help="loky: on this machine; dask: on a Dask cluster")
@option("--scheduler", metavar="tcp://HOST:PORT", help="of the Dask cluster")
@option("--again", is_flag=True, help="also what is done already")
@option(
    "--sample", type=COUNT, help="compute so many finished cells anew, to see if code changed any"
)
def study(grid, sample, again, **options):
    """Run what is missing of a grid of the comparison study; resumable, and two may run at once."""
    execution.take_one_thread()  # before NumPy is imported: cells run side by side
    from lib.study import run as study_run

    if sample:
        others = study_run.sample(grid, sample, **options)
        for row in others:
            print(f"{row['data']}, {row['detector']}, seed {row['seed']}: {row['found']}")
        return int(bool(others))
    failed = study_run.run(grid, again=again, **options)
    for row in failed:
        print(f"failed: {row['data']}, {row['detector']}, seed {row['seed']}: {row['error']}")
    return int(bool(failed))


@cli.command()
@argument("folder", metavar="DETECTOR", type=PATH)
@argument("file", default="-")
@option("--follow", is_flag=True, help="wait for more at the end of the file")
@option("--output", type=PATH, show_default="stdout", help="the file that the lines are added to")
@option("--state", type=PATH, help="the file that a restart goes on from")
@option("--time", help="the column of times, or Date,Time (default: as in training, or the first)")
@option("--time-format", help="such as %d.%m.%Y, or unix, s, ms, us, ns (default: as in training)")
@option(
    "--separator", "--sep", help="between columns, or tab (default: as in training, or a comma)"
)
@option("--decimal", help="the decimal sign (default: as in training, or a point)")
@option("--thousands", help="between thousands")
@option("--missing", metavar="A,B", help="cells that mean no reading, such as ?,-999")
@option("--columns", metavar="A,B", help="the file's names of the sensors, in the detector's order")
@option("--names", metavar="A,B", help="names of all columns of a file without a header")
@option("--skip-rows", type=int, help="lines above the header (0: those that begin with #)")
@option("--tag", help="of a long format: the column of the sensors' names; '': none")
@option("--value", help="of a long format: the column of the readings")
@option("--angles", metavar="A,B", help="sensors in degrees, seen as sine and cosine")
@option("--gap", default=10.0, help="a longer step, in usual ones, starts anew; inf: never")
@option("--ahead", default=86_400.0, help="seconds by which a row may be ahead of the clock")
@option("--wait", default=10.0, help="seconds without a row after which a time is complete")
@option("--flags-only", is_flag=True, help="no line for a row that is not flagged")
@option("--expected", is_flag=True, help="what the detector expected, for flagged rows")
@option("--port", type=int, help="serve metrics there; 0: any free port")
@option("--host", default="127.0.0.1", help="the address to listen at")
def watch(folder, file, angles, **options):
    """Watch a stream of rows with a stored detector: flags as JSON lines, metrics by HTTP.

    DETECTOR is the folder that `Detector.save` wrote, FILE a CSV file, or - for stdin.
    """
    execution.take_one_thread()  # the products are too small for more
    from lib.stream import watch

    return watch.run(folder, file, angles=angles.split(",") if angles else (), **options)


@cli.command()
def check():
    """Compare what is installed with what is needed, and the data with their checksums."""
    from lib.course import installation

    wrong = [*installation.packages(), *installation.data_files()]
    print(*wrong, "Not ready: see above." if wrong else "All is well.", sep="\n")
    return int(bool(wrong))


@cli.command()
@option("--write", is_flag=True, help="write it into README.md")
@WHERE
def readme(write, folder):
    """Print the table of notebooks for the README, or write it there."""
    table = notebooks.readme_table(folder)
    if not write:
        return print(table)
    from lib.course import outputs

    path = folder.parent / "README.md"
    content = notebooks.put_into_readme(path.read_text(encoding="utf-8"), table)
    return outputs.write(path, content.encode())


def _seconds(number):
    return f"{number:.0f} s" if number else "-"


def _report(results):
    """Print the closing table; return the exit code."""
    rows = [("notebook", "took", "budget", "status", "where to look")]
    for result in results:
        budget = result.notebook.budget
        late = result.status == "ok" and budget is not None and result.seconds > budget
        status = "ok, over budget" if late else result.status
        times = _seconds(result.seconds), _seconds(budget)
        rows.append((result.notebook.name, *times, status, result.where))
    print("\n" + notebooks.columns(rows))
    return int(any(result.status != "ok" for result in results))


def main(words=None):
    """Run one command, by default that of the process; return its exit code.

    That is 0 if all is well, 1 if a notebook failed or something is missing, 2 for a request that
    cannot be carried out, 130 after Ctrl-C, 141 if the program that read the output has ended, as
    `head` does (but `watch` says so, and ends with 2).
    """
    words = sys.argv[1:] if words is None else [str(word) for word in words]
    try:
        # Not `cli.main`, which makes codes of its own of Ctrl-C and of a reader that has gone.
        with cli.make_context("python -m lib", words) as context:
            code = cli.invoke(context) or 0
        sys.stdout.flush()  # at exit it would be too late for an answer
        return code
    except click.exceptions.Exit as end:  # after --help
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except KeyboardInterrupt:
        print("Interrupted. All kernels have been stopped; no file is half written.")
        return 130
    except (ParameterError, DetectorError, notebooks.NotebookError, OSError) as error:
        if isinstance(error, BrokenPipeError) and error.filename is None:  # of `print`
            # What is still to be written must not be tried once more at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return NOBODY_READS
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    execution.open_closed_streams()
    # A closed terminal or a `kill` must not leave kernels behind either.
    for name in {"SIGTERM", "SIGHUP"} & set(dir(signal)):
        if signal.getsignal(getattr(signal, name)) != signal.SIG_IGN:  # as under `nohup`
            signal.signal(getattr(signal, name), signal.default_int_handler)
    sys.exit(main())
