"""Runs and refreshes of small notebooks, with real kernels."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import notebook_checks
import pytest
from conftest import ALT, FIGURE, NAME, code, notebook
from places import ROOT

from lib.__main__ import main
from lib.course import notebooks, runner


def outcomes(table):
    """The closing table: notebook -> status and where to look."""
    rows = [re.split(r"\s{2,}", line) for line in table.splitlines() if line[:2].isdigit()]
    return {row[0]: tuple(row[3:]) for row in rows}


def printed(path):
    """What a notebook printed, cell by cell."""
    cells = notebook_checks.code_cells(notebooks.read(path))
    return ["".join(notebooks.text(o.get("text", "")) for o in c["outputs"]) for c in cells]


def files(folder):
    found = [path.name for path in folder.rglob("*") if path.is_file()]
    return sorted(name for name in found if not name.endswith(".written.json"))


def test_run_writes_results_and_leaves_the_source_alone(example, save, tmp_path, capsys):
    source = save(example)
    before, out = source.read_bytes(), tmp_path / "braces {here}"
    (out / "figures").mkdir(parents=True)
    (out / "figures" / "05_former.png").write_bytes(b"")
    words = ["run", "5", "--folder", str(source.parent), "--output", str(out), "-p", "window", "60"]
    assert main(words) == 0
    where = str(out / "notebooks" / source.name)
    assert outcomes(capsys.readouterr().out) == {NAME: ("ok", where)}
    assert source.read_bytes() == before
    # What no run has written is the user's, whatever its name.
    names = [f"{NAME}.ipynb", "05_former.png", "05_days.csv", "05_price.png", "05_price.txt"]
    assert files(out) == sorted(names)
    assert "60\n" in printed(out / "notebooks" / source.name)
    assert (out / "figures" / "05_price.txt").read_text(encoding="utf-8") == ALT + "\n"
    assert (out / "tables" / "05_days.csv").read_bytes() == b"day,close\n1,2\n"


WHERE = """import json, os, sys
print(json.dumps([sys.executable, os.getcwd(), {name: os.environ.get(name) for name in %r}]))"""


def test_kernels_are_this_python_with_one_thread(save, tmp_path, monkeypatch):
    """The user's own idea of "python3", here a program that fails, must not matter."""
    decoy = tmp_path / "decoy" / "kernels" / "python3"
    decoy.mkdir(parents=True)
    spec = {"argv": ["false", "{connection_file}"], "display_name": "x", "language": "python"}
    (decoy / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "decoy"))
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.chdir(tmp_path)
    source = save(notebook(code(WHERE % list(runner.KERNEL_ENVIRONMENT))), "91_where")
    assert main(["run", "--folder", str(source.parent)]) == 0
    python, folder, environment = json.loads(printed(Path("build/notebooks/91_where.ipynb"))[0])
    assert Path(python) == Path(sys.executable)
    assert Path(folder).samefile(tmp_path)
    assert environment == runner.KERNEL_ENVIRONMENT


def test_kernels_of_nbval_get_the_same_environment():
    assert runner.KERNEL_ENVIRONMENT.items() <= os.environ.items()


def test_failures_are_shown_and_do_not_stop_the_others(save, tmp_path, capsys):
    save(notebook(code(FIGURE), code("1 / 0  # why?"), code("print(3)")), "91_fails")
    save(notebook(code("import os\nos._exit(3)")), "92_dies")
    end = "import os, signal\nos.kill(os.getppid(), signal.SIGTERM)\nimport time\ntime.sleep(60)"
    save(notebook(code(end)), "93_ends_papermill")
    save(notebook(code(FIGURE)), "94_not_collected")
    course = save(notebook(code("print(1)")), "95_fine").parent
    out = tmp_path / "out"
    (out / "figures" / "94_price.png").mkdir(parents=True)
    assert main(["run", "--folder", str(course), "--output", str(out), "--jobs", "2"]) == 1
    said = capsys.readouterr()
    for words in ("91_fails: FAILED", "In [2]: ZeroDivisionError", "1 / 0  # why?"):
        assert words in said.err
    # No output tells of this one: its kernel is dead.
    assert "In [1]: nbclient.exceptions.DeadKernelError: Kernel died\n\n    import os" in said.err
    assert "94_not_collected: FAILED, IsADirectoryError" in said.err
    statuses = [status for status, _ in outcomes(said.out).values()]
    assert statuses == ["FAILED", "FAILED", "FAILED", "FAILED", "ok"]
    kept = notebook_checks.code_cells(notebooks.read(out / "notebooks" / "91_fails.ipynb"))
    assert [cell["execution_count"] for cell in kept] == [1, 2, None]
    assert files(out / "figures") == ["91_price.png", "91_price.txt"]


def test_a_run_deletes_only_what_an_earlier_run_wrote(tmp_path):
    mine, linked = tmp_path / "05_mine.png", tmp_path / "05_link.png"
    mine.write_bytes(b"mine")
    runner.outputs.replace_written(
        tmp_path, "05", {"05_old.png": b"1", "05_edited.png": b"2", "05_link.png": b"3"}
    )
    (tmp_path / "05_edited.png").write_bytes(b"edited")
    linked.unlink()
    target = tmp_path / "target"
    target.write_bytes(b"3")
    linked.symlink_to(target)
    runner.outputs.replace_written(tmp_path, "05", {"05_new.png": b"4"})
    assert files(tmp_path) == sorted(
        ["05_edited.png", "05_link.png", "05_mine.png", "05_new.png", "target"]
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a single process")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_interrupt_stops_the_kernel_and_leaves_nothing_half_written(name, save, tmp_path):
    fact = tmp_path / "pid"
    busy = f"import os, time\nopen({str(fact)!r}, 'w').write(f'{{os.getpid()}}.')\ntime.sleep(600)"
    course = save(notebook(code(FIGURE), code(busy)), "91_busy").parent
    out = tmp_path / "out"
    command = [sys.executable, "-m", "lib", "run", "--folder", course, "--output", out]
    # A shell starts what runs in the background with SIGINT ignored, and children inherit that.
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    wait_until(lambda: fact.exists() and fact.read_text().endswith("."))
    process.send_signal(getattr(signal, name))
    assert "Interrupted" in process.communicate(timeout=30)[0]
    assert process.returncode == 130
    kernel = int(fact.read_text().strip("."))
    wait_until(lambda: not is_running(kernel))
    assert files(out) == []


def wait_until(happened, seconds=30):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["5", "-p", "windw", "60"], "`windw` is not a parameter of 05_sp500_comparison. Did you"),
        (["5", "-p", "window", "3.0"], "`window` must be an integer from 2 to 500. Received: wind"),
        (["5", "-p", "csv", "no.csv"], "or the path of a CSV file. Received: csv='no.csv'"),
        (["5", "91", "-p", "window", "60"], "`window` is not a parameter of 91_other. There are:"),
        (["7"], "There is no notebook '7'. There are: 05_sp500_comparison, 91_other."),
        (["--output", "{course}/.."], "`--output` must not be the folder that holds the notebooks"),
        (["--output", "{course}/91_other.ipynb"], "`--output` must be a folder that can be writ"),
        (["--output", "{course}/91_other.ipynb/x"], "`--output` must be a folder that can be wri"),
        (["--folder", "{course}/.."], "There are no notebooks in "),
        (["5.5"], "There is no notebook '5.5'."),
        (["--output", "a\0b"], "`--output` must be a folder that can be written to"),
        (["--output", "x" * 300], "`--output` must be a folder that can be written to"),
    ],
)
def test_impossible_requests_end_in_one_line_before_any_kernel(
    words, message, example, save, monkeypatch, capsys
):
    monkeypatch.setattr(runner, "run", lambda *_: pytest.fail("a kernel was started"))
    course = save(example).parent
    save(notebook(code("1")), "91_other")
    monkeypatch.chdir(course.parent.parent)
    words = ["run", "--folder", str(course), *(word.format(course=course) for word in words)]
    assert main(words) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("KERAS_BACKEND", "theano", "`KERAS_BACKEND` must be tensorflow, jax, torch or numpy."),
        ("LIB_TRAINER", "nunpy", "`LIB_TRAINER` must be one of keras, numpy. Received: LIB_TRA"),
    ],
)
def test_an_environment_of_no_use_is_refused_before_any_kernel(
    name, value, message, save, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(runner, "run", lambda *_: pytest.fail("a kernel was started"))
    monkeypatch.setenv(name, value)
    course = save(notebook(code("1")), "91_other").parent
    assert main(["run", "--folder", str(course), "--output", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err


def test_results_that_cannot_be_kept_are_refused_before_any_kernel(save, monkeypatch, capsys):
    monkeypatch.setattr(runner, "run", lambda *_: pytest.fail("a kernel was started"))
    source = save(notebook(code("1")), "08_your_own_series")
    words = [
        "run",
        "08",
        "--folder",
        str(source.parent),
        "--output",
        str(source.parents[1] / "out"),
    ]
    assert main([*words, "-p", "output", str(source / "x")]) == 2
    assert "`output` must be a folder that can be written to" in capsys.readouterr().err


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_closed_streams_do_not_matter(closed, save, tmp_path):
    if os.name == "nt":
        pytest.skip("no such shell")
    course = save(notebook(code("print(5)")), "91_other").parent
    words = f"'{sys.executable}' -m lib run --folder '{course}' --output '{tmp_path}/out' {closed}"
    done = subprocess.run(["sh", "-c", words], cwd=ROOT, capture_output=True, timeout=300)
    assert done.returncode == 0, done
    assert b"Traceback" not in done.stderr
    assert printed(tmp_path / "out" / "notebooks" / "91_other.ipynb") == ["5\n"]


def test_two_runs_in_one_folder_leave_whole_files(save, tmp_path):
    """Both are told to wait for each other, so that they really run at the same time."""
    meet = (
        "import os, pathlib, time\nplace = pathlib.Path(%r)\n(place / str(os.getpid())).touch()\n"
        "end = time.time() + 200\n"
        "while len(list(place.iterdir())) < 2 and time.time() < end:\n    time.sleep(0.05)"
    )
    (tmp_path / "met").mkdir()
    course = save(notebook(code(FIGURE), code(meet % str(tmp_path / "met"))), "91_meet").parent
    out = tmp_path / "out"
    command = [sys.executable, "-m", "lib", "run", "--folder", course, "--output", out]
    both = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(2)]
    said = [process.communicate(timeout=400)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert files(out) == ["91_days.csv", "91_meet.ipynb", "91_price.png", "91_price.txt"]
    kept = notebook_checks.code_cells(notebooks.read(out / "notebooks" / "91_meet.ipynb"))
    assert [cell["execution_count"] for cell in kept] == [1, 2]


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no such limit")
def test_a_full_disk_leaves_no_half_notebook_and_the_others_go_on(save, tmp_path, capsys):
    """A file may have 300 kB, as if there were no more space, and the first notebook is larger."""
    large = "print('x' * 400_000)"
    save(notebook(code("print(1)"), code(large)), "91_large")
    course = save(notebook(code("print(2)")), "92_small").parent
    out = tmp_path / "out"
    words = ["ulimit -f 600; exec", sys.executable, "-m lib run --folder", course, "--output", out]
    done = subprocess.run(
        ["sh", "-c", " ".join(map(str, words))], cwd=ROOT, capture_output=True, timeout=400
    )
    assert done.returncode == 1, done
    assert [s for s, _ in outcomes(done.stdout.decode()).values()] == ["FAILED", "ok"]
    assert files(out / "notebooks") == ["92_small.ipynb"]


def test_output_that_links_to_the_course_is_refused(save, tmp_path, capsys):
    course = save(notebook(code("1")), "91_other").parent
    (tmp_path / "out").mkdir()
    try:
        (tmp_path / "out" / "notebooks").symlink_to(course, target_is_directory=True)
    except OSError:
        pytest.skip("this system does not let us make links")
    words = ["run", "--folder", str(course), "--output", str(tmp_path / "out")]
    assert main(words) == 2
    assert "must not be the folder that holds the notebooks" in capsys.readouterr().err


def test_plain_papermill_ends_in_the_same_error(example, save, tmp_path):
    out = tmp_path / "out.ipynb"
    words = [save(example), out, "-p", "windw", "60"]
    command = [sys.executable, "-m", "papermill", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode != 0
    assert "ParameterError" in done.stderr
    assert "Did you mean 'window'?" in done.stderr
    last = notebook_checks.code_cells(notebooks.read(out))[-1]
    assert (last["execution_count"], last["outputs"]) == (None, [])


def test_refresh_makes_a_notebook_keep_every_promise(example, save, tmp_path, capsys):
    for cell in notebook_checks.code_cells(example):
        cell.update(outputs=[], execution_count=None, metadata={**cell["metadata"], "scrolled": 1})
    failing = notebook(code("1 / 0"))
    for content in (example, failing):
        content["metadata"]["course"]["sources"] = "of earlier sources"
    path, broken = save(example), save(failing, "91_fails")
    (path.parent.parent / "figures" / "05_former.png").write_bytes(b"")
    before = broken.read_bytes()
    words = ["refresh", "--folder", str(path.parent), "--output", str(tmp_path / "out")]
    assert main(words) == 1
    assert broken.read_bytes() == before
    assert notebook_checks.problems(path) == []
    assert [cell["id"] for cell in notebooks.read(path)["cells"]] == [f"cell-{i}" for i in range(5)]
    stored = path.read_bytes()
    assert main([*words, "5"]) == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert path.read_bytes() == stored


def test_refresh_never_overwrites_what_was_edited_meanwhile(example, save, tmp_path, monkeypatch):
    from lib.course.refresh import refresh

    path = save(example)

    def run(stale, *_):
        path.write_bytes(path.read_bytes() + b" ")
        return [runner.Result(notebook, "ok") for notebook in stale]

    monkeypatch.setattr(runner, "run", run)
    with pytest.raises(notebooks.NotebookError, match="changed while it ran"):
        refresh(notebooks.find(path.parent), everything=True, output=tmp_path / "out")
