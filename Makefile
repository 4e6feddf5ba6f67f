# `make demo` and `make test` each set up everything they need, the virtual environment included.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# uv does not read pip's setting for local wheels; hand it on where there is one
export UV_FIND_LINKS := $(subst $(eval ) ,$(comma),$(strip $(PIP_FIND_LINKS)))
export AXOLOTL_DO_NOT_TRACK := 1
export HF_HUB_OFFLINE := 1
UV := $(BIN)/uv pip install --quiet --python
# the versions that the tests run against; users may have others within the bounds of pyproject.toml
PINS := torch==2.13.0 axolotl==0.19.0 transformers==5.16.1 trl==1.9.0 datasets==4.8.4
comma := ,

.PHONY: demo test check lint docs clean

demo: $(VENV)/.ready
	cd $(CURDIR) && PATH="$(CURDIR)/$(BIN):$$PATH" recipes/smoke/run.sh demo-run $(CORPUS)

test: lint $(VENV)/.ready $(VENV)-lm-eval/.ready
	IN2_OTHER_LM_EVAL=$(CURDIR)/$(VENV)-lm-eval/bin/python PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest

check: lint
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m "not slow" -x -q

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/.ready: pyproject.toml Makefile
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	@echo "installing torch, axolotl, trl, lm_eval and what they need (about 4 GB)"
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(UV) $(VENV) $(PINS) lm_eval==0.4.11 --editable ".[axolotl,trl,eval,report,dev]"
	touch $@

# lm_eval's newest release, alone: axolotl pins an older one
$(VENV)-lm-eval/.ready: $(VENV)/.ready
	test -x $(VENV)-lm-eval/bin/python || $(PYTHON) -m venv $(VENV)-lm-eval
	$(VENV)-lm-eval/bin/python -m pip install --quiet torch==2.13.0
	$(UV) $(VENV)-lm-eval torch==2.13.0 lm_eval==0.4.13 --editable ".[eval,report]"
	touch $@

clean:
	rm -rf demo-run $(VENV) $(VENV)-lm-eval
