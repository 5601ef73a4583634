/* SPDX-License-Identifier: MIT */
/*
 * One channel for failures: a negative result and, per thread, the sentence that explains it.
 */
#ifndef SB_ERROR_H
#define SB_ERROR_H

/* Keeps the formatted sentence for shmbus_detail() and is @result:
 * `return sb_fail(-EINVAL, "...")`. The sentence says what, where and the cure; lower case, no full
 * stop. errno is left alone. A macro so that compilers and analyzers see the value that comes
 * back. */
#define sb_fail(result, ...) sb_failed((result), sb_sentence(__VA_ARGS__))
int sb_sentence(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

static inline int sb_failed(int result, int sentence)
{
    (void)sentence;
    return result;
}

/* The same without formatting: "@name: @text". @name may be NULL; both are copied. */
int sb_fail_static(int result, const char *name, const char *text);

/* The same for what a polling loop meets at every turn (full, empty). @name: an array of
 * SHMBUS_NAME_BYTES, copied; @text: a literal. */
int sb_fail_lazy(int result, const char *name, const char *text);

/* Puts "prefix: " in front of the present sentence and returns @result unchanged. */
int sb_fail_prefix(int result, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

#endif
