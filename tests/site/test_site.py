"""The site in a real browser: built once from a cold start, then read as readers do.

Skipped where Chromium or the packages of the extra `site` are missing. Screenshots are left in
build/screenshots, to be looked at.
"""

import functools
import http.server
import importlib.util
import json
import re
import sys
import threading
import zipfile
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlparse
from xml.etree import ElementTree

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "docs" / "_ext")]
import make_site  # noqa: E402

NEEDED = ("sphinx", "myst_nb", "sphinx_book_theme", "pagefind", "playwright", "latex2mathml")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed (extra `site`): {MISSING}"),
    pytest.mark.skipif(make_site.chromium() is None, reason="Chromium is not installed"),
]
REPOSITORY = "example/course"
NOTEBOOKS = make_site.course_notebooks()
SHORTEST_ALT = 40
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
A4 = {"width": 680, "height": 960}  # what its margins leave, in pixels of 1/96 inch
SHOTS = ROOT / "build" / "screenshots"
# One page of each kind, for what takes too long to ask of all.
KINDS = [
    *(f"docs/{name}" for name in ("index", "glossary", "reference", "study", "exercises")),
    "data/README",
    f"notebooks/{NOTEBOOKS[len(NOTEBOOKS) // 2].stem}",
    f"notebooks/exercises/{NOTEBOOKS[1].stem}",
    f"notebooks/solutions/{NOTEBOOKS[-1].stem}",
]

PRINTED = [f"notebooks/{notebook.stem}" for notebook in NOTEBOOKS]

# What a page tells about itself.
REPORT = """() => ({
  title: document.title,
  width: document.documentElement.scrollWidth,
  ids: [...document.querySelectorAll("[id]")].map((it) => it.id),
  links: [...document.querySelectorAll("a[href]")].map((it) => it.getAttribute("href")),
  images: [...document.querySelectorAll("article img")].map(
    (it) => ({ source: it.src, alt: it.alt, loaded: it.complete && it.naturalWidth > 0 })),
  cut: [...document.querySelectorAll("article pre")].filter(
    (it) => it.scrollWidth > it.clientWidth + 1).map((it) => it.innerText.slice(0, 80)),
})"""
CUT_IN_PRINT = """() => [...document.querySelectorAll(
    "article pre, article table, article img, math")]
  .filter((it) => it.getBoundingClientRect().right > innerWidth + 1)
  .map((it) => it.outerHTML.slice(0, 200))"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site; building it raises if Sphinx warns of anything."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_REPOSITORY", REPOSITORY)
        make_site.html(folder, ("html", "epub", "pdf"), strict=True)
        make_site.epub(folder)
    return folder


@pytest.fixture(scope="module")
def address(site):
    """Where a local server serves it."""
    handler = functools.partial(_Quiet, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=make_site.chromium(), args=make_site.FLAGS
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def contexts(browser):
    """One context for each set of options, so that scripts and styles are fetched once."""
    made = {}

    def context(**options):
        key = str(sorted(options.items()))
        if key not in made:
            made[key] = browser.new_context(**options)
        return made[key]

    yield context
    for one in made.values():
        one.close()


@pytest.fixture
def open_page(contexts, address):
    """A function that opens a page of the site; the pages are closed after the test."""
    pages = []

    def opened(name, **options):
        pages.append(contexts(**{"viewport": DESKTOP, **options}).new_page())
        pages[-1].goto(f"{address}{name}.html")
        return pages[-1]

    yield opened
    for page in pages:
        page.close()


@pytest.fixture(scope="module")
def visits(site, address, browser):
    """What each page, opened on a phone, tells about itself, with all that went wrong.

    Notebooks of the course are printed as well; a page of each kind leaves a screenshot.
    """
    found = {}
    context = browser.new_context(viewport=PHONE)
    page = context.new_page()
    troubles = []
    page.on("console", lambda it: it.type in ("error", "warning") and troubles.append(it.text))
    page.on("pageerror", lambda it: troubles.append(str(it)))
    # A request that the next page cuts short is no failure.
    page.on("requestfailed", lambda it: "ABORTED" in it.failure or troubles.append(it.url))
    page.on("request", lambda it: it.url.startswith((address, "data:")) or troubles.append(it.url))
    for path in sorted(site.glob("**/*.html")):
        name = path.relative_to(site).as_posix()
        if name == "index.html" or name.startswith(("_static", "demo/", "pagefind/")):
            continue
        page.goto(address + name)
        found[name] = page.evaluate(REPORT) | {"troubles": troubles.copy()}
        kind = name.removesuffix(".html")
        if kind in KINDS:
            page.screenshot(path=_shot(f"{kind}_phone"))
        if kind in PRINTED:
            page.set_viewport_size(A4)
            page.emulate_media(media="print")
            found[name]["cut_in_print"] = page.evaluate(CUT_IN_PRINT)
            page.emulate_media(media="screen")
            page.set_viewport_size(PHONE)
        troubles.clear()
    context.close()
    return found


def each(visits, problem):
    """The pages that have a problem, with it."""
    return {name: wrong for name, visit in visits.items() if (wrong := problem(visit))}


def test_every_notebook_has_a_page_and_the_start_page_leads_in(site, address, browser):
    for notebook in NOTEBOOKS:
        assert (site / "notebooks" / f"{notebook.stem}.html").exists()
    page = browser.new_page()
    page.goto(address)
    page.wait_for_url("**/docs/index.html")
    for notebook in NOTEBOOKS:
        assert page.locator(f"article a[href$='{notebook.stem}.html']").count() >= 1
    page.close()


def test_pages_load_without_an_error_and_from_nowhere_else(visits):
    assert len(visits) > len(NOTEBOOKS)
    assert each(visits, lambda visit: visit["troubles"]) == {}


def test_no_two_pages_share_a_title(visits):
    titles = [visit["title"] for visit in visits.values()]
    assert sorted(titles) == sorted(set(titles))


def test_no_page_scrolls_sideways_on_a_phone_and_code_wraps(visits):
    assert each(visits, lambda visit: max(0, visit["width"] - PHONE["width"])) == {}
    assert each(visits, lambda visit: visit["cut"]) == {}


def test_images_are_there_and_say_what_they_show(visits):
    assert sum(len(visit["images"]) for visit in visits.values()) > len(NOTEBOOKS)
    assert each(visits, lambda v: [i["source"] for i in v["images"] if not i["loaded"]]) == {}
    silent = each(visits, lambda v: [i for i in v["images"] if len(i["alt"]) < SHORTEST_ALT])
    assert silent == {}


def test_alternative_texts_are_those_of_the_notebooks(visits):
    for notebook in NOTEBOOKS:
        stored = [
            output["metadata"]["image/png"]["alt"]
            for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]
            for output in cell.get("outputs", [])
            if "image/png" in output.get("data", {})
        ]
        shown = [image["alt"] for image in visits[f"notebooks/{notebook.stem}.html"]["images"]]
        assert [alt for alt in stored if alt not in shown] == []


def test_links_lead_somewhere(visits, site):
    # Made by parts of `make site` that take too long here; their tests are elsewhere.
    later = ("pdf/", "slides/", "course.epub")
    broken = set()
    for name, visit in visits.items():
        for link in visit["links"]:
            target, anchor = urldefrag(urljoin(f"http://site/{name}", link))
            if urlparse(target).netloc != "site":
                continue
            path = unquote(urlparse(target).path).lstrip("/")
            known = path in visits or (site / path).exists() or path.startswith(later)
            missing = anchor and path in visits and unquote(anchor) not in visits[path]["ids"]
            if not known or missing:
                broken.add((name, link))
    assert broken == set()


def test_search_finds_the_glossary(open_page):
    page = open_page("docs/own_series")
    page.keyboard.press("Control+k")
    page.keyboard.type("threshold", delay=20)
    # What was typed first has answers of its own, which stand there for a moment.
    glossary = page.locator(".search-found a", has_text="Glossary").first
    glossary.wait_for()
    page.screenshot(path=_shot("search"))
    glossary.click()
    page.wait_for_url("**/docs/glossary.html*")


def test_search_by_button_on_a_phone(open_page):
    page = open_page("docs/index", viewport=PHONE)
    page.locator(".search-button__button:visible").click()
    page.keyboard.type("bottleneck", delay=20)
    page.wait_for_selector(".search-found li")
    assert re.fullmatch(r"\d+ pages? found", page.locator(".search-status").inner_text())


def test_a_solution_is_folded_until_it_is_opened(open_page):
    page = open_page(f"notebooks/solutions/{NOTEBOOKS[-1].stem}")
    folded = page.locator("article details").first
    assert not folded.locator("pre").first.is_visible()
    folded.locator("summary").click()
    assert folded.locator("pre").first.is_visible()


def test_code_can_be_copied(open_page):
    page = open_page(f"notebooks/{NOTEBOOKS[0].stem}")
    assert page.locator(".cell_input button.copybtn").count() == page.locator(".cell_input").count()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_in_the_readers_scheme_have_no_serious_fault(open_page, scheme):
    axe = _axe()
    faults = {}
    for kind in KINDS:
        page = open_page(kind, color_scheme=scheme)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        red, green, blue = map(int, re.findall(r"\d+", colour)[:3])
        assert (max(red, green, blue) < 80) == (scheme == "dark")
        page.screenshot(path=_shot(f"{kind}_{scheme}"))
        if axe and (scheme == "light" or kind in KINDS[:1] + KINDS[-1:]):
            page.evaluate(axe)
            for fault in page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]:
                if fault["impact"] in ("serious", "critical"):
                    faults[kind, fault["id"]] = [node["html"][:200] for node in fault["nodes"]]
    assert faults == {}
    if not axe:
        pytest.skip("axe-core is not here, and npm could not fetch it")


def _axe():
    """The source of axe-core, None where it cannot be had."""
    try:
        return (make_site.vendored("axe-core") / "axe-core" / "axe.min.js").read_text("utf-8")
    except RuntimeError:
        return None


def _shot(name):
    SHOTS.mkdir(parents=True, exist_ok=True)
    return SHOTS / f"{name.replace('/', '_')}.png"


# To take away


def test_a_notebook_is_downloaded_as_it_is_stored(site, visits):
    for path in sorted((ROOT / "notebooks").glob("**/[0-9][0-9]_*.ipynb")):
        name = path.relative_to(ROOT).as_posix()
        if ".ipynb_checkpoints" in name:
            continue
        links = visits[f"{name.removesuffix('.ipynb')}.html"]["links"]
        (link,) = {it for it in links if it.endswith(".ipynb") and "_sources/" in it}
        target = urlparse(urljoin(f"http://site/{name}", link)).path.lstrip("/")
        assert (site / target).read_bytes() == path.read_bytes()


def test_nothing_is_cut_in_print(visits):
    assert {name: visits[f"{name}.html"]["cut_in_print"] for name in PRINTED} == {
        name: [] for name in PRINTED
    }


def test_a_notebook_is_printed_as_pdf(site, browser):
    make_site.print_page(browser, site, NOTEBOOKS[-1])
    data = (site / "pdf" / f"{NOTEBOOKS[-1].stem}.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", data)) >= 3
    assert b"/StructTreeRoot" in data  # tagged, for readers that speak


def test_the_epub_is_whole(site):
    with zipfile.ZipFile(site / "course.epub") as book:
        names = book.namelist()
        assert book.read("mimetype") == b"application/epub+zip"
        assert names[0] == "mimetype"
        pages = {name: book.read(name) for name in names if name.endswith(".xhtml")}
    assert {f"notebooks/{notebook.stem}.xhtml" for notebook in NOTEBOOKS} <= set(pages)
    for page in map(ElementTree.fromstring, pages.values()):  # fails if one is not well-formed
        images = page.findall(".//{http://www.w3.org/1999/xhtml}img")
        assert [it.get("src") for it in images if len(it.get("alt", "")) < SHORTEST_ALT] == []


# Launch


def test_each_notebook_can_be_launched_elsewhere(visits):
    for notebook in NOTEBOOKS:
        links = visits[f"notebooks/{notebook.stem}.html"]["links"]
        path = f"notebooks/{notebook.stem}.ipynb"
        assert f"https://mybinder.org/v2/gh/{REPOSITORY}/main?urlpath=lab/tree/{path}" in links
        colab_page = "https://colab.research.google.com/github"
        assert f"{colab_page}/{REPOSITORY}/blob/colab/{path}" in links
        assert f"https://codespaces.new/{REPOSITORY}" in links


def test_copies_for_colab_differ_in_two_cells_only(site):
    for notebook in NOTEBOOKS:
        made = nbformat.read(site / "colab" / "notebooks" / notebook.name, nbformat.NO_CONVERT)
        nbformat.validate(made)
        stored = nbformat.read(notebook, nbformat.NO_CONVERT)
        assert made.cells[2:] == stored.cells
        assert made.metadata == stored.metadata
