/* SPDX-License-Identifier: MIT */
/*
 * Hostile messages: the bus and the calls are good, the header lines of blocks, the slots and cells
 * of queues and the bytes of streams are not. After each change everything is received, in every
 * way.
 */
#include <string.h>
#include <sys/mman.h>

#include "target.h"

static struct fuzz_image images[FUZZ_KINDS];
static int file;
static char name[SHMBUS_NAME_BYTES];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_name("message", name);
    fuzz_image_make(name, FUZZ_KIND_PLAIN, &images[FUZZ_KIND_PLAIN]);
    fuzz_image_make(name, FUZZ_KIND_LANES, &images[FUZZ_KIND_LANES]);
    file = fuzz_file_make(name);
    return 0;
}

/* Only what a sender writes into a message, or beside it. */
static void forge(uint8_t *base, const struct fuzz_image *image, struct fuzz_record record)
{
    static const uint8_t areas[] = {FUZZ_BLOCK, FUZZ_RING, FUZZ_CHANNEL, FUZZ_PAYLOAD};

    record.kind = (uint8_t)(areas[record.kind / 2u % sizeof areas] * 2u);
    if (record.kind / 2u == FUZZ_CHANNEL) {
        record.word = (uint8_t)(16u + record.word % 96u); /* what changes, not its description */
    }
    fuzz_change(base, image->size, image->geometry, &record);
}

static void fill(struct fuzz_world *world)
{
    for (uint8_t i = 0; i < FUZZ_HANDLES; i++) {
        fuzz_world_call(world, &(struct fuzz_record){2 * 2 + 1, i, 5, 64, 40u * i});
        fuzz_world_call(world, &(struct fuzz_record){2 * 2 + 1, i, 5, 65, 1500});
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_record records[FUZZ_RECORDS_MAX];
    struct fuzz_world world;
    unsigned flags = 0;
    size_t count = fuzz_parse(data, size, &flags, records);
    const struct fuzz_image *image =
        &images[(flags & FUZZ_LANES) != 0 ? FUZZ_KIND_LANES : FUZZ_KIND_PLAIN];
    uint8_t *base;

    fuzz_file_write(file, image->bytes, image->size);
    base = mmap(NULL, image->size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (base == MAP_FAILED) {
        fuzz_fail("the segment cannot be mapped");
    }
    fuzz_world_enter(&world, name, SHMBUS_ATTACH_NO_WATCHER);
    fuzz_world_open(&world);
    for (size_t i = 0; i < count; i++) {
        if (i % 4u == 0) {
            fill(&world);
        }
        forge(base, image, records[i]);
        if (i % 4u == 3 || i + 1 == count) {
            fuzz_world_look(world.bus);
            fuzz_world_drain(&world);
        }
    }
    fuzz_world_leave(&world);
    munmap(base, image->size);
    return 0;
}
