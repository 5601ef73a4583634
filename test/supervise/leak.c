/* leak: takes 1 MiB of memory every 10 ms and touches it. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

int main(void)
{
    const struct timespec pause = {.tv_nsec = 10000000};

    for (;;) {
        char *more = malloc(1 << 20);

        if (more != NULL) {
            memset(more, 1, 1 << 20);
        }
        nanosleep(&pause, NULL); /* the rate is the test */
    }
}
