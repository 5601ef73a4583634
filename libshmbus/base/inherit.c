/* SPDX-License-Identifier: MIT */
/*
 * What a forked child must not have is usually the kernel's business: MADV_DONTFORK for the page
 * that keeps the lock of a slot, MADV_WIPEONFORK for the page that tells a child from its parent.
 * Both work for each way to make a child. Where a sandbox or an old kernel refuses them, the C
 * library calls us before and after its fork(): the second best, since a raw clone() does not.
 */
#include "base/inherit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct page {
    void *start;
    size_t bytes;
    enum sb_inherit how;
    struct page *next;
};

/* fork() holds both, in this order. */
static pthread_mutex_t forking = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t list = PTHREAD_MUTEX_INITIALIZER;
static struct page *pages;

static void before(void)
{
    pthread_mutex_lock(&forking);
    pthread_mutex_lock(&list);
}

static void in_the_parent(void)
{
    pthread_mutex_unlock(&list);
    pthread_mutex_unlock(&forking);
}

static void in_the_child(void)
{
    for (struct page *page = pages; page != NULL; page = page->next) {
        if (page->how == SB_INHERIT_DROP) {
            munmap(page->start, page->bytes);
        } else {
            memset(page->start, 0, page->bytes);
        }
    }
    pages = NULL; /* the records stay: no free() in the child of a program with threads */
    pthread_mutex_unlock(&list);
    pthread_mutex_unlock(&forking);
}

static void call_us(void)
{
    pthread_atfork(before, in_the_parent, in_the_child);
}

static void set_up(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, call_us);
}

void sb_inherit_hold(void)
{
    set_up();
    pthread_mutex_lock(&forking);
}

void sb_inherit_release(void)
{
    pthread_mutex_unlock(&forking);
}

bool sb_inherit_not(void *page, size_t bytes, enum sb_inherit how)
{
    struct page *record;

    if (madvise(page, bytes, how == SB_INHERIT_DROP ? MADV_DONTFORK : MADV_WIPEONFORK) == 0) {
        return true;
    }
    set_up();
    record = malloc(sizeof *record);
    if (record != NULL) {
        pthread_mutex_lock(&list);
        *record = (struct page){page, bytes, how, pages};
        pages = record;
        pthread_mutex_unlock(&list);
    }
    return false;
}

void sb_inherit_forget(const void *page)
{
    pthread_mutex_lock(&list);
    for (struct page **at = &pages; *at != NULL; at = &(*at)->next) {
        if ((*at)->start == page) {
            struct page *record = *at;
            *at = record->next;
            free(record);
            break;
        }
    }
    pthread_mutex_unlock(&list);
}

/* --------------------------------------------------------------------------------------- marks
 *
 * One page for the whole process. A child finds it zeroed, leaves it to the handles that it got
 * from its parent, and makes one of its own when it needs one. No lock: another thread of the
 * parent may have it forever.
 */
#define MARKS_OURS 0x73686d6275730002ull
#define MARKS_WORDS 4u
#define MARKS_COUNT (MARKS_WORDS * 64u)

struct marks {
    sb_word ours; /* MARKS_OURS, 0 in a child */
    sb_word own[SB_OWN_COUNT];
    sb_word used[MARKS_WORDS]; /* a bit for each mark */
    sb_word marks[MARKS_COUNT];
};

static sb_word marks_of_all; /* struct marks * */

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static void *wiped_page(void)
{
    void *page =
        mmap(NULL, page_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED) {
        return NULL;
    }
    sb_inherit_not(page, page_bytes(), SB_INHERIT_WIPE);
    return page;
}

static void drop_page(void *page)
{
    sb_inherit_forget(page);
    munmap(page, page_bytes());
}

/* NULL: no memory. */
static struct marks *marks_of_ours(void)
{
    for (;;) {
        uint64_t seen = sb_load_acquire(&marks_of_all);
        struct marks *m = (struct marks *)(uintptr_t)seen;
        if (m != NULL && sb_load_relaxed(&m->ours) == MARKS_OURS) {
            return m;
        }
        m = wiped_page();
        if (m == NULL) {
            return NULL;
        }
        sb_store_relaxed(&m->ours, MARKS_OURS);
        if (!sb_cas(&marks_of_all, seen, (uint64_t)(uintptr_t)m)) {
            drop_page(m); /* another thread was faster */
        }
    }
}

/* MARKS_COUNT: all are in use. */
static uint32_t claim_mark(struct marks *m)
{
    for (uint32_t w = 0; w < MARKS_WORDS; w++) {
        uint64_t used;
        while ((used = sb_load_relaxed(&m->used[w])) != UINT64_MAX) {
            uint32_t bit = (uint32_t)__builtin_ctzll(~used);
            if (sb_cas(&m->used[w], used, used | 1ull << bit)) {
                return w * 64u + bit;
            }
        }
    }
    return MARKS_COUNT;
}

const uint64_t *sb_mark_take(uint64_t value)
{
    struct marks *m = marks_of_ours();
    uint32_t i = m == NULL ? MARKS_COUNT : claim_mark(m);
    sb_word *mark = i < MARKS_COUNT ? &m->marks[i] : wiped_page(); /* its own page then */

    if (mark == NULL) {
        return NULL;
    }
    sb_store_release(mark, value);
    return (const uint64_t *)(const void *)mark;
}

void sb_mark_drop(const uint64_t *mark)
{
    struct marks *m = (struct marks *)(uintptr_t)sb_load_acquire(&marks_of_all);
    uintptr_t at = (uintptr_t)mark;

    if (mark == NULL) {
        return;
    }
    if (at % page_bytes() == 0) {
        drop_page((void *)at);
        return;
    }
    if (m == NULL || sb_load_relaxed(&m->ours) != MARKS_OURS || at < (uintptr_t)&m->marks[0] ||
        at >= (uintptr_t)&m->marks[MARKS_COUNT]) {
        return; /* the parent's */
    }
    at = (at - (uintptr_t)&m->marks[0]) / sizeof m->marks[0];
    sb_store_relaxed(&m->marks[at], 0);
    sb_and(&m->used[at / 64], ~(1ull << (at % 64)));
}

sb_word *sb_own_word(enum sb_own what)
{
    struct marks *m = marks_of_ours();
    return m == NULL ? NULL : &m->own[what];
}
