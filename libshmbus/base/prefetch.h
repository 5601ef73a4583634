/* SPDX-License-Identifier: MIT */
/*
 * Asks for lines before they are needed, so that they travel while something else is done. Never
 * changes what a program does; the schedule explorer (SB_EXPLORE) does without.
 */
#ifndef SB_PREFETCH_H
#define SB_PREFETCH_H

#ifdef SB_EXPLORE
static inline void sb_prefetch(const void *line)
{
    (void)line;
}

static inline void sb_prefetch_to_write(const void *line)
{
    (void)line;
}
#else
static inline void sb_prefetch(const void *line)
{
    __builtin_prefetch(line, 0);
}

/* To write: a line fetched for reading would have to be waited for once more by the store. */
static inline void sb_prefetch_to_write(const void *line)
{
#if defined(__x86_64__)
    __asm__ __volatile__("prefetchw (%0)" : : "r"(line)); /* the builtin needs -mprfchw */
#else
    __builtin_prefetch(line, 1);
#endif
}
#endif

#endif
