# `make help` lists what there is. Everything made lies in .venv/ and demo/; `make clean` removes both.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := $(CURDIR)/demo
DEMO_FILES ?= 4000
LAB_ARGS ?=
BENCH_ARGS ?=
# Most tests wait for processes: two at a time take half as long. A file's tests stay together, and files come by name:
# by their number of tests, those with few and long ones would come last, and one worker wait for the other.
TEST_ARGS ?= -n 2 --dist loadfile --no-loadscope-reorder

# The demo has a state DB and copies of its own, so it never touches yours.
DEMO_ENV := MIGRATOR_STATE="$(DEMO)/state/state.db" MIGRATOR_WORKSPACE="$(DEMO)/state/runs" MIGRATOR_DEMO="$(DEMO)/source"
# The cache is the tests' own: what failed in there is what is tried once more.
NBVAL := -p no:cacheprovider --nbval --nbval-current-env --nbval-cell-timeout=120 --nbval-sanitize-with notebooks/sanitize.cfg

# Where it is set, as in many images, each process that a test or a run starts compiles all of ours anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help link entry demo lab test notebooks lint format portraits bench clean
.DELETE_ON_ERROR:

help: ## show this list
	@echo "make TARGET, with TARGET one of"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1 \2/p' Makefile | awk '{ name = $$1; $$1 = ""; printf "  %-10s%s\n", name, $$0 }'

demo: $(VENV)/.for-demo ## copy some thousand real files and show the report (sets up .venv on the first run)
	@rm -rf "$(DEMO)"/copies-*
	@mkdir -p "$(DEMO)/state"
	@$(BIN)/python notebooks/sample_data.py "$(DEMO)/source" --files $(DEMO_FILES)
	@echo "Running notebooks/01_streaming.ipynb with a state DB of its own, demo/state/state.db ..."
	@$(DEMO_ENV) $(BIN)/jupyter nbconvert --to notebook --execute notebooks/01_streaming.ipynb \
		--output-dir "$(DEMO)" --output 01_streaming.ipynb 2>"$(DEMO)/nbconvert.log" || { cat "$(DEMO)/nbconvert.log"; exit 1; }
	@echo
	@$(DEMO_ENV) $(BIN)/migrator show "$$($(DEMO_ENV) $(BIN)/migrator runs --limit 5 --json | $(BIN)/python -c \
		'import json, sys; print(next(run["id"] for run in json.load(sys.stdin) if run["key"]))')"
	@echo
	@echo "The notebook as it ran, with this run and four others, is demo/01_streaming.ipynb. To open it: make lab"
	@echo "Its runs in a terminal: MIGRATOR_STATE=demo/state/state.db $(BIN)/migrator runs"

lab: $(VENV)/.for-demo ## open JupyterLab on the demo's notebook (LAB_ARGS="--port=8899" and the like are passed on)
	@test -f "$(DEMO)/01_streaming.ipynb" || $(MAKE) demo
	@$(DEMO_ENV) $(BIN)/jupyter lab --ServerApp.root_dir="$(CURDIR)" $$(test "$$(id -u)" != 0 || echo --allow-root) \
		$(LAB_ARGS) demo/01_streaming.ipynb

test: $(VENV)/.for-work ## run all tests, then the notebooks, comparing what their cells show
	$(BIN)/python -m pytest tests $(TEST_ARGS)
	@$(MAKE) --no-print-directory notebooks

notebooks: $(VENV)/.for-work ## run the notebooks alone, comparing what their cells show
	$(BIN)/python -m pytest $(NBVAL) $(TEST_ARGS) notebooks

lint: $(VENV)/.for-work ## check style, types and which module imports which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(VENV)/.for-work ## mend the style, as far as ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

portraits: $(VENV)/.for-work ## take the README's pictures of the panel anew (look at them before they are committed)
	PYTHONPATH=tests $(BIN)/python tests/browser/portraits.py

bench: $(VENV)/.for-bench ## measure copying beside rclone, into tests/benchmarks/README.md (BENCH_ARGS="--server weed" is passed on)
	$(BIN)/python tests/benchmarks/copy_speed.py --write $(BENCH_ARGS)

clean: ## remove .venv, the demo and whatever tools and tests left
	rm -rf $(VENV) "$(DEMO)" build dist *.egg-info tests/output
	rm -rf .hypothesis .import_linter_cache .pytest_cache .ruff_cache
	find migrator widgets notebooks tests -name __pycache__ -prune -exec rm -rf {} +

# pip copies what is shared, an editable install's too: an edit of the renderer is seen by a link only. What it points to is
# ours, so no uninstaller may find it in its list: uv would follow the link, and delete the sources.
link: LINKED := $(VENV)/share/jupyter/labextensions/jupyter-migrator
link: ## link the renderer into .venv, so that an edit of it is seen
	@rm -rf "$(LINKED)"
	@mkdir -p "$(dir $(LINKED))"
	@cd $(VENV)/lib/python*/site-packages/jupyter_migrator-*.dist-info && grep -v labextensions/ RECORD > RECORD.new && mv RECORD.new RECORD
	@ln -s "$(CURDIR)/widgets/labextension" "$(LINKED)"

# JupyterLab tells browsers to keep an extension's files for a year: what they hold is in their name.
entry: ## name the file of the renderer by what it holds, after an edit
	@cd widgets/labextension && \
	name=remoteEntry.$$(cat static/remoteEntry.*.js | $(PYTHON) -c \
		'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest()[:12])').js && \
	{ test -f static/$$name || mv static/remoteEntry.*.js static/$$name; } && \
	sed "s/remoteEntry\.[0-9a-f]*\.js/$$name/" package.json > package.new && mv package.new package.json

# Each stamp stands for a set of packages, and is older than pyproject.toml when that set may have changed.
$(VENV)/.for-demo: pyproject.toml
	@$(call install,lab$(,)aws)
	@touch $@

$(VENV)/.for-work: pyproject.toml
	@$(call install,lab$(,)aws$(,)polars$(,)test)
	@touch $(VENV)/.for-demo $@

$(VENV)/.for-bench: pyproject.toml $(VENV)/.for-work
	@$(call install,lab$(,)aws$(,)polars$(,)test$(,)bench)
	@touch $(VENV)/.for-demo $(VENV)/.for-work $@

, := ,
# uv where there is one: the same packages, sooner.
define install
set -e; \
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "This needs Python 3.11 or newer, and $(PYTHON) is " \
	+ sys.version.split()[0] + ". Say which to use: make ... PYTHON=python3.12")'; \
echo "Installing into $(VENV): $(1) ..."; \
rm -rf "$(VENV)/share/jupyter/labextensions/jupyter-migrator"; \
if command -v uv >/dev/null 2>&1; then \
	test -x $(BIN)/python || uv venv --quiet --python "$$(command -v $(PYTHON))" $(VENV); \
	uv pip install --quiet --python $(BIN)/python --editable '.[$(1)]'; \
else \
	test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(1)]'; \
fi; \
$(MAKE) --no-print-directory link
endef
