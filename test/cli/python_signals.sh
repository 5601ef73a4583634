#!/bin/sh
# SPDX-License-Identifier: MIT
# A program in Python (ctypes) that waits for messages is ended by Ctrl-C and by SIGTERM.
name=python
. "$(dirname "$0")/ctl.inc"
lib=$(dirname "$ctl")/../lib/libshmbus.so
cat >"$dir/front.py" <<'EOF'
import ctypes, os, signal, sys
EINTR, WAIT_FOREVER, RECV, ATTACH_EINTR = 4, -1, 2, 16

class Opts(ctypes.Structure):  # struct shmbus_attach_opts
    _fields_ = [("struct_bytes", ctypes.c_size_t), ("flags", ctypes.c_uint),
                ("process_name", ctypes.c_char_p), ("plan", ctypes.c_void_p),
                ("spin_ns", ctypes.c_int64)]

lib = ctypes.CDLL(sys.argv[1])
lib.shmbus_attach.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p]
lib.shmbus_channel_open.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint, ctypes.c_void_p,
                                    ctypes.c_void_p]
lib.shmbus_recv.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
signal.signal(signal.SIGTERM, lambda *_: sys.exit(42))
opts = Opts(ctypes.sizeof(Opts), ATTACH_EINTR, b"front", None, 0)
bus, queue, msg = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.create_string_buffer(128)
assert lib.shmbus_attach(sys.argv[2].encode(), ctypes.byref(opts), ctypes.byref(bus)) == 0
assert lib.shmbus_channel_open(bus, b"tasks", RECV, None, ctypes.byref(queue)) == 0
try:
    while lib.shmbus_recv(queue, msg, WAIT_FOREVER) == -EINTR:
        pass  # the interpreter runs its handlers here
except KeyboardInterrupt:
    sys.exit(41)
EOF
works "a bus for the tests" create "$bus" --queue=tasks
waiting() { [ "$("$ctl" ps "$bus" --no-headings -o waits 2>/dev/null)" = tasks ]; }
# ends SIGNAL CODE
ends() {
    "$python" -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
os.execv(sys.executable, [sys.executable] + sys.argv[1:])' "$dir/front.py" "$lib" "$bus" &
    pids=$!
    check "it waits for a message" eventually waiting
    stop "$!" "$1"
    check "SIG$1 ends it, by its own handler" status_is "$2"
}
if [ -z "$python" ]; then
    skip "a program in Python is ended by Ctrl-C" "no python3"
elif ! "$python" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$lib" 2>/dev/null; then
    skip "a program in Python is ended by Ctrl-C" "python3 cannot load $lib (no ctypes, or a sanitizer)"
else
    ends INT 41
    ends TERM 42
fi
works "nothing of them is left" rm "$bus"
end
