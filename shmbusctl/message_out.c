/* SPDX-License-Identifier: MIT */
/* Messages on their way to stdout. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "ctl.h"
#include "json.h"
#include "message.h"
#include "text.h"

static const char *type_name(unsigned type)
{
    const char *name = shmbus_type_name(type);

    return name ? name : "?";
}

static void write_headers(const struct shmbus_msg *msg)
{
    printf("# sequence=%ju type=%s/%u size=%zu delivery=%u sender=%u correlation=%ju time_ns=%jd\n",
           (uintmax_t)msg->sequence, type_name(msg->type), msg->type, msg->size_bytes,
           msg->delivery_count, msg->sender, (uintmax_t)msg->correlation_id,
           (intmax_t)msg->time_ns);
}

static void write_hex(const unsigned char *data, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++) {
        putchar(text_hex_digit(data[i] >> 4));
        putchar(text_hex_digit(data[i]));
    }
}

/* For a terminal: what could steer it is shown instead of obeyed. */
static void write_escaped(const unsigned char *data, size_t size_bytes)
{
    for (size_t at = 0; at < size_bytes;) {
        size_t length = text_utf8_char(data + at, size_bytes - at);
        bool control = length == 0 ||
                       (length == 1 && (data[at] < 0x20 || data[at] == 0x7F) && data[at] != '\n' &&
                        data[at] != '\t') ||
                       (length == 2 && data[at] == 0xC2 && data[at + 1] < 0xA0);

        length = length ? length : 1;
        for (size_t i = 0; i < length; i++)
            if (control)
                printf("\\x%02x", data[at + i]);
            else
                putchar(data[at + i]);
        at += length;
    }
}

/* Text as it is; anything else in hexadecimal, which JSON strings can carry. */
static bool add_data(struct json_object *object, const unsigned char *data, size_t size_bytes)
{
    bool text = text_is_utf8(data, size_bytes);
    char *hex;

    if (size_bytes > INT_MAX / 2) {
        ctl_note("a message of %zu bytes is too long for JSON; use --raw", size_bytes);
        return false;
    }
    json_add_text(object, "encoding", text ? "utf-8" : "hex");
    if (text) {
        json_add(object, "data", json_object_new_string_len((const char *)data, (int)size_bytes));
        return true;
    }
    hex = malloc(2 * size_bytes);
    if (!hex) {
        ctl_note("out of memory");
        return false;
    }
    for (size_t i = 0; i < size_bytes; i++) {
        hex[2 * i] = text_hex_digit(data[i] >> 4);
        hex[2 * i + 1] = text_hex_digit(data[i]);
    }
    json_add(object, "data", json_object_new_string_len(hex, (int)(2 * size_bytes)));
    free(hex);
    return true;
}

static bool write_json(const char *channel, const struct shmbus_msg *msg)
{
    struct json_object *object = json_document();

    json_add_text(object, "channel", channel);
    json_add_count(object, "sequence", msg->sequence);
    json_add_text(object, "type", type_name(msg->type));
    json_add_count(object, "type_number", msg->type);
    json_add_count(object, "size_bytes", msg->size_bytes);
    json_add_count(object, "delivery_count", msg->delivery_count);
    json_add_count(object, "sender", msg->sender);
    json_add_count(object, "correlation_id", msg->correlation_id);
    json_add_signed(object, "time_ns", msg->time_ns);
    if (add_data(object, msg->data, msg->size_bytes))
        return json_print(object, false);
    json_object_put(object);
    return false;
}

bool message_write(const struct message_format *format, const char *channel,
                   const struct shmbus_msg *msg)
{
    if (format->style == MESSAGE_JSON)
        return write_json(channel, msg) && !ferror(stdout);
    if (format->headers)
        write_headers(msg);
    if (format->style == MESSAGE_HEX)
        write_hex(msg->data, msg->size_bytes);
    else if (format->style == MESSAGE_TEXT && format->escape)
        write_escaped(msg->data, msg->size_bytes);
    else if (msg->size_bytes)
        fwrite(msg->data, 1, msg->size_bytes, stdout);
    if (format->style != MESSAGE_RAW)
        putchar('\n');
    return !ferror(stdout);
}
