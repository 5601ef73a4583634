# Every examples/NAME.c is a program of its own: $(B)/bin/NAME.
EXAMPLE_SRC := $(wildcard examples/*.c)
EXAMPLE_PROGRAMS := $(EXAMPLE_SRC:examples/%.c=$(B)/bin/%)
TIDY += $(EXAMPLE_SRC)
ALL += $(EXAMPLE_PROGRAMS)

$(EXAMPLE_PROGRAMS): $(B)/bin/%: $(B)/obj/examples/%.o $(LIB_SO_LINK) $(B)/flags
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(LINK_SHARED)

ifneq ($(wildcard examples/demo.sh),)
HAVE += demo
demo: $(ALL)
	$(Q)sh examples/demo.sh $(B)/bin
endif
