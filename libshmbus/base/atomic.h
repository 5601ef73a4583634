/* SPDX-License-Identifier: MIT */
/*
 * Every access to a shared word goes through this file; it is the only one that includes
 * atomic_ops.h. The words are structs, so that a plain access does not compile.
 *
 * Orders: _relaxed none; _acquire and _release as in C11; compare-and-swap, or, and, add: acquire
 * and release in one. Where a store must be visible before a later load of another word (the
 * "announce, then look again" pattern of event.c) there is sb_fence().
 *
 * With SB_EXPLORE every access first calls sb_explore_step(): the schedule explorer in test/model
 * runs these very sources with a scheduling point at each access. With SB_EXPLORE_STORES it also
 * holds plain stores back, as a processor may.
 */
#ifndef SB_ATOMIC_H
#define SB_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

#include <atomic_ops.h>

_Static_assert(sizeof(AO_t) == 8, "shmbus needs 64-bit words");

#if !defined(AO_HAVE_load_acquire) || !defined(AO_HAVE_store_release) ||                           \
    !defined(AO_HAVE_compare_and_swap_full) || !defined(AO_HAVE_fetch_and_add_full) ||             \
    !defined(AO_HAVE_or_full) || !defined(AO_HAVE_and_full) ||                                     \
    !defined(AO_HAVE_int_load_acquire) || !defined(AO_HAVE_int_store_release) ||                   \
    !defined(AO_HAVE_int_compare_and_swap_full) ||                                                 \
    (!defined(__x86_64__) && !defined(AO_HAVE_compare_double_and_swap_double_full))
#error "libatomic_ops lacks an operation that shmbus needs on this architecture"
#endif

typedef struct sb_word {
    AO_t v;
} sb_word;

typedef struct sb_word32 {
    unsigned int v;
} sb_word32;

#ifdef SB_EXPLORE
enum sb_access { SB_ACCESS_LOAD, SB_ACCESS_STORE, SB_ACCESS_RMW };
void sb_explore_step(const void *address, enum sb_access access);
#define SB_STEP(address, access) sb_explore_step((address), (access))
#else
#define SB_STEP(address, access) ((void)0)
#endif

#ifdef SB_EXPLORE_STORES
bool sb_explore_keep(sb_word *w, uint64_t value);
bool sb_explore_own(const sb_word *w, uint64_t *ret_value);
void sb_explore_fence(void);
/* A plain store that others do not see yet. */
#define SB_KEEP(w, value)                                                                          \
    if (sb_explore_keep((w), (value)))                                                             \
    return
/* A load of what the same process stored and others do not see yet. */
#define SB_OWN(w)                                                                                  \
    uint64_t own;                                                                                  \
    if (sb_explore_own((w), &own))                                                                 \
    return own
#else
#define SB_KEEP(w, value) ((void)0)
#define SB_OWN(w) ((void)0)
#endif

static inline uint64_t sb_load_relaxed(const sb_word *w)
{
    SB_STEP(w, SB_ACCESS_LOAD);
    SB_OWN(w);
    return AO_load(&w->v);
}

static inline uint64_t sb_load_acquire(const sb_word *w)
{
    SB_STEP(w, SB_ACCESS_LOAD);
    SB_OWN(w);
    return AO_load_acquire(&w->v);
}

static inline void sb_store_relaxed(sb_word *w, uint64_t value)
{
    SB_STEP(w, SB_ACCESS_STORE);
    SB_KEEP(w, value);
    AO_store(&w->v, value);
}

static inline void sb_store_release(sb_word *w, uint64_t value)
{
    SB_STEP(w, SB_ACCESS_STORE);
    SB_KEEP(w, value);
    AO_store_release(&w->v, value);
}

static inline bool sb_cas(sb_word *w, uint64_t expected, uint64_t desired)
{
    SB_STEP(w, SB_ACCESS_RMW);
    return AO_compare_and_swap_full(&w->v, expected, desired);
}

/* A word and how often it was repaired, changed together by repairs; 16-byte aligned. */
typedef union sb_turned {
    struct {
        sb_word w;
        sb_word turn;
    };
#if defined(__x86_64__)
    unsigned char both[16] __attribute__((aligned(16)));
#else
    AO_double_t both;
#endif
} sb_turned;

/* The word from @expected to @desired, and the next turn, if this is still turn @turn. On x86-64
 * the instruction itself, in every processor since 2006: libatomic_ops has it or not, as the
 * compiler and its flags are. */
static inline bool sb_cas_turn(sb_turned *t, uint64_t expected, uint64_t desired, uint64_t turn)
{
    SB_STEP(&t->w, SB_ACCESS_RMW);
#if defined(__x86_64__)
    uint64_t next = turn + 1u;
    bool done;
    __asm__ __volatile__("lock; cmpxchg16b %1"
                         : "=@ccz"(done), "+m"(*t), "+a"(expected), "+d"(turn)
                         : "b"(desired), "c"(next)
                         : "memory");
    return done;
#else
    return AO_compare_double_and_swap_double_full(&t->both, expected, turn, desired, turn + 1u);
#endif
}

static inline uint64_t sb_fetch_add(sb_word *w, uint64_t n)
{
    SB_STEP(w, SB_ACCESS_RMW);
    return AO_fetch_and_add_full(&w->v, n);
}

static inline void sb_or(sb_word *w, uint64_t mask)
{
    SB_STEP(w, SB_ACCESS_RMW);
    AO_or_full(&w->v, mask);
}

static inline void sb_and(sb_word *w, uint64_t mask)
{
    SB_STEP(w, SB_ACCESS_RMW);
    AO_and_full(&w->v, mask);
}

static inline uint32_t sb_load32_relaxed(const sb_word32 *w)
{
    SB_STEP(w, SB_ACCESS_LOAD);
    return AO_int_load(&w->v);
}

static inline uint32_t sb_load32_acquire(const sb_word32 *w)
{
    SB_STEP(w, SB_ACCESS_LOAD);
    return AO_int_load_acquire(&w->v);
}

static inline void sb_store32_release(sb_word32 *w, uint32_t value)
{
    SB_STEP(w, SB_ACCESS_STORE);
    AO_int_store_release(&w->v, value);
}

static inline bool sb_cas32(sb_word32 *w, uint32_t expected, uint32_t desired)
{
    SB_STEP(w, SB_ACCESS_RMW);
    return AO_int_compare_and_swap_full(&w->v, expected, desired);
}

/* Adds to a word that only the caller writes: a load and a store, no locked instruction. */
static inline void sb_own_add(sb_word *w, uint64_t n)
{
    sb_store_relaxed(w, sb_load_relaxed(w) + n);
}

#if defined(__SANITIZE_THREAD__)
#define SB_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SB_TSAN 1
#endif
#endif

/* Full fence. ThreadSanitizer does not model free-standing fences; there a locked operation on a
 * private word has the same effect on the machine and no report. */
static inline void sb_fence(void)
{
#ifdef SB_EXPLORE_STORES
    sb_explore_fence();
#endif
#ifdef SB_TSAN
    AO_t private_word = 0;
    AO_or_full(&private_word, 1);
#else
    AO_nop_full();
#endif
}

/* Orders a locked operation on a shared word before later loads. On x86 the locked operation is a
 * full fence by itself. */
static inline void sb_fence_after_rmw(void)
{
#if !defined(__x86_64__) && !defined(__i386__)
    sb_fence();
#endif
}

/* Keeps the compiler, not the processor, from moving accesses across. */
static inline void sb_compiler_fence(void)
{
    __asm__ __volatile__("" ::: "memory");
}

/* Tells the processor that this is a polling loop. */
static inline void sb_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

#endif
