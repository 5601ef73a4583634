/* SPDX-License-Identifier: MIT */
#include "plan/spelling.h"

#include <stdint.h>
#include <string.h>

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

/* Two letters or more that a word begins with are as good as a slip. */
static size_t slips(const char *word, size_t length, const char *known)
{
    size_t distance = sb_word_distance(word, known);

    return distance > 1 && length > 1 && strncmp(word, known, length) == 0 ? 1 : distance;
}

const char *sb_nearest_word(const char *word, const char *const *words, size_t count)
{
    const char *nearest = NULL;
    size_t length = strnlen(word, WORD_MAX);
    size_t limit = length <= 3 ? 1 : length <= 6 ? 2 : 3; /* beyond: another word */

    for (size_t i = 0; i < count; i++) {
        size_t distance = slips(word, length, words[i]);
        if (distance <= limit) {
            nearest = words[i];
            limit = distance - (distance > 0);
            if (distance == 0)
                break;
        }
    }
    return nearest;
}
