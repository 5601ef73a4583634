# SPDX-License-Identifier: MIT
# Headers of releases, frozen, each with a program that is compiled against it and runs with the
# library of today; and what any program of that release relies on, fact by fact.
FROZEN := $(patsubst test/abi/v%/program.c,%,$(wildcard test/abi/v*/program.c))
FROZEN_PROGRAMS := $(FROZEN:%=$(B)/bin/abi-%)
CHECK_NEEDS += $(FROZEN_PROGRAMS)
CHECKS += frozen

$(B)/bin/abi-%: test/abi/v%/program.c test/abi/v%/shmbus/shmbus.h test/abi/symbols-% $(LIB_SO_LINK) $(B)/flags
	$(call say,CC,$< (header of $*))
	@mkdir -p $(@D) $(B)/abi
	$(Q)grep -v '^#' test/abi/symbols-$* | sed 's/.*/F(&)/' > $(B)/abi/functions-$*.inc
	$(Q)$(CC) -std=c11 -D_GNU_SOURCE -DFUNCTIONS='"$(B)/abi/functions-$*.inc"' -Wall -Wextra \
	    -Wpedantic -Werror $(SANITIZE) -I. -Itest/abi/v$* -o $@ $< $(LINK_SHARED)

run-frozen: $(FROZEN_PROGRAMS)
	$(Q)CC='$(CC)' $(TALLY) test/abi/check.sh sh test/abi/check.sh $(FROZEN_PROGRAMS)

# Before a release the frozen header follows the present one; afterwards it never changes.
freeze-abi:
	$(Q)sh test/abi/freeze.sh
.PHONY: freeze-abi
