/* SPDX-License-Identifier: MIT */
/* State clean-up: see clean.h. */
#include "clean.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char *sup_clean_pattern_check(const char *pattern)
{
    if (pattern[0] == 0) {
        return "it is empty";
    }
    if (strchr(pattern, '/') != NULL) {
        return "it would reach outside of the directory; a pattern has no `/`";
    }
    return strcmp(pattern, ".") == 0 || strcmp(pattern, "..") == 0
               ? "it names a directory; only files are removed"
               : NULL;
}

/* Of a shell only `*` and `?`; a name that begins with a dot wants a pattern that does. (fnmatch()
 * may allocate, which is not allowed here.) */
bool sup_clean_matches(const char *pattern, const char *name)
{
    const char *star = NULL, *from = NULL;

    if (name[0] == '.' && pattern[0] != '.') {
        return false;
    }
    while (*name != 0) {
        if (*pattern == '*') {
            star = pattern++;
            from = name;
        } else if (*pattern != 0 && (*pattern == '?' || *pattern == *name)) {
            pattern++;
            name++;
        } else if (star != NULL) { /* the last star takes one more */
            pattern = star + 1;
            name = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return *pattern == 0;
}

static bool any_matches(char *const *patterns, const char *name)
{
    for (; *patterns != NULL; patterns++) {
        if (sup_clean_matches(*patterns, name)) {
            return true;
        }
    }
    return false;
}

static bool is_old(const struct stat *file, int64_t older_ns)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)(now.tv_sec - file->st_mtim.tv_sec) * 1000000000 + now.tv_nsec -
               file->st_mtim.tv_nsec >=
           older_ns;
}

/* Nothing but plain files of that very directory: links, sockets and directories stay. */
static void clean_one(int dir, const struct sup_clean_spec *spec, const char *name,
                      struct sup_cleaned *done)
{
    struct stat file;

    if (!any_matches(spec->patterns, name) || fstatat(dir, name, &file, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISREG(file.st_mode) || !is_old(&file, spec->older_ns)) {
        return;
    }
    if (unlinkat(dir, name, 0) == 0) {
        done->files++;
        done->bytes += (uint64_t)file.st_size;
    } else if (errno != ENOENT) { /* another worker may clean here, too */
        done->failed++;
        done->error = errno;
    }
}

struct sup_cleaned sup_clean(const struct sup_clean_spec *spec)
{
    struct sup_cleaned done = {.files = 0};
    int dir = open(spec->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    _Alignas(struct dirent64) char room[8192];
    ssize_t bytes;

    if (dir < 0) {
        done.error = errno == ENOENT ? 0 : errno;
        return done;
    }
    while ((bytes = getdents64(dir, room, sizeof room)) > 0) {
        for (ssize_t at = 0; at < bytes;) {
            const struct dirent64 *entry = (const struct dirent64 *)(room + at);

            clean_one(dir, spec, entry->d_name, &done);
            at += entry->d_reclen;
        }
    }
    if (bytes < 0) {
        done.error = errno;
    }
    close(dir);
    return done;
}
