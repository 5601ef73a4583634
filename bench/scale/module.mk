# SPDX-License-Identifier: MIT
# How cost grows: `make bench-scale`, `make bench-scale QUICK=1`. Needs python3 like the rest.
SCALE_SRC := $(wildcard bench/scale/*.c)
TIDY += $(SCALE_SRC)

$(BENCH_OUT)/shmbus-scale: $(SCALE_SRC) bench/scale/scale.h bench/harness/bench.h $(LIB_SO_LINK)
	$(call say,BENCH,scale)
	@mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE $(BENCH_CFLAGS) -Ilibshmbus/include -o $@ $(SCALE_SRC) \
	    -L$(abspath $(B))/lib -lshmbus -Wl,-rpath,$(abspath $(B))/lib

bench-scale: $(BENCH_OUT)/shmbus-scale $(BENCH_OUT)/bench-probe
	$(Q)python3 bench/scale/run.py --program $< --probe $(BENCH_OUT)/bench-probe \
	    --results $(BENCH_RESULTS) --compiler '$(CC)' $(if $(filter-out 0,$(QUICK)),--quick)

.PHONY: bench-scale
