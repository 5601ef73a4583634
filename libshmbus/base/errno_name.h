/* SPDX-License-Identifier: MIT */
/*
 * Names and texts of the kernel's errors where the C library has no functions for them (glibc
 * before 2.32, musl).
 */
#ifndef SB_ERRNO_NAME_H
#define SB_ERRNO_NAME_H

/* "EAGAIN"; NULL for a number that is none. From our own table. */
const char *sb_errno_name_own(int number);
/* "Resource temporarily unavailable"; NULL likewise. Of strerror(): in the program's language. */
const char *sb_errno_text_own(int number);

/* The same, not translated, from the C library if it knows. */
const char *sb_errno_name(int number);
const char *sb_errno_text(int number);

#endif
