"""Notebooks -> slides: headings, figures, tables, questions to show; the rest as speaker notes.

A slide is one of these: a heading with its first paragraph; a figure, or a small table, with what
to see in it; a question with its hidden answer; the takeaways; code that builds a network, or whose
cell is tagged `slide`. All other text and code goes into the notes of the slide before it.
"""

import copy
import re
import shutil
from pathlib import Path

import nbformat
from latex2mathml.converter import convert
from nbconvert import SlidesExporter
from traitlets.config import Config

HERE = Path(__file__).resolve().parent
MAX_CODE = 18  # lines; more cannot be read from the last row
MAX_ROWS, MAX_COLUMNS = 10, 8  # of a table
NETWORK = re.compile(r"keras\.Sequential\(|(?:\blayers\.[A-Z].*?){3}", re.DOTALL)
SHORTEST_QUESTION = 30  # letters; a shorter summary only says "Answer"
MARK = "<!-- notebooks -->"


def outline(cells):
    """Sort the cells of a notebook into slides.

    Parameters
    ----------
    cells : list of nbformat.NotebookNode

    Returns
    -------
    list of (list, list)
        For each slide the cells to show, and the texts of its notes.
    """
    slides = []
    for cell in cells:
        if cell.cell_type == "markdown":
            for block in _blocks(cell.source):
                _add_text(slides, block)
        elif cell.cell_type == "code" and "hide-cell" not in cell.metadata.get("tags", ()):
            _add_code(slides, cell)
    return slides


def _blocks(source):
    """The text of a cell, cut before each heading outside of code."""
    blocks, fenced = [""], False
    for line in source.splitlines():
        fenced ^= line.startswith("```")
        if re.match(r"#{1,3} ", line) and not fenced:
            blocks.append("")
        blocks[-1] += line + "\n"
    return [block.strip() for block in blocks if block.strip()]


def _add_text(slides, block):
    heading = re.match(r"#{1,3} (.+)", block)
    if asked := re.search(r"<details.*</details>", block, re.DOTALL):
        _add_question(slides, block[: asked.start()], asked[0], block[asked.end() :])
    elif heading and heading[1].strip() == "Takeaways":
        slides.append(([_text(block)], []))
    elif heading:
        shown, rest = _opening(_paragraphs(block))
        slides.append(([_text("\n\n".join(shown))], rest))
    elif slides and _has_output(slides[-1]):
        first, *rest = _paragraphs(block)
        slides[-1][0].append(_text(first))
        slides[-1][1].extend(rest)
    elif slides:
        slides[-1][1].append(block)


def _add_question(slides, before, question, after):
    """A hidden answer gets a slide of its own, with its question where the summary lacks it."""
    parts = _paragraphs(before.strip()) if before.strip() else []
    summary = re.search(r"<summary>(.*?)</summary>", question, re.DOTALL)
    if parts and len(summary[1] if summary else "") < SHORTEST_QUESTION:
        question = f"{parts.pop()}\n\n{question}"
    if parts:
        _add_text(slides, "\n\n".join(parts))
    slides.append(([_text(question)], []))
    if after.strip():
        _add_text(slides, after.strip())


def _opening(parts):
    """What is shown of a section: the heading, the first paragraph, and a list it announces."""
    n = 1 if len(parts) > 1 and parts[1].startswith(("|", "```", "<")) else 2
    n += len(parts) > 2 and parts[1].endswith(":")
    return parts[:n], parts[n:]


def _paragraphs(block):
    """Paragraphs of a text; a fenced piece of code is never cut."""
    parts, fenced = [], False
    for part in re.split(r"\n\s*\n", block):
        if fenced:
            parts[-1] += "\n\n" + part
        else:
            parts.append(part)
        fenced ^= len(re.findall(r"(?m)^```", part)) % 2 == 1
    return parts


def _has_output(slide):
    """Whether the last thing on a slide is a figure or a table, so that a text may follow it."""
    return slide[0][-1].cell_type == "code" and bool(slide[0][-1].outputs)


def _is_bare(slide):
    """Whether a slide holds a heading and nothing else."""
    return len(slide[0]) == 1 and re.fullmatch(r"#{1,3} .+", slide[0][0].source.strip())


def _add_code(slides, cell):
    tags = cell.metadata.get("tags", [])
    short = len(cell.source.splitlines()) <= MAX_CODE
    if "slide" in tags or (short and NETWORK.search(cell.source)):
        slides.append(([_code(cell.source)], []))
    elif slides:
        slides[-1][1].append(f"```python\n{cell.source}\n```")
    for output in cell.outputs:
        if "image/png" in output.get("data", {}) or _is_small_table(output):
            if slides and _is_bare(slides[-1]):
                slides[-1][0].append(_shown(output))
            else:
                slides.append(([_shown(output)], []))


def _is_small_table(output):
    table = output.get("data", {}).get("text/html", "")
    rows, columns = table.count("<tr"), table.partition("</tr>")[0].count("<th")
    return "<table" in table and rows <= MAX_ROWS + 1 and columns <= MAX_COLUMNS


def _text(source):
    return nbformat.v4.new_markdown_cell(source)


def _code(source):
    return nbformat.v4.new_code_cell(source)


def _shown(output):
    cell = nbformat.v4.new_code_cell("", outputs=[copy.deepcopy(output)])
    cell.metadata.transient = {"remove_source": True}
    return cell


def as_notebook(slides, title):
    """Return the notebook that nbconvert turns into these slides."""
    cells = []
    for shown, notes in slides:
        for place, cell in enumerate(shown):
            cell.metadata.slideshow = {"slide_type": "-" if place else "slide"}
            cells.append(cell)
        if notes:
            cells.append(_text("\n\n".join(notes)))
            cells[-1].metadata.slideshow = {"slide_type": "notes"}
    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = _with_mathml(_without_links(cell.source))
    return nbformat.v4.new_notebook(cells=cells, metadata={"title": title})


def _without_links(source):
    """The text of links to files, which lie elsewhere when slides are shown; web links stay."""
    return re.sub(r"(?<!!)\[([^\]]*)\]\((?!https?:)[^)]*\)", r"\1", source)


def _with_mathml(source):
    """Formulae outside of code as MathML, which browsers draw by themselves."""

    def drawn(match):
        if match["code"]:
            return match["code"]
        display = "block" if match["display"] else "inline"
        return convert((match["display"] or match["inline"]).strip(), display=display)

    code = r"(?P<code>```.*?```|`[^`\n]+`)"
    display, inline = (
        r"\$\$(?P<display>.+?)\$\$",
        r"(?<![\\\w$])\$(?P<inline>[^\s$][^$\n]*?)\$(?!\d)",
    )
    return re.sub(f"{code}|{display}|{inline}", drawn, source, flags=re.DOTALL)


# The talk


def talk(paths):
    """Return the talk of 20 minutes: `_slides/talk.md`, and one slide a notebook at its mark.

    A notebook gives its title, its question, the figure of the cell tagged `talk` or else its last
    one, and its takeaways for the notes.
    """
    before, after = (HERE / "_slides" / "talk.md").read_text(encoding="utf-8").split(MARK)
    return [*_written(before), *map(_summary, paths), *_written(after)]


def _written(text):
    for slide in re.split(r"(?m)^---$", text):
        shown, _, notes = slide.partition("\nNote:")
        if shown.strip():
            yield [_text(shown.strip())], [notes.strip()] if notes.strip() else []


def _summary(path):
    cells = nbformat.read(path, nbformat.NO_CONVERT).cells
    head = cells[0].source
    title = re.search(r"(?m)^# (.+)$", head)[1]
    question = re.search(r"(?m)^\*\*Question\.\*\* *(.+)$", head)
    text = f"## {title}\n\n{question[1] if question else ''}"
    pictures = [
        ("talk" in cell.metadata.get("tags", []), place, output)
        for place, cell in enumerate(cells)
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    prose = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    takeaways = re.search(r"(?ms)^## Takeaways\n(.*?)(?=^## |\Z)", prose)
    shown = [_text(text)] + [_shown(max(pictures, key=lambda it: it[:2])[2])] * bool(pictures)
    return shown, [takeaways[1].strip()] if takeaways else []


# Writing


def write(paths, folder, reveal):
    """Write slides of these notebooks and the talk, with all that showing them needs.

    Parameters
    ----------
    paths : list of pathlib.Path
    folder : pathlib.Path
        It is made if it does not exist.
    reveal : pathlib.Path
        The package reveal.js, as npm unpacks it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for part in (
        "dist/reveal.js",
        "dist/reveal.css",
        "dist/plugin/notes.js",
        "dist/theme/white.css",
    ):
        (folder / "reveal.js" / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(reveal / part, folder / "reveal.js" / part)
    shutil.copy(reveal / "LICENSE", folder / "reveal.js" / "LICENSE")
    for name in ("slides.css", "slides.js"):
        shutil.copy(HERE / "_slides" / name, folder / name)
    exporter = SlidesExporter(config=_config())
    for path in paths:
        cells = nbformat.read(path, nbformat.NO_CONVERT).cells
        _export(exporter, outline(cells), path.stem, folder)
    _export(exporter, talk(paths), "talk", folder)


def _config():
    config = Config()
    config.SlidesExporter.template_name = "course"
    config.SlidesExporter.extra_template_basedirs = [str(HERE / "_slides")]
    config.SlidesExporter.reveal_url_prefix = "reveal.js"
    config.SlidesExporter.reveal_theme = "white"
    config.SlidesExporter.exclude_input_prompt = True
    config.SlidesExporter.exclude_output_prompt = True
    return config


def _export(exporter, slides, name, folder):
    html, _ = exporter.from_notebook_node(as_notebook(slides, name.replace("_", " ")))
    (folder / f"{name}.html").write_text(html, encoding="utf-8")
