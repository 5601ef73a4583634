/*
 * One channel for failures: a negative result and, per thread, the sentence that explains it.
 */
#ifndef SB_ERROR_H
#define SB_ERROR_H

/* Keeps the formatted sentence for shmbus_detail() and returns @result: `return sb_fail(-EINVAL,
 * "...")`. The sentence says what, where and the cure; lower case, no full stop. */
int sb_fail(int result, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* The same without formatting, for paths that fail often (full, empty, timed out): "@name: @text".
 * @name may be NULL; both are copied. */
int sb_fail_quick(int result, const char *name, const char *text);

/* Puts "prefix: " in front of the present sentence and returns @result unchanged. */
int sb_fail_prefix(int result, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

#endif
