# SPDX-License-Identifier: MIT
# Tests. Every test/*/test_*.c joins the one runner, every test/cli/*.sh the other; nobody keeps a
# list. The soak's books are tested with the rest.
TEST_SRC := test/harness.c test/runner.c test/soak/history.c test/soak/ledger.c \
            $(wildcard test/*/test_*.c)
TEST_OBJ := $(TEST_SRC:%.c=$(B)/obj-test/%.o)
TEST_PROGRAM := $(B)/bin/shmbus-test
# CUnit's macros compare whatever they are given.
CFLAGS_test := $(COMPAT) -iquote libshmbus -iquote test -Wno-sign-compare
TIDY += $(TEST_SRC)
ALL += $(TEST_PROGRAM)
CHECKS += unit

$(eval $(call stamp,test.list,$(TEST_SRC)))

$(TEST_PROGRAM): $(TEST_OBJ) $(LIB_TEST_A) $(B)/flags $(B)/test.list
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(TEST_OBJ) $(LIB_TEST_A) -lcunit $(LIB_LIBS)

# Sanitized programs run several times slower; so do their limits of time.
TEST_FLAGS := $(if $(SANITIZE),--timeout-factor 4)
run-unit: $(TEST_PROGRAM)
	$(Q)$(TEST_PROGRAM) $(TEST_FLAGS)

# The command line, as users see it.
CHECKS += cli
run-cli: $(ALL)
	$(Q)T_LIMIT_S=$(if $(SANITIZE),360,180) sh test/cli/run $(B)/bin

# The public header in each language it is meant for; a warning is an error.
HEADER_PROGRAMS := $(addprefix $(B)/bin/headers-,c99 c11 c++11)
CHECK_NEEDS += $(HEADER_PROGRAMS)
CHECKS += headers abi man3 install readme

$(B)/bin/headers-c%: test/headers.c $(PUBLIC_HEADERS) $(LIB_SO_LINK) $(B)/flags
	$(call say,CC,$< (C$*))
	@mkdir -p $(@D)
	$(Q)$(if $(filter ++%,$*),$(CXX) -x c++,$(CC) -Wc++-compat) -std=c$* -Wall -Wextra -Wpedantic \
	    -pedantic-errors -Werror $(SANITIZE) -Ilibshmbus/include -o $@ $< -x none $(LINK_SHARED)

run-headers: $(HEADER_PROGRAMS)
	$(Q)$(TALLY) test/headers.c sh -c \
	    'for p; do if "$$p"; then echo "ok - $${p##*/}"; else echo "not ok - $${p##*/}"; fi; done' sh $^

run-abi: $(LIB_SO_LINK) $(LIB_A) $(LIB_PC)
	$(Q)$(TALLY) test/abi.sh sh test/abi.sh $(abspath $(B))/lib

run-man3:
	$(Q)$(TALLY) test/man3.sh sh test/man3.sh

run-install: $(ALL)
	$(Q)CC='$(CC)' SANITIZE='$(SANITIZE)' $(TALLY) test/install.sh sh test/install.sh $(MAKE) CC='$(CC)' MODE=$(MODE) B='$(B)'

run-readme: $(ALL)
	$(Q)CC='$(CC)' SANITIZE='$(SANITIZE)' $(TALLY) test/readme.sh sh test/readme.sh $(MAKE) CC='$(CC)' MODE=$(MODE) B='$(B)'

# What the layers of the library include and call, and that the check would find what is wrong.
CHECK_NEEDS += $(LIB_TEST_OBJ)
CHECKS += layers
run-layers: $(LIB_TEST_OBJ)
	$(Q)$(TALLY) test/selftest/layers.sh sh test/selftest/layers.sh $(B)/obj-test $(CC)

# The runner itself, with tests that must fail.
SELFTEST_PROGRAM := $(B)/bin/shmbus-selftest
SELFTEST_OBJ := $(addprefix $(B)/obj-test/test/,harness.o runner.o selftest/broken.o)
CHECK_NEEDS += $(SELFTEST_PROGRAM)
CHECKS += selftest
TIDY += test/selftest/broken.c

$(SELFTEST_PROGRAM): $(SELFTEST_OBJ) $(LIB_TEST_A) $(B)/flags
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(SELFTEST_OBJ) $(LIB_TEST_A) -lcunit $(LIB_LIBS)

# run.sh keeps the failures of the program out of the sum.
run-selftest: $(SELFTEST_PROGRAM)
	$(Q)$(TALLY) test/selftest sh test/selftest/run.sh $(SELFTEST_PROGRAM)
