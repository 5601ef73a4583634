#!/bin/sh
# SPDX-License-Identifier: MIT
# Kombu (Celery) on a file system: queue "mail" receives, and purges, the messages of queue "urgent.mail"
#
# With:     python3-kombu 5.2.4-1 (Debian 12), transport filesystem://.
# Expected: a queue is found by its name; names with dots, the usual way to group them, are names like
#           others. A consumer gets what was sent to its queue.
# Seen:     a message is a file NUMBER_ID.QUEUE.msg, and the queue's files are those with ".QUEUE.msg" somewhere in
#           the name: "urgent.mail" ends in ".mail". Who comes first gets it, and to purge "mail" empties both.
#           In the other direction all is well.
# Why:      "mail" and "eu.mail", "tasks" and "low.tasks": a worker runs a job that was meant for another kind
#           of worker, acknowledges it, and the right one never hears of it. Whoever keeps messages in
#           files has to compare the whole name.
. "$(dirname "$0")/common.inc"

debs python3-kombu=5.2.4-1 python3-amqp=5.1.1-1 python3-vine=5.0.0+dfsg-3
cat >"$tmp/queues.py" <<'P'
import os
import socket
import sys

import kombu

folder = sys.argv[1]
options = {"data_folder_in": folder, "data_folder_out": folder, "control_folder": folder + "/control"}
os.mkdir(folder)
connection = kombu.Connection("filesystem://", transport_options=options)


def queue(name):
    return kombu.Queue(name, kombu.Exchange(name, type="direct"), routing_key=name)


def send(name, text):
    q = queue(name)
    connection.Producer().publish(text, exchange=q.exchange, routing_key=name, declare=[q])


def receive(name):
    got = []

    def keep(body, message):
        got.append(body)
        message.ack()

    with kombu.Consumer(connection.channel(), [queue(name)], callbacks=[keep]):
        try:
            while True:
                connection.drain_events(timeout=0.5)
        except socket.timeout:
            return got or ["nothing"]


send("urgent.mail", "for-urgent.mail")
print("mail:", *receive("mail"))
print("urgent.mail:", *receive("urgent.mail"))
send("mail", "for-mail")
print("urgent.mail second:", *receive("urgent.mail"))
print("mail second:", *receive("mail"))
send("urgent.mail", "for-urgent.mail")
print("purged from mail:", queue("mail")(connection.channel()).purge())
print("urgent.mail third:", *receive("urgent.mail"))
P
PYTHONPATH=$root/usr/lib/python3/dist-packages /usr/bin/python3 "$tmp/queues.py" "$tmp/queue" | tee "$tmp/out"
said() { grep -qx "$1" "$tmp/out"; }
expect "mail gets what is for urgent.mail" said 'mail: for-urgent.mail'
expect "urgent.mail gets nothing" said 'urgent.mail: nothing'
expect "the shorter name's messages are safe from the longer one" said 'urgent.mail second: nothing'
expect "and arrive" said 'mail second: for-mail'
expect "a purge of mail empties urgent.mail" said 'purged from mail: 1'
expect "so that nothing is left" said 'urgent.mail third: nothing'
