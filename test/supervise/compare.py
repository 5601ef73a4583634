#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What doc/comparison.md says of supervisors in numbers: how long after the death of a worker the next
one answers, and how many requests fail while workers are replaced. One HTTP worker (test-httpd) under
shmbusctl supervise, start_server, supervisord (with a socket of the worker's own, and with one that
supervisord holds, its fcgi-program) and runit; those that are not installed are left out.

usage: compare.py DIRECTORY-OF-THE-PROGRAMS [KILLS [RELOADS]]       about two minutes; not a test
"""
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BIN = os.path.abspath(sys.argv[1])
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 7
RELOADS = int(sys.argv[3]) if len(sys.argv) > 3 else 5
DIR = tempfile.mkdtemp()
HTTPD = BIN + "/test-httpd"
BUS = "compare-%d" % os.getpid()
# Binds the socket itself, as a program without any of these does.
OWN = """exec perl -MIO::Socket::INET -MFcntl -e '$s = IO::Socket::INET->new(Listen => 4096, ReuseAddr => 1,
 LocalAddr => "127.0.0.1:%d") or die $!; fcntl($s, F_SETFD, 0);
 $ENV{SERVER_STARTER_PORT} = "127.0.0.1:%d=" . fileno($s); exec "%s"'"""


def path(name, text=None, mode=0o644):
    name = os.path.join(DIR, name)
    if text is not None:
        os.makedirs(os.path.dirname(name), exist_ok=True)
        with open(name, "w") as file:
            file.write(text)
        os.chmod(name, mode)
    return name


def ask(port):
    """The pid that answers; None: nobody does."""
    try:
        with socket.create_connection(("127.0.0.1", port), 30) as s:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            text = b"".join(iter(lambda: s.recv(4096), b""))
    except OSError:
        return None
    found = re.search(rb" pid (\d+)", text)
    return int(found.group(1)) if found else None


def until(condition, limit_s=60):
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.001)


def log_of(name, *command):
    with open(path(name), "w") as file:
        return subprocess.Popen(command, stdout=file, stderr=file)


class Shmbusctl:
    name = "shmbusctl supervise"

    def begin(self, port):
        file = path("sup.yaml", """bus: %s
sockets: { http: { tcp: "127.0.0.1:%d" } }
programs:
  web:
    command: [%s]
    sockets: [http]
    ready: { by: notify }
    restart: { stable_after: 1s, starts: 0 }
""" % (BUS, port, HTTPD))
        return log_of("sup.log", BIN + "/shmbusctl", "supervise", file)

    def replace(self):
        subprocess.run([BIN + "/shmbusctl", "reload", BUS, "--wait"], check=True)

    def end(self, process):
        process.terminate()
        process.wait()
        subprocess.run([BIN + "/shmbusctl", "rm", BUS], check=True)


class StartServer:
    name = "start_server, --interval=1"
    needs = "start_server"

    def begin(self, port):
        self.process = log_of("starter.log", "start_server", "--port=127.0.0.1:%d" % port, "--interval=1",
                              "--", HTTPD)
        return self.process

    def replaced(self):
        with open(path("starter.log")) as file:
            return file.read().count("killing old workers")

    def replace(self):
        before = self.replaced()
        self.process.send_signal(signal.SIGHUP)
        until(lambda: self.replaced() > before)

    def end(self, process):
        process.terminate()
        process.wait()


class Supervisord:
    name = "supervisord, the worker's own socket"
    needs = "supervisord"
    held = False

    def begin(self, port):
        worker = path("own.sh", "#!/bin/sh\n" + OWN % (port, port, HTTPD), 0o755)
        program = ('[fcgi-program:web]\nsocket=tcp://127.0.0.1:%d\ncommand=%s\n'
                   'environment=SERVER_STARTER_PORT="127.0.0.1:%d=0"\n' % (port, HTTPD, port)
                   if self.held else '[program:web]\ncommand=%s\n' % worker)
        self.file = path("sd.conf", """[supervisord]
logfile=%s/sd.log
pidfile=%s/sd.pid
[unix_http_server]
file=%s/sd.sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://%s/sd.sock
%sautorestart=true
""" % (DIR, DIR, DIR, DIR, program))
        return log_of("sd.out", "supervisord", "-n", "-c", self.file)

    def replace(self):
        subprocess.run(["supervisorctl", "-c", self.file, "restart", "web:*" if self.held else "web"],
                       check=True, stdout=subprocess.DEVNULL)

    def end(self, process):
        process.terminate()
        process.wait()


class SupervisordHeld(Supervisord):
    name = "supervisord, fcgi-program"
    held = True


class Runit:
    name = "runit"
    needs = "runsv"

    def begin(self, port):
        self.dir = os.path.dirname(path("run/run", "#!/bin/sh\n" + OWN % (port, port, HTTPD), 0o755))
        return log_of("runit.log", "runsv", self.dir)

    def replace(self):
        subprocess.run(["sv", "restart", self.dir], check=True, stdout=subprocess.DEVNULL)

    def end(self, process):
        process.terminate()
        process.wait()


def measure(s, port):
    process = s.begin(port)
    until(lambda: ask(port) is not None)
    took = []
    for _ in range(KILLS):
        time.sleep(1.5)  # it has been up for long enough to count as stable
        old = ask(port)
        os.kill(old, signal.SIGKILL)
        begin = time.monotonic()
        until(lambda: ask(port) not in (None, old))
        took.append((time.monotonic() - begin) * 1000)
    time.sleep(1.5)
    load = subprocess.Popen([BIN + "/test-load", str(port), path("load")], stderr=subprocess.DEVNULL)
    for _ in range(RELOADS):
        s.replace()
        time.sleep(0.2)
    load.terminate()
    load.wait()
    with open(path("load")) as file:
        asked, failed = file.read().split()[:2]
    s.end(process)
    print("%-38s the next one answers after %6.1f ms (%.1f to %.1f); %s of %s requests failed in %d reloads"
          % (s.name, statistics.median(took), min(took), max(took), failed, asked, RELOADS), flush=True)


def main():
    port = 20000 + os.getpid() % 10000
    for s in (Shmbusctl(), StartServer(), Supervisord(), SupervisordHeld(), Runit()):
        if shutil.which(getattr(s, "needs", "sh")) is None:
            print("%-38s is not installed" % s.name)
        else:
            measure(s, port)
            port += 1
    shutil.rmtree(DIR)


main()
