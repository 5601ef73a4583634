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
