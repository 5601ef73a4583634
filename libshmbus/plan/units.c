/* SPDX-License-Identifier: MIT */
#include "plan/units.h"

#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"K", 1 << 10},
    {"Ki", 1 << 10},
    {"KiB", 1 << 10},
    {"M", 1 << 20},
    {"Mi", 1 << 20},
    {"MiB", 1 << 20},
    {"G", 1 << 30},
    {"Gi", 1 << 30},
    {"GiB", 1 << 30},
    {"T", 1ull << 40},
    {"Ti", 1ull << 40},
    {"TiB", 1ull << 40},
    {"kB", 1000},
    {"MB", 1000000},
    {"GB", 1000000000},
    {"TB", 1000000000000},
};

#define SECOND 1000000000ull
static const struct unit duration_units[] = {
    {"", SECOND},         {"ns", 1},
    {"us", 1000},         {"ms", 1000000},
    {"s", SECOND},        {"sec", SECOND},
    {"m", 60 * SECOND},   {"min", 60 * SECOND},
    {"h", 3600 * SECOND}, {"d", 86400 * SECOND},
};

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const char too_large[] = "the number is too large";
static const char not_whole[] = "a fraction of a byte, nanosecond or piece is left over";
static const char two_meanings[] =
    "a number with a leading 0 is octal to some and decimal to others; "
    "leave the 0 away, or write 0o for octal";

/* mantissa * 10^exponent */
struct number {
    uint64_t mantissa;
    int exponent;
};

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

/* The digits at @text, with single _ in between; *ret_end points behind them. */
static const char *take_digits(const char *text, int base, uint64_t *value, int *ret_count,
                               const char **ret_end)
{
    const char *c = text;
    int count = 0;

    for (;; c++) {
        int digit = digit_value(*c);
        if (*c == '_' && count > 0 && digit_value(c[1]) < base) {
            continue;
        }
        if (digit >= base) {
            break;
        }
        if (__builtin_mul_overflow(*value, (uint64_t)base, value) ||
            __builtin_add_overflow(*value, (uint64_t)digit, value)) {
            return too_large;
        }
        count++;
    }
    *ret_count = count;
    *ret_end = c;
    return NULL;
}

/* ".5", "e+07": what makes a decimal number a float. */
static const char *take_fraction(const char *text, struct number *n, const char **ret_end)
{
    const char *why = NULL, *c = text;
    uint64_t power = 0;
    int count = 0;

    if (*c == '.' && digit_value(c[1]) < 10) {
        why = take_digits(c + 1, 10, &n->mantissa, &count, &c);
        n->exponent = -count;
    }
    if (why == NULL && (*c == 'e' || *c == 'E')) {
        const char *digits = c + 1 + (c[1] == '+' || c[1] == '-');
        if (digit_value(*digits) < 10) {
            bool minus = c[1] == '-';
            why = take_digits(digits, 10, &power, &count, &c);
            if (why == NULL && power > 60) {
                return too_large;
            }
            n->exponent += minus ? -(int)power : (int)power;
        }
    }
    *ret_end = c;
    return why;
}

/* A number as YAML 1.1 and 1.2 have them: decimal, 0x, 0o, with _, or a float. NULL: *ret_end is
 * behind it; @help if there is none. */
static const char *take_number(const char *text, const char *help, struct number *ret,
                               const char **ret_end)
{
    struct number n = {0, 0};
    bool prefixed = text[0] == '0' && (text[1] == 'x' || text[1] == 'o');
    int base = !prefixed ? 10 : text[1] == 'x' ? 16 : 8, count = 0;
    const char *end = text;
    const char *why = take_digits(text + (prefixed ? 2 : 0), base, &n.mantissa, &count, &end);

    if (why == NULL && count == 0) {
        return help;
    }
    if (why == NULL && !prefixed && count > 1 && text[0] == '0') {
        return two_meanings;
    }
    if (why == NULL && !prefixed) {
        why = take_fraction(end, &n, &end);
    }
    *ret = n;
    *ret_end = end;
    return why;
}

__extension__ typedef unsigned __int128 wide; /* 64-bit machines have it */

/* n * factor, which has to be whole. */
static const char *whole_product(struct number n, uint64_t factor, uint64_t *ret)
{
    wide value = (wide)n.mantissa * factor;

    for (; n.exponent > 0 && value > 0; n.exponent--) {
        if (value > UINT64_MAX) {
            return too_large;
        }
        value *= 10;
    }
    for (; n.exponent < 0 && value > 0; n.exponent++) {
        if (value % 10 != 0) {
            return not_whole;
        }
        value /= 10;
    }
    if (value > UINT64_MAX) {
        return too_large;
    }
    *ret = (uint64_t)value;
    return NULL;
}

const char *sb_parse_count(const char *text, uint64_t *ret)
{
    static const char help[] = "expected a whole number";
    struct number n;
    const char *end, *why = take_number(text, help, &n, &end);

    if (why != NULL) {
        return why;
    }
    return *end != '\0' ? help : whole_product(n, 1, ret);
}

/* The unit at @text, that ends with it or before the next digit. */
static const struct unit *unit_at(const char *text, size_t bytes, const struct unit *units,
                                  size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(units[i].name) == bytes && strncmp(units[i].name, text, bytes) == 0) {
            return &units[i];
        }
    }
    return NULL;
}

const char *sb_parse_size(const char *text, uint64_t *ret_bytes)
{
    static const char help[] = "expected a size such as 256, 4KiB, 1MiB or 2GiB; K, M, G and T are "
                               "powers of 1024, kB, MB, GB and TB of 1000";
    const struct unit *unit;
    struct number n;
    const char *end, *why = take_number(text, help, &n, &end);

    if (why != NULL) {
        return why;
    }
    end += *end == ' ' && end[1] != '\0';
    unit = unit_at(end, strlen(end), size_units, COUNT_OF(size_units));
    return unit == NULL ? help : whole_product(n, unit->factor, ret_bytes);
}

/* One after the other, the larger unit first: 1h30m. A number alone is seconds. */
const char *sb_parse_duration(const char *text, int64_t *ret_ns)
{
    static const char help[] = "expected a duration such as 5s, 250ms, 10us, 1m30s, 2h or 1d; "
                               "without a unit it is seconds";
    uint64_t sum = 0, last = UINT64_MAX;
    const char *c = text;

    do {
        const struct unit *unit;
        struct number n;
        uint64_t ns;
        const char *end, *why = take_number(c, help, &n, &end);
        if (why != NULL) {
            return why;
        }
        end += *end == ' ' && end[1] != '\0';
        size_t bytes = strcspn(end, "0123456789");
        unit = unit_at(end, bytes, duration_units, COUNT_OF(duration_units));
        if (unit == NULL || unit->factor >= last || (bytes == 0 && (c != text || *end != '\0'))) {
            return help;
        }
        why = whole_product(n, unit->factor, &ns);
        if (why != NULL) {
            return why;
        }
        if (__builtin_add_overflow(sum, ns, &sum) || sum > INT64_MAX) {
            return too_large;
        }
        last = unit->factor;
        c = end + bytes;
    } while (*c != '\0');
    *ret_ns = (int64_t)sum;
    return NULL;
}

const char *sb_parse_bool(const char *text, bool *ret)
{
    static const char *const yes[] = {"true", "yes", "on", "y"}, *const no[] = {"false", "no",
                                                                                "off", "n"};
    bool upper = text[0] >= 'A' && text[0] <= 'Z';

    /* true, True, TRUE, but not tRUE */
    for (const char *c = text; *c != '\0'; c++) {
        bool is_upper = *c >= 'A' && *c <= 'Z';
        if (c > text && is_upper != (text[1] >= 'A' && text[1] <= 'Z')) {
            return "expected true or false";
        }
        if (c > text && is_upper && !upper) {
            return "expected true or false";
        }
    }
    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *ret = strcasecmp(text, yes[i]) == 0;
            return NULL;
        }
    }
    return "expected true or false";
}
