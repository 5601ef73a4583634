/* SPDX-License-Identifier: MIT */
#include "plan/yaml_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <shmbus/shmbus.h>

#include "base/error.h"

#define FILE_BYTES_MAX (4u << 20)

/* Up to the end; too many bytes are a failure. */
static int read_all(int fd, const char *path, char *text, size_t *ret_bytes)
{
    size_t have = 0;

    while (have <= FILE_BYTES_MAX) {
        ssize_t n = read(fd, text + have, FILE_BYTES_MAX + 1u - have);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            int r = -errno;
            return sb_fail(r, "%s: cannot be read: %s", path, shmbus_strerror(r));
        }
        if (n == 0) {
            *ret_bytes = have;
            return 0;
        }
        have += (size_t)n;
    }
    return sb_fail(-EINVAL, "%s: larger than %u bytes", path, FILE_BYTES_MAX);
}

int sb_yaml_read_file(const char *path, char **ret_text, size_t *ret_bytes)
{
    struct stat st;
    char *text;
    int r = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0 || fstat(fd, &st) != 0) {
        r = -errno;
        sb_fail(r, "%s: cannot be read: %s", path, shmbus_strerror(r));
    } else if (S_ISDIR(st.st_mode)) {
        r = sb_fail(-EINVAL, "%s: is a directory, not a file", path);
    }
    text = r == 0 ? malloc(FILE_BYTES_MAX + 1u) : NULL;
    if (r == 0 && text == NULL) {
        r = sb_fail(-ENOMEM, "%s: no memory to read it", path);
    }
    if (r == 0) {
        r = read_all(fd, path, text, ret_bytes);
    }
    if (fd >= 0) {
        close(fd);
    }
    if (r < 0) {
        free(text);
        return r;
    }
    *ret_text = text;
    return 0;
}
