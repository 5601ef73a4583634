# SPDX-License-Identifier: MIT
# shmbusctl: the command line tool. Uses the public header of libshmbus and json-c; the supervisor
# reads its file with libyaml.
CTL_SRC := $(wildcard shmbusctl/*.c shmbusctl/supervise/*.c)
# Quantities and misspelt words are read by the same lines as in YAML, room is measured as at creation.
CTL_OBJ := $(CTL_SRC:%.c=$(B)/obj/%.o) $(patsubst %,$(B)/obj/libshmbus/%.o,plan/units plan/spelling base/room)
CTL_PROGRAM := $(B)/bin/shmbusctl
CFLAGS_shmbusctl := $(COMPAT)
TIDY += $(CTL_SRC)
ALL += $(CTL_PROGRAM)

$(eval $(call stamp,shmbusctl.list,$(CTL_SRC)))

$(CTL_PROGRAM): $(CTL_OBJ) $(LIB_SO_LINK) $(B)/flags $(B)/shmbusctl.list
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(CTL_OBJ) $(LINK_SHARED) -ljson-c -lyaml
