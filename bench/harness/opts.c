/* SPDX-License-Identifier: MIT */
/* The command line every contestant has. */
#include <getopt.h>

#include "bench.h"

static const struct option LONG[] = {{"batch", required_argument, NULL, 'b'},
                                     {"producers", required_argument, NULL, 'p'},
                                     {"consumers", required_argument, NULL, 'c'},
                                     {"ms", required_argument, NULL, 'm'},
                                     {"most-ms", required_argument, NULL, 'M'},
                                     {"warm-ms", required_argument, NULL, 'w'},
                                     {"variant", required_argument, NULL, 'v'},
                                     {"depth", required_argument, NULL, 'd'},
                                     {"hist", required_argument, NULL, 'H'},
                                     {"cpus", required_argument, NULL, 'C'},
                                     {"threads", no_argument, NULL, 't'},
                                     {"help", no_argument, NULL, 'h'},
                                     {NULL, 0, NULL, 0}};

static int usage(FILE *to, const char *name)
{
    fprintf(to,
            "usage: bench-%s WORKLOAD SIZE COUNT [options]\n"
            "  WORKLOAD  stream, pingpong, asleep, queue, pushpop, pushpop_queue, idle, attach,\n"
            "            footprint, alloc_alone, alloc_two, alloc_handover, snapshot, counter,\n"
            "            fanout; verify, verify_queue, verify_fanout: COUNT messages, each once\n"
            "  SIZE      bytes of a message, 8 or more\n"
            "  COUNT     stop after so many messages; 0: after the time\n"
            "  --ms=N --most-ms=N --warm-ms=N --batch=N --producers=N --consumers=N --depth=N\n"
            "  --variant=NAME --hist=FILE --cpus=N,N... --threads\n"
            "prints one JSON object; exit code 0 measured, 1 failed, 2 usage, 3 not supported\n",
            name);
    return -EINVAL;
}

static void defaults(struct bench *b, const char *name)
{
    memset(b, 0, sizeof(*b));
    b->name = name;
    b->variant = "";
    b->batch = 1;
    b->producers = 1;
    b->consumers = 1;
    b->channels = 1;
    b->warm_ns = 30000000;
    b->run_ns = 200000000;
}

/* As many messages as 4 MiB hold, within 8 .. 1024: the same for everybody. */
static unsigned depth_for(size_t size_bytes)
{
    size_t fit = (4u << 20) / size_bytes;

    return fit > 1024 ? 1024 : fit < 8 ? 8 : (unsigned)fit;
}

/* "2,0,3": the loops run there, in that order. */
static void take_cpus(struct bench *b, char *text)
{
    char *rest = NULL;

    for (char *word = strtok_r(text, ",", &rest); word != NULL && b->cpu_count < BENCH_PROCS_MAX;
         word = strtok_r(NULL, ",", &rest))
        b->cpus[b->cpu_count++] = (int)strtol(word, NULL, 10);
}

static void take(struct bench *b, int option)
{
    unsigned number = optarg != NULL ? (unsigned)strtoul(optarg, NULL, 10) : 0;

    switch (option) {
    case 'b':
        b->batch = number;
        break;
    case 'p':
        b->producers = number;
        break;
    case 'c':
        b->consumers = number;
        break;
    case 'm':
        b->run_ns = (int64_t)number * 1000000;
        break;
    case 'M':
        b->most_ns = (int64_t)number * 1000000;
        break;
    case 'w':
        b->warm_ns = (int64_t)number * 1000000;
        break;
    case 'd':
        b->depth = number;
        break;
    case 'C':
        take_cpus(b, optarg);
        break;
    case 't':
        b->threads = true;
        break;
    case 'v':
        b->variant = optarg;
        break;
    default:
        b->hist_path = optarg;
        break;
    }
}

static bool sensible(const struct bench *b)
{
    return b->size_bytes >= 8 && b->batch >= 1 && b->batch <= BENCH_BATCH_MAX &&
           b->producers >= 1 && b->consumers >= 1 && (b->cpu_count == 0 || b->cpus[0] >= 0) &&
           b->run_ns > 0 && b->depth >= 2 && b->producers + b->consumers <= BENCH_PROCS_MAX;
}

int bench_opts_parse(struct bench *b, int argc, char **argv, const char *name)
{
    static char full_name[64];
    int option;

    defaults(b, name);
    while ((option = getopt_long(argc, argv, "h", LONG, NULL)) != -1) {
        if (option == 'h') {
            usage(stdout, name);
            exit(BENCH_EXIT_OK);
        }
        if (option == '?')
            return usage(stderr, name);
        take(b, option);
    }
    if (argc - optind != 3)
        return usage(stderr, name);
    b->workload = argv[optind];
    b->size_bytes = strtoull(argv[optind + 1], NULL, 10);
    b->count = strtoull(argv[optind + 2], NULL, 10);
    if (b->depth == 0 && b->size_bytes > 0)
        b->depth = depth_for(b->size_bytes);
    if (!sensible(b))
        return usage(stderr, name);
    b->window_ns = 4000000; /* a neighbour's time slice is about as long: some windows have none */
    if (b->variant[0] != '\0') {
        snprintf(full_name, sizeof(full_name), "%s_%s", name, b->variant);
        b->name = full_name;
    }
    return 0;
}
