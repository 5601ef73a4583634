/* SPDX-License-Identifier: MIT */
/*
 * The kinds of channels, by where their messages lie, and the table of all that is known of each.
 * What a new one needs: doc/adding-a-kind.md.
 */
#ifndef SB_KINDS_H
#define SB_KINDS_H

#include <stdbool.h>
#include <stdint.h>

#include <shmbus/shmbus.h>

/* X(NAME, name, id): SB_KIND_NAME, whose parts are sb_name_layout and so on. The ids are not the
 * numbers of enum shmbus_kind, as a queue is of one sort or the other; those of all other kinds are
 * 0x10 more. The queue is in the middle, which compilers look at first. */
#define SB_KINDS(X)                                                                                \
    X(LANES, lanes, 0x10)   /* queue with order per producer: in cells */                          \
    X(QUEUE, queue, 0x11)   /* queue with total order: in blocks */                                \
    X(STREAM, stream, 0x12) /* in a ring of bytes */

/* For switches without `default:`, which do not compile where a kind is forgotten. */
#define SB_KIND_ID(NAME, name, id) SB_KIND_##NAME = (id),
enum sb_kind_id { SB_KINDS(SB_KIND_ID) };
#undef SB_KIND_ID

#define SB_KIND_FIRST 0x10u
#define SB_KIND_ONE(NAME, name, id) +1u
#define SB_KIND_COUNT (0u SB_KINDS(SB_KIND_ONE))

_Static_assert(SB_KIND_STREAM == SB_KIND_FIRST + SHMBUS_KIND_STREAM, "see sb_kind_of()");

#define SB_KIND_PARTS(NAME, name, id)                                                              \
    extern const struct sb_kind_layout sb_##name##_layout;                                         \
    extern const struct sb_kind_plan sb_##name##_plan;                                             \
    extern const struct sb_kind_death sb_##name##_death;                                           \
    extern const struct sb_kind_look sb_##name##_look;                                             \
    extern const struct sb_kind sb_kind_##name;
SB_KINDS(SB_KIND_PARTS)
#undef SB_KIND_PARTS

/* What the layers ask of a kind; each part is declared where it is asked for. */
struct sb_kind_row {
    const struct sb_kind_layout *layout; /* layout/geometry.h: where it lies */
    const struct sb_kind_plan *plan;     /* plan/kind_plan.h: what may be asked for */
    const struct sb_kind_death *death;   /* protocol/reclaim.h: what recovery does */
    const struct sb_kind_look *look;     /* inspect/kind_look.h: how it looks */
    const struct sb_kind *calls;         /* channel/kind.h: an open channel */
};

/* By id, from SB_KIND_FIRST on. The file that fills them in knows all layers, and is above them:
 * kinds.c. This is the one name that is asked for upwards (config/tools/layers.sh). */
extern const struct sb_kind_row sb_kind_rows[SB_KIND_COUNT];

static inline const struct sb_kind_row *sb_kind_row(enum sb_kind_id id)
{
    return &sb_kind_rows[(unsigned)id - SB_KIND_FIRST];
}

/* Whether a number out of a segment or a plan is one of enum shmbus_kind. */
static inline bool sb_kind_is_known(uint32_t kind)
{
    return kind >= SHMBUS_KIND_QUEUE && kind < SB_KIND_COUNT;
}

/* Of a channel whose numbers were checked (verify.c). */
static inline enum sb_kind_id sb_kind_of(uint32_t kind, uint32_t lanes)
{
    if (kind == SHMBUS_KIND_QUEUE) {
        return lanes > 0 ? SB_KIND_LANES : SB_KIND_QUEUE;
    }
    return (enum sb_kind_id)(SB_KIND_FIRST + kind);
}

#endif
