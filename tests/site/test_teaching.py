"""What teachers hand out: the cheat sheet fits its page, its code runs, the guide is true."""

import html
import re

import nbformat
import numpy as np
import pytest
from chromium import launched

from lib import data

DOCS = data.DATA_DIR.parent / "docs"
NOTEBOOKS = DOCS.parent / "notebooks"


def exercise_titles():
    """Number of a notebook -> titles of its exercises."""
    titles = {}
    for path in sorted((NOTEBOOKS / "solutions").glob("[0-9]*.ipynb")):
        text = "\n".join(cell.source for cell in nbformat.read(path, 4).cells)
        titles[path.name[:2]] = re.findall(r"(?m)^## Exercise \d+\. (.+)$", text)
    return titles


def test_the_guide_sets_exercises_that_exist():
    titles = exercise_titles()
    guide = (DOCS / "instructors.md").read_text(encoding="utf-8")
    table = re.findall(r"(?m)^\| (\d\d) \|.*\| ([^|]*) \|$", guide)
    assert {number for number, _ in table} >= set(titles)
    for number, cell in table:
        missing = [name for name in re.findall(r"\*([^*]+)\*", cell) if name not in titles[number]]
        assert missing == [], f"notebook {number} has {titles.get(number)}"
    for number, names in re.findall(r"\| (\d\d): ((?:\*[^*|]+\*(?:, )?)+) \|", guide):
        assert set(re.findall(r"\*([^*]+)\*", names)) <= set(titles[number])


@pytest.mark.slow
def test_the_code_of_the_cheat_sheet_finds_a_spike():
    from numpy.lib.stride_tricks import sliding_window_view

    from lib.backend import keras

    sheet = (DOCS / "cheat_sheet.html").read_text(encoding="utf-8")
    code = html.unescape(re.search(r'<pre id="code">(.+?)</pre>', sheet, re.DOTALL)[1])
    keras.utils.set_random_seed(0)
    x = np.sin(np.arange(700) * 2 * np.pi / 16)[:, None]
    x += np.random.default_rng(0).normal(scale=0.05, size=x.shape)
    x[650] += 3
    names = ("LSTM", "RepeatVector", "Dense")
    space = {name: getattr(keras.layers, name) for name in names} | {
        **{"keras": keras, "np": np, "sliding_window_view": sliding_window_view},
        **{"EarlyStopping": keras.callbacks.EarlyStopping},
        **{"x": x, "a": 400, "b": 550, "window": 16, "d": 1, "units": 8},
    }
    exec(code.replace("epochs=200", "epochs=30"), space)
    assert len(space["flags"]) == 150 - 16 + 1
    assert space["flags"][650 - 550 - 16 + 1]
    assert 0 < space["observed"] < 0.5


@pytest.mark.slow
def test_the_cheat_sheet_is_one_page(tmp_path):
    with launched() as browser:
        page = browser.new_page()
        page.goto((DOCS / "cheat_sheet.html").as_uri())
        page.pdf(path=tmp_path / "sheet.pdf", prefer_css_page_size=True, print_background=True)
        page.set_viewport_size({"width": 390, "height": 800})
        width = page.evaluate("document.documentElement.scrollWidth")
    pages = re.findall(rb"/Type\s*/Page\b", (tmp_path / "sheet.pdf").read_bytes())
    assert len(pages) == 1
    assert width <= 390
