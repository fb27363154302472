# Everything a newcomer needs; `make` alone lists it. Nothing here leans on a tool that has to be installed by hand, except
# make and a Python 3.11 or later.

VENV := .venv
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test check lock clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## Build .venv with the `holdline` command in it (another Python: make install PYTHON=python3.12)

demo: $(STAMP) ## Play the failover story and stay up; ONCE=1 ends by itself, PORT=8090 takes another port
	@$(VENV)/bin/holdline demo $(if $(PORT),--port $(PORT)) $(if $(ONCE),--once) $(if $(JSON),--json)

test: $(STAMP) ## Run all tests; some of them: make test ARGS="tests/domain -k breaker"
	@$(VENV)/bin/python -m pytest $(if $(ARGS),$(ARGS),-n 2 --dist loadfile)

check: $(STAMP) ## Lint, formatting and strict types
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy

lock: $(STAMP) ## Write requirements.lock anew from pyproject.toml; UPGRADE=1 takes the newest versions
	@VENV=$(VENV) UPGRADE=$(UPGRADE) sh deploy/lock.sh

clean: ## Remove .venv and what tools leave behind; never .holdline, which holds calls and promises
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	@find gateway carriers agent tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp says for which pins the environment was built, so that a second `make install` has nothing to do.
$(STAMP): pyproject.toml requirements.lock deploy/install.sh
	@VENV=$(VENV) PYTHON=$(PYTHON) sh deploy/install.sh
	@touch $@
