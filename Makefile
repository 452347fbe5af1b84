# Two commands for everybody: `make demo` and `make test`. Nothing else is needed before either but Python 3.11+.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# Processes that run the tests, a file of tests in each at a time; threads of numpy's in each would wait for one another.
WORKERS ?= 2

# The versions of everything that is installed for development: make test LOCK=requirements-dev.txt; the newest without.
LOCK ?=

.PHONY: demo test check format docs reference lock oldest bench crash kills mutants fuzz audit image release clean

demo: $(VENV)/.lean
	$(BIN)/mediasift classify examples/digits -m digits-forest --format aligned; test $$? -le 1
	$(BIN)/mediasift classify examples/digits -m digits-lenet --format aligned; test $$? -le 1
	$(BIN)/mediasift classify examples/garments -m fashion-mlp --format aligned
	$(BIN)/mediasift classify examples/garments -m fashion-lenet --format aligned
	$(BIN)/mediasift classify examples/paper -m digits-forest --invert --format aligned
	$(BIN)/mediasift classify examples/scenes --top 2 --format aligned

test: $(VENV)/.dev
	$(MAKE) check

check:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m compileall -q inference tests # once: the tests start hundreds of processes
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder # in the order of tests/conftest.py

format:
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# docs/reference.md from the settings and rows, the references of CITATION.cff from those that `mediasift cite` names.
reference:
	$(BIN)/python docs/make_reference.py
	$(BIN)/python docs/make_citation.py

# requirements-dev.txt, with the newest versions that go together.
lock:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet 'uv>=0.8'
	.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --all-extras --upgrade --no-annotate \
		--custom-compile-command 'make lock' pyproject.toml -o requirements-dev.txt

# The site, as pages in build/docs that need no network; warnings are errors.
docs: $(VENV)/.dev
	$(BIN)/python -m sphinx -q -W --keep-going -b html -d build/doctrees docs build/docs

# The whole suite of the package with the oldest allowed numpy, OpenCV, Pillow and ONNX Runtime.
oldest: .venv-oldest/.installed
	.venv-oldest/bin/python -m pytest -q tests --ignore=tests/training

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.lean: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet .
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -e '.[training,all,dev]' $(addprefix -c ,$(LOCK))
	touch $@ $(VENV)/.lean

.venv-oldest/.installed: pyproject.toml requirements-oldest.txt
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet -e '.[ocr,parquet,heic,svg,dev]' -c requirements-oldest.txt
	touch $@

# Every comparison with plain loops and peers, alone on the machine: twenty minutes, of which MORE takes ten more.
# One of them: make bench BENCHES=shots MORE=
BENCHES ?= start digits photos resnet predict shots engines numbers memory
MORE ?= cuts speech_errors install growth
bench: $(VENV)/.dev
	for name in $(BENCHES) $(MORE); do $(BIN)/python -m benchmarks.bench_$$name || exit 1; done
	$(BIN)/python -m benchmarks.report

# What ends a run at any moment, whole; the suite tries a sample of each. Each takes minutes to hours.
crash:
	$(BIN)/python -m tests.crash
kills:
	$(BIN)/python -m tests.kills --kills 1000
mutants:
	$(BIN)/python -m tests.memory --count 100000
	$(BIN)/python -m benchmarks.bench_mutants --count 100000
fuzz:
	$(BIN)/python -m pip install --quiet atheris
	$(BIN)/python -m tests.fuzz --seconds 60
# Known vulnerabilities of what requirements-dev.txt names; a package that could not be looked up is a failure.
audit:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet pip-audit
	.venv-audit/bin/python -m pip_audit --requirement requirements-dev.txt --no-deps --disable-pip --strict

# The container of the service, where there is a Docker daemon; docs/deployment.md.
image:
	docker build --tag mediasift .

# What would be published, into dist/, and its SBOM, into build/; tried on the oldest and newest Python here. Publishes nothing.
release: .venv-release/.installed
	test -z "$$(git status --porcelain)" # what is not committed is no release
	rm -rf dist
	.venv-release/bin/python -m build --outdir dist
	.venv-release/bin/python -m twine check --strict dist/*
	.venv-release/bin/python -m tests.release dist

.venv-release/.installed:
	$(PYTHON) -m venv .venv-release
	.venv-release/bin/python -m pip install --quiet --upgrade 'pip>=24' 'build>=1.2' 'twine>=6.1' 'cyclonedx-bom>=7'
	touch $@

clean:
	rm -rf $(VENV) .venv-* build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
