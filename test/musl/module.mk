# SPDX-License-Identifier: MIT
# make musl: library, shmbusctl and examples built with musl-gcc, and the unit tests run there. What
# they are linked with is compiled from Debian's sources (sysroot.sh, some seconds, once). Where those
# cannot be had it is one skipped test with the reason. With QUICK=1 (CI) without the tests of many
# processes: those run with the other compilers, and no C library makes a difference there.
MUSL_ROOT := $(B)/musl-root
MUSL_B := $(B)/musl
# musl's own macros make signed numbers unsigned, so warnings are no errors; what is not declared is.
MUSL_CFLAGS := -O1 -g -Werror=implicit-function-declaration -Wno-sign-conversion
MUSL_MAKE = $(MAKE) --no-print-directory B=$(MUSL_B) MODE=plain WERROR=0 HARDEN= CXX=false \
    CC='$(MUSL_CCACHE) musl-gcc -isystem $(abspath $(MUSL_ROOT))/include -L$(abspath $(MUSL_ROOT))/lib' \
    CFLAGS='$(MUSL_CFLAGS)'
MUSL_CCACHE := $(filter %ccache,$(CC))
MUSL_SLOW := chaos.* shares.* history.* environment.* failure.* anchor.in_a_storm*
MUSL_SKIP := $(if $(filter-out 0,$(QUICK)),$(foreach s,$(MUSL_SLOW),--skip '$(s)'))

# What people build there: not the programs of tests of the command line.
MUSL_BUILDS = $(LIB_SO_LINK) $(LIB_A) $(CTL_PROGRAM) $(EXAMPLE_PROGRAMS) $(TEST_PROGRAM)

HAVE += musl
.PHONY: musl
musl:
	@mkdir -p $(B)
	@why=$$(sh test/musl/sysroot.sh $(MUSL_ROOT)); status=$$?; \
	if [ $$status = 77 ]; then \
	    echo "skip - shmbus builds with musl and passes its unit tests there: $$why"; \
	    test -z "$$T_RESULTS" || echo "0 0 1 musl" >> "$$T_RESULTS"; \
	elif [ $$status != 0 ]; then exit $$status; \
	else \
	    $(MUSL_MAKE) $(MUSL_BUILDS:$(B)/%=$(MUSL_B)/%) && $(MUSL_B)/bin/shmbus-test $(MUSL_SKIP) && \
	    $(MUSL_B)/bin/shmbusctl version; \
	fi
