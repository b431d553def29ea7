# SPDX-License-Identifier: GPL-2.0
#
# How a Kbuild runs bindgen: on a header of includes, for the items that the list beside it names
# ("fn NAME", "type NAME", or "opaque NAME" for a type that is only passed on, one a line).
# ferromap-wrap may say more.

ferromap-list = $(shell sed -n 's/^$(1) //p' $(<:.h=.list) | tr '\n' '|' | sed 's/|$$//')

# Flags that gcc knows and the clang inside bindgen does not; the kernel's rust/Makefile drops the
# same.
ferromap-skip-flags := -mno-fp-ret-in-387 -mpreferred-stack-boundary=% -mskip-rax-setup \
	-mgeneral-regs-only -msign-return-address=% -mindirect-branch=thunk-extern \
	-mindirect-branch-register -mfunction-return=thunk-extern -mrecord-mcount -mabi=lp64 \
	-mindirect-branch-cs-prefix -mstack-protector-guard% -mtraceback=no \
	-mno-pointers-to-nested-functions -mno-string -mno-strict-align -mstrict-align \
	-mdirect-extern-access -mexplicit-relocs -mno-check-zero-division -fconserve-stack \
	-falign-jumps=% -falign-loops=% -femit-struct-debug-baseonly -fno-ipa-cp-clone -fno-ipa-sra \
	-fno-partial-inlining -fplugin-arg-arm_ssp_per_task_plugin-% -fno-reorder-blocks \
	-fno-allow-store-data-races -fasan-shadow-offset=% -fzero-call-used-regs=% \
	-fno-stack-clash-protection -fno-inline-functions-called-once -fsanitize=bounds-strict \
	-fstrict-flex-arrays=% -fmin-function-alignment=% -fzero-init-padding-bits=% -mno-fdpic \
	-fdiagnostics-show-context -fdiagnostics-show-context=% --param=% --param asan-% \
	-fno-isolate-erroneous-paths-dereference -ffixed-r2 -mmultiple -mno-readonly-in-sdata

# What clang calls the architecture that the kernel is built for, as rust/Makefile has it.
ferromap-target-x86 := x86_64-linux-gnu
ferromap-target-arm64 := aarch64-linux-gnu
ferromap-target-loongarch := loongarch64-linux-gnusf
ferromap-target-riscv := riscv64-linux-gnu
ferromap-target-s390 := s390x-linux-gnu
ferromap-target-powerpc := powerpc$(if $(CONFIG_PPC64),64le)-linux-gnu
ferromap-target-um = $(ferromap-target-$(SUBARCH))
ferromap-target = $(or $(ferromap-target-$(SRCARCH)),$(error no name for $(SRCARCH) in bindgen.mk))

quiet_cmd_ferromap_bindgen = BINDGEN $@
      cmd_ferromap_bindgen = \
	$(BINDGEN) $< --rust-target 1.85 --use-core --ctypes-prefix ffi --no-layout-tests \
		--no-recursive-allowlist --raw-line 'pub(crate) use kernel::{bindings::*, ffi};' \
		--allowlist-function '$(call ferromap-list,fn)' --allowlist-type '$(call ferromap-list,type)' \
		--allowlist-type '$(call ferromap-list,opaque)' --opaque-type '$(call ferromap-list,opaque)' \
		$(ferromap-wrap) \
		-o $@ -- $(filter-out $(ferromap-skip-flags),$(c_flags)) -w --target=$(ferromap-target) \
		-fno-builtin -D__BINDGEN__ -DMODULE
