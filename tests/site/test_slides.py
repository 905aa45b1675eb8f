"""The slides: what becomes a slide and what a note, and how they look in a real browser."""

import importlib.util
import json
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "docs" / "_ext")]
import make_site  # noqa: E402

if importlib.util.find_spec("latex2mathml") is None:
    pytest.skip("not installed (extra `site`): latex2mathml", allow_module_level=True)
import slides  # noqa: E402

NOTEBOOKS = make_site.course_notebooks()
FIGURE = {"output_type": "display_data", "data": {"image/png": "aGk="}}
FIGURE["metadata"] = {"image/png": {"name": "price", "alt": "Line chart of a price & <its> flags."}}
TABLE = {"output_type": "display_data", "metadata": {}}


def markdown(source):
    return nbformat.v4.new_markdown_cell(source)


def code(source, *outputs, tags=()):
    cell = nbformat.v4.new_code_cell(source, outputs=[nbformat.from_dict(it) for it in outputs])
    cell.metadata.tags = list(tags)
    return cell


def table(rows, columns):
    row = f"<tr>{'<th>x</th>' * columns}</tr>"
    return TABLE | {"data": {"text/html": f"<table>{row * (rows + 1)}</table>"}}


def outlined(*cells):
    """Each slide as the texts shown, "figure" or "table" for an output, and its notes."""

    def said(cell):
        if not cell.get("outputs"):
            return cell.source
        return "figure" if "image/png" in cell.outputs[0].data else "table"

    return [([said(cell) for cell in shown], notes) for shown, notes in slides.outline(cells)]


def test_a_heading_is_shown_with_its_first_paragraph_and_the_rest_is_a_note():
    text = "# A\n\nFirst.\n\nSecond.\n\n## B\nThese:\n\n* one\n* two\n\nThird."
    assert outlined(markdown(text)) == [
        (["# A\n\nFirst."], ["Second."]),
        (["## B\nThese:\n\n* one\n* two"], ["Third."]),
    ]


def test_a_comment_in_code_is_no_heading():
    text = "# A\n\nFirst.\n\n```\n# not one\n\nx\n```"
    assert outlined(markdown(text)) == [(["# A\n\nFirst."], ["```\n# not one\n\nx\n```"])]


def test_a_figure_is_shown_with_what_to_see():
    cells = [markdown("# A\n\nText."), code("draw()", FIGURE), markdown("*What to see.* It.\n\nB.")]
    assert outlined(*cells) == [
        (["# A\n\nText."], ["```python\ndraw()\n```"]),
        (["figure", "*What to see.* It."], ["B."]),
    ]


def test_a_bare_heading_shares_the_slide_of_its_figure():
    assert outlined(markdown("## A"), code("draw()", FIGURE))[0][0] == ["## A", "figure"]


@pytest.mark.parametrize(("rows", "columns", "shown"), [(3, 3, 2), (30, 3, 1), (3, 12, 1)])
def test_only_a_small_table_is_shown(rows, columns, shown):
    assert len(outlined(markdown("# A\n\nB."), code("show()", table(rows, columns)))) == shown


@pytest.mark.parametrize(
    ("source", "tags", "shown"),
    [
        ("x = 1", [], 1),
        ("x = 1", ["slide"], 2),
        ("keras.Sequential([layers.Dense(1)])", [], 2),
        ("keras.Sequential([])\n" + "x = 1\n" * 30, [], 1),
    ],
)
def test_code_is_shown_only_where_it_is_the_point(source, tags, shown):
    assert len(outlined(markdown("# A\n\nB."), code(source, tags=tags))) == shown


def test_takeaways_and_hidden_answers_are_shown_whole():
    asked = "Why?\n\n<details><summary>Answer</summary>\n\nSo.\n\n</details>"
    found = outlined(markdown("# A"), markdown(asked), markdown("## Takeaways\n* a\n* b\n\n* c"))
    assert [shown for shown, _ in found][1:] == [[asked], ["## Takeaways\n* a\n* b\n\n* c"]]


def test_formulae_become_mathml_and_prices_and_code_do_not():
    cells = slides.as_notebook([([markdown("$a^2$ of `$x$`, $5 and $6.")], [])], "x").cells
    assert cells[0].source.count("<math") == 1
    assert "`$x$`, $5 and $6." in cells[0].source


def test_links_to_files_become_text():
    cells = slides.as_notebook([([markdown("[a](b.ipynb) ![c](d.png) [e](https://f)")], [])], "x")
    assert cells.cells[0].source == "a ![c](d.png) [e](https://f)"


def test_a_question_in_the_summary_leaves_the_text_before_it_to_the_figure():
    asked = (
        "<details><summary>What would happen with another seed?</summary>\n\nThis.\n\n</details>"
    )
    cells = [
        markdown("# A\n\nB."),
        code("draw()", FIGURE),
        markdown(f"*What.* It.\n\n{asked}\n\nC."),
    ]
    assert outlined(*cells)[1:] == [(["figure", "*What.* It."], []), ([asked], ["C."])]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    try:
        reveal = make_site.vendored("reveal.js") / "reveal.js"
    except RuntimeError as error:
        pytest.skip(f"reveal.js is not here: {error}")
    target = tmp_path_factory.mktemp("slides")
    slides.write(NOTEBOOKS, target, reveal)
    return target


@pytest.mark.slow
def test_slides_in_a_browser(folder):
    """They load from the disk alone, fit, and each picture says what it shows."""
    if importlib.util.find_spec("playwright") is None or make_site.chromium() is None:
        pytest.skip("Playwright or Chromium is not installed")
    from playwright.sync_api import sync_playwright

    shots = ROOT / "build" / "screenshots" / "slides"
    shots.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        path, flags = make_site.chromium(), make_site.FLAGS
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        page = browser.new_page(viewport={"width": 1100, "height": 700})
        troubles = []
        page.on("console", lambda it: it.type in ("error", "warning") and troubles.append(it.text))
        page.on("pageerror", lambda it: troubles.append(str(it)))
        page.on("request", lambda it: it.url[:5] in ("file:", "data:") or troubles.append(it.url))
        for name in [*(notebook.stem for notebook in NOTEBOOKS), "talk"]:
            page.goto((folder / f"{name}.html").as_uri())
            page.wait_for_selector("body[data-fitted]")
            page.screenshot(path=shots / f"{name}.png")
            found = page.evaluate(REPORT)
            assert found["n"] >= 8, name
            assert (name, found["silent"], found["large"]) == (name, [], [])
            assert found["notes"] >= 3, name
        browser.close()
    assert troubles == []


REPORT = """() => {
  const slides = [...document.querySelectorAll(".slides > section > section")];
  const large = slides.filter((slide) => {
    const boxes = [slide.parentElement, slide];
    const displays = boxes.map((box) => box.style.display);
    boxes.forEach((box) => (box.style.display = "block"));
    const height = slide.scrollHeight;
    boxes.forEach((box, place) => (box.style.display = displays[place]));
    return height > 660;
  });
  return {
    n: Reveal.getTotalSlides(),
    notes: document.querySelectorAll("aside.notes").length,
    silent: [...document.images].filter((it) => it.alt.length < 40).map((it) => it.alt),
    large: large.map((slide) => slide.innerText.slice(0, 60)),
  };
}"""


@pytest.mark.slow
def test_figures_keep_their_alternative_texts(folder):
    for notebook in NOTEBOOKS:
        html = (folder / f"{notebook.stem}.html").read_text(encoding="utf-8")
        figures = [
            output["metadata"]["image/png"]["alt"]
            for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]
            for output in cell.get("outputs", [])
            if "image/png" in output.get("data", {})
        ]
        assert html.count("<img ") == len(figures), notebook.stem
