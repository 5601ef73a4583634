/* SPDX-License-Identifier: MIT */
/*
 * How cost grows with one thing at a time, for this library alone:
 *     shmbus-scale processes|channels|blocks|sizes N [MS] [polling] [huge]
 * prints one JSON object; exit code 0 measured, 1 failed, 2 usage, 3 not possible here.
 */
#include <time.h>

#include "scale.h"

int64_t scale_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double scale_median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
    return values[count / 2];
}

static const struct row {
    const char *name;
    void (*run)(const struct scale *s);
    uint64_t min, max;
} ROWS[] = {
    {"processes", scale_processes, 1, SCALE_MEMBERS_MAX},
    {"channels", scale_channels, 1, 4000},
    {"blocks", scale_blocks, 1024, 4u << 20},
    {"sizes", scale_sizes, 64, 64u << 20},
};

static const struct row *parse(int argc, char **argv, struct scale *s)
{
    const struct row *row = NULL;

    for (size_t i = 0; argc >= 3 && i < sizeof(ROWS) / sizeof(ROWS[0]); i++)
        if (strcmp(argv[1], ROWS[i].name) == 0)
            row = &ROWS[i];
    if (row == NULL)
        return NULL;
    s->n = strtoull(argv[2], NULL, 10);
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "polling") == 0)
            s->polling = true;
        else if (strcmp(argv[i], "huge") == 0)
            s->on_huge = true;
        else
            s->ms = strtoll(argv[i], NULL, 10);
    }
    return s->n >= row->min && s->n <= row->max && s->ms > 0 ? row : NULL;
}

int main(int argc, char **argv)
{
    struct scale s = {.ms = 250};
    const struct row *row = parse(argc, argv, &s);

    if (row == NULL) {
        fprintf(stderr, "usage: shmbus-scale processes|channels|blocks|sizes N [MS] [polling] "
                        "[huge]\n");
        return 2;
    }
    scale_place(s.on_huge);
    row->run(&s);
    scale_clean_up();
    return 0;
}
