# SPDX-License-Identifier: MIT
# The comparison with the peers: `make bench`, `make bench QUICK=1`, `make bench-check`.
# Not part of `all` and never of `check`. bench/peers/NAME.{c,cc,py} is one contestant; its head
# says which packages it needs, and build-peer.sh leaves out what is not installed.
BENCH_OUT := $(B)/bench
BENCH_HARNESS := $(filter-out bench/harness/probe.c,$(wildcard bench/harness/*.c))
BENCH_OBJS := $(BENCH_HARNESS:bench/harness/%.c=$(BENCH_OUT)/harness/%.o)
BENCH_PEERS := $(wildcard bench/peers/*.c bench/peers/*.cc bench/peers/*.py)
BENCH_BUILT := $(foreach p,$(BENCH_PEERS),$(BENCH_OUT)/bench-$(basename $(notdir $p)))
BENCH_RESULTS := $(if $(B_GIVEN),$(B),$(BUILD))/bench
BENCH_CFLAGS := -std=gnu11 $(WARNINGS) -O2 -g -pthread
BENCH_RUN := python3 bench/run.py --programs $(BENCH_OUT) --results $(BENCH_RESULTS) \
             --peers bench/peers --compiler '$(CC)' $(if $(filter-out 0,$(QUICK)),--quick) \
             $(if $(PLACE),--place '$(PLACE)') $(if $(SEED),--seed $(SEED)) $(if $(PATIENCE),--patience $(PATIENCE)) $(if $(ONLY),--only '$(ONLY)')
TIDY += $(wildcard bench/harness/*.c)
HAVE += bench

$(BENCH_OUT)/harness/%.o: bench/harness/%.c bench/harness/bench.h
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE $(BENCH_CFLAGS) -c -o $@ $<

$(BENCH_OUT)/bench-probe: bench/harness/probe.c $(BENCH_OBJS)
	$(call say,BENCH,probe)
	$(Q)$(CC) -D_GNU_SOURCE $(BENCH_CFLAGS) -o $@ $< $(BENCH_OBJS)

define bench_peer
$(BENCH_OUT)/bench-$(basename $(notdir $1)): $1 $(wildcard bench/harness/*.h bench/harness/*.py \
        bench/peers/*.h) $(BENCH_OBJS) bench/build-peer.sh $(if $(findstring shmbus,$1),$(LIB_SO_LINK))
	$$(Q)CC='$(CC)' CXX='$(CXX)' SHMBUS_CPPFLAGS='-Ilibshmbus/include' \
	    SHMBUS_LIBS='-L$(abspath $(B))/lib -lshmbus -Wl,-rpath,$(abspath $(B))/lib' \
	    sh bench/build-peer.sh $1 $(BENCH_OUT)
endef
$(foreach p,$(BENCH_PEERS),$(eval $(call bench_peer,$p)))

bench-programs: $(BENCH_BUILT) $(BENCH_OUT)/bench-probe

bench: bench-programs
	$(Q)$(BENCH_RUN)

# The last results become what bench-check compares with.
bench-baseline:
	$(Q)grep -q '"flag"' $(BENCH_RESULTS)/results.jsonl && \
	    { echo 'bench-baseline: the last run was on a busy machine; not recorded' >&2; exit 1; } || :
	$(Q)cp $(BENCH_RESULTS)/results.jsonl bench/baseline.jsonl

# What the documents show of it: one command on a quiet machine, ten minutes.
bench-doc: bench
	$(Q)bench/summary $(BENCH_RESULTS)/results.jsonl --into doc/performance.md
	$(Q)cp $(BENCH_RESULTS)/plots/stream.svg doc/stream.svg
	$(Q)cp $(BENCH_RESULTS)/plots/stream-l3.svg doc/stream-l3.svg

# Ratios against the recorded run, never absolute times: the machine differs, the peers do not.
# What seems to be worse is measured once more before it is called so.
bench-check: bench-programs bench/baseline.jsonl
	$(Q)$(BENCH_RUN) --quick
	$(Q)python3 bench/compare --ratios --suspects $(BENCH_RESULTS)/suspects \
	    bench/baseline.jsonl $(BENCH_RESULTS)/results.jsonl || { test $$? -eq 1 && \
	$(BENCH_RUN) --quick --results $(BENCH_RESULTS)/again --only "$$(cat $(BENCH_RESULTS)/suspects)" && \
	python3 bench/compare --ratios bench/baseline.jsonl $(BENCH_RESULTS)/results.jsonl \
	    $(BENCH_RESULTS)/again/results.jsonl; }

bench/baseline.jsonl:
	@echo 'bench-check: no bench/baseline.jsonl; on a quiet machine: make bench bench-baseline' >&2
	@exit 1

include bench/scale/module.mk bench/instructions/module.mk bench/verify/module.mk

.PHONY: bench-baseline bench-doc bench-check bench-programs
