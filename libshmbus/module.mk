# SPDX-License-Identifier: MIT
# The library: shared, static, and once more for the tests.
PUBLIC_HEADERS := $(wildcard libshmbus/include/shmbus/*.h)
# Each folder is a layer and knows those below it: config/tools/layers.sh has their order.
LIB_SRC := $(wildcard libshmbus/*.c libshmbus/*/*.c)
CFLAGS_libshmbus := -iquote libshmbus
LIB_OBJ := $(LIB_SRC:%.c=$(B)/obj/%.o)
LIB_TEST_OBJ := $(LIB_SRC:%.c=$(B)/obj-test/%.o)

SONAME := libshmbus.so.$(SO_MAJOR)
LIB_SO := $(B)/lib/libshmbus.so.$(VERSION)
LIB_SO_LINK := $(B)/lib/libshmbus.so
LIB_A := $(B)/lib/libshmbus.a
LIB_TEST_A := $(B)/lib/libshmbus-test.a
LIB_PC := $(B)/lib/shmbus.pc
LIB_LIBS := -lyaml
TIDY += $(LIB_SRC)

ALL += $(LIB_SO_LINK) $(LIB_A) $(LIB_PC)

# Changes when a source file comes or goes.
$(eval $(call stamp,lib.list,$(LIB_SRC)))

# One object with the internal names made local: a program that links the static library sees the
# same names as one that links the shared one.
LIB_ONE := $(B)/obj/shmbus.o
$(LIB_ONE): $(LIB_OBJ) $(B)/flags $(B)/lib.list
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(if $(LTO_LINK),$(CC) $(filter-out -pthread,$(ALL_CFLAGS)) -r $(LTO_LINK),ld -r) -o $@ $(LIB_OBJ)
	$(Q)objcopy --localize-hidden $@

$(LIB_SO): $(LIB_ONE) libshmbus/shmbus.map
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -shared $(ALL_CFLAGS) $(ALL_LDFLAGS) $(SO_LINKING) -Wl,-soname,$(SONAME) \
	    -Wl,--version-script,libshmbus/shmbus.map -o $@ $(LIB_ONE) $(LIB_LIBS)

$(LIB_SO_LINK): $(LIB_SO)
	$(Q)ln -sf $(notdir $(LIB_SO)) $(B)/lib/$(SONAME)
	$(Q)ln -sf $(SONAME) $@
	@touch -h $@

$(LIB_A): $(LIB_ONE)
	$(call say,AR,$@)
	@mkdir -p $(@D)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $(LIB_ONE)

$(LIB_TEST_A): $(LIB_TEST_OBJ) $(B)/lib.list
	$(call say,AR,$@)
	@mkdir -p $(@D)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $(LIB_TEST_OBJ)

$(eval $(call stamp,dirs.list,$(PREFIX) $(LIBDIR) $(INCLUDEDIR)))

$(LIB_PC): libshmbus/shmbus.pc.in $(VERSION_H) $(B)/dirs.list
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
	    -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@VERSION@|$(VERSION)|' $< > $@

# How programs of this tree link: against the shared library, found relative to the program, which
# is right in the build directory and after installation alike.
LINK_SHARED = -L$(B)/lib -lshmbus -Wl,-rpath,'$$ORIGIN/../lib' -Wl,-rpath-link,$(B)/lib
