# vspc: `make demo` to see it, `make test` to check it. GNU make, Linux, Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CACHE := $(VENV)/cache
STAMP := $(VENV)/installed

# Everything that building and testing keeps stays in .venv.
export PIP_CACHE_DIR := $(CURDIR)/$(CACHE)/pip
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export RUFF_CACHE_DIR := $(CURDIR)/$(CACHE)/ruff
export HYPOTHESIS_STORAGE_DIRECTORY := $(CURDIR)/$(CACHE)/hypothesis

# What tests skip for want of (tests/programs.py names the program of each package).
PACKAGES := make util-linux openssh-client libpam0g libpam-modules procps tmux qemu-system-x86 busybox-static asciinema logrotate prometheus \
    ser2net socat telnet telnet-ssl openssl netcat-openbsd nftables conserver-server conserver-client bash zsh groff-base mandoc gdb \
    systemd mmdebstrap debhelper dpkg-dev gcc python3-dev
KERNEL := linux-image-cloud-amd64
KERNEL_DIR := /var/cache/vspc-guest

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test lint types unit end-to-end soak-model fuzz coverage limits deps clean \
    bench bench-check dist deb image audit constraints test-oldest test-newest test-pythons

help:
	@echo 'make demo        a server with three simulated virtual machines, on loopback, until Ctrl-C'
	@echo 'make test        lint, types, unit and end-to-end tests; touches nothing but .venv'
	@echo 'make deps        as root: the Debian packages that some end-to-end tests need'
	@echo
	@echo 'make lint        ruff: style and mistakes'
	@echo 'make types       mypy --strict'
	@echo 'make unit        the unit tests, without network or other programs'
	@echo 'make end-to-end  with OpenSSH, twistd and a Linux guest in QEMU, on loopback'
	@echo 'make chaos       a real server under a seeded adversary for SECONDS=120; SEED= repeats a run'
	@echo 'make soak        the same for SECONDS=3600'
	@echo 'make soak-model  random virtual machines, liars and operators for SOAK_SECONDS=600'
	@echo 'make fuzz        new inputs for every parser for SECONDS=60, or for TARGET=NAME alone'
	@echo 'make coverage    the unit tests once more, and which lines they reach'
	@echo 'make bench       what the server costs, beside bare Twisted, conserver and conman; ROWS="line text"'
	@echo '                 chooses, LONG=1 has curves up to 10,000 VMs, DOC=1 writes docs/performance.md,'
	@echo '                 AGAINST=DIR measures another checkout in turn'
	@echo 'make bench-check a short run compared with the recorded one; fails for rows that got worse'
	@echo 'make limits      write docs/limits.md anew'
	@echo 'make audit       known vulnerabilities of what is installed, and a list of it: dist/sbom.cdx.json'
	@echo 'make constraints the versions of a release: etc/release/constraints.txt'
	@echo 'make test-oldest the unit tests with the oldest versions that setup.cfg allows'
	@echo 'make test-newest the unit tests with the newest ones'
	@echo 'make test-pythons  the unit tests with each supported Python that is here'
	@echo 'make dist        a wheel and an sdist, in dist/'
	@echo 'make deb         a package for Debian 12, in dist/'
	@echo 'make image       an OCI image of that package, by buildah; BASE= names an image of Debian 12'
	@echo 'make clean       remove .venv, .demo and what was built'
	@echo
	@echo 'PYTHON=python3.12 chooses another Python, DEMO_PORT_OFFSET=100 other ports for the demo,'
	@echo 'VSPC_NO_SKIP=1 makes a missing program a failure.'

# Without build isolation, and with a plain path file: so nothing is written beside the sources, and
# twistd finds the plugin, which the newer kind of editable install hides from it.
EDITABLE := --no-build-isolation --config-settings editable_mode=compat --editable

$(STAMP): setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vspc needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --upgrade pip 'setuptools>=77'
	$(BIN)/python -m pip install -qq $(EDITABLE) '.[test]'
	@touch $@

test: lint types
	$(BIN)/python -B -m tests.run

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(STAMP)
	$(BIN)/mypy --cache-dir $(CACHE)/mypy

unit: $(STAMP)
	$(BIN)/python -B -m tests.run --unit

end-to-end: $(STAMP)
	$(BIN)/python -B -m tests.run --end-to-end

# The state of a run that fails is kept, and its seed printed. As root the disk is filled, too.
chaos: SECONDS ?= 120
soak: SECONDS ?= 3600
chaos soak: $(STAMP)
	$(BIN)/python -B -m tests.chaos $(SECONDS) $(SEED)

# New random steps until SOAK_SECONDS are over, or something is wrong.
SOAK_SECONDS ?= 600
soak-model: $(STAMP)
	$(BIN)/python -B -m tests.soak $(SOAK_SECONDS)

# Atheris has no wheel for every Python and machine; without it inputs are made at random.
SECONDS ?= 60
TARGET ?=
fuzz: $(STAMP)
	@$(BIN)/python -c 'import atheris' 2>/dev/null \
	    || $(BIN)/python -m pip install -qq --only-binary atheris $(EDITABLE) '.[fuzz]' \
	    || echo 'Atheris has no wheel here: inputs are made at random'
	$(BIN)/python -B -m tests.fuzz --seconds $(SECONDS) $(if $(TARGET),--target $(TARGET))

coverage: $(STAMP)
	$(BIN)/python -B -m tests.run --unit --coverage $(CACHE)/coverage
	$(BIN)/coverage report --data-file $(CACHE)/coverage --show-missing --skip-covered

# What was measured is recorded in benchmarks/recorded.json, and drawn by matplotlib.
ROWS ?=
LONG ?=
DOC ?=
AGAINST ?=
bench: $(STAMP)
	$(if $(DOC),@$(BIN)/python -m pip install -qq $(EDITABLE) '.[bench]')
	$(BIN)/python -B -m benchmarks $(if $(LONG),--long) $(if $(DOC),--record) \
	    $(if $(AGAINST),--against $(AGAINST)) $(ROWS)

bench-check: $(STAMP)
	$(BIN)/python -B -m benchmarks --check $(ROWS)

limits: $(STAMP)
	$(BIN)/python -B -m tests.limits > docs/limits.md.new
	mv docs/limits.md.new docs/limits.md

dist: $(STAMP)
	$(BIN)/python -m build --outdir dist .

deb:
	etc/debian/build dist

# HEALTHCHECK is of docker's format. BASE is an image of Debian 12.
BASE ?= docker.io/library/debian:12-slim
image: deb
	buildah bud --isolation chroot --format docker --build-arg BASE=$(BASE) \
	    --ignorefile .containerignore --file etc/container/Containerfile --tag vspc .

# What looks after the dependencies has an environment of its own: it is no part of vspc's.
TOOLS := $(VENV)/tools
UV := $(TOOLS)/bin/uv
export UV_CACHE_DIR := $(CURDIR)/$(CACHE)/uv
export UV_PYTHON_DOWNLOADS := never

$(TOOLS)/installed:
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install -qq --upgrade pip 'uv>=0.9' 'pip-audit>=2.9'
	@touch $@

CONSTRAINTS := etc/release/constraints.txt
PIN = $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
    --custom-compile-command 'make constraints'

# What vspc requires, and what builds its package.
constraints: $(TOOLS)/installed
	mkdir -p $(dir $(CONSTRAINTS))
	$(PIN) --output-file $(CONSTRAINTS) setup.cfg
	echo 'setuptools>=77' | $(PIN) --output-file $(dir $(CONSTRAINTS))build.txt -

# Of what a release installs, whatever is in .venv.
RUNTIME := $(VENV)/runtime
audit: $(STAMP) $(TOOLS)/installed
	$(UV) venv --quiet --clear --python $(BIN)/python $(RUNTIME)
	$(UV) pip install --quiet --python $(RUNTIME)/bin/python --require-hashes --requirement $(CONSTRAINTS)
	$(UV) pip install --quiet --python $(RUNTIME)/bin/python 'setuptools>=77'
	$(UV) pip install --quiet --python $(RUNTIME)/bin/python --no-deps $(EDITABLE) .
	$(BIN)/python -B -m tests.supply.sbom dist/sbom.cdx.json --python $(RUNTIME)/bin/python
	$(BIN)/python -B -m tests.supply.audit $(TOOLS)/bin/pip-audit $(CONSTRAINTS)

test-oldest: RESOLUTION := lowest-direct
test-newest: RESOLUTION := highest
test-oldest test-newest: test-%: $(STAMP) $(TOOLS)/installed
	$(UV) venv --quiet --clear --python $(BIN)/python $(VENV)/$*
	$(UV) pip install --quiet --python $(VENV)/$*/bin/python 'setuptools>=77'
	$(UV) pip install --quiet --python $(VENV)/$*/bin/python --resolution $(RESOLUTION) --upgrade \
	    $(EDITABLE) '.[test]'
	$(VENV)/$*/bin/python -B -m tests.run --unit

test-pythons: $(STAMP) $(TOOLS)/installed
	$(BIN)/python -m tests.supply.pythons $(UV)

demo: $(STAMP)
	@exec $(BIN)/python -m vspc.simulator.demo

# The guest's kernel is unpacked, not installed: it needs no boot loader, modules or initramfs tools.
deps:
	@test "$$(id -u)" = 0 || { echo 'make deps installs Debian packages: run it as root'; exit 1; }
	apt-get update --quiet=2
	DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-upgrade --no-install-recommends \
	    $(PACKAGES) python3 python3-venv
	@set -e; mkdir -p $(KERNEL_DIR); cd $(KERNEL_DIR); test ! -s vmlinuz || exit 0; \
	package=$$(apt-cache depends $(KERNEL) | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1); \
	echo "unpacking the kernel of $$package into $(KERNEL_DIR)"; \
	rm -f linux-image-*.deb; \
	apt-get download --quiet=2 -o APT::Sandbox::User=root "$$package"; \
	dpkg-deb --fsys-tarfile linux-image-*.deb | tar --extract --to-stdout --wildcards './boot/vmlinuz-*' > vmlinuz.new; \
	test -s vmlinuz.new; mv vmlinuz.new vmlinuz; rm -f linux-image-*.deb

clean:
	rm -rf $(VENV) .demo build dist *.egg-info .mypy_cache .ruff_cache .hypothesis _trial_temp*
	find vspc tests twisted -name __pycache__ -prune -exec rm -rf {} +
	rm -f twisted/plugins/dropin.cache
