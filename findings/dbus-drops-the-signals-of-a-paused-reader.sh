#!/bin/sh
# SPDX-License-Identifier: MIT
# D-Bus: a reader that was paused stays connected and has a hole in its signals; nobody is told
#
# With:     dbus-daemon and libdbus-1-3 1.14.10-1~deb12u1 (Debian 12), a bus of its own, max_outgoing_bytes 500000
#           (127 MiB if nothing is said).
# Expected: the bus is reliable and keeps order, over stream sockets. For a reader that is too slow the daemon holds the
#           sender back, or cuts the reader off, so that it notices.
# Seen:     signals for it are dropped when its queue in the daemon is full. The paused reader gets the first ones,
#           about 60 of 200, and after its pause the ones sent from then on, on the same connection. The sender has no
#           error for any of them, and a call of its afterwards is answered. The only trace is a line per signal
#           in the daemon's log. Unlike a Unix socket, where the sender would wait.
# Why:      state that is mirrored from signals (workers, mounts, units, properties) is wrong from then on. There is
#           no number to see a hole by: who needs one puts it into the signal.
. "$(dirname "$0")/common.inc"

debs dbus-daemon=1.14.10-1~deb12u1 libdbus-1-3=1.14.10-1~deb12u1 libdbus-1-dev=1.14.10-1~deb12u1 \
    libapparmor1=3.0.8-3 libexpat1
build "$tmp/signals" "-I$root/usr/include/dbus-1.0" "-I$libs/dbus-1.0/include" "-L$libs" "-L$root/lib/x86_64-linux-gnu" \
    -l:libdbus-1.so.3 <<'C'
#include <dbus/dbus.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIGNALS 200

static char bytes[10000];

static DBusConnection *connect_bus(void)
{
    DBusConnection *bus = dbus_bus_get_private(DBUS_BUS_SESSION, NULL);

    if (bus == NULL) {
        exit(2);
    }
    dbus_connection_set_exit_on_disconnect(bus, FALSE);
    return bus;
}

static void send_signal(DBusConnection *bus, dbus_int32_t number)
{
    DBusMessage *signal = dbus_message_new_signal("/findings", "findings.Numbers", "Number");
    char *pointer = bytes;

    dbus_message_append_args(signal, DBUS_TYPE_INT32, &number, DBUS_TYPE_ARRAY, DBUS_TYPE_BYTE, &pointer,
                             (int)sizeof bytes, DBUS_TYPE_INVALID);
    if (!dbus_connection_send(bus, signal, NULL)) {
        exit(2);
    }
    dbus_message_unref(signal);
}

/* All that was sent has been read by the daemon when this is answered. */
static int ask(DBusConnection *bus)
{
    DBusMessage *call = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS, DBUS_INTERFACE_DBUS, "GetId");

    return dbus_connection_send_with_reply_and_block(bus, call, 20000, NULL) != NULL;
}

/* Reads until the last number comes. */
static void reader(int ready)
{
    DBusConnection *bus = connect_bus();
    dbus_int32_t number, next = 0;
    int got = 0, holes = 0;

    dbus_bus_add_match(bus, "type='signal',interface='findings.Numbers'", NULL);
    if (!ask(bus) || write(ready, "x", 1) != 1) {
        exit(2);
    }
    while (next <= SIGNALS && dbus_connection_read_write(bus, -1)) {
        DBusMessage *message;

        while ((message = dbus_connection_pop_message(bus)) != NULL) {
            if (dbus_message_is_signal(message, "findings.Numbers", "Number") &&
                dbus_message_get_args(message, NULL, DBUS_TYPE_INT32, &number, DBUS_TYPE_INVALID)) {
                holes += number != next;
                next = number + 1;
                got++;
            }
            dbus_message_unref(message);
        }
    }
    printf("reader: %s, holes %d, last %d, %s\n", got < SIGNALS / 2 ? "less than half" : "at least half", holes,
           next - 1, dbus_connection_get_is_connected(bus) ? "connected" : "cut off");
    fprintf(stderr, "reader: %d of %d\n", got, SIGNALS + 1);
    exit(0);
}

int main(void)
{
    int ready[2];
    char byte;
    pid_t child;
    DBusConnection *bus;

    alarm(60);
    if (pipe(ready) != 0 || (child = fork()) < 0) {
        return 2;
    }
    if (child == 0) {
        alarm(60);
        reader(ready[1]);
    }
    if (read(ready[0], &byte, 1) != 1) {
        return 2;
    }
    kill(child, SIGSTOP);
    waitpid(child, NULL, WUNTRACED);
    bus = connect_bus();
    for (int i = 0; i < SIGNALS; i++) {
        send_signal(bus, i);
    }
    printf("sender: %s\n", ask(bus) ? "answered" : "no answer");
    fflush(stdout);
    kill(child, SIGCONT);
    /* By then it has read what the daemon kept, a few hundred KiB. */
    sleep(5);
    send_signal(bus, SIGNALS);
    dbus_connection_flush(bus);
    return waitpid(child, NULL, 0) == child ? 0 : 2;
}
C
cat >"$tmp/bus.conf" <<X
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=$tmp/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
  <limit name="max_outgoing_bytes">500000</limit>
</busconfig>
X
"$root/usr/bin/dbus-daemon" "--config-file=$tmp/bus.conf" --nofork >"$tmp/log" 2>&1 &
pids=$!
until_true test -S "$tmp/bus"
DBUS_SESSION_BUS_ADDRESS="unix:path=$tmp/bus" timeout 70 "$tmp/signals" >"$tmp/out"
cat "$tmp/out"
saw "$(grep -c 'full message queue' "$tmp/log") lines about it in the daemon's log"
expect "the sender has no error" grep -qx 'sender: answered' "$tmp/out"
expect "the reader has a hole, on a connection that was never cut" \
    grep -qx 'reader: less than half, holes 1, last 200, connected' "$tmp/out"
