# SPDX-License-Identifier: MIT
# Programs that test/cli/supervise_*.sh put under the supervisor, and at it.
SUPERVISE_TEST_SRC := $(filter-out %/die_at.c,$(wildcard test/supervise/*.c))
SUPERVISE_DIE_AT := $(B)/bin/test-die_at.so
SUPERVISE_TEST_PROGRAMS := $(SUPERVISE_TEST_SRC:test/supervise/%.c=$(B)/bin/test-%)
TIDY += $(SUPERVISE_TEST_SRC) test/supervise/die_at.c
ALL += $(SUPERVISE_TEST_PROGRAMS) $(SUPERVISE_DIE_AT)

$(SUPERVISE_TEST_PROGRAMS): $(B)/bin/test-%: $(B)/obj/test/supervise/%.o $(LIB_SO_LINK) $(B)/flags
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(LINK_SHARED)

$(B)/bin/test-cron: $(B)/obj/shmbusctl/supervise/cron.o

# Is loaded before all else, so without the sanitizers: they want to be the first.
$(SUPERVISE_DIE_AT): test/supervise/die_at.c $(B)/flags
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -fsanitize=%,$(ALL_CFLAGS)) -fPIC -shared -o $@ $< -ldl
