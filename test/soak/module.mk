# SPDX-License-Identifier: MIT
# make soak [SOAK_SECONDS=600] [SOAK_SEED=N] [QUICK=1: one minute]: random kills and stops under
# load, with exact accounts.
SOAK_SRC := $(filter-out test/soak/test_%,$(wildcard test/soak/*.c))
SOAK_OBJ := $(SOAK_SRC:%.c=$(B)/obj-test/%.o)
SOAK_PROGRAM := $(B)/bin/shmbus-soak
TIDY += $(filter-out $(TEST_SRC),$(SOAK_SRC))
HAVE += soak

$(SOAK_PROGRAM): $(SOAK_OBJ) $(LIB_TEST_A) $(B)/flags
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(SOAK_OBJ) $(LIB_TEST_A) $(LIB_LIBS)

SOAK_SECONDS ?= $(if $(filter-out 0,$(QUICK)),60,600)
SOAK_FLAGS = --seconds $(SOAK_SECONDS) $(if $(SOAK_SEED),--seed $(SOAK_SEED))
soak: $(SOAK_PROGRAM)
	$(Q)$(SOAK_PROGRAM) $(SOAK_FLAGS)

# A few seconds of it are part of the tests.
CHECK_NEEDS += $(SOAK_PROGRAM)
CHECKS += soak-short
run-soak-short: $(SOAK_PROGRAM)
	$(Q)$(TALLY) test/soak $(SOAK_PROGRAM) --seconds 6 $(if $(SOAK_SEED),--seed $(SOAK_SEED))
