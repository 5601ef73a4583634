/* SPDX-License-Identifier: MIT */
#include "protocol/returned.h"

void sb_returned_clear(struct sb_returned *list)
{
    list->at = list->count = 0;
    list->more = false;
}

static bool is_before(const struct sb_returned_item *a, const struct sb_returned_item *b)
{
    if (a->group != b->group) {
        return a->group < b->group;
    }
    return (int64_t)((a->place - b->place) << 16) < 0;
}

void sb_returned_add(struct sb_returned *list, const struct sb_returned_item *item)
{
    uint32_t at = list->count;

    if (at == SB_RETURNED_MAX) {
        list->more = true;
        if (!is_before(item, &list->items[at - 1u])) {
            return;
        }
        at--;
    } else {
        list->count++;
    }
    for (; at > 0 && is_before(item, &list->items[at - 1u]); at--) {
        list->items[at] = list->items[at - 1u];
    }
    list->items[at] = *item;
}
