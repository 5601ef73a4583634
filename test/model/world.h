/* SPDX-License-Identifier: MIT */
/*
 * The world of the model: one small segment in static memory, the processes that use it through
 * the library's own code, and a ghost that watches every change of a control word and knows what
 * must be true. The ghost never touches the segment.
 */
#ifndef T_WORLD_H
#define T_WORLD_H

#include "channel/channel.h"
#include "channel/lanes.h"
#include "channel/queue.h"
#include "explore.h"
#include "region.h"

#define W_PROCESSES 7u /* simulated ones, the driver included */
#define W_DRIVER 6u    /* the world's own: drains and laps at the end */
#define W_NOBODY 9u    /* recoverers have no identity */
#define W_SLOTS 7u     /* of the process table */
#define W_CHANNELS 3u
#define W_BLOCKS 8u
#define W_DEPTH_MAX 8u
#define W_MESSAGES 400u
#define W_IDS 24u /* messages a process may send */
#define W_PAYLOAD_WORDS 8u
#define W_STREAM_BYTES 256u
#define W_LANES 3u
#define W_LANE_DEPTH_MAX 4u
#define W_CELLS (W_LANES * W_LANE_DEPTH_MAX)
#define W_REGION_WORDS 3u
#define W_SCRIPTS 6u
#define W_AREA_BYTES 1024u

struct w_channel_plan {
    uint32_t kind;
    uint32_t depth_shift;
    uint32_t max_deliveries;
    uint32_t dead_letter; /* index plus 1; 0: none */
    uint32_t on_full;     /* 0: SHMBUS_FULL_BLOCK */
    uint64_t ring_bytes;  /* of a kind that has cells: bytes of one */
    uint32_t lanes;       /* of a queue with order per producer; otherwise 0 */
    uint32_t share;       /* of the last blocks: those of channel 0, then those of channel 1, ... */
};

struct w_actor_plan {
    const char *name; /* NULL ends the list */
    uint32_t process;
    const char *script; /* see script.c */
    bool immortal;
};

struct w_plan {
    struct w_channel_plan channels[W_CHANNELS];
    uint32_t channel_count;
    uint32_t blocks;
    uint32_t stock_max;
    bool payload_shared; /* accesses to payloads are scheduling points */
    bool numbers_wrap;   /* laps and generations begin just below their end */
    bool stale_hint;     /* process 0 holds block 0, whose hint bit is set */
    bool missed;         /* handles have looked for hidden blocks a moment ago */
    bool old_handles;    /* open for more than half of all laps */
    bool region;
    bool timestamps;
    uint32_t sweepers_from; /* processes from this one on are watchers; 0: there are none */
    bool first_is_dead;     /* process 0 received one of them and died; it has no actor */
    bool same_name;         /* for the narrow program: a successor is named as the one before */
    uint32_t queued;        /* messages in channel 0 at the beginning */
    const char *before;     /* what process 0 has done before the beginning */
    uint32_t hidden;        /* free blocks whose hint bits are clear: mask */
    uint32_t incarnation_of[W_PROCESSES]; /* plus 1: the process reuses that one's slot */
    struct w_actor_plan actors[W_SCRIPTS + 1];
};

enum w_state { W_NEW, W_QUEUED, W_TAKEN, W_ORPHAN, W_DEADL, W_ACKED, W_DROPPED };

struct w_message {
    enum w_state state;
    uint32_t block;   /* or its cell's number */
    uint32_t channel; /* where it was committed last */
    uint64_t ticket;
    uint32_t deliveries;
    uint32_t holder;
    bool buried;                 /* has been a dead letter, which is counted once */
    bool moving;                 /* taken by O1 only to be moved to the dead-letter queue */
    uint32_t aside;              /* in the dead-letter queue: deliveries before */
    uint32_t giver, given, told; /* given back by whom, when, and announced when; 0: not yet */
    uint32_t deaths;             /* how many holders in a row died with it */
    uint32_t deaths_known;       /* of them in a later call, so that it says so itself */
    bool handed;                 /* the call that received it has returned */
    uint32_t behind; /* so many were sent to its queue when it was received after a death */
};

enum w_op { W_IDLE, W_SEND, W_RECV, W_RELEASE, W_REQUEUE, W_UNDO, W_FORWARD, W_RESERVE, W_FLUSH };

/* What the ghost knows of a lane. */
struct w_lane {
    uint32_t fifo[64]; /* messages in the order of their commits */
    uint32_t committed;
    uint32_t taken; /* or dropped */
    uint64_t next;  /* the ticket behind the last one */
};

/* What the stream ghost knows. */
struct w_stream {
    uint64_t tail; /* true end of what is committed */
    uint64_t acked;
    uint32_t ids[64]; /* committed messages in order */
    uint64_t ends[64];
    uint32_t committed;
    uint32_t released;
    uint32_t handed[64];  /* how often each was handed out */
    uint32_t pending[16]; /* being sent, in order, or sent and not seen by others yet */
    uint32_t pending_size[16];
    uint32_t pending_count;
    uint32_t pending_done; /* of them committed */
    uint32_t next;         /* what the present receiver gets next */
    bool receiver_changed;
};

struct w_process {
    uint32_t slot;
    uint64_t epoch;
    uint32_t owner;
    bool used, dead, recovered;
    enum w_op op;
    uint32_t op_channel;
    bool full_seen, empty_seen; /* during the present operation */
    uint32_t lanes_empty;       /* which lanes were empty at some instant of it: mask */
    uint32_t began;             /* when */
    uint32_t sent;
    struct shmbus_msg held[4];
    uint32_t held_count;
    uint64_t region_value; /* what it is writing */
    uint64_t region_seen;  /* values the region had during the present read: mask */
    uint32_t need;         /* stream: bytes the sender waits for; bell: how often it is to ring */
};

/* Of a channel that the ghost does not know: see plain.c. */
struct w_account {
    uint8_t sent, acked; /* no, tried, yes */
    bool received;
    uint32_t holder; /* plus 1; 0: nobody, as far as calls have said */
};

struct w_ghost {
    struct w_message messages[W_MESSAGES];
    uint32_t block_message[W_BLOCKS];
    uint32_t fifo[W_CHANNELS][64];
    uint32_t committed[W_CHANNELS], taken[W_CHANNELS], cleared[W_CHANNELS];
    uint64_t base[W_CHANNELS];
    struct w_lane lanes[W_CHANNELS][W_LANES];
    uint32_t cell_message[W_CHANNELS][W_CELLS];
    struct w_stream stream;
    uint32_t commits, takes, acks, dead_letters;
    uint32_t undone; /* takes that did not count */
    uint32_t crashes, stops;
    uint64_t region_now; /* value of the region's last finished write */
    uint32_t expired[X_ACTORS_MAX];
    bool shut_down;
    bool promised[W_MESSAGES]; /* the send said yes */
    uint32_t now;              /* counts what is dated */
    struct w_account accounts[W_MESSAGES];
    uint64_t last[W_PROCESSES][W_PROCESSES]; /* received first by one from another */
};

struct w_cell {
    struct sb_cell header;
    sb_word payload[2];
};

struct w_segment {
    struct sb_super super;
    struct sb_proc processes[W_SLOTS];
    struct sb_channel channels[W_CHANNELS];
    struct sb_endpoint endpoints[W_CHANNELS][W_PROCESSES];
    struct sb_word slots[W_CHANNELS][W_DEPTH_MAX];
    struct sb_lane lanes[W_CHANNELS][W_LANES];
    struct w_cell cells[W_CHANNELS][W_CELLS];
    struct sb_block blocks[W_BLOCKS];
    sb_word payloads[W_BLOCKS][W_PAYLOAD_WORDS];
    sb_word bitmap;
    sb_word pad[7];
    uint8_t ring[W_STREAM_BYTES];
    struct sb_region region;
    sb_word data[W_REGION_WORDS + 1];
    sb_word undo[W_REGION_WORDS + 1];
    struct sb_event bell; /* an event by itself: work is what was rung */
    uint32_t bell_pad;
    sb_word rung;
    uint8_t area[W_AREA_BYTES] __attribute__((aligned(SB_PAIR))); /* of plain channels */
};

#define INDEX_IN(address, array) (((uintptr_t)(address) - (uintptr_t)(array)) / sizeof((array)[0]))
#define OFFSET_IN(address, array) ((uintptr_t)(address) - (uintptr_t)(array))
#define IS_IN(address, array) (OFFSET_IN(address, array) < sizeof(array))

extern struct w_segment w_segment;
extern struct sb_view w_view;
extern struct w_ghost w_ghost;
extern struct w_process w_processes[W_PROCESSES];
extern const struct w_plan *w_plan;
extern const struct x_world w_world;

/* Which process acts: that of the running actor, or the one the world acts for. */
uint32_t w_me(void);
extern uint32_t w_acting;
/* As in a process that may not call it: set before the first schedule. */
extern bool w_no_membarrier;
struct shmbus_channel *w_handle(uint32_t process, uint32_t channel);
/* Its stock of blocks, if its kind has one. */
void w_flush(uint32_t process, uint32_t channel);
struct shmbus_region *w_region_of(uint32_t process);

void w_setup(const void *plan);
/* A slice of a wait is over. */
void w_pass_time(void);
/* Fills the handle of a stream's end that @process holds by now. */
void w_open_stream(uint32_t process, uint32_t channel, bool sender);

/* ghost.c */
void w_ghost_access(uint32_t actor, const void *address, uint64_t old, uint64_t now);
void w_begin(uint32_t process, enum w_op op, uint32_t channel);
void w_end(uint32_t process);
uint32_t w_waiting(uint32_t channel); /* messages in the ring */
bool w_has_for_receiver(uint32_t channel);
/* A message has just been received; false if it is not as it must be. */
void w_check_received(uint32_t process, const struct shmbus_msg *msg);
void w_ghost_finish(void);
bool w_is_living(uint32_t process);
/* For the parts of the ghost. */
extern const char *const w_state_names[];
uint32_t w_living_owner(uint64_t hdr);
bool w_is_address(uint32_t from, uint32_t to, bool dead_letter);
void w_redelivered(struct w_message *m, uint64_t old, uint64_t now);
void w_given_back(struct w_message *m, uint64_t now);
/* Message @m is received, for the first time or again: nothing that was given back comes before. */
void w_check_older(const struct w_message *m, bool again);

/* ghost_lanes.c */
bool w_has_lanes(uint32_t channel);
void w_lane_access(const void *address, uint64_t old, uint64_t now);
/* Notes which lanes are empty, and whether the process's own is full. */
void w_note_lanes(uint32_t channel);
uint32_t w_waiting_in_lanes(uint32_t channel);
/* Whether the process's own lane takes another message now. */
bool w_lane_has_room(uint32_t process, uint32_t channel);
void w_check_cells(void);

/* sweepers.c */
void w_sweeps_begin(uint32_t process, const struct sb_member *member);
void w_sweep_rounds(uint32_t process, uint32_t count);
void w_newcomer_looks(void);
/* Nobody can go on: whoever is left makes rounds, and everything must have been noticed. */
void w_sweeps_settle(void);

/* ghost_stream.c */
void w_stream_access(const void *address, uint64_t old, uint64_t now);
void w_stream_received(const struct shmbus_msg *msg);
bool w_stream_room(uint32_t need);

/* plain.c */
bool w_is_plain(uint32_t channel);
int w_plain_send(uint32_t process, uint32_t channel, int64_t timeout_ns);
void w_plain_reserve(uint32_t process, uint32_t channel, bool commit);
int w_plain_recv(uint32_t process, uint32_t channel, int64_t timeout_ns);
int w_plain_release(struct shmbus_msg *msg);
void w_plain_give_back(struct shmbus_msg *msg, bool undo);
void w_plain_close(uint32_t process, uint32_t channel);
bool w_plain_could_go_on(uint32_t channel, const void *address);
void w_plain_probe(uint32_t channel);
void w_plain_finish(uint32_t channel);

/* script.c */
uint32_t w_next_id(uint32_t process);
void w_script_actor(uint32_t actor);
void w_run_script(uint32_t process, const char *script);
int w_send(uint32_t process, uint32_t channel, int64_t timeout_ns);
int w_recv(uint32_t process, uint32_t channel, int64_t timeout_ns);
int w_release(uint32_t process, uint32_t index);
/* False: all have been taken. */
bool w_take_lane(uint32_t process, uint32_t channel);
void w_leave_lane(uint32_t process, uint32_t channel);
bool w_has_lane(uint32_t process, uint32_t channel);
void w_stream_driver(bool send, uint32_t words);
void w_region_finish(void);

/* finish.c */
void w_probe(void);
void w_finish(void);
bool w_quiescent(void);

/* What an actor waits for besides the library's events. */
enum w_wait { W_WAIT_NONE, W_WAIT_FUTEX, W_WAIT_DEATH, W_WAIT_SLOT, W_WAIT_END, W_WAIT_REST };
struct w_sleep {
    enum w_wait what;
    const void *address;
    uint32_t slot;
};
extern struct w_sleep w_sleeps[X_ACTORS_MAX];
void w_wait_for(enum w_wait what, uint32_t slot);

#endif
