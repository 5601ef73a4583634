/* SPDX-License-Identifier: MIT */
/* Snapshots as tables: what stats and ps print. */
#ifndef SHMBUSCTL_SHOW_H
#define SHMBUSCTL_SHOW_H

#include "snapshot.h"

/* Each prints one table; @output NULL: the usual columns. False: said why. */
bool show_channels(const struct snapshot *now, const struct snapshot *before, const char *output,
                   const struct table_options *options);
bool show_processes(const struct snapshot *now, const struct snapshot *before, const char *output,
                    const struct table_options *options);
bool show_blocks(const struct snapshot *now, const char *output,
                 const struct table_options *options);
bool show_regions(const struct snapshot *now, const char *output,
                  const struct table_options *options);
/* The line at the top; and only which segment it is, and whether its name still leads to it. */
void show_bus(const struct snapshot *now, unsigned width);
void show_which(const struct snapshot *now, unsigned width);

/* Says why @channel could not be opened or looked into, and which one may have been meant; if there
 * is none, @hint as well. Returns the exit code. */
int show_open_failure(struct shmbus *bus, const char *channel, int result, const char *hint);

/* Keeps the channels that one of @patterns (a name or a glob) means. Returns the exit code: each
 * pattern has to mean one. */
int show_filter(struct snapshot *snapshot, char *const *patterns, int count);

#endif
