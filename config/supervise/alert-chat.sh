#!/bin/sh
# SPDX-License-Identifier: MIT
# Alert hook: the text of one event to a chat, over an incoming web hook. usage: alert-chat.sh URL
python3 -c 'import json, sys; print(json.dumps({"text": json.load(sys.stdin)["text"]}))' |
    curl --silent --show-error --fail --max-time 8 -H 'Content-Type: application/json' -d @- "$1"
