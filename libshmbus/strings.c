/* SPDX-License-Identifier: MIT */
/*
 * Texts for people: names of counters and of the numbers in enums, the version.
 */
#include "layout/geometry.h"
#include "layout/words.h"

struct counter_row {
    const char *name;
    const char *unit;
    const char *text;
};

#define COUNTER_ROW(name, unit, text) {#name, (unit), (text)},
static const struct counter_row counter_rows[] = {SHMBUS_COUNTERS(COUNTER_ROW)};
#undef COUNTER_ROW

const char *shmbus_counter_name(unsigned counter)
{
    return counter < SHMBUS_COUNTER_COUNT ? counter_rows[counter].name : NULL;
}

const char *shmbus_counter_unit(unsigned counter)
{
    return counter < SHMBUS_COUNTER_COUNT ? counter_rows[counter].unit : NULL;
}

const char *shmbus_counter_text(unsigned counter)
{
    return counter < SHMBUS_COUNTER_COUNT ? counter_rows[counter].text : NULL;
}

const char *shmbus_type_name(unsigned type)
{
    switch (type) {
    case SHMBUS_TYPE_DATA:
        return "data";
    case SHMBUS_TYPE_CONTROL:
        return "control";
    case SHMBUS_TYPE_REQUEST:
        return "request";
    case SHMBUS_TYPE_RESPONSE:
        return "response";
    case SHMBUS_TYPE_NOTIFICATION:
        return "notification";
    case SHMBUS_TYPE_HEARTBEAT:
        return "heartbeat";
    case SHMBUS_TYPE_ERROR:
        return "error";
    case SHMBUS_TYPE_STOP:
        return "stop";
    default:
        break;
    }
    if (type > UINT8_MAX)
        return "?";
    return type < SHMBUS_TYPE_USER ? "reserved" : "user";
}

const char *shmbus_kind_name(unsigned kind)
{
    return sb_kind_is_known(kind) ? sb_kind_name(kind) : "?";
}

const char *shmbus_on_full_name(unsigned on_full)
{
    return sb_word_or(sb_on_full_name(on_full), "?");
}

const char *shmbus_order_name(unsigned order)
{
    return sb_word_or(sb_order_name(order), "?");
}

const char *shmbus_life_name(unsigned life)
{
    switch (life) {
    case SHMBUS_LIFE_ALIVE:
        return "alive";
    case SHMBUS_LIFE_IDLE:
        return "idle";
    case SHMBUS_LIFE_STALLED:
        return "stalled";
    case SHMBUS_LIFE_DEAD:
        return "dead";
    default:
        return "?";
    }
}

const char *shmbus_severity_name(unsigned severity)
{
    switch (severity) {
    case SHMBUS_SEVERITY_NOTE:
        return "note";
    case SHMBUS_SEVERITY_WARNING:
        return "warning";
    case SHMBUS_SEVERITY_CRITICAL:
        return "critical";
    default:
        return "?";
    }
}

const char *shmbus_version(void)
{
    return SHMBUS_VERSION;
}
