# SPDX-License-Identifier: MIT
# make many [QUICK=1] [MANY=N]: 1,023 processes on one bus (QUICK=1: 128): how soon they are there,
# what they cost while idle, and what happens when half of them are killed at once while they hold a
# message. Fails when a number of doc/performance.md is not kept.
MANY_PROGRAM := $(B)/bin/shmbus-many
TIDY += test/many/many.c
HAVE += many

$(MANY_PROGRAM): test/many/many.c $(LIB_A) $(B)/flags
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(CFLAGS_test) $(ALL_LDFLAGS) -o $@ $< $(LIB_A) $(LIB_LIBS)

MANY ?= $(if $(filter-out 0,$(QUICK)),128,1023)
many: $(MANY_PROGRAM)
	$(Q)$(TALLY) test/many $(MANY_PROGRAM) $(MANY)
