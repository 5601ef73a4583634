/* SPDX-License-Identifier: MIT */
/* Text, numbers and units, both ways. */
#ifndef SHMBUSCTL_TEXT_H
#define SHMBUSCTL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As in shmbus.yaml(5); false: not one, or beyond 64 bits. 4096, 4KiB, 4K (both 1024), 1MiB, 4kB
 * (1000), 1.5GiB. */
bool text_parse_size(const char *text, uint64_t *ret_bytes);
/* 250ms, 5s, 1.5s, 2m, 1h30m, 10us, 100ns, 1d; a bare number is seconds. */
bool text_parse_duration(const char *text, int64_t *ret_ns);
/* yes, no, true, false, on, off. */
bool text_parse_bool(const char *text, bool *ret_value);
bool text_parse_count(const char *text, uint64_t *ret_count);

#define TEXT_NUMBER_BYTES 32
/* 32.0MiB; with @exact 33554432. */
void text_size(uint64_t bytes, bool exact, char *out, size_t out_bytes);
/* 350us, 5.0s, 2m05s, 3h02m, 4d01h. */
void text_age(int64_t ns, char *out, size_t out_bytes);
/* From @then_ns, which comes from a segment and may be anything, to now; negative: unknown. */
int64_t text_since_ns(int64_t now_ns, int64_t then_ns);
/* Per second: 950, 12.3k, 4.56M. */
void text_rate(double rate, char *out, size_t out_bytes);

/* Copies @in, with every control character and every byte that is not UTF-8 as '?'. What comes
 * from a segment was written by somebody else: it must not reach a terminal or JSON as it is. */
void text_clean(const char *in, char *out, size_t out_bytes);
/* The length of the valid UTF-8 character at @bytes, or 0. */
size_t text_utf8_char(const unsigned char *bytes, size_t left);
bool text_is_utf8(const void *data, size_t size_bytes);
size_t text_width(const char *text); /* columns on a terminal */

/* Pairs of hexadecimal digits, white space between pairs. Returns the number of bytes put in
 * @out (at most half of @text_bytes), or -1 with the offset of the bad character. May be the same
 * memory. */
long text_from_hex(const char *text, size_t text_bytes, unsigned char *out, size_t *ret_bad);
char text_hex_digit(unsigned value);

#endif
