# Ferromap: what a person runs. Each target is one script in rig/, which says in its head what it
# does. Kbuild, beside this file, is the kernel's part.
#
# With KDIR the module is built for that kernel, by this machine's compilers; without, for the stock
# kernel that the rig boots, inside the rig's build root.

KDIR ?=
RUN ?=
ONLY ?=
WITH ?=
DESTDIR ?=
PREFIX ?= /usr/local
export DESTDIR PREFIX

.DEFAULT_GOAL := all
.PHONY: all module tools tools-alone demo bench test shell vm install clean help

all: module tools ## build the module and the tools

module: ## build build/netmap.ko [KDIR=/lib/modules/$(uname -r)/build]
	@rig/module $(KDIR)

tools: ## build the tools and test programs into build/bin
	@rig/user

demo: ## the whole line in a VM: pkt-gen from one VALE port to another
	@rig/demo

bench: ## measure at native speed, side by side, into build/bench [ONLY=pattern]
	@rig/bench $(if $(ONLY),'$(ONLY)')

test: ## run every test; the last line is the verdict
	@rig/test

# Test programs take minutes more to build, and nobody asked for them.
tools-alone:
	@rig/user -p ferromap-tools

shell: module tools-alone ## a shell in the VM, module loaded, tools on PATH [WITH=directory]
	@rig/vm $(if $(WITH),--with '$(WITH)')

# Nothing is built before it is known what for.
vm: $(if $(value RUN),module tools-alone)
vm: ## run a command in the VM: RUN='command' [WITH=directory, seen at /host]
	@[ -n "$$FERROMAP_RUN" ] || { echo "error: say what to run: make vm RUN='command'" >&2; exit 2; }
	@rig/vm $(if $(WITH),--with '$(WITH)') -- "$$FERROMAP_RUN"
# Word for word: make is not to expand a dollar in it.
vm: export FERROMAP_RUN := $(value RUN)

install: ## install module, tools, C library and crates [DESTDIR= PREFIX=/usr/local KDIR=]
	@KDIR='$(KDIR)' rig/install

clean: ## remove what was built here; the cache stays (FERROMAP_CACHE, ~/.cache/ferromap)
	rm -rf build

help: ## this text
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18
	@echo 'All but help and `module KDIR=` need root (sudo make ...).'
