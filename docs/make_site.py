"""Build the site into build/site: `make site`, or `python docs/make_site.py html epub pdf slides`.

Everything is made from what the repository holds; notebooks are never executed. `pdf` needs
Chromium, `slides` needs npm; without them `make site` says so and leaves that part out.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "docs" / "_ext")]
import colab  # noqa: E402
import launch  # noqa: E402

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
START = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>LSTM autoencoders for anomaly detection</title>
<meta http-equiv="refresh" content="0; url=docs/index.html"></head>
<body><main><h1>LSTM autoencoders</h1><p><a href="docs/index.html">To the course</a></p></main></body></html>
"""  # noqa: E501


def chromium():
    """Return the path of a browser of the Chromium family, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def course_notebooks():
    """Return the notebooks of the course, without exercises and solutions."""
    return sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def sphinx(builder, folder, made=(), strict=False):
    """Run Sphinx; both builders share what it has read, and each writes all pages anew."""
    options = ["-a", "-c", "docs", "-d", "build/doctrees", "-D", f"course_made={','.join(made)}"]
    options += ["--fail-on-warning", "--keep-going"] if strict else []
    command = [sys.executable, "-m", "sphinx", "-q", "-b", builder, *options, ".", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True)


def html(site, made=(), strict=False):
    """Write the pages, the start page, the copies for Colab, the demo and the search index."""
    sphinx("html", site, made, strict)
    (site / "index.html").write_text(START, encoding="utf-8")
    (site / ".nojekyll").touch()  # GitHub Pages would leave out _static
    colab.write(course_notebooks(), site / "colab", launch.repository())
    if (demo := ROOT / "docs" / "demo").exists():
        leave = shutil.ignore_patterns("*.py", "__pycache__")
        shutil.copytree(demo, site / "demo", dirs_exist_ok=True, ignore=leave)
    command = [sys.executable, "-m", "pagefind", "--site", str(site), "--silent"]
    command += [
        "--root-selector",
        "article.bd-article",
        "--glob",
        "{CONTRIBUTING,docs/*,data/*,notebooks/**/*}.html",
    ]
    command += ["--exclude-selectors", ".headerlink, .copybtn, summary, script"]
    subprocess.run(command, check=True)


def epub(site):
    """Write the whole course as one EPUB."""
    folder = ROOT / "build" / "epub"
    sphinx("epub", folder)
    shutil.copy(folder / "course.epub", site / "course.epub")


def pdf(site, notebooks=None):
    """Print the page of each notebook."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        for notebook in notebooks or course_notebooks():
            print_page(browser, site, notebook)
        browser.close()


def print_page(browser, site, notebook):
    """Print one page as it is in a light scheme, with everything that is folded opened."""
    (site / "pdf").mkdir(exist_ok=True)
    page = browser.new_page(color_scheme="light")
    page.goto((site / "notebooks" / f"{notebook.stem}.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((it) => (it.open = true))")
    margins = dict.fromkeys(("top", "bottom", "left", "right"), "15mm")
    target = site / "pdf" / f"{notebook.stem}.pdf"
    page.pdf(path=target, format="A4", margin=margins, tagged=True, outline=True)
    page.close()


def vendored(*packages):
    """Fetch packages of npm into build/vendor, once, and return the folder that holds them.

    Raises
    ------
    RuntimeError
        If npm is missing or fails.
    """
    folder = ROOT / "build" / "vendor"
    pins = json.loads((ROOT / "docs" / "vendor.json").read_text(encoding="utf-8"))
    wanted = [f"{name}@{pins[name]}" for name in packages]
    if not all((folder / "node_modules" / name).exists() for name in packages):
        if not (npm := shutil.which("npm")):
            raise RuntimeError("npm is not installed")
        folder.mkdir(parents=True, exist_ok=True)
        command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run([*command, "--prefix", str(folder), *wanted], check=False)
        if done.returncode:
            raise RuntimeError(f"npm could not fetch {', '.join(wanted)}")
    return folder / "node_modules"


def slides(site):
    """Write the slides of each notebook and the talk."""
    import slides as maker

    maker.write(course_notebooks(), site / "slides", vendored("reveal.js") / "reveal.js")


def main(words=None):
    """Build what is asked for; return the exit code."""
    parser = argparse.ArgumentParser("docs/make_site.py", description=__doc__.splitlines()[0])
    parts = ["html", "epub", "pdf", "slides"]
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {parts} (default: all)")
    parser.add_argument("--site", type=Path, default=ROOT / "build" / "site")
    parser.add_argument("--strict", action="store_true", help="a warning is an error")
    arguments = parser.parse_args(words)
    wanted = arguments.parts or [part for part in parts if _possible(part)]
    arguments.site.mkdir(parents=True, exist_ok=True)
    if "html" in wanted:
        html(arguments.site, wanted, arguments.strict)
    for part, function in {"epub": epub, "pdf": pdf, "slides": slides}.items():
        if part in wanted:
            function(arguments.site)
    print(f"{arguments.site}: {', '.join(wanted)}")
    print(f'To read it: "{sys.executable}" -m http.server --directory "{arguments.site}"')
    return 0


def _possible(part):
    needs = {"pdf": (chromium, "Chromium"), "slides": (lambda: shutil.which("npm"), "npm")}
    find, name = needs.get(part, (lambda: True, ""))
    if not find():
        print(f"{name} is not installed: no {part}.")
    return find()


if __name__ == "__main__":
    sys.exit(main())
