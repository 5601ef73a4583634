# SPDX-License-Identifier: MIT
# Programs that test/cli/supervise_*.sh put under the supervisor, and at it.
SUPERVISE_TEST_SRC := $(wildcard test/supervise/*.c)
SUPERVISE_TEST_PROGRAMS := $(SUPERVISE_TEST_SRC:test/supervise/%.c=$(B)/bin/test-%)
TIDY += $(SUPERVISE_TEST_SRC)
ALL += $(SUPERVISE_TEST_PROGRAMS)

$(SUPERVISE_TEST_PROGRAMS): $(B)/bin/test-%: $(B)/obj/test/supervise/%.o $(LIB_SO_LINK) $(B)/flags
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(LINK_SHARED)

$(B)/bin/test-cron: $(B)/obj/shmbusctl/supervise/cron.o
