/* Starts the loops, one per core, samples their counts and stops them. */
#include <pthread.h>
#include <stdarg.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

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
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE,
                    -1, 0);

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

/* The nth core this process may use, in a circle. */
static int cpu_at(unsigned n, unsigned *ret_cpus)
{
    cpu_set_t set;
    unsigned cpus;

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

static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((unsigned)cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

void bench_ready(struct bench_proc *p)
{
    struct bench_shared *s = p->bench->shared;

    __atomic_add_fetch(&s->ready, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&s->go, __ATOMIC_ACQUIRE))
        sched_yield();
}

static void *thread_main(void *arg)
{
    struct runner *r = arg;

    pin(r->proc.cpu);
    __atomic_store_n(&r->proc.tid, gettid(), __ATOMIC_RELEASE);
    r->body(&r->proc);
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
            r->proc.index = i;
            r->proc.cpu = cpu_at(n, &cpus);
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
    uint64_t waited; /* for a core that somebody else had */
};

static struct scheduled scheduled(const struct runner *runners, unsigned total)
{
    struct scheduled sum = {0, 0};

    for (unsigned n = 0; n < total; n++) {
        pid_t id = as_threads ? __atomic_load_n(&runners[n].proc.tid, __ATOMIC_ACQUIRE)
                              : runners[n].pid;
        unsigned long long ran, waited;
        char path[64];
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)id);
        f = fopen(path, "r");
        if (f == NULL)
            continue;
        if (fscanf(f, "%llu %llu", &ran, &waited) == 2) {
            sum.ran += ran;
            sum.waited += waited;
        }
        fclose(f);
    }
    return sum;
}

/* Whether the loops had the cores to themselves. With more loops than cores they wait for each
 * other, so there the question is whether they used all there was. */
static bool clean(const struct scheduled *before, const struct scheduled *now, uint64_t took,
                  unsigned total, unsigned cpus)
{
    if (total <= cpus)
        return (now->waited - before->waited) * 20 < took;
    return (now->ran - before->ran) * 20 > took * cpus * 19;
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

/* If enough windows were clean, the others do not count. Rates of disturbed ones are negative. */
static void keep_clean(struct bench_windows *w)
{
    unsigned kept = 0;

    if (w->count < w->disturbed + 4) {
        for (unsigned i = 0; i < w->count; i++)
            w->rates[i] = w->rates[i] < 0 ? -1 - w->rates[i] : w->rates[i];
        return;
    }
    for (unsigned i = 0; i < w->count; i++)
        if (w->rates[i] >= 0)
            w->rates[kept++] = w->rates[i];
    w->count = kept;
}

/* Rates of the windows; stops at the time, or at the count. */
static bool sample(struct bench *b, struct runner *runners, unsigned first, unsigned total,
                   struct bench_windows *w)
{
    struct window before, now;
    uint64_t end;
    unsigned cpus;

    cpu_at(0, &cpus);
    nap(b->warm_ns);
    __atomic_store_n(&b->shared->warm, 1, __ATOMIC_RELEASE);
    before = window_now(b, runners, first, total);
    end = before.at + (uint64_t)b->run_ns;
    while (before.at < end && (b->count == 0 || w->messages < b->count)) {
        double rate;

        nap(b->window_ns);
        now = window_now(b, runners, first, total);
        rate = (double)(now.messages - before.messages) * 1e9 / (double)(now.at - before.at);
        if (!clean(&before.scheduled, &now.scheduled, now.at - before.at, total, cpus)) {
            w->disturbed++;
            rate = -1 - rate;
        }
        if (w->count < w->room)
            w->rates[w->count++] = rate;
        w->messages += now.messages - before.messages;
        before = now;
        if (any_gone(runners, total))
            return false;
    }
    keep_clean(w);
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

static double cpu_seconds(const struct rusage *u)
{
    return (double)u->ru_utime.tv_sec + (double)u->ru_stime.tv_sec +
           (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

bool bench_procs_run(struct bench *b, bool threads, const struct bench_job *jobs, unsigned job_count,
                     struct bench_windows *w)
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
    cpu_at(0, &cpus);
    wanted = total < cpus ? total : cpus;
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
