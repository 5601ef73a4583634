/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets: bound once, inherited by every generation.
 *
 * A supervisor that is started again gets them from who has them still: systemd (LISTEN_FDS), or a
 * living worker (pidfd_getfd(2): root, or the same user where ptrace is allowed).
 */
#ifndef SHMBUSCTL_SUPERVISE_SOCKETS_H
#define SHMBUSCTL_SUPERVISE_SOCKETS_H

#include "spec.h"

struct sup;
struct sup_worker;

int sup_socket_check(const struct sup_spec *spec, const struct sup_socket_spec *socket);
/* Makes what @spec names and is not there yet; an exit code, having changed nothing. */
int sup_sockets_open(struct sup *s, const struct sup_spec *spec);
void sup_sockets_drop_unused(struct sup *s);
/* Paths stay when workers of before listen there still. */
void sup_sockets_close(struct sup *s, bool remove_paths);
/* The descriptors of @w in order; returns how many. */
size_t sup_sockets_of(const struct sup_worker *w, int fds[SUP_SOCKETS_MAX]);

/* Keeps @fd if it listens where FILE wants a socket that is not there yet. */
bool sup_sockets_offer(struct sup *s, int fd);
/* Descriptors 3 .. of a living worker of an earlier supervisor. */
void sup_sockets_rescue(struct sup *s, int pidfd, size_t count);
/* Those that LISTEN_FDS of systemd counts. */
void sup_sockets_inherit(struct sup *s, const char *fds_text);

#endif
