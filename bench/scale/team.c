/* SPDX-License-Identifier: MIT */
/* Starts processes, dealt out over the cores in a circle, lets them run for the time, ends them. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "scale.h"

#define WARM_MS 40
#define START_LIMIT_NS 20000000000

static void nap_ms(int64_t ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

static void pin(unsigned n)
{
    cpu_set_t allowed, one;

    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof(allowed), &allowed);
    n %= (unsigned)CPU_COUNT(&allowed);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && n-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            sched_setaffinity(0, sizeof(one), &one);
            return;
        }
    }
}

void scale_ready(struct scale_member *m)
{
    __atomic_add_fetch(&m->scene->ready, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&m->scene->go, __ATOMIC_ACQUIRE))
        sched_yield();
}

/* With a real-time priority, spinning members would keep their parent from its core. */
static void be_ordinary(void)
{
    struct sched_param param = {.sched_priority = 0};

    sched_setscheduler(0, SCHED_OTHER, &param);
}

static pid_t start(const struct scale *s, struct scale_scene *scene, unsigned index,
                   scale_body body)
{
    struct scale_member m = {s, scene, &scene->tallies[index], index};
    pid_t parent = getpid(), pid = fork();

    if (pid != 0)
        return pid;
    signal(SIGINT, SIG_IGN); /* the parent ends them */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    be_ordinary();
    pin(index);
    body(&m);
    _exit(0);
}

static bool any_ended(const pid_t *pids, unsigned count)
{
    siginfo_t info;

    for (unsigned i = 0; i < count; i++) {
        info.si_pid = 0;
        if (waitid(P_PID, (id_t)pids[i], &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            info.si_pid != 0)
            return true;
    }
    return false;
}

static bool await_all(struct scale_scene *scene, const pid_t *pids, unsigned count)
{
    int64_t until = scale_now_ns() + START_LIMIT_NS;

    while (__atomic_load_n(&scene->ready, __ATOMIC_SEQ_CST) < count) {
        if (any_ended(pids, count) || scale_now_ns() > until)
            return false;
        nap_ms(1);
    }
    return true;
}

static bool end_all(struct scale_scene *scene, const pid_t *pids, unsigned count)
{
    bool good = true;
    int status;

    __atomic_store_n(&scene->stop, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&scene->go, 1, __ATOMIC_SEQ_CST);
    for (int ms = 0; ms < 2000; ms += 5) {
        bool all = true;

        for (unsigned i = 0; i < count && all; i++)
            all = any_ended(&pids[i], 1);
        if (all)
            break;
        nap_ms(5);
    }
    for (unsigned i = 0; i < count; i++) {
        kill(pids[i], SIGKILL);
        if (waitpid(pids[i], &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
            good = false;
    }
    return good;
}

static void read_counts(struct scale_scene *scene, unsigned count, uint64_t *ret_counts)
{
    for (unsigned i = 0; i < count; i++)
        ret_counts[i] = __atomic_load_n(&scene->tallies[i].count, __ATOMIC_RELAXED);
}

int64_t scale_team_run(const struct scale *s, unsigned count, scale_body body, uint64_t *ret_counts)
{
    struct scale_scene *scene = mmap(NULL, sizeof(*scene), PROT_READ | PROT_WRITE,
                                     MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    uint64_t before[SCALE_MEMBERS_MAX] = {0};
    pid_t pids[SCALE_MEMBERS_MAX];
    unsigned started = 0;
    int64_t took = 0;
    bool good;

    if (scene == MAP_FAILED)
        scale_fail("no shared memory");
    while (started < count && (pids[started] = start(s, scene, started, body)) > 0)
        started++;
    good = started == count && await_all(scene, pids, started);
    if (good) {
        __atomic_store_n(&scene->go, 1, __ATOMIC_RELEASE);
        nap_ms(WARM_MS);
        took = scale_now_ns();
        read_counts(scene, count, before);
        nap_ms(s->ms);
        took = scale_now_ns() - took;
        read_counts(scene, count, ret_counts);
        good = !any_ended(pids, count);
    }
    if (!end_all(scene, pids, started) || !good)
        scale_fail("a process did not start, or ended early");
    for (unsigned i = 0; i < count; i++)
        ret_counts[i] -= before[i];
    munmap(scene, sizeof(*scene));
    return took;
}
