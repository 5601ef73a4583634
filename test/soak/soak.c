/* SPDX-License-Identifier: MIT */
/*
 * The soak: processes under load that are killed and stopped at random and started again, and
 * accounts that must be even to the last message and block. See ledger.h.
 *
 *   shmbus-soak [--seconds N] [--processes N] [--kills N] [--stops N] [--seed N]
 *
 * The last line is JSON. Exit status: 0 nothing found, 1 something found, 2 could not run.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bus/bus.h"
#include "ledger.h"

#define PROCESSES_MAX 64u
#define TICK_NS 1000000
#define MS 1000000ll
#define HANG_NS 20000000000ll
#define NOBODY 65534u

struct options {
    uint32_t seconds, processes, kills_per_s, stops_per_s;
    uint64_t seed;
};

/* One place for a process; whoever is in it changes. */
struct place {
    pid_t pid;
    uint32_t life;
    int64_t continue_ns; /* stopped until then; 0: running */
    uint64_t progress;
    int64_t progress_ns; /* when it changed last */
};

/* A killed process that is still in the process table. */
struct grave {
    uint32_t slot;
    uint64_t w;
    int64_t killed_ns;
};

struct soak {
    struct options options;
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus; /* an observer, for looking */
    struct place places[PROCESSES_MAX];
    struct grave graves[PROCESSES_MAX];
    uint32_t grave_count;
    uint64_t kills, stops;
    int64_t worst_recovery_ns;
    bool can_be_nobody, has_pid_namespaces;
};

/* ------------------------------------------------------------------------------------- the bus */

static int check(int result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "soak: %s: %s; %s\n", what, shmbus_strerrorname(result), shmbus_detail());
        exit(2);
    }
    return result;
}

static void add_queue(struct shmbus_plan *plan, const char *name, uint32_t depth,
                      enum shmbus_on_full on_full, const char *dead_letter)
{
    struct shmbus_channel_opts c = {.struct_bytes = sizeof c,
                                    .depth = depth,
                                    .on_full = on_full,
                                    .dead_letter = dead_letter,
                                    .max_deliveries = dead_letter != NULL ? 4 : 0};
    check(shmbus_plan_add_channel(plan, name, &c), name);
}

/* A lane for every process there may be, the killed ones that nobody has cleaned up after too. */
static void add_lanes(struct shmbus_plan *plan, const char *name, uint32_t depth,
                      enum shmbus_on_full on_full, const char *dead_letter)
{
    struct shmbus_plan_opts whole = SHMBUS_PLAN_OPTS_INIT;
    struct shmbus_channel_opts c = {sizeof c, .order = SHMBUS_ORDER_PRODUCER,
                                    .message_bytes = 1088};
    check(shmbus_plan_get(plan, &whole), name);
    c.producers = whole.processes;
    add_queue(plan, name, depth, on_full, dead_letter);
    check(shmbus_plan_set_channel(plan, name, &c), name);
}

static void add_blocks(struct shmbus_plan *plan, uint64_t size_bytes, uint64_t count)
{
    struct shmbus_block_opts blocks = {sizeof blocks, size_bytes, count};
    check(shmbus_plan_add_blocks(plan, &blocks), "blocks");
}

static void create_bus(struct soak *soak)
{
    struct shmbus_plan_opts whole = {.struct_bytes = sizeof whole,
                                     .processes = soak->options.processes * 2 + 8,
                                     .spare_channels = 4, /* one more than are used */
                                     .spare_depth = 16,
                                     .heartbeat_timeout_ns = 200 * MS,
                                     .heartbeat_interval_ns = 100 * MS};
    struct shmbus_plan *plan = NULL;
    check(shmbus_plan_new(1 << 20, &plan), "plan");
    if (soak->can_be_nobody) {
        whole.mode = 0660;
        whole.group = NOBODY;
    }
    check(shmbus_plan_set(plan, &whole), "plan");
    check(shmbus_plan_clear_blocks(plan), "blocks");
    add_blocks(plan, 64, 512);
    add_blocks(plan, 256, 300);
    add_blocks(plan, 1024, 64);
    add_queue(plan, "tasks", 256, SHMBUS_FULL_BLOCK, "dead");
    add_queue(plan, "results", 64, SHMBUS_FULL_BLOCK, NULL);
    add_queue(plan, "dead", 16, SHMBUS_FULL_BLOCK, NULL);
    add_queue(plan, "news", 8, SHMBUS_FULL_DROP_OLDEST, NULL);
    add_lanes(plan, "jobs", 64, SHMBUS_FULL_BLOCK, "dead");
    add_lanes(plan, "rumours", 8, SHMBUS_FULL_DROP_OLDEST, NULL);
    for (uint32_t i = 0; i < S_STREAMS; i++) {
        struct shmbus_channel_opts c = {sizeof c, .kind = SHMBUS_KIND_STREAM, .bytes = 16384};
        char stream[SHMBUS_NAME_BYTES];
        snprintf(stream, sizeof stream, "s%u", i);
        check(shmbus_plan_add_channel(plan, stream, &c), stream);
    }
    snprintf(soak->name, sizeof soak->name, "soak-%ld", (long)getpid());
    check(shmbus_create(soak->name, plan, NULL), "create");
    shmbus_plan_free(plan);
}

static struct shmbus *attach(const struct soak *soak, unsigned flags)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    opts.flags = flags | SHMBUS_ATTACH_NO_WATCHER;
    check(shmbus_attach(soak->name, &opts, &bus), "attach");
    return bus;
}

/* ------------------------------------------------------------------------------- the processes */

static _Noreturn void live(const struct soak *soak, uint32_t index, uint32_t life, pid_t parent,
                           bool own_namespace)
{
    signal(SIGINT, SIG_IGN); /* ^C is for the supervisor */
    signal(SIGTERM, SIG_DFL);
    s_me = life;
    s_random_seed(soak->options.seed * 1000003u + life);
    if (soak->can_be_nobody && index % 4 == 3 &&
        (setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0))
        _exit(1);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* after the last change of user, which clears it */
    if (!own_namespace && getppid() != parent)
        _exit(1);
    _exit(s_work(soak->name, index));
}

static void start(struct soak *soak, uint32_t index)
{
    struct place *place = &soak->places[index];
    uint32_t life = ++s_books->lives;
    bool own_namespace = soak->has_pid_namespaces && index % 4 == 2;
    pid_t parent = getpid();

    if (life >= S_LIVES_MAX) {
        fprintf(stderr, "soak: more than %u processes; run it for a shorter time\n", S_LIVES_MAX);
        exit(2);
    }
    fflush(NULL);
    pid_t pid = own_namespace
                    ? (pid_t)syscall(SYS_clone, (long)(SIGCHLD | CLONE_NEWPID), 0L, 0L, 0L, 0L)
                    : fork();
    if (pid < 0) {
        perror("soak: no process");
        exit(2);
    }
    if (pid == 0)
        live(soak, index, life, parent, own_namespace);
    *place = (struct place){.pid = pid, .life = life, .progress_ns = s_now_ns()};
}

static void reap(struct place *place, bool killed)
{
    int status = 0;
    while (waitpid(place->pid, &status, 0) < 0 && errno == EINTR)
        ;
    bool good =
        WIFEXITED(status) ? WEXITSTATUS(status) == 0 : killed && WTERMSIG(status) == SIGKILL;
    if (!good)
        s_complain(&s_books->failures, "life %u ended by itself: status %#x", place->life,
                   (unsigned)status);
    place->pid = 0;
}

static void kill_one(struct soak *soak, uint32_t index)
{
    struct place *place = &soak->places[index];
    struct s_life *life = &s_books->life[place->life];
    int64_t now = s_now_ns();

    __atomic_store_n(&life->killed_ns, now, __ATOMIC_SEQ_CST);
    kill(place->pid, SIGKILL);
    reap(place, true);
    soak->kills++;
    if (__atomic_load_n(&life->attached, __ATOMIC_SEQ_CST) != 0 &&
        soak->grave_count < PROCESSES_MAX) {
        soak->graves[soak->grave_count++] =
            (struct grave){life->slot, sb_proc_word(life->epoch, SB_PROC_ACTIVE), now};
    }
    start(soak, index);
}

static void stop_one(struct soak *soak, uint32_t index)
{
    struct place *place = &soak->places[index];
    if (place->continue_ns != 0)
        return;
    kill(place->pid, SIGSTOP);
    int64_t length = 5 * MS + (int64_t)(s_random() % (s_random() % 30 == 0 ? 2000 : 300)) * MS;
    place->continue_ns = s_now_ns() + length;
    soak->stops++;
}

static void continue_due(struct soak *soak, int64_t now, bool all)
{
    for (uint32_t i = 0; i < soak->options.processes; i++) {
        struct place *place = &soak->places[i];
        if (place->continue_ns != 0 && (all || place->continue_ns <= now)) {
            kill(place->pid, SIGCONT);
            place->continue_ns = 0;
            place->progress_ns = now;
        }
    }
}

/* Those that ended without being told, and those that stand still. */
static void look_after(struct soak *soak, int64_t now)
{
    for (uint32_t i = 0; i < soak->options.processes; i++) {
        struct place *place = &soak->places[i];
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)place->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            info.si_pid == place->pid) {
            reap(place, false);
            start(soak, i);
            continue;
        }
        uint64_t progress = __atomic_load_n(&s_books->life[place->life].progress, __ATOMIC_RELAXED);
        if (progress != place->progress || place->continue_ns != 0) {
            place->progress = progress;
            place->progress_ns = now;
        } else if (now - place->progress_ns > HANG_NS) {
            s_complain(&s_books->failures, "life %u in place %u hangs", place->life, i);
            place->progress_ns = now;
        }
    }
}

static void look_at_graves(struct soak *soak, int64_t now)
{
    for (uint32_t i = 0; i < soak->grave_count;) {
        const struct grave *g = &soak->graves[i];
        if (sb_load_acquire(&soak->bus->view.processes[g->slot].w) == g->w) {
            i++;
            continue;
        }
        if (now - g->killed_ns > soak->worst_recovery_ns)
            soak->worst_recovery_ns = now - g->killed_ns;
        soak->graves[i] = soak->graves[--soak->grave_count];
    }
}

/* ----------------------------------------------------------------------------------- the parts */

/* When the next of @per_s events is due: at random, that many a second in the long run. */
static int64_t next_after(int64_t due, uint32_t per_s)
{
    return per_s == 0 ? INT64_MAX : due + (int64_t)(s_random() % (2000000000u / per_s));
}

static volatile sig_atomic_t is_interrupted; /* written by a handler in this very thread */

static void on_signal(int signal_number)
{
    (void)signal_number;
    is_interrupted = 1;
}

static void run(struct soak *soak)
{
    const struct options *o = &soak->options;
    int64_t now = s_now_ns(), end = now + (int64_t)o->seconds * 1000 * MS;
    int64_t kill_due = next_after(now, o->kills_per_s), stop_due = next_after(now, o->stops_per_s);

    for (uint32_t i = 0; i < o->processes; i++)
        start(soak, i);
    while ((now = s_now_ns()) < end && !is_interrupted) {
        for (; kill_due <= now; kill_due = next_after(kill_due, o->kills_per_s))
            kill_one(soak, (uint32_t)(s_random() % o->processes));
        for (; stop_due <= now; stop_due = next_after(stop_due, o->stops_per_s))
            stop_one(soak, (uint32_t)(s_random() % o->processes));
        continue_due(soak, now, false);
        look_after(soak, now);
        look_at_graves(soak, now);
        nanosleep(&(struct timespec){0, TICK_NS}, NULL); /* paces the kills; awaits nothing */
    }
}

/* All leave in order; whoever does not within half a minute hangs. */
static void finish(struct soak *soak)
{
    int64_t end = s_now_ns() + 30000 * MS;
    uint32_t left = soak->options.processes;

    continue_due(soak, s_now_ns(), true);
    __atomic_store_n(&s_books->stop, 1, __ATOMIC_SEQ_CST);
    while (left > 0) {
        left = 0;
        for (uint32_t i = 0; i < soak->options.processes; i++) {
            struct place *place = &soak->places[i];
            siginfo_t info = {0};
            if (place->pid == 0)
                continue;
            bool late = s_now_ns() > end;
            if (late) {
                s_complain(&s_books->failures, "life %u in place %u does not end", place->life, i);
                __atomic_store_n(&s_books->life[place->life].killed_ns, s_now_ns(),
                                 __ATOMIC_SEQ_CST);
                kill(place->pid, SIGKILL);
            }
            if (late || (waitid(P_PID, (id_t)place->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
                         info.si_pid == place->pid))
                reap(place, late);
            else
                left++;
        }
        nanosleep(&(struct timespec){0, TICK_NS}, NULL); /* paces the kills; awaits nothing */
    }
}

static bool on_finding(void *context, enum shmbus_severity severity, const char *what,
                       const char *cure)
{
    (void)context, (void)cure;
    if (severity > SHMBUS_SEVERITY_NOTE)
        s_complain(&s_books->failures, "health check: %s", what);
    return true;
}

/* Cells that are not free, and lanes that nobody can take. */
static uint64_t count_lane_leaks(struct shmbus *bus)
{
    uint64_t leaked = 0;
    for (uint32_t c = 0; c < bus->view.channel_count; c++) {
        const struct sb_channel_view *ch = &bus->view.channels[c];
        uint64_t cells = 0, lanes = 0;
        for (uint64_t i = 0; i < sb_cell_count(ch); i++)
            cells += sb_hdr_state(sb_load_acquire(&sb_cell_at(ch, i)->w)) != SB_BLOCK_FREE;
        for (uint32_t i = 0; i < ch->lane_count; i++)
            lanes += sb_load_acquire(&ch->lanes[i].owner) != 0;
        if (cells + lanes > 0)
            s_complain(&s_books->failures,
                       "channel %u: %" PRIu64 " cells are not free, %" PRIu64 " lanes are taken", c,
                       cells, lanes);
        leaked += cells + lanes;
    }
    return leaked;
}

/* Returns how many blocks, cells and lanes are not back. */
static uint64_t count_leaks(struct shmbus *bus)
{
    struct shmbus_block_stat stat = {.struct_bytes = sizeof stat};
    uint64_t leaked = 0;
    for (uint32_t i = 0; shmbus_block_stat(bus, i, &stat) == 0; i++) {
        leaked += stat.count - stat.free;
        if (stat.free != stat.count)
            s_complain(&s_books->failures,
                       "blocks of %" PRIu64 ": %" PRIu64 " of %" PRIu64 " free, %" PRIu64
                       " queued, %" PRIu64 " held, %" PRIu64 " in stock, %" PRIu64
                       " redeliverable, %" PRIu64 " dead letters",
                       stat.size_bytes, stat.free, stat.count, stat.queued, stat.held, stat.stock,
                       stat.redeliverable, stat.dead_letters);
    }
    return leaked + count_lane_leaks(bus);
}

static uint64_t settle(struct soak *soak, uint64_t *ret_recoveries)
{
    struct shmbus_bus_stat stat = {.struct_bytes = sizeof stat};
    s_me = ++s_books->lives;
    struct shmbus *bus = attach(soak, 0);
    check(shmbus_reclaim(bus), "reclaim");
    look_at_graves(soak, s_now_ns());
    s_drain(bus);
    s_settle();
    shmbus_detach(bus);
    bus = attach(soak, 0);
    uint64_t leaked = count_leaks(bus);
    shmbus_check(bus, on_finding, NULL);
    check(shmbus_bus_stat(bus, &stat), "stat");
    *ret_recoveries = stat.recoveries;
    if (stat.processes_alive != 1 || stat.processes_dead != 0)
        s_complain(&s_books->failures, "%u processes alive and %u dead at the end, not 1 and 0",
                   stat.processes_alive, stat.processes_dead);
    shmbus_detach(bus);
    return leaked;
}

static int count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;
    while (dir != NULL && readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

/* Whether what was seen could be seen in such a queue. */
static void judge_history(enum s_stage stage, const char *name)
{
    struct s_history history = s_check_history(stage);
    printf("soak: history of %" PRIu64 " %s and %" PRIu64 " answers \"empty\": %" PRIu64
           " violations\n",
           history.messages, name, history.empties, history.violations);
    if (history.violations > 0)
        s_complain(&s_books->failures,
                   "the history of %s is not one of a queue: %" PRIu64 " violations; %s", name,
                   history.violations, history.first);
}

static void report(const struct soak *soak, uint64_t leaked, uint64_t recoveries)
{
    for (uint32_t i = 0; i < s_books->complaints && i < S_COMPLAINTS; i++)
        fprintf(stderr, "soak: %s\n", s_books->complaint[i]);
    if (s_books->complaints > S_COMPLAINTS)
        fprintf(stderr, "soak: and %u more\n", s_books->complaints - S_COMPLAINTS);
    printf("{\"target\":\"soak\",\"seconds\":%u,\"processes\":%u,\"seed\":%" PRIu64
           ",\"kills\":%" PRIu64 ",\"stops\":%" PRIu64 ",\"messages\":%" PRIu64
           ",\"redelivered\":%" PRIu64 ",\"recoveries\":%" PRIu64
           ",\"worst_recovery_ms\":%.1f,\"lost\":%" PRIu64 ",\"duplicated\":%" PRIu64
           ",\"robbed\":%" PRIu64 ",\"damaged\":%" PRIu64 ",\"leaked\":%" PRIu64
           ",\"failures\":%" PRIu64 "}\n",
           soak->options.seconds, soak->options.processes, soak->options.seed, soak->kills,
           soak->stops, s_books->messages, s_books->redelivered, recoveries,
           (double)soak->worst_recovery_ns / 1e6, s_books->lost, s_books->duplicated,
           s_books->robbed, s_books->damaged, leaked, s_books->failures);
}

static _Noreturn void usage(int status)
{
    fputs("usage: shmbus-soak [--seconds N] [--processes N] [--kills N] [--stops N] [--seed N]\n"
          "  --seconds N    how long (600)\n"
          "  --processes N  1 to 64 (8)\n"
          "  --kills N      a second (20);  --stops N  a second (3)\n"
          "  --seed N       of all choices; default: from the clock, printed\n",
          status == 0 ? stdout : stderr);
    exit(status);
}

static struct options parse_options(int argc, char **argv)
{
    static const struct option longs[] = {
        {"seconds", required_argument, NULL, 't'},
        {"processes", required_argument, NULL, 'p'},
        {"kills", required_argument, NULL, 'k'},
        {"stops", required_argument, NULL, 'z'},
        {"seed", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct options o = {600, 8, 20, 3, (uint64_t)s_now_ns()};
    for (int c; (c = getopt_long(argc, argv, "t:p:k:z:s:h", longs, NULL)) != -1;) {
        if (c == 'h' || c == '?')
            usage(c == 'h' ? 0 : 2);
        uint64_t value = strtoull(optarg, NULL, 0);
        switch (c) {
        case 't':
            o.seconds = (uint32_t)value;
            break;
        case 'p':
            o.processes = (uint32_t)value;
            break;
        case 'k':
            o.kills_per_s = (uint32_t)value;
            break;
        case 'z':
            o.stops_per_s = (uint32_t)value;
            break;
        default:
            o.seed = value;
            break;
        }
    }
    if (optind < argc || o.processes == 0 || o.processes > PROCESSES_MAX || o.seconds == 0 ||
        (uint64_t)o.seconds * o.kills_per_s > S_LIVES_MAX - 1000u)
        usage(2);
    return o;
}

static bool pid_namespaces_work(void)
{
    pid_t pid = (pid_t)syscall(SYS_clone, (long)(SIGCHLD | CLONE_NEWPID), 0L, 0L, 0L, 0L);
    if (pid == 0)
        _exit(0);
    return pid > 0 && waitpid(pid, NULL, 0) == pid;
}

int main(int argc, char **argv)
{
    static struct soak soak;
    uint64_t recoveries = 0;

    soak.options = parse_options(argc, argv);
    soak.can_be_nobody = geteuid() == 0;
    soak.has_pid_namespaces = pid_namespaces_work();
    s_random_seed(soak.options.seed);
    sigaction(SIGINT, &(struct sigaction){.sa_handler = on_signal}, NULL); /* ends it early */
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_signal}, NULL);
    printf("soak: seed %" PRIu64 ", %u processes for %u s, two users: %s, pid namespaces: %s\n",
           soak.options.seed, soak.options.processes, soak.options.seconds,
           soak.can_be_nobody ? "yes" : "no", soak.has_pid_namespaces ? "yes" : "no");
    fflush(stdout);
    s_books_open();
    int descriptors = count_descriptors();
    create_bus(&soak);
    soak.bus = attach(&soak, SHMBUS_ATTACH_OBSERVE);
    run(&soak);
    finish(&soak);
    uint64_t leaked = settle(&soak, &recoveries);
    shmbus_detach(soak.bus);
    check(shmbus_unlink(soak.name), "unlink");
    if (count_descriptors() != descriptors)
        s_complain(&s_books->failures, "descriptors are left open");
    judge_history(S_TASKS, "tasks");
    judge_history(S_JOBS, "jobs");
    printf("soak: %" PRIu64 " entries were still in use\n", s_books->skipped);
    report(&soak, leaked, recoveries);
    return s_books->failures == 0 ? 0 : 1;
}
