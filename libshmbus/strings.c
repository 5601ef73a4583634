/* SPDX-License-Identifier: MIT */
/*
 * Texts for people: names of counters and of message types, the version. Generated from the tables
 * in shmbus.h.
 */
#include <shmbus/shmbus.h>

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

const char *shmbus_version(void)
{
    return SHMBUS_VERSION;
}
