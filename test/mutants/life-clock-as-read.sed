# what:  the beat of a process in another time namespace is compared as it is
# files: libshmbus/base/here.c
# check: unit life.ages_are_by life.a_process_of_another_time
s/if (time_namespace != here->time_namespace) {/if (false) {/
