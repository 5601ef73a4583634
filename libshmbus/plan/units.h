/*
 * Quantities as people write them in a configuration, and guesses at what they meant.
 */
#ifndef SB_UNITS_H
#define SB_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All take the whole text or nothing. On failure *ret is untouched and the sentence says why; it is
 * static. NULL is success. */

/* "1024": decimal digits only. */
const char *sb_parse_count(const char *text, uint64_t *ret);
/* "256", "4KiB", "1MiB", "2GiB", "10MB": bytes; a space before the unit is fine. */
const char *sb_parse_size(const char *text, uint64_t *ret_bytes);
/* "5s", "250ms", "10us", "100ns", "1m", "1h": the unit is required. */
const char *sb_parse_duration(const char *text, int64_t *ret_ns);

/* How many letters to change, insert, remove or swap with their neighbour to get from one word to
 * the other; words over 47 letters are SIZE_MAX away. */
size_t sb_word_distance(const char *a, const char *b);
/* The one of @words most like @word, NULL if none is close enough to be a slip of the finger. */
const char *sb_nearest_word(const char *word, const char *const *words, size_t count);

#endif
