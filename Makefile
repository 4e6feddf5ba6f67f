# `make demo` and `make test` each set up everything they need, the virtual environment included.
PYTHON ?= python3
BIN := .venv/bin
# the versions that the tests run against, and the Python of each environment; users may have others within the bounds of
# pyproject.toml
TESTED := in2_plugin/inspection/environment/tested
EXTRAS := trl,eval,deepspeed,endpoint,ray,report,demo,dev
LM_EVAL_TESTS := $(addprefix tests/,e2e/test_lm_eval.py e2e/test_val_tasks.py e2e/test_in2_hf.py \
    e2e/test_never_truncated.py e2e/test_position_tasks.py lm_eval_tasks/test_film.py)

# whatever runs or imports a trainer, an evaluator or transformers; tests/conftest.py leaves out what needs Axolotl, without it
HOST_TESTS := $(addprefix tests/,test_trl.py training models recipe recipes probing/lm_eval probing/backends \
    inspection/environment corpus e2e/test_trl.py e2e/test_exports.py \
    e2e/test_field_probes.py e2e/test_own_probe.py e2e/test_apart.py e2e/test_grpo.py rewards) $(LM_EVAL_TESTS)
AXOLOTL_TESTS := $(addprefix tests/,test_axolotl.py preflight e2e/test_context_parallel.py e2e/test_parity.py \
    e2e/test_preflight.py) $(wildcard tests/e2e/test_axolotl*.py)

# the tests of one file run in one process; tests/conftest.py starts the longest files first
FILE_BY_FILE := -n 2 --dist loadfile --no-loadscope-reorder
PYTEST := $(BIN)/pytest $(FILE_BY_FILE)
# the tests of lm_eval run with both
WITH_OTHER_LM_EVAL = IN2_LM_EVAL_PYTHON=$(CURDIR)/.venv-lm-eval/bin/python

# uv does not read pip's setting for folders of wheels; hand it on, with commas, where there is one
comma := ,
empty :=
space := $(empty) $(empty)
ifneq ($(strip $(PIP_FIND_LINKS)),)
export UV_FIND_LINKS := $(subst $(space),$(comma),$(strip $(PIP_FIND_LINKS)))
endif
# two test processes on two cores: with more threads they wait for each other
test test-all test-newest check: export OMP_NUM_THREADS := 1
export AXOLOTL_DO_NOT_TRACK := 1
export HF_HUB_OFFLINE := 1
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test test-all test-newest check lint clean

# CORPUS=path takes another text, MODEL=name-or-folder another model, FULL=1 trains longer; run it again to go on. The name
# of a model on a hub needs the network
demo: .venv/.ready
	$(if $(wildcard $(MODEL)/config.json),,$(if $(MODEL),env -u HF_HUB_OFFLINE)) in2 demo demo-run$(if $(FULL),-full) $(if $(FULL),--full) \
	    $(if $(CORPUS),--corpus "$(CORPUS)") $(if $(MODEL),--model "$(MODEL)")

# one test of each kind that starts a real tool; under 25 minutes on two cores, installation included
test: .venv/.ready
	$(MAKE) --no-print-directory --jobs 2 lint .venv-lm-eval/.ready
	$(WITH_OTHER_LM_EVAL) $(PYTEST) -m "not e2e_full"

# everything: `make test`, the newest hosts, then the further cases of each kind; about two hours on two cores
test-all: test test-newest
	$(call test_in,.venv-newest-axolotl,e2e_full) $(AXOLOTL_TESTS)
	$(call test_in,.venv-newest-trl,e2e_full)
	$(WITH_OTHER_LM_EVAL) $(PYTEST) -m e2e_full

# the tests of the hosts with the newest Axolotl, then with the newest TRL, transformers and lm_eval; one of each kind
test-newest: .venv-newest-axolotl/.ready .venv-newest-trl/.ready
	$(call test_in,.venv-newest-axolotl,not e2e_full) $(AXOLOTL_TESTS)
	$(call test_in,.venv-newest-trl,not e2e_full)

# commands that the tests start are those of the environment
test_in = PATH="$(CURDIR)/$1/bin:$$PATH" $1/bin/python -m pytest $(FILE_BY_FILE) -q -m "$2" $(HOST_TESTS)

# under two minutes: the test files that take at most three seconds each
check: lint
	$(PYTEST) -q -x --quick -m "not slow and not e2e_full"

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/.ready: pyproject.toml Makefile $(TESTED)/oldest.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing torch, axolotl, trl, lm_eval and what they need (about 5 GB)"
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python -m pip install --quiet --constraint $(TESTED)/oldest.txt torch
	$(BIN)/uv pip install --quiet --python .venv --requirement $(TESTED)/oldest.txt --editable ".[axolotl,$(EXTRAS)]"
	touch $@

# the newest lm_eval without Axolotl, which pins an older one
.venv-lm-eval/.ready: .venv/.ready $(TESTED)/newest-lm-eval.txt
	test -x .venv-lm-eval/bin/python || $(PYTHON) -m venv .venv-lm-eval
	.venv-lm-eval/bin/python -m pip install --quiet --constraint $(TESTED)/newest-lm-eval.txt torch
	$(BIN)/uv pip install --quiet --python .venv-lm-eval --requirement $(TESTED)/newest-lm-eval.txt --editable ".[eval,report]"
	touch $@

# NEWEST_PYTHON_axolotl=path and NEWEST_PYTHON_trl=path override what uv finds. pyenv's shims answer only with PYENV_VERSION
EXTRAS_axolotl := axolotl,
python_of = $(shell sed -n 's/^. python //p' $(TESTED)/newest-$1.txt)
find_python = $(or $(NEWEST_PYTHON_$1),$(shell PYENV_VERSION=$(call python_of,$1) $(BIN)/uv python find --system $(call python_of,$1) 2>/dev/null))

.venv-newest-%/.ready: pyproject.toml $(TESTED)/newest-%.txt | .venv/.ready
	@test -n "$(call find_python,$*)" || { echo "no Python $(call python_of,$*) found; run $(BIN)/uv python install $(call python_of,$*), or make with NEWEST_PYTHON_$*=path/to/python"; exit 1; }
	@echo "installing the newest $* and what it needs on Python $(call python_of,$*) (about 7 GB)"
	test -x .venv-newest-$*/bin/python || $(BIN)/uv venv --quiet --python $(call find_python,$*) .venv-newest-$*
	$(BIN)/uv pip install --quiet --python .venv-newest-$* --requirement $(TESTED)/newest-$*.txt --editable ".[$(EXTRAS_$*)$(EXTRAS)]"
	touch $@

clean:
	rm -rf demo-run demo-run-full .venv .venv-lm-eval .venv-newest-axolotl .venv-newest-trl
