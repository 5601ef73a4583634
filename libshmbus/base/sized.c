/* SPDX-License-Identifier: MIT */
#include "base/sized.h"

#include <errno.h>
#include <string.h>

#include <shmbus/shmbus.h>

#include "base/error.h"

#define OPTS_MAX 4096 /* more is no struct of options, but memory that was never set */

void sb_give(void *ret, const void *full, size_t full_bytes)
{
    size_t asked, both;

    memcpy(&asked, ret, sizeof asked);
    both = asked < full_bytes ? asked : full_bytes;
    memset(ret, 0, asked);
    memcpy(ret, full, both);
    memcpy(ret, &asked, sizeof asked);
}

int sb_take_opts(void *own, size_t own_bytes, const void *opts, const char *call)
{
    size_t given = 0;

    memset(own, 0, own_bytes);
    if (opts == NULL) {
        return 0;
    }
    memcpy(&given, opts, sizeof given);
    if (given < sizeof given || given > OPTS_MAX) {
        return sb_fail(-EINVAL,
                       "%s: struct_bytes of the options is not set; begin with the _INIT macro",
                       call);
    }
    for (size_t i = own_bytes; i < given; i++) {
        if (((const char *)opts)[i] != 0) {
            return sb_fail(-E2BIG, "%s: an option is newer than this library (%s)", call,
                           SHMBUS_VERSION);
        }
    }
    memcpy(own, opts, given < own_bytes ? given : own_bytes);
    return 0;
}
