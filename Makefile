# Everything that the README calls. `make` alone lists it.
#
#   PYTHON=python3.12   the interpreter that the environment is made from
#   VENV=/tmp/env       where the environment goes
#   ARGS="…"            passed on to the command of serve, test, train-default, loadtest, bench

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
FACES := data/faces-64
RUN := runs/faces-64
# A last stretch in which shifts count more, most of all those that still fail.
FINISH := --set learning_rate=8e-4 --set warm_up_steps=50 --set kl_warm_up_epochs=0 \
	--set shift_warm_up_epochs=0.2 --set shift_weight=150 --set shift_share=0.5 --set shift_focus=0.6

export BENTOML_DO_NOT_TRACK = True

# HOST counts only on make's own command line: some shells export a HOST of another meaning.
ifeq ($(origin HOST),command line)
LOADTEST_HOST := --host $(HOST)
endif

# So does USERS, for the same reason.
ifeq ($(origin USERS),command line)
LOADTEST_USERS := --users $(USERS)
endif
LOADTEST_ARGS = $(if $(MIX),--mix $(MIX)) $(if $(SHAPE),--shape $(SHAPE)) \
	$(if $(P95_MS),--p95-ms $(P95_MS)) $(if $(PROTOCOL),--protocol $(PROTOCOL)) \
	$(if $(MINUTES),--minutes $(MINUTES)) $(LOADTEST_USERS)

.DEFAULT_GOAL := help
.PHONY: help serve test lint train-default loadtest bench bento clean

help: ## list these targets
	@echo "make TARGET [ARGS=\"…\"]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

serve: $(VENV)/.serve ## install what serving needs and serve models/faces-64 in the foreground
	@exec $(BIN)/latentserve serve $(ARGS)

test: $(VENV)/.dev ## install everything and run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not registry" -n auto --dist loadfile $(ARGS)

lint: $(VENV)/.dev ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

train-default: $(VENV)/.dev ## draw 30,000 faces, train faces-64 on them, export models/faces-64
	test -d $(FACES) || $(BIN)/latentserve data draw-faces --out $(FACES) --count 30000
	$(BIN)/latentserve train --preset faces-64 --data $(FACES) --out $(RUN)-begun $(ARGS)
	$(BIN)/latentserve train --preset faces-64 --data $(FACES) --out $(RUN) --init $(RUN)-begun \
		--epochs 8 $(FINISH) $(ARGS)
	$(BIN)/latentserve export $(RUN) --out models/faces-64

loadtest: $(VENV)/.tools ## load a server of its own, or HOST=http://…; MIX= SHAPE= P95_MS= PROTOCOL= USERS= MINUTES=
	@$(BIN)/python -m loadtests $(LOADTEST_HOST) $(LOADTEST_ARGS) $(ARGS)

bench: $(VENV)/.bench ## compare the served rate with graphs and codecs alone, and with other servers
	$(BIN)/python -m benchmarks.serving --results benchmarks/results $(ARGS)

bento: $(VENV)/.serve ## build a bento that serves models/faces-64
	$(BIN)/bentoml build $(ARGS)

clean: ## remove caches and build results; keeps the environment, data, runs and models
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf .import_linter_cache loadtests/results
	find . -name __pycache__ -type d -not -path './.venv/*' -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# Four sizes of one environment. A stamp is newer than pyproject.toml once its packages are in, so
# a second `make serve` installs nothing; a larger size stamps the smaller ones that it contains.

$(BIN)/python:
	@command -v $(PYTHON) > /dev/null || { echo "no $(PYTHON) here: install Python 3.11 or later, or name one with PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if (3, 11) <= v < (3, 14) else "latentserve needs Python 3.11 to 3.13, and %s is %d.%d.%d; name another with PYTHON=…" % (sys.executable, v[0], v[1], v[2]))'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[cpu]'
	@touch $@

$(VENV)/.tools: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[cpu,dev]'
	@touch $(VENV)/.serve $@

$(VENV)/.bench: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[cpu,dev,bench]'
	@touch $(VENV)/.serve $(VENV)/.tools $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[cpu,train,dev]'
	@touch $(VENV)/.serve $(VENV)/.tools $@
