/* SPDX-License-Identifier: MIT */
/*
 * bench-peer: iceoryx
 * about: iceoryx 2.0 publisher to subscriber through its daemon's memory; loan, fill, publish; set
 *  to block instead of dropping; asleep in a WaitSet
 * packages: iceoryx libiceoryx-posh-dev libiceoryx-hoofs-dev
 * headers: iceoryx/v2.0.3/iceoryx_posh/popo/untyped_publisher.hpp
 * commands: iox-roudi
 * cflags: -isystem /usr/include/iceoryx/v2.0.3 -Wno-unknown-warning-option -Wno-stringop-overread
 * libs: -liceoryx_posh -liceoryx_hoofs
 * workloads: stream pingpong asleep pushpop idle footprint attach
 * depth: fixed
 * sizes: 8-1048576
 * scope: processes
 * crash-safe: the daemon takes the chunks of a dead process back; what it had received is lost
 * total-order: yes
 * bounded: yes: 256 messages
 * copies: 1
 */
#include <iceoryx_posh/popo/untyped_publisher.hpp>
#include <iceoryx_posh/popo/untyped_subscriber.hpp>
#include <iceoryx_posh/popo/wait_set.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../harness/bench.h"

using iox::popo::UntypedPublisher;
using iox::popo::UntypedSubscriber;

struct ep {
    static int setup(struct bench *b);
    static void teardown(struct bench *b);
    UntypedPublisher *to;
    UntypedSubscriber *from;
    iox::popo::WaitSet<> *waits;
    const void *chunk;
};

static pid_t parent;
static bool joined;
static unsigned *members; /* how many names were given out */

static void name_of(char *name, size_t bytes, const char *prefix, unsigned member, const char *end)
{
    snprintf(name, bytes, "%sshmbus-bench.%d.%u%s", prefix, static_cast<int>(parent), member, end);
}

/* The daemon and the runtime talk a lot, some of it past their log level. */
static void be_quiet()
{
    if (freopen("/dev/null", "w", stdout) == nullptr ||
        freopen("/dev/null", "w", stderr) == nullptr)
        _exit(1);
}

int ep::setup(struct bench *b)
{
    parent = getpid();
    members = static_cast<unsigned *>(bench_shared_memory(sizeof(*members)));
    b->daemon_pid = fork();
    if (b->daemon_pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        be_quiet();
        execlp("iox-roudi", "iox-roudi", "--log-level", "off", "--kill-delay", "0",
               static_cast<char *>(nullptr));
        _exit(1);
    }
    usleep(300000); /* clients wait for it themselves, but in steps of 100 ms and more */
    return b->daemon_pid > 0 && waitpid(b->daemon_pid, nullptr, WNOHANG) == 0 ? 0 : -1;
}

static void stop_daemon(pid_t pid)
{
    kill(pid, SIGTERM);
    for (int i = 0; i < 3000; i++) {
        if (waitpid(pid, nullptr, WNOHANG) != 0)
            return;
        usleep(1000);
    }
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
}

/* The daemon leaves these behind when a client was killed; only one can run at a time, and until
 * now that was ours. */
static void remove_daemon_files()
{
    const struct group *group = getgrgid(getegid());
    char path[128];

    for (const char *left :
         {"/dev/shm/iceoryx_mgmt", "/tmp/roudi", "/tmp/roudi.lock", "/tmp/iox-unique-roudi.lock"})
        unlink(left);
    if (group != nullptr) {
        snprintf(path, sizeof(path), "/dev/shm/%s", group->gr_name);
        unlink(path);
    }
}

/* Processes that were killed leave their socket and lock file. */
void ep::teardown(struct bench *b)
{
    char path[64];

    stop_daemon(b->daemon_pid);
    remove_daemon_files();
    for (unsigned i = 0; i < *members; i++) {
        name_of(path, sizeof(path), "/tmp/", i, "");
        unlink(path);
        name_of(path, sizeof(path), "/tmp/", i, ".lock");
        unlink(path);
    }
}

static void join()
{
    char name[48];

    if (joined)
        return;
    joined = true;
    be_quiet();
    name_of(name, sizeof(name), "", __atomic_fetch_add(members, 1, __ATOMIC_SEQ_CST), "");
    iox::runtime::PoshRuntime::initRuntime(iox::RuntimeName_t(iox::cxx::TruncateToCapacity, name));
}

static void peer_open(struct bench *b, unsigned channel, unsigned roles, unsigned, ep *e)
{
    const iox::capro::ServiceDescription service{
        "shmbus", "bench",
        iox::capro::IdString_t(iox::cxx::TruncateToCapacity, channel == 0 ? "there" : "back")};

    join();
    *e = ep{};
    if (roles == BENCH_SEND) {
        iox::popo::PublisherOptions options;

        options.subscriberTooSlowPolicy = iox::popo::ConsumerTooSlowPolicy::WAIT_FOR_CONSUMER;
        e->to = new UntypedPublisher(service, options);
        while (!e->to->hasSubscribers())
            sched_yield();
        return;
    }
    iox::popo::SubscriberOptions options;
    options.queueCapacity = b->depth < 256 ? b->depth : 256;
    options.queueFullPolicy = iox::popo::QueueFullPolicy::BLOCK_PRODUCER;
    e->from = new UntypedSubscriber(service, options);
    if (b->asleep) {
        e->waits = new iox::popo::WaitSet<>;
        if (e->waits->attachState(*e->from, iox::popo::SubscriberState::HAS_DATA).has_error())
            bench_fail(b, "cannot attach the subscriber to a WaitSet");
    }
}

static void peer_close(ep *e)
{
    delete e->waits;
    delete e->to;
    delete e->from;
}

static inline int peer_send(ep *e, const void *data, size_t size)
{
    bool sent = false;

    e->to->loan(static_cast<uint32_t>(size)).and_then([&](void *&room) {
        bench_copy(room, data, size);
        e->to->publish(room);
        sent = true;
    });
    return sent;
}

static inline const void *peer_recv(ep *e, size_t)
{
    e->chunk = nullptr;
    e->from->take().and_then([&](const void *data) { e->chunk = data; });
    return e->chunk;
}

static inline void peer_release(ep *e)
{
    e->from->release(e->chunk);
}

#define PEER_WAIT
static inline int peer_send_wait(ep *e, const void *data, size_t size)
{
    while (!peer_send(e, data, size))
        bench_pause();
    return 1;
}

static inline const void *peer_recv_wait(ep *e, size_t size)
{
    const void *data;

    while ((data = peer_recv(e, size)) == nullptr)
        e->waits->wait();
    return data;
}

#include "../harness/loops.h"

static const struct bench_peer *pick(const struct bench *b)
{
    static struct bench_peer peer;

    peer = bench_peer_of<ep>("iceoryx", false);
    return b->many ? nullptr : &peer;
}

int main(int argc, char **argv)
{
    return bench_main(argc, argv, "iceoryx", pick);
}
