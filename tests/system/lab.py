# SPDX-License-Identifier: Apache-2.0
"""What the system test works with: the machine, the bucket on this side of the veth pair, what was sent and
what arrived, the packages and later versions of them, and what holds of both kinds of package."""

import contextlib
import glob
import json
import os
import re
import shutil
import tempfile
import zlib

import machine
import packets
import peer
from fake_gcs import FakeGcs
from machine import on_this_side
from tap import Failure, check, contains, equal, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
NAME = "kube-node-tracer"
CONFIG = "/etc/kube-node-tracer.conf"
SAMPLE = "/usr/share/doc/kube-node-tracer/kube-node-tracer.conf.sample"
STATE = "/var/lib/kube-node-tracer"
RUNTIME = "/run/kube-node-tracer"
DROP_IN = "/etc/systemd/system/kube-node-tracer.service.d/test.conf"
BUCKET = "my-bucket"  # of README's command
PATIENCE_S = 60
PACKAGERS_LINE = "# The packager has changed this file.\n"
with open(os.path.join(TOP, "src/base/events.def"), encoding="utf-8") as file_of_events:
    EVENTS = set(re.findall(r'^EVENT\([^"]*"[^"]*",\s*"([0-9a-f]{32})"', file_of_events.read(), re.MULTILINE))
# Of Fedora's and RHEL's systemd, which RPM's scriptlets call and Debian's does not have: these words of it.
UPDATE_HELPER = "/usr/lib/systemd/systemd-update-helper"
UPDATE_HELPER_TEXT = """#!/bin/sh
set -e
word=$1
shift
case $word in
install-system-units) systemctl --no-reload preset "$@" ;;
remove-system-units) systemctl --no-reload disable --now "$@" ;;
mark-restart-system-units)
	for unit; do
		systemctl set-property "$unit" Markers=+needs-restart
	done
	;;
*) exit 1 ;;
esac
"""
# What installing and removing any package changes: the package manager's own books, caches and logs.
BOOKS = re.compile(r"/var/lib/(dpkg|apt)(/|$)|/root/\.rpmdb(/|$)|/var/cache/|/var/log/"
                   r"|/var/lib/systemd/catalog/database$"
                   r"|/etc/(passwd|shadow|group|gshadow|subuid|subgid)-$|/etc/\.pwd\.lock$"
                   r"|/var/lib/systemd/(random-seed|timers|linger|coredump|rfkill)|/etc/machine-id$"
                   r"|/var/lib/private$|/var/tmp/systemd-private-|/var/lib/systemd/deb-systemd-helper-enabled$"
                   r"|/var/lib/systemd/deb-systemd-helper-masked$|/etc/ld\.so\.cache$")


class Lab:
    """The machine, the bucket on this side of the veth pair, and what has been sent."""

    def __init__(self, deb, rpm, folder):
        self.deb, self.rpm = deb, rpm
        self.machine = machine.Machine(folder)
        self.gcs = None
        self.sent = 0
        self.had = set()
        self.is_installed = False

    def open(self):
        self.machine.make()
        shutil.copy(os.path.join(HERE, "probe.py"), self.machine.packages)
        for package, repack in ((self.deb, repack_deb), (self.rpm, repack_rpm)):
            to = os.path.join(self.machine.packages, "%s" + os.path.splitext(package)[1])
            shutil.copy(package, to % "first")
            repack(package, to % "second", "2", "")
            repack(package, to % "third", "3", PACKAGERS_LINE)
        self.machine.boot()
        self.machine.connect()
        self.gcs = FakeGcs(os.path.join(self.machine.directory, "objects"), buckets=[BUCKET],
                           host=machine.OUTSIDE).start()

    def close(self):
        self.machine.remove()
        if self.gcs:
            self.gcs.stop()

    # -- traffic -----------------------------------------------------------------------------------

    def send(self, count, stream=1):
        """Numbered packets towards the machine; numbers go on where the last call left them."""
        order = {"interface": "outside0", "stream": stream, "count": count, "rate": 20000,
                 "first": self.sent}
        sender = peer.Stream(order)
        sender.run()
        if sender.failure or sender.sent != count:
            raise Failure("sender: %s, %d sent" % (sender.failure, sender.sent))
        numbers = range(self.sent, self.sent + count)
        self.sent += count
        return numbers

    def arrived(self, stream=1):
        """The numbers of a stream that are in the bucket, in the order of the objects."""
        numbers = []
        for name in self.gcs.names(BUCKET):
            numbers += packets.read(self.gcs.path(BUCKET, name)).numbers(stream)
        return numbers

    def check_arrived(self, expected, stream=1):
        """Exactly these, of all from the first of them on."""
        numbers = [number for number in self.arrived(stream) if number >= expected[0]]
        equal((len(numbers), numbers[:1], numbers[-1:]), (len(expected), [expected[0]], [expected[-1]]),
              "number, first and last of the packets that arrived")
        equal(numbers, list(expected), "packets that arrived")

    def wait_arrived(self, expected, stream=1, timeout=20):
        wait_until(lambda: set(expected) <= set(self.arrived(stream)), timeout, "packets %d to %d arrive" % (
            expected[0], expected[-1]))

    def on_disk(self, stream=1):
        """The numbers in the files that are being written, as far as these are whole."""
        numbers = []
        for path in glob.glob(self.machine.path(STATE + "/capturing/*.gz")):
            with open(path, "rb") as file:
                rest = file.read()
            content = b""
            while rest:
                member = zlib.decompressobj(31)
                with contextlib.suppress(zlib.error):
                    content += member.decompress(rest)
                if not member.eof:
                    break
                rest = member.unused_data
            with contextlib.suppress(ValueError):
                numbers += packets.Capture(content).numbers(stream)
        return numbers

    def wait_on_disk(self, expected):
        wait_until(lambda: set(expected) <= set(self.on_disk()), PATIENCE_S, "the packets are on the disk")

    # -- the service -------------------------------------------------------------------------------

    def install(self, name, *options):
        """With apt, or with rpm, which Debian has but not what systemd does after rpm in Fedora and RHEL."""
        if name.endswith(".deb"):
            self.machine.run("apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *options,
                             "/mnt/" + name, timeout=120)
        else:
            self.machine.write(UPDATE_HELPER, UPDATE_HELPER_TEXT)
            self.machine.run("chmod", "755", UPDATE_HELPER)
            self.run_rpm("--upgrade", "/mnt/" + name)

    def run_rpm(self, *arguments):
        """One transaction, and what the file triggers of systemd's package do at its end."""
        self.machine.run("rpm", "--nodeps", *arguments, timeout=120)
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("systemctl", "reload-or-restart", "--marked")
        self.machine.run("journalctl", "--update-catalog")

    def set_destination(self):
        """README's command, and the address of our bucket."""
        self.machine.run("sed", "-i", 's|#destination = .*|destination = "%s";|' % BUCKET, CONFIG)
        self.drop_in()
        self.machine.run("env", "STORAGE_EMULATOR_HOST=" + self.gcs.url, NAME, "--check-config")

    def drop_in(self, *lines):
        """Settings of the unit as `systemctl edit` makes them, next to the address of our bucket."""
        self.machine.write(DROP_IN, "\n".join([
            "[Service]", "Environment=STORAGE_EMULATOR_HOST=" + self.gcs.url, "RestartSec=200ms", *lines, ""]))
        self.machine.run("systemctl", "daemon-reload")

    def configure(self, key, value):
        """Set an option of the group capture."""
        text = re.sub(r"\ncapture: \{ %s = .*\n" % key, "\n", self.machine.read(CONFIG))
        self.machine.write(CONFIG, text + "capture: { %s = %s; };\n" % (key, value))

    def start_fresh(self, *drop_in, filter=""):
        """The service in its usual state, with nothing left of the test before."""
        self.machine.run("systemctl", "stop", NAME)
        self.machine.run("systemctl", "reset-failed", NAME)
        self.gcs.clear_faults()
        self.drop_in(*drop_in)
        self.configure("filter", '"%s"' % filter)
        self.machine.run("systemctl", "start", NAME)

    def entries(self, *arguments):
        """The unit's entries in the journal."""
        text = self.machine.journal("--output=json", "--unit", NAME, *arguments)
        return [json.loads(line) for line in text.splitlines()]

    def explained(self):
        """The ids of our messages that the journal's catalogue explains."""
        return {each for each in EVENTS
                if "Subject:" in self.machine.try_run("journalctl", "--dump-catalog", each).output}

    def version(self):
        """That of the package that is installed."""
        if self.machine.try_run("rpm", "--query", NAME).status == 0:
            return self.machine.run("rpm", "--query", "--queryformat", "%{VERSION}-%{RELEASE}", NAME)
        return self.machine.run("dpkg-query", "--show", "--showformat", "${Version}", NAME)

    def restarts(self):
        return int(self.machine.show("NRestarts"))


# -- later versions of the packages ----------------------------------------------------------------


def repack_deb(package, path, number, addition):
    """The same package as a later version, with another sample of the configuration if asked for."""
    with tempfile.TemporaryDirectory(prefix="knt-repack-") as folder:
        content = os.path.join(folder, "content")
        on_this_side("dpkg-deb", "--raw-extract", package, content)
        control = os.path.join(content, "DEBIAN/control")
        with open(control, encoding="utf-8") as file:
            text = file.read()
        with open(control, "w", encoding="utf-8") as file:
            file.write(re.sub(r"^(Version: .*)$", r"\1+" + number, text, flags=re.MULTILINE))
        with open(content + SAMPLE, "a", encoding="utf-8") as file:
            file.write(addition)
        on_this_side("dpkg-deb", "--root-owner-group", "-Zgzip", "--build", content, path)


def repack_rpm(package, path, number, addition):
    """The same of the RPM: the spec with another release, and what was built before in place of a build."""
    with tempfile.TemporaryDirectory(prefix="knt-repack-") as folder:
        content = os.path.join(folder, "content")
        os.mkdir(content)
        on_this_side("sh", "-c", 'rpm2archive -n - <"$1" | tar -xC "$2" --no-same-owner', "sh", package, content)
        shutil.rmtree(content + "/usr/lib/.build-id")  # rpmbuild makes it
        with open(content + SAMPLE, "a", encoding="utf-8") as file:
            file.write(addition)
        with open(os.path.join(TOP, "rpm/kube-node-tracer.spec"), encoding="utf-8") as file:
            text = file.read()
        for pattern, new in ((r"^(Release: +)1", r"\g<1>" + number), (r"^Source0:.*\n", ""),
                             (r"^%license .*", "%license %{_datadir}/licenses"),
                             (r"^%prep\n(.*\n)*?(?=%post\n)", "%%install\ncp -a %s/. %%{buildroot}/\n" % content)):
            text, count = re.subn(pattern, new, text, flags=re.MULTILINE)
            equal(count, 1, "places of %s in the spec" % pattern)
        spec = os.path.join(folder, "kube-node-tracer.spec")
        with open(spec, "w", encoding="utf-8") as file:
            file.write(text)
        on_this_side("rpmbuild", "-bb", "--nodeps", "--load", os.path.join(TOP, "tests/package/rpm-macros"),
                     "--define", "_topdir " + folder, "--define", "debug_package %{nil}", spec)
        made, = glob.glob(folder + "/RPMS/*/*.rpm")
        shutil.move(made, path)


# -- what holds of both packages -------------------------------------------------------------------


def check_installed(lab):
    """Nothing fails, nothing runs, and all is there that the service needs."""
    contains(lab.machine.run("getent", "passwd", NAME), STATE, "the account")
    equal(lab.machine.show("MainPID"), "0", "process")
    equal(lab.machine.run("systemctl", "is-system-running").strip(), "running", "the system")
    equal(lab.machine.run("systemd-analyze", "verify", "--man=no", NAME + ".service"), "", "verify")
    contains(lab.machine.run(NAME, "--version"), NAME, "--version")
    equal(lab.explained(), EVENTS, "our messages in the journal's catalogue")


def check_waits_for_a_destination(lab):
    lab.machine.run("systemctl", "start", NAME)
    state = lab.machine.show("ActiveState", "Result", "MainPID", "UnitFileState")
    equal((state["ActiveState"], state["MainPID"]), ("inactive", "0"), "state")
    check("condition" in state["Result"], "the result is " + state["Result"])
    status = lab.machine.try_run("systemctl", "status", NAME)
    equal(status.status, 3, "systemctl status, of a unit that does not run")
    contains(status.output, "destination", "systemctl status")
    for part in ("condition", "not started: no destination is configured"):
        contains(lab.machine.journal("--unit", NAME), part, "the journal")
    # Only the program knows what the file says: this one is for root alone, and its key and value are on two lines.
    before = lab.machine.read(CONFIG)
    lab.machine.write(CONFIG, 'upload: { destination\n= "My_Bucket"; };\n')
    lab.machine.run("chmod", "600", CONFIG)
    done = lab.machine.try_run("systemctl", "start", NAME)
    lab.machine.run("chmod", "644", CONFIG)
    lab.machine.write(CONFIG, before)
    check(done.status != 0, "it starts with a file that it cannot read")
    contains(lab.machine.journal("--unit", NAME, "--priority=err"), CONFIG, "the journal")
    lab.machine.run("systemctl", "reset-failed", NAME)
    equal(lab.machine.run("systemctl", "is-system-running").strip(), "running", "the system")


def check_upgrade(lab, name, number):
    """The new program replaces the running one, which loses nothing; the edited configuration stays."""
    lab.start_fresh(filter="udp")
    edited = lab.machine.read(CONFIG)
    pid = lab.machine.show("MainPID")
    numbers = lab.send(100)
    lab.install(name)
    equal(lab.machine.read(CONFIG), edited, CONFIG)
    equal(lab.version()[-1], number, "end of the installed version " + lab.version())
    lab.machine.wait_state("active")
    check(lab.machine.show("MainPID") != pid, "the old program still runs")
    lab.wait_arrived(numbers)


def check_gone(lab, had, but=()):
    """No process, no unit, no message, and of all files those that there were, and the ones of `but`."""
    equal(lab.machine.try_run("pgrep", "--full", NAME).output, "", "processes")
    equal(lab.machine.show("LoadState"), "not-found", "LoadState")
    equal(lab.explained(), set(), "messages left in the journal's catalogue")
    files = {each for each in lab.machine.files() if not BOOKS.match(each)}
    equal(sorted(files - had), sorted(but), "files")
    equal(sorted(each for each in files if NAME in each), sorted(but), "files with its name")
    equal(lab.machine.run("systemctl", "is-system-running").strip(), "running", "the system")
