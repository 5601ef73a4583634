/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says about the processes of a segment.
 */
#ifndef SB_LIVENESS_H
#define SB_LIVENESS_H

#include <sys/stat.h>

#include "base/keeper.h"
#include "layout/view.h"

/* Where the bytes LIVE(slot) begin: locks need no bytes to exist, these lie beyond the end of any
 * segment. See process.c. */
#define SB_LIVE_BASE (1ll << 62)

/* How to ask the kernel about a segment's locks. */
struct sb_liveness {
    const char *path; /* to reopen after somebody closed our descriptor; may be gone */
    uint64_t device, inode;
    int fd;                   /* its own open file description, never the one used for mapping */
    struct sb_keeper *keeper; /* fd is a number of its table: it is to be asked. NULL: of ours */
};

/* Whether the kernel still answers: it must say that our own slot, @slot, is held. */
bool sb_liveness_works(struct sb_liveness *liveness, uint32_t slot);

int sb_liveness_open(struct sb_liveness *liveness, int segment_fd, const char *path);
void sb_liveness_close(struct sb_liveness *liveness);

/* What a job of the keeper opened, from now on in the caller's hands: as the keeper's, or once more
 * in the caller's table. */
void sb_liveness_entrust(struct sb_liveness *liveness, struct sb_keeper *keeper);
void sb_liveness_take_over(struct sb_liveness *liveness, const struct sb_keeper *keeper);

/* For threads that share the keeper's table. */
struct sb_liveness sb_liveness_of_keeper(const struct sb_liveness *liveness);

/* The file as it is now; false if it cannot be asked. */
bool sb_liveness_stat(struct sb_liveness *liveness, struct stat *ret);

/* Whether incarnation @w of @slot is dead forever. Any doubt is "no". About 1 us. */
bool sb_process_is_dead(const struct sb_view *view, struct sb_liveness *liveness, uint32_t slot,
                        uint64_t w);

#endif
