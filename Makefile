# make study | make test | make lab | make site      (each sets up .venv by itself, once)

PYTHON ?= python3
JOBS ?=
VENV := .venv
BACKENDS := .venv-backends
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready

.PHONY: study test test-backends lab site slides refresh bench check clean

study: $(READY)  ## execute every notebook into build/ and print a table of the results
	$(RUN) -m lib run $(if $(JOBS),--jobs $(JOBS))

test: $(READY)  ## everything a maintainer needs to know: style, units, docstrings, notebooks
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/lint-imports --no-logo
	env -u LIB_TRAINER -u PYTHONDONTWRITEBYTECODE $(RUN) -m pytest

test-backends: $(BACKENDS)/.ready  ## networks on TensorFlow, JAX and PyTorch, in .venv-backends
	$(BACKENDS)/bin/python tests/across_backends.py

# Stored outputs come from TensorFlow and Keras, whatever the shell says.
test refresh: export KERAS_BACKEND := tensorflow
refresh: export LIB_TRAINER := keras

lab: $(READY)  ## open the course in JupyterLab
	$(VENV)/bin/jupyter lab --notebook-dir=notebooks

site: $(READY)  ## build the site, an EPUB, PDFs and slides into build/site
	$(RUN) docs/make_site.py

slides: $(READY)  ## build only the slides and the talk, into build/site/slides
	$(RUN) docs/make_site.py slides

refresh: $(READY)  ## maintainers: execute stale notebooks in place, renew figures/ and exercises (ALL=1: all)
	$(RUN) -m lib refresh $(if $(ALL),--all)
	$(RUN) -m lib exercises

bench: $(READY)  ## measure speed and memory, quietly and alone; writes build/bench.md
	$(RUN) tests/benchmarks/bench.py

check: $(READY)  ## compare what is installed with what is needed
	$(RUN) -m lib check

# Installed once; again only when a list of dependencies changes.
$(READY): EXTRAS := test,site
$(BACKENDS)/.ready: EXTRAS := test,jax,torch
$(READY) $(BACKENDS)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else \
	f"Python 3.11 to 3.13 is needed (TensorFlow has no newer build), but {sys.executable} is {v[0]}.{v[1]}. Try: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[$(EXTRAS)]"
	@touch $@

clean:
	rm -rf $(VENV) $(BACKENDS) build
