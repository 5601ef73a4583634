/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/magic.h>
#include <string.h>

#include <shmbus/shmbus.h>

#include "base/room.h"
#include "harness.h"

#define MIB (1ull << 20)

static struct sb_room plenty(void)
{
    return (struct sb_room){
        .type = TMPFS_MAGIC,
        .block_bytes = 4096,
        .free_bytes = 100 * MIB,
        .all_bytes = 200 * MIB,
        .memory_bytes = UINT64_MAX,
        .memory_limit = UINT64_MAX,
        .file_limit = UINT64_MAX,
    };
}

static void refuses(const struct sb_room *room, int error, const char *what)
{
    char text[512] = "";

    CU_ASSERT_EQUAL(sb_room_check(room, "/place", 50 * MIB, text, sizeof text), -error);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, what));
}

T_TEST(room, each_limit_is_refused_by_its_own_name)
{
    char text[512] = "untouched";
    struct sb_room room = plenty();

    CU_ASSERT_EQUAL(sb_room_check(&room, "/place", 50 * MIB, text, sizeof text), 0);
    CU_ASSERT_EQUAL(sb_room_check(&room, "/place", 100 * MIB, text, sizeof text), 0);
    CU_ASSERT_STRING_EQUAL(text, "untouched");
    room.free_bytes = 50 * MIB - 1;
    refuses(&room, ENOSPC, "needs 50.0 MiB, but /place has 50.0 MiB free of 200.0 MiB");
    room = plenty();
    room.no_inodes = true;
    refuses(&room, ENOSPC, "/place has no inode left");
    room = plenty();
    room.memory_bytes = 3 * MIB;
    room.memory_limit = 24 * MIB;
    strcpy(room.memory_group, "/pod");
    refuses(&room, ENOMEM, "memory cgroup /pod has 3.0 MiB left of its limit of 24.0 MiB");
    room.type = EXT4_SUPER_MAGIC; /* can be written back: nobody is killed for it */
    CU_ASSERT_EQUAL(sb_room_check(&room, "/place", 50 * MIB, text, sizeof text), 0);
    room = plenty();
    room.file_limit = 10 * MIB;
    refuses(&room, EFBIG, "limited to 10.0 MiB");
    room = plenty();
    room.type = HUGETLBFS_MAGIC;
    room.block_bytes = 2 * MIB;
    refuses(&room, EOPNOTSUPP, "huge=always");
}

T_TEST(room, a_place_is_looked_at)
{
    struct sb_room room;

    CU_ASSERT_EQUAL(sb_room_look("/nonexistent", &room), -ENOENT);
    T_OK_FATAL(sb_room_look("/dev/shm", &room));
    CU_ASSERT_TRUE(room.free_bytes <= room.all_bytes);
    CU_ASSERT_TRUE(room.memory_bytes == UINT64_MAX || room.memory_limit < UINT64_MAX);
    CU_ASSERT_FALSE(room.no_inodes);
}
