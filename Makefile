# Every target sets up what it needs: the environment .venv, from the locked requirements with hashes.
# The three sets are one resolution (core is in video is in dev), so installing a larger one changes nothing
# of a smaller one, and a stamp file for each says that it was installed from the lock as it is now.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

VENV   := .venv
BIN    := $(VENV)/bin
STAMPS := $(VENV)/stamps
DEMO   ?= examples/inotify.yaml

# The first Python that the lock covers; `make PYTHON=/path/to/python3.12 install` chooses another.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c '$(SUPPORTED)' 2>/dev/null && { command -v $$p; break; }; done)

# The tests wait for processes more than they compute: more of them than cores.
PARALLEL := -n 4 --dist worksteal

# Long runs tell their counts as they go, and take their time.
LONG := $(BIN)/pytest -n 0 -s -o faulthandler_timeout=0

PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet

.PHONY: help install demo test test-orchestrator check format bench bench-peers bench-video soak crash damage endure lanes editors power fuzz service mutants lock clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

install: $(STAMPS)/core ## Leave .venv/bin/spork, without the video libraries

demo: $(STAMPS)/video ## Make a narrated video from examples/, through every gate
	$(BIN)/spork --workspace . run $(DEMO) --approve-all

test: $(STAMPS)/dev ## All tests
	$(BIN)/pytest $(PARALLEL)

test-orchestrator: $(STAMPS)/dev ## One job through its gates: approve, reject with notes, resume; states and events as they come
	$(BIN)/pytest -p no:cacheprovider --capture=no --quiet tests/acceptance/test_orchestrator.py

check: $(STAMPS)/dev ## What CI runs: format, lint, strict types, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest $(PARALLEL)

format: $(STAMPS)/dev ## Format the code and sort the imports
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMPS)/dev ## Measure reaction, throughput, idle cost and video speed; a table, no verdict
	$(BIN)/python -m bench

bench-video: $(STAMPS)/dev ## How fast the video stages are, beside encoding ready-made frames and moviepy 2 (in build/peers/); a table
	$(BIN)/python -m bench video

bench-peers: $(STAMPS)/dev ## The same work on task-spooler (apt), Luigi, Huey, RQ, DBOS and Prefect, each in build/peers/; a table
	$(BIN)/python -m bench.peers

soak: $(STAMPS)/dev ## 1,000 random kill -9 of daemon, keeper and stages under load, then 1,000 SIGTERMs; checked from files alone
	$(BIN)/python -m tests.soak 1000
	$(BIN)/python -m tests.soak 1000 --how term

crash: $(STAMPS)/dev ## kill -9 before, inside and after every system call of the protocols, and of the recovery (9,000 points and more; x86_64)
	$(BIN)/python -m tests.crashing
	$(LONG) tests/long/crash/test_rules.py

damage: $(STAMPS)/dev ## 200 damaged databases rebuilt, 100 backups under load restored and worked on
	$(LONG) tests/long/damage

endure: $(STAMPS)/dev ## An hour with 20,000 mixed jobs: memory, descriptors, threads, zombies; then gigabytes of output
	$(BIN)/python -m tests.endure 1 20000
	$(LONG) tests/long/endure

lanes: $(STAMPS)/dev ## 1,000 times daemons in each other's way, lock files taken away: never two stages at once
	$(LONG) tests/long/lanes

# What it drives, all of it from apt: tmux vim nano emacs-nox micro neovim joe kakoune mc ed rsync unison
# openssh-server curl moreutils patch git. What is not installed is skipped by name.
editors: $(STAMPS)/dev ## Real editors, shells, sync tools and git on a live daemon (apt: tmux vim nano emacs-nox micro rsync git)
	$(LONG) $(PARALLEL) tests/long/editors

power: $(STAMPS)/dev ## 300 power cuts on an ext4 and as many on a lossy FUSE, each call of each protocol failing (root; apt: e2fsprogs gcc libc6-dev)
	$(LONG) tests/long/power

fuzz: $(STAMPS)/dev ## 1,000,000 requests, decisions, policies and pipelines that no person would write (SPORK_FUZZ_INPUTS for fewer)
	$(LONG) tests/long/fuzz

service: $(STAMPS)/dev ## A real systemd as PID 1 of its own namespaces, in a debootstrap root (root; apt: debootstrap)
	$(LONG) tests/long/service

mutants: $(STAMPS)/dev ## Take out each fsync, lock, check and order of steps in turn, and see a test fail; writes docs/removals.md
	$(BIN)/python -m tests.long.mutants

lock: ## Resolve the dependencies anew (needs uv)
	$(LOCK) --upgrade --all-extras pyproject.toml requirements/build.in -o requirements/dev.txt
	$(LOCK) --extra video pyproject.toml requirements/build.in -c requirements/dev.txt -o requirements/video.txt
	$(LOCK) pyproject.toml requirements/build.in -c requirements/dev.txt -o requirements/core.txt
	@! grep -n '://' requirements/*.txt || { echo 'a lock file holds an address' >&2; exit 1; }

clean: ## Remove the environment and the caches; the workspace's inbox, jobs and runs stay
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find daemon stages tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n '$(PYTHON)' || { echo 'Python 3.11 to 3.14 is needed; choose one with make PYTHON=/path/to/python3' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(STAMPS)/video $(STAMPS)/dev: $(STAMPS)/core

$(STAMPS)/%: requirements/%.txt pyproject.toml | $(BIN)/python
	@echo 'Installing requirements/$*.txt into $(VENV); the first time this takes a minute.'
	@$(PIP) install --require-hashes --requirement requirements/$*.txt
	@$(PIP) install --no-deps --no-build-isolation --no-index --editable .
	@mkdir -p $(STAMPS) && touch $@
