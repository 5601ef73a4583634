# SPDX-License-Identifier: MIT
# `make bench-verify`: the rings written for the comparison lose, double, reorder and damage nothing,
# and the sanitizers have nothing against them; a minute on a busy machine. Without that their speed
# would mean nothing.
VERIFY_PEERS := ref spsc_cached spsc_flags mpmc_turns ref_fanout
VERIFY_OUT := $(BENCH_OUT)/verify
VERIFY_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O1 -g -pthread -fno-omit-frame-pointer
VERIFY_ADDRESS := -fsanitize=address,undefined -fno-sanitize-recover=all
# What the compiler copies by itself the thread sanitizer does not see: calls of memcpy() it does.
VERIFY_THREAD := -fsanitize=thread -fno-builtin
VERIFY_BUILT := $(foreach s,address thread,$(VERIFY_PEERS:%=$(VERIFY_OUT)/%-$s))

# Two programs of each contestant: as processes under one sanitizer, as threads under the other,
# which sees only threads.
$(VERIFY_OUT)/%-address: SANITIZER = $(VERIFY_ADDRESS)
$(VERIFY_OUT)/%-thread: SANITIZER = $(VERIFY_THREAD)
define verify_peer
$(VERIFY_OUT)/$1-$2: bench/peers/$1.c $(BENCH_HARNESS) $(wildcard bench/harness/*.h)
	$$(call say,BENCH,$$(@F))
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $(VERIFY_CFLAGS) $$(SANITIZER) -o $$@ $$< $(BENCH_HARNESS)
endef
$(foreach p,$(VERIFY_PEERS),$(foreach s,address thread,$(eval $(call verify_peer,$p,$s))))

bench-verify: $(VERIFY_BUILT)
	$(Q)sh bench/verify/run.sh $(VERIFY_OUT) $(if $(filter-out 0,$(QUICK)),20000,500000)

.PHONY: bench-verify
