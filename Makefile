# Every command of this repository. `make` alone lists them.
VENV := .venv
# Relative, so that the checkout may lie where it wants: make has no way to quote a path with spaces.
BIN := $(VENV)/bin
PACKAGES := klaviyo-wire tap-klaviyo-engagement target-klaviyo-profiles \
	plugins/exposure-export plugins/klaviyo-inbox plugins/klaviyo-sandbox plugins/lift-report plugins/map-consent-strings plugins/singer-program plugins/subject-requests \
	plugins/tap-duckdb plugins/tap-experiments plugins/tap-forwarding plugins/tap-klaviyo-files plugins/target-duckdb
COVERED = $(subst -,_,$(notdir $(or $(PART),$(PACKAGES))))
EDITABLE := $(addprefix -e ./,$(PACKAGES))
MANIFESTS := pyproject.toml constraints.txt $(addsuffix /pyproject.toml,$(PACKAGES))
PLUGINS := meltano.yml $(wildcard plugins/*.meltano.yml)
STARTED := $(BIN)/klaviyo-sandbox $(BIN)/meltano \
	$(foreach plugin,extractors/tap-klaviyo-engagement extractors/tap-experiments extractors/tap-duckdb extractors/tap-klaviyo-inbox extractors/tap-subject-requests \
	loaders/target-duckdb loaders/target-klaviyo-profiles utilities/dbt utilities/exposure-export utilities/lift-report,.meltano/$(plugin)/venv/bin/$(notdir $(plugin)))
OLDEST := $(BIN)/uv run --isolated --no-project --python $(BIN)/python --with 'dbt-core~=1.11.0' --with dbt-duckdb --with duckdb==2.0.1
EXPERIMENTS := $(BIN)/python scripts/with_dotenv.py tap-experiments
FORWARDING := $(BIN)/python scripts/with_dotenv.py tap-forwarding
ENVIRONMENT ?= dev
JOB ?= pipeline
DIST ?= dist

export PATH := $(CURDIR)/$(BIN):$(PATH)
export MELTANO_SEND_ANONYMOUS_USAGE_STATS := false
# A job starts some thirty Python processes: without compiled modules each takes two to four seconds more.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo sandbox doctor inbox request retention pipeline resend exposures reconcile experiment iterate preview proof preregister forwarding forwarding-check forwarding-preview test test-long coverage truth chaos test-warehouses test-snowflake test-oldest test-install test-stand-in check lint typing docs unit bench revision site wheels lock clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .meltano/.ready ## Install everything the pipeline needs

demo: setup ## Run the whole loop against a local Klaviyo; no account needed
	@$(BIN)/python scripts/demo.py

doctor: setup ## Look at keys and their scopes, environment, versions, warehouse and file modes: make doctor [ENVIRONMENT=prod] [JOB=pipeline]
	@$(BIN)/python scripts/doctor.py --environment $(ENVIRONMENT) $(JOB)

sandbox: setup ## Open a shell in which a local Klaviyo stands in for the account: docs/stand-in.md
	@$(BIN)/python scripts/sandbox.py

inbox: $(VENV)/.run ## Take what is pushed, until it is stopped: make inbox [ENVIRONMENT=prod] [ARGS="--port 8080"]
	@$(BIN)/python scripts/inbox.py --environment $(ENVIRONMENT) $(ARGS)

request: $(VENV)/.run ## Answer a person's request: make request [ENVIRONMENT=prod] ARGS="export --request 17 --out ada.zip"
	@$(BIN)/python scripts/request.py --environment $(ENVIRONMENT) $(ARGS)

retention: $(VENV)/.run ## Delete what is older than privacy/controller.yml says, with no job running: make retention [ENVIRONMENT=prod] [ARGS=--dry-run]
	@$(BIN)/python scripts/request.py --environment $(ENVIRONMENT) retention $(ARGS)

pipeline: setup ## Run the pipeline on a real account, or with DRY=1 on a copy that is thrown away: make pipeline [ENVIRONMENT=prod] [JOB=pipeline] [DRY=1]
	@$(BIN)/python scripts/$(if $(DRY),dry_run,pipeline).py --environment $(ENVIRONMENT) $(JOB)

resend: JOB = publish
resend: setup ## Send again, once and now, what Klaviyo refused and is mended: make resend [ENVIRONMENT=prod] [JOB=publish]
	@TARGET_KLAVIYO_PROFILES_RESEND_REFUSED_AFTER=0 $(BIN)/python scripts/pipeline.py --environment $(ENVIRONMENT) $(JOB)

exposures: JOB = exposures
exposures: setup ## Write who was shown what as files by the hour, or a range of them anew: make exposures [FROM=2026-11-01] [TO=2026-11-02T08:00] [ENVIRONMENT=prod]
	@EXPOSURE_EXPORT_FROM="$(FROM)" EXPOSURE_EXPORT_TO="$(TO)" $(BIN)/python scripts/pipeline.py --environment $(ENVIRONMENT) $(JOB)

reconcile: setup ## Read again the days on which the warehouse differs from Klaviyo: make reconcile [FROM=2026-11-01] [TO=2026-11-30]
	@$(BIN)/python scripts/reconcile.py --environment $(ENVIRONMENT) $(if $(FROM),--from $(FROM)) $(if $(TO),--to $(TO))

experiment: $(VENV)/.run ## Write a draft experiment to begin with: make experiment name=spring_sale
	@$(EXPERIMENTS) new "$(name)"

iterate: $(VENV)/.run ## Draft the next version of one that has shipped: its winner is the control: make iterate name=spring_sale
	@$(EXPERIMENTS) iterate "$(name)"

preview: $(VENV)/.run ## Check the experiments and show what every arm will look like: output/preview
	@$(EXPERIMENTS) lint && $(EXPERIMENTS) preview

proof: $(VENV)/.run ## Ask Klaviyo to render the uploaded templates for every arm, and compare with the files: make proof [ENVIRONMENT=prod]
	@$(BIN)/python scripts/proof.py --environment $(ENVIRONMENT)

preregister: $(VENV)/.run ## Lock what was promised of every live experiment, before its first message
	@$(EXPERIMENTS) lock

forwarding: $(VENV)/.run ## Write draft rules, by which events reach Klaviyo, to begin with: make forwarding name=shop
	@$(FORWARDING) new "$(name)"

forwarding-check: $(VENV)/.run ## Check the rules of forwarding and say what becomes of which events
	@$(FORWARDING) lint

forwarding-preview: setup ## What a file would have made of yesterday's events, on a copy: make forwarding-preview name=shop [DAY=2026-11-29] [JSON=1] [ENVIRONMENT=prod]
	@$(BIN)/python scripts/forwarding_preview.py --environment $(ENVIRONMENT) $(if $(DAY),--day $(DAY)) $(if $(JSON),--json) "$(name)"

test: lint docs ## Run every check and every test
	@# The types are checked beside the tests: alone they would leave one of two cores idle.
	@$(MAKE) --no-print-directory -j 2 unit typing

check: lint typing docs ## Style, types, and whether generated tables are fresh: before every commit

lint: $(VENV)/.dev ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typing: $(VENV)/.dev ## Types
	@# The files named conftest.py are modules of one name, which do not go together: each by itself.
	@echo "mypy"; $(BIN)/mypy --no-error-summary $(PACKAGES) transform/tests scripts benchmarks tests --exclude '/conftest\.py$$'
	@for file in conftest.py $(wildcard $(addsuffix /tests/conftest.py,. $(PACKAGES) transform)); do \
		echo "mypy $$file"; $(BIN)/mypy --no-error-summary $$file || exit 1; done

docs: $(VENV)/.dev ## Are the generated tables and files fresh? (make docs WRITE=--write renews them)
	$(BIN)/python scripts/docs.py $(WRITE)

coverage: $(VENV)/.dev $(VENV)/.browser ## Which lines and branches the tests of the packages reach: make coverage [PART=plugins/tap-duckdb]
	$(BIN)/pytest -n 3 --dist loadscope --cov --cov-report= $(or $(PART),$(PACKAGES))
	@for name in $(COVERED); do printf "%-25s" $$name; $(BIN)/coverage report --format=total --include="*/$$name/*" || exit 1; done

unit: $(VENV)/.dev $(VENV)/.browser .meltano/.ready ## Tests
	@# A sample of what `make chaos` and `make test-warehouses` do whole.
	CHAOS_KILLS=$${CHAOS_KILLS:-4} KLAVIYO_LOOP_TEST_DIALECTS=$${KLAVIYO_LOOP_TEST_DIALECTS:-bigquery} \
		$(BIN)/pytest -n 3 --dist loadscope --no-loadscope-reorder

chaos: $(VENV)/.dev ## Kill tap, target, loader and receiver a hundred times each, cut runs anywhere, and go on; of this `make test` is a sample
	CHAOS_KILLS=$${CHAOS_KILLS:-100} $(BIN)/pytest tap-klaviyo-engagement target-klaviyo-profiles plugins/klaviyo-inbox plugins/target-duckdb -k 'kill or is_lost or however_late'

truth: $(VENV)/.dev ## Simulate 2,000 sends of each kind, with and without an effect, and what can break between; half an hour
	KLAVIYO_LOOP_TRUTH=$${KLAVIYO_LOOP_TRUTH:-2000} $(BIN)/pytest -n 2 transform/tests/test_transform_truth_*.py

test-long: $(VENV)/.dev .meltano/.ready ## What takes longest: webhooks, forwarding and several accounts through Meltano; runs that renew what changed, and data that lie; ten minutes
	$(BIN)/pytest -n 2 --dist loadscope --no-loadscope-reorder -m long

test-warehouses: $(VENV)/.warehouses .meltano/.ready ## The dbt project on PostgreSQL and Spark, the pipeline on PostgreSQL; needs Java and 4 GB of memory; PostgreSQL takes minutes, Spark more than an hour
	KLAVIYO_LOOP_TEST_ENGINES="postgres spark pipeline" $(BIN)/pytest -m "" -n 2 --dist loadscope transform
	KLAVIYO_LOOP_TEST_BENCHMARKS=all $(BIN)/pytest tests/test_benchmarks.py

test-snowflake: $(VENV)/.snowflake ## The dbt project, its unit tests and data tests in Snowflake's dialect, which a stand-in on DuckDB answers; ten minutes
	KLAVIYO_LOOP_TEST_ENGINES=snowflake $(VENV)/snowflake/bin/pytest -W "ignore:Arrow output:UserWarning" \
		transform/tests/test_transform_build.py transform/tests/test_transform_integrity.py

test-oldest: $(VENV)/.dev ## The dbt project, and as a package in another, under the oldest dbt that it says it works with; three minutes
	@work=$$(mktemp -d) && trap 'rm -rf "$$work"' EXIT && \
		KLAVIYO_LOOP_WAREHOUSE=$$work/warehouse.duckdb DBT_TARGET_PATH=$$work DBT_LOG_PATH=$$work \
		$(OLDEST) dbt build --project-dir transform --profiles-dir transform
	KLAVIYO_LOOP_TEST_OLDEST=1 $(OLDEST) --with hypothesis --with pytest --with pytest-xdist --with numpy --with sqlglot \
		pytest transform/tests/test_transform_package.py transform/tests/test_transform_package_git.py

test-install: $(VENV)/.dev ## The packages as strangers install them: by pip out of git and from wheels, and by Meltano; a quarter of an hour, most of which reports wait for their turn
	KLAVIYO_LOOP_TEST_INSTALL=pip $(BIN)/pytest tests/test_packages.py tests/test_hub_definitions.py

test-stand-in: $(VENV)/.dev .meltano/.ready ## An experiment from a draft to a shipped winner and its next version, as docs/stand-in.md types it; five minutes
	KLAVIYO_LOOP_TEST_STAND_IN=whole $(BIN)/pytest tests/test_stand_in_whole.py

bench: $(VENV)/.dev ## Measure everything that has a bar, on this machine, some 30 minutes: make bench [BENCH=core]
	@$(BIN)/python benchmarks/bench.py $(BENCH)

revision: $(VENV)/.run ## What changes between two versions of Klaviyo's SDK: make revision FROM=24.0.0 TO=25.0.0
	@$(BIN)/python scripts/revision.py $(FROM) $(TO)

site: $(VENV)/.site ## Build a site of all pages in output/site; a link that leads nowhere fails it
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir output/site
	@echo "output/site/index.html"

wheels: $(VENV)/bin/uv ## Build every package as a wheel: make wheels [DIST=dist]
	@for package in $(PACKAGES); do $(BIN)/uv build --quiet --wheel --out-dir "$(DIST)" $$package || exit 1; done

lock: $(VENV)/.dev ## Choose the newest allowed versions: constraints.txt
	$(BIN)/uv lock --quiet --upgrade
	$(BIN)/uv export --quiet --all-groups --all-packages --no-hashes --no-emit-workspace --no-header --no-annotate \
		--format requirements.txt --output-file constraints.txt

clean: ## Remove the environments and the demo; the warehouses under output/ stay
	rm -rf $(VENV) .meltano .demo

$(VENV)/bin/uv:
	@python="$$(sh scripts/interpreter.sh $(PYTHON))" || { \
		echo "Python 3.11, 3.12 or 3.13 with its module venv is needed: set PYTHON=/path/to/python3.11" >&2; exit 1; }; \
		echo "Installing for $$python …"; "$$python" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv

$(VENV)/.run: $(VENV)/bin/uv $(MANIFESTS)
	@echo "Installing the packages of this repository and Meltano …"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt --group run $(EDITABLE)
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@echo "Installing what the tests need …"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt --group dev $(EDITABLE)
	@touch $@

# The tests that look at the report use a browser of this machine. Where there is none, one is fetched into $(VENV); where
# that fails, as it does without the internet, and make runs as root on Debian or Ubuntu, theirs is installed. Where that
# fails too, the tests fail and say what to do.
BROWSER := $(BIN)/python plugins/lift-report/tests/headless_browser.py >/dev/null 2>&1

$(VENV)/.browser: $(VENV)/.dev
	@$(BROWSER) || { echo "Fetching a browser for the tests …"; \
		$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt --group browser && \
		PLAYWRIGHT_BROWSERS_PATH="$(CURDIR)/$(VENV)/browsers" $(BIN)/playwright install --only-shell chromium; } || true
	@$(BROWSER) || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || { \
		echo "Installing the system's package chromium for the tests: apt-get, as root …"; \
		export DEBIAN_FRONTEND=noninteractive; apt-get update -qq; \
		apt-get install -qq --no-install-recommends chromium >/dev/null; } || true
	@if $(BROWSER); then touch $@; else \
		echo "No browser could be fetched; the tests say how to give them one." >&2; fi

$(VENV)/.site: $(VENV)/.dev
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt --group site
	@touch $@

$(VENV)/.warehouses: $(VENV)/.dev
	@echo "Installing Spark …"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt --group warehouses
	@touch $@

# An environment of its own: the stand-in wants an older sqlglot than everything else.
$(VENV)/.snowflake: $(VENV)/.dev
	@echo "Installing a stand-in for Snowflake …"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)/snowflake
	@$(BIN)/uv pip install --quiet --python $(VENV)/snowflake/bin/python -c constraints.txt --group dev $(EDITABLE)
	@$(BIN)/uv pip install --quiet --python $(VENV)/snowflake/bin/python fakesnow==0.12.1 "dbt-snowflake>=1.12.4,<1.13" dbt-core==1.12.0
	@touch $@

.meltano/.ready: $(VENV)/.run $(PLUGINS)
	@echo "Installing the Meltano plugins …"
	@mkdir -p -m 700 .meltano
	@$(BIN)/meltano install > .meltano/install.log 2>&1 || { cat .meltano/install.log >&2; exit 1; }
	@# Python compiles what a program imports when it is started first: now, and not in the first run.
	@for program in $(STARTED); do echo $$program; done | xargs -n 1 -P 2 sh -c '"$$0" --version >/dev/null 2>&1 || true'
	@# So it is with dbt's parsing of the project. Files that change afterwards are parsed again by dbt, and only those.
	@$(BIN)/python scripts/demo.py --parse
	@touch $@
