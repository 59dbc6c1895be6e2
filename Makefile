# make demo, make test: see README.md. `make help` lists the rest.
# One virtual environment, .venv, is made on first use and brought up to date when pyproject.toml changes.

PYTHON ?= python3.11
CXX ?= g++
IMAGE ?= linear-learner
# Options for `docker build`, such as --network=host.
DOCKER_BUILD_FLAGS ?=
PYTEST_FLAGS ?=
# Scripts of benchmarks/ to run, and flags for them: make bench BENCHMARKS=quality BENCH_FLAGS="--only adult,digits".
BENCHMARKS ?= quality engine decoding streaming checkpoints report serving job peers sparse serving_peers hosts
BENCH_FLAGS ?=
FUZZ_FLAGS ?= --seconds 60
CHAOS_FLAGS ?= --events 300

VENV := .venv
BIN := $(VENV)/bin
NATIVE := container/linear_learner/native
LIBRARY := $(NATIVE)/liblinear_learner.so

.PHONY: help demo test test-properties lint native image test-image bench test-sanitizers test-chaos clean distclean

help:                    ## this list
	@awk -F '[:#]+ *' '/^[a-z-]+:.*##/ {printf "  make %-16s %s\n", $$1, $$NF}' Makefile

demo: native             ## train on the bundled data, serve, ask for predictions, stop
	@$(BIN)/python local_test/demo.py

test: native $(VENV)/.test-ready   ## unit and integration tests
	$(BIN)/python -m pytest $(PYTEST_FLAGS)

test-properties: native $(VENV)/.test-ready   ## the property tests on twenty times as many examples, new ones every time
	HYPOTHESIS_PROFILE=search $(BIN)/python -m pytest -m hypothesis tests/unit $(PYTEST_FLAGS)

lint: $(VENV)/.test-ready   ## ruff, mypy and clang-format; edits nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror container/linear_learner/native/*.cc container/linear_learner/native/*.h tests/fuzz/*.cc
	$(BIN)/mypy

# Python compiles modules by itself, but where PYTHONDONTWRITEBYTECODE is set it does so at every start, for 0.3 s.
native: $(LIBRARY)       ## compile the C++ library, and the package's modules
	@$(BIN)/python -m compileall -q container/linear_learner

image:                   ## build the Docker image, linear-learner (or IMAGE=NAME)
	docker build $(DOCKER_BUILD_FLAGS) --tag $(IMAGE) .

test-image: $(VENV)/.test-ready   ## test the built image with docker run and the SageMaker SDK
	$(BIN)/python -m pytest -m image tests/image --image $(IMAGE) $(PYTEST_FLAGS)

bench: native $(VENV)/.test-ready   ## measure on real data, which is fetched on first use
	@for name in $(BENCHMARKS); do $(BIN)/python benchmarks/$$name.py $(BENCH_FLAGS) || exit; done

test-sanitizers: native $(VENV)/.test-ready   ## fuzz the C++ code under AddressSanitizer and UBSan, the decoders and the server
	@for script in tests/fuzz/fuzz_*.py; do echo "== $$script"; $(BIN)/python $$script $(FUZZ_FLAGS) || exit; done

test-chaos: native $(VENV)/.test-ready   ## cut training jobs off at random moments and start them again: nothing may be lost
	$(BIN)/python tests/fuzz/chaos_training.py $(CHAOS_FLAGS)

clean:                   ## remove what was built, but not .venv
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis local_test/test_dir/model local_test/test_dir/output
	find container benchmarks tests local_test \( -name '__pycache__' -o -name '*.egg-info' \) -prune -exec rm -rf {} +
	rm -f $(LIBRARY)

distclean: clean         ## remove .venv too
	rm -rf $(VENV) .venv-sdk-*

# -- set-up ------------------------------------------------------------------------------------------------------

# A missing tool gets one line that names it and the command that installs it.
works = $(shell $(1) >/dev/null 2>&1 && echo yes)
define require_tools
$(if $(call works,$(PYTHON) -c ''),,$(error $(PYTHON) is missing: sudo apt-get install python3.11))
$(if $(call works,$(PYTHON) -c 'import venv; import ensurepip'),,$(error the venv module of $(PYTHON) is missing: sudo apt-get install python3.11-venv))
$(if $(call works,command -v $(CXX)),,$(error the C++ compiler $(CXX) is missing: sudo apt-get install g++))
endef

$(VENV)/.ready: pyproject.toml
	$(require_tools)@echo "== Setting up $(VENV) (a minute or so)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test-ready: $(VENV)/.ready
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[test]'
	@touch $@

$(LIBRARY): $(VENV)/.ready $(wildcard $(NATIVE)/*.cc $(NATIVE)/*.h) $(NATIVE)/build.py
	@echo "== Compiling the native library"
	@$(BIN)/python -m linear_learner.native.build --compiler $(CXX)
