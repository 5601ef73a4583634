/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a segment: the records that change something are applied to a good segment, then it
 * is looked at, attached to and worked with.
 */
#include <stdlib.h>
#include <string.h>

#include "target.h"

static struct fuzz_image images[FUZZ_KINDS];
static int file;
static char name[SHMBUS_NAME_BYTES];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_name("attach", name);
    for (unsigned i = 0; i < FUZZ_KINDS; i++) {
        fuzz_image_make(name, (enum fuzz_kind)i, &images[i]);
    }
    file = fuzz_file_make(name);
    return 0;
}

static size_t make_file(unsigned flags, const struct fuzz_record *records, size_t count)
{
    static uint8_t bytes[FUZZ_SEGMENT_MAX];
    const struct fuzz_image *image = &images[fuzz_kind_of(flags)];
    size_t size = image->size;

    memcpy(bytes, image->bytes, FUZZ_SEGMENT_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!fuzz_is_call(&records[i])) {
            fuzz_change(bytes, size, image->geometry, &records[i]);
        }
    }
    if ((flags & FUZZ_FIX) != 0) {
        fuzz_image_fix(bytes, &size);
    }
    if ((flags & FUZZ_RESIZE) != 0 && count > 0) {
        size = (size_t)(records[0].value % FUZZ_SEGMENT_MAX);
    }
    fuzz_file_write(file, bytes, size);
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_record records[FUZZ_RECORDS_MAX];
    struct fuzz_world world;
    unsigned flags = 0;
    size_t count = fuzz_parse(data, size, &flags, records);

    make_file(flags, records, count);
    fuzz_world_enter(&world, name, SHMBUS_ATTACH_OBSERVE);
    fuzz_world_look(world.bus);
    fuzz_world_leave(&world);

    fuzz_world_enter(&world, name, (flags & FUZZ_WATCHER) != 0 ? 0 : SHMBUS_ATTACH_NO_WATCHER);
    if (world.bus != NULL) {
        fuzz_world_open(&world);
        for (size_t i = 0; i < count; i++) {
            if (fuzz_is_call(&records[i])) {
                fuzz_world_call(&world, &records[i]);
            }
        }
        fuzz_world_drain(&world);
    }
    fuzz_world_leave(&world);
    return 0;
}
