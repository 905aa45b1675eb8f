"""One notebook, executed by papermill in a process of its own; `lib.course.runner` starts it."""

import os
import re
import signal
import sys

# How many threads BLAS takes when NumPy is imported, and TensorFlow when Keras is.
ONE_THREAD = dict.fromkeys(
    (
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
        *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    ),
    "1",
)


def take_one_thread():
    """Let what is imported from now on compute on one thread, unless the user said otherwise."""
    for name, number in ONE_THREAD.items():
        os.environ.setdefault(name, number)


def open_closed_streams():
    """Give a program that was started with a closed standard stream one that leads nowhere.

    Without it Python has None in the place of `sys.stdout`, and the first file that is opened gets
    the number of the closed one, and with it what others write there.
    """
    while (place := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(place, True)  # a notebook's process needs it as much
    os.close(place)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115


def start(environment, cells):
    """Prepare this process: the environment of its kernel, silence, and Ctrl-C.

    Parameters
    ----------
    environment : dict
        Environment variables of the kernel.
    cells : multiprocessing.SimpleQueue
        Gets a 1 for every cell that starts.
    """
    global _cells
    _cells = cells
    if os.name != "nt":
        os.setsid()  # Ctrl-C in a terminal reaches the parent alone, which stops us once
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):  # the kernel writes there, too
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    os.environ.update(environment)


def execute(source, target, values):
    """Execute a notebook, in the process that `start` prepared.

    Parameters
    ----------
    source, target : pathlib.Path
        The notebook, and where its executed copy goes, also if a cell fails.
    values : dict
        Parameters: name -> checked value.

    Returns
    -------
    tuple of str or None
        Where and why it failed: one line, and the details. None if every cell ran.
    """
    import papermill  # slow to import, and only needed here

    sources = []

    def on_cell_start(cell, cell_index):
        _cells.put(1)
        if cell.cell_type == "code":
            sources.append(cell.source)

    # papermill fills in braces in a path.
    paths = [str(path).replace("{", "{{").replace("}", "}}") for path in (source, target)]
    options = {"kernel_name": "python3", "progress_bar": False, "on_cell_start": on_cell_start}
    try:
        papermill.execute_notebook(*paths, values, **options)
    except papermill.PapermillExecutionError as error:
        headline = f"In [{error.exec_count}]: {error.ename}: {error.evalue}"
        return headline, _details(error.source, "\n".join(error.traceback))
    except Exception as error:  # such as a dead kernel, of which no cell can tell
        kind = type(error)
        why = f"{kind.__module__}.{kind.__qualname__}: {error}"
        headline = f"In [{len(sources)}]: {why}" if sources else why
        return headline, _details(sources[-1] if sources else "", why)
    return None


def _details(source, traceback):
    """The source of a cell and the end of its traceback, indented."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", traceback).strip().splitlines()
    return "\n\n".join(
        "\n".join(f"    {line}".rstrip() for line in lines)
        for lines in (source.splitlines(), plain[-15:])
    )
