/* SPDX-License-Identifier: MIT */
/* Text, numbers and units. */
#include "text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../libshmbus/plan/units.h"

/* The grammar is that of YAML: one file for both. */
bool text_parse_count(const char *text, uint64_t *ret_count)
{
    return sb_parse_count(text, ret_count) == NULL;
}

bool text_parse_size(const char *text, uint64_t *ret_bytes)
{
    return sb_parse_size(text, ret_bytes) == NULL;
}

bool text_parse_duration(const char *text, int64_t *ret_ns)
{
    return sb_parse_duration(text, ret_ns) == NULL;
}

bool text_parse_bool(const char *text, bool *ret_value)
{
    return sb_parse_bool(text, ret_value) == NULL;
}

void text_size(uint64_t bytes, bool exact, char *out, size_t out_bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes / 1024;
    size_t unit = 0;

    if (exact || bytes < 1024) {
        snprintf(out, out_bytes, "%ju%s", (uintmax_t)bytes, exact ? "" : "B");
        return;
    }
    for (; value >= 1023.95 && unit < 5; unit++)
        value /= 1024;
    snprintf(out, out_bytes, "%.1f%s", value, units[unit]);
}

int64_t text_since_ns(int64_t now_ns, int64_t then_ns)
{
    return then_ns < 0 ? -1 : now_ns - then_ns;
}

void text_age(int64_t ns, char *out, size_t out_bytes)
{
    int64_t seconds = ns / 1000000000;

    if (ns < 0)
        snprintf(out, out_bytes, "-");
    else if (ns < 1000000)
        snprintf(out, out_bytes, "%jdus", (intmax_t)(ns / 1000));
    else if (seconds < 1)
        snprintf(out, out_bytes, "%jdms", (intmax_t)(ns / 1000000));
    else if (seconds < 60)
        snprintf(out, out_bytes, "%jd.%jds", (intmax_t)seconds, (intmax_t)(ns / 100000000 % 10));
    else if (seconds < 3600)
        snprintf(out, out_bytes, "%jdm%02jds", (intmax_t)(seconds / 60), (intmax_t)(seconds % 60));
    else if (seconds < 86400)
        snprintf(out, out_bytes, "%jdh%02jdm", (intmax_t)(seconds / 3600),
                 (intmax_t)(seconds / 60 % 60));
    else
        snprintf(out, out_bytes, "%jdd%02jdh", (intmax_t)(seconds / 86400),
                 (intmax_t)(seconds / 3600 % 24));
}

void text_rate(double rate, char *out, size_t out_bytes)
{
    if (rate < 1000)
        snprintf(out, out_bytes, rate < 10 && rate > 0 ? "%.1f" : "%.0f", rate);
    else if (rate < 1e6)
        snprintf(out, out_bytes, "%.1fk", rate / 1e3);
    else if (rate < 1e9)
        snprintf(out, out_bytes, "%.2fM", rate / 1e6);
    else
        snprintf(out, out_bytes, "%.2fG", rate / 1e9);
}

size_t text_utf8_char(const unsigned char *bytes, size_t left)
{
    unsigned char lead = bytes[0];
    size_t length = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;

    if (lead > 0xF4 || length == 0 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
    /* overlong forms, surrogates, beyond the last code point */
    if ((lead == 0xE0 && bytes[1] < 0xA0) || (lead == 0xED && bytes[1] > 0x9F) ||
        (lead == 0xF0 && bytes[1] < 0x90) || (lead == 0xF4 && bytes[1] > 0x8F))
        return 0;
    return length;
}

bool text_is_utf8(const void *data, size_t size_bytes)
{
    const unsigned char *bytes = data;

    for (size_t at = 0; at < size_bytes;) {
        size_t length = text_utf8_char(bytes + at, size_bytes - at);

        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

void text_clean(const char *in, char *out, size_t out_bytes)
{
    const unsigned char *bytes = (const unsigned char *)in;
    size_t left = strlen(in), used = 0;

    while (left) {
        size_t length = text_utf8_char(bytes, left);
        bool control = length <= 1 && (bytes[0] < 0x20 || bytes[0] >= 0x7F);

        if (length == 2 && bytes[0] == 0xC2 && bytes[1] < 0xA0)
            control = true; /* U+0080 .. U+009F: terminals may obey them as well */
        if (used + (control ? 1 : length) >= out_bytes)
            break;
        if (control)
            out[used++] = '?';
        else
            for (size_t i = 0; i < length; i++)
                out[used++] = (char)bytes[i];
        length = length ? length : 1;
        bytes += length;
        left -= length;
    }
    out[used] = 0;
}

size_t text_width(const char *text)
{
    size_t width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

char text_hex_digit(unsigned value)
{
    return "0123456789abcdef"[value & 15];
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

long text_from_hex(const char *text, size_t text_bytes, unsigned char *out, size_t *ret_bad)
{
    long count = 0;

    for (size_t at = 0; at < text_bytes; at += 2) {
        int high, low;

        while (at < text_bytes && isspace((unsigned char)text[at]))
            at++;
        if (at == text_bytes)
            break;
        high = hex_value(text[at]);
        low = at + 1 < text_bytes ? hex_value(text[at + 1]) : -1;
        if (high < 0 || low < 0) {
            *ret_bad = high < 0 ? at : at + 1;
            return -1;
        }
        out[count++] = (unsigned char)(high << 4 | low);
    }
    return count;
}
