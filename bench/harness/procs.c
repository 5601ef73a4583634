/* SPDX-License-Identifier: MIT */
/* Starts the loops, one per core, samples their counts and stops them. */
#include <pthread.h>
#include <stdarg.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "bench.h"

struct runner {
    struct bench_proc proc;
    bench_body_fn body;
    pid_t pid;
    pthread_t thread;
};

static bool as_threads; /* of this run */
static pid_t parent_pid;

void *bench_shared_memory(size_t bytes)
{
    void *at =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (at == MAP_FAILED) {
        fprintf(stderr, "bench: no %zu bytes of shared memory: %s\n", bytes, strerror(errno));
        exit(BENCH_EXIT_FAILED);
    }
    return at;
}

void bench_fail(struct bench *b, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(b->shared->error, sizeof(b->shared->error), format, args);
    va_end(args);
    if (getpid() == parent_pid) {
        bench_report_none(b, b->shared->error);
        fflush(stdout);
    }
    _exit(BENCH_EXIT_FAILED);
}

/* The nth core of those asked for, or of those this process may use, in a circle. */
static int cpu_at(const struct bench *b, unsigned n, unsigned *ret_cpus)
{
    cpu_set_t set;
    unsigned cpus;

    if (b->cpu_count > 0) {
        *ret_cpus = b->cpu_count;
        return b->cpus[n % b->cpu_count];
    }
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof(set), &set);
    cpus = (unsigned)CPU_COUNT(&set);
    *ret_cpus = cpus;
    n %= cpus;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set) && n-- == 0)
            return (int)cpu;
    return 0;
}

static void pin(const struct bench_proc *p)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((unsigned)p->cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0 && p->bench->cpu_count > 0)
        bench_fail(p->bench, "cannot run on processor %d: %s", p->cpu, strerror(errno));
}

void bench_below_parent(void)
{
    int policy = sched_getscheduler(0);
    struct sched_param param;

    if ((policy != SCHED_FIFO && policy != SCHED_RR) || sched_getparam(0, &param) != 0)
        return;
    if (--param.sched_priority == 0)
        policy = SCHED_OTHER;
    sched_setscheduler(0, policy, &param);
}

/* Threads that the contestant has beside its loop sleep, and that says nothing of the loop. */
static uint64_t times_slept(void)
{
    struct rusage use;

    return getrusage(RUSAGE_THREAD, &use) == 0 ? (uint64_t)use.ru_nvcsw : 0;
}

void bench_ready(struct bench_proc *p)
{
    struct bench_shared *s = p->bench->shared;

    __atomic_add_fetch(&s->ready, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&s->go, __ATOMIC_ACQUIRE))
        sched_yield();
    p->slot->slept = 0 - times_slept();
}

void bench_ended(struct bench_proc *p)
{
    p->slot->slept += times_slept();
    p->slot->ended = true;
}

/* Chunks grow until they take 20 us; shorter ones from before that are forgotten. */
void bench_chunk_ended(struct bench_proc *p, uint64_t count)
{
    struct bench_chunks *c = p->chunks;
    uint64_t now = bench_ticks(), took = now - p->chunk_begin;

    if (c->messages == 0) {
        c->messages = 1;
    } else if (took < bench_ns_to_ticks(20e3)) {
        c->messages *= 2;
        __atomic_store_n(&c->count, 0, __ATOMIC_RELEASE);
    } else if (__atomic_load_n(&p->bench->shared->warm, __ATOMIC_RELAXED)) {
        c->ticks[c->count % BENCH_CHUNKS] = (double)took / (double)(count - p->chunk_first);
        __atomic_store_n(&c->count, c->count + 1, __ATOMIC_RELEASE);
    }
    p->chunk_begin = now;
    p->chunk_first = count;
    p->chunk_end = count + c->messages;
}

static void *thread_main(void *arg)
{
    struct runner *r = arg;

    bench_below_parent();
    pin(&r->proc);
    __atomic_store_n(&r->proc.tid, gettid(), __ATOMIC_RELEASE);
    r->body(&r->proc);
    if (!r->proc.slot->ended)
        bench_ended(&r->proc);
    return NULL;
}

static void start(struct runner *r)
{
    if (as_threads) {
        if (pthread_create(&r->thread, NULL, thread_main, r) != 0)
            bench_fail(r->proc.bench, "cannot start a thread");
        return;
    }
    fflush(stdout);
    r->pid = fork();
    if (r->pid < 0)
        bench_fail(r->proc.bench, "cannot fork: %s", strerror(errno));
    if (r->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent_pid)
            _exit(BENCH_EXIT_FAILED);
        thread_main(r);
        fflush(NULL);
        _exit(BENCH_EXIT_OK);
    }
}

/* All loops of all jobs; returns how many. */
static unsigned start_all(struct bench *b, struct runner *runners, const struct bench_job *jobs,
                          unsigned job_count)
{
    unsigned total = 0, cpus = 1;

    for (unsigned j = 0; j < job_count; j++)
        total += jobs[j].count;
    for (unsigned j = 0, n = 0; j < job_count; j++) {
        for (unsigned i = 0; i < jobs[j].count; i++, n++) {
            struct runner *r = &runners[n];

            memset(r, 0, sizeof(*r));
            r->proc.bench = b;
            r->proc.slot = &b->shared->slots[n];
            r->proc.chunks = &b->shared->chunks[n];
            r->proc.index = i;
            r->proc.cpu = cpu_at(b, n, &cpus);
            r->proc.yield = total > cpus;
            r->body = jobs[j].body;
        }
    }
    for (unsigned n = 0; n < total; n++)
        start(&runners[n]);
    return total;
}

/* One of them has left although it was not asked to. */
static bool any_gone(struct runner *runners, unsigned total)
{
    siginfo_t info;

    for (unsigned n = 0; n < total && !as_threads; n++) {
        info.si_pid = 0;
        if (waitid(P_PID, (id_t)runners[n].pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            info.si_pid != 0)
            return true;
    }
    return false;
}

static uint64_t counted(const struct bench *b, unsigned first, unsigned total)
{
    uint64_t sum = 0;

    for (unsigned n = first; n < total; n++)
        sum += __atomic_load_n(&b->shared->slots[n].count, __ATOMIC_RELAXED);
    return sum;
}

static void nap(int64_t ns)
{
    usleep((useconds_t)(ns / 1000 > 0 ? ns / 1000 : 1));
}

static bool wait_ready(struct bench *b, struct runner *runners, unsigned total)
{
    while (__atomic_load_n(&b->shared->ready, __ATOMIC_SEQ_CST) < total) {
        if (any_gone(runners, total))
            return false;
        nap(200000);
    }
    return true;
}

/* What the scheduler did to all loops since they began, in nanoseconds. */
struct scheduled {
    uint64_t ran;
    uint64_t waited; /* for a core that somebody else had; told only when the wait is over */
};

static uint64_t cpu_ns(const struct runner *r)
{
    struct timespec ts = {0, 0};
    clockid_t clock;

    if ((as_threads ? pthread_getcpuclockid(r->thread, &clock)
                    : clock_getcpuclockid(r->pid, &clock)) == 0)
        clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t waited_ns(const struct runner *r)
{
    pid_t id = as_threads ? __atomic_load_n(&r->proc.tid, __ATOMIC_ACQUIRE) : r->pid;
    unsigned long long waited = 0;
    char path[64];
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)id);
    f = fopen(path, "r");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%*u %llu", &waited) != 1)
        waited = 0;
    fclose(f);
    return waited;
}

static struct scheduled scheduled(const struct runner *runners, unsigned total)
{
    struct scheduled sum = {0, 0};

    for (unsigned n = 0; n < total; n++) {
        sum.ran += cpu_ns(&runners[n]);
        sum.waited += waited_ns(&runners[n]);
    }
    return sum;
}

struct window {
    uint64_t messages;
    uint64_t at;
    struct scheduled scheduled;
};

static struct window window_now(const struct bench *b, const struct runner *runners, unsigned first,
                                unsigned total)
{
    struct window w;

    w.scheduled = scheduled(runners, total);
    w.messages = counted(b, first, total);
    w.at = bench_now_ns();
    return w;
}

static struct bench_window difference(const struct window *from, const struct window *to,
                                      unsigned cores)
{
    double took = (double)(to->at - from->at);
    struct bench_window w;

    w.rate = (double)(to->messages - from->messages) * 1e9 / took;
    w.ran = (double)(to->scheduled.ran - from->scheduled.ran) / (took * cores);
    w.waited = (double)(to->scheduled.waited - from->scheduled.waited) / took;
    return w;
}

/* Did the loops have the cores to themselves? Loops that poll want them all the time; how long
 * others, that sleep, had to wait for one says the same about them. */
static bool clean(const struct bench_window *w, bool polls, bool crowded)
{
    return polls ? w->ran > 0.95 : crowded || w->waited < 0.05;
}

/* If enough windows were clean, the others do not count. */
static void keep_clean(struct bench_windows *w, bool crowded)
{
    unsigned kept = 0;
    bool polls = !w->sleeps;

    for (unsigned i = 0; i < w->count; i++)
        kept += clean(&w->windows[i], polls, crowded);
    w->disturbed = w->count - kept;
    w->clean = kept >= 4;
    if (!w->clean)
        return;
    kept = 0;
    for (unsigned i = 0; i < w->count; i++)
        if (clean(&w->windows[i], polls, crowded))
            w->windows[kept++] = w->windows[i];
    w->count = kept;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double chunk_rate(const struct bench_chunks *c)
{
    static double ticks[BENCH_CHUNKS];
    uint64_t count = __atomic_load_n(&c->count, __ATOMIC_ACQUIRE);

    if (count > BENCH_CHUNKS)
        count = BENCH_CHUNKS;
    if (count < 20)
        return 0;
    memcpy(ticks, c->ticks, count * sizeof(*ticks));
    qsort(ticks, count, sizeof(*ticks), compare);
    return (double)bench_ns_to_ticks(1e9) / ticks[count / 2];
}

/* Others had the cores most of the time. */
static bool starved(const struct bench *b, const struct window *from, const struct window *to,
                    unsigned cores)
{
    uint64_t ran = to->scheduled.ran - from->scheduled.ran;
    uint64_t waited = to->scheduled.waited - from->scheduled.waited;

    return waited > ran && ran < (uint64_t)b->run_ns / 2 * cores;
}

static bool enough(const struct bench *b, const struct bench_windows *w, uint64_t counted_yet)
{
    return b->count > 0 && (b->share > 0 ? counted_yet : w->messages) >= b->count;
}

/* Rates of the windows; stops at the time, or at the count. */
static bool sample(struct bench *b, struct runner *runners, unsigned first, unsigned total,
                   struct bench_windows *w)
{
    struct window before, now, first_one;
    uint64_t end, last;
    unsigned cpus;

    cpu_at(b, 0, &cpus);
    cpus = total < cpus ? total : cpus;
    nap(b->warm_ns);
    __atomic_store_n(&b->shared->warm, 1, __ATOMIC_RELEASE);
    before = window_now(b, runners, first, total);
    first_one = before;
    end = before.at + (uint64_t)b->run_ns;
    last = before.at + (uint64_t)b->most_ns;
    while ((before.at < end || (before.at < last && starved(b, &first_one, &before, cpus))) &&
           !enough(b, w, before.messages)) {
        nap(b->window_ns);
        now = window_now(b, runners, first, total);
        if (w->count < BENCH_WINDOWS_MAX)
            w->windows[w->count++] = difference(&before, &now, cpus);
        w->messages += now.messages - before.messages;
        before = now;
        if (any_gone(runners, total))
            return false;
    }
    for (unsigned i = 0; i < w->count; i++)
        w->ran += w->windows[i].ran / w->count;
    if (total - first == 1)
        w->chunk_rate = chunk_rate(&b->shared->chunks[first]);
    return true;
}

static void end_thread(struct bench *b, struct runner *r)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1;
    if (pthread_timedjoin_np(r->thread, NULL, &until) != 0)
        snprintf(b->shared->error, sizeof(b->shared->error), "a thread did not stop");
}

/* Stop, and kill what blocks in its contestant's call. */
static void end_all(struct bench *b, struct runner *runners, unsigned total, struct rusage *ret_use)
{
    uint64_t until = bench_now_ns() + 300000000;
    bool all = false;

    __atomic_store_n(&b->shared->stop, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&b->shared->go, 1, __ATOMIC_SEQ_CST);
    for (unsigned n = 0; n < total && as_threads; n++)
        end_thread(b, &runners[n]);
    while (!as_threads && !all && bench_now_ns() < until) {
        siginfo_t info;

        all = true;
        for (unsigned n = 0; n < total; n++) {
            info.si_pid = 0;
            waitid(P_PID, (id_t)runners[n].pid, &info, WEXITED | WNOHANG | WNOWAIT);
            all = all && info.si_pid != 0;
        }
        nap(500000);
    }
    for (unsigned n = 0; n < total && !as_threads; n++) {
        kill(runners[n].pid, SIGKILL);
        waitpid(runners[n].pid, NULL, 0);
    }
    getrusage(as_threads ? RUSAGE_SELF : RUSAGE_CHILDREN, ret_use);
}

/* Whoever did not come out of its contestant's call to say so sleeps there. */
static bool sleeps(const struct bench *b, unsigned total)
{
    uint64_t slept = 0;

    for (unsigned n = 0; n < total; n++) {
        if (!b->shared->slots[n].ended)
            return true;
        slept += b->shared->slots[n].slept;
    }
    return slept > 10u * total;
}

static double cpu_seconds(const struct rusage *u)
{
    return (double)u->ru_utime.tv_sec + (double)u->ru_stime.tv_sec +
           (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

bool bench_procs_run(struct bench *b, bool threads, const struct bench_job *jobs,
                     unsigned job_count, struct bench_windows *w)
{
    struct runner runners[BENCH_PROCS_MAX];
    struct rusage use;
    uint64_t begin;
    unsigned total, cpus = 1, wanted;
    bool good;

    as_threads = threads;
    parent_pid = getpid();
    total = start_all(b, runners, jobs, job_count);
    good = wait_ready(b, runners, total);
    begin = bench_now_ns();
    __atomic_store_n(&b->shared->go, 1, __ATOMIC_RELEASE);
    if (good)
        good = sample(b, runners, job_count > 1 ? jobs[0].count : 0, total, w);
    end_all(b, runners, total, &use);
    for (unsigned n = 0; n < total; n++)
        w->reordered += b->shared->slots[n].reordered;
    cpu_at(b, 0, &cpus);
    wanted = total < cpus ? total : cpus;
    w->sleeps = sleeps(b, total);
    w->crowded = total > cpus;
    keep_clean(w, w->crowded);
    w->cpu_share = cpu_seconds(&use) * 1e9 / ((double)(bench_now_ns() - begin) * wanted);
    return good && b->shared->error[0] == '\0';
}

/* One process that times itself; for what happens once. */
bool bench_proc_alone(struct bench *b, bench_body_fn body)
{
    struct runner r;
    struct bench_job job = {body, 1};
    int status = 0;

    as_threads = false;
    parent_pid = getpid();
    start_all(b, &r, &job, 1);
    waitpid(r.pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
