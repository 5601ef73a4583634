/* SPDX-License-Identifier: MIT */
/* The version of the library; the only place where it is written. */
#ifndef SHMBUS_VERSION_H
#define SHMBUS_VERSION_H

#define SHMBUS_VERSION_MAJOR 0
#define SHMBUS_VERSION_MINOR 1
#define SHMBUS_VERSION_PATCH 0
#define SHMBUS_VERSION "0.1.0"

#endif
