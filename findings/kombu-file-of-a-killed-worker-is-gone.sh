#!/bin/sh
# SPDX-License-Identifier: MIT
# Kombu (Celery) on a file system: a message that nobody acknowledged is gone when its worker is killed
#
# With:     python3-kombu 5.2.4-1 (Debian 12), transport filesystem://, no_ack off.
# Expected: a message that was received and not acknowledged goes back to the queue when its consumer
#           dies: that is what acknowledging is for, and what the same program sees with a broker. A file on
#           disk stays where it is meanwhile.
# Seen:     the file is removed when the message is read, before the program has it. What is not
#           acknowledged is kept in the memory of the worker. One that ends by itself, by an exception too, writes
#           it back, so the usual test passes. One that is killed takes it along, the folder is empty.
# Why:      the machine without a broker, where this transport is used, loses a job with each worker that
#           runs out of memory, the very case that late acknowledging is for.
. "$(dirname "$0")/common.inc"

debs python3-kombu=5.2.4-1 python3-amqp=5.1.1-1 python3-vine=5.0.0+dfsg-3
cat >"$tmp/worker.py" <<'P'
import os
import signal
import socket
import sys

import kombu

folder = sys.argv[1]
options = {"data_folder_in": folder, "data_folder_out": folder, "control_folder": folder + "/control"}
queue = kombu.Queue("jobs", kombu.Exchange("jobs", type="direct"), routing_key="jobs")
os.mkdir(folder)


def receive(on_message):
    """Runs until there is nothing more, or until the callback ends it; the connection is closed."""
    with kombu.Connection("filesystem://", transport_options=options) as connection:
        with kombu.Consumer(connection, [queue], callbacks=[on_message], prefetch_count=0):
            try:
                while True:
                    connection.drain_events(timeout=0.5)
            except (socket.timeout, StopIteration):
                pass


def files():
    return sum(name.endswith(".msg") for name in os.listdir(folder))


def end_politely(body, message):
    raise StopIteration


def be_killed(body, message):
    print("held by the worker, files:", files(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def in_a_worker(on_message):
    pid = os.fork()
    if pid == 0:
        receive(on_message)
        sys.stderr.flush()
        os._exit(0)
    os.waitpid(pid, 0)


with kombu.Connection("filesystem://", transport_options=options) as connection:
    connection.Producer().publish("job", exchange=queue.exchange, routing_key="jobs", declare=[queue])
print("sent, files:", files(), flush=True)
in_a_worker(end_politely)
print("worker ended, files:", files(), flush=True)
in_a_worker(be_killed)
print("worker killed, files:", files(), flush=True)
P
PYTHONPATH=$root/usr/lib/python3/dist-packages /usr/bin/python3 "$tmp/worker.py" "$tmp/queue" 2>"$tmp/errors" |
    tee "$tmp/out"
said() { grep -qx "$1" "$tmp/out"; }
expect "one file for one message" said 'sent, files: 1'
expect "a worker that ends gives it back" said 'worker ended, files: 1'
expect "while a worker has it there is no file" said 'held by the worker, files: 0'
expect "a worker that is killed takes it along" said 'worker killed, files: 0'
