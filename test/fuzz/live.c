/* SPDX-License-Identifier: MIT */
/*
 * A good bus whose memory somebody writes nonsense into while it is used: between the calls, in the
 * order of the input, or from a second thread all the time.
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "target.h"

static struct fuzz_image images[FUZZ_KINDS];
static int file;
static char name[SHMBUS_NAME_BYTES];

struct scribbler {
    uint8_t *base;
    const struct fuzz_image *image;
    const struct fuzz_record *records;
    size_t count;
    sb_word32 stop;
    pthread_t thread;
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_name("live", name);
    for (unsigned i = 0; i < FUZZ_KINDS; i++) {
        fuzz_image_make(name, (enum fuzz_kind)i, &images[i]);
    }
    file = fuzz_file_make(name);
    return 0;
}

/* Goes round the changes, and in between undoes some, so that the calls find the bus good again. */
static void *scribble(void *argument)
{
    struct scribbler *s = argument;
    uint64_t state = 1;

    while (sb_load32_acquire(&s->stop) == 0) {
        for (size_t i = 0; i < s->count; i++) {
            if (!fuzz_is_call(&s->records[i])) {
                fuzz_change(s->base, s->image->size, s->image->geometry, &s->records[i]);
            }
            if (fuzz_random(&state) % 4u == 0) {
                uint64_t at = fuzz_random(&state) % s->image->size / 8 * 8;
                uint64_t good;
                memcpy(&good, s->image->bytes + at, sizeof good);
                sb_store_relaxed((sb_word *)(void *)(s->base + at), good);
            }
        }
    }
    return NULL;
}

/* A segment and a thread cost more than many calls: with a scribbler the calls are made again. */
static void play(struct fuzz_world *world, const struct scribbler *s, bool free_running)
{
    for (unsigned round = 0; round < (free_running ? 8u : 1u); round++) {
        for (size_t i = 0; i < s->count; i++) {
            if (fuzz_is_call(&s->records[i])) {
                fuzz_world_call(world, &s->records[i]);
            } else if (!free_running) {
                fuzz_change(s->base, s->image->size, s->image->geometry, &s->records[i]);
            }
        }
        fuzz_world_drain(world);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_record records[FUZZ_RECORDS_MAX];
    struct scribbler s = {.records = records};
    struct fuzz_world world;
    unsigned flags = 0;
    bool free_running;

    s.count = fuzz_parse(data, size, &flags, records);
    if (s.count == 0) {
        return 0;
    }
    s.image = &images[fuzz_kind_of(flags)];
    free_running = (flags & FUZZ_SCRIBBLE) != 0;
    fuzz_file_write(file, s.image->bytes, s.image->size);
    s.base = mmap(NULL, s.image->size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (s.base == MAP_FAILED) {
        fuzz_fail("the segment cannot be mapped");
    }
    fuzz_world_enter(&world, name, (flags & FUZZ_WATCHER) != 0 ? 0 : SHMBUS_ATTACH_NO_WATCHER);
    fuzz_world_open(&world);
    if (free_running && pthread_create(&s.thread, NULL, scribble, &s) != 0) {
        fuzz_fail("no thread");
    }
    play(&world, &s, free_running);
    if (free_running) {
        sb_store32_release(&s.stop, 1);
        pthread_join(s.thread, NULL);
    }
    fuzz_world_leave(&world);
    munmap(s.base, s.image->size);
    return 0;
}
