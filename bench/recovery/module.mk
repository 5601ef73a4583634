# SPDX-License-Identifier: MIT
# make bench-recovery: how soon after a SIGKILL the others go on. Less than a minute; QUICK=1: 10 s.
RECOVERY_PROGRAM := $(BENCH_OUT)/shmbus-recovery
TIDY += bench/recovery/recovery.c

$(RECOVERY_PROGRAM): bench/recovery/recovery.c $(LIB_SO_LINK)
	$(call say,BENCH,recovery)
	@mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE $(BENCH_CFLAGS) -Ilibshmbus/include -o $@ $< -L$(B)/lib -lshmbus \
	    -Wl,-rpath,$(abspath $(B))/lib

bench-recovery: $(RECOVERY_PROGRAM)
	$(Q)$(RECOVERY_PROGRAM) $(if $(filter-out 0,$(QUICK)),--seconds 8,--seconds 45)

.PHONY: bench-recovery
