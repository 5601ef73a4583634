/* SPDX-License-Identifier: MIT */
/*
 * Who is alive. Every way to end, to stop and to look dead, with real processes: only the end is
 * death, and nothing but the end.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/here.h"
#include "fixture.h"
#include "layout/name.h"
#include "protocol/process.h"

/* A member in a process of its own, and how to talk to it. */
struct guest {
    char name[SHMBUS_NAME_BYTES];
    struct t_gate in, out; /* it is attached; it may go on */
    uint32_t slot;
    uint64_t w;
    pid_t pid, other_pid;
    int result;
};

static struct guest *guest_new(const char *name)
{
    struct guest *guest = t_shared(sizeof *guest);
    snprintf(guest->name, sizeof guest->name, "%s", name);
    return guest;
}

static void guest_knows(struct guest *guest, const struct shmbus *bus)
{
    guest->slot = bus->member.slot;
    guest->w = sb_load_acquire(&bus->view.processes[guest->slot].w);
    guest->pid = getpid();
}

static struct shmbus *guest_attach(struct guest *guest)
{
    struct shmbus *bus = t_attach(guest->name);
    guest_knows(guest, bus);
    return bus;
}

static int guest_sits(void *argument)
{
    struct guest *guest = argument;
    struct shmbus *bus = guest_attach(guest);
    t_gate_post(&guest->in);
    t_gate_wait(&guest->out, 1);
    CU_ASSERT_EQUAL(sb_load_acquire(&bus->view.processes[guest->slot].w), guest->w);
    shmbus_detach(bus);
    return 0;
}

/* A guest that has attached. */
static pid_t guest_start(struct guest *guest, int (*run)(void *))
{
    pid_t pid = t_fork(run, guest);
    t_gate_wait(&guest->in, 1);
    return pid;
}

static bool is_dead(struct shmbus *bus, const struct guest *guest)
{
    return sb_process_is_dead(&bus->view, &bus->liveness, guest->slot, guest->w);
}

static uint64_t word_of(const struct shmbus *bus, uint32_t slot)
{
    return sb_load_acquire(&bus->view.processes[slot].w);
}

static enum shmbus_life life_of(struct shmbus *bus, uint32_t slot)
{
    struct shmbus_process_stat stat = {.struct_bytes = sizeof stat};
    T_OK(shmbus_process_stat(bus, slot, &stat));
    return stat.life;
}

static struct shmbus *bus_for(uint32_t processes, char *name)
{
    return t_bus_new(t_plan(processes, 64, 16), name);
}

/* Keeps grandchildren as our children when their parent dies, so that they can be awaited. */
static void adopt(void)
{
    CU_ASSERT_EQUAL_FATAL(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
}

/* ------------------------------------------------------------------------------------- ends */

T_TEST(process, killed_is_dead_even_before_the_zombie_is_reaped)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_for(4, name);
    struct guest *guest = guest_new(name);
    pid_t pid = guest_start(guest, guest_sits);
    siginfo_t info;
    CU_ASSERT_FALSE(is_dead(bus, guest));
    T_OK(shmbus_reclaim(bus));
    CU_ASSERT_EQUAL(word_of(bus, guest->slot), guest->w);
    kill(pid, SIGKILL);
    CU_ASSERT_EQUAL_FATAL(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    CU_ASSERT_TRUE(is_dead(bus, guest));
    CU_ASSERT_EQUAL(life_of(bus, guest->slot), SHMBUS_LIFE_DEAD);
    CU_ASSERT_EQUAL(t_wait_exit(pid), 128 + SIGKILL);
    CU_ASSERT_TRUE(is_dead(bus, guest));
    CU_ASSERT_EQUAL(shmbus_reclaim(bus), 1);
    CU_ASSERT_EQUAL(shmbus_reclaim(bus), 0);
    CU_ASSERT_EQUAL(word_of(bus, guest->slot),
                    sb_proc_word(sb_proc_epoch(guest->w) + 1, SB_PROC_FREE));
    CU_ASSERT_FALSE(is_dead(bus, guest)); /* nothing is left to be done for this incarnation */
    t_bus_end(bus, name);
}

T_TEST(process, that_ends_without_detaching_is_dead)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_for(4, name);
    const int signals[] = {SIGTERM, SIGSEGV, SIGABRT, SIGKILL};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        struct guest *guest = guest_new(name);
        pid_t pid = guest_start(guest, guest_sits);
        CU_ASSERT_FALSE(is_dead(bus, guest));
        t_kill_wait(pid, signals[i]);
        CU_ASSERT_TRUE(is_dead(bus, guest));
        CU_ASSERT_EQUAL(shmbus_reclaim(bus), 1);
    }
    t_bus_end(bus, name);
}

T_TEST(process, that_detached_is_not_dead_and_its_slot_is_free)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_for(4, name);
    struct guest *guest = guest_new(name);
    pid_t pid = guest_start(guest, guest_sits);
    t_gate_post(&guest->out);
    CU_ASSERT_EQUAL(t_wait_exit(pid), 0);
    CU_ASSERT_FALSE(is_dead(bus, guest));
    CU_ASSERT_EQUAL(word_of(bus, guest->slot),
                    sb_proc_word(sb_proc_epoch(guest->w) + 1, SB_PROC_FREE));
    CU_ASSERT_EQUAL(shmbus_reclaim(bus), 0);
    t_bus_end(bus, name);
}

static int guest_becomes_cat(void *argument)
{
    struct guest *guest = argument;
    guest_attach(guest);
    t_gate_post(&guest->in);
    t_gate_wait(&guest->out, 1);
    execl("/bin/cat", "cat", (char *)NULL);
    return 1;
}

T_TEST(process, exec_ends_the_membership)
{
    char name[SHMBUS_NAME_BYTES];
    int feed[2], done[2];
    char byte;
    struct shmbus *bus = bus_for(4, name);
    struct guest *guest = guest_new(name);
    CU_ASSERT_EQUAL_FATAL(pipe2(done, O_CLOEXEC), 0);
    CU_ASSERT_EQUAL_FATAL(pipe2(feed, O_CLOEXEC), 0);
    int old_stdin = dup(0);
    dup2(feed[0], 0);
    pid_t pid = guest_start(guest, guest_becomes_cat);
    dup2(old_stdin, 0);
    close(done[1]);
    close(feed[0]);
    CU_ASSERT_FALSE(is_dead(bus, guest));
    t_gate_post(&guest->out);
    CU_ASSERT_EQUAL(read(done[0], &byte, 1),
                    0); /* exec closes the other end, and a bit later ... */
    while (!is_dead(bus, guest))
        sched_yield();
    CU_ASSERT_EQUAL(waitpid(pid, NULL, WNOHANG), 0); /* cat waits for its input */
    close(feed[1]);
    CU_ASSERT_EQUAL(t_wait_exit(pid), 0);
    close(done[0]);
    close(old_stdin);
    t_bus_end(bus, name);
}

/* ---------------------------------------------------------------------------------- no ends */

T_TEST(process, stopped_is_silent_but_never_dead_and_goes_on_later)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan(4, 64, 16);
    plan->heartbeat_interval_ns = plan->heartbeat_timeout_ns = T_MS;
    struct shmbus *bus = t_bus_new(plan, name);
    struct guest *guest = guest_new(name);
    pid_t pid = guest_start(guest, guest_sits);
    t_stop(pid);
    int64_t until = t_now_ns() + 20 * T_MS;
    while (t_now_ns() < until)
        CU_ASSERT_FALSE(is_dead(bus, guest));
    CU_ASSERT_EQUAL(life_of(bus, guest->slot), SHMBUS_LIFE_IDLE); /* it has nothing in its hands */
    CU_ASSERT_EQUAL(shmbus_reclaim(bus), 0);
    CU_ASSERT_EQUAL(word_of(bus, guest->slot), guest->w);
    t_continue(pid);
    t_gate_post(&guest->out);
    CU_ASSERT_EQUAL(t_wait_exit(pid), 0);
    t_bus_end(bus, name);
}

T_TEST(process, a_heartbeat_ends_being_silent)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_for(2, name);
    uint32_t slot = bus->member.slot;
    int64_t before = t_now_ns() - 11 * T_S; /* the default limit is 10 s */
    CU_ASSERT_EQUAL(life_of(bus, slot), SHMBUS_LIFE_ALIVE);
    sb_store_relaxed(&bus->view.processes[slot].heartbeat_ns, (uint64_t)before);
    CU_ASSERT_EQUAL(life_of(bus, slot), SHMBUS_LIFE_IDLE);
    before = t_now_ns();
    T_OK(shmbus_heartbeat(bus));
    CU_ASSERT_EQUAL(life_of(bus, slot), SHMBUS_LIFE_ALIVE);
    CU_ASSERT_TRUE((int64_t)sb_load_relaxed(&bus->view.processes[slot].heartbeat_ns) >= before);
    t_bus_end(bus, name);
}

static void *thread_of_guest(void *argument)
{
    struct guest *guest = argument;
    t_gate_wait(&guest->out, 1);
    _exit(0);
}

static int guest_leaves_its_main_thread(void *argument)
{
    struct guest *guest = argument;
    pthread_t thread;
    guest_attach(guest);
    if (pthread_create(&thread, NULL, thread_of_guest, guest) != 0)
        return 1;
    t_gate_post(&guest->in);
    syscall(SYS_exit, 0); /* this thread alone */
    return 1;
}

/* /proc calls such a process a zombie. */
T_TEST(process, whose_main_thread_ended_is_alive_until_the_last_one_has)
{
    char name[SHMBUS_NAME_BYTES], path[64], text[256];
    struct shmbus *bus = bus_for(4, name);
    struct guest *guest = guest_new(name);
    pid_t pid = guest_start(guest, guest_leaves_its_main_thread);
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    do {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = read(fd, text, sizeof text - 1);
        text[n > 0 ? n : 0] = '\0';
        close(fd);
    } while (strstr(text, ") Z") == NULL);
    CU_ASSERT_FALSE(is_dead(bus, guest));
    t_gate_post(&guest->out);
    CU_ASSERT_EQUAL(t_wait_exit(pid), 0);
    CU_ASSERT_TRUE(is_dead(bus, guest));
    t_bus_end(bus, name);
}

/* -------------------------------------------------------------------------------------- fork */

static int guest_forks(void *argument)
{
    struct guest *guest = argument;
    guest_attach(guest);
    pid_t child = fork();
    if (child == 0) {
        t_gate_post(&guest->in);
        t_gate_wait(&guest->out, 1); /* survives its parent */
        _exit(0);
    }
    guest->other_pid = child;
    t_gate_post(&guest->in);
    t_gate_wait(&guest->out, 2);
    return 1;
}

T_TEST(process, a_forked_child_does_not_keep_its_parent_alive)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_for(4, name);
    struct guest *guest = guest_new(name);
    adopt();
    pid_t pid = t_fork(guest_forks, guest);
    t_gate_wait(&guest->in, 2);
    CU_ASSERT_FALSE(is_dead(bus, guest));
    t_kill_wait(pid, SIGKILL);
    CU_ASSERT_EQUAL(kill(guest->other_pid, 0), 0);
    CU_ASSERT_TRUE(is_dead(bus, guest));
    t_gate_post(&guest->out);
    CU_ASSERT_EQUAL(t_wait_exit(guest->other_pid), 0);
    t_bus_end(bus, name);
}

static int child_with_handles(void *argument)
{
    struct shmbus *bus = argument;
    struct shmbus_channel *ch = NULL;
    T_FAILS(shmbus_heartbeat(bus), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_reclaim(bus), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_shutdown(bus, true), -SHMBUS_ERR_FORKED);
    T_FAILS(shmbus_channel_open(bus, "q", SHMBUS_OPEN_SEND, NULL, &ch), -SHMBUS_ERR_FORKED);
    CU_ASSERT_PTR_NULL(ch);
    shmbus_detach(bus); /* only frees memory */
    return 0;
}

T_TEST(process, a_forked_child_can_neither_use_nor_end_its_parents_membership)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_for(4, name);
    struct shmbus *other = t_attach(name);
    uint32_t slot = bus->member.slot;
    uint64_t w = word_of(bus, slot);
    CU_ASSERT_EQUAL(t_wait_exit(t_fork(child_with_handles, bus)), 0);
    CU_ASSERT_EQUAL(word_of(bus, slot), w);
    CU_ASSERT_FALSE(sb_process_is_dead(&other->view, &other->liveness, slot, w));
    T_OK(shmbus_heartbeat(bus));
    shmbus_detach(other);
    t_bus_end(bus, name);
}

/* ---------------------------------------------------------------------- an application's fds */

/* Closes what it does not know, and gets the numbers again for files of its own. */
static int guest_closes_everything(void *argument)
{
    struct guest *guest = argument;
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    int mine[8];
    opts.flags = SHMBUS_ATTACH_EXISTING | (guest->result != 0 ? SHMBUS_ATTACH_NO_WATCHER : 0);
    T_OK_FATAL(shmbus_attach(guest->name, &opts, &bus));
    guest_knows(guest, bus);
    closefrom(3);
    for (int i = 0; i < 8; i++)
        mine[i] = open("/dev/null", O_RDONLY);
    t_gate_post(&guest->in);
    t_gate_wait(&guest->out, 1);
    guest->result = shmbus_reclaim(bus);
    t_gate_post(&guest->in);
    t_gate_wait(&guest->out, 2);
    shmbus_detach(bus);
    for (int i = 0; i < 8; i++)
        CU_ASSERT_EQUAL(close(mine[i]), 0);
    return 0;
}

static void closing_test(bool no_thread, bool unlinked, int expected)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_for(4, name);
    struct guest *guest = guest_new(name), *victim = guest_new(name);
    guest->result = no_thread;
    pid_t pid = guest_start(guest, guest_closes_everything);
    pid_t victim_pid = guest_start(victim, guest_sits);
    CU_ASSERT_FALSE(is_dead(bus, guest));
    CU_ASSERT_EQUAL(shmbus_reclaim(bus), 0);
    if (unlinked)
        T_OK(shmbus_unlink(name));
    t_kill_wait(victim_pid, SIGKILL);
    t_gate_post(&guest->out);
    t_gate_wait(&guest->in, 2);
    CU_ASSERT_EQUAL(guest->result, expected);
    t_gate_post(&guest->out);
    CU_ASSERT_EQUAL(t_wait_exit(pid), 0);
    CU_ASSERT_EQUAL(shmbus_reclaim(bus), 1 - expected);
    shmbus_detach(bus);
    CU_ASSERT_EQUAL(shmbus_unlink(name), unlinked ? -ENOENT : 0);
}

T_TEST(process, that_closed_all_descriptors_is_alive_and_still_finds_the_dead)
{
    closing_test(false, false, 1);
}

T_TEST(process, that_closed_all_descriptors_of_an_unlinked_segment_still_finds_the_dead)
{
    if (t_is_sanitized())
        t_skip("under a sanitizer there is no descriptor table of its own");
    closing_test(false, true, 1);
}

T_TEST(process, without_helper_threads_that_closed_all_descriptors_still_finds_the_dead)
{
    closing_test(true, false, 1);
}

/* Without a thread that keeps a descriptor it has no way left to ask: then nobody is dead. */
T_TEST(process, that_cannot_ask_takes_everybody_for_alive)
{
    closing_test(true, true, 0);
}

/* --------------------------------------------------------------------------------- namespaces */

static int attach_in_namespace(void *argument)
{
    struct guest *guest = argument;
    if (unshare(CLONE_NEWPID) != 0)
        return 77;
    pid_t pid = fork();
    if (pid == 0)
        _exit(guest_sits(guest));
    guest->other_pid = pid;
    t_gate_post(&guest->in);
    return t_wait_exit(pid);
}

T_TEST(process, of_another_pid_namespace_is_judged_right)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_for(4, name);
    struct guest *guest = guest_new(name);
    struct shmbus_process_stat stat = {.struct_bytes = sizeof stat};
    if (geteuid() != 0)
        t_skip("needs root");
    pid_t pid = t_fork(attach_in_namespace, guest);
    t_gate_wait(&guest->in, 2);
    T_OK(shmbus_process_stat(bus, guest->slot, &stat));
    CU_ASSERT_EQUAL(stat.pid, 1);
    CU_ASSERT_FALSE(stat.same_pid_namespace);
    CU_ASSERT_EQUAL(stat.life, SHMBUS_LIFE_ALIVE);
    CU_ASSERT_FALSE(is_dead(bus, guest));
    CU_ASSERT_EQUAL(shmbus_reclaim(bus), 0);
    kill(guest->other_pid, SIGKILL);
    CU_ASSERT_EQUAL(t_wait_exit(pid), 128 + SIGKILL);
    CU_ASSERT_TRUE(is_dead(bus, guest));
    CU_ASSERT_EQUAL(shmbus_reclaim(bus), 1);
    t_bus_end(bus, name);
}

/* ------------------------------------------------------------------------------------- slots */

T_TEST(process, says_who_it_is)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    struct shmbus_plan *plan = t_plan(2, 64, 16);
    int64_t before = t_now_ns();
    opts.process_name = "worker 7";
    opts.plan = plan;
    T_OK_FATAL(shmbus_attach(t_bus_name(name), &opts, &bus));
    shmbus_plan_free(plan);
    const struct sb_proc *proc = &bus->view.processes[bus->member.slot];
    char shown[SHMBUS_NAME_BYTES];
    sb_name_load(proc->name, shown);
    CU_ASSERT_STRING_EQUAL(shown, "worker 7");
    CU_ASSERT_EQUAL(sb_load_relaxed(&proc->pid), (uint64_t)getpid());
    CU_ASSERT_EQUAL(sb_load_relaxed(&proc->uid), geteuid());
    CU_ASSERT_EQUAL(sb_load_relaxed(&proc->pid_namespace), sb_own_pid_namespace());
    CU_ASSERT_NOT_EQUAL(sb_own_pid_namespace(), 0);
    CU_ASSERT_EQUAL(sb_load_relaxed(&proc->start_time_ticks), sb_start_time_ticks(getpid()));
    CU_ASSERT_TRUE((int64_t)sb_load_relaxed(&proc->attached_ns) >= before);
    CU_ASSERT_TRUE((int64_t)sb_load_relaxed(&proc->attached_ns) <= t_now_ns());
    t_bus_end(bus, name);
}

static int compare_start_times(void *argument)
{
    uint64_t parents = *(uint64_t *)argument;
    CU_ASSERT_EQUAL(prctl(PR_SET_NAME, ") R 1 2 3 ("), 0); /* what a name may contain */
    uint64_t mine = sb_start_time_ticks(0);
    CU_ASSERT_EQUAL(mine, sb_start_time_ticks(getpid()));
    CU_ASSERT_EQUAL(parents, sb_start_time_ticks(getppid()));
    CU_ASSERT_TRUE(mine >= parents && mine < parents + 1000000);
    return 0;
}

T_TEST(process, start_times_are_read_behind_any_name)
{
    uint64_t mine = sb_start_time_ticks(0);
    CU_ASSERT_NOT_EQUAL(mine, 0);
    CU_ASSERT_EQUAL(t_wait_exit(t_fork(compare_start_times, &mine)), 0);
    CU_ASSERT_EQUAL(sb_start_time_ticks(1 << 30), 0);
}

T_TEST(process, slots_are_used_again_under_another_epoch)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_for(2, name);
    for (uint64_t i = 0; i < 40; i++) { /* the four bits in block headers wrap around */
        struct shmbus *other = t_attach(name);
        CU_ASSERT_EQUAL(other->member.slot, 1);
        CU_ASSERT_EQUAL(other->member.epoch, i);
        CU_ASSERT_EQUAL(other->member.owner, sb_owner_make(1, i));
        CU_ASSERT_EQUAL(other->member.owner64, sb_owner64_make(1, i));
        CU_ASSERT_EQUAL(word_of(bus, 1), sb_proc_word(i, SB_PROC_ACTIVE));
        shmbus_detach(other);
        CU_ASSERT_EQUAL(word_of(bus, 1), sb_proc_word(i + 1, SB_PROC_FREE));
    }
    t_bus_end(bus, name);
}

T_TEST(process, all_slots_taken_by_the_living_is_too_many)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *one = bus_for(2, name), *two = t_attach(name), *three = NULL;
    T_FAILS(shmbus_attach(name, &opts, &three), -SHMBUS_ERR_TOO_MANY);
    CU_ASSERT_PTR_NULL(three);
    CU_ASSERT_PTR_NOT_NULL(strstr(shmbus_detail(), "`processes`"));
    opts.flags = SHMBUS_ATTACH_OBSERVE; /* needs no slot */
    T_OK_FATAL(shmbus_attach(name, &opts, &three));
    shmbus_detach(three);
    shmbus_detach(two);
    two = t_attach(name);
    shmbus_detach(two);
    t_bus_end(one, name);
}

T_TEST(process, a_newcomer_takes_a_clean_slot_first_and_cleans_up_a_dead_ones_last)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_for(3, name);
    struct guest *guest = guest_new(name);
    t_kill_wait(guest_start(guest, guest_sits), SIGKILL);
    CU_ASSERT_EQUAL(guest->slot, 1);
    sb_store_release(&bus->view.super->sweepers[0], bus->member.owner64); /* somebody looks */
    struct shmbus *second = t_attach(name);
    CU_ASSERT_EQUAL(second->member.slot, 2);
    CU_ASSERT_EQUAL(word_of(bus, 1), guest->w);
    struct shmbus *third = t_attach(name);
    CU_ASSERT_EQUAL(third->member.slot, 1);
    CU_ASSERT_EQUAL(third->member.epoch, sb_proc_epoch(guest->w) + 1);
    struct shmbus_bus_stat stat = {.struct_bytes = sizeof stat};
    T_OK(shmbus_bus_stat(bus, &stat));
    CU_ASSERT_EQUAL(stat.recoveries, 1);
    shmbus_detach(second);
    shmbus_detach(third);
    t_bus_end(bus, name);
}

/* Its user has left the slot and not yet let go of its lock: nobody takes it before. */
T_TEST(process, a_slot_that_is_free_and_locked_is_taken_when_the_lock_goes)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_for(2, name);
    struct guest *guest = guest_new(name);
    pid_t pid = guest_start(guest, guest_sits);
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *second = NULL;
    uint64_t epoch = sb_proc_epoch(guest->w) + 1;
    CU_ASSERT_EQUAL(guest->slot, 1);
    sb_store_release(&bus->view.processes[1].w, sb_proc_word(epoch, SB_PROC_FREE));
    T_FAILS(shmbus_attach(name, &opts, &second), -SHMBUS_ERR_TOO_MANY);
    CU_ASSERT_EQUAL(word_of(bus, 1), sb_proc_word(epoch, SB_PROC_FREE));
    t_kill_wait(pid, SIGKILL);
    second = t_attach(name);
    CU_ASSERT_EQUAL(second->member.slot, 1);
    CU_ASSERT_EQUAL(second->member.epoch, epoch);
    shmbus_detach(second);
    t_bus_end(bus, name);
}

/* A hostile word: not a state at all. Nobody takes such a slot, nobody hangs. */
T_TEST(process, a_slot_with_nonsense_in_it_is_left_alone)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_for(3, name);
    sb_store_release(&bus->view.processes[1].w, 0xdeadbeefcafeull << 8 | 77);
    struct shmbus *other = t_attach(name);
    CU_ASSERT_EQUAL(other->member.slot, 2);
    CU_ASSERT_FALSE(sb_process_is_dead(&bus->view, &bus->liveness, 1, word_of(bus, 1)));
    CU_ASSERT_EQUAL(shmbus_reclaim(bus), 0);
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *third = NULL;
    T_FAILS(shmbus_attach(name, &opts, &third), -SHMBUS_ERR_TOO_MANY);
    shmbus_detach(other);
    t_bus_end(bus, name);
}

/* ------------------------------------------------------------------------------ many at once */

struct crowd {
    char name[SHMBUS_NAME_BYTES];
    struct t_gate ready, go, done;
    uint32_t taken[8]; /* by slot */
    uint32_t refused;
};

static int one_of_the_crowd(void *argument)
{
    struct crowd *crowd = argument;
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    struct shmbus *bus = NULL;
    opts.flags = SHMBUS_ATTACH_EXISTING;
    t_gate_post(&crowd->ready);
    t_gate_wait(&crowd->go, 1);
    int r = shmbus_attach(crowd->name, &opts, &bus);
    if (r == 0)
        __atomic_add_fetch(&crowd->taken[bus->member.slot], 1, __ATOMIC_SEQ_CST);
    else
        __atomic_add_fetch(&crowd->refused, r == -SHMBUS_ERR_TOO_MANY, __ATOMIC_SEQ_CST);
    t_gate_post(&crowd->done);
    t_gate_wait(&crowd->go, 2);
    shmbus_detach(bus);
    return 0;
}

T_TEST(process, a_crowd_gets_each_slot_once)
{
    enum { CROWD = 24, ROUNDS = 10 };
    for (int round = 0; round < ROUNDS; round++) {
        struct crowd *crowd = t_shared(sizeof *crowd);
        struct shmbus *bus = bus_for(8, crowd->name);
        pid_t pids[CROWD];
        for (int i = 0; i < CROWD; i++)
            pids[i] = t_fork(one_of_the_crowd, crowd);
        t_gate_wait(&crowd->ready, CROWD);
        t_gate_post(&crowd->go);
        t_gate_wait(&crowd->done, CROWD);
        CU_ASSERT_EQUAL(crowd->taken[bus->member.slot], 0);
        for (uint32_t slot = 1; slot < 8; slot++)
            CU_ASSERT_EQUAL(crowd->taken[slot], 1);
        CU_ASSERT_EQUAL(crowd->refused, CROWD - 7);
        t_gate_post(&crowd->go);
        for (int i = 0; i < CROWD; i++)
            CU_ASSERT_EQUAL(t_wait_exit(pids[i]), 0);
        t_bus_end(bus, crowd->name);
    }
}

static int guest_comes_and_goes_alive(void *argument)
{
    struct guest *guest = argument;
    t_gate_post(&guest->in);
    while (t_gate_count(&guest->out) == 0)
        shmbus_detach(t_attach(guest->name));
    return 0;
}

/* Asked at every moment of an attach and a detach. Nobody dies here. */
T_TEST(process, coming_and_going_is_never_taken_for_death)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus *bus = bus_for(2, name);
    struct guest *guest = guest_new(name);
    uint32_t seen_active = 0, taken_for_dead = 0;
    pid_t pid = guest_start(guest, guest_comes_and_goes_alive);
    int64_t start = t_now_ns();
    /* On a busy machine both may hardly run at once: longer then. */
    while (t_now_ns() - start < 2 * T_S || (seen_active <= 100 && t_now_ns() - start < 40 * T_S)) {
        uint64_t w = word_of(bus, 1);
        seen_active += sb_proc_state(w) == SB_PROC_ACTIVE;
        taken_for_dead += sb_process_is_dead(&bus->view, &bus->liveness, 1, w);
    }
    t_gate_post(&guest->out);
    CU_ASSERT_EQUAL(t_wait_exit(pid), 0);
    CU_ASSERT_TRUE(seen_active > 100);
    CU_ASSERT_EQUAL(taken_for_dead, 0);
    t_bus_end(bus, name);
}

static int guest_comes_and_goes(void *argument)
{
    struct guest *guest = argument;
    t_gate_post(&guest->in);
    while (t_gate_count(&guest->out) == 0) {
        struct shmbus *bus = t_attach(guest->name);
        for (int k = 0; k < 10; k++) {
            struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV);
            t_send(ch, 1, 0);
            t_get(ch);
            shmbus_reclaim(bus);
            shmbus_channel_close(ch);
        }
        shmbus_detach(bus);
    }
    return 0;
}

/* Killed anywhere in attach, open, send, receive, reclaim, close, detach: the next one always gets
 * in, and in the end nothing is missing. */
T_TEST_TIMEOUT(process, a_thousand_attached_and_killed_leave_a_bus_as_good_as_new, 120)
{
    char name[SHMBUS_NAME_BYTES];
    struct shmbus_plan *plan = t_plan(4, 64, 16);
    t_plan_queue(plan, "q", 8, SHMBUS_FULL_REJECT, 0, NULL);
    struct shmbus *bus = t_bus_new(plan, name);
    struct guest *guest = guest_new(name);
    uint32_t cycles = t_is_sanitized() ? 200 : 1000;
    int64_t start = t_now_ns();
    for (uint32_t i = 0; i < cycles && (i < 100 || !t_is_enough(start)); i++) {
        pid_t pids[2];
        for (int k = 0; k < 2; k++)
            pids[k] = t_fork(guest_comes_and_goes, guest);
        t_gate_wait(&guest->in, 2 * i + 2);
        int64_t until = t_now_ns() + (int64_t)t_random_below(T_MS);
        while (t_now_ns() < until) {
        }
        for (int k = 0; k < 2; k++)
            CU_ASSERT_EQUAL(t_kill_wait(pids[k], SIGKILL), 128 + SIGKILL);
    }
    T_OK(shmbus_reclaim(bus));
    for (uint32_t slot = 0; slot < 4; slot++)
        CU_ASSERT_EQUAL(sb_proc_state(word_of(bus, slot)),
                        slot == bus->member.slot ? SB_PROC_ACTIVE : SB_PROC_FREE);
    struct shmbus_bus_stat stat = {.struct_bytes = sizeof stat};
    T_OK(shmbus_bus_stat(bus, &stat));
    printf("%llu recoveries, %llu attaches\n", (unsigned long long)stat.recoveries,
           (unsigned long long)stat.attaches);
    CU_ASSERT_TRUE(stat.recoveries > 0);
    struct shmbus_channel *ch = t_open(bus, "q", SHMBUS_OPEN_RECV);
    while (t_get(ch) != UINT64_MAX) {
    }
    shmbus_channel_close(ch);
    CU_ASSERT_EQUAL(t_free_and_hinted(bus), 16);
    t_bus_end(bus, name);
}
