# SPDX-License-Identifier: Apache-2.0
"""The program as a service: what it tells its manager, signals, reloads, privileges, interfaces
that come and go."""

import json
import os
import pwd
import re
import signal
import socket
import time

from harness import command, is_capturing, is_real_root, main, wait_capturing
from tap import Skip, check, contains, equal, wait_until, within

CAP_NET_RAW = 1 << 13
# The log of a short run, but for what differs each time.
WORDS = """\
notice: recording version=* interface=veth0 filter="" node=node1 destination=bucket spool=*
notice: stopping; a second signal skips the uploads signal=TERM deadline_s=20
info: segment finished name=* end=stop packets=100 bytes=* drops=0 lost_before=0
info: segment uploaded name=* bytes=* ms=* requests=2 location=*
notice: stopped packets=100 dropped=0 uploaded=1 waiting=0 rejected=0
"""
CONFIG = """
capture: {{ filter = "{filter}"; snaplen = {snaplen}; buffer = 16384; }};
segment: {{ age = {age}; }};
"""


def write_config(lab, filter="udp", snaplen=96, age=0):
    return lab.configure(CONFIG.format(filter=filter, snaplen=snaplen, age=age), "service.conf")


def test_ready_means_capturing(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0").start_ready()
    lab.send(1000)  # at once: not one may be missed
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 1000)
    texts = daemon.notify.values("STATUS")
    check(texts and all(" " in text for text in texts), "STATUS lines: %r" % texts)
    check(daemon.notify.times("STOPPING"), "no STOPPING=1")
    check(daemon.notify.times("READY")[0] < daemon.notify.times("STOPPING")[0], "order")


def test_watchdog(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", environment={"WATCHDOG_USEC": "800000"}).start_ready()
    daemon.wait_for(lambda: len(daemon.notify.times("WATCHDOG")) >= 5, 5, "five pings")
    pings = daemon.notify.times("WATCHDOG")
    gaps = [after - before for before, after in zip(pings, pings[1:])]
    check(max(gaps) < 0.8, "gaps between pings: %r" % gaps)
    equal(daemon.stop(), 0, "exit status")


def test_no_pings_unasked(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "1", "--segment-empty", "true").start_ready()
    lab.gcs.wait_for(lambda: len(lab.gcs.names()) >= 2, 10, "two objects")
    equal(daemon.notify.times("WATCHDOG"), [], "pings")
    equal(daemon.stop(), 0, "exit status")


def test_interrupt_is_like_terminate(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0").start_ready()
    lab.send(100)
    equal(daemon.stop(number=signal.SIGINT), 0, "exit status")
    lab.check_numbers(lab.objects(), 100)


def test_stop_while_the_bucket_does_not_answer(lab):
    """Also the start-up probe hangs: a stop is prompt all the same."""
    lab.link()
    lab.bucket()
    lab.gcs.fault("*", delay=3600, times=0)
    daemon = lab.daemon("-G", "0", "--daemon-shutdown-deadline", "1").start()
    daemon.wait_event("recording")
    lab.send(100)
    with within(5, "the stop"):
        equal(daemon.stop(), 0, "exit status")
    equal(len(lab.spool_files("ready")), 1, "segments that wait")


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_stop_waits_idly(lab):
    """The end of promiscuous mode is a message about the interface, which nobody waits for any more."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", "--daemon-shutdown-deadline", "20").start_ready()
    lab.send(100)
    lab.gcs.fault("*", delay=3600, times=0)
    daemon.send_signal(signal.SIGTERM)
    wait_until(lambda: lab.spool_files("sending"), 10, "the upload that gets no answer")
    before, start = cpu_seconds(daemon.pid), time.monotonic()
    wait_until(lambda: time.monotonic() - start > 2, 5, "two seconds")
    used = cpu_seconds(daemon.pid) - before
    check(used < 0.5, "%.2f s of CPU while waiting for an upload" % used)
    daemon.send_signal(signal.SIGTERM)
    equal(daemon.wait(), 0, "exit status")


# -- reload ----------------------------------------------------------------------------------------


def test_reload_tells_the_manager(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon(config=write_config(lab)).start_ready()
    daemon.reload()
    moments = [int(value) for value in daemon.notify.values("MONOTONIC_USEC")]
    equal(len(moments), 1, "MONOTONIC_USEC")
    check(0 <= time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6 - moments[0] < 1e7, "a moment ago")
    reloading, ready = daemon.notify.times("RELOADING"), daemon.notify.times("READY")
    check(len(reloading) == 1 and ready[0] < reloading[0] <= ready[1], "READY, RELOADING, READY")
    equal(daemon.stop(), 0, "exit status")


def test_reload_takes_a_new_filter(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon(config=write_config(lab, "udp dst port 1")).start_ready()
    for stream in (1, 2):
        lab.send(100, stream=stream)
    write_config(lab, "udp dst port 2")
    daemon.reload()
    for stream in (1, 2):
        lab.send(100, stream=stream, first=100)
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    lab.check_numbers(objects, range(0, 100), stream=1)
    lab.check_numbers(objects, range(100, 200), stream=2)
    for each in objects:
        numbered = {stream for stream, _ in each.capture.numbered()}
        expected = {"udp dst port 1": {1}, "udp dst port 2": {2}}[each.metadata["filter"]]
        check(numbered <= expected, "%s has streams %r" % (each.metadata["filter"], numbered))


def test_reloads_without_change_lose_nothing(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon(config=write_config(lab)).start_ready()
    with lab.traffic(rate=20000) as traffic:
        for _ in range(20):
            daemon.reload()
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    lab.check_numbers(objects, traffic["sent"])
    equal(lab.check_accounted(objects, traffic["sent"]), 0, "drops")


def test_reloads_that_reopen_lose_nothing(lab):
    """Another snaplen or filter opens the capture anew: no packet is lost or recorded twice."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon(config=write_config(lab)).start_ready()
    with lab.traffic(rate=20000) as traffic:
        for number in range(8):
            write_config(lab, snaplen=80 + number % 3,
                         filter="udp dst port 1" if number % 2 else "")
            daemon.reload()
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    lab.check_numbers(objects, traffic["sent"])
    equal(lab.check_accounted(objects, traffic["sent"]), 0, "drops")
    check(len({each.metadata["snaplen"] for each in objects}) >= 3, "snaplens")
    for each in objects:
        equal(str(each.capture.snaplen), each.metadata["snaplen"], "snaplen of " + each.name)


def test_reload_of_a_bad_file_changes_nothing(lab):
    lab.link()
    lab.bucket()
    path = write_config(lab, "udp dst port 1")
    daemon = lab.daemon(config=path).start_ready()
    for text in ("capture: { snaplem = 5; };\n", "capture: {",
                 "capture: { filter = \"udp prt 2\"; };\n",
                 "capture: { filter = \"udp dst port 2\"; };\nsegment: { age = -1; };\n"):
        lab.configure(text, "service.conf")
        had = len(daemon.events("reload-refused"))
        daemon.reload()
        daemon.wait_event("reload-refused", 5, count=had + 1, reason=".*service.conf:1.*" if not had else ".*")
    for stream in (1, 2):
        lab.send(100, stream=stream)
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    lab.check_numbers(objects, 100, stream=1)
    lab.check_numbers(objects, 0, stream=2)


def test_reload_takes_another_age_and_bucket(lab):
    lab.link()
    lab.bucket()
    path = lab.configure("segment: { age = 0; };\nupload: { destination = \"first\"; };\n",
                         "service.conf")
    daemon = lab.daemon("-N", "node1", "-i", "veth0", plain=True, config=path).start_ready()
    lab.send(100)
    lab.configure("segment: { age = 1; };\nupload: { destination = \"second\"; };\n",
                  "service.conf")
    daemon.reload()
    lab.send(100, first=100)
    lab.gcs.wait_for(lambda: len(lab.gcs.names("second")) >= 2, 10, "objects in the second bucket")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 200)


def test_reload_asked_for_during_a_reload(lab):
    """It is done once the first one is over, and once, however often it was asked for."""
    lab.link()
    lab.bucket()
    path = lab.configure("capture: { snaplen = 100; };\n", "service.conf")
    daemon = lab.daemon("-G", "0", config=path).start_ready()
    lab.configure("capture: { snaplen = 200; };\n", "service.conf")
    for _ in range(20):  # the first takes longer
        daemon.send_signal(signal.SIGHUP)
        time.sleep(0.01)
    daemon.wait_event("reloaded", count=2)
    lab.send(100)
    time.sleep(1)
    check(len(daemon.events("reloaded")) < 25, "it reloads again and again")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 100)


def test_reload_keeps_the_node_name(lab):
    lab.link()
    lab.bucket()
    path = lab.configure("node: { name = \"one\"; };\n", "service.conf")
    daemon = lab.daemon("-b", "bucket", "-i", "veth0", plain=True, config=path).start_ready()
    lab.configure("node: { name = \"two\"; };\n", "service.conf")
    daemon.reload()
    daemon.wait_event("restart-needed", option="node.name")
    lab.send(10)
    equal(daemon.stop(), 0, "exit status")
    equal({each.metadata["node"] for each in lab.objects()}, {"one"}, "node")


# -- surroundings ----------------------------------------------------------------------------------


def test_pid_1(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", wrapper=["unshare", "--pid", "--fork",
                                            "--kill-child"]).start_ready()
    with open("/proc/%d/status" % daemon.pid, encoding="ascii") as status:
        check("NSpid:\t%d\t1\n" % daemon.pid in status.read(), "it is process 1")
    lab.send(100)
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 100)


def test_without_a_manager(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", with_notify=False).start()
    daemon.wait_event("recording")  # a socket alone may be the check's, before the start
    lab.send(100)
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 100)


def test_drops_privileges(lab):
    if not is_real_root():
        raise Skip("needs root, to become another user")
    lab.link()
    lab.bucket()
    nobody = pwd.getpwnam("nobody")
    os.mkdir(lab.spool)
    os.chown(lab.spool, nobody.pw_uid, nobody.pw_gid)
    daemon = lab.daemon("--daemon-user", "nobody", "-G", "0").start_ready()
    for thread in os.listdir("/proc/%d/task" % daemon.pid):
        with open("/proc/%d/task/%s/status" % (daemon.pid, thread), encoding="ascii") as file:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
        equal(status["Uid"].split(), [str(nobody.pw_uid)] * 4, "user of thread " + status["Name"])
        equal(status["Gid"].split(), [str(nobody.pw_gid)] * 4, "group of thread " + status["Name"])
        check(set(status["Groups"].split()) <= {str(nobody.pw_gid)}, "groups " + status["Groups"])
        for kind in ("CapEff", "CapPrm"):
            equal(int(status[kind], 16), CAP_NET_RAW, kind + " of thread " + status["Name"])
    lab.send(100)
    lab.unlink("veth0")
    lab.link()
    wait_capturing()  # it may still open interfaces
    lab.send(100, first=100)
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 200)


def test_check_with_the_rights_of_the_account(lab):
    """As root, --check-config says what a start would meet, and changes nothing."""
    if not is_real_root():
        raise Skip("needs root, to become another user")
    lab.link()
    nobody = pwd.getpwnam("nobody")
    captures, hidden = (os.path.join(lab.directory, name) for name in ("captures", "hidden"))
    os.mkdir(captures)
    os.mkdir(hidden, 0o700)

    def check_config(*flags):
        return lab.run("--daemon-user", "nobody", "-b", "file://" + captures, *flags,
                       "--check-config")

    status, log = check_config()
    equal(status, 78, "exit status for a folder of root's: " + log)
    contains(log, "the account nobody (uid %d) cannot write to the folder %s" %
             (nobody.pw_uid, captures), "log")
    os.chown(captures, nobody.pw_uid, nobody.pw_gid)
    status, log = check_config()
    equal(status, 0, "exit status: " + log)
    equal(os.listdir(captures), [], "files in the destination")
    check(not os.path.exists(lab.spool), "the spool was made")
    # A folder of root's is given to the account by a start; one that it cannot get to is not.
    os.mkdir(lab.spool, 0o700)
    status, log = check_config()
    equal(status, 0, "exit status: " + log)
    equal(os.stat(lab.spool).st_uid, 0, "owner of the spool")
    # The same for a start, which leaves nothing behind when it fails.
    def refused(spool, reason):
        for action in (["--check-config"], []):
            status, log = lab.run("--daemon-user", "nobody", "-b", "file://" + captures, "-o", spool,
                                  *action)
            equal(status, 64, "exit status for the spool %s: %s" % (spool, log))
            contains(log, reason, "log")

    for spool in (os.path.join(hidden, "spool"), os.path.join(hidden, "a/b")):
        reason = "the account nobody (uid %d), which it is given to, cannot get to %s" % (
            nobody.pw_uid, hidden)
        refused(spool, reason)
        equal(os.listdir(hidden), [], "files beside the spool")
        os.makedirs(spool)
        refused(spool, reason)
        os.removedirs(spool)
        os.mkdir(hidden, 0o700)
    os.chmod(hidden, 0o755)
    with open(os.path.join(hidden, "foreign"), "w", encoding="ascii"):
        pass
    refused(hidden, "holds other files")
    equal(os.stat(hidden).st_uid, 0, "owner of a folder with other files")


def test_configuration_that_only_root_can_read(lab):
    """A reload could not read it: said before, and by name."""
    if not is_real_root():
        raise Skip("needs root, to become another user")
    lab.link()
    lab.bucket()
    path = write_config(lab)
    os.chmod(path, 0o600)
    account = "the account nobody (uid %d)" % pwd.getpwnam("nobody").pw_uid
    status, log = lab.run("--daemon-user", "nobody", "--check-config", config=path)
    equal(status, 0, "exit status: " + log)
    contains(log, "warning: ", "log")
    contains(log, path, "log")
    contains(log, account, "log")
    daemon = lab.daemon("--daemon-user", "nobody", config=path).start_ready()
    daemon.reload()
    contains(daemon.events("reload-refused")[0]["reason"], "%s: %s" % (path, account), "reason")
    os.chmod(path, 0o644)
    daemon.reload()
    daemon.wait_event("reloaded")
    equal(daemon.stop(), 0, "exit status")


def owner_of_memory(daemon):
    """The account's, or root's where the account may not look into it."""
    return os.stat("/proc/%d/mem" % daemon.pid).st_uid


def core_limits(daemon):
    with open("/proc/%d/limits" % daemon.pid, encoding="ascii") as file:
        line, = [each for each in file if each.startswith("Max core file size")]
    return line.split()[4:6]


def test_memory_is_closed(lab):
    """No core dump, and nothing for other processes of the account, unless that is asked for."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon().start_ready()
    equal(core_limits(daemon), ["0", "0"], "limits")
    equal(daemon.stop(), 0, "exit status")
    if not is_real_root():
        raise Skip("needs root, to become another user")
    nobody = pwd.getpwnam("nobody").pw_uid
    for flag, owner in (("false", 0), ("true", nobody)):
        os.makedirs(lab.spool, exist_ok=True)
        daemon = lab.daemon("--daemon-user", "nobody", "--daemon-core-dumps", flag).start_ready()
        equal(owner_of_memory(daemon), owner, "owner of its memory, core dumps " + flag)
        equal(daemon.stop(), 0, "exit status")


def test_keeps_one_capability_as_root(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("--daemon-user", "root", "-G", "0").start_ready()
    with open("/proc/%d/status" % daemon.pid, encoding="ascii") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    equal(int(status["CapEff"], 16), CAP_NET_RAW, "CapEff")
    equal(daemon.stop(), 0, "exit status")


def test_without_the_capability(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", wrapper=["setpriv", "--bounding-set", "-net_raw"]).start()
    status = daemon.wait(15)
    check(status not in (0, None) and status > 0, "exit status %r" % status)
    equal(len(daemon.lines(severity="ERROR", message=".*CAP_NET_RAW.*")), 1, "errors")


def test_interface_goes_and_comes_back(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0").start_ready()
    lab.send(100)
    lab.unlink("veth0")
    daemon.wait_event("interface-gone", severity="WARNING", interface="veth0")
    check(daemon.is_running(), "it ended")
    lab.link()
    wait_capturing()
    lab.send(100, first=100)
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    lab.check_numbers(objects, 200)
    check("interface" in {each.metadata["reason"] for each in objects}, "a segment ended by that")


def test_interface_goes_down_and_up(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0").start_ready()
    lab.send(100)
    for number in (1, 2):
        command("ip", "link", "set", "veth0", "down")
        wait_until(lambda: not is_capturing("veth0"), 5, "the socket's notice")
        command("ip", "link", "set", "veth0", "up")
        lab.wait_link()
        wait_capturing()
        lab.send(100, first=100 * number)
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 300)


def test_json_log(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "1", "--log-level", "debug").start_ready()
    lab.send(100)
    lab.gcs.wait_for(lambda: len(lab.gcs.names()) >= 1, 10, "an object")
    equal(daemon.stop(), 0, "exit status")
    lines = [json.loads(line) for line in daemon.log().splitlines()]
    check(len(lines) >= 3 and all(isinstance(line, dict) for line in lines), "one object a line")


def test_text_log(lab):
    """The one test of the words in the log; all others wait for events."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", log_format="text").start_ready()
    lab.send(100)
    equal(daemon.stop(), 0, "exit status")
    text = re.sub(r"^\S+Z ", "", daemon.log(), flags=re.MULTILINE)
    equal(re.sub(r"(?<= )(version|spool|name|bytes|ms|location)=\S+", r"\1=*", text), WORDS, "the log")


def test_socket_of_an_earlier_run(lab):
    """With a folder of systemd's for the socket, one that is left in the spool goes: commands look there first."""
    lab.link()
    lab.bucket()
    stale = os.path.join(lab.spool, "control")
    os.makedirs(lab.spool)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(stale)
    daemon = lab.daemon(environment={"RUNTIME_DIRECTORY": lab.directory}).start_ready()
    check(not os.path.exists(stale), "the socket of an earlier run is still in the spool")
    check(os.path.exists(os.path.join(lab.directory, "control")), "no socket where systemd wants it")
    equal(daemon.stop(), 0, "exit status")


def test_closed_output(lab):
    """A terminal or log collector that is gone does not end a capture."""
    lab.link()
    lab.bucket()
    reader, writer = os.pipe()
    os.close(reader)
    daemon = lab.daemon("-G", "1")
    daemon.start(output=writer).wait_ready()
    os.close(writer)
    lab.send(100)
    lab.gcs.wait_for(lambda: len(lab.gcs.names()) >= 1, 10, "an object")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 100)


if __name__ == "__main__":
    main()
