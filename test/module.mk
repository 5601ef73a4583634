# Tests. Every test/*/test_*.c joins the one runner; nobody keeps a list.
TEST_SRC := $(wildcard test/*.c test/*/test_*.c)
TEST_OBJ := $(TEST_SRC:%.c=$(B)/obj-test/%.o)
TEST_PROGRAM := $(B)/bin/shmbus-test
CFLAGS_test := -iquote libshmbus -iquote test
TIDY += $(TEST_SRC)
ALL += $(TEST_PROGRAM)

$(eval $(call stamp,test.list,$(TEST_SRC)))

$(TEST_PROGRAM): $(TEST_OBJ) $(LIB_TEST_A) $(B)/flags $(B)/test.list
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(TEST_OBJ) $(LIB_TEST_A) -lcunit $(LIB_LIBS)
