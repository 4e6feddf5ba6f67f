# `make demo` and `make test` each set up everything they need, the virtual environment included.
PYTHON ?= python3
BIN := .venv/bin
# the versions that the tests run against; users may have others within the bounds of pyproject.toml
TORCH := torch==2.13.0
PINS := $(TORCH) axolotl==0.19.0 transformers==5.16.1 trl==1.9.0 datasets==4.8.4 lm_eval==0.4.11
OTHER_LM_EVAL := lm_eval==0.4.13
LM_EVAL_TESTS := $(addprefix tests/,e2e/test_lm_eval.py e2e/test_val_tasks.py e2e/test_in2_hf.py \
    e2e/test_never_truncated.py lm_eval_tasks/test_film.py)

# the tests of one file run in one process; tests/conftest.py starts the longest files first
PYTEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder
WITH_OTHER_LM_EVAL = IN2_LM_EVAL_PYTHON=$(CURDIR)/.venv-lm-eval/bin/python

# uv does not read pip's setting for folders of wheels; hand it on, with commas, where there is one
comma := ,
empty :=
space := $(empty) $(empty)
ifneq ($(strip $(PIP_FIND_LINKS)),)
export UV_FIND_LINKS := $(subst $(space),$(comma),$(strip $(PIP_FIND_LINKS)))
endif
export AXOLOTL_DO_NOT_TRACK := 1
export HF_HUB_OFFLINE := 1
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test test-all check lint clean

demo: .venv/.ready
	recipes/smoke/run.sh demo-run $(CORPUS)

# one test of each kind that starts a real tool; under 25 minutes on two cores, installation included
test: lint .venv-lm-eval/.ready
	$(WITH_OTHER_LM_EVAL) $(PYTEST) -q -m "not e2e_full" $(LM_EVAL_TESTS)
	$(PYTEST) -m "not e2e_full"

# everything: `make test`, then the further cases of each kind; about an hour on two cores
test-all: test
	$(WITH_OTHER_LM_EVAL) $(PYTEST) -q -m e2e_full $(LM_EVAL_TESTS)
	$(PYTEST) -m e2e_full

# under two minutes: the test files that take at most three seconds each
check: lint
	$(PYTEST) -q -x --quick -m "not slow and not e2e_full"

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/.ready: pyproject.toml Makefile
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing torch, axolotl, trl, lm_eval and what they need (about 5 GB)"
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/uv pip install --quiet --python .venv $(PINS) --editable ".[axolotl,trl,eval,deepspeed,endpoint,ray,report,dev]"
	touch $@

# the newest lm_eval, by itself: axolotl pins an older one
.venv-lm-eval/.ready: .venv/.ready
	test -x .venv-lm-eval/bin/python || $(PYTHON) -m venv .venv-lm-eval
	.venv-lm-eval/bin/python -m pip install --quiet $(TORCH)
	$(BIN)/uv pip install --quiet --python .venv-lm-eval $(TORCH) $(OTHER_LM_EVAL) --editable ".[eval,report]"
	touch $@

clean:
	rm -rf demo-run .venv .venv-lm-eval
