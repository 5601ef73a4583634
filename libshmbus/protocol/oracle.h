/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says about the processes of a segment.
 */
#ifndef SB_ORACLE_H
#define SB_ORACLE_H

#include <sys/stat.h>

#include "base/keeper.h"
#include "layout/view.h"

/* Where the bytes LIVE(slot) begin: locks need no bytes to exist, these lie beyond the end of any
 * segment. See process.c. */
#define SB_LIVE_BASE (1ll << 62)

/* How to ask the kernel about a segment's locks. */
struct sb_oracle {
    const char *path; /* to reopen after somebody closed our descriptor; may be gone */
    uint64_t device, inode;
    int fd;                   /* its own open file description, never the one used for mapping */
    struct sb_keeper *keeper; /* fd is a number of its table: it is to be asked. NULL: of ours */
};

/* Whether the kernel still answers: it must say that our own slot, @slot, is held. */
bool sb_oracle_works(struct sb_oracle *oracle, uint32_t slot);

int sb_oracle_open(struct sb_oracle *oracle, int segment_fd, const char *path);
void sb_oracle_close(struct sb_oracle *oracle);

/* What a job of the keeper opened, from now on in the caller's hands: as the keeper's, or once more
 * in the caller's table. */
void sb_oracle_entrust(struct sb_oracle *oracle, struct sb_keeper *keeper);
void sb_oracle_take_over(struct sb_oracle *oracle, const struct sb_keeper *keeper);

/* For threads that share the keeper's table. */
struct sb_oracle sb_oracle_of_keeper(const struct sb_oracle *oracle);

/* The file as it is now; false if it cannot be asked. */
bool sb_oracle_stat(struct sb_oracle *oracle, struct stat *ret);

/* Whether incarnation @w of @slot is dead for ever. Any doubt is "no". About 1 us. */
bool sb_process_is_dead(const struct sb_view *view, struct sb_oracle *oracle, uint32_t slot,
                        uint64_t w);

#endif
