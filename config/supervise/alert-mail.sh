#!/bin/sh
# SPDX-License-Identifier: MIT
# Alert hook: one event as JSON on standard input, sent as a mail. usage: alert-mail.sh ADDRESS
PATH=$PATH:/usr/sbin:/usr/lib
event=$(cat)
printf 'To: %s\nSubject: shmbus supervisor on %s\n\n%s\n' "$1" "$(hostname)" "$event" | sendmail -t
