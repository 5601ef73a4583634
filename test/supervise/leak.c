/* SPDX-License-Identifier: MIT */
/* leak: takes 1 MiB of memory every 10 ms, for good. */
#include <sys/mman.h>
#include <time.h>

int main(void)
{
    const struct timespec pause = {.tv_nsec = 10000000};

    for (;;) {
        (void)mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        nanosleep(&pause, NULL); /* the rate is the test */
    }
}
