# SPDX-License-Identifier: MIT
# How queues share blocks, as a model of its own: see test/sharing/pool.h.
SHARING_SRC := $(wildcard test/sharing/*.c)
SHARING_PROGRAM := $(B)/bin/shmbus-sharing
TIDY += $(SHARING_SRC)

$(SHARING_PROGRAM): $(SHARING_SRC) test/sharing/pool.h $(B)/flags
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(WARNINGS) -O2 -g -o $@ $(SHARING_SRC)

model: sharing
sharing: $(SHARING_PROGRAM)
	$(Q)$(SHARING_PROGRAM)

# A part of it is among the tests.
CHECKS += sharing
run-sharing: $(SHARING_PROGRAM)
	$(Q)$(TALLY) test/sharing $(SHARING_PROGRAM) --quick
