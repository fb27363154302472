# Everything a newcomer needs; `make` alone lists it. Nothing here leans on a tool that has to be installed by hand, except
# make and a Python 3.11 or later.

VENV := .venv
STAMP := $(VENV)/.installed
REFEREES := .venv-referees

.DEFAULT_GOAL := help
# make hands these on to what it starts.
export BROWSER CHROMIUM

.PHONY: help install demo test check screenshots referees mutations chaos lock clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## Build .venv with the `holdline` command in it (another Python: make install PYTHON=python3.12)

demo: $(STAMP) ## Play the failover story and stay up; ONCE=1 ends by itself, PORT=8090 takes another port
	@$(VENV)/bin/holdline demo $(if $(PORT),--port $(PORT)) $(if $(ONCE),--once) $(if $(JSON),--json)

test: $(STAMP) ## Run all tests, a browser's included (BROWSER=skip: not those); some: make test ARGS="tests/domain -k breaker"
	@$(if $(ARGS),$(if $(findstring browser,$(ARGS)),sh deploy/browser.sh),sh deploy/browser.sh)
	@$(VENV)/bin/python -m pytest $(if $(ARGS),$(ARGS),-n 4 --dist loadfile --no-loadscope-reorder)

check: $(STAMP) ## Lint, formatting and strict types
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy

screenshots: $(STAMP) ## Write the pictures of docs/images anew, from the console and the telephone as they are
	@sh deploy/browser.sh
	@SCREENSHOTS=docs/images $(VENV)/bin/python -m pytest tests/browser/test_screenshots.py

referees: $(STAMP) $(REFEREES)/.installed ## Let parties that are not us judge the lab and the adapters, and print who judged what
	@$(VENV)/bin/python tests/referees/run.py $(ARGS)

mutations: $(STAMP) ## Write known defects into a copy of the code, and show what catches each; ONLY="part of a name" for some
	@$(VENV)/bin/python tests/simulation/mutations/prove.py $(if $(ONLY),"$(ONLY)")

chaos: $(STAMP) ## Kill 110 processes and 220 carriers under live calls, about eleven minutes; ARGS="--minutes 2 --kills 25"
	@$(VENV)/bin/holdline chaos $(ARGS)

lock: $(STAMP) ## Write requirements.lock anew from pyproject.toml; UPGRADE=1 takes the newest versions
	@VENV=$(VENV) UPGRADE=$(UPGRADE) sh deploy/lock.sh
	@VENV=$(VENV) UPGRADE=$(UPGRADE) sh tests/referees/lock.sh

clean: ## Remove the environments and what tools leave behind; never .holdline, which holds calls and promises
	@rm -rf $(VENV) $(REFEREES) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	@find gateway carriers agent tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp says for which pins the environment was built, so that a second `make install` has nothing to do.
$(STAMP): pyproject.toml requirements.lock deploy/install.sh
	@VENV=$(VENV) PYTHON=$(PYTHON) sh deploy/install.sh
	@touch $@

# The frames referee pulls in some 400 MB: an environment of its own, built when it is wanted.
$(REFEREES)/.installed: tests/referees/requirements.lock tests/referees/install.sh | $(STAMP)
	@VENV=$(VENV) sh tests/referees/install.sh
	@touch $@
