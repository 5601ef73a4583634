# SPDX-License-Identifier: MIT
# make model-aarch64: the library and a stress built for aarch64, run by qemu-user. It shows that
# the code for another architecture is complete and right (explicit fences, load/store exclusive);
# an emulator on x86 does not reorder what x86 does not, so it says nothing about weak memory.
A64_CC ?= aarch64-linux-gnu-gcc
A64_RUN ?= qemu-aarch64
A64_COUNT ?= $(if $(filter-out 0,$(QUICK)),5000,20000)
A64_SRC := $(filter-out libshmbus/plan/config.c,$(LIB_SRC)) test/aarch64/stress.c
A64_OBJ := $(A64_SRC:%.c=$(B)/obj-aarch64/%.o)
TIDY += test/aarch64/stress.c

# Of libatomic_ops only the headers are needed, and those are the same on all architectures.
$(B)/obj-aarch64/include/atomic_ops.h:
	@mkdir -p $(@D)
	$(Q)ln -sfn /usr/include/atomic_ops $(@D)/atomic_ops
	$(Q)ln -sfn /usr/include/atomic_ops.h $@

$(B)/obj-aarch64/%.o: %.c $(B)/flags | $(B)/obj-aarch64/include/atomic_ops.h
	$(call say,CC,$< (aarch64))
	@mkdir -p $(@D)
	$(Q)$(A64_CC) -D_GNU_SOURCE -iquote libshmbus -Ilibshmbus/include -I$(B)/obj-aarch64/include -std=gnu11 \
	    $(WARNINGS) -O2 -pthread -MMD -MP -c -o $@ $<

-include $(shell find $(B)/obj-aarch64 -name '*.d' 2>/dev/null)

$(B)/bin/aarch64-stress: $(A64_OBJ)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(A64_CC) -static -pthread -o $@ $^

model-aarch64:
	@command -v $(A64_CC) >/dev/null && command -v $(A64_RUN) >/dev/null || { \
	    echo 'make model-aarch64: needs apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user' >&2; exit 2; }
	$(Q)$(MAKE) --no-print-directory $(B)/bin/aarch64-stress
	$(Q)$(A64_RUN) $(B)/bin/aarch64-stress $(A64_COUNT) && bad=0 || bad=1; \
	printf '{"target":"model-aarch64","failures":%d}\n' $$bad; exit $$bad
.PHONY: model-aarch64
