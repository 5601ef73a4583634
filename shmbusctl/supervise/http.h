/* SPDX-License-Identifier: MIT */
/* The HTTP probe: one GET, the status line of the answer. */
#ifndef SHMBUSCTL_SUPERVISE_HTTP_H
#define SHMBUSCTL_SUPERVISE_HTTP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct sup_url {
    struct sockaddr_storage address;
    socklen_t address_bytes;
    char request[1024];
};

/* http://IP[:PORT][/PATH], or localhost. NULL, or what is wrong with it. */
const char *sup_url_parse(const char *text, struct sup_url *ret_url);
/* In a forked child: asks, within the time; 0 for an answer of 200 to 299. Only system calls. */
int sup_http_ask(const struct sup_url *url, int64_t limit_ns);

#endif
