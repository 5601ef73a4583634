# what:  a pid of another namespace is advised upon as if it meant somebody here
# files: libshmbus/inspect/check_process.c
# check: unit life.nobody_is_told
s/if (!stat->same_pid_namespace) {/if (false) {/
