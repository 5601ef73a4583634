# SPDX-License-Identifier: MIT
# make fuzz: hostile segments, messages and configurations. libFuzzer and sanitizers of clang 14,
# whatever CC is.
FUZZ_TARGETS := attach live message yaml
FUZZ_SRC := $(wildcard test/fuzz/*.c)
FUZZ_SHARED := image record world guard
FUZZ_B := $(B)/fuzz
FUZZ_CC ?= clang-14
FUZZ_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_CPPFLAGS = -D_GNU_SOURCE -DSB_DEBUG=1 -Ilibshmbus/include $(CFLAGS_test)
FUZZ_CFLAGS = -std=gnu11 $(WARNINGS) -O1 -g -fno-omit-frame-pointer -fno-common -pthread \
    -fsanitize=fuzzer-no-link $(FUZZ_SANITIZE)
FUZZ_LDFLAGS := -pthread -Wl,--wrap=mmap,--wrap=munmap
TIDY += $(FUZZ_SRC)
HAVE += fuzz

FUZZ_LIB := $(FUZZ_B)/libshmbus.a
FUZZ_LIB_OBJ := $(LIB_SRC:%.c=$(FUZZ_B)/obj/%.o)
FUZZ_CTL := $(FUZZ_B)/bin/shmbusctl
FUZZ_PROGRAMS := $(FUZZ_TARGETS:%=$(FUZZ_B)/bin/%)
fuzz_obj = $(1:%=$(FUZZ_B)/obj/test/fuzz/%.o)

$(FUZZ_B)/obj/%.o: %.c $(B)/flags test/fuzz/module.mk
	$(call say,CC,$< (fuzz))
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_CPPFLAGS) $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(FUZZ_B)/obj -name '*.d' 2>/dev/null)

$(FUZZ_LIB): $(FUZZ_LIB_OBJ) $(B)/lib.list
	$(Q)rm -f $@ && $(AR) rcs $@ $(FUZZ_LIB_OBJ)

$(FUZZ_PROGRAMS): $(FUZZ_B)/bin/%: $(FUZZ_B)/obj/test/fuzz/%.o \
    $(call fuzz_obj,$(FUZZ_SHARED) mutator) $(FUZZ_LIB)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer $(FUZZ_SANITIZE) $(FUZZ_LDFLAGS) -o $@ $< \
	    $(call fuzz_obj,$(FUZZ_SHARED)) $(if $(filter yaml,$*),,$(call fuzz_obj,mutator)) \
	    $(FUZZ_LIB) $(LIB_LIBS)

$(FUZZ_CTL): $(CTL_SRC:%.c=$(FUZZ_B)/obj/%.o) $(call fuzz_obj,guard) $(FUZZ_LIB)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_SANITIZE) $(FUZZ_LDFLAGS) -o $@ $(filter %.o,$^) $(FUZZ_LIB) $(LIB_LIBS) -ljson-c

$(FUZZ_B)/bin/cli: $(call fuzz_obj,cli $(FUZZ_SHARED)) $(FUZZ_LIB)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_SANITIZE) $(FUZZ_LDFLAGS) -o $@ $(filter %.o,$^) $(FUZZ_LIB) $(LIB_LIBS)

# FUZZ_SECONDS: for each target. QUICK=1: all of it in less than two minutes. ONLY="attach yaml".
FUZZ_QUICK := $(filter-out 0,$(QUICK))
FUZZ_SECONDS ?= $(if $(FUZZ_QUICK),12,600)
FUZZ_RUNS := $(if $(ONLY),$(ONLY),$(FUZZ_TARGETS) cli)

fuzz-compiler:
	@echo 'int LLVMFuzzerTestOneInput(const char *d, long n); \
	    int LLVMFuzzerTestOneInput(const char *d, long n) { return d == 0 && n > 0; }' | \
	    $(FUZZ_CC) -x c -fsanitize=fuzzer,address,undefined -o /dev/null - 2>/dev/null || { \
	    echo 'make fuzz: needs clang 14 with its sanitizers: apt-get install -y clang-14' \
	        'libclang-rt-14-dev' >&2; exit 1; }

# One job at a low priority: others use the machine, too.
fuzz: fuzz-compiler
	$(Q)$(MAKE) --no-print-directory --no-builtin-rules fuzz-programs >&2
	$(Q)nice -n 5 sh test/fuzz/run.sh $(FUZZ_B)/bin $(FUZZ_B) $(FUZZ_SECONDS) $(FUZZ_RUNS)

fuzz-programs: $(FUZZ_PROGRAMS) $(FUZZ_B)/bin/cli $(FUZZ_CTL)
.PHONY: fuzz-compiler fuzz-programs
