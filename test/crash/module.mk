# SPDX-License-Identifier: MIT
# make crash: processes killed and stopped at every machine instruction of every call.
CRASH_SRC := $(wildcard test/crash/*.c)
CRASH_OBJ := $(CRASH_SRC:%.c=$(B)/obj-test/%.o)
CRASH_PROGRAM := $(B)/bin/shmbus-crash
TIDY += $(CRASH_SRC)
HAVE += crash

$(CRASH_PROGRAM): $(CRASH_OBJ) $(LIB_TEST_A) $(B)/flags
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(CRASH_OBJ) $(LIB_TEST_A) $(LIB_LIBS)

CRASH_FLAGS := $(if $(filter-out 0,$(QUICK)),--quick) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only '$(ONLY)')
crash: $(CRASH_PROGRAM)
	$(Q)$(CRASH_PROGRAM) $(CRASH_FLAGS)

# The table of crash points says what the sources do; a short run of it is part of the tests.
CHECKS += points
run-points:
	$(Q)$(TALLY) test/crash/check_points.sh sh test/crash/check_points.sh
