/* SPDX-License-Identifier: MIT */
#include "operations.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus/bus.h"
#include "step.h"

/* ---------------------------------------------------------------------------------- the ledger */

static void may(struct t_actor *a, unsigned id, uint8_t min, uint8_t max)
{
    a->ledger->during[a->number][id] = (struct t_bounds){min, max};
    a->ledger->concerns[a->number][id] = true;
}

static void did(struct t_actor *a, unsigned id, uint8_t count)
{
    a->ledger->after[a->number][id] = (struct t_bounds){count, count};
    a->ledger->concerns[a->number][id] = true;
}

static void expect(struct t_actor *a, int result, int allowed, const char *call)
{
    if (result >= 0 || result == allowed) {
        return;
    }
    a->ledger->broken[a->number] = true;
    snprintf(a->ledger->what[a->number], sizeof a->ledger->what[0], "%s: %d %.120s", call, result,
             shmbus_detail());
}

/* The message that run() may take away for good: any of the queued ones. */
static void may_vanish(struct t_actor *a)
{
    for (unsigned id = 1; id <= T_DEPTH; id++) {
        may(a, id, 0, 1);
    }
    may(a, T_ID_WORK, 0, 1);
    may(a, T_ID_WORK_LANES, 0, 1);
}

/* Takes back what may_vanish() said, but for message @id. */
static void only(struct t_actor *a, unsigned id)
{
    for (unsigned i = 1; i <= T_DEPTH; i++) {
        a->ledger->concerns[a->number][i] = i == id;
    }
    a->ledger->concerns[a->number][T_ID_WORK] = id == T_ID_WORK;
    a->ledger->concerns[a->number][T_ID_WORK_LANES] = id == T_ID_WORK_LANES;
}

/* ------------------------------------------------------------------------------------- prepare */

static bool attached(struct t_actor *a)
{
    struct shmbus_attach_opts opts = SHMBUS_ATTACH_OPTS_INIT;
    opts.flags = SHMBUS_ATTACH_NO_WATCHER | SHMBUS_ATTACH_EXISTING;
    opts.spin_ns = SHMBUS_SPIN_NONE;
    return shmbus_attach(a->bus_name, &opts, &a->bus) == 0;
}

static bool with_queue(struct t_actor *a)
{
    return attached(a) &&
           shmbus_channel_open(a->bus, "q", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV, NULL, &a->q) ==
               0 &&
           shmbus_channel_open(a->bus, "q2", SHMBUS_OPEN_SEND, NULL, &a->q2) == 0;
}

static bool to_send(struct t_actor *a)
{
    may(a, a->first_id, 0, 1);
    return with_queue(a);
}

static bool to_send_three(struct t_actor *a)
{
    may(a, a->first_id + 1, 0, 1);
    may(a, a->first_id + 2, 0, 1);
    return to_send(a);
}

static bool fill_message(struct t_actor *a)
{
    struct {
        uint64_t id, check;
    } p = {a->first_id, (a->first_id + 0x9e3779b97f4a7c15ull) * 0xbf58476d1ce4e5b9ull};
    memcpy(a->msg.data, &p, sizeof p);
    return true;
}

static bool with_reservation(struct t_actor *a)
{
    return to_send(a) && shmbus_reserve(a->q, 16, &a->msg, 0) == 0 && fill_message(a);
}

static bool with_message(struct t_actor *a)
{
    return with_queue(a) && shmbus_recv(a->q, &a->msg, 0) == 0;
}

/* A message in a block of the queue's share: all others are reserved when it is sent. */
static bool with_message_in_share(struct t_actor *a)
{
    struct shmbus_msg held[64];
    unsigned n = 0;

    may(a, a->first_id, 1, 1);
    if (!with_queue(a)) {
        return false;
    }
    while (n < 64 && shmbus_reserve(a->q, 16, &held[n], 0) == 0) {
        n++;
    }
    a->msg = held[n - 1];
    fill_message(a);
    if (shmbus_commit(&a->msg, 0) < 0) {
        return false;
    }
    for (unsigned i = 0; i + 1 < n; i++) {
        shmbus_abort(&held[i]);
    }
    return shmbus_recv(a->q, &a->msg, 0) == 0;
}

static bool to_acknowledge(struct t_actor *a)
{
    if (!with_message(a)) {
        return false;
    }
    may(a, t_msg_id(&a->msg), 0, 1);
    return true;
}

static bool to_consume(struct t_actor *a)
{
    may_vanish(a);
    return with_queue(a);
}

/* The message has been given back twice: the next time is its last. */
static bool at_last_delivery(struct t_actor *a)
{
    for (int i = 0; i < 2; i++) {
        if (shmbus_recv(a->q, &a->msg, 0) < 0 || shmbus_requeue(&a->msg) < 0) {
            return false;
        }
    }
    return shmbus_recv(a->q, &a->msg, 0) == 0 && a->msg.delivery_count == 3;
}

static bool with_last_delivery(struct t_actor *a)
{
    return with_queue(a) && at_last_delivery(a);
}

static bool with_last_to_acknowledge(struct t_actor *a)
{
    if (!with_last_delivery(a)) {
        return false;
    }
    may(a, t_msg_id(&a->msg), 0, 1);
    return true;
}

/* A process that held a message and a reservation is dead and nobody has noticed. */
static bool after_a_death(struct t_actor *a)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        struct t_actor other = *a;
        struct shmbus_msg msg;
        bool ok = with_queue(&other) && shmbus_recv(other.q, &other.msg, 0) == 0 &&
                  shmbus_reserve(other.q, 16, &msg, 0) == 0;
        kill(getpid(), ok ? SIGKILL : SIGTERM);
    }
    return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
           with_queue(a);
}

/* The oldest message is held in a block of the queue's share, for the last time. */
static bool with_last_in_share(struct t_actor *a)
{
    for (int i = 0; i < 2; i++) {
        if ((i == 0 && !with_message_in_share(a)) || shmbus_requeue(&a->msg) < 0 ||
            shmbus_recv(a->q, &a->msg, 0) < 0) {
            return false;
        }
    }
    return a->msg.delivery_count == 3;
}

/* ---------------------------------------------------------------- prepare, what comes again */

static bool with_three_held(struct t_actor *a)
{
    a->ledger->in_order = true;
    return with_queue(a) && shmbus_recv_batch(a->q, a->msgs, 3, 0) == 3;
}

static bool with_three_given_back(struct t_actor *a)
{
    bool ok = with_three_held(a) && shmbus_requeue(&a->msgs[2]) == 0 &&
              shmbus_requeue(&a->msgs[0]) == 0 && shmbus_requeue(&a->msgs[1]) == 0;

    a->ledger->in_order = false; /* one of them may be in hand when the others are received */
    return ok;
}

/* A process that held three is dead and nobody has noticed. */
static bool after_a_death_with_three(struct t_actor *a)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        struct t_actor other = *a;
        kill(getpid(), with_three_held(&other) ? SIGKILL : SIGTERM);
    }
    return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
           with_queue(a);
}

/* Receives from "q2", which sets nothing aside, and dies of it. */
static bool dies_of_one(struct t_actor *a)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        struct t_actor other = *a;
        bool ok = attached(&other) &&
                  shmbus_channel_open(other.bus, "q2", SHMBUS_OPEN_RECV, NULL, &other.q) == 0 &&
                  shmbus_recv(other.q, &other.msg, 0) == 0;
        kill(getpid(), ok ? SIGKILL : SIGTERM);
    }
    return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
           shmbus_reclaim(a->bus) == 1;
}

/* Two messages wait in "q2", and so many died with the first one. */
static bool after_deaths(struct t_actor *a, unsigned count)
{
    bool ok = attached(a) && shmbus_channel_open(a->bus, "q2", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV,
                                                 NULL, &a->q) == 0;

    for (unsigned i = 0; i < 2 && ok; i++) {
        ok = t_send_id(a->q, a->first_id + i) == 0;
        may(a, a->first_id + i, 1, 1);
        did(a, a->first_id + i, 1);
    }
    for (unsigned i = 0; i < count && ok; i++) {
        ok = dies_of_one(a);
    }
    return ok;
}

static bool after_two_deaths(struct t_actor *a)
{
    return after_deaths(a, 2);
}

static bool after_three_deaths(struct t_actor *a)
{
    return after_deaths(a, 3);
}

/* -------------------------------------------------------------------- prepare, who sweeps */

static bool to_sweep(struct t_actor *a)
{
    a->ledger->sweeps = true;
    if (!after_a_death(a)) {
        return false;
    }
    sb_sweep_init(&a->sweep, &a->bus->view, &a->bus->member);
    return true;
}

static enum sb_sweep_role sweep_round(struct t_actor *a)
{
    a->swept_ns += SB_SWEEP_TICK_NS;
    return sb_sweep_round(&a->sweep, &a->bus->liveness, a->swept_ns, SB_SWEEP_BY_CLOCK);
}

/* The survivor, in slot 0, is the sweeper and gives no sign. */
static bool beside_a_sweeper(struct t_actor *a)
{
    const struct sb_view *view = &a->bus->view;
    uint64_t w = sb_load_relaxed(&view->processes[0].w);

    sb_store_relaxed(&view->super->sweepers[0], sb_owner64_make(0, sb_proc_epoch(w)));
    return true;
}

static bool to_be_a_deputy(struct t_actor *a)
{
    return to_sweep(a) && beside_a_sweeper(a);
}

static bool as_a_deputy(struct t_actor *a)
{
    return to_be_a_deputy(a) && sweep_round(a) == SB_SWEEP_DEPUTY;
}

static bool as_a_deputy_who_sees_no_sign(struct t_actor *a)
{
    bool ok = as_a_deputy(a);

    for (unsigned i = 0; i + 1 < SB_SWEEP_LATE && ok; i++) {
        ok = sweep_round(a) == SB_SWEEP_DEPUTY;
    }
    return ok;
}

static bool as_the_sweeper(struct t_actor *a)
{
    return to_sweep(a) && sweep_round(a) == SB_SWEEP_SWEEPER;
}

/* ------------------------------------------------------------- prepare, order per producer */

static const char *lanes_name(const struct t_actor *a)
{
    return a->operation->end == T_LANES_DROP ? "ld" : "l";
}

/* The lane that was filled before is the one taken. */
static bool with_lane(struct t_actor *a)
{
    return attached(a) &&
           shmbus_channel_open(a->bus, lanes_name(a), SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV, NULL,
                               &a->q) == 0;
}

static bool to_send_in_lane(struct t_actor *a)
{
    may(a, a->first_id, 0, 1);
    return with_lane(a);
}

static bool to_send_three_in_lane(struct t_actor *a)
{
    may(a, a->first_id + 1, 0, 1);
    may(a, a->first_id + 2, 0, 1);
    return to_send_in_lane(a);
}

/* May throw away one message. */
static bool to_drop_in_lane(struct t_actor *a)
{
    for (unsigned id = 1; id <= T_DEPTH; id++) {
        may(a, id, 0, 1);
        a->ledger->after[a->number][id] = (struct t_bounds){0, 1};
    }
    a->ledger->drop_max[a->number] = 1;
    return to_send_in_lane(a);
}

/* The first @held messages of the lane are in our hands and in the producer's way; the next one is
 * acknowledged. */
static bool with_held_cells(struct t_actor *a, unsigned held)
{
    if (shmbus_recv_batch(a->q, a->msgs, held + 1, 0) != (int)held + 1 ||
        t_msg_id(&a->msgs[held]) == 0) {
        return false;
    }
    did(a, t_msg_id(&a->msgs[held]), 0);
    a->ledger->during[a->number][t_msg_id(&a->msgs[held])] = (struct t_bounds){0, 0};
    return shmbus_release(&a->msgs[held]) == 0;
}

static bool to_pass_one(struct t_actor *a)
{
    return to_send_in_lane(a) && with_held_cells(a, 1);
}

static bool to_pass_two(struct t_actor *a)
{
    return to_send_in_lane(a) && with_held_cells(a, 2);
}

static bool to_pass_in_batch(struct t_actor *a)
{
    return to_send_three_in_lane(a) && with_held_cells(a, 1);
}

static bool with_lane_reservation(struct t_actor *a)
{
    return to_send_in_lane(a) && shmbus_reserve(a->q, 16, &a->msg, 0) == 0 && fill_message(a);
}

static bool with_lane_reservation_behind(struct t_actor *a)
{
    return to_pass_two(a) && shmbus_reserve(a->q, 16, &a->msg, 0) == 0 && fill_message(a);
}

static bool with_lane_message(struct t_actor *a)
{
    return with_lane(a) && shmbus_recv(a->q, &a->msg, 0) == 0;
}

static bool to_acknowledge_in_lane(struct t_actor *a)
{
    if (!with_lane_message(a)) {
        return false;
    }
    may(a, t_msg_id(&a->msg), 0, 1);
    return true;
}

static bool to_consume_in_lane(struct t_actor *a)
{
    may_vanish(a);
    return with_lane(a);
}

static bool with_last_delivery_in_lane(struct t_actor *a)
{
    return with_lane(a) && at_last_delivery(a);
}

static bool with_last_to_acknowledge_in_lane(struct t_actor *a)
{
    if (!with_last_delivery_in_lane(a)) {
        return false;
    }
    may(a, t_msg_id(&a->msg), 0, 1);
    return true;
}

/* A message lies in its cell as a dead letter; the rest is done on the dead-letter queue. */
static bool with_dead_letter(struct t_actor *a)
{
    return with_last_delivery_in_lane(a) && shmbus_requeue(&a->msg) == 0 &&
           shmbus_channel_open(a->bus, "dead", SHMBUS_OPEN_RECV, NULL, &a->q) == 0;
}

static bool to_consume_dead_letter(struct t_actor *a)
{
    may_vanish(a);
    return with_dead_letter(a);
}

static bool with_dead_letter_received(struct t_actor *a)
{
    return with_dead_letter(a) && shmbus_recv(a->q, &a->msg, 0) == 0;
}

static bool to_acknowledge_dead_letter(struct t_actor *a)
{
    if (!with_dead_letter_received(a)) {
        return false;
    }
    may(a, t_msg_id(&a->msg), 0, 1);
    return true;
}

/* A lane full of dead letters that nobody reads. */
static bool with_lane_of_letters(struct t_actor *a)
{
    bool ok = attached(a) && shmbus_channel_open(a->bus, "lx", SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV,
                                                 NULL, &a->q) == 0;

    may(a, a->first_id, 0, 1);
    for (unsigned i = 1; i <= T_DEPTH && ok; i++) {
        ok = t_send_id(a->q, a->first_id + i) == 0 && shmbus_recv(a->q, &a->msg, 0) == 0 &&
             shmbus_requeue(&a->msg) == 0;
        may(a, a->first_id + i, i > 1, 1); /* the oldest gives way */
        a->ledger->after[a->number][a->first_id + i] = (struct t_bounds){i > 1, i > 1};
    }
    return ok;
}

/* A process that had all handles of a queue that were left is dead and nobody has noticed. */
static bool after_a_death_with_handles(struct t_actor *a)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        struct t_actor other = *a;
        bool ok = attached(&other);
        while (ok && shmbus_channel_open(other.bus, "q2", SHMBUS_OPEN_SEND, NULL, &other.q2) == 0) {
        }
        kill(getpid(), ok ? SIGKILL : SIGTERM);
    }
    return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
           attached(a);
}

/* Dead, and nobody has noticed: a process that had the lanes that were left, held a message, and
 * was filling another one. What it sent counts. */
static bool after_a_death_in_lanes(struct t_actor *a)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        struct t_actor other = *a;
        struct shmbus_msg msg;
        struct shmbus_channel *more = NULL;
        bool ok = with_lane(&other) && shmbus_recv(other.q, &other.msg, 0) == 0 &&
                  t_send_id(other.q, a->first_id + 5) == 0 &&
                  shmbus_reserve(other.q, 16, &msg, 0) == 0;
        while (shmbus_channel_open(other.bus, lanes_name(a), SHMBUS_OPEN_SEND, NULL, &more) == 0) {
            t_send_id(more, T_ID_PASS);
        }
        kill(getpid(), ok ? SIGKILL : SIGTERM);
    }
    may(a, a->first_id + 5, 1, 1);
    did(a, a->first_id + 5, 1);
    return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
           attached(a);
}

/* ------------------------------------------------------------------- prepare, region and stream */

static bool with_region(struct t_actor *a)
{
    return attached(a) && shmbus_region_open(a->bus, "r", &a->region) == 0;
}

static bool to_stream(struct t_actor *a)
{
    may(a, a->first_id, 0, 1);
    return attached(a) && shmbus_channel_open(a->bus, "s", SHMBUS_OPEN_SEND, NULL, &a->s) == 0;
}

static bool to_stream_three(struct t_actor *a)
{
    may(a, a->first_id + 1, 0, 1);
    may(a, a->first_id + 2, 0, 1);
    return to_stream(a);
}

static bool with_stream_reservation(struct t_actor *a)
{
    return to_stream(a) && shmbus_reserve(a->s, 16, &a->msg, 0) == 0 && fill_message(a);
}

static bool from_stream(struct t_actor *a)
{
    return attached(a) && shmbus_channel_open(a->bus, "s", SHMBUS_OPEN_RECV, NULL, &a->s) == 0;
}

static bool with_stream_message(struct t_actor *a)
{
    if (!from_stream(a) || shmbus_recv(a->s, &a->msg, 0) < 0) {
        return false;
    }
    may(a, t_msg_id(&a->msg), 0, 1);
    return true;
}

static bool with_stream_messages(struct t_actor *a)
{
    if (!from_stream(a) || shmbus_recv_batch(a->s, a->msgs, 3, 0) != 3) {
        return false;
    }
    for (unsigned i = 0; i < 3; i++) {
        may(a, t_msg_id(&a->msgs[i]), 0, 1);
    }
    return true;
}

static bool nothing(struct t_actor *a)
{
    (void)a;
    return true;
}

/* ------------------------------------------------------------------------------------------ run */

static void run_send(struct t_actor *a)
{
    a->result = t_send_id(a->q, a->first_id);
    expect(a, a->result, -EAGAIN, "send");
    did(a, a->first_id, a->result == 0);
}

static void run_send_batch(struct t_actor *a)
{
    uint64_t p[3][2];
    struct iovec items[3];

    for (unsigned i = 0; i < 3; i++) {
        p[i][0] = a->first_id + i;
        p[i][1] = (p[i][0] + 0x9e3779b97f4a7c15ull) * 0xbf58476d1ce4e5b9ull;
        items[i] = (struct iovec){p[i], sizeof p[i]};
    }
    a->result = shmbus_send_batch(a->s != NULL ? a->s : a->q, items, 3, 0);
    expect(a, a->result, -EAGAIN, "send_batch");
    for (int i = 0; i < 3; i++) {
        did(a, a->first_id + (unsigned)i, i < a->result);
    }
}

static void run_reserve(struct t_actor *a)
{
    expect(a, shmbus_reserve(a->q, 16, &a->msg, 0), -SHMBUS_ERR_NO_BLOCKS, "reserve");
    did(a, a->first_id, 0);
}

static void run_commit(struct t_actor *a)
{
    a->result = shmbus_commit(&a->msg, 0);
    expect(a, a->result, -EAGAIN, "commit");
    did(a, a->first_id, a->result == 0);
}

static void run_abort(struct t_actor *a)
{
    expect(a, shmbus_abort(&a->msg), 0, "abort");
    did(a, a->first_id, 0);
}

static void run_recv(struct t_actor *a)
{
    expect(a, shmbus_recv(a->s != NULL ? a->s : a->q, &a->msg, 0), -EAGAIN, "recv");
}

static void run_recv_release(struct t_actor *a)
{
    struct shmbus_msg msg;
    a->result = shmbus_recv(a->q, &msg, 0);
    expect(a, a->result, -EAGAIN, "recv");
    only(a, 0); /* nothing is taken but by what follows */
    if (a->result == 0) {
        unsigned id = t_msg_id(&msg);
        may(a, id, 0, 1);
        expect(a, shmbus_release(&msg), 0, "release");
        did(a, id, 0);
    }
}

static void run_recv_copy(struct t_actor *a)
{
    uint64_t buffer[2] = {0, 0};
    size_t size = 0;
    a->result = shmbus_recv_copy(a->q, buffer, sizeof buffer, &size, NULL, 0);
    expect(a, a->result, -EAGAIN, "recv_copy");
    if (a->result == 0) {
        did(a, (unsigned)buffer[0] % T_IDS, 0);
    }
    only(a, a->result == 0 ? (unsigned)buffer[0] % T_IDS : 0);
}

static void run_recv_too_small(struct t_actor *a)
{
    uint64_t buffer = 0;
    size_t size = 0;
    a->result = shmbus_recv_copy(a->q, &buffer, sizeof buffer, &size, NULL, 0);
    if (a->result != -EAGAIN) {
        expect(a, a->result, -EMSGSIZE, "recv_copy");
    }
}

static void run_recv_batch(struct t_actor *a)
{
    expect(a, shmbus_recv_batch(a->q, a->msgs, 3, 0), -EAGAIN, "recv_batch");
}

static void run_release(struct t_actor *a)
{
    unsigned id = t_msg_id(&a->msg);
    expect(a, shmbus_release(&a->msg), 0, "release");
    did(a, id, 0);
}

static void run_release_batch(struct t_actor *a)
{
    unsigned id[3];

    for (unsigned i = 0; i < 3; i++) {
        id[i] = t_msg_id(&a->msgs[i]);
    }
    expect(a, shmbus_release_batch(a->msgs, 3), 0, "release_batch");
    for (unsigned i = 0; i < 3; i++) {
        did(a, id[i], 0);
    }
}

static void run_requeue(struct t_actor *a)
{
    expect(a, shmbus_requeue(&a->msg), 0, "requeue");
}

static void run_forward(struct t_actor *a)
{
    expect(a, shmbus_forward(&a->msg, a->q2, 0), -EAGAIN, "forward");
}

static bool is_free_again(const struct t_actor *a, uint32_t block, uint64_t hdr)
{
    return sb_load_relaxed(&sb_block_at(&a->bus->view.blocks, block)->hdr) ==
           sb_hdr_make(sb_hdr_gen(hdr), 0, SB_BLOCK_FREE, 0);
}

static void run_requeue_copy(struct t_actor *a)
{
    uint32_t block = (uint32_t)a->msg.opaque_[1];
    uint64_t hdr = sb_load_relaxed(&sb_block_at(&a->bus->view.blocks, block)->hdr);

    run_requeue(a);
    if (!is_free_again(a, block, hdr)) {
        expect(a, -1, 0, "it was set aside as it is");
    }
    did(a, a->first_id, 1);
}

static void run_sweep(struct t_actor *a)
{
    if (sweep_round(a) != SB_SWEEP_SWEEPER) {
        expect(a, -1, 0, "it does not become the sweeper");
    }
}

/* Unless others have given a sign meanwhile. */
static void run_sweep_in_place(struct t_actor *a)
{
    sweep_round(a);
}

static void run_look_on(struct t_actor *a)
{
    if (sweep_round(a) != SB_SWEEP_DEPUTY) {
        expect(a, -1, 0, "it does not become a deputy");
    }
}

static void run_sweep_leave(struct t_actor *a)
{
    sb_sweep_leave(&a->sweep);
}

static void run_forward_copy(struct t_actor *a)
{
    uint32_t block = (uint32_t)a->msg.opaque_[1];
    uint64_t hdr = sb_load_relaxed(&sb_block_at(&a->bus->view.blocks, block)->hdr);

    run_forward(a);
    if (!is_free_again(a, block, hdr)) {
        expect(a, -1, 0, "it was forwarded as it is");
    }
    did(a, a->first_id, 1);
}

static void run_heartbeat(struct t_actor *a)
{
    expect(a, shmbus_heartbeat(a->bus), 0, "heartbeat");
}

static void run_open(struct t_actor *a)
{
    struct shmbus_channel *ch = NULL;
    expect(a, shmbus_channel_open(a->bus, "spare-name", SHMBUS_OPEN_SEND, NULL, &ch), 0, "open");
}

static void run_close(struct t_actor *a)
{
    shmbus_channel_close(a->q);
}

static void run_open_one_more(struct t_actor *a)
{
    expect(a, shmbus_channel_open(a->bus, "q2", SHMBUS_OPEN_SEND, NULL, &a->q2), 0, "open");
}

static void run_open_lane(struct t_actor *a)
{
    expect(a,
           shmbus_channel_open(a->bus, lanes_name(a), SHMBUS_OPEN_SEND | SHMBUS_OPEN_RECV, NULL,
                               &a->q),
           0, "open");
}

/* With drop_oldest there is always room for a message of a producer's own. */
static void run_send_dropping(struct t_actor *a)
{
    a->result = t_send_id(a->q, a->first_id);
    expect(a, a->result, 0, "send");
    did(a, a->first_id, a->result == 0);
}

static void run_attach(struct t_actor *a)
{
    if (!attached(a)) {
        expect(a, -EINVAL, 0, "attach");
    }
}

static void run_detach(struct t_actor *a)
{
    shmbus_detach(a->bus);
}

static void run_reclaim(struct t_actor *a)
{
    expect(a, shmbus_reclaim(a->bus), 0, "reclaim");
}

static void run_region_write(struct t_actor *a)
{
    uint8_t bytes[T_REGION_BYTES];
    memset(bytes, (int)(1 + a->number), sizeof bytes);
    a->result = shmbus_region_write(a->region, 0, bytes, sizeof bytes, 0);
    expect(a, a->result, -EAGAIN, "region_write");
    if (a->result == 0) {
        a->ledger->region_value[a->number] = bytes[0];
    }
}

static void run_stream_send(struct t_actor *a)
{
    a->result = t_send_id(a->s, a->first_id);
    expect(a, a->result, -EAGAIN, "stream send");
    did(a, a->first_id, a->result == 0);
}

static void run_stream_reserve(struct t_actor *a)
{
    expect(a, shmbus_reserve(a->s, 16, &a->msg, 0), -EAGAIN, "stream reserve");
    did(a, a->first_id, 0);
}

/* ------------------------------------------------------------------------------------- the list */

#define QUEUE_STATES(text, fill, cycle, prepare, run)                                              \
    {                                                                                              \
        text, fill, cycle, T_QUEUE, prepare, run, false, false, false, 1, 1                        \
    }
#define LANE_STATES(text, fill, cycle, prepare, run)                                               \
    {                                                                                              \
        text, fill, cycle, T_LANES_BLOCK, prepare, run, false, false, false, 1, 1                  \
    }
#define STREAM_STATES(text, fill, cycle, end, prepare, run)                                        \
    {                                                                                              \
        text, fill, cycle, end, prepare, run, true, false, false, 1, 1                             \
    }

const struct t_operation t_operations[] = {
    QUEUE_STATES("send, empty queue", 0, 0, to_send, run_send),
    QUEUE_STATES("send, partly filled", 2, 1, to_send, run_send),
    QUEUE_STATES("send, one place left", 3, 0, to_send, run_send),
    QUEUE_STATES("send, full", 4, 0, to_send, run_send),
    QUEUE_STATES("send, full, wrapped", 4, 6, to_send, run_send),
    QUEUE_STATES("send, next lap", 1, 3, to_send, run_send),
    {"send, a receiver sleeps", 0, 0, T_QUEUE, to_send, run_send, true, false, true, 0, 1},
    QUEUE_STATES("send batch, empty", 0, 0, to_send_three, run_send_batch),
    QUEUE_STATES("send batch, two places left", 2, 3, to_send_three, run_send_batch),
    QUEUE_STATES("reserve", 1, 0, to_send, run_reserve),
    QUEUE_STATES("commit, empty", 0, 0, with_reservation, run_commit),
    QUEUE_STATES("commit, next lap", 2, 3, with_reservation, run_commit),
    QUEUE_STATES("commit, full", 4, 1, with_reservation, run_commit),
    QUEUE_STATES("abort", 1, 0, with_reservation, run_abort),
    QUEUE_STATES("receive, empty", 0, 2, with_queue, run_recv),
    QUEUE_STATES("receive, one", 1, 0, with_queue, run_recv),
    QUEUE_STATES("receive, full", 4, 2, with_queue, run_recv),
    QUEUE_STATES("receive and release", 2, 3, to_consume, run_recv_release),
    QUEUE_STATES("receive a copy", 2, 0, to_consume, run_recv_copy),
    QUEUE_STATES("receive a copy, buffer too small", 2, 0, with_queue, run_recv_too_small),
    QUEUE_STATES("receive batch", 4, 1, with_queue, run_recv_batch),
    QUEUE_STATES("release", 2, 0, to_acknowledge, run_release),
    QUEUE_STATES("requeue", 2, 0, with_message, run_requeue),
    QUEUE_STATES("requeue, last delivery", 1, 0, with_last_delivery, run_requeue),
    QUEUE_STATES("release, last delivery", 1, 0, with_last_to_acknowledge, run_release),
    QUEUE_STATES("forward", 2, 0, with_message, run_forward),
    QUEUE_STATES("forward, wrapped", 3, 5, with_message, run_forward),
    {"forward, a block of a share", 0, 0, T_QUEUE, with_message_in_share, run_forward_copy, true,
     false, false, 1, 1},
    {"requeue, last delivery, a block of a share", 0, 0, T_QUEUE, with_last_in_share,
     run_requeue_copy, true, false, false, 1, 1},
    {"receive, three given back", 4, 1, T_QUEUE, with_three_given_back, run_recv, true, false,
     false, 1, 1},
    {"receive, two died with it", 0, 0, T_QUEUE, after_two_deaths, run_recv, true, false, false, 1,
     1},
    {"receive, three died with it", 0, 0, T_QUEUE, after_three_deaths, run_recv, true, false, false,
     1, 1},
    {"close, three held", 4, 2, T_QUEUE, with_three_held, run_close, true, true, false, 1, 1},
    {"detach, three held", 4, 2, T_QUEUE, with_three_held, run_detach, true, true, false, 0, 1},
    {"reclaim, three held", 4, 2, T_QUEUE, after_a_death_with_three, run_reclaim, true, true, false,
     1, 2},
    {"sweep, nobody does", 2, 0, T_QUEUE, to_sweep, run_sweep, true, true, false, 1, 2},
    {"sweep, as before", 2, 0, T_QUEUE, as_the_sweeper, run_sweep, true, true, false, 1, 1},
    {"sweep, beside one", 2, 0, T_QUEUE, to_be_a_deputy, run_look_on, true, true, false, 1, 2},
    {"sweep, it gives no sign", 2, 0, T_QUEUE, as_a_deputy_who_sees_no_sign, run_sweep_in_place,
     true, true, false, 1, 2},
    {"sweep, leave it", 2, 0, T_QUEUE, as_the_sweeper, run_sweep_leave, true, false, false, 1, 1},
    QUEUE_STATES("heartbeat", 1, 0, with_queue, run_heartbeat),
    QUEUE_STATES("region write", 0, 0, with_region, run_region_write),
    {"open, new name", 1, 0, T_QUEUE, with_queue, run_open, false, true, false, 1, 1},
    {"open, all handles are of the dead", 1, 0, T_QUEUE, after_a_death_with_handles,
     run_open_one_more, true, true, false, 1, 2},
    {"close, message held", 2, 0, T_QUEUE, with_message, run_close, false, true, false, 1, 1},
    {"close, reservation held", 1, 0, T_QUEUE, with_reservation, run_close, false, true, false, 1,
     1},
    {"attach", 1, 0, T_QUEUE, nothing, run_attach, false, true, false, 0, 1},
    {"detach, message held", 2, 0, T_QUEUE, with_message, run_detach, false, true, false, 0, 1},
    {"reclaim", 2, 1, T_QUEUE, after_a_death, run_reclaim, true, true, false, 1, 2},
    LANE_STATES("lane send, empty", 0, 0, to_send_in_lane, run_send),
    LANE_STATES("lane send, next lap", 1, 3, to_send_in_lane, run_send),
    LANE_STATES("lane send, one place left", 3, 6, to_send_in_lane, run_send),
    LANE_STATES("lane send, full", 4, 1, to_send_in_lane, run_send),
    LANE_STATES("lane send, one cell held", 4, 0, to_pass_one, run_send),
    LANE_STATES("lane send, two cells held", 4, 7, to_pass_two, run_send),
    {"lane send, a receiver sleeps", 0, 0, T_LANES_BLOCK, to_send_in_lane, run_send, true, false,
     true, 0, 1},
    {"lane send, full, drops", 4, 2, T_LANES_DROP, to_drop_in_lane, run_send_dropping, true, false,
     false, 1, 1},
    {"lane send, full of dead letters", 0, 0, T_QUEUE, with_lane_of_letters, run_send_dropping,
     true, false, false, 1, 1},
    LANE_STATES("lane send batch", 0, 2, to_send_three_in_lane, run_send_batch),
    LANE_STATES("lane send batch, one place left", 3, 3, to_send_three_in_lane, run_send_batch),
    LANE_STATES("lane send batch, one cell held", 4, 3, to_pass_in_batch, run_send_batch),
    LANE_STATES("lane reserve", 1, 0, to_send_in_lane, run_reserve),
    LANE_STATES("lane reserve, two cells held", 4, 0, to_pass_two, run_reserve),
    LANE_STATES("lane commit", 2, 2, with_lane_reservation, run_commit),
    LANE_STATES("lane commit, two cells held", 4, 1, with_lane_reservation_behind, run_commit),
    LANE_STATES("lane abort", 1, 0, with_lane_reservation, run_abort),
    LANE_STATES("lane receive, empty", 0, 2, with_lane, run_recv),
    LANE_STATES("lane receive, one", 1, 0, with_lane, run_recv),
    LANE_STATES("lane receive, full", 4, 5, with_lane, run_recv),
    LANE_STATES("lane receive and release", 2, 3, to_consume_in_lane, run_recv_release),
    LANE_STATES("lane receive a copy", 2, 0, to_consume_in_lane, run_recv_copy),
    LANE_STATES("lane receive, buffer too small", 2, 0, with_lane, run_recv_too_small),
    LANE_STATES("lane receive batch", 4, 1, with_lane, run_recv_batch),
    LANE_STATES("lane release", 2, 0, to_acknowledge_in_lane, run_release),
    LANE_STATES("lane requeue", 2, 0, with_lane_message, run_requeue),
    LANE_STATES("lane requeue, last delivery", 1, 0, with_last_delivery_in_lane, run_requeue),
    LANE_STATES("lane release, last delivery", 1, 0, with_last_to_acknowledge_in_lane, run_release),
    LANE_STATES("dead letter in a lane, receive", 1, 0, with_dead_letter, run_recv),
    LANE_STATES("dead letter in a lane, all of it", 1, 4, to_consume_dead_letter, run_recv_release),
    LANE_STATES("dead letter in a lane, release", 2, 0, to_acknowledge_dead_letter, run_release),
    LANE_STATES("dead letter in a lane, requeue", 1, 0, with_dead_letter_received, run_requeue),
    {"lane open", 2, 3, T_LANES_BLOCK, attached, run_open_lane, false, true, false, 1, 1},
    {"lane open, its last owner is dead", 2, 0, T_LANES_BLOCK, after_a_death_in_lanes,
     run_open_lane, true, true, false, 1, 2},
    {"lane close, message held", 2, 0, T_LANES_BLOCK, with_lane_message, run_close, false, true,
     false, 1, 1},
    {"lane close, reservation held", 1, 0, T_LANES_BLOCK, with_lane_reservation, run_close, false,
     true, false, 1, 1},
    {"lane detach, message held", 2, 1, T_LANES_BLOCK, with_lane_message, run_detach, false, true,
     false, 0, 1},
    {"lanes reclaim", 2, 1, T_LANES_BLOCK, after_a_death_in_lanes, run_reclaim, true, true, false,
     1, 2},
    STREAM_STATES("stream send, empty", 0, 0, T_STREAM_CHILD_SENDS, to_stream, run_stream_send),
    STREAM_STATES("stream send, wrapping", 3, 168, T_STREAM_CHILD_SENDS, to_stream,
                  run_stream_send),
    STREAM_STATES("stream send, one place left", 168, 3, T_STREAM_CHILD_SENDS, to_stream,
                  run_stream_send),
    STREAM_STATES("stream send, full", 169, 3, T_STREAM_CHILD_SENDS, to_stream, run_stream_send),
    STREAM_STATES("stream batch", 1, 167, T_STREAM_CHILD_SENDS, to_stream_three, run_send_batch),
    STREAM_STATES("stream reserve", 1, 169, T_STREAM_CHILD_SENDS, to_stream, run_stream_reserve),
    STREAM_STATES("stream commit", 1, 169, T_STREAM_CHILD_SENDS, with_stream_reservation,
                  run_commit),
    STREAM_STATES("stream abort", 1, 5, T_STREAM_CHILD_SENDS, with_stream_reservation, run_abort),
    STREAM_STATES("stream receive, empty", 0, 4, T_STREAM_CHILD_RECEIVES, from_stream, run_recv),
    STREAM_STATES("stream receive", 3, 168, T_STREAM_CHILD_RECEIVES, from_stream, run_recv),
    STREAM_STATES("stream release", 3, 169, T_STREAM_CHILD_RECEIVES, with_stream_message,
                  run_release),
    STREAM_STATES("stream release batch", 4, 167, T_STREAM_CHILD_RECEIVES, with_stream_messages,
                  run_release_batch),
};
const unsigned t_operation_count = sizeof t_operations / sizeof t_operations[0];

void t_actor_main(void *argument)
{
    struct t_actor *a = argument;

    if (!a->operation->prepare(a)) {
        a->ledger->broken[a->number] = true;
        snprintf(a->ledger->what[a->number], sizeof a->ledger->what[0], "preparing: %.120s",
                 shmbus_detail());
        _exit(3);
    }
    t_step_mark();
    a->operation->run(a);
    a->ledger->ended[a->number] = true;
    t_step_mark();
    _exit(0);
}
