"""One notebook, executed by one papermill process; how it went, and how to stop it.

Below `lib.course.runner`, which decides what runs when.
"""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE

from lib.course import notebooks
from lib.course.notebooks import text

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


async def execute(source, target, values, environment, on_cells):
    """Execute a notebook; whatever happens, `target` is afterwards old, or new and whole.

    Parameters
    ----------
    source, target : pathlib.Path
        The notebook, and where its executed copy goes, also if a cell fails.
    values : dict
        Parameters: name -> checked value.
    environment : dict
        Environment variables of the kernel.
    on_cells : callable
        Called with the number of cells done since the last call.

    Returns
    -------
    bool
        Whether every cell ran without an error.
    str
        What papermill had to say.
    """
    partial = target.with_name(f".{target.stem}.partial.ipynb")
    # A session of its own: Ctrl-C in a terminal reaches us alone, and we stop the kernel once.
    process = await asyncio.create_subprocess_exec(
        *_command(source, partial, values),
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        env=environment,
        start_new_session=True,
    )
    try:
        log = await _follow(process.stderr, on_cells)
        succeeded = await process.wait() == 0
        if partial.exists():
            os.replace(partial, target)
        return succeeded, log
    finally:
        await _stop(process)
        partial.unlink(missing_ok=True)


def _command(source, target, values):
    # papermill fills in braces in a path, and guesses the type of -p, but not of -r.
    paths = [str(path).replace("{", "{{").replace("}", "}}") for path in (source, target)]
    command = [sys.executable, "-m", "papermill", *paths, "--kernel", "python3", "--progress-bar"]
    for name, value in values.items():
        is_text = isinstance(value, str)
        command += ["-r", name, value] if is_text else ["-p", name, repr(value)]
    return command


async def _follow(stream, on_cells):
    """Read papermill's words until it ends; its progress bar says "3/20 [" after three cells."""
    log, done = "", 0
    while chunk := await stream.read(4096):
        log += chunk.decode("utf-8", errors="replace")
        counts = [int(count) for count in re.findall(r"(\d+)/\d+ \[", log[-8192:])]
        now = max([done, *counts])
        on_cells(now - done)
        done = now
    return log


async def _stop(process):
    """End papermill as Ctrl-C would, so that it takes its kernel along; insist if need be."""
    if process.returncode is not None:
        return
    if os.name == "nt":
        process.terminate()  # the kernel notices that its parent is gone
    else:
        process.send_signal(signal.SIGINT)
    try:
        await asyncio.wait_for(process.communicate(), timeout=15)
    except TimeoutError:
        process.kill()
        await process.wait()


def failure(target, log):
    """Return where and why an executed notebook failed: one line, and the details.

    Parameters
    ----------
    target : pathlib.Path
        The partly executed notebook, if there is one.
    log : str
        What papermill had to say, for failures that no cell can report, such as a dead kernel.
    """
    cells = notebooks.read(target)["cells"] if target.exists() else []
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    for cell in code:
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                headline = f"In [{cell['execution_count']}]: {output['ename']}: {output['evalue']}"
                return headline, _details(cell, "\n".join(output["traceback"]))
    headline = (log.strip().splitlines() or ["papermill said nothing"])[-1]
    started = [cell for cell in code if cell["metadata"]["papermill"]["start_time"]]
    if not started:
        return headline, log.strip()
    # A kernel that dies at once leaves no execution count: the cell's place says the same.
    place = code.index(started[-1]) + 1
    return f"In [{place}]: {headline}", _details(started[-1], headline)


def _details(cell, traceback):
    """The source of a cell and the end of its traceback, indented."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", traceback).strip().splitlines()
    parts = [text(cell["source"]).splitlines(), plain[-15:]]
    return "\n\n".join("\n".join(f"    {line}".rstrip() for line in lines) for lines in parts)
