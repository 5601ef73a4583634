/* SPDX-License-Identifier: MIT */
/* What the compiler cannot guess about the paths of a message. */
#ifndef SB_BRANCH_H
#define SB_BRANCH_H

#define sb_likely(condition) __builtin_expect(!!(condition), 1)
#define sb_unlikely(condition) __builtin_expect(!!(condition), 0)

/* A way that a message in full flow does not take: kept out of the functions that it does. */
#define SB_COLD __attribute__((noinline, cold))
#define SB_NOINLINE __attribute__((noinline))
#define SB_INLINE inline __attribute__((always_inline))

/* The whole way of a message in one piece, where the library is optimized as a whole (LTO); its
 * callers only jump there. */
#define SB_FLAT __attribute__((flatten, noinline))

#endif
