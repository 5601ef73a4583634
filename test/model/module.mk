# SPDX-License-Identifier: MIT
# The schedule explorer: the library's own sources with a scheduling point at every shared access.
MODEL_SRC := $(wildcard test/model/*.c)
MODEL_LIB_SRC := $(addprefix libshmbus/base/,error.c errno_name.c sized.c) \
    $(addprefix libshmbus/layout/,format.c geometry.c name.c verify.c) \
    $(addprefix libshmbus/protocol/,block.c event.c exchange.c lane_redelivery.c letters.c \
    mpmc_redelivery.c reclaim.c region_lock.c returned.c ring_lanes.c ring_mpmc.c ring_spsc.c \
    spsc_records.c sweep.c) \
    $(addprefix libshmbus/channel/,outcome.c wait.c) libshmbus/message.c libshmbus/region.c \
    $(shell grep -l '^const struct sb_kind sb_kind_' libshmbus/channel/*.c) # every kind
MODEL_OBJ := $(MODEL_SRC:%.c=$(B)/obj-model/%.o)
MODEL_LIB_OBJ := $(MODEL_LIB_SRC:%.c=$(B)/obj-model/%.o)
MODEL_PROGRAM := $(B)/bin/shmbus-model
# The same with names in headers that come back at once, for what must hold all the same.
NARROW_SRC := $(MODEL_SRC) $(MODEL_LIB_SRC)
NARROW_OBJ := $(NARROW_SRC:%.c=$(B)/obj-narrow/%.o)
NARROW_PROGRAM := $(B)/bin/shmbus-model-narrow
NARROW_CPPFLAGS := -DSB_OWNER_EPOCH_BITS=0u -DSB_DELIVERIES_STOP=1u
TIDY += $(MODEL_SRC)
HAVE += model
TIDY_FLAGS_test/model := -DSB_EXPLORE=1 -DSB_EXPLORE_STORES=1

# What the library asks of the kernel, and copies into the segment, goes to test/model/world.c.
MODEL_SEAMS := -Dsyscall=sb_explore_syscall -Dclock_gettime=sb_explore_clock_gettime \
    -Dmemcpy=sb_explore_memcpy
MODEL_CPPFLAGS = -D_GNU_SOURCE -DSB_EXPLORE=1 -DSB_EXPLORE_STORES=1 -DSB_RETURNED_MAX=2u -Ilibshmbus/include \
                 -iquote libshmbus
# A kind is one file for all layers: what the model does not ask of it is left out.
MODEL_CFLAGS = -std=gnu11 $(WARNINGS) -O2 -g -fno-omit-frame-pointer -ffunction-sections -fdata-sections -pthread
MODEL_LDFLAGS := -Wl,--gc-sections

$(B)/obj-model/libshmbus/%.o: libshmbus/%.c $(B)/flags test/model/module.mk
	$(call say,CC,$< (model))
	@mkdir -p $(@D)
	$(Q)$(CC) $(MODEL_CPPFLAGS) $(MODEL_SEAMS) $(MODEL_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/obj-model/test/model/%.o: test/model/%.c $(B)/flags
	$(call say,CC,$< (model))
	@mkdir -p $(@D)
	$(Q)$(CC) $(MODEL_CPPFLAGS) $(MODEL_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/obj-narrow/libshmbus/%.o: libshmbus/%.c $(B)/flags test/model/module.mk
	$(call say,CC,$< (narrow model))
	@mkdir -p $(@D)
	$(Q)$(CC) $(MODEL_CPPFLAGS) $(NARROW_CPPFLAGS) $(MODEL_SEAMS) $(MODEL_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/obj-narrow/test/model/%.o: test/model/%.c $(B)/flags
	$(call say,CC,$< (narrow model))
	@mkdir -p $(@D)
	$(Q)$(CC) $(MODEL_CPPFLAGS) $(NARROW_CPPFLAGS) $(MODEL_CFLAGS) -MMD -MP -c -o $@ $<

-include $(shell find $(B)/obj-model $(B)/obj-narrow -name '*.d' 2>/dev/null)

$(MODEL_PROGRAM): $(MODEL_OBJ) $(MODEL_LIB_OBJ)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(MODEL_CFLAGS) $(MODEL_LDFLAGS) -o $@ $^

$(NARROW_PROGRAM): $(NARROW_OBJ)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(MODEL_CFLAGS) $(MODEL_LDFLAGS) -o $@ $^

# QUICK=1: smaller bounds and a few seconds of random schedules.
QUICK ?= 0
model: $(MODEL_PROGRAM) $(NARROW_PROGRAM)
	$(Q)$(MODEL_PROGRAM) $(if $(filter-out 0,$(QUICK)),--quick --random 10,--random 60)
	$(Q)$(NARROW_PROGRAM) $(if $(filter-out 0,$(QUICK)),--quick --random 5,--random 60)

# doc/verification.md names every scenario; that it still does is part of the tests.
CHECKS += scenario-names
run-scenario-names:
	$(Q)$(TALLY) test/model/check_doc.sh sh test/model/check_doc.sh
