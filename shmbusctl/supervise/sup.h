/* SPDX-License-Identifier: MIT */
/*
 * The supervisor: one thread, one loop. Everything that happens (a signal, a death, a message) only
 * notes a fact; sup_step() then looks at all programs and does what is due. So it does not matter
 * in which order facts arrive, and a supervisor that was killed goes on from the facts it finds.
 *
 *   program   what FILE has under a name; has `target` slots
 *   slot      one place of a worker: who is there (`current`), who is to follow (`next`)
 *   worker    one process; of a generation; leaves its slot when it is told to go
 *   rollout   a new generation taking over from the old one, slot by slot or all at once
 */
#ifndef SHMBUSCTL_SUPERVISE_SUP_H
#define SHMBUSCTL_SUPERVISE_SUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <shmbus/shmbus.h>

#include "spec.h"

#define SUP_SECOND ((int64_t)1000000000)
#define SUP_NEVER_DUE INT64_MAX
#define SUP_RECENT 512

struct sup;
struct sup_program;

/* A descriptor that the loop looks at. */
struct sup_source {
    int fd;
    void (*ready)(struct sup *s, struct sup_source *source, uint32_t events);
};

/* Why a worker is started or told to go; X(name, word) as in the log, status and metrics. */
#define SUP_REASONS(X)                                                                             \
    X(FIRST, "start")                                                                              \
    X(EXIT, "exit")                                                                                \
    X(CRASH, "crash")                                                                              \
    X(UNKNOWN, "unknown")                                                                          \
    X(NOT_READY, "not-ready")                                                                      \
    X(GROUP, "group")                                                                              \
    X(RELOAD, "reload")                                                                            \
    X(ROLL_BACK, "roll-back")                                                                      \
    X(AGE, "age")                                                                                  \
    X(CRON, "cron")                                                                                \
    X(MESSAGES, "messages")                                                                        \
    X(MEMORY, "memory")                                                                            \
    X(WATCHDOG, "watchdog")                                                                        \
    X(OPERATOR, "operator")                                                                        \
    X(SCALE, "scale")                                                                              \
    X(SHUTDOWN, "shutdown")
#define SUP_REASON_ENUM(name, word) SUP_##name,
enum sup_reason { SUP_REASONS(SUP_REASON_ENUM) SUP_REASON_COUNT };
#undef SUP_REASON_ENUM
extern const char *const sup_reason_names[SUP_REASON_COUNT + 1];

enum sup_state { SUP_STARTING, SUP_READY, SUP_STOPPING };
extern const char *const sup_state_names[];

struct sup_probe {
    pid_t pid; /* 0: none runs */
    int64_t next_ns, limit_ns;
    bool good; /* the last one said yes */
};

/* The limits of one worker, and since when it is to be replaced. */
struct sup_recycle {
    bool set, said_put_off;
    int64_t age_ns, minute, looked_ns;
    int64_t clock_ns; /* when the time that cron has named is to be acted on; 0: none is */
    uint64_t messages, memory_bytes;
    enum sup_reason reason;
    int64_t since_ns, retry_ns; /* 0: not due */
};

struct sup_beat {
    uint64_t progress;
    int64_t since_ns, looked_ns;
    int64_t told_ns; /* WATCHDOG=1 of sd_notify; 0: never */
    bool stalled;
};

struct sup_worker {
    struct sup_source death; /* first: pidfd of one that is no child of ours; -1 for a child */
    struct sup_source start; /* waits there for the word to begin; then says why it could not */
    struct sup_source notify;
    struct sup_worker *next; /* of the program */
    struct sup_program *program;
    struct sup_spec *file;
    const struct sup_program_spec *spec; /* in file */
    uint32_t index, generation;
    uint64_t serial;
    pid_t pid;
    uint64_t start_ticks;
    int pidfd;
    bool ours;       /* a child: its exit code will be known */
    bool told_to_go; /* the word to begin was given */
    int signal_due;  /* to be sent once the state file says so; 0: none */
    bool signal_group;
    enum sup_state state;
    enum sup_reason reason;      /* why it was started */
    enum sup_reason stop_reason; /* why it was told to go */
    bool stop_asked;             /* by us; a death without it is a matter for the policy */
    bool escalated;              /* reload signal, then stop signal, then SIGKILL */
    bool killed;
    int64_t started_ns, ready_ns, limit_ns;
    int64_t started_realtime_ns;
    pid_t old_pid; /* whom it follows, for the log */
    bool said_ready;
    char *status; /* STATUS= of sd_notify, or NULL */
    struct sup_probe probe;
    struct sup_recycle recycle;
    struct sup_beat beat;
    bool dead;
    int wait_status; /* if ours */
    struct rusage usage;
    char *start_error; /* why exec failed */
};

struct sup_slot {
    struct sup_worker *current, *next;
    struct sup_spec *file; /* what is started here, and as which generation */
    uint32_t generation;
    int64_t start_ns; /* not before */
    enum sup_reason start_reason;
    pid_t old_pid;
    uint64_t old_memory_bytes; /* of that one, when it was told to go */
    double old_cpu_s;
    int64_t old_stop_ns;
    uint32_t failures; /* in a row, for the back-off */
    bool done;         /* ended, and the policy says that is all */
    bool given_up;
    int64_t starts[32]; /* when, the last ones */
    uint32_t start_count;
};

struct sup_rollout {
    bool active, rolling_back;
    uint32_t number; /* of the running one, or the last */
    struct sup_spec *to, *from;
    uint32_t to_generation, from_generation;
    uint32_t cursor, end; /* slots */
    uint32_t old_target, new_target;
    enum sup_reason reason;
    uint32_t failed_number; /* the last one that was rolled back */
};

struct sup_program {
    struct sup *s;
    char *name;
    struct sup_spec *file; /* newest that it was given */
    struct sup_program_spec const *spec;
    struct sup_worker *workers; /* all, in slots or leaving */
    struct sup_slot *slots;
    uint32_t slot_count; /* room */
    uint32_t target;     /* workers wanted */
    bool wanted;         /* by the operator; false: stopped */
    bool held;           /* by its group, which is stopping or has not come so far */
    bool removed;        /* no more in FILE: goes when its workers are gone */
    uint32_t generation; /* the highest given out */
    struct sup_rollout rollout;
    uint32_t reloads_asked; /* rollouts wanted; number the running one has not reached: pending */
    struct sup_spec *reload_file;
    enum sup_reason reload_reason;
    uint64_t restarts[SUP_REASON_COUNT];
    double ended_cpu_s; /* of workers that were children and have ended */
    bool said_watchdog;
    bool has_exit;
    int last_exit; /* wait status */
    bool last_exit_known;
};

enum sup_group_phase { SUP_GROUP_RUNNING, SUP_GROUP_STOPPING, SUP_GROUP_STARTING };

struct sup_group {
    const char *name; /* in s->file */
    enum sup_strategy strategy;
    struct sup_program **members;
    size_t count, first, at; /* from `first` on they are stopped and started; `at` is it now */
    enum sup_group_phase phase;
};

struct sup_listener {
    struct sup_socket_spec spec; /* own copies of its texts */
    int fd;
    uint32_t users; /* specs that have it */
    bool made_path; /* unix: ours to remove */
    bool held;      /* whoever started this supervisor has it as well */
};

struct sup_client;

/* Who asks over the bus: its place in the process table, and what its answer has on it. */
struct sup_asker {
    uint64_t correlation, epoch;
    uint32_t slot;
};

struct sup {
    struct sup_spec *file;
    char *path; /* of FILE, absolute */
    int epoll;
    struct sup_source signals, control;
    int64_t now_ns, due_ns;
    bool again; /* a step changed what an earlier part of it looked at */
    bool dirty; /* the state file is out of date */
    bool stopping, done, reexec, adopted, said_no_state;
    int stop_code;
    struct sup_program **programs; /* in the order of FILE */
    size_t program_count;
    struct sup_group *groups;
    size_t group_count;
    struct sup_listener *listeners;
    size_t listener_count;
    struct sup_client *clients;
    struct sup_leftover *leftovers; /* leftovers.c */
    uint64_t serial;
    int64_t started_ns;
    /* directory.c */
    char *dir;
    int lock_fd;
    /* bus.c */
    struct shmbus *bus;
    struct shmbus_channel *events;
    /* commands.c; NULL: only over the socket */
    struct sup_source command;
    struct shmbus_channel *commands, *answers;
    int64_t bus_retry_ns, beats_ns, beat_interval_ns;
    struct shmbus_process_stat *beats; /* the living rows */
    size_t beat_count;
    uint64_t events_lost;
    /* log.c */
    int log_fd;
    bool log_json;
    /* notify_up.c */
    bool said_ready;
    int64_t watchdog_ns, watchdog_next_ns;
    char *said_status;
    char *recent[SUP_RECENT]; /* events as JSON, for `shmbusctl logs` */
    uint64_t recent_count;
    uint64_t alerts_lost;
};

/* ----------------------------------------------------------------------------------------- loop */

int sup_main(struct sup_spec *file); /* takes over @file; the exit code */
void sup_block_signals(void);        /* first of all: an early SIGHUP must not kill */
int sup_run(struct sup *s);          /* until all is stopped; exit code */
void sup_watch(struct sup *s, struct sup_source *source, int fd, uint32_t events,
               void (*ready)(struct sup *, struct sup_source *, uint32_t));
void sup_unwatch(struct sup *s, struct sup_source *source); /* and closes it */
void sup_due(struct sup *s, int64_t when_ns);               /* step again then, at the latest */
int64_t sup_now_ns(void);
int64_t sup_realtime_ns(void);
void sup_stop_everything(struct sup *s);

/* ------------------------------------------------------------------------------------- programs */

struct sup_program *sup_program_add(struct sup *s, struct sup_spec *file, const char *name);
struct sup_program *sup_program_find(const struct sup *s, const char *name);
void sup_program_free(struct sup_program *p);
void sup_program_resize(struct sup_program *p, uint32_t target);
void sup_program_step(struct sup_program *p);
/* All slots have a ready worker, or none to wait for. */
bool sup_program_settled(const struct sup_program *p);
uint32_t sup_program_ready_count(const struct sup_program *p);
const char *sup_program_state(const struct sup_program *p); /* in a word */
bool sup_slot_is_empty(const struct sup_slot *slot);
const char *sup_slot_state(const struct sup_program *p,
                           const struct sup_slot *slot); /* an empty one */
void sup_program_wake(struct sup_program *p);            /* given up or done: begin anew */
void sup_slot_follow(struct sup_slot *slot, struct sup_spec *file, uint32_t generation);
void sup_slot_start(struct sup_program *p, struct sup_slot *slot, bool as_next,
                    enum sup_reason reason);

void sup_rollout_ask(struct sup_program *p, struct sup_spec *file, enum sup_reason reason);
void sup_rollout_step(struct sup_program *p);
void sup_rollout_fail(struct sup_program *p, const struct sup_worker *w);
bool sup_rollout_covers(const struct sup_program *p, const struct sup_worker *w);
bool sup_rollout_owns_slot(const struct sup_program *p, uint32_t index);

void sup_watchdog_look(struct sup_worker *w);
void sup_recycle_look(struct sup_worker *w);
void sup_recycle_step(struct sup_program *p);

void sup_groups_make(struct sup *s);
void sup_groups_step(struct sup *s);
/* A worker of @p died and is to be started again: true if its group takes that over. */
bool sup_group_restart(struct sup_program *p);
void sup_group_give_up(struct sup_program *p);
struct sup_group *sup_group_of(const struct sup_program *p);

/* HUP, `reload`: reads FILE again, for all programs or @only some. 0, or an exit code: it has said
 * why, nothing has changed. */
int sup_reread(struct sup *s, struct sup_program *const *only, size_t only_count);

/* -------------------------------------------------------------------------------------- workers */

struct sup_worker *sup_worker_new(struct sup_program *p, struct sup_spec *file);
void sup_worker_free(struct sup_worker *w); /* takes it out of its program, too */
void sup_worker_step(struct sup_worker *w);
void sup_worker_stop(struct sup_worker *w, enum sup_reason reason);
void sup_worker_abort(struct sup_worker *w, int64_t grace_ns); /* SIGABRT, SIGKILL */
/* Sends the signal that is due; false: none was. */
bool sup_worker_tell(struct sup_worker *w);
void sup_worker_say_replaced(const struct sup_worker *w);
void sup_worker_died(struct sup_worker *w, bool known, int wait_status, const struct rusage *usage);
struct sup_worker *sup_worker_of_pid(const struct sup *s, pid_t pid);
void sup_watch_death(struct sup_worker *w); /* of one that is no child of this process */
/* Takes over who is in the pid file of the program; false: nobody is. */
bool sup_take_over(struct sup_program *p, struct sup_slot *slot);
char *sup_find_command(const struct sup_worker *w); /* its path, to be freed */
bool sup_spawn(struct sup_worker *w);               /* forks; it begins with sup_worker_begin() */
void sup_workers_begin(struct sup *s);
void sup_reap(struct sup *s);
/* Field 22 of /proc/PID/stat as the first time namespace sees it, for a successor in another one.
 * 0: there is no such process. */
uint64_t sup_start_ticks(pid_t pid);
/* "exit code 3", "killed by SIGKILL", "end not known (no child of this supervisor)" */
void sup_death_text(bool known, int wait_status, char *out, size_t out_bytes);
char **sup_environment(const struct sup_worker *w); /* a list to be freed */

void sup_leftovers_of(const struct sup_worker *w); /* that has just died: ends them */
bool sup_leftover_reap(struct sup *s, pid_t pid);  /* false: it is none */
void sup_leftovers_step(struct sup *s);
void sup_leftovers_close(struct sup *s);

enum sup_outcome { SUP_ENDED_WELL, SUP_FAILED, SUP_ABNORMAL, SUP_PERMANENT };
enum sup_outcome sup_outcome_of(const struct sup_worker *w);
bool sup_policy_restarts(const struct sup_restart_spec *r, enum sup_outcome outcome);
int64_t sup_backoff_ns(const struct sup_restart_spec *r, uint32_t failures);
bool sup_too_many_starts(const struct sup_slot *slot, const struct sup_restart_spec *r,
                         int64_t now_ns);

bool sup_worker_is_ready(struct sup_worker *w); /* and asks again in time */
void sup_probe_step(struct sup_worker *w);
bool sup_probe_reap(struct sup *s, pid_t pid, int wait_status);
void sup_probe_end(struct sup_worker *w);

/* ----------------------------------------------------------------------------- the world around */

int sup_dir_open(struct sup *s); /* and locks it: exit code 8 if there is another supervisor */
void sup_dir_remove(struct sup *s);
char *sup_dir_of_bus(const char *bus);

void sup_bus_open(struct sup *s);
void sup_bus_close(struct sup *s);
/* Living rows of the process table, at most 20 ms old. */
void sup_bus_beats(struct sup *s);
const struct shmbus_process_stat *sup_bus_beat_of(struct sup *s, const struct sup_worker *w);
void sup_bus_event(struct sup *s, const char *json);

void sup_notify_open(struct sup_worker *w);
void sup_notify_close(struct sup_worker *w);
void sup_notify_path(const struct sup_worker *w, char *out, size_t out_bytes);

void sup_up_init(struct sup *s);
void sup_up_step(struct sup *s);
void sup_up_say(struct sup *s, const char *text);
void sup_up_hold(const char *name, int fd); /* keeps a socket beyond the death of all */
void sup_up_release(const char *name);

int sup_log_open(struct sup *s, const struct sup_spec *file);
void sup_log_reopen(struct sup *s);
void sup_event(struct sup *s, const struct sup_worker *w, const char *event, bool alert,
               const char *format, ...) __attribute__((format(printf, 5, 6)));
void sup_event_of(struct sup *s, const struct sup_program *p, const char *event, bool alert,
                  const char *format, ...) __attribute__((format(printf, 5, 6)));

void sup_alert(struct sup *s, const char *json);
void sup_alert_step(struct sup *s);
bool sup_alert_reap(pid_t pid);
bool sup_alert_runs(void); /* any */

int sup_control_open(struct sup *s);
void sup_control_close(struct sup *s);
void sup_control_step(struct sup *s);
void sup_control_forget(struct sup *s, const struct sup_program *p);
/* One that came over the bus. */
void sup_control_request(struct sup *s, const char *text, const struct sup_asker *asker);

int sup_commands_plan(struct shmbus_plan *plan); /* adds the queues for them */
void sup_commands_open(struct sup *s);
void sup_commands_close(struct sup *s);
bool sup_asker_lives(const struct sup *s, const struct sup_asker *asker);
void sup_commands_taken(struct sup *s, uint64_t correlation);
void sup_commands_answer(struct sup *s, uint64_t correlation, const char *text);

struct json_object;
struct json_object *sup_status_json(struct sup *s, const struct sup_program *only);

void sup_state_save(struct sup *s);
/* Takes over the workers of a supervisor that died or replaced its own binary. */
void sup_state_adopt(struct sup *s);
void sup_state_groups(struct sup *s); /* where their restarts were */
void sup_reexec(struct sup *s);       /* returns only if it could not */

#endif
