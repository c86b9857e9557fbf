# make demo    a nation of 200,000 people, reconciled and judged, in ./demo
# make test    the tests             (make test ARGS="-m 'slow or not slow'" for all of them)
# make bench   the benchmarks        (make bench ARGS="-k kernels")
# make peers   side by side with Splink and a join by hand (make peers ARGS="--people 1000000")
# make lint    style and types
# make wheel   the wheel, in ./dist
# make lock    requirements/*.lock anew, from pyproject.toml (needs the package index)
# make clean   remove what was built and generated; make distclean the environment too
#
# Every target builds .venv first, from versions pinned with hashes, and only what has changed.
# PYTHON=/path/to/python chooses the interpreter of a new environment.

VENV   := .venv
PEERS  := .venv-peers
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS   ?=
PYTHON ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test bench peers lint types wheel lock clean distclean

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

demo: $(VENV)/.run-installed
	@$(BIN)/linkage demo $(ARGS)

test: $(VENV)/.test-installed
	@$(BIN)/python -m pytest $(ARGS)

bench: $(VENV)/.test-installed
	@$(BIN)/python -m pytest benchmarks $(ARGS)

peers: $(VENV)/.test-installed $(PEERS)/.installed
	@$(BIN)/python -m benchmarks.peers --python $(PEERS)/bin/python $(ARGS)

lint: $(VENV)/.test-installed
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

wheel: $(VENV)/.test-installed
	@rm -rf build dist
	@$(PIP) wheel --no-deps --no-build-isolation --no-index --wheel-dir dist .
	@ls dist/*.whl

# The interpreter: the first that is 3.11 to 3.14 and can make environments. Some systems put wrappers on the
# path that start nothing, and some leave out ensurepip, hence each is tried and not only found.
$(VENV)/.made:
	@usable='import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))'; \
	if $(BIN)/python -c "$$usable" >/dev/null 2>&1 && $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		touch $@; exit 0; \
	fi; \
	for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
		if "$$python" -c "$$usable" >/dev/null 2>&1; then \
			echo "making $(VENV) with $$("$$python" -c 'import sys; print(sys.executable, sys.version.split()[0])')" >&2; \
			"$$python" -m venv --clear $(VENV) && touch $@ && exit 0; \
		fi; \
	done; \
	echo "error: no usable Python. Wanted: Python 3.11, 3.12, 3.13 or 3.14 with the modules venv and ensurepip" >&2; \
	echo "  (on Debian and Ubuntu the package python3-venv). Install one, or say make PYTHON=/path/to/python." >&2; \
	exit 2

# requirements/test.lock holds every version of run.lock and more, so what is there is never changed back.
$(VENV)/.run-installed: $(VENV)/.made requirements/run.lock pyproject.toml
	@echo "installing what requirements/run.lock pins" >&2
	@$(PIP) install --require-hashes -r requirements/run.lock
	@$(PIP) install --no-deps --no-build-isolation --no-index --editable .
	@touch $@

$(VENV)/.test-installed: $(VENV)/.made requirements/test.lock pyproject.toml
	@echo "installing what requirements/test.lock pins" >&2
	@$(PIP) install --require-hashes -r requirements/test.lock
	@$(PIP) install --no-deps --no-build-isolation --no-index --editable .
	@touch $(VENV)/.run-installed $@

# An environment of their own, so that they neither bring versions into the project's nor take them from it.
$(PEERS)/.installed: $(VENV)/.made requirements/peers.lock
	@echo "installing what requirements/peers.lock pins" >&2
	@$(BIN)/python -m venv --clear $(PEERS)
	@$(PEERS)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/peers.lock
	@touch $@

# One resolution for every Python and platform; no address of an index is written.
UV_VERSION := 0.13.9
COMPILE = UV_CUSTOM_COMPILE_COMMAND="make lock" .venv-lock/bin/uv pip compile --quiet --universal \
	--python-version 3.11 --fork-strategy fewest --generate-hashes --no-emit-index-url --upgrade

lock: $(VENV)/.made
	@$(BIN)/python -m venv .venv-lock
	@.venv-lock/bin/python -m pip --disable-pip-version-check --quiet install uv==$(UV_VERSION)
	@$(COMPILE) pyproject.toml --extra build --output-file requirements/run.lock
	@$(COMPILE) pyproject.toml --extra build --extra test --extra bench --constraint requirements/run.lock \
		--output-file requirements/test.lock
	@$(COMPILE) requirements/peers.in --output-file requirements/peers.lock
	@rm -rf .venv-lock

clean:
	rm -rf build dist demo *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) $(PEERS) .venv-lock .peers
