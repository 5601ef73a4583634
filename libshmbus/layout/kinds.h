/* SPDX-License-Identifier: MIT */
/*
 * Kinds of channels by where their messages lie, for switches without `default:`, which do not
 * compile where a kind is forgotten.
 */
#ifndef SB_KINDS_H
#define SB_KINDS_H

#include <stdint.h>

#include <shmbus/shmbus.h>

/* Not the numbers of enum shmbus_kind: a queue may be of one or the other. The queue is in the
 * middle, which compilers look at first. */
enum sb_kind_id {
    SB_KIND_LANES = 0x10, /* queue with order per producer: in cells */
    SB_KIND_QUEUE = 0x11, /* queue with total order: in blocks */
    SB_KIND_STREAM = 0x12 /* in a ring of bytes */
};

/* Of a channel whose numbers were checked (verify.c). */
static inline enum sb_kind_id sb_kind_of(uint32_t kind, uint32_t lanes)
{
    switch ((enum shmbus_kind)kind) {
    case SHMBUS_KIND_QUEUE:
        break;
    case SHMBUS_KIND_STREAM:
        return SB_KIND_STREAM;
    }
    return lanes > 0 ? SB_KIND_LANES : SB_KIND_QUEUE;
}

#endif
