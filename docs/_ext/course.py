"""What the site needs beyond Sphinx and MyST-NB: alternative texts, formulae, launch buttons.

Notebooks reach the reader as they are stored; only the page differs: figures get the alternative
text that their output carries, a solution is folded, and no two pages share a title.
"""

import json
import re
from fnmatch import fnmatch
from pathlib import Path

from bs4 import BeautifulSoup
from docutils import nodes
from docutils.parsers.rst import directives
from latex2mathml.converter import convert
from launch import links
from myst_nb.core.render import NbElementRenderer
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parent.parent.parent
LOGGER = logging.getLogger(__name__)


# Alternative texts


def keep_alternative_texts():
    """Make MyST-NB take the alternative text of a figure from the metadata of its output."""
    render = NbElementRenderer.render_image

    def render_image(self, data):
        drawn = render(self, data)
        if alt := data.output_metadata.get(data.mime_type, {}).get("alt"):
            for image in drawn:
                image["alt"] = alt
        return drawn

    NbElementRenderer.render_image = render_image


# Notebooks as pages


def prepare_notebook(app, docname, source):
    """Change what is read of a notebook, not the file: titles, and folded solutions."""
    if not str(app.env.doc2path(docname)).endswith(".ipynb"):
        source[0] = _with_demo(source[0])
        return
    notebook = json.loads(source[0])
    if docname.startswith("notebooks/solutions/"):
        _as_solutions(notebook)
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            cell["source"] = _with_links(text, docname)
    source[0] = json.dumps(notebook)


def _as_solutions(notebook):
    first = notebook["cells"][0]
    title, newline, rest = "".join(first["source"]).partition("\n")
    title = re.sub(r":? *exercises?$", "", title, flags=re.IGNORECASE)
    first["source"] = f"{title}: solutions{newline}{rest}"
    notebook["metadata"]["mystnb"] = {
        "code_prompt_show": "Show the solution",
        "code_prompt_hide": "Hide the solution",
    }
    for cell in notebook["cells"]:
        tags = cell["metadata"].get("tags", [])
        if "solution" in tags and cell["cell_type"] == "code":
            cell["metadata"]["tags"] = [*tags, "hide-cell"]


def _with_links(text, docname):
    """Point links to a folder, which Sphinx cannot serve, to the page that lists it."""
    up = "../" * docname.count("/")
    for folder in ("exercises", "solutions"):
        text = re.sub(rf"\]\((?:[./\w]*/)?{folder}/?\)", f"]({up}docs/{folder}.md)", text)
    return text


def _with_demo(text):
    """Point links to the demo to where the site has it: beside the pages of Sphinx."""
    return re.sub(r"\[([^\]]+)\]\((demo/index\.html[^)]*)\)", r'<a href="../\2">\1</a>', text)


# Formulae


def _mathml(self, node, display):
    try:
        self.body.append(convert(node.astext().strip(), display=display))
    except Exception as error:  # the library names no common class
        LOGGER.warning("formula not understood: %s (%r)", node.astext(), error, location=node)
        self.body.append(self.starttag(node, "code", "") + self.encode(node.astext()) + "</code>")
    raise nodes.SkipNode


def visit_inline(self, node):
    """Write an inline formula as MathML."""
    _mathml(self, node, "inline")


def visit_display(self, node):
    """Write a formula of its own line as MathML."""
    self.body.append('<div class="math-display">')
    try:
        _mathml(self, node, "block")
    finally:
        self.body.append("</div>\n")


# The EPUB


def make_well_formed(app, doctree, docname):
    """Write the tables of outputs as XML, which an EPUB needs: entities and bare attributes."""
    if app.builder.name != "epub":
        return
    for node in list(doctree.findall(nodes.raw)):
        if node.get("format") == "html" and "<table" in node.astext():
            text = str(BeautifulSoup(node.astext(), "html.parser"))
            node.replace_self(nodes.raw("", text, format="html", classes=node["classes"]))


# Buttons


def add_buttons(app, pagename, templatename, context, doctree):
    """Put launch buttons and the downloads of a notebook into the head of its page."""
    buttons = context.get("header_buttons")
    if buttons is None or not pagename.startswith("notebooks/"):
        return
    pathto = context["pathto"]
    root = pathto(app.config.root_doc).removesuffix("docs/index.html")
    for group in buttons:
        if group.get("label") == "download-buttons":
            group["buttons"] = list(_downloads(group["buttons"], pagename, root, app))
    icons = {
        "Binder": "_static/images/logo_binder.svg",
        "Colab": "_static/images/logo_colab.png",
        "Codespaces": "fab fa-github",
    }
    launch = [
        {
            "type": "link",
            "text": name,
            "tooltip": f"Open in {name}",
            "icon": icons[name],
            "url": url,
        }
        for name, url in links(f"{pagename}.ipynb").items()
    ]
    if launch:
        group = {"type": "group", "tooltip": "Run this notebook", "icon": "fas fa-rocket"}
        buttons.append({**group, "buttons": launch, "label": "launch-buttons"})


def _downloads(buttons, pagename, root, app):
    """The notebook, its PDF where one is made, and its slides."""
    made = app.config.course_made.split(",")
    is_course = re.fullmatch(r"notebooks/\d\d_\w+", pagename)
    for button in buttons:
        if button["label"] != "download-pdf-button" or not (is_course and "pdf" in made):
            yield button
            continue
        url = f"{root}pdf/{Path(pagename).name}.pdf"
        yield {"type": "link", "url": url, "icon": "fas fa-file-pdf", "label": button["label"]} | {
            "text": ".pdf",
            "tooltip": "Download as PDF",
        }
    if is_course and "slides" in made:
        url = f"{root}slides/{Path(pagename).name}.html"
        yield {"type": "link", "url": url, "icon": "fas fa-person-chalkboard"} | {
            "text": "slides",
            "tooltip": "Show as slides",
            "label": "slides-button",
        }


# Directives


def headers():
    """Return path, title and what the head says of each notebook of the course, in order."""
    found = []
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        head = "".join(cells[0]["source"])
        facts = dict(re.findall(r"(?m)^\*\*(.+?)\.\*\* *(.+)$", head))
        title = re.search(r"(?m)^# (\d\d) · (.+)$", head)
        found.append((path, title[1] if title else path.stem[:2], title[2] if title else "", facts))
    return found


class NotebookTable(SphinxDirective):
    """The notebooks with question and time, from their own headers."""

    def run(self):
        """Return the table."""
        lines = ["| # | notebook | question | time |", "|---|---|---|---|"]
        for path, number, title, facts in headers():
            link = f"[{title}](/notebooks/{path.name})"
            lines.append(f"| {number} | {link} | {facts.get('Question', '')} | {_minutes(facts)} |")
            self.env.note_dependency(str(path))
        return self.parse_text_to_nodes("\n".join(lines))


def _minutes(facts):
    return facts.get("Time", "").rstrip(".")


class LaunchLinks(SphinxDirective):
    """Buttons that open the whole course elsewhere; a sentence where nobody knows from where."""

    def run(self):
        """Return the buttons."""
        made = " ".join(f"[{name}]({url}){{.launch}}" for name, url in links().items())
        unknown = "(This copy of the site was built outside a GitHub repository: no buttons here.)"
        return self.parse_text_to_nodes(made or unknown)


class DemoLink(SphinxDirective):
    """A link to the live demo for pages of `docs/`, where it is part of this copy."""

    def run(self):
        """Return the link."""
        if not (ROOT / "docs" / "demo" / "index.html").exists():
            return []
        link = '<p><a class="launch" href="../demo/index.html">Play with a live detector</a></p>'
        return [nodes.raw("", link, format="html")]


class StoredDetector(SphinxDirective):
    """What `detector.json` of a detector that ships says about it, as a table."""

    required_arguments = 1

    def run(self):
        """Return the table."""
        path = ROOT / "data" / "detectors" / self.arguments[0] / "detector.json"
        self.env.note_dependency(str(path))
        stored = json.loads(path.read_text(encoding="utf-8"))
        facts = {f"`{name}`": value for name, value in stored["recipe"].items()}
        facts |= {"features": ", ".join(f"`{name}`" for name in stored["features"])}
        facts |= {name: stored[name] for name in ("threshold", "n_windows") if name in stored}
        lines = ["| setting | value |", "|---|---|"]
        lines += [f"| {name} | {_shown(value)} |" for name, value in facts.items()]
        return self.parse_text_to_nodes("\n".join(lines))


def _shown(value):
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_shown(it)}" for name, it in value.items())
    return f"{value:.4g}" if isinstance(value, float) else value


class FromNotebook(SphinxDirective):
    """A section of a notebook, its tables or its figures, shown on another page.

    The argument is a pattern for the notebook's name, so that a new number changes nothing; so are
    the names of tables and figures.
    """

    required_arguments = 1
    option_spec = dict.fromkeys(("section", "tables", "figures"), directives.unchanged)

    def run(self):
        """Return the nodes."""
        paths = sorted((ROOT / "notebooks").glob(f"[0-9][0-9]_{self.arguments[0]}.ipynb"))
        if not paths:
            LOGGER.warning("no notebook %s", self.arguments[0], location=self.get_location())
            return []
        self.env.note_dependency(str(paths[0]))
        cells = json.loads(paths[0].read_text(encoding="utf-8"))["cells"]
        found = []
        if title := self.options.get("section"):
            found += self.parse_text_to_nodes(self._section(cells, title))
        for pattern in self.options.get("tables", "").split():
            found += [nodes.raw("", it, format="html") for it in _tables(cells, pattern)]
        for pattern in self.options.get("figures", "").split():
            pictures = sorted((ROOT / "figures").glob(f"{paths[0].name[:2]}_{pattern}.png"))
            found += self.parse_text_to_nodes("\n\n".join(map(self._figure, pictures)))
        return found

    def _section(self, cells, title):
        prose = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
        found = re.search(rf"(?ms)^## {re.escape(title)}\n(.*?)(?=^## |\Z)", prose)
        if not found:
            LOGGER.warning("no section %r", title, location=self.get_location())
        return found[1] if found else ""

    def _figure(self, path):
        alt = path.with_suffix(".txt").read_text(encoding="utf-8").strip()
        alt = re.sub(r"([\[\]\\])", r"\\\1", alt)  # what Markdown would take for its own
        return f"![{alt}](/figures/{path.name})"


def _tables(cells, pattern):
    """The HTML of those tables among the outputs whose name fits."""
    for output in (output for cell in cells for output in cell.get("outputs", ())):
        name = output.get("metadata", {}).get("text/csv", {}).get("name", "")
        if fnmatch(name, pattern):
            table = "".join(output["data"]["text/html"])
            yield f'<div class="pst-scrollable-table-container">{table}</div>'


def use_pagefind(app):
    """Leave out Sphinx's own search: the site has one search box, of Pagefind."""
    app.builder.search = False


def setup(app):
    """Register all of it."""
    keep_alternative_texts()
    app.add_config_value("course_made", "", "html", str)
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_display, None))
    app.add_directive("notebook-table", NotebookTable)
    app.add_directive("launch-links", LaunchLinks)
    app.add_directive("demo-link", DemoLink)
    app.add_directive("stored-detector", StoredDetector)
    app.add_directive("from-notebook", FromNotebook)
    app.connect("builder-inited", use_pagefind)
    app.connect("source-read", prepare_notebook)
    app.connect("doctree-resolved", make_well_formed)
    app.connect("html-page-context", add_buttons, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
