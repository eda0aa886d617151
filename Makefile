# Casemate in a checkout: `make run` tries it, `make test` proves it. Everything is installed into .venv/ on the first go.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: run test check fuzz scan bench image twice hosts serial lint verify install languages shots lock clean help

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
LOCKED := requirements.lock pyproject.toml .ci/debian .ci/beside .ci/python

run: $(VENV)/.run  ## run the appliance and a simulated operator here, in the foreground (CONFIG=FILE for links and keys of your own)
	@exec $(BIN)/casemate up --demo $(if $(CONFIG),--config $(CONFIG))

test: check $(VENV)/.s3  ## prove everything: `make check`, the simulation, then the stories with real processes, sockets and keys
	$(BIN)/python -m pytest tests/sim
	$(BIN)/python -m pytest tests/stories

check: $(VENV)/.test  ## in under two minutes: is the house in order, unit tests, ruff, mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto --dist worksteal tests/tidy tests/unit

fuzz: $(VENV)/.test  ## try 20,000 inputs on each fuzz target (RUNS=N for more; Linux x86-64, Python 3.11 to 3.13)
	@$(PIP) install --quiet --require-hashes -r tests/fuzz/requirements.txt
	$(BIN)/python -m tests.fuzz all --runs $(or $(RUNS),20000)

scan: $(VENV)/.test $(VENV)/.scan  ## two scanners, wapiti and sqlmap, over a signed-in console, then 10,000 payloads on its parameters (minutes; Python 3.11 or 3.12)
	$(BIN)/python -m tests.probe.scanning --scanners $(VENV)/scan/bin $(ARGS)
	$(BIN)/python -m tests.probe --inputs 10000

bench: $(VENV)/.run  ## measure this machine: every scenario that takes minutes (ARGS="batch --seconds 60" for one)
	$(BIN)/casemate bench $(or $(ARGS),all)

image: $(VENV)/.image  ## build the appliance image into image/out/ (as root or with sudo; see image/README.md)
	@$$([ "$$(id -u)" = 0 ] || echo sudo -E) $(BIN)/python -m image build $(ARGS)

hosts: image $(VENV)/.test  ## prove the image: its root in a container, then the whole of it on a virtual machine (as root; takes minutes)
	@.ci/debian nmap ovmf qemu-system-x86 swtpm systemd-container
	$(BIN)/python -m pytest tests/hosts --ignore tests/hosts/test_serial.py

serial: image $(VENV)/.test  ## prove a box's life over its serial line on a virtual machine: installed, updated, back, reset (as root; an hour and more)
	@.ci/debian ovmf qemu-system-x86 swtpm
	$(BIN)/python -m pytest tests/hosts/test_serial.py -o faulthandler_timeout=0 $(ARGS)

twice: image  ## prove that two builds of one commit give the same root (as root; unpacks everything again)
	@$$([ "$$(id -u)" = 0 ] || echo sudo -E) $(BIN)/python -m image twice

lint: $(VENV)/.lint  ## ansible-lint over the playbooks, profile production
	@cd playbooks && PATH="$(CURDIR)/$(VENV)/lint/bin:$$PATH" ansible-lint --nocolor --offline --profile production

verify: $(VENV)/.test  ## check a box that runs, over SSH as root: make verify HOST=box.bank.example (ARGS="--ssh-config FILE" for key and known hosts)
	@[ -n "$(HOST)" ] || { echo "make verify HOST=box.bank.example (root, over SSH)" >&2; exit 2; }
	$(BIN)/python -m pytest tests/hosts/test_root.py --box "ssh://root@$(HOST)" $(ARGS)

install: $(VENV)/.run  ## install what `make run` needs, and stop

languages: $(VENV)/.run  ## bring the console's catalogues up to date with its pages, and say what waits for a translator
	$(BIN)/python -m appliance.console.catalogues

shots: $(VENV)/.test  ## make the manual's pictures of console pages that say something else now (ALL=1 for every one)
	CASEMATE_SHOTS=$(if $(ALL),all,some) $(BIN)/python -m pytest tests/stories/test_console_looks.py -k picture

lock:  ## write requirements.lock anew from pyproject.toml
	@command -v uv >/dev/null || { echo "make lock: needs uv (pipx install uv)" >&2; exit 2; }
	.ci/lock

clean:  ## remove .venv/ and what tools left behind; var/ stays
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find appliance firmware hsm tests .ci -name __pycache__ -prune -exec rm -rf {} +

help:  ## this list
	@awk -F ':.*##  *' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- how things get here ----------------------------------------------------------------------------------------------
# A stamp is younger than the lock file: the second run is quick and needs no network.

$(VENV)/.run: $(LOCKED)
	@.ci/debian softhsm2
	@echo "==> Python packages for running, from requirements.lock into $(VENV)/"
	@"$$(.ci/python)" -m venv $(VENV)
	@sed '/^# --- test/,$$d' requirements.lock > $(VENV)/run.lock
	@$(PIP) install --require-hashes -r $(VENV)/run.lock
	@PYTHONWARNINGS=ignore $(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.run $(LOCKED)
	@.ci/debian age chromium cryptsetup-bin curl gcab gcc golang-go golang-golang-x-mod-dev iproute2 jcat kannel libc6-dev libengine-pkcs11-openssl libnet-smpp-perl libnss3 nsd \
		openssh-client openssh-sftp-server qemu-utils rauc rsyslog rsyslog-openssl slapd squashfs-tools
	@.ci/debian dbus libtpm2-pkcs11-1 libtpm2-pkcs11-tools libtss2-tcti-swtpm0 libtss2-tcti-tabrmd0 opencryptoki swtpm tpm2-abrmd tpm2-tools \
		|| echo "==> no TPM or openCryptoki here: their tests will be skipped"
	@.ci/beside $(VENV)/beside syslog-ng-core
	@echo "==> Python packages for the tests, from requirements.lock into $(VENV)/"
	@sed '/^# --- image/,$$d' requirements.lock > $(VENV)/test.lock
	@$(PIP) install --require-hashes -r $(VENV)/test.lock
	@touch $@

$(VENV)/.s3: tests/support/s3.requirements.txt
	@echo "==> an object store for the tests, in an environment of its own"
	@"$$(.ci/python)" -m venv $(VENV)/s3
	@$(VENV)/s3/bin/pip --disable-pip-version-check install --quiet --require-hashes -r tests/support/s3.requirements.txt
	@touch $@

$(VENV)/.scan: tests/probe/requirements.txt
	@"$$(.ci/python)" -m venv $(VENV)/scan
	@$(VENV)/scan/bin/pip --disable-pip-version-check install --quiet --require-hashes -r tests/probe/requirements.txt
	@touch $@

$(VENV)/.lint: $(VENV)/.run playbooks/lint.requirements.txt
	@"$$(.ci/python)" -m venv $(VENV)/lint
	@$(VENV)/lint/bin/pip --disable-pip-version-check install --quiet --require-hashes -r playbooks/lint.requirements.txt
	@touch $@

$(VENV)/.image: $(VENV)/.run $(LOCKED)
	@.ci/debian mmdebstrap debian-archive-keyring git qemu-utils zstd
	@echo "==> Python packages for building the image, from requirements.lock into $(VENV)/"
	@$(PIP) install --require-hashes -r requirements.lock
	@touch $@
