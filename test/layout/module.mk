# SPDX-License-Identifier: MIT
# The layout of a segment, as the compiler sees it, against what is written down: see check.sh.
LAYOUT_PROGRAM := $(B)/bin/layout-print
TIDY += test/layout/print.c
CHECK_NEEDS += $(LAYOUT_PROGRAM)
CHECKS += layout

$(LAYOUT_PROGRAM): $(B)/obj-test/test/layout/print.o $(B)/flags
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $<

run-layout: $(LAYOUT_PROGRAM)
	$(Q)$(TALLY) test/layout/check.sh sh test/layout/check.sh $(LAYOUT_PROGRAM)
