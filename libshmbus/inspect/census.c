/* SPDX-License-Identifier: MIT */
#include "inspect/census.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/here.h"
#include "inspect/inspect.h"
#include "layout/name.h"
#include "protocol/block.h"

#define NAMED_MAX 4u /* the rest is summed up */

/* What a block or cell is to whoever is short of one. */
enum share { WAITS, LETTER, HELD, STOCK, FREE, SHARES };

struct account {
    uint64_t *counts; /* one for each channel, then one for each process slot, by share */
    size_t width;     /* of one share: the larger of both */
    uint64_t total;
};

struct text {
    char *to;
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text->to + text->used, SB_CENSUS_BYTES - text->used, format, args);
    va_end(args);
    text->used += n > 0 ? (size_t)n : 0;
    if (text->used >= SB_CENSUS_BYTES) {
        text->used = SB_CENSUS_BYTES - 1;
    }
}

static bool open_account(const struct sb_view *view, struct account *account)
{
    account->total = 0;
    account->width =
        view->channel_count > view->process_count ? view->channel_count : view->process_count;
    account->counts = calloc(SHARES * account->width, sizeof *account->counts);
    return account->counts != NULL;
}

static void book(struct account *account, enum share share, uint32_t of)
{
    account->total++;
    if (of < account->width) {
        account->counts[share * account->width + of]++;
    }
}

static uint32_t slot_of(uint64_t hdr)
{
    return (sb_hdr_owner(hdr) >> SB_OWNER_EPOCH_BITS) - 1u;
}

static void book_block(const struct sb_view *view, struct account *account, uint32_t block)
{
    struct sb_block_snapshot look;

    if (!sb_block_snapshot(&view->blocks, block, &look)) {
        account->total++; /* in use: it changes hands all the time */
        return;
    }
    if (sb_is_letter(view, &look)) {
        book(account, LETTER, sb_waits_for(view, &look));
        return;
    }
    switch (sb_hdr_state(look.hdr)) {
    case SB_BLOCK_QUEUED:
    case SB_BLOCK_FORWARDED:
    case SB_BLOCK_ORPHAN:
        book(account, WAITS, sb_loc_channel(look.loc));
        break;
    case SB_BLOCK_RECEIVED:
        book(account, HELD, slot_of(look.hdr));
        break;
    case SB_BLOCK_FILLING:
        book(account, look.holder != 0 ? HELD : STOCK, slot_of(look.hdr));
        break;
    default:
        book(account, FREE, 0);
    }
}

static void book_cell(const struct sb_view *view, struct account *account, uint32_t channel,
                      uint64_t cell)
{
    const struct sb_channel_view *ch = &view->channels[channel];
    uint64_t w = sb_load_acquire(&sb_cell_at(ch, cell)->w);

    switch (sb_hdr_state(w)) {
    case SB_BLOCK_QUEUED:
    case SB_BLOCK_ORPHAN:
        book(account, WAITS, channel);
        break;
    case SB_BLOCK_DEAD_LETTER:
        book(account, LETTER, ch->dead_letter);
        break;
    case SB_BLOCK_RECEIVED:
        book(account, HELD, slot_of(w));
        break;
    default:
        book(account, FREE, 0);
    }
}

static void name_channel(const struct sb_view *view, uint32_t channel, struct text *text)
{
    char name[SHMBUS_NAME_BYTES] = "";

    if (channel < view->channel_count) {
        sb_channel_name(&view->channels[channel], name);
    }
    add(text, " \"%s\"", name);
}

static void name_process(const struct sb_view *view, uint32_t slot, struct text *text)
{
    char name[SHMBUS_NAME_BYTES];

    if (slot >= view->process_count) {
        add(text, " nobody");
        return;
    }
    sb_name_load(view->processes[slot].name, name);
    add(text, " %s (pid %d%s, slot %" PRIu32 ")", name,
        (int)(sb_load_relaxed(&view->processes[slot].pid) & INT32_MAX),
        sb_pid_mark(sb_load_relaxed(&view->processes[slot].pid_namespace)), slot);
}

static void name_share(const struct sb_view *view, enum share share, uint32_t of, uint64_t count,
                       struct text *text)
{
    bool one = count == 1;

    switch (share) {
    case WAITS:
        add(text, one ? " waits in" : " wait in");
        name_channel(view, of, text);
        break;
    case LETTER:
        add(text, one ? " is a dead letter of" : " are dead letters of");
        name_channel(view, of, text);
        break;
    case HELD:
        add(text, one ? " is held by" : " are held by");
        name_process(view, of, text);
        break;
    case STOCK:
        add(text, one ? " is in the stock of" : " are in the stock of");
        name_process(view, of, text);
        break;
    default:
        add(text, one ? " is free by now" : " are free by now");
    }
}

static size_t largest(const struct account *account)
{
    size_t at = 0;

    for (size_t i = 1; i < SHARES * account->width; i++) {
        at = account->counts[i] > account->counts[at] ? i : at;
    }
    return at;
}

/* The largest shares, and what is left. */
static void report(const struct sb_view *view, struct account *account, struct text *text)
{
    uint64_t left = account->total;

    for (uint32_t n = 0; n < NAMED_MAX; n++) {
        size_t at = largest(account);
        uint64_t count = account->counts[at];
        if (count == 0) {
            break;
        }
        add(text, "%s%" PRIu64, n > 0 ? ", " : "", count);
        if (n == 0) {
            add(text, " of %" PRIu64, account->total);
        }
        name_share(view, (enum share)(at / account->width), (uint32_t)(at % account->width), count,
                   text);
        account->counts[at] = 0;
        left -= count;
    }
    if (left > 0) {
        add(text, ", %" PRIu64 " elsewhere", left);
    }
}

static void close_account(const struct sb_view *view, struct account *account, char *ret_text)
{
    struct text text = {ret_text, 0};

    report(view, account, &text);
    free(account->counts);
}

/* What is common, and what @channel has to itself. */
static void book_class(const struct sb_view *view, struct account *account, uint32_t cls,
                       uint32_t channel)
{
    const struct sb_class_view *c = &view->blocks.classes[cls];
    const struct sb_share none = {0};
    const struct sb_share *own = channel == SB_NONE ? &none : &view->channels[channel].share;

    for (uint32_t i = 0; i < c->count; i++) {
        if (!sb_block_is_of_another(&view->blocks, own, c->first + i)) {
            book_block(view, account, c->first + i);
        }
    }
}

void sb_census_of_blocks(const struct sb_view *view, uint32_t cls, uint32_t channel,
                         char ret_text[SB_CENSUS_BYTES])
{
    struct account account;
    uint32_t end = channel == SB_NONE ? cls + 1u : view->blocks.class_count;

    ret_text[0] = '\0';
    if (!open_account(view, &account)) {
        return;
    }
    for (; cls < end; cls++) {
        book_class(view, &account, cls, channel);
    }
    close_account(view, &account, ret_text);
}

void sb_census_of_lane(const struct sb_view *view, uint32_t channel, uint32_t lane,
                       char ret_text[SB_CENSUS_BYTES])
{
    const struct sb_channel_view *ch = &view->channels[channel];
    struct account account;

    ret_text[0] = '\0';
    if (lane >= ch->lane_count || !open_account(view, &account)) {
        return;
    }
    for (uint64_t i = 0; i < 1ull << ch->depth_shift; i++) {
        book_cell(view, &account, channel, ((uint64_t)lane << ch->depth_shift) + i);
    }
    close_account(view, &account, ret_text);
}
