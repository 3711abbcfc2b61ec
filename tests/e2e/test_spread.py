# SPDX-License-Identifier: Apache-2.0
"""Many nodes end a file in the same second: each uploads it at its own moment, and only what ended by age."""

import datetime
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
# pylint: disable=wrong-import-position
import crc32c
from daemon import program
from harness import NODE, main
from tap import check, contains, equal, wait_until

AGE_S = 2
HOUR = ("-G", str(AGE_S), "--upload-spread", "1h")


def share(interface):
    """As in src/spool/spread.c: what part of the span its uploads are delayed by."""
    return crc32c.crc32c(NODE.encode() + b"\0" + interface.encode()) / 2 ** 32


def check_moments(daemon, span_s):
    """Nothing that ended by age was sent before its moment. Returns how many there were."""
    ended = daemon.events("segment-finished", end="age")
    for each in ended:
        day, time, interface = re.fullmatch(NODE + r"_(\d{8})T(\d{6}\.\d{3})Z_(\w+)_\d+\..*", each["name"]).groups()
        start = datetime.datetime.strptime(day + time + "+0000", "%Y%m%d%H%M%S.%f%z").timestamp()
        due = (start // AGE_S + 1) * AGE_S + share(interface) * span_s
        uploaded = daemon.events("segment-uploaded", name=each["name"])
        equal(len(uploaded), 1, "uploads of " + each["name"])
        sent = datetime.datetime.fromisoformat(uploaded[0]["time"].replace("Z", "+00:00")).timestamp()
        check(sent > due - 0.01, "%s was sent %.3f s early" % (each["name"], due - sent))
    return len(ended)


def ask(lab, *words):
    """What a command says, to its end; and its exit status."""
    answer = subprocess.run([program(), words[0], "-o", lab.spool, *words[1:]], check=False, capture_output=True,
                            text=True, timeout=60)
    return answer.returncode, answer.stdout + answer.stderr


def end_by_age(lab, daemon, first):
    """Some packets, and the file with them ends by age. Returns how many packets."""
    ended = len(daemon.events("segment-finished", end="age"))
    lab.send(10, first=first)
    daemon.wait_event("segment-finished", end="age", count=ended + 1)
    return 10


def test_two_interfaces_and_a_folder(lab):
    """The one whose moment comes later does not keep the other back."""
    lab.link(0)
    lab.link(1)
    target = os.path.join(lab.directory, "target")
    os.mkdir(target)
    span_s = 4
    daemon = lab.daemon("-b", "file://" + target, "-i", "veth0,veth1", "-G", str(AGE_S), "--upload-spread",
                        str(span_s)).start_ready()
    lab.send(10, index=0)
    lab.send(10, index=1)
    for interface in ("veth1", "veth0"):
        daemon.wait_event("segment-finished", name=".*_%s_.*" % interface, end="age")
        daemon.wait_event("segment-uploaded", name=".*_%s_.*" % interface)
    check(check_moments(daemon, span_s) >= 2, "ended by age")
    check(share("veth1") < share("veth0"), "the first is veth1's")
    contains(daemon.events("segment-uploaded")[0]["name"], "_veth1_", "the first one")
    equal(daemon.stop(), 0, "exit status")


def test_the_wait_is_no_fault(lab):
    """It is said, and no rule fails; others go meanwhile; a flush sends all at once."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon(*HOUR, "--status-max-wait", "1").start_ready()
    sent = end_by_age(lab, daemon, 0)
    delayed = [each["name"] for each in daemon.events("segment-finished", end="age")]
    for _ in range(20):  # where it ended by age just then, the next one
        lab.send(10, first=sent)
        sent += 10
        daemon.end_segment()
        daemon.wait_event("segment-finished", name="(?!%s).*" % "|".join(map(re.escape, delayed)))
        if daemon.events("segment-finished", end="signal"):
            break
        delayed = [each["name"] for each in daemon.events("segment-finished", end="age")]
    daemon.wait_event("segment-uploaded", name=re.escape(daemon.events("segment-finished", end="signal")[0]["name"]))
    status, said = ask(lab, "readyz")
    equal((status, "delayed by upload.spread" in said), (0, True), said)
    contains(ask(lab, "status")[1], " of them delayed by upload.spread\n", "status")
    equal({each["end"] for each in daemon.events("segment-finished")
           if not daemon.events("segment-uploaded", name=re.escape(each["name"]))}, {"age"}, "what waits")
    status, said = ask(lab, "flush")
    equal((status, "all is uploaded" in said), (0, True), said)
    lab.check_spool_empty()
    lab.check_numbers(lab.objects(), sent)
    equal(daemon.stop(), 0, "exit status")


def test_a_stop_and_a_restart_send_at_once(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon(*HOUR).start_ready()
    sent = end_by_age(lab, daemon, 0)
    wait_until(lambda: lab.spool_files("ready"), 10, "a file that waits")
    daemon.kill()
    equal(lab.objects(), [], "objects before")
    daemon = lab.daemon(*HOUR).start_ready()
    lab.gcs.wait_for(lambda: len(lab.gcs.names()) >= 1, 30, "what the run before left")
    sent += end_by_age(lab, daemon, sent)
    wait_until(lambda: lab.spool_files("ready"), 10, "a file that waits")
    equal(daemon.stop(), 0, "exit status")
    lab.check_spool_empty()
    lab.check_numbers(lab.objects(), sent)


def test_a_reload_changes_it(lab):
    lab.link()
    lab.bucket()
    text = "segment: { age = %d; };\nupload: { spread = %%d; };\n" % AGE_S
    path = lab.configure(text % 0, "spread.conf")
    daemon = lab.daemon(config=path).start_ready()
    sent = end_by_age(lab, daemon, 0)
    daemon.wait_event("segment-uploaded")
    lab.configure(text % 3600, "spread.conf")
    daemon.reload()
    sent += end_by_age(lab, daemon, sent)
    wait_until(lambda: lab.spool_files("ready"), 10, "a file that waits")
    contains(ask(lab, "status")[1], "delayed by upload.spread\n", "status")
    lab.configure(text % 0, "spread.conf")
    daemon.reload()
    wait_until(lambda: not lab.spool_files("ready", "sending"), 30, "nothing waits")
    lab.check_numbers(lab.objects(), sent)
    equal(daemon.stop(), 0, "exit status")


if __name__ == "__main__":
    main()
