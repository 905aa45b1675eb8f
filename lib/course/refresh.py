"""Renewing what is stored: notebooks of the course, figures drawn from them, solutions.

For maintainers only: a run never writes here.
"""

from pathlib import Path

from lib.course import fingerprints, notebooks, outputs, runner


def refresh_course(chosen, everything=False, output="build", jobs=None):
    """Refresh notebooks of the course, their figures in `figures/`, and their solutions.

    Takes, returns and raises what `refresh` does. The figures of solutions are not kept apart.
    """
    results = refresh(chosen, everything, output, jobs)
    for notebook in chosen:
        files = outputs.figure_files(notebooks.read(notebook.path), notebook.number)
        outputs.replace_files(notebook.path.parents[1] / "figures", notebook.number, files)
    folders = {notebook.path.parent for notebook in chosen}
    names = {notebook.name for notebook in chosen}
    solved = [n for f in folders for n in notebooks.find(f / "solutions") if n.name in names]
    return results + refresh(solved, everything, Path(output) / "solutions", jobs)


def refresh(chosen, everything=False, output="build", jobs=None):
    """Execute those of the notebooks that are stale, or `everything`, and store them, stamped.

    They are executed in `output`; a notebook that fails is kept there, and the stored one stays.
    Returns a `Result` for each notebook that was executed.

    Raises
    ------
    NotebookError
        If a notebook, or what it imports, is edited while it runs; nothing is then stored.
    nbformat.ValidationError
        If an executed one is not a valid notebook.
    """
    contents = {notebook: notebooks.read(notebook.path) for notebook in chosen}
    stale = [n for n in chosen if everything or not fingerprints.is_fresh(contents[n])]
    before = {notebook: _state(notebook) for notebook in stale}
    results = runner.run(stale, runner.prepare(stale, output=output), output, jobs)
    for notebook in (result.notebook for result in results if result.status == "ok"):
        if _state(notebook) != before[notebook]:
            raise notebooks.NotebookError(f"{notebook.name} changed while it ran; run it again.")
        executed = notebooks.read(Path(output) / "notebooks" / notebook.path.name)
        outputs.write(notebook.path, notebooks.to_bytes(fingerprints.stamped(executed)))
    return results


def _state(notebook):
    return notebook.path.read_bytes(), fingerprints.sources_hash(notebooks.read(notebook.path))
