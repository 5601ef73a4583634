/* SPDX-License-Identifier: MIT */
#include "base/sized.h"

#include <string.h>

void sb_give(void *ret, const void *full, size_t full_bytes)
{
    size_t asked, both;

    memcpy(&asked, ret, sizeof asked);
    both = asked < full_bytes ? asked : full_bytes;
    memset(ret, 0, asked);
    memcpy(ret, full, both);
    memcpy(ret, &asked, sizeof asked);
}
