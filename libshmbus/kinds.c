/* SPDX-License-Identifier: MIT */
/*
 * The table of kinds: what each layer asks of a kind, put together where all of it is known.
 */
#include "layout/kinds.h"

#include "channel/kind.h"
#include "inspect/kind_look.h"
#include "layout/geometry.h"
#include "plan/kind_plan.h"
#include "protocol/reclaim.h"

#define ROW(NAME, name, id)                                                                        \
    [(id)-SB_KIND_FIRST] = {                                                                       \
        .layout = &sb_##name##_layout,                                                             \
        .plan = &sb_##name##_plan,                                                                 \
        .death = &sb_##name##_death,                                                               \
        .look = &sb_##name##_look,                                                                 \
        .calls = &sb_kind_##name,                                                                  \
    },

const struct sb_kind_row sb_kind_rows[SB_KIND_COUNT] = {SB_KINDS(ROW)};
