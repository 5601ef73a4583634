/*
 * The process table: joining, leaving, and what the kernel says about the others.
 */
#ifndef SB_PROCESS_H
#define SB_PROCESS_H

#include <sys/stat.h>
#include <sys/types.h>

#include "anchor.h"
#include "here.h"
#include "keeper.h"
#include "view.h"

/* This process's membership. */
struct sb_member {
    uint32_t slot;
    uint64_t epoch;
    uint32_t owner;   /* as in block headers */
    uint64_t owner64; /* as in endpoint rows */
    struct sb_anchor anchor; /* keeps the slot's locks */
};

/* How to ask the kernel about a segment's locks. */
struct sb_oracle {
    const char *path; /* to reopen after somebody closed our descriptor; may be gone */
    uint64_t device, inode;
    int fd; /* its own open file description, never the one used for mapping */
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

/* Claims a slot; cleans up after a dead predecessor first. @apart: the calling thread's descriptor
 * table is its own. -SHMBUS_ERR_TOO_MANY, -errno. */
int sb_process_join(const struct sb_view *view, struct sb_oracle *oracle, int segment_fd,
                    bool apart, const char *process_name, struct sb_member *ret);

/* Ends the membership: the slot is FREE first, then the lock goes. Everything the process held
 * must have been given back (sb_reclaim_slot() on itself does both). */
void sb_process_leave(const struct sb_view *view, struct sb_member *member);

/* Heartbeat now. */
void sb_process_beat(const struct sb_view *view, const struct sb_member *member);

#endif
