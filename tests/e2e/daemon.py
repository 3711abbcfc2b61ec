# SPDX-License-Identifier: Apache-2.0
"""One run of the real program: started with a NOTIFY_SOCKET of the test's own, so that readiness
is what the program says and never a guess; its log is kept; it is ended by its process id."""

import contextlib
import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

from tap import Failure, Skip, wait_until

SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:|WARNING: \w+Sanitizer")
PATIENCE_S = 60  # with what will come: machines stand still for many seconds, and that is no failure
KEPT = ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS",
        "LLVM_PROFILE_FILE")
LIBC = ctypes.CDLL(None, use_errno=True)
LISTEN = "0A"  # a state in /proc/net/tcp
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH, ANY_CHILD = 0x4206, 0x4207, 17, 0x40000000


def program():
    """The program under test, from the build folder that make names."""
    given = os.environ.get("KNT_PROGRAM")
    if given:
        return os.path.abspath(given)
    build = os.environ.get("top_builddir")
    if not build:
        build = os.path.join(os.path.dirname(__file__), "..", "..", "build")
    return os.path.abspath(os.path.join(build, "kube-node-tracer"))


def is_sanitized():
    """Is the program built with a sanitizer that replaces the allocator?"""
    with open(program(), "rb") as file:
        content = file.read()
    return b"__asan_init" in content or b"__tsan_init" in content


class Notify:
    """The service manager's end of sd_notify: (time, {field: value}) in the order they came."""

    def __init__(self, directory):
        self.path = tempfile.mktemp(prefix="notify-", dir=directory)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o777)
        self.messages = []
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.receive, daemon=True)
        self.thread.start()

    def receive(self):
        while True:
            try:
                text = self.socket.recv(65536).decode()
            except OSError:
                return
            if text == "END":
                return
            fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
            with self.changed:
                self.messages.append((time.monotonic(), fields))
                self.changed.notify_all()

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.sendto(b"END", self.path)
        self.thread.join(5)
        self.socket.close()
        os.unlink(self.path)

    def values(self, field):
        with self.changed:
            return [fields[field] for _, fields in self.messages if field in fields]

    def times(self, field, value="1"):
        with self.changed:
            return [when for when, fields in self.messages if fields.get(field) == value]


def has_fields(line, fields):
    """Does a line of the log have these fields? Texts are regular expressions for the whole value."""
    return all(re.fullmatch(wanted, line[key], re.DOTALL) if isinstance(wanted, str) and isinstance(line.get(key), str)
               else line.get(key) == wanted for key, wanted in fields.items())


class Daemon:
    """arguments: of the program. wrapper: a command that runs it. user: as whom (root only)."""

    def __init__(self, directory, arguments, environment=None, wrapper=(), with_notify=True):
        self.directory = directory
        self.arguments = [str(each) for each in arguments]
        self.wrapper = list(wrapper)
        self.notify = Notify(directory) if with_notify else None
        self.log_path = tempfile.mktemp(prefix="log-", dir=directory)
        self.environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        self.environment["HOME"] = directory
        if self.notify:
            self.environment["NOTIFY_SOCKET"] = self.notify.path
        self.environment.update(environment or {})
        self.process = None

    def start(self, output=None):
        """output: in place of the log."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, program(), *self.arguments], env=self.environment,
                cwd=self.directory, stdin=subprocess.DEVNULL, stdout=output or log,
                stderr=output or log)
        return self

    def start_ready(self, timeout=PATIENCE_S):
        return self.start().wait_ready(timeout=timeout)

    @property
    def pid(self):
        """Of the program itself, below its wrapper."""
        pid = self.process.pid
        if not self.wrapper:
            return pid
        name = os.path.basename(program())
        for _ in range(4):
            with open("/proc/%d/comm" % pid, encoding="utf-8") as comm:
                if comm.read().strip() == name[:15]:
                    return pid
            with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as children:
                pid = int((children.read().split() or [pid])[0])
        return pid

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def wait_ready(self, count=1, timeout=PATIENCE_S):
        """Until READY=1 came `count` times."""
        self.wait_for(lambda: len(self.notify.times("READY")) >= count, timeout, "READY=1")
        return self

    def wait_for(self, is_reached, timeout, what):
        def look():
            if is_reached():
                return True
            if not self.is_running():
                raise Failure("the program ended with %s, before: %s" % (self.process.returncode,
                                                                         what))
            return False
        return wait_until(look, timeout, what)

    def lines(self, **fields):
        """The lines of a JSON log that have these fields, as dictionaries. Others (of sanitizers) are left out."""
        found = []
        for text in self.log().splitlines(keepends=True):
            # The last line may be half written.
            if text.startswith("{") and text.endswith("}\n") and has_fields(line := json.loads(text), fields):
                found.append(line)
        return found

    def events(self, name, /, **fields):
        """The events of this name (see src/base/events.def) that have these fields."""
        return self.lines(event=name, **fields)

    def wait_line(self, timeout=PATIENCE_S, count=1, **fields):
        """Until the log has `count` lines that have these fields."""
        self.wait_for(lambda: len(self.lines(**fields)) >= count, timeout, "%d log lines %r" % (count, fields))

    def wait_event(self, name, /, timeout=PATIENCE_S, count=1, **fields):
        """Until an event was logged `count` times. Names may be a pattern: "segment-(uploaded|rejected)"."""
        self.wait_line(timeout, count, event=name, **fields)

    def send_signal(self, number):
        os.kill(self.pid, number)

    def wait(self, timeout=PATIENCE_S):
        """The exit status; minus the number of a signal that ended it."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure("the program did not end within %g s" % timeout) from None

    def stop(self, timeout=PATIENCE_S, number=signal.SIGTERM):
        self.send_signal(number)
        return self.wait(timeout)

    def end_segment(self):
        """End the open segments now."""
        self.send_signal(signal.SIGUSR1)

    def reload(self, timeout=PATIENCE_S):
        """SIGHUP, and wait until it is done (whether or not the new configuration was taken)."""
        ready = len(self.notify.times("READY"))
        self.send_signal(signal.SIGHUP)
        self.wait_ready(ready + 1, timeout)

    def kill(self):
        if self.is_running():
            try:
                self.send_signal(signal.SIGKILL)
            except (OSError, ValueError):
                self.process.kill()
            self.process.wait(10)

    def close(self):
        """At the end of every test, whatever became of it."""
        if self.process:
            self.kill()
        if self.notify:
            self.notify.close()

    def descriptors(self):
        """What its open files are: TCP connections (those of uploads, and who asks for its status), others."""
        where = "/proc/%d/" % self.pid
        with open(where + "net/tcp", encoding="ascii") as file:
            lines = [line.split() for line in file.readlines()[1:]]
        connected = {"socket:[%s]" % line[9] for line in lines if line[3] != LISTEN}
        connections, others = [], []
        for name in os.listdir(where + "fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(where + "fd/" + name)
                (connections if target in connected else others).append(target)
        return connections, others

    def resources(self):
        """Open files but connections, threads, and the memory in KiB that is not shared."""
        where = "/proc/%d/" % self.pid
        with open(where + "status", encoding="ascii") as file:
            anonymous = int(re.search(r"RssAnon:\s+(\d+)", file.read()).group(1))
        return len(self.descriptors()[1]), len(os.listdir(where + "task")), anonymous

    @contextlib.contextmanager
    def frozen(self, name):
        """One thread stands still, as on a disk that does not answer. Takes daemon.core_dumps."""
        tasks = "/proc/%d/task" % self.pid
        for task in os.listdir(tasks):
            with open("%s/%s/comm" % (tasks, task), encoding="ascii") as file:
                if file.read().strip() == name:
                    break
        else:
            raise Failure("no thread " + name)
        LIBC.ptrace.argtypes = [ctypes.c_long] * 4
        if (LIBC.ptrace(PTRACE_SEIZE, int(task), 0, 0) or
                LIBC.ptrace(PTRACE_INTERRUPT, int(task), 0, 0)):
            raise Skip("ptrace: " + os.strerror(ctypes.get_errno()))
        os.waitpid(int(task), ANY_CHILD)
        try:
            yield
        finally:
            LIBC.ptrace(PTRACE_DETACH, int(task), 0, 0)

    def complaints(self):
        """What sanitizers said."""
        return [line for line in self.log().splitlines() if SANITIZER.search(line)]
