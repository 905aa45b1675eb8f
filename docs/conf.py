"""How Sphinx builds the site; `make site` runs it with the whole repository as its source folder.

Links between notebooks, pages and files are therefore the same here and on GitHub.
"""

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "_ext")]
import launch  # noqa: E402  (from docs/_ext)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "LSTM autoencoders for anomaly detection"
author = "The LSTM autoencoder course authors"
copyright = f"{author}. MIT licence"
version = release = PROJECT["version"]
language = "en"

root_doc = "docs/index"
include_patterns = ["docs/**", "notebooks/**", "data/README.md", "CONTRIBUTING.md"]
include_patterns += ["tests/benchmarks/README.md"]
exclude_patterns = [
    *(".*", "build", "lib", "figures", "binder", "**/.ipynb_checkpoints", "*.egg-info"),
    *("data/downloads", "data/results", "data/detectors", "docs/demo"),
    "docs/_*",
]
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_togglebutton",
    "course",  # docs/_ext/course.py
]
templates_path = ["_templates"]
suppress_warnings = [
    "mystnb.unknown_mime_type",  # a table's CSV, which stands beside its HTML
    "epub.unknown_project_files",
    "epub.duplicated_toc_entry",
]

# Notebooks: what is stored is shown, nothing is executed.
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# The reference needs names and docstrings, not networks.
autodoc_mock_imports = ["keras", "tensorflow"]
autodoc_member_order = "bysource"
add_module_names = False
napoleon_google_docstring = False
napoleon_custom_sections = [("Attributes", "params_style")]
default_role = "code"  # one backtick in a docstring

togglebutton_hint = "Show the answer"
togglebutton_hint_hide = "Hide the answer"
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "sphinx_book_theme"
html_title = "LSTM autoencoders for anomaly detection"
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_js_files = [("course.js", {"defer": "defer"})]
html_favicon = "_static/favicon.svg"
html_context = {"default_mode": "auto"}
html_math_renderer = "mathml"  # of docs/_ext/course.py: no script, also in print and in the EPUB
html_use_index = False
html_last_updated_fmt = None
html_theme_options = {
    "navbar_persistent": [],  # one search box, in the sidebar; on a phone a button opens it
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "use_download_button": True,
    "use_fullscreen_button": False,
    **launch.theme_options(),
}

epub_basename = "course"
epub_show_urls = "no"
epub_exclude_files = []
epub_use_index = False
