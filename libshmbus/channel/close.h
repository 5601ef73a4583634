/* SPDX-License-Identifier: MIT */
/*
 * The end of a handle.
 */
#ifndef SB_CLOSE_H
#define SB_CLOSE_H

#include "channel/channel.h"

/* Closes without taking it off the bus's list. */
void sb_channel_shut(struct shmbus_channel *ch);

#endif
