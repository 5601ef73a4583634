# SPDX-License-Identifier: MIT
# make mutants: seeded defects, each of which the check it names must catch. See run.sh.
HAVE += mutants
# run.sh names the places of headers itself: those of a mutant come first.
MUTANT_CPPFLAGS = $(subst -iquote libshmbus,,$(MODEL_CPPFLAGS))

mutants: $(MODEL_OBJ) $(MODEL_LIB_OBJ) $(NARROW_OBJ) $(TEST_OBJ) $(CRASH_OBJ) $(LIB_TEST_A)
	$(Q)T_OUT='$(B)/mutants' T_LINK='$(CC) $(CFLAGS) -pthread' \
	    T_MODEL_COMPILE='$(CC) $(MUTANT_CPPFLAGS) $(MODEL_SEAMS) -std=gnu11 -O1' \
	    T_NARROW_COMPILE='$(CC) $(MUTANT_CPPFLAGS) $(NARROW_CPPFLAGS) $(MODEL_SEAMS) -std=gnu11 -O1' \
	    T_NARROW_OBJECTS='$(NARROW_OBJ)' \
	    T_TEST_COMPILE='$(CC) $(ALL_CPPFLAGS) -DSB_TEST=1 -std=gnu11 $(CODEGEN) -O1' \
	    T_MODEL_OBJECTS='$(MODEL_OBJ) $(MODEL_LIB_OBJ)' T_UNIT_OBJECTS='$(TEST_OBJ)' \
	    T_CRASH_OBJECTS='$(CRASH_OBJ)' T_LIB_TEST='$(LIB_TEST_A)' T_LIBS='$(LIB_LIBS)' \
	    ONLY='$(if $(ONLY),$(ONLY),*)' sh test/mutants/run.sh

# doc/verification.md says which defect is caught by what; that it still does is part of the tests.
CHECKS += mutant-table
run-mutant-table:
	$(Q)$(TALLY) test/mutants/table.sh sh test/mutants/table.sh --check
