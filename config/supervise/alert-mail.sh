#!/bin/sh
# SPDX-License-Identifier: MIT
# Alert hook: one event as JSON on standard input, sent as a mail. usage: alert-mail.sh ADDRESS
event=$(cat)
printf 'To: %s\nSubject: shmbus supervisor on %s\n\n%s\n' "$1" "$(hostname)" "$event" | /usr/sbin/sendmail -t
