/* SPDX-License-Identifier: MIT */
/* Talking to a supervisor: one command, one answer. */
#ifndef SHMBUSCTL_SUPERVISE_CLIENT_H
#define SHMBUSCTL_SUPERVISE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

/* Sends @request (which it frees) to the supervisor of @bus. An exit code, having said what failed;
 * CTL_DONE: the answer is in *ret_answer, to be freed. @timeout_ns < 0: no limit. */
int sup_client_ask(const char *bus, struct json_object *request, int64_t timeout_ns,
                   struct json_object **ret_answer);
/* {"verb": @verb} */
struct json_object *sup_client_request(const char *verb);

/* What sup_client_over_bus() says besides exit codes: it cannot be asked there; it was asked, and
 * has left. */
enum { SUP_CLIENT_NO_BUS = -1, SUP_CLIENT_ENDED = -2 };

/* The answer, to be freed, or NULL and *ret_code. */
char *sup_client_over_bus(const char *bus, struct json_object *request, int64_t timeout_ns,
                          int *ret_code);

#endif
