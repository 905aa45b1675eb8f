"""What makes a stored notebook stale, and files that are written whole or not at all."""

import copy
import os

import pytest
from conftest import code, markdown, notebook

from lib.course import fingerprints, notebooks, outputs, runner

CELL = """%matplotlib inline
import numpy
import lib.chain
"""


@pytest.fixture
def package(tmp_path):
    """A package `lib` of four modules, of which the notebook uses all but the last."""
    folder = tmp_path / "lib"
    files = {
        "lib/__init__.py": "x = 1\n",
        "lib/chain.py": "from lib import link\n",
        "lib/link.py": "def f():\n    from lib.room.end import g\n    return g\n",
        "lib/room/__init__.py": "x = 1\n",
        "lib/room/end.py": "from lib.chain import nothing\n",
        "lib/apart.py": "",
        "data/SHA256SUMS": "1  a.csv\n",
    }
    for name, source in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(source.encode())
    return folder


@pytest.fixture
def content():
    return notebook(markdown("words"), code(CELL), code("this is (no Python"))


def names(sources, package):
    return set(fingerprints.lib_modules(sources, package))


def test_imports_are_followed_in_every_form(package):
    chain = {"", "chain", "link", "room", "room.end"}
    cells = ["from lib import link, apart as a", "import lib.chain as c, os", "%magic\n!ls"]
    assert names([CELL], package) == chain
    assert names(cells, package) == chain | {"apart"}
    assert names(["import lib.room.end"], package) == chain
    assert names(["from lib import room"], package) == {"", "room"}
    assert names(["import numpy"], package) == {""}


@pytest.mark.parametrize(
    "name",
    ["lib/__init__.py", "lib/chain.py", "lib/link.py", "lib/room/__init__.py", "lib/room/end.py"],
)
def test_stale_when_code_changes_that_it_depends_on(name, content, package):
    before = fingerprints.sources_hash(content, package)
    path = package.parent / name
    source = path.read_text(encoding="utf-8")
    path.write_text(f'"""Words."""\n# more\n{source}', encoding="utf-8")
    assert fingerprints.sources_hash(content, package) == before
    path.write_text(source + "y = 2\n", encoding="utf-8")
    assert fingerprints.sources_hash(content, package) != before


def test_stale_when_data_change(content, package):
    before = fingerprints.sources_hash(content, package)
    (package.parent / "data" / "SHA256SUMS").write_text("2  a.csv\n", encoding="utf-8")
    assert fingerprints.sources_hash(content, package) != before


def test_stale_when_its_own_code_changes_or_moves(content, package):
    before = fingerprints.sources_hash(content, package)
    content["cells"][1], content["cells"][2] = content["cells"][2], content["cells"][1]
    assert fingerprints.sources_hash(content, package) != before
    content["cells"][1], content["cells"][2] = content["cells"][2], content["cells"][1]
    assert fingerprints.sources_hash(content, package) == before
    content["cells"][1]["source"] += "# more"
    assert fingerprints.sources_hash(content, package) == before
    content["cells"][1]["source"] += "\nx = 1"
    assert fingerprints.sources_hash(content, package) != before


def test_fresh_when_only_words_or_line_endings_or_strangers_change(content, package):
    before = fingerprints.sources_hash(content, package)
    content["cells"][0]["source"] = "other words"
    content["cells"][1]["source"] = CELL.splitlines(keepends=True)
    (package / "apart.py").write_text("x = 1", encoding="utf-8")
    for path in package.glob("*.py"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert fingerprints.sources_hash(content, package) == before


def test_stored_form_keeps_what_matters_and_nothing_else(content):
    executed = copy.deepcopy(content)
    executed["metadata"].update(papermill={}, widgets={})
    noise = {"papermill": {}, "execution": {}, "scrolled": True}
    executed["cells"][0]["metadata"] = {"tags": [], **noise}
    executed["cells"][1]["metadata"] = {"tags": ["nbval-ignore-output"], "reason": "x", **noise}
    stored = fingerprints.stamped(executed)
    assert set(stored["metadata"]) == {"course", "kernelspec", "language_info"}
    assert stored["metadata"]["course"]["budget_seconds"] == 60
    assert stored["cells"][0]["metadata"] == {}
    assert stored["cells"][1]["metadata"] == {"tags": ["nbval-ignore-output"], "reason": "x"}
    assert fingerprints.is_fresh(stored)
    assert "papermill" in executed["metadata"]


def test_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "05_price.png"
    outputs.write(path, b"old")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        outputs.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["05_price.png"]


def test_figure_names_cannot_leave_the_folder():
    shown = {"image/png": "AAAA"}
    names = ["../out", "/out", "a b", "", "Ä", "fine_1"]
    displayed = [
        {"output_type": "display_data", "data": shown, "metadata": {"image/png": {"name": name}}}
        for name in names
    ]
    files = outputs.figure_files(notebook(code("1", displayed)), "05")
    assert sorted(files) == ["05_fine_1.png", "05_fine_1.txt"]


def test_files_of_other_notebooks_stay(tmp_path):
    for name in ("05_former.png", "06_price.png", "README.md"):
        (tmp_path / name).write_bytes(b"")
    outputs.replace_files(tmp_path, "05", {"05_new.png": b"1"})
    assert sorted(os.listdir(tmp_path)) == ["05_new.png", "06_price.png", "README.md"]


def test_longest_budget_starts_first(save, monkeypatch, tmp_path):
    for name, budget in (("91_a", 5), ("92_b", 50), ("93_c", 20)):
        course = save(notebook(code("1"), budget_seconds=budget), name).parent
    started = []

    def run(self, notebook):
        started.append(notebook.name)
        return runner.Result(notebook, "ok")

    monkeypatch.setattr(runner._Runner, "run", run)
    results = runner.run(notebooks.find(course), {}, tmp_path / "out", jobs=1)
    assert started == ["92_b", "93_c", "91_a"]
    assert [result.notebook.name for result in results] == ["91_a", "92_b", "93_c"]


def test_cells_of_bounds_are_folded_and_figures_get_the_text_of_their_cell(example):
    cell = example["cells"][2]
    cell["source"] = "if settings.is_default:\n    assert True"
    cell["outputs"] = [{"data": {}, "metadata": {"image/png": {"name": "price"}}}]
    cell["metadata"] = {"alt": {"price": "A rising line."}, "papermill": {}}
    stored = fingerprints.stamped(example)["cells"][2]
    assert stored["metadata"]["tags"] == ["hide-input"]
    assert stored["metadata"]["jupyter"] == {"source_hidden": True}
    assert stored["outputs"][0]["metadata"]["image/png"]["alt"] == "A rising line."
