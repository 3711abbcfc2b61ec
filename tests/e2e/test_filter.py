# SPDX-License-Identifier: Apache-2.0
"""Capture filters: one that an interface cannot take, names that nobody looks up, hundreds of hosts."""

import contextlib
import os
import signal
import urllib.request

from harness import command, is_capturing, main, silent_name_server, wait_capturing
from tap import check, contains, diagnose, equal, wait_until, within

HEALTH = "http://127.0.0.1:9469/healthz"
NO_TUN = "ip or vlan"  # which a link without an Ethernet header cannot take


def tun(lab, name="tun0"):
    command("ip", "tuntap", "add", name, "mode", "tun")
    command("ip", "link", "set", name, "up")
    lab.links.append(name)  # to be deleted at the end


def count_recorded(lab, daemon, count, **more):
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), count, **more)


def test_interface_left_out(lab):
    """The same rule at a start, at a restart, at a reload and for one that comes later: warn, record the others."""
    lab.link()
    lab.bucket()
    tun(lab)
    path = lab.configure('capture: { filter = "%s"; };\n' % NO_TUN, "filter.conf")
    for number in range(2):
        daemon = lab.daemon("-G", "0", "-i", "veth*,tun*", "-s", "0", config=path).start_ready()
        daemon.wait_event("interface-refused", interface="tun0", reason=".*capture.filter.*")
        lab.send(100, first=100 * number)
        equal(daemon.stop(), 0, "exit status")
    path = lab.configure('capture: { filter = ""; };\n', "filter.conf")
    daemon = lab.daemon("-G", "0", "-i", "veth*,tun*", "-s", "0", config=path).start_ready()
    check(is_capturing("tun0"), "tun0 is not captured")
    lab.configure('capture: { filter = "%s"; };\n' % NO_TUN, "filter.conf")
    daemon.reload()
    daemon.wait_event("reloaded")
    daemon.wait_event("interface-refused", interface="tun0")
    check(not is_capturing("tun0"), "tun0 is captured")
    tun(lab, "tun1")
    daemon.wait_event("interface-refused", interface="tun1")
    lab.send(100, first=200)
    count_recorded(lab, daemon, 300)


def test_no_interface_fits(lab):
    """Refused: where it is named, or where there is no other."""
    lab.link()
    lab.bucket()
    tun(lab)
    for interfaces in ("tun0", "veth0,tun0", "tun*"):
        for more in ([], ["--check-config"]):
            status, said = lab.run("-i", interfaces, "-f", NO_TUN, *more)
            equal(status, 64, "exit status with %s %s: %s" % (interfaces, more, said))
            contains(said, "not a filter", "what is said")
    status, said = lab.run("-i", "veth*,tun*", "-f", NO_TUN, "--check-config")
    equal(status, 0, "exit status of the check: " + said)
    contains(said, "interface=tun0", "what is said")
    path = lab.configure("", "filter.conf")
    daemon = lab.daemon("-G", "0", "-i", "veth0,tun0", config=path).start_ready()
    lab.configure('capture: { filter = "%s"; };\n' % NO_TUN, "filter.conf")
    daemon.reload()
    daemon.wait_event("reload-refused", reason=".*not a filter.*")
    lab.send(100)
    count_recorded(lab, daemon, 100)


@contextlib.contextmanager
def hosts_file(lab, text):
    path = lab.configure(text, "hosts")
    command("mount", "--bind", path, "/etc/hosts")
    try:
        yield path
    finally:
        command("umount", "/etc/hosts")


def test_name_that_is_not_known_yet(lab):
    """A boot before the name service: it runs, says why it does not record, and records when there is a name."""
    lab.link(address=True)
    lab.bucket()
    with hosts_file(lab, "127.0.0.1 localhost\n") as path, silent_name_server(lab, "options timeout:1 attempts:1\n"):
        daemon = lab.daemon("-G", "0", "-f", "host db.internal.example or udp").start_ready()
        daemon.wait_event("interface-failed", severity="WARNING", reason=".*db.internal.example.*")
        with open(path, "a", encoding="ascii") as hosts:
            hosts.write("10.99.0.2 db.internal.example\n")
        wait_capturing()
        daemon.wait_event("interface-recording", interface="veth0")
        lab.send(100)
        count_recorded(lab, daemon, 100)


def test_name_server_that_does_not_answer(lab):
    """Main does not wait for it: health is served, a reload is not taken for now, a stop ends it."""
    lab.link()
    lab.bucket()
    path = lab.configure("", "filter.conf")
    waiting = 'capture: { filter = "host db.internal.example"; };\n'

    with silent_name_server(lab):
        daemon = lab.daemon("-G", "0", config=path).start_ready()
        lab.configure(waiting, "filter.conf")
        daemon.send_signal(signal.SIGHUP)
        daemon.wait_event("filter-slow")
        with within(3, "an answer"), urllib.request.urlopen(HEALTH, timeout=10) as answer:
            equal(answer.status, 200, "health meanwhile")
        lab.send(100)
        daemon.wait_event("reload-refused", reason=".*capture.filter.*addresses.*")
        lab.send(100, first=100)
        count_recorded(lab, daemon, 200)
        for is_early in (True, False):
            daemon = lab.daemon("-G", "0", config=path).start()
            daemon.wait_event("filter-slow")
            if not is_early:
                daemon.wait_ready()
            with within(8, "the stop"):
                equal(daemon.stop(), 0, "exit status")


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def hosts(count):
    return " or ".join("host 10.%d.%d.%d" % (i % 7, i // 250, i % 250 + 1) for i in range(count))


def test_hundreds_of_hosts(lab):
    """Compiled once for all interfaces of a type."""
    for index in range(16):
        lab.link(index)
    lab.bucket()
    daemon = lab.daemon("-G", "0", "-i", "veth*", "-f", "udp or " + hosts(200)).start_ready()
    for index in range(16):
        wait_capturing("veth%d" % index)
    used = cpu_seconds(daemon.pid)
    diagnose("16 interfaces and 200 hosts: %.1f s of CPU" % used)
    lab.send(100, index=15)
    count_recorded(lab, daemon, 100)
    check(used < 8, "%.1f s of CPU" % used)


def test_no_hole_before_the_filter(lab):
    """What a ring took before its filter was there is not in the file, which would have a hole behind it."""
    lab.link()
    lab.bucket()
    with lab.traffic(rate=20000) as traffic:
        for number in range(3):
            daemon = lab.daemon("-G", "0", "-f", "udp or " + hosts(100)).start_ready()
            wait_until(lambda daemon=daemon: daemon.events("recording"), 10, "the start")
            equal(daemon.stop(), 0, "exit status")
    for each in lab.objects():
        numbers = each.capture.numbers(1)
        check(numbers, "nothing was recorded")
        equal(numbers[-1] - numbers[0] + 1 - len(numbers), each.number("drops-kernel"), "numbers that are missing in the file")
    check(traffic["sent"] > 0, "nothing was sent")


def test_too_many_hosts(lab):
    lab.link()
    lab.bucket()
    status, said = lab.run("-f", hosts(1500), timeout=120)
    equal(status, 64, "exit status")
    contains(said, "takes more than 10 s to compile; use fewer hosts, or networks", "what is said")


if __name__ == "__main__":
    main()
