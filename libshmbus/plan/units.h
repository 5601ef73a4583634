/* SPDX-License-Identifier: MIT */
/*
 * Quantities as people write them in a configuration or on a command line. Knows nothing of the
 * library: shmbusctl is built with this file as well, so that both read one grammar.
 */
#ifndef SB_UNITS_H
#define SB_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All take the whole text or nothing. On failure *ret is untouched and the sentence says why; it is
 * static. NULL is success. */

/* "1024", "0x400", "0o2000", "1_024", "1.024e3": whole numbers as YAML 1.1 and 1.2 write them. Not
 * "0123", which is 83 to some and 123 to others. */
const char *sb_parse_count(const char *text, uint64_t *ret);
/* "256", "4KiB", "4K", "4Ki" (powers of 1024), "10MB" (of 1000), "1.5GiB": bytes, whole ones; a
 * space before the unit is fine. */
const char *sb_parse_size(const char *text, uint64_t *ret_bytes);
/* "5s", "250ms", "10us", "100ns", "1m", "1h", "2d", "1m30s", "1.5s"; a bare number is seconds. */
const char *sb_parse_duration(const char *text, int64_t *ret_ns);
/* true, yes, on, y, false, no, off, n; small, capitalized or in capitals. */
const char *sb_parse_bool(const char *text, bool *ret);

#endif
