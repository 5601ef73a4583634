/* SPDX-License-Identifier: MIT */
/*
 * Block allocator
 *
 * Whose a block is follows from its position: in each class the first ones are common, behind them
 * lie the shares of the queues (geometry.c). A queue takes from its share only when no common block
 * fits, and what is freed of a share never goes into a stock: so a share is there for its queue
 * whatever waits in other queues or lies in idle stocks. Steps and proof are the same for both.
 *
 *   alloc                                          free
 *   A1 cas  hdr   FREE(g) -> FILLING(me, g+1)      F1 store_release hdr  FREE(g)
 *   A2 and  bitmap  clear the bit                  F2 or  bitmap  set the bit
 *   A3 (bit of a block that was not free: clear,
 *      look at hdr again, set it if FREE now)
 *
 * A1 and F1 decide. The bitmap only says where to look: a set bit may be wrong, which A3 mends; a
 * clear bit on a free block hides it until F2, A3 or a recovery sets it.
 * F1 is a plain store: while the header names this process nobody else writes it (ring_mpmc.c).
 * A3 against F2: both are read-modify-writes of one word, so either the AND comes first and the OR
 * sets the bit, or the AND reads the OR and therefore sees FREE.
 *
 * Killed before A1: nothing. A1-A2: FILLING(dead), recovery frees it. F1-F2: FREE and hidden,
 * recovery sets the bit of every free block, without testing it first (a test would race with A3).
 * Stopped anywhere: the same pictures; at most the blocks in hand are missing. Stopped F1-F2: who
 *   sleeps for a block finds it at the end of its slice, as it then looks at all headers.
 * Checked by: test/unit/test_block.c, test/model, test/crash
 */
#include "protocol/block.h"

#include <string.h>

#include "base/branch.h"
#include "base/prefetch.h"
#include "protocol/event.h"

uint32_t sb_class_for(const struct sb_blocks *blocks, uint64_t size_bytes)
{
    for (uint32_t c = 0; c < blocks->class_count; c++) {
        if (size_bytes <= blocks->classes[c].size_bytes) {
            return c;
        }
    }
    return SB_NONE;
}

uint64_t sb_block_bytes(const struct sb_blocks *blocks, uint32_t block)
{
    const struct sb_class_view *cls = sb_class_of(blocks, block);
    uint64_t bytes = sb_meta_size(sb_load_relaxed(&sb_block_in(cls, block)->meta));

    return bytes <= cls->size_bytes ? bytes : cls->size_bytes; /* another may write nonsense */
}

bool sb_block_is_of_another(const struct sb_blocks *blocks, const struct sb_share *own,
                            uint32_t block)
{
    const struct sb_class_view *cls = sb_class_of(blocks, block);
    uint32_t at = block - cls->first;
    bool is_ours = cls == &blocks->classes[own->cls] && at - own->first < own->count;

    return block >= cls->common_end && !is_ours;
}

static sb_word *bitmap_word(const struct sb_class_view *cls, uint32_t block)
{
    return &cls->bitmap[(block - cls->first) / 64];
}

static uint64_t bitmap_bit(const struct sb_class_view *cls, uint32_t block)
{
    return 1ull << ((block - cls->first) % 64);
}

void sb_block_hint(const struct sb_blocks *blocks, uint32_t block)
{
    const struct sb_class_view *cls = sb_class_of(blocks, block);
    sb_or(bitmap_word(cls, block), bitmap_bit(cls, block));
}

/* A1. False if the block was not free or somebody else was faster. */
static bool take_block(struct sb_block *b, uint32_t owner)
{
    uint64_t hdr = sb_load_acquire(&b->hdr);
    if (sb_hdr_state(hdr) != SB_BLOCK_FREE) {
        return false;
    }
    if (!sb_cas(&b->hdr, hdr,
                sb_hdr_make(sb_gen_next(sb_hdr_gen(hdr)), 0, SB_BLOCK_FILLING, owner))) {
        return false;
    }
    sb_store_relaxed(&b->holder, 0);
    return true;
}

/* A3: blocks of bitmap word @w whose bits were cleared although others hold them. */
static void repair_hints(const struct sb_class_view *cls, uint32_t w, uint64_t cleared)
{
    while (cleared != 0) {
        uint32_t bit = (uint32_t)__builtin_ctzll(cleared);
        uint32_t i = w * 64 + bit;
        cleared &= cleared - 1;
        if (i >= cls->count) {
            continue;
        }
        if (sb_hdr_state(sb_load_acquire(&sb_block_in(cls, cls->first + i)->hdr)) ==
            SB_BLOCK_FREE) {
            sb_or(&cls->bitmap[w], 1ull << bit);
        }
    }
}

/* The bits of bitmap word @w that stand for blocks @from to @to of their class. */
static uint64_t bits_between(uint32_t w, uint32_t from, uint32_t to)
{
    uint64_t bits = UINT64_MAX;

    if (from > w * 64) {
        bits = from - w * 64 < 64 ? bits << (from - w * 64) : 0;
    }
    if (to - w * 64 < 64) {
        bits &= (1ull << (to - w * 64)) - 1u;
    }
    return bits;
}

/* Takes up to @want of the blocks @among of one bitmap word; returns how many. */
static uint32_t take_from_word(const struct sb_class_view *cls, uint32_t w, uint64_t among,
                               uint32_t want, uint32_t owner, uint32_t *out)
{
    uint64_t bits = sb_load_relaxed(&cls->bitmap[w]) & among; /* a hint: A1 orders */
    uint64_t taken = 0;
    uint64_t stale = 0;
    uint32_t n = 0;

    while (bits != 0 && n < want) {
        uint32_t bit = (uint32_t)__builtin_ctzll(bits);
        uint32_t i = w * 64 + bit;
        bits &= bits - 1;
        if (take_block(sb_block_in(cls, cls->first + i), owner)) {
            taken |= 1ull << bit;
            out[n++] = cls->first + i;
        } else {
            stale |= 1ull << bit;
        }
    }
    if ((taken | stale) != 0) {
        sb_and(&cls->bitmap[w], ~(taken | stale)); /* A2 */
        repair_hints(cls, w, stale);
    }
    return n;
}

/* Free blocks whose hint was lost: only worth it when there seems to be nothing. */
static uint32_t take_hidden(const struct sb_class_view *cls, uint32_t from, uint32_t to,
                            uint32_t owner)
{
    for (uint32_t i = from; i < to; i++) {
        if (take_block(sb_block_in(cls, cls->first + i), owner)) {
            sb_and(&cls->bitmap[i / 64], ~(1ull << (i % 64)));
            return cls->first + i;
        }
    }
    return SB_NONE;
}

/* How many blocks of the class this handle may keep: its share of what the process has left, once
 * and for all at the first use. */
SB_NOINLINE static void settle_share(const struct sb_class_view *cls, struct sb_stock *stock,
                                     uint32_t c)
{
    uint32_t share = cls->stock_max;

    if (cls->stock_left != NULL) {
        uint64_t left;
        do {
            left = sb_load_relaxed(cls->stock_left);
            share = left < cls->stock_max ? (uint32_t)left : cls->stock_max;
        } while (!sb_cas(cls->stock_left, left, left - share));
    }
    stock->max[c] = share;
    stock->known[c] = true;
}

static uint32_t stock_max(const struct sb_class_view *cls, struct sb_stock *stock, uint32_t c)
{
    if (!stock->known[c]) {
        settle_share(cls, stock, c);
    }
    return stock->max[c];
}

SB_NOINLINE static bool refill(const struct sb_blocks *blocks, struct sb_stock *stock, uint32_t c,
                               uint32_t owner)
{
    const struct sb_class_view *cls = &blocks->classes[c];
    uint32_t words = (sb_common_of(cls) + 63) / 64;
    uint32_t max = stock_max(cls, stock, c);
    uint32_t want = max / 2 > 0 ? max / 2 : 1;

    for (uint32_t k = 0; k < words; k++) {
        uint32_t w = stock->rotor[c] + k;
        if (w >= words) {
            w -= words;
        }
        stock->count[c] = take_from_word(cls, w, bits_between(w, 0, sb_common_of(cls)), want, owner,
                                         stock->blocks[c]);
        if (stock->count[c] > 0) {
            stock->rotor[c] = w;
            return true;
        }
    }
    return false;
}

/* Each use gets a generation of its own, so that an old message handle never fits again. */
static SB_INLINE uint32_t pop(const struct sb_blocks *blocks, struct sb_stock *stock, uint32_t c,
                              uint32_t owner)
{
    const struct sb_class_view *cls = &blocks->classes[c];
    uint32_t block = stock->blocks[c][--stock->count[c]];
    struct sb_block *b = sb_block_in(cls, block);
    uint64_t gen = sb_hdr_gen(sb_load_relaxed(&b->hdr)); /* relaxed: only we write it */
    sb_store_relaxed(&b->hdr, sb_hdr_make(sb_gen_next(gen), 0, SB_BLOCK_FILLING, owner));
    if (stock->count[c] > 0) { /* the next one was last in somebody else's hands */
        uint32_t next = stock->blocks[c][stock->count[c] - 1u];
        sb_prefetch_to_write(sb_block_in(cls, next));
        sb_prefetch_to_write(sb_payload_in(cls, next));
    }
    return block;
}

/* A block of the queue's share. */
static uint32_t take_own(const struct sb_blocks *blocks, const struct sb_share *own, uint32_t owner)
{
    const struct sb_class_view *cls = &blocks->classes[own->cls];
    uint32_t end = own->first + own->count;
    uint32_t block = SB_NONE;

    for (uint32_t w = own->first / 64; w * 64 < end; w++) {
        if (take_from_word(cls, w, bits_between(w, own->first, end), 1, owner, &block) > 0) {
            break;
        }
    }
    return block;
}

/* Some calls in vain look at every header. */
static bool is_time_to_doubt(uint32_t *misses)
{
    return ((*misses)++ & 63u) == 0;
}

/* All common blocks that fit are used up. */
static uint32_t alloc_own(const struct sb_blocks *blocks, struct sb_stock *stock, uint32_t cls,
                          uint32_t owner)
{
    const struct sb_share *own = &stock->own;
    uint32_t block;

    if (own->count == 0 || own->cls < cls) {
        return SB_NONE;
    }
    block = take_own(blocks, own, owner);
    if (block == SB_NONE && is_time_to_doubt(&stock->own_misses)) {
        block = take_hidden(&blocks->classes[own->cls], own->first, own->first + own->count, owner);
    }
    return block;
}

SB_NOINLINE static uint32_t alloc_elsewhere(const struct sb_blocks *blocks, struct sb_stock *stock,
                                            uint32_t cls, uint32_t owner)
{
    for (uint32_t c = cls; c < blocks->class_count; c++) {
        if (stock->count[c] > 0 || refill(blocks, stock, c, owner)) {
            return pop(blocks, stock, c, owner);
        }
    }
    for (uint32_t c = cls; c < blocks->class_count; c++) {
        const struct sb_class_view *view = &blocks->classes[c];
        if (is_time_to_doubt(&stock->misses[c])) {
            uint32_t block = take_hidden(view, 0, sb_common_of(view), owner);
            if (block != SB_NONE) {
                return block;
            }
        }
    }
    return alloc_own(blocks, stock, cls, owner);
}

uint32_t sb_block_alloc(const struct sb_blocks *blocks, struct sb_stock *stock, uint32_t cls,
                        uint32_t owner)
{
    return sb_likely(stock->count[cls] > 0) ? pop(blocks, stock, cls, owner)
                                            : alloc_elsewhere(blocks, stock, cls, owner);
}

static bool is_hinted(const struct sb_class_view *cls, uint32_t from, uint32_t to)
{
    for (uint32_t w = from / 64; w * 64 < to; w++) {
        if ((sb_load_relaxed(&cls->bitmap[w]) & bits_between(w, from, to)) != 0) {
            return true;
        }
    }
    return false;
}

bool sb_block_is_there(const struct sb_blocks *blocks, const struct sb_share *own, uint32_t cls)
{
    for (uint32_t c = cls; c < blocks->class_count; c++) {
        const struct sb_class_view *view = &blocks->classes[c];
        if (is_hinted(view, 0, sb_common_of(view)) ||
            (c == own->cls && is_hinted(view, own->first, own->first + own->count))) {
            return true;
        }
    }
    return false;
}

void sb_stock_rescan(struct sb_stock *stock)
{
    memset(stock->misses, 0, sizeof stock->misses);
    stock->own_misses = 0;
}

/* F1 and F2 for @n blocks of one class, with one OR for neighbours. */
static void give_back(const struct sb_class_view *cls, const uint32_t *list, uint32_t n)
{
    sb_word *word = NULL;
    uint64_t mask = 0;

    for (uint32_t k = 0; k < n; k++) {
        struct sb_block *b = sb_block_in(cls, list[k]);
        uint64_t gen = sb_hdr_gen(sb_load_relaxed(&b->hdr));
        sb_word *its_word = bitmap_word(cls, list[k]);
        sb_store_relaxed(&b->holder, 0);
        sb_store_release(&b->hdr, sb_hdr_make(gen, 0, SB_BLOCK_FREE, 0)); /* F1 */
        if (its_word != word && word != NULL) {
            sb_or(word, mask); /* F2 */
            mask = 0;
        }
        word = its_word;
        mask |= bitmap_bit(cls, list[k]);
    }
    if (word != NULL) {
        sb_or(word, mask);
    }
}

static void flush_class(const struct sb_blocks *blocks, struct sb_stock *stock, uint32_t c,
                        uint32_t keep)
{
    uint32_t n = stock->count[c] - keep;
    give_back(&blocks->classes[c], stock->blocks[c], n);
    for (uint32_t k = 0; k < keep; k++) {
        stock->blocks[c][k] = stock->blocks[c][n + k];
    }
    stock->count[c] = keep;
}

void sb_stock_flush(const struct sb_blocks *blocks, struct sb_stock *stock)
{
    bool any = false;
    for (uint32_t c = 0; c < blocks->class_count; c++) {
        if (stock->count[c] > 0) {
            flush_class(blocks, stock, c, 0);
            any = true;
        }
    }
    if (any && blocks->freed != NULL) {
        sb_event_wake(blocks->freed);
    }
}

void sb_stock_close(const struct sb_blocks *blocks, struct sb_stock *stock)
{
    sb_stock_flush(blocks, stock);
    for (uint32_t c = 0; c < blocks->class_count; c++) {
        if (stock->known[c] && blocks->classes[c].stock_left != NULL) {
            sb_fetch_add(blocks->classes[c].stock_left, stock->max[c]);
        }
        stock->known[c] = false;
        stock->max[c] = 0;
    }
}

/* Whether somebody sleeps for a block. */
static SB_INLINE bool is_wanted(const struct sb_blocks *blocks)
{
    return blocks->freed != NULL && sb_event_armed(blocks->freed);
}

/* Half of a full stock goes back to everybody. False: nothing may be kept now. */
SB_NOINLINE static bool make_room(const struct sb_blocks *blocks, struct sb_stock *stock,
                                  uint32_t c)
{
    if (stock_max(&blocks->classes[c], stock, c) == 0 || is_wanted(blocks)) {
        return false;
    }
    if (stock->count[c] >= stock->max[c]) {
        flush_class(blocks, stock, c, stock->max[c] / 2);
        if (blocks->freed != NULL) {
            sb_event_wake(blocks->freed);
        }
    }
    return true;
}

SB_NOINLINE static void free_for_all(const struct sb_blocks *blocks,
                                     const struct sb_class_view *cls, uint32_t block)
{
    give_back(cls, &block, 1);
    if (blocks->freed != NULL) {
        sb_event_wake(blocks->freed);
    }
}

void sb_block_leave(const struct sb_blocks *blocks, uint32_t block)
{
    free_for_all(blocks, sb_class_of(blocks, block), block);
}

bool sb_block_free(const struct sb_blocks *blocks, struct sb_stock *stock, uint32_t block,
                   uint32_t owner)
{
    const struct sb_class_view *cls = sb_class_of(blocks, block);
    uint32_t c = (uint32_t)(cls - blocks->classes);
    struct sb_block *b = sb_block_in(cls, block);
    uint64_t hdr = sb_load_relaxed(&b->hdr);
    enum sb_block_state state = sb_hdr_state(hdr);

    if (sb_unlikely(sb_hdr_owner(hdr) != owner ||
                    (state != SB_BLOCK_FILLING && state != SB_BLOCK_RECEIVED))) {
        return false;
    }
    if (sb_unlikely(block >= cls->common_end) ||
        (sb_unlikely(stock->count[c] >= stock->max[c] || is_wanted(blocks)) &&
         !make_room(blocks, stock, c))) {
        free_for_all(blocks, cls, block);
        return true;
    }
    sb_store_relaxed(&b->holder, 0);
    /* The acknowledgement: from here on a death frees the block instead of redelivering it. A new
     * generation, so that a copy of an aborted reservation does not fit the block in the stock. */
    sb_store_release(&b->hdr,
                     sb_hdr_make(sb_gen_next(sb_hdr_gen(hdr)), 0, SB_BLOCK_FILLING, owner));
    stock->blocks[c][stock->count[c]++] = block;
    return true;
}
