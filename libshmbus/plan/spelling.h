/* SPDX-License-Identifier: MIT */
/*
 * Guesses at what people meant, in a configuration or on a command line. Knows nothing of the
 * library: shmbusctl is built with this file as well, so that both guess alike.
 */
#ifndef SB_SPELLING_H
#define SB_SPELLING_H

#include <stddef.h>

/* How many letters to change, insert, remove or swap with their neighbour to get from one word to
 * the other; words over 47 letters are SIZE_MAX away. */
size_t sb_word_distance(const char *a, const char *b);
/* The one of @words most like @word, NULL if none is close enough to be a slip of the finger.
 * The beginning of a word is close. */
const char *sb_nearest_word(const char *word, const char *const *words, size_t count);

#endif
