# SPDX-License-Identifier: Apache-2.0
"""A booted Debian: a throw-away copy of the cached tree in systemd-nspawn, in a network namespace of its
own, and the veth pair between it (host0, 10.99.0.1) and the test (outside0, 10.99.0.2)."""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import tempfile

import tree
from daemon import Notify
from tap import Failure, check, wait_until

HOST_NAME = "node1"
INSIDE, OUTSIDE = "10.99.0.1", "10.99.0.2"
BOOT_SECONDS = 180
COMMAND_SECONDS = 180
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def own_cgroups():
    """New cgroups, one in each hierarchy that a manager uses: beside other machines that run here."""
    made = []
    with open("/proc/self/cgroup", encoding="ascii") as file:
        lines = [line.rstrip("\n").split(":", 2) for line in file]
    for _, controllers, path in lines:
        folder = {"": "/sys/fs/cgroup/unified", "name=systemd": "/sys/fs/cgroup/systemd"}.get(controllers)
        if controllers == "" and not os.path.isdir(folder):
            folder = "/sys/fs/cgroup"
        if folder and os.path.exists(folder + path + "/cgroup.procs"):
            made.append(os.path.join(folder + path, "knt-system-%d" % os.getpid()))
            os.makedirs(made[-1], exist_ok=True)
    return made


def remove_cgroups(folders):
    for top in folders:
        for where, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(where)


class Done:
    """A command that ended inside."""

    def __init__(self, command, process, output):
        self.command, self.status, self.output = command, process.returncode, output


def on_this_side(*command, timeout=COMMAND_SECONDS, environment=None):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout,
                          stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    if done.returncode:
        raise Failure("%s: %s%s" % (" ".join(command), done.stdout, done.stderr))
    return done.stdout


class Machine:
    def __init__(self, cached):
        self.tree = cached
        self.directory = tempfile.mkdtemp(prefix="knt-system-")
        self.root = os.path.join(self.directory, "root")
        self.packages = os.path.join(self.directory, "packages")  # is /mnt inside
        self.console = os.path.join(self.directory, "console.log")
        self.process = self.leader = self.notify = None
        self.cgroups = []

    # -- life --------------------------------------------------------------------------------------

    def make(self):
        # A tmpfs that only this mount namespace sees: whatever happens, nothing of it remains.
        on_this_side("mount", "-t", "tmpfs", "-o", "size=2g,mode=755", "knt-system", self.directory)
        os.mkdir(self.packages)
        tree.layer(self.tree, self.directory)
        with open(self.path("/etc/hostname"), "w", encoding="ascii") as file:
            file.write(HOST_NAME + "\n")

    def boot(self):
        """Returns when the machine has come up, still without a network."""
        self.notify = Notify(self.directory)
        self.cgroups = own_cgroups()

        def as_child():
            # Switched off in order when the test is gone, whatever ended it.
            ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)
            for folder in self.cgroups:
                with open(folder + "/cgroup.procs", "w", encoding="ascii") as file:
                    file.write("0")

        with open(self.console, "ab") as console:
            self.process = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit",
                 "--private-network", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
                 "--notify-ready=yes", "--console=pipe", "--kill-signal=SIGRTMIN+3",
                 "--hostname=" + HOST_NAME, "--machine=knt-%d" % os.getpid(),
                 "--bind-ro=%s:/mnt" % self.packages, "--directory=" + self.root],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, preexec_fn=as_child,
                env={"PATH": PATH, "NOTIFY_SOCKET": self.notify.path, "SYSTEMD_NSPAWN_LOCK": "0"})
        wait_until(lambda: self.has_booted() or self.process.poll() is not None, BOOT_SECONDS,
                   "the machine is up")
        check(self.process.poll() is None, "systemd-nspawn ended with %s" % self.process.poll())
        self.leader = int(self.notified("X_NSPAWN_LEADER_PID"))
        self.run("systemctl", "is-system-running", "--wait", statuses=(0, 1))

    def notified(self, field):
        return next((fields[field] for _, fields in self.notify.messages if field in fields), None)

    def has_booted(self):
        return self.notified("READY") and self.notified("X_NSPAWN_LEADER_PID")

    def connect(self):
        """The veth pair; its neighbours are known and IPv6 is off, so that nobody speaks unasked."""
        on_this_side("ip", "link", "add", "outside0", "type", "veth", "peer", "name", "host0", "netns",
                     str(self.leader))
        on_this_side("ip", "link", "set", "outside0", "address", "02:00:00:00:00:02", "addrgenmode", "none")
        on_this_side("ip", "address", "add", OUTSIDE + "/24", "dev", "outside0")
        on_this_side("ip", "link", "set", "outside0", "up")
        self.run("ip", "link", "set", "host0", "address", "02:00:00:00:00:01", "addrgenmode", "none")
        self.run("ip", "address", "add", INSIDE + "/24", "dev", "host0")
        self.run("ip", "link", "set", "host0", "up")
        self.run("ip", "route", "add", "default", "via", OUTSIDE)
        on_this_side("ip", "neighbour", "replace", INSIDE, "lladdr", "02:00:00:00:00:01", "dev", "outside0")
        self.run("ip", "neighbour", "replace", OUTSIDE, "lladdr", "02:00:00:00:00:02", "dev", "host0")
        wait_until(lambda: "state UP" in on_this_side("ip", "link", "show", "outside0")
                   and "state UP" in self.run("ip", "link", "show", "host0"), 10, "the link is up")

    def switch_off(self):
        """By the manager's own signal; by force if that does not help. Returns whether it went in order."""
        in_order = True
        if self.process and self.process.poll() is None:
            if self.leader:
                os.kill(self.leader, signal.SIGRTMIN + 4)  # poweroff.target, see systemd(1)
            else:
                self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                in_order = False
                if self.leader:
                    os.kill(self.leader, signal.SIGKILL)
                self.process.kill()
                self.process.wait(10)
        if self.notify:
            self.notify.close()
        remove_cgroups(self.cgroups)
        self.process = self.leader = self.notify = None
        self.cgroups = []
        return in_order

    def remove(self):
        self.switch_off()
        for path in (self.root, self.directory):
            subprocess.run(["umount", "--lazy", path], capture_output=True, check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    # -- inside ------------------------------------------------------------------------------------

    def run(self, *command, statuses=(0,), timeout=COMMAND_SECONDS, stdin=None):
        """Run a command inside that has to end with one of the statuses; returns its output."""
        done = self.try_run(*command, timeout=timeout, stdin=stdin)
        if done.status not in statuses:
            raise Failure("%s: status %d: %s" % (" ".join(command), done.status, done.output))
        return done.output

    def try_run(self, *command, timeout=COMMAND_SECONDS, stdin=None):
        entered = ["nsenter", "--target", str(self.leader), "--all", "env", "-i", "PATH=" + PATH,
                   "LC_ALL=C.UTF-8", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=", "DEBIAN_FRONTEND=noninteractive",
                   *command]
        try:
            done = subprocess.run(entered, input=stdin or "", text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, check=False, timeout=timeout, errors="replace")
        except subprocess.TimeoutExpired as error:
            raise Failure("not within %g s: %s: %s" % (timeout, " ".join(command), error.output)) from None
        return Done(command, done, done.stdout)

    def path(self, inside):
        """The file of this side that is `inside` on the machine's root file system."""
        return os.path.join(self.root, inside.lstrip("/"))

    def exists(self, inside):
        return os.path.lexists(self.path(inside))

    def read(self, inside):
        return self.run("cat", inside)

    def write(self, inside, text):
        self.run("mkdir", "-p", os.path.dirname(inside))
        self.run("tee", inside, stdin=text)

    def files(self):
        """Every path of the root file system, with nothing of what is mounted on it."""
        found = set()
        for where, folders, names in os.walk(self.root):
            for name in folders + names:
                found.add("/" + os.path.relpath(os.path.join(where, name), self.root))
        return found

    # -- the manager -------------------------------------------------------------------------------

    def show(self, *properties, unit="kube-node-tracer"):
        """Properties of a unit: one as text, several as a dictionary."""
        output = self.run("systemctl", "show", unit, *["--property=" + each for each in properties])
        found = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
        return found if len(properties) > 1 else found.get(properties[0], "")

    def journal(self, *arguments):
        self.run("journalctl", "--sync", "--quiet", statuses=(0, 1))
        return self.run("journalctl", "--no-pager", "--quiet", *arguments)

    def wait_state(self, state, timeout=30):
        wait_until(lambda: self.show("ActiveState") == state, timeout, "the unit is " + state)

    def main_process(self):
        """(pid inside, pid on this side) of the unit's main process."""
        inside = int(self.show("MainPID"))
        for name in os.listdir("/proc"):
            if name.isdigit() and inside:
                try:
                    with open("/proc/%s/status" % name, encoding="ascii", errors="replace") as file:
                        pids = next((line.split()[1:] for line in file if line.startswith("NSpid:")), [])
                    if len(pids) > 1 and int(pids[-1]) == inside and self.shares_namespace(name):
                        return inside, int(name)
                except OSError:
                    continue
        raise Failure("the unit has no main process")

    def shares_namespace(self, pid):
        return os.readlink("/proc/%s/ns/pid" % pid) == os.readlink("/proc/%d/ns/pid" % self.leader)
