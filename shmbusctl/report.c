/* SPDX-License-Identifier: MIT */
/* Messages on stderr and what a failure of the library means as an exit code. */
#include <errno.h>
#include <stdarg.h>
#include <stdio_ext.h>
#include <string.h>

#include "ctl.h"
#include "text.h"

static const char *verb_name;
static char last_note[2048];

void ctl_set_verb(const char *name)
{
    verb_name = name;
}

/* One line, whatever is in it: file names, data of other users, texts of the library. */
static void say(const char *format, va_list list)
{
    char text[2048], clean[2048];

    vsnprintf(text, sizeof(text), format, list);
    text_clean(text, clean, sizeof(clean));
    memcpy(last_note, clean, sizeof(last_note));
    if (verb_name)
        fprintf(stderr, "shmbusctl: %s: %s\n", verb_name, clean);
    else
        fprintf(stderr, "shmbusctl: %s\n", clean);
}

int ctl_fail(int code, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    say(format, list);
    va_end(list);
    return code;
}

void ctl_note(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    say(format, list);
    va_end(list);
}

const char *ctl_last_note(void)
{
    return last_note;
}

/* A new error of the library: should it have an exit code of its own below? */
_Static_assert(SHMBUS_ERR_END_ == SHMBUS_ERR_REMOVED + 1,
               "each error of the library was considered");

int ctl_exit_of(int result)
{
    switch (-result) {
    case 0:
        return CTL_DONE;
    case EINVAL:
    case SHMBUS_ERR_CONFIG:
    case SHMBUS_ERR_KIND:
        return CTL_USAGE;
    case ENOENT:
    case SHMBUS_ERR_REMOVED:
        return CTL_NOT_FOUND;
    case ETIMEDOUT:
        return CTL_TIMED_OUT;
    case EACCES:
    case EPERM:
    case EROFS:
    case SHMBUS_ERR_OWNER:
        return CTL_PERMISSION;
    case SHMBUS_ERR_LAYOUT:
    case SHMBUS_ERR_CORRUPT:
        return CTL_LAYOUT;
    case EAGAIN:
    case SHMBUS_ERR_NO_BLOCKS:
        return CTL_WOULD_BLOCK;
    case EBUSY:
    case SHMBUS_ERR_IN_USE:
        return CTL_IN_USE;
    case EEXIST:
        return CTL_EXISTS;
    case EINTR:
        return ctl_signals_caught() ? CTL_SIGNALLED : CTL_FAILED;
    default:
        return CTL_FAILED;
    }
}

const char *ctl_detail(int result)
{
    const char *detail = shmbus_detail();

    return detail[0] ? detail : shmbus_strerror(result);
}

int ctl_fail_bus(int result, const char *subject)
{
    int code = ctl_exit_of(result);
    const char *detail = ctl_detail(result), *slash = strrchr(subject, '/');

    if (code == CTL_SIGNALLED)
        return code;
    if (strstr(detail, slash ? slash + 1 : subject)) /* a path: the file has a prefix to its name */
        return ctl_fail(code, "%s", detail);
    return ctl_fail(code, "%s: %s", subject, detail);
}

const char *ctl_plural(uint64_t count, const char *ending)
{
    return count == 1 ? "" : ending;
}

int ctl_flush(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return CTL_DONE;
    return ctl_fail(CTL_FAILED, "cannot write to standard output: %s",
                    errno ? strerror(errno) : "output was lost");
}

void ctl_output_lost(void)
{
    __fpurge(stdout);
    clearerr(stdout);
}
