/* SPDX-License-Identifier: MIT */
/* A snapshot as JSON, schema 1: see shmbusctl(1). */
#include "json.h"
#include "snapshot.h"

static struct json_object *bus_json(const struct shmbus_bus_stat *bus)
{
    struct json_object *object = json_object_new_object();
    char mode[8];

    snprintf(mode, sizeof(mode), "%04o", (unsigned)bus->mode & 07777);
    json_add_text(object, "name", bus->name);
    json_add_text(object, "path", bus->path);
    json_add_text(object, "uuid", bus->uuid);
    json_add_count(object, "segment_bytes", bus->segment_bytes);
    json_add_signed(object, "created_realtime_ns", bus->created_realtime_ns);
    json_add_count(object, "layout_major", bus->layout_major);
    json_add_count(object, "layout_minor", bus->layout_minor);
    json_add_count(object, "processes_max", bus->processes_max);
    json_add_count(object, "processes_alive", bus->processes_alive);
    json_add_count(object, "processes_idle", bus->processes_idle);
    json_add_count(object, "processes_stalled", bus->processes_stalled);
    json_add_count(object, "processes_dead", bus->processes_dead);
    json_add_count(object, "channels_max", bus->channels_max);
    json_add_count(object, "channels_used", bus->channels_used);
    json_add_count(object, "regions", bus->regions);
    json_add_count(object, "block_classes", bus->block_classes);
    json_add_count(object, "recoveries", bus->recoveries);
    json_add_count(object, "attaches", bus->attaches);
    json_add_signed(object, "heartbeat_interval_ns", bus->heartbeat_interval_ns);
    json_add_signed(object, "heartbeat_timeout_ns", bus->heartbeat_timeout_ns);
    json_add_count(object, "owner_uid", bus->owner_uid);
    json_add_text(object, "mode", mode);
    json_add_bool(object, "shutting_down", bus->shutting_down);
    json_add_bool(object, "unlinked", bus->unlinked);
    json_add_count(object, "device", bus->device);
    json_add_count(object, "inode", bus->inode);
    json_add_text(object, "other_uuid", bus->other_uuid);
    return object;
}

static struct json_object *counters_json(const uint64_t *counters)
{
    struct json_object *object = json_object_new_object();

    for (unsigned i = 0; i < SHMBUS_COUNTER_COUNT; i++)
        json_add_count(object, shmbus_counter_name(i), counters[i]);
    return object;
}

/* Only when there is an earlier snapshot of the same thing to compare with. */
static void add_rates(struct json_object *object, const uint64_t *now, const uint64_t *before,
                      double seconds)
{
    static const struct {
        const char *name;
        unsigned counter;
    } rates[] = {
        {"sent_per_s", SHMBUS_COUNT_sent},
        {"sent_bytes_per_s", SHMBUS_COUNT_sent_bytes},
        {"received_per_s", SHMBUS_COUNT_received},
        {"received_bytes_per_s", SHMBUS_COUNT_received_bytes},
    };
    struct json_object *list;

    if (!before || seconds <= 0)
        return;
    list = json_object_new_object();
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
        json_add_number(list, rates[i].name,
                        (double)(now[rates[i].counter] - before[rates[i].counter]) / seconds);
    json_add(object, "rates", list);
}

static struct json_object *channel_json(const struct channel_row *row)
{
    const struct shmbus_channel_stat *now = row->now;
    struct json_object *object = json_object_new_object();

    json_add_text(object, "name", now->name);
    json_add_text(object, "kind", shmbus_kind_name(now->kind));
    json_add_text(object, "on_full", shmbus_on_full_name(now->on_full));
    json_add_text(object, "order", snapshot_order(now));
    json_add_count(object, "lanes", now->lanes);
    json_add_count(object, "lanes_used", now->lanes_used);
    json_add_count(object, "max_deliveries", now->max_deliveries);
    json_add_text(object, "dead_letter", now->dead_letter);
    json_add_count(object, "capacity", now->capacity);
    json_add_count(object, "depth", now->depth);
    json_add_count(object, "depth_max", now->depth_max);
    json_add_text(object, "depth_unit", now->kind == SHMBUS_KIND_STREAM ? "bytes" : "messages");
    json_add_count(object, "held", now->held);
    json_add_count(object, "redeliverable", now->redeliverable);
    json_add_count(object, "dead_letters", now->dead_letters);
    json_add_count(object, "letters_kept", now->letters_kept);
    json_add_signed(object, "letter_age_ns", now->letter_age_ns);
    json_add_count(object, "senders", now->senders);
    json_add_count(object, "receivers", now->receivers);
    json_add(object, "counters", counters_json(now->counters));
    add_rates(object, now->counters, row->before ? row->before->counters : NULL, row->seconds);
    return object;
}

static struct json_object *process_json(const struct process_row *row)
{
    const struct shmbus_process_stat *now = row->now;
    struct json_object *object = json_object_new_object();

    json_add_text(object, "name", now->name);
    json_add_count(object, "slot", now->slot);
    json_add_count(object, "epoch", now->epoch);
    json_add_text(object, "state", shmbus_life_name(now->life));
    json_add_signed(object, "pid", now->pid);
    json_add_count(object, "pid_namespace", now->pid_namespace);
    json_add_bool(object, "same_pid_namespace", now->same_pid_namespace);
    json_add_count(object, "start_time_ticks", now->start_time_ticks);
    json_add_count(object, "uid", now->uid);
    json_add_signed(object, "attached_age_ns", now->attached_age_ns);
    json_add_signed(object, "heartbeat_age_ns", now->heartbeat_age_ns);
    json_add_count(object, "progress", now->progress);
    json_add_count(object, "held_blocks", now->held_blocks);
    json_add_count(object, "stock_blocks", now->stock_blocks);
    json_add_count(object, "half_sent", now->half_sent);
    json_add_count(object, "regions_locked", now->regions_locked);
    json_add_count(object, "handles", now->handles);
    json_add_count(object, "handles_left", now->handles_left);
    json_add_count(object, "held_left", now->held_left);
    json_add_count(object, "waiting_calls", now->waiting_calls);
    json_add_text(object, "waits_in", now->waits_in);
    json_add_bool(object, "stopped", now->stopped);
    json_add(object, "counters", counters_json(now->counters));
    add_rates(object, now->counters, row->before ? row->before->counters : NULL, row->seconds);
    return object;
}

static struct json_object *block_json(const struct shmbus_block_stat *block)
{
    struct json_object *object = json_object_new_object();

    json_add_count(object, "size_bytes", block->size_bytes);
    json_add_count(object, "count", block->count);
    json_add_count(object, "common", block->common);
    json_add_count(object, "free", block->free);
    json_add_count(object, "common_free", block->common_free);
    json_add_count(object, "queued", block->queued);
    json_add_count(object, "held", block->held);
    json_add_count(object, "stock", block->stock);
    json_add_count(object, "redeliverable", block->redeliverable);
    json_add_count(object, "dead_letters", block->dead_letters);
    return object;
}

static struct json_object *region_json(const struct shmbus_region_stat *region)
{
    struct json_object *object = json_object_new_object();

    json_add_text(object, "name", region->name);
    json_add_count(object, "bytes", region->bytes);
    json_add_count(object, "writes", region->writes);
    json_add_count(object, "rollbacks", region->rollbacks);
    return object;
}

static void append(struct json_object *list, struct json_object *item)
{
    if (!list || json_object_array_add(list, item) != 0)
        json_object_put(item);
}

struct json_object *snapshot_json(const struct snapshot *now, const struct snapshot *before,
                                  unsigned sections)
{
    struct json_object *object = json_document(), *list;

    json_add_signed(object, "time_ns", now->realtime_ns);
    if (before)
        json_add_signed(object, "interval_ns", now->monotonic_ns - before->monotonic_ns);
    json_add(object, "bus", bus_json(&now->bus));
    if (sections & SNAPSHOT_CHANNELS) {
        json_add(object, "channels", list = json_object_new_array());
        for (size_t i = 0; i < now->channel_count; i++) {
            struct channel_row row = snapshot_channel(now, before, i);

            append(list, channel_json(&row));
        }
    }
    if (sections & SNAPSHOT_PROCESSES) {
        json_add(object, "processes", list = json_object_new_array());
        for (size_t i = 0; i < now->process_count; i++) {
            struct process_row row = snapshot_process(now, before, i);

            append(list, process_json(&row));
        }
    }
    if (sections & SNAPSHOT_BLOCKS) {
        json_add(object, "blocks", list = json_object_new_array());
        for (size_t i = 0; i < now->block_count; i++)
            append(list, block_json(&now->blocks[i]));
    }
    if (sections & SNAPSHOT_REGIONS) {
        json_add(object, "regions", list = json_object_new_array());
        for (size_t i = 0; i < now->region_count; i++)
            append(list, region_json(&now->regions[i]));
    }
    return object;
}
