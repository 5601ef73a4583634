/* SPDX-License-Identifier: MIT */
/*
 * A message moves from one block to another: the protocol is at the top of exchange.c.
 */
#ifndef SB_EXCHANGE_H
#define SB_EXCHANGE_H

#include "layout/view.h"

/* X1 and X2: the message in @from, RECEIVED by the header @hdr, is copied to @to, which is FILLING.
 * From now on the commit of @to is the end of @from. */
void sb_exchange_begin(const struct sb_blocks *blocks, uint32_t from, uint64_t hdr, uint32_t to);

/* X4: @to was not committed; @from is held by @hdr as before. */
void sb_exchange_undo(const struct sb_blocks *blocks, uint32_t from, uint64_t hdr);

/* For recovery: whether the block that @twin of a dead process's EXCHANGED names was committed. */
bool sb_exchange_is_done(const struct sb_view *view, uint64_t twin);

#endif
