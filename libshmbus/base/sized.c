/* SPDX-License-Identifier: MIT */
#include "base/sized.h"

#include <errno.h>
#include <string.h>

#include <shmbus/shmbus.h>

#include "base/error.h"

#define STRUCT_MAX 4096 /* more is no struct of ours, but memory that was never set */

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
    if (given < sizeof given || given > STRUCT_MAX) {
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

int sb_check_reserved(uint32_t reserved, const char *call)
{
    if (reserved == 0) {
        return 0;
    }
    return sb_fail(-E2BIG, "%s: reserved_ is %u: an option newer than this library (%s)", call,
                   reserved, SHMBUS_VERSION);
}

int sb_check_sized(const void *ret, const char *call)
{
    size_t asked;

    if (ret == NULL) {
        return sb_fail(-EINVAL, "%s: the place for the answer is NULL", call);
    }
    memcpy(&asked, ret, sizeof asked);
    if (asked < 2 * sizeof asked || asked > STRUCT_MAX) {
        return sb_fail(-EINVAL, "%s: struct_bytes must be set to the size of the struct", call);
    }
    return 0;
}
