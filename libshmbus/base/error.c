/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <shmbus/shmbus.h>

#include "base/errno_name.h"

enum { DETAIL_BYTES = 512, ERRNO_TEXT_BYTES = 96 };

/* Class of an own error number: the letters of the table in shmbus.h. */
enum error_class { R, F, N };

struct own_error {
    int number;
    enum error_class class;
    const char *name;
    const char *text;
};

#define OWN_ERROR(name, number, text, class) {(number), (class), "SHMBUS_ERR_" #name, (text)},
static const struct own_error own_errors[] = {SHMBUS_ERRORS(OWN_ERROR)};
#undef OWN_ERROR

static _Thread_local char detail[DETAIL_BYTES];

/* What sb_fail_lazy() left: not put into words before somebody asks. */
static _Thread_local struct {
    const char *text; /* NULL: the sentence is in detail */
    char name[SHMBUS_NAME_BYTES];
} often;

static const struct own_error *own_error_find(int number)
{
    for (size_t i = 0; i < sizeof own_errors / sizeof own_errors[0]; i++) {
        if (own_errors[i].number == number)
            return &own_errors[i];
    }
    return NULL;
}

/* Results are negative, table entries positive. No number exists for INT_MIN. */
static int magnitude(int error)
{
    if (error == INT_MIN)
        return INT_MAX;
    return error < 0 ? -error : error;
}

/* "Invalid argument" becomes "invalid argument", "RPC struct is bad" stays. */
static const char *errno_text(int number, const char *text)
{
    static _Thread_local char buffer[ERRNO_TEXT_BYTES];

    if (text == NULL) {
        snprintf(buffer, sizeof buffer, "unknown error %d", number);
        return buffer;
    }
    snprintf(buffer, sizeof buffer, "%s", text);
    if (buffer[0] >= 'A' && buffer[0] <= 'Z' && buffer[1] >= 'a' && buffer[1] <= 'z')
        buffer[0] = (char)(buffer[0] - 'A' + 'a');
    return buffer;
}

const char *shmbus_strerror(int error)
{
    int number = magnitude(error);
    if (number == 0)
        return "success";
    const struct own_error *own = own_error_find(number);
    return own != NULL ? own->text : errno_text(number, sb_errno_text(number));
}

const char *shmbus_strerrorname(int error)
{
    int number = magnitude(error);
    if (number == 0)
        return "OK";
    const struct own_error *own = own_error_find(number);
    const char *name = own != NULL ? own->name : sb_errno_name(number);
    return name != NULL ? name : "?";
}

bool shmbus_error_is_retryable(int error)
{
    int number = magnitude(error);
    switch (number) {
    case EAGAIN:
    case ETIMEDOUT:
    case EINTR:
    case EBUSY:
        return true;
    default:
        break;
    }
    const struct own_error *own = own_error_find(number);
    return own != NULL && own->class == R;
}

bool shmbus_error_is_fatal(int error)
{
    const struct own_error *own = own_error_find(magnitude(error));
    return own != NULL && own->class == F;
}

const char *shmbus_detail(void)
{
    if (often.text != NULL) {
        snprintf(detail, sizeof detail, "%.*s: %s", SHMBUS_NAME_BYTES, often.name, often.text);
        often.text = NULL;
    }
    return detail;
}

/* Sentences quote names and words of files: none of them may break a line of a log or command a
 * terminal. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
    }
}

int sb_sentence(const char *format, ...)
{
    char sentence[DETAIL_BYTES]; /* the arguments may point into the present sentence */
    int saved_errno = errno;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    make_printable(sentence);
    memcpy(detail, sentence, sizeof detail);
    often.text = NULL;
    errno = saved_errno;
    return 0;
}

int sb_fail_prefix(int result, const char *format, ...)
{
    char prefix[DETAIL_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(prefix, sizeof prefix, format, arguments);
    va_end(arguments);
    return sb_fail(result, "%s: %s", prefix, shmbus_detail());
}

int sb_fail_lazy(int result, const char *name, const char *text)
{
    memcpy(often.name, name, SHMBUS_NAME_BYTES);
    often.text = text;
    return result;
}

int sb_fail_static(int result, const char *name, const char *text)
{
    size_t used = 0;

    if (name != NULL) {
        used = strnlen(name, SHMBUS_NAME_BYTES);
        memcpy(detail, name, used);
        memcpy(detail + used, ": ", 2);
        used += 2;
    }
    size_t text_bytes = strnlen(text, sizeof detail - 1 - used);
    memcpy(detail + used, text, text_bytes);
    detail[used + text_bytes] = '\0';
    often.text = NULL;
    return result;
}
