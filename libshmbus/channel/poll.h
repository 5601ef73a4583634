/* SPDX-License-Identifier: MIT */
/*
 * A descriptor for event loops: see poll.c.
 */
#ifndef SB_POLL_H
#define SB_POLL_H

struct sb_poll;
struct shmbus_channel;

void sb_poll_close(struct sb_poll *poll); /* NULL is fine */

/* The receiver found nothing: the descriptor stops being readable until there is something. */
void sb_poll_rearm(struct sb_poll *poll);

#endif
