/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a plan: either an error with a sentence, or a plan that passes the check and whose
 * limits hold.
 */
#include <string.h>

#include "layout/bounds.h"
#include "target.h"

/* The one thing that only the placing finds out: the sum of what is allowed one by one. */
static bool is_too_large(void)
{
    return strstr(shmbus_detail(), "the segment would be larger than") != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct shmbus_plan *plan = NULL;
    uint64_t bytes = 0;
    int result = shmbus_plan_parse((const char *)data, size, "input", &plan);

    if (result < 0) {
        const char *detail = shmbus_detail();
        if (plan != NULL || detail[0] == '\0' || shmbus_strerrorname(result)[0] == '?') {
            fuzz_fail("a failure (%d) without a sentence, or with a plan", result);
        }
        for (const char *c = detail; *c != '\0'; c++) {
            if ((unsigned char)*c < ' ' || *c == 0x7f) {
                fuzz_fail("a control character in: %s", detail);
            }
        }
        return 0;
    }
    result = shmbus_plan_check(plan, &bytes);
    if (result == 0 ? bytes == 0 || bytes % SB_PAGE != 0 : !is_too_large()) {
        fuzz_fail("parsed, but: %s (%llu bytes)", shmbus_detail(), (unsigned long long)bytes);
    }
    shmbus_plan_free(plan);
    return 0;
}
