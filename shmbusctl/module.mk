# shmbusctl: the command line tool. Uses the public header of libshmbus and json-c, nothing else.
SHMBUSCTL_SRCS := $(wildcard shmbusctl/*.c)
MAN1 += doc/man/shmbusctl.1
