/* SPDX-License-Identifier: MIT */
/*
 * Inaccessible memory on both sides of every mapping of a segment: sanitizers do not know where a
 * mapping ends, the kernel does. Linked with --wrap=mmap --wrap=munmap.
 */
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>

#define GUARD_BYTES (1ull << 30)
#define MAPPINGS_MAX 64u

void *__real_mmap(void *address, size_t bytes, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *address, size_t bytes);
void *__wrap_mmap(void *address, size_t bytes, int prot, int flags, int fd, off_t offset);
int __wrap_munmap(void *address, size_t bytes);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t *guarded[MAPPINGS_MAX];

static uint8_t **find(const uint8_t *address)
{
    for (unsigned i = 0; i < MAPPINGS_MAX; i++) {
        if (guarded[i] == address) {
            return &guarded[i];
        }
    }
    return NULL;
}

static void *map_between_guards(size_t bytes, int prot, int flags, int fd, off_t offset)
{
    uint8_t **entry = find(NULL);
    uint8_t *area, *address;

    if (entry == NULL) {
        return __real_mmap(NULL, bytes, prot, flags, fd, offset);
    }
    area = __real_mmap(NULL, bytes + 2 * GUARD_BYTES, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED) {
        return MAP_FAILED;
    }
    address = __real_mmap(area + GUARD_BYTES, bytes, prot, flags | MAP_FIXED, fd, offset);
    if (address == MAP_FAILED) {
        __real_munmap(area, bytes + 2 * GUARD_BYTES);
        return MAP_FAILED;
    }
    *entry = address;
    return address;
}

void *__wrap_mmap(void *address, size_t bytes, int prot, int flags, int fd, off_t offset)
{
    void *result;

    if (address != NULL || fd < 0 || (flags & MAP_SHARED) == 0 || prot == PROT_NONE ||
        bytes > GUARD_BYTES) {
        return __real_mmap(address, bytes, prot, flags, fd, offset);
    }
    pthread_mutex_lock(&lock);
    result = map_between_guards(bytes, prot, flags, fd, offset);
    pthread_mutex_unlock(&lock);
    return result;
}

int __wrap_munmap(void *address, size_t bytes)
{
    uint8_t **entry;
    int result;

    pthread_mutex_lock(&lock);
    entry = address == NULL ? NULL : find(address);
    if (entry != NULL) {
        *entry = NULL;
        result = __real_munmap((uint8_t *)address - GUARD_BYTES, bytes + 2 * GUARD_BYTES);
    } else {
        result = __real_munmap(address, bytes);
    }
    pthread_mutex_unlock(&lock);
    return result;
}
