/* SPDX-License-Identifier: MIT */
/*
 * The library under load on another architecture, through its public header: two senders and two
 * receivers on a queue, one of the receivers killed with a message in its hands, and a stream.
 * Every message must be acknowledged exactly once, in order but for the one delivered again.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shmbus/shmbus.h>

#define SENDERS 2u
#define SECOND_NS INT64_C(1000000000)

/* What the processes tell each other beside the bus. */
struct tally {
    uint32_t acked; /* queue messages */
    uint32_t redelivered;
    uint32_t streamed;
    uint32_t failures;
    uint32_t killed_at; /* message the killed receiver held, plus 1 */
    uint8_t seen[];     /* how often each message was acknowledged */
};

static struct tally *tally;
static uint32_t count; /* messages a sender sends */
static char bus_name[64];

static void fail(const char *what, long detail)
{
    const char *text = shmbus_detail();
    fprintf(stderr, "stress: %s (%ld) %s\n", what, detail, text == NULL ? "" : text);
    __atomic_fetch_add(&tally->failures, 1, __ATOMIC_RELAXED);
    exit(1);
}

static struct shmbus_channel *join(const char *channel, unsigned mode, struct shmbus **ret_bus)
{
    struct shmbus_channel *ch = NULL;
    int r = shmbus_attach(bus_name, NULL, ret_bus);
    if (r < 0) {
        fail("attach", r);
    }
    r = shmbus_channel_open(*ret_bus, channel, mode, NULL, &ch);
    if (r < 0) {
        fail("open", r);
    }
    return ch;
}

/* The receivers of the queue wait for more until they are told that there will be none. */
static void end_if_done(struct shmbus *bus)
{
    if (__atomic_load_n(&tally->acked, __ATOMIC_SEQ_CST) == SENDERS * count &&
        __atomic_load_n(&tally->streamed, __ATOMIC_SEQ_CST) == count) {
        shmbus_shutdown(bus, true);
    }
}

static void sender(uint32_t which)
{
    struct shmbus *bus = NULL;
    struct shmbus_channel *ch = join("work", SHMBUS_OPEN_SEND, &bus);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t message[4] = {which, i, i * 2654435761u, which ^ i};
        int r = shmbus_send(ch, message, sizeof message, 60 * SECOND_NS);
        if (r < 0) {
            fail("send", r);
        }
    }
    shmbus_detach(bus);
}

/* @mortal: dies with its hundredth message in its hands. */
static void receiver(uint32_t mortal)
{
    struct shmbus *bus = NULL;
    struct shmbus_channel *ch = join("work", SHMBUS_OPEN_RECV, &bus);
    uint32_t next[SENDERS] = {0};
    struct shmbus_msg msg;
    int r;

    for (uint32_t n = 1; (r = shmbus_recv(ch, &msg, 60 * SECOND_NS)) == 0; n++) {
        const uint32_t *m = msg.data;
        uint32_t id = m[0] * count + m[1];
        if (m[0] >= SENDERS || m[1] >= count || m[2] != m[1] * 2654435761u ||
            m[3] != (m[0] ^ m[1])) {
            fail("torn message", (long)m[1]);
        }
        if (msg.delivery_count > 1) {
            __atomic_fetch_add(&tally->redelivered, 1, __ATOMIC_RELAXED);
        } else if (m[1] < next[m[0]]) {
            fail("order", (long)m[1]);
        } else {
            next[m[0]] = m[1] + 1u;
        }
        if (mortal != 0 && n == 100) {
            __atomic_store_n(&tally->killed_at, id + 1u, __ATOMIC_RELEASE);
            kill(getpid(), SIGKILL);
        }
        __atomic_fetch_add(&tally->seen[id], 1, __ATOMIC_RELAXED);
        r = shmbus_release(&msg);
        if (r < 0) {
            fail("release", r);
        }
        __atomic_fetch_add(&tally->acked, 1, __ATOMIC_SEQ_CST);
        end_if_done(bus);
    }
    if (r != -SHMBUS_ERR_SHUTDOWN) {
        fail("receive", r);
    }
    shmbus_detach(bus);
}

static void stream_sender(uint32_t unused)
{
    struct shmbus *bus = NULL;
    struct shmbus_channel *ch = join("bytes", SHMBUS_OPEN_SEND, &bus);
    (void)unused;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t message[40];
        uint32_t words = 1 + i % 40;
        int r;
        for (uint32_t k = 0; k < words; k++) {
            message[k] = i + k;
        }
        do {
            r = shmbus_send(ch, message, words * 4, 60 * SECOND_NS);
        } while (r == -SHMBUS_ERR_PEER_CLOSED);
        if (r < 0) {
            fail("stream send", r);
        }
    }
    shmbus_detach(bus);
}

static void stream_receiver(uint32_t unused)
{
    struct shmbus *bus = NULL;
    struct shmbus_channel *ch = join("bytes", SHMBUS_OPEN_RECV, &bus);
    (void)unused;
    for (uint32_t i = 0; i < count; i++) {
        struct shmbus_msg msg;
        int r = shmbus_recv(ch, &msg, 60 * SECOND_NS);
        if (r == -SHMBUS_ERR_PEER_CLOSED) {
            i--;
            continue;
        }
        if (r < 0) {
            fail("stream receive", r);
        }
        if (msg.size_bytes != (1 + i % 40) * 4) {
            fail("stream size", (long)msg.size_bytes);
        }
        for (uint32_t k = 0; k < 1 + i % 40; k++) {
            if (((const uint32_t *)msg.data)[k] != i + k) {
                fail("stream bytes", (long)i);
            }
        }
        shmbus_release(&msg);
        __atomic_fetch_add(&tally->streamed, 1, __ATOMIC_SEQ_CST);
        end_if_done(bus);
    }
    shmbus_detach(bus);
}

static void start(void (*body)(uint32_t), uint32_t argument)
{
    pid_t pid = fork();
    if (pid < 0) {
        fail("fork", errno);
    }
    if (pid == 0) {
        body(argument);
        exit(0);
    }
}

static int create(void)
{
    struct shmbus_plan *plan = NULL;
    struct shmbus_channel_opts queue = {sizeof queue, .depth = 64};
    struct shmbus_channel_opts stream = {sizeof stream, .kind = SHMBUS_KIND_STREAM, .bytes = 16384};
    int r = shmbus_plan_new(0, &plan);

    if (r == 0) {
        r = shmbus_plan_add_channel(plan, "work", &queue);
    }
    if (r == 0) {
        r = shmbus_plan_add_channel(plan, "bytes", &stream);
    }
    if (r == 0) {
        r = shmbus_create(bus_name, plan, NULL);
    }
    shmbus_plan_free(plan);
    return r;
}

static int judge(uint32_t abnormal)
{
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < SENDERS * count; i++) {
        wrong += tally->seen[i] != 1;
    }
    printf("queue: %u of %u messages acknowledged, %u not exactly once, %u delivered again; "
           "stream: %u of %u\n",
           tally->acked, SENDERS * count, wrong, tally->redelivered, tally->streamed, count);
    return wrong != 0 || tally->failures != 0 || tally->streamed != count ||
           tally->redelivered != 1 || tally->killed_at == 0 || abnormal != 1;
}

int main(int argc, char **argv)
{
    uint32_t abnormal = 0;
    int status;
    int r;

    count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 20000;
    snprintf(bus_name, sizeof bus_name, "stress-%d", (int)getpid());
    tally = mmap(NULL, sizeof *tally + SENDERS * (size_t)count, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tally == MAP_FAILED) {
        perror("stress: mmap");
        return 1;
    }
    r = create();
    if (r < 0) {
        fail("create", r);
    }
    start(receiver, 1);
    start(receiver, 0);
    start(stream_receiver, 0);
    start(stream_sender, 0);
    for (uint32_t i = 0; i < SENDERS; i++) {
        start(sender, i);
    }
    while (wait(&status) > 0) {
        abnormal += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    }
    r = judge(abnormal);
    shmbus_unlink(bus_name);
    return r;
}
