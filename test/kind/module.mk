# SPDX-License-Identifier: MIT
# That a kind of channel is one file: doc/adding-a-kind.patch on a copy of the tree, see run.sh. With
# sanitizers it would be the same once more.
ifeq ($(MODE),plain)
CHECKS += kind
endif
run-kind:
	$(Q)$(TALLY) test/kind/run.sh sh test/kind/run.sh '$(MAKE)' '$(CC)'
