/* SPDX-License-Identifier: MIT */
/*
 * The block allocator. Truth is the header word; the bitmap is a hint; blocks a handle keeps for
 * its next messages (its stock) are FILLING(me) like any other block it holds.
 */
#ifndef SB_BLOCK_H
#define SB_BLOCK_H

#include "layout/bounds.h"
#include "layout/view.h"

/* Zeroed before the first use; sb_stock_close() after the last. */
struct sb_stock {
    bool known[SHMBUS_BLOCK_CLASSES_MAX];   /* max is settled */
    uint32_t max[SHMBUS_BLOCK_CLASSES_MAX]; /* may keep so many */
    uint32_t count[SHMBUS_BLOCK_CLASSES_MAX];
    uint32_t rotor[SHMBUS_BLOCK_CLASSES_MAX];  /* bitmap word to look at first */
    uint32_t misses[SHMBUS_BLOCK_CLASSES_MAX]; /* calls that found nothing */
    struct sb_share own;                       /* of the handle's queue; never in stock */
    uint32_t own_misses;
    uint32_t blocks[SHMBUS_BLOCK_CLASSES_MAX][SB_STOCK_MAX];
};

/* Smallest class for a payload, SB_NONE if too large for all. */
uint32_t sb_class_for(const struct sb_blocks *blocks, uint64_t size_bytes);

/* A block of the class or a larger one, of the queue's share if there is no other: FILLING(owner).
 * SB_NONE when there is none. */
uint32_t sb_block_alloc(const struct sb_blocks *blocks, struct sb_stock *stock, uint32_t cls,
                        uint32_t owner);

/* Frees a block that is FILLING or RECEIVED of @owner, into the stock if it has room. False if the
 * block is not the caller's. */
bool sb_block_free(const struct sb_blocks *blocks, struct sb_stock *stock, uint32_t block,
                   uint32_t owner);

/* Frees a block whose header names the caller, for everybody: never into a stock. */
void sb_block_leave(const struct sb_blocks *blocks, uint32_t block);

/* Bytes of the message in a block. */
uint64_t sb_block_bytes(const struct sb_blocks *blocks, uint32_t block);

/* Whether a block belongs to the share of another queue than that of @own, and so may not wait in
 * this one. */
bool sb_block_is_of_another(const struct sb_blocks *blocks, const struct sb_share *own,
                            uint32_t block);

/* Whether there seems to be a free block of the class or a larger one, common or of @own. */
bool sb_block_is_there(const struct sb_blocks *blocks, const struct sb_share *own, uint32_t cls);

/* Gives the whole stock back to everybody; wakes senders short of blocks. */
void sb_stock_flush(const struct sb_blocks *blocks, struct sb_stock *stock);

/* The same, and what it was allowed to keep goes to other handles of the process. */
void sb_stock_close(const struct sb_blocks *blocks, struct sb_stock *stock);

/* The next call that finds no hint looks at every block. For who has waited a slice in vain:
 * somebody may be stopped between freeing a block and saying so. */
void sb_stock_rescan(struct sb_stock *stock);

/* Sets the hint bit of a block that has just become FREE. */
void sb_block_hint(const struct sb_blocks *blocks, uint32_t block);

#endif
