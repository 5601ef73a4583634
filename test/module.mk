# Tests. Every test/*/test_*.c joins the one runner, every test/cli/*.sh the other; nobody keeps a
# list.
TEST_SRC := test/harness.c test/runner.c $(wildcard test/*/test_*.c)
TEST_OBJ := $(TEST_SRC:%.c=$(B)/obj-test/%.o)
TEST_PROGRAM := $(B)/bin/shmbus-test
CFLAGS_test := -iquote libshmbus -iquote test
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
