#!/bin/sh
# SPDX-License-Identifier: MIT
# DDS: a RELIABLE, KEEP_ALL reader that was paused for longer than a lease has a hole, and nobody is told
#
# With:     Cyclone DDS 0.10.2-2 (Debian 12) over loopback, the lease set to 4 s (10 s if nothing is said).
# Expected: reliability RELIABLE and history KEEP_ALL keep each sample until each reader has acknowledged
#           it; for a reader that cannot keep up write() blocks, and then fails with a timeout.
# Seen:     the lease of a paused process runs out, the writer takes it for gone and keeps nothing for it.
#           write() goes on to return 0. When the process is continued the two find each other again, the
#           same reader goes on to read behind a hole; its sample-lost status stays at zero. What was
#           written during the pause and within the lease arrives most of the time.
# Why:      a debugger, a swap storm, a frozen container or a suspended virtual machine of eleven seconds
#           turns "reliable" into "sometimes". What must not be missed needs numbers of its own, and a reader that
#           looks for holes in them.
. "$(dirname "$0")/common.inc"

debs cyclonedds-dev=0.10.2-2 libddsc0debian=0.10.2-2 cyclonedds-tools=0.10.2-2 libcycloneddsidl0=0.10.2-2 \
    libiceoryx-binding-c2=2.0.3+dfsg-1 libiceoryx-posh2=2.0.3+dfsg-1 libiceoryx-hoofs2=2.0.3+dfsg-1 \
    libiceoryx-platform2=2.0.3+dfsg-1
cd "$tmp"
echo 'module finding { struct Sample { long number; }; };' >Sample.idl
"$root/usr/bin/idlc" -x final Sample.idl
cat >pair.c <<'C'
#include <dds/dds.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "Sample.h"

static int partners(dds_entity_t writer)
{
    dds_publication_matched_status_t status;

    dds_get_publication_matched_status(writer, &status);
    return (int)status.current_count;
}

/* Writes up to the numbers of its input; between them it waits for so many readers ("readers N"). */
static void write_samples(dds_entity_t participant, dds_entity_t topic, dds_qos_t *qos)
{
    dds_entity_t writer = dds_create_writer(participant, topic, qos, NULL);
    finding_Sample sample = { 0 };
    char line[32];
    int failed = 0;

    while (fgets(line, sizeof line, stdin) != NULL) {
        if (strncmp(line, "readers ", 8) == 0) {
            while (partners(writer) != atoi(line + 8)) {
                usleep(10000);
            }
        } else {
            for (; sample.number < atoi(line); sample.number++) {
                failed += dds_write(writer, &sample) != DDS_RETCODE_OK;
            }
        }
        printf("done %s", line);
        fflush(stdout);
    }
    printf("failed writes: %d\n", failed);
}

static void read_samples(dds_entity_t participant, dds_entity_t topic, dds_qos_t *qos)
{
    dds_entity_t reader = dds_create_reader(participant, topic, qos, NULL);
    dds_sample_lost_status_t lost;
    finding_Sample sample;
    void *samples[1] = { &sample };
    dds_sample_info_t info;

    for (;;) {
        if (dds_take(reader, samples, &info, 1, 1) == 1 && info.valid_data) {
            dds_get_sample_lost_status(reader, &lost);
            printf("%d lost %u\n", (int)sample.number, lost.total_count);
            fflush(stdout);
        } else {
            usleep(5000);
        }
    }
}

int main(int argc, char **argv)
{
    dds_entity_t participant = dds_create_participant(0, NULL, NULL);
    dds_qos_t *qos = dds_create_qos();
    dds_entity_t topic;

    dds_qset_reliability(qos, DDS_RELIABILITY_RELIABLE, DDS_SECS(10));
    dds_qset_history(qos, DDS_HISTORY_KEEP_ALL, 0);
    topic = dds_create_topic(participant, &finding_Sample_desc, "finding", qos, NULL);
    if (argc > 1 && strcmp(argv[1], "read") == 0) {
        read_samples(participant, topic, qos);
    } else {
        write_samples(participant, topic, qos);
    }
    return 0;
}
C
build pair -I. "-I$root/usr/include" "-I$root/usr/include/x86_64-linux-gnu" Sample.c "-L$libs" -l:libddsc.so.0debian \
    -Wl,--allow-shlib-undefined <pair.c
cat >dds.xml <<'X'
<CycloneDDS><Domain id="any">
<General><Interfaces><NetworkInterface name="lo" multicast="false"/></Interfaces>
<AllowMulticast>false</AllowMulticast></General>
<Discovery><ParticipantIndex>auto</ParticipantIndex><Peers><Peer address="127.0.0.1"/></Peers>
<LeaseDuration>4s</LeaseDuration></Discovery>
</Domain></CycloneDDS>
X
export CYCLONEDDS_URI="file://$tmp/dds.xml"
mkfifo orders
./pair read >read &
reader=$!
./pair write <orders >written &
writer=$!
pids="$reader $writer"
exec 3>orders
order() { echo "$1" >&3 && until_true grep -qx "done $1" written; }
has_read() { until_true grep -q "^$1 lost" read; }

order 'readers 1'
order 10
has_read 9
kill -STOP "$reader"
order 20
order 'readers 0'
order 30
kill -CONT "$reader"
order 'readers 1'
order 40
has_read 39
exec 3>&-
until_true grep -q failed written
saw "$(tail -n 1 written); read: $(awk '{ print $1 }' read | paste -sd' '); $(tail -n 1 read)"
expect "no write failed" grep -qx 'failed writes: 0' written
missing() { ! grep -q '^2[0-9] ' read; }
expect "what was written after the lease is not there" missing
expect "what was written before and after the pause is" \
    test "$(grep -c '^[0-9] ' read) $(grep -c '^3[0-9] ' read)" = "10 10"
expect "and is not counted as lost" test "$(tail -n 1 read)" = "39 lost 0"
cd /
