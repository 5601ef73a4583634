# SPDX-License-Identifier: MIT
# `make bench-instructions`: instructions of each call, by callgrind, compared with table.txt; a few
# seconds. UPDATE=1 writes the table. Counts, not times: the same on a busy machine.
INSTRUCTIONS_PROGRAM := $(BENCH_OUT)/shmbus-instructions
TIDY += bench/instructions/instructions.c

$(INSTRUCTIONS_PROGRAM): bench/instructions/instructions.c bench/peers/shmbus_segment.h \
        bench/harness/bench.h $(LIB_SO_LINK)
	$(call say,BENCH,instructions)
	@mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE $(BENCH_CFLAGS) -Ilibshmbus/include -o $@ $< -L$(B)/lib -lshmbus \
	    -Wl,-rpath,$(abspath $(B))/lib

bench-instructions: $(INSTRUCTIONS_PROGRAM)
	$(Q)python3 bench/instructions/run.py --program $< --table bench/instructions/table.txt \
	    --compiler '$(CC)' --flags='$(MODE) $(CFLAGS) $(LTO_COMPILE)' \
	    $(if $(filter-out 0,$(UPDATE)),--update)

.PHONY: bench-instructions
