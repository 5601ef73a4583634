# SPDX-License-Identifier: MIT
# Every examples/NAME.c is a program of its own, $(B)/bin/NAME, but for the files that several of
# them share.
EXAMPLE_SRC := $(wildcard examples/*.c)
EXAMPLE_SHARED := $(wildcard $(addprefix examples/,task.c program.c progress.c children.c))
EXAMPLE_SHARED_OBJ := $(EXAMPLE_SHARED:%.c=$(B)/obj/%.o)
EXAMPLE_PROGRAMS := $(patsubst examples/%.c,$(B)/bin/%,$(filter-out $(EXAMPLE_SHARED),$(EXAMPLE_SRC)))
EXAMPLE_SHARING := $(addprefix $(B)/bin/,coordinator worker demo graceful)
CFLAGS_examples := $(COMPAT)
TIDY += $(EXAMPLE_SRC)
ALL += $(EXAMPLE_PROGRAMS)

$(EXAMPLE_SHARING): $(EXAMPLE_SHARED_OBJ)

$(EXAMPLE_PROGRAMS): $(B)/bin/%: $(B)/obj/examples/%.o $(LIB_SO_LINK) $(B)/flags
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(LINK_SHARED)

# DEMO=--kill-coordinator passes options to it.
HAVE += demo
demo: $(EXAMPLE_PROGRAMS) $(CTL_PROGRAM)
	$(Q)$(B)/bin/demo --config config/demo.yaml $(DEMO)

# Starting, replacing and taking over, in a minute.
.PHONY: demo-supervise
demo-supervise: $(CTL_PROGRAM)
	$(Q)sh examples/supervise/demo.sh $(abspath $(B))/bin
