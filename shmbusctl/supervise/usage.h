/* What a process uses, from /proc. */
#ifndef SHMBUSCTL_SUPERVISE_USAGE_H
#define SHMBUSCTL_SUPERVISE_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Private memory (RssAnon): RSS counts the bus, which every worker that touches it would seem to
 * own. 0: there is no such process. */
uint64_t sup_anonymous_bytes(pid_t pid);
uint64_t sup_pss_bytes(pid_t pid); /* shared pages by their share; slower */
double sup_cpu_seconds(pid_t pid);
bool sup_is_paused(pid_t pid); /* SIGSTOP or a debugger */
double sup_load_average(void); /* of one minute */

#endif
