#include "plan/units.h"

#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit size_units[] = {
    {"", 1},          {"B", 1},         {"kB", 1000},     {"MB", 1000000},     {"GB", 1000000000},
    {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1ull << 40},
};

static const struct unit duration_units[] = {
    {"ns", 1},
    {"us", 1000},
    {"ms", 1000000},
    {"s", 1000000000},
    {"m", 60ull * 1000000000},
    {"h", 3600ull * 1000000000},
};

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* The digits at the start of @text; *ret_end points behind them. False: none, or too many. */
static bool leading_number(const char *text, uint64_t *ret, const char **ret_end)
{
    uint64_t value = 0;
    const char *c = text;

    for (; *c >= '0' && *c <= '9'; c++) {
        uint64_t digit = (uint64_t)(*c - '0');
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    if (c == text)
        return false;
    *ret = value;
    *ret_end = c;
    return true;
}

const char *sb_parse_count(const char *text, uint64_t *ret)
{
    uint64_t value;
    const char *end;
    if (!leading_number(text, &value, &end) || *end != '\0')
        return "expected a whole number";
    *ret = value;
    return NULL;
}

static const char *parse_quantity(const char *text, const struct unit *units, size_t unit_count,
                                  const char *help, uint64_t *ret)
{
    uint64_t value;
    const char *end;

    if (!leading_number(text, &value, &end))
        return help;
    if (*end == ' ' && end[1] != '\0')
        end++;
    for (size_t i = 0; i < unit_count; i++) {
        if (strcmp(units[i].name, end) != 0)
            continue;
        if (__builtin_mul_overflow(value, units[i].factor, &value))
            return "the number is too large";
        *ret = value;
        return NULL;
    }
    return help;
}

const char *sb_parse_size(const char *text, uint64_t *ret_bytes)
{
    return parse_quantity(text, size_units, COUNT_OF(size_units),
                          "expected a size such as 256, 4KiB, 1MiB or 2GiB", ret_bytes);
}

const char *sb_parse_duration(const char *text, int64_t *ret_ns)
{
    uint64_t ns;
    const char *why =
        parse_quantity(text, duration_units, COUNT_OF(duration_units),
                       "expected a duration with its unit, such as 5s, 250ms, 10us, 1m or 1h", &ns);
    if (why != NULL)
        return why;
    if (ns > INT64_MAX)
        return "the number is too large";
    *ret_ns = (int64_t)ns;
    return NULL;
}

enum { WORD_MAX = 47 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Damerau-Levenshtein, restricted: row by row, with the row before the previous for swaps. */
size_t sb_word_distance(const char *a, const char *b)
{
    size_t rows[3][WORD_MAX + 1];
    size_t a_length = strnlen(a, WORD_MAX + 1), b_length = strnlen(b, WORD_MAX + 1);

    if (a_length > WORD_MAX || b_length > WORD_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *now = rows[i % 3];
        const size_t *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

const char *sb_nearest_word(const char *word, const char *const *words, size_t count)
{
    const char *nearest = NULL;
    size_t length = strnlen(word, WORD_MAX);
    size_t limit = length <= 3 ? 1 : length <= 6 ? 2 : 3; /* beyond: another word */

    for (size_t i = 0; i < count; i++) {
        size_t distance = sb_word_distance(word, words[i]);
        if (distance <= limit) {
            nearest = words[i];
            limit = distance - (distance > 0);
            if (distance == 0)
                break;
        }
    }
    return nearest;
}
