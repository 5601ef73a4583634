# Every bench/NAME.c is a program of its own: $(B)/bin/NAME. Never part of `make check`.
BENCH_SRC := $(wildcard bench/*.c)
BENCH_PROGRAMS := $(BENCH_SRC:bench/%.c=$(B)/bin/%)
TIDY += $(BENCH_SRC)

$(BENCH_PROGRAMS): $(B)/bin/%: $(B)/obj/bench/%.o $(LIB_SO_LINK) $(B)/flags
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(LINK_SHARED)

ifneq ($(wildcard bench/run.sh),)
HAVE += bench
bench: $(ALL) $(BENCH_PROGRAMS)
	$(Q)sh bench/run.sh $(B)/bin
endif
