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

#endif
