# SPDX-License-Identifier: Apache-2.0
"""Seeing that it works: metrics are what was sent, each health rule fails by an outside fault and comes
back, the commands always answer, and strangers get nothing but counters."""

import concurrent.futures
import contextlib
import ctypes
import fcntl
import http.client
import json
import os
import random
import re
import resource
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import time
import urllib.parse

from daemon import Daemon, program
from harness import NODE, command, is_real_root, main, need
from tap import Skip, check, contains, equal, wait_until

ADDRESS = ("127.0.0.1", 9469)
PREFIX = "kube_node_tracer_"
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? ([0-9.e+-]+|\+Inf)$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
CONNECTIONS = 32  # at a time
READY = ("destination", "started", "interfaces", "traffic", "spool", "loss", "upload", "waiting")
LIVE = ("capture", "record")


def ask(path, method="GET", headers=None, address=ADDRESS):
    """(status, headers, body) of one request."""
    connection = http.client.HTTPConnection(*address, timeout=20)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


def metrics(address=ADDRESS):
    """{(name, (label, value), ...): value}; a sample that is there twice is a mistake."""
    status, _, body = ask("/metrics", address=address)
    equal(status, 200, "status of /metrics")
    found = {}
    for line in body.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = SAMPLE.match(line).groups()
        key = (name.removeprefix(PREFIX), *sorted(LABEL.findall(labels or "")))
        check(key not in found, "twice: %r" % (key,))
        found[key] = float(value)
    return found


def value(found, name, **labels):
    return found[(name, *sorted(labels.items()))]


def total(found, name, **labels):
    """Of all samples of that name with these labels."""
    return sum(number for key, number in found.items()
               if key[0] == name and set(labels.items()) <= set(key[1:]))


def health(path):
    """(is well, {rule: (ok, why)})."""
    status, headers, body = ask(path)
    equal(headers["Content-Type"], "application/json", "content type")
    answer = json.loads(body)
    equal((status, answer["status"]) in ((200, "ok"), (503, "failing")), True, "%d %s" % (status, body))
    rules = {each["rule"]: (each["ok"], each["why"]) for each in answer["rules"]}
    equal(status == 200, all(ok for ok, _ in rules.values()), "status and rules: " + body)
    return status == 200, rules


def failing(path="/readyz"):
    return [rule for rule, (ok, _) in health(path)[1].items() if not ok]


def wait_failing(rules, timeout=40, path="/readyz"):
    wait_until(lambda: failing(path) == list(rules), timeout, "%s: %s failing" % (path, list(rules)))


def run_command(lab, word, *flags, timeout=20):
    """A command of the program; (exit status, standard output, standard error, seconds)."""
    start = time.monotonic()
    done = subprocess.run([program(), word, "-o", lab.spool, *flags], capture_output=True, text=True,
                          check=False, timeout=timeout, env={"PATH": os.environ["PATH"]})
    return done.returncode, done.stdout, done.stderr, time.monotonic() - start


# -- metrics -----------------------------------------------------------------------------------------


def test_metrics_are_what_was_sent(lab):
    lab.link()
    lab.link(1)
    lab.bucket()
    lab.gcs.fault("*", status=503, times=1)
    daemon = lab.daemon("-i", "veth0,veth1", "-G", "0").start_ready()
    lab.send(3000)
    lab.send(500, index=1, stream=2)
    daemon.end_segment()
    wait_until(lambda: len(lab.gcs.names()) == 2, 20, "two objects")
    found = wait_until(lambda: (lambda now: now if value(now, "uploads_total", result="success") == 2
                                else None)(metrics()), 10, "two uploads")
    equal(value(found, "interface_recorded_packets_total", interface="veth0"), 3000, "packets of veth0")
    equal(value(found, "interface_recorded_packets_total", interface="veth1"), 500, "packets of veth1")
    equal(total(found, "dropped_packets_total"), 0, "drops")
    equal(value(found, "recorded_packets_total"), 3500, "packets")
    equal(value(found, "segments_total"), 2, "segments")
    equal(value(found, "interface_up", interface="veth1"), 1, "veth1 is up")
    equal(value(found, "interface_segments_total", interface="veth0"), 1, "segments of veth0")
    objects = lab.objects()
    for name in ("veth0", "veth1"):
        # Each file has a header of 24 bytes, which is compressed, and no packet's.
        recorded = sum(each.number("pcap-bytes") - 24 for each in objects
                       if each.metadata["interface"] == name)
        equal(value(found, "interface_recorded_bytes_total", interface=name), recorded, "bytes of " + name)
    equal(total(found, "compression_input_bytes_total"),
          sum(each.number("pcap-bytes") for each in objects), "bytes before compression")
    # Behind the members is an index, VERSION:BYTES:TAIL, which is no packet's either.
    sizes = sum(each.number("bytes") for each in objects)
    indexes = sum(int(each.metadata["index"].split(":")[1]) for each in objects)
    equal(total(found, "compression_output_bytes_total", codec="gzip"), sizes - indexes, "bytes after compression")
    check(total(found, "compression_seconds_total") > 0, "no time for compression")
    equal(value(found, "uploaded_bytes_total"), sizes, "bytes uploaded")
    equal(value(found, "upload_size_bytes_sum"), sizes, "sum of the histogram")
    equal(value(found, "upload_duration_seconds_count"), 2, "count of the histogram")
    check(value(found, "upload_responses_total", code="503") == 1, "answers with 503")
    check(value(found, "upload_responses_total", code="200") >= 2, "answers with 200")
    check(abs(value(found, "upload_last_success_timestamp_seconds") - time.time()) < 60, "last success")
    # An upload is counted before its file is deleted.
    found = wait_until(lambda: (lambda now: now if not any(value(now, "spool_segments", state=each) for each in
                                                           ("ready", "sending", "rejected")) else None)(metrics()),
                       10, "no segment waits")
    equal(value(found, "spool_oldest_segment_age_seconds"), 0, "age of none")
    wait_until(lambda: value(metrics(), "interface_system_packets_total", interface="veth0") >= 3000, 15,
               "what the system counted")
    equal(value(found, "phase", phase="recording"), 1, "phase")
    equal(total(found, "health"), len(READY + LIVE), "health")
    check(value(found, "spool_filesystem_size_bytes") > value(found, "spool_filesystem_free_bytes") > 0,
          "the spool's file system")
    equal(daemon.stop(), 0, "exit status")


def test_promtool_has_nothing_to_say(lab):
    need("promtool")
    lab.link()
    lab.bucket()
    lab.daemon("-G", "0").start_ready()
    _, headers, text = ask("/metrics")
    contains(headers["Content-Type"], "version=0.0.4", "content type")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True,
                          check=False, timeout=60)
    equal((done.returncode, done.stdout + done.stderr), (0, ""), "promtool check metrics")
    _, headers, text = ask("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    contains(headers["Content-Type"], "application/openmetrics-text", "content type")
    check(text.endswith("\n# EOF\n"), "the end of OpenMetrics")


def test_losses_are_told_by_reason(lab):
    """A ring that nobody empties: the kernel's count is ours."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", "-B", "64KiB").start_ready()
    daemon.send_signal(signal.SIGSTOP)
    lab.send(5000, sizes=[1000])
    daemon.send_signal(signal.SIGCONT)
    found = wait_until(lambda: (lambda now: now if total(now, "recorded_packets_total")
                                + total(now, "dropped_packets_total") == 5000 else None)(metrics()),
                       20, "every packet is recorded or dropped")
    lost = value(found, "interface_dropped_packets_total", interface="veth0", reason="kernel")
    check(lost > 0, "nothing was lost")
    equal(total(found, "dropped_packets_total"), lost, "losses for other reasons")
    wait_failing(["loss"])
    contains(health("/readyz")[1]["loss"][1], "%d of 5000 packets" % lost, "why")
    equal(daemon.stop(), 0, "exit status")
    lab.check_accounted(lab.objects(), 5000)


def test_prometheus_scrapes_under_load(lab):
    """The real thing: what its queries answer is what was sent."""
    need("prometheus")
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "2", "-C", "1", "-B", "16384").start_ready()
    config = lab.configure("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs: "
                           "[{job_name: knt, static_configs: [{targets: ['127.0.0.1:9469']}]}]\n",
                           "prometheus.yml")
    with open(os.path.join(lab.directory, "prometheus.log"), "wb") as log:
        prometheus = subprocess.Popen(
            ["prometheus", "--config.file=" + config, "--web.listen-address=127.0.0.1:9090",
             "--storage.tsdb.path=" + os.path.join(lab.directory, "tsdb")], stdout=log, stderr=log)

    def query(text):
        with contextlib.suppress(OSError, ValueError):  # not ready yet
            _, _, body = ask("/api/v1/query?query=" + urllib.parse.quote(text),
                             address=("127.0.0.1", 9090))
            found = json.loads(body)["data"]["result"]
            return float(found[0]["value"][1]) if found else None
        return None

    try:
        wait_until(lambda: query("up") == 1, 40, "a first scrape")
        with lab.traffic(rate=20000, sizes=[100]) as traffic:
            wait_until(lambda: (query("sum(%suploads_total{result='success'})" % PREFIX) or 0) >= 2, 40,
                       "uploads")
            check(query("sum(rate(%srecorded_packets_total[10s]))" % PREFIX) > 0, "no rate")
        daemon.end_segment()
        wait_until(lambda: query("sum(%srecorded_packets_total) + sum(%sdropped_packets_total)"
                                 % (PREFIX, PREFIX)) == traffic["sent"], 30, "what was sent")
        equal(query("sum(%sdropped_packets_total)" % PREFIX), 0, "packets dropped")
        wait_until(lambda: query("sum(%suploads_total{result='success'})" % PREFIX)
                   == len(lab.gcs.names()), 20, "uploads")
        equal(query("min_over_time(up[5m])"), 1, "scrapes that failed")
    finally:
        prometheus.terminate()
        prometheus.wait(20)
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), traffic["sent"])


# -- health: each rule to failure and back -----------------------------------------------------------


def test_interfaces_rule(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0").start_ready()
    equal(health("/readyz"), (True, health("/readyz")[1]), "ready")
    equal(tuple(health("/readyz")[1]), READY, "rules")
    command("ip", "link", "set", "veth0", "down")
    wait_failing(["interfaces"])
    command("ip", "link", "set", "veth0", "up")
    wait_failing([])
    lab.unlink("veth0")
    wait_failing(["interfaces"])
    equal(health("/healthz")[0], True, "alive")
    equal(value(metrics(), "interface_up", interface="veth0"), 0, "up")
    lab.link()
    wait_failing([])
    # It is live a moment before it is counted.
    wait_until(lambda: value(metrics(), "interface_reopened_total", interface="veth0") == 1, 20, "it was opened again")
    equal(daemon.stop(), 0, "exit status")


def check_interfaces_rule(is_well, pattern):
    """What /readyz says of the interfaces."""
    was_well, why = health("/readyz")[1]["interfaces"]
    equal(was_well, is_well, "the rule of interfaces, which says " + why)
    check(re.fullmatch(pattern, why), "%r does not say %r" % (why, pattern))


def test_an_interface_that_is_not_there_is_told(lab):
    """A mistyped name beside a good one: ready, and every view names it; so when it is the only one."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-i", "veth0,veth1", "-G", "0").start_ready()
    daemon.wait_for(lambda: any("recording veth0, waiting for veth1:" in text
                                for text in daemon.notify.values("STATUS")), 10, "a STATUS")
    wait_failing([])
    check_interfaces_rule(True, "1 of 2 .*; waiting for veth1")
    equal(value(metrics(), "interface_up", interface="veth1"), 0, "up")
    contains(run_command(lab, "status")[1], "  veth1 (waiting) ", "status")
    rows = {each["name"]: (each["is_up"], each["is_awaited"])
            for each in json.loads(run_command(lab, "status", "--json")[1])["interfaces"]}
    equal(rows, {"veth0": (True, False), "veth1": (False, True)}, "status --json")
    rows = {each["name"]: (each["is_up"], each["is_awaited"])
            for each in json.loads(ask("/overview.json")[2])["interfaces"]}
    equal(rows, {"veth0": (True, False), "veth1": (False, True)}, "the page's list")
    lab.unlink("veth0")
    wait_failing(["interfaces"])
    wait_until(lambda: health("/readyz")[1]["interfaces"][1].endswith(" veth0,veth1"), 10, "both are named")
    check_interfaces_rule(False, "[^0-9]* none of 2 .*")
    lab.link(1)
    wait_failing([])
    check_interfaces_rule(True, "1 of 2 .*; waiting for veth0")
    found = metrics()
    equal([value(found, "interface_up", interface=each) for each in ("veth0", "veth1")], [0, 1], "up")
    equal(daemon.stop(), 0, "exit status")


def test_an_interface_that_cannot_be_recorded_is_told(lab):
    """A pattern has it, and it cannot be opened, or there are too many: every view says so."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-i", "veth*,tun*", "-G", "0", "--capture-filter", "ether src 02:00:00:00:00:98",
                        "--capture-max-interfaces", "2").start_ready()
    with tun_device("tun0") as tun:
        command("ip", "link", "set", "tun0", "up")
        daemon.wait_event("interface-refused", severity="ERROR", interface="tun0")
        wait_until(lambda: metrics().get(("interface_up", ("interface", "tun0"))) == 0, 10, "interface_up 0")
        check_interfaces_rule(True, "1 of 2 .*; waiting for tun0")
        contains(run_command(lab, "status")[1], "  tun0 (waiting) ", "status")
        rows = {each["name"]: (each["is_up"], each["is_awaited"])
                for each in json.loads(ask("/overview.json")[2])["interfaces"]}
        equal(rows, {"veth0": (True, False), "tun0": (False, True)}, "the page's list")
        # It becomes one that fits.
        command("ip", "link", "set", "tun0", "down")
        fcntl.ioctl(tun, 0x400454cd, 1)  # TUNSETLINK, ARPHRD_ETHER
        command("ip", "link", "set", "tun0", "up")
        daemon.wait_event("interface-recording", 20, interface="tun0")
        wait_until(lambda: value(metrics(), "interface_up", interface="tun0") == 1, 10, "interface_up 1")
        lab.link(1)
        wait_until(lambda: value(metrics(), "interfaces_left_out") == 1, 10, "one is left out")
        check_interfaces_rule(True, ".*; 1 more not recorded .limit: capture.max_interfaces.*")
        contains(run_command(lab, "status")[1], "and 1 more are NOT recorded (limit: capture.max_interfaces)", "status")
        equal(json.loads(run_command(lab, "status", "--json")[1])["interfaces_left_out"], 1, "status --json")
        equal(json.loads(ask("/overview.json")[2])["interfaces_left_out"], 1, "the page")
        daemon.wait_for(lambda: ", 1 more not recorded (limit: capture.max_interfaces): " in daemon.notify.values("STATUS")[-1],
                        10, "a STATUS")
    equal(daemon.stop(), 0, "exit status")
    equal(len(daemon.events("interface-refused")), 1, "how often it is said")
    equal(len(daemon.events("interface-recording", interface="tun0")), 1, "how often it is said")


@contextlib.contextmanager
def tun_device(name):
    """A device for packets without a link layer, gone at the end; gives its file descriptor."""
    try:
        tun = os.open("/dev/net/tun", os.O_RDWR)
    except OSError as reason:
        raise Skip("no tun devices here") from reason
    try:
        fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", name.encode(), 0x1001))  # TUNSETIFF, TUN | NO_PI
        command("ip", "link", "set", name, "addrgenmode", "none")
        yield tun
    finally:
        os.close(tun)


def test_waiting_rule(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "1", "--status-max-wait", "3").start_ready()
    lab.gcs.fault("*", status=503, times=0)
    lab.send(10)
    wait_failing(["waiting"])
    found = metrics()
    check(value(found, "spool_oldest_segment_age_seconds") > 3, "age")
    equal(value(found, "upload_failing"), 1, "failing")
    lab.gcs.clear_faults()
    equal(run_command(lab, "flush", timeout=60)[0], 0, "flush")
    wait_failing([])
    # A worker whose attempt failed is well again once it finds nothing to send.
    wait_until(lambda: value(metrics(), "upload_failing") == 0, 10, "no upload fails")
    equal(daemon.stop(), 0, "exit status")


def test_spool_rule(lab):
    """Somebody else fills the disk."""
    lab.link()
    lab.bucket()
    if not lab.is_mounted:
        raise Skip("no mount namespace")
    os.mkdir(lab.spool)
    command("mount", "-t", "tmpfs", "-o", "size=20m", "knt-spool", lab.spool)
    try:
        daemon = lab.daemon("-G", "0", "--status-max-loss", "100").start_ready()
        ballast = os.path.join(lab.spool, "ballast")
        with open(ballast, "wb") as file:
            file.write(bytes(39 << 19))
        wait_failing(["spool"])
        equal(value(metrics(), "spool_full"), 1, "full")
        lab.send(100)
        wait_until(lambda: total(metrics(), "dropped_packets_total", reason="budget") == 100, 10, "drops")
        contains(run_command(lab, "status")[1], "\nLoss      100 packets in the last minute (100 %); "
                 "since the start: budget 100\n", "status")
        status, out, said, _ = run_command(lab, "flush")
        equal((status, out), (1, ""), "flush while there is no room: " + said)
        contains(said, "the spool is full: packets are dropped until there is room", "flush")
        equal(value(metrics(), "spool_filesystem_room_bytes"), 0, "room above the floor")
        equal(value(metrics(), "spool_use_ratio"), 1, "use of the nearest limit")
        os.unlink(ballast)
        wait_until(lambda: value(metrics(), "spool_full") == 0, 20, "room")
        # For a minute it says what it cost.
        equal(health("/readyz")[1]["spool"], (False, "full: 100 packets were deleted or dropped in the last minute, "
                                              "before they were uploaded"), "the rule")
        check(value(metrics(), "spool_use_ratio") < 0.1, "use of the nearest limit")
        check(value(metrics(), "spool_filesystem_room_inodes") > 0, "room for files")
        equal(daemon.stop(), 0, "exit status")
    finally:
        command("umount", "-l", lab.spool)


def test_traffic_rule(lab):
    """The interface counts packets that never reach a packet socket: XDP takes them before."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0").start_ready()
    with dropping_xdp("veth0"), lab.traffic(rate=200):
        wait_failing(["traffic"], 60)
        contains(health("/readyz")[1]["traffic"][1], "veth0 counted ", "why")
    lab.send(100, stream=2)
    wait_failing([], 60)
    equal(daemon.stop(), 0, "exit status")


@contextlib.contextmanager
def dropping_xdp(interface):
    """An XDP program of two instructions (return XDP_DROP) on the interface."""
    if not is_real_root():
        raise Skip("needs root, to load an XDP program")
    libc = ctypes.CDLL(None, use_errno=True)
    instructions = struct.pack("<BBhi", 0xb7, 0, 0, 1) + struct.pack("<BBhi", 0x95, 0, 0, 0)
    text = ctypes.create_string_buffer(instructions)
    licence = ctypes.create_string_buffer(b"GPL")
    # union bpf_attr of BPF_PROG_LOAD: type XDP, count, instructions, licence
    attributes = ctypes.create_string_buffer(
        struct.pack("<IIQQ", 6, 2, ctypes.addressof(text), ctypes.addressof(licence)) + bytes(104))
    number = {"x86_64": 321, "aarch64": 280}.get(os.uname().machine)
    loaded = libc.syscall(number, 5, attributes, 128) if number else -1
    if loaded < 0:
        raise Skip("no XDP program can be loaded here")
    pinned = "/sys/fs/bpf"
    try:
        attach_xdp(interface, loaded)
        yield
    finally:
        command("ip", "link", "set", interface, "xdpgeneric", "off")
        os.close(loaded)
    del pinned


def attach_xdp(interface, program_fd):
    """RTM_SETLINK with IFLA_XDP {IFLA_XDP_FD, IFLA_XDP_FLAGS: generic}."""
    nested = struct.pack("<HHi", 8, 1, program_fd) + struct.pack("<HHI", 8, 3, 2)
    body = struct.pack("<BBHiII", 0, 0, 0, socket.if_nametoindex(interface), 0, 0)
    body += struct.pack("<HH", 4 + len(nested), 43 | 0x8000) + nested
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.send(struct.pack("<IHHII", 16 + len(body), 19, 5, 1, 0) + body)
        error, = struct.unpack_from("<i", netlink.recv(4096), 16)
    equal(error, 0, "errno of RTM_SETLINK")


def test_capture_rule_and_watchdog(lab):
    """A thread that hangs is seen by /healthz and by systemd's watchdog, and so is its coming back."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", environment={"WATCHDOG_USEC": "2000000"}).start_ready()
    equal(tuple(health("/healthz")[1]), LIVE, "rules")
    daemon.wait_for(lambda: len(daemon.notify.times("WATCHDOG")) >= 2, 10, "pings")
    with daemon.frozen("cap-veth0"):
        wait_failing(["capture"], path="/healthz")
        contains(health("/healthz")[1]["capture"][1], "veth0", "why")
        daemon.wait_event("stage-stuck", stage="capture")
        fed = len(daemon.notify.times("WATCHDOG"))
        equal(run_command(lab, "healthz")[0], 1, "exit status of healthz")
        time.sleep(2.5)
        equal(len(daemon.notify.times("WATCHDOG")), fed, "pings while it hangs")
    wait_failing([], path="/healthz")
    daemon.wait_for(lambda: len(daemon.notify.times("WATCHDOG")) > fed, 10, "pings again")
    equal(daemon.stop(), 0, "exit status")


def test_record_rule(lab):
    """A recorder that hangs is excused while there is room in memory, and no longer."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", "-s", "0", "-B", "16384",
                        environment={"WATCHDOG_USEC": "2000000"}).start_ready()
    lab.send(10)
    with daemon.frozen("rec-veth0"):
        time.sleep(4)
        equal(failing("/healthz"), [], "rules that fail while there is room")
        lab.send(30000, stream=2, sizes=[1500], rate=15000)
        wait_failing(["record"], path="/healthz")
        check(value(metrics(), "queue_chunks") > 30, "chunks in memory")
    wait_failing([], path="/healthz")
    equal(daemon.stop(), 0, "exit status")


def test_upload_rule(lab):
    """A hanging upload is told, and ends no recording: a restart would only be a gap."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", "--upload-workers", "1", "--upload-stall-timeout", "5",
                        environment={"WATCHDOG_USEC": "2000000"}).start_ready()
    # Idle, it waits for work; only one that is at it has to go on.
    lab.gcs.fault("*", delay=3)
    lab.send(100)
    daemon.end_segment()
    wait_until(lambda: lab.spool_files("sending"), 20, "an upload")
    with daemon.frozen("upload-1"):
        wait_failing(["upload"])
        contains(health("/readyz")[1]["upload"][1], "limit 10 s", "why")
        equal(failing("/healthz"), [], "rules of liveness")
        daemon.wait_event("upload-stuck", severity="ERROR")
        check(10 <= daemon.events("upload-stuck")[0]["seconds"] < 20, "seconds")
        fed = len(daemon.notify.times("WATCHDOG"))
        daemon.wait_for(lambda: len(daemon.notify.times("WATCHDOG")) > fed + 1, 10, "pings")
    wait_failing([])
    daemon.wait_event("upload-unstuck")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 100)


# -- the address -------------------------------------------------------------------------------------


def test_a_port_in_use_stops_nothing(lab):
    lab.link()
    lab.bucket()
    with socket.create_server(ADDRESS):
        daemon = lab.daemon("-G", "0").start_ready()
        daemon.wait_event("status-not-served", severity="ERROR", reason=".*in use.*")
        lab.send(100)
        equal(run_command(lab, "readyz")[0], 0, "exit status of readyz")
    daemon.wait_event("status-served", 30)
    equal(health("/healthz")[0], True, "alive")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 100)


def test_another_address_by_reload(lab):
    lab.link()
    lab.bucket()
    path = os.path.join(lab.directory, "status-socket")
    config = lab.configure("", "status.conf")
    daemon = lab.daemon("-G", "0", config=config).start_ready()
    equal(health("/healthz")[0], True, "alive")

    def is_open():
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(ADDRESS, 5).close()
            return True
        return False

    lab.configure('status: { listen = "unix:%s"; };\n' % path, "status.conf")
    equal(run_command(lab, "reload")[0], 0, "exit status of reload")
    equal(is_open(), False, "the port is open")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    contains(answer.decode(), "kube_node_tracer_build_info", "answer")
    lab.configure('status: { listen = ""; };\n', "status.conf")
    equal(run_command(lab, "reload")[0], 0, "exit status of reload")
    check(not os.path.exists(path), "the socket is still there")
    for bad in ("localhost:9469", "127.0.0.1", "127.0.0.1:http", "::1:9469", "unix:relative", "1.2.3.4:70000"):
        lab.configure('status: { listen = "%s"; };\n' % bad, "status.conf")
        status, _, said, _ = run_command(lab, "reload")
        equal(status, 1, "exit status of a reload with " + bad)
        contains(said, "status.listen: '%s'" % bad, "refusal")
    lab.configure('status: { listen = "127.0.0.1:9469"; };\n', "status.conf")
    equal(run_command(lab, "reload")[0], 0, "exit status of reload")
    found = metrics()
    equal(value(found, "reloads_total", result="refused"), 6, "reloads refused")
    equal(value(found, "reloads_total", result="success"), 3, "reloads")
    equal(daemon.stop(), 0, "exit status")


# -- commands ----------------------------------------------------------------------------------------


def check_answer(lab, word, exit_status, *parts):
    # A machine that is busy is slow now and then; the program never is.
    fastest = []
    while not fastest or (min(fastest) >= 1 and len(fastest) < 5):
        status, out, said, seconds = run_command(lab, word)
        equal(status, exit_status, "exit status of %s: %s%s" % (word, out, said))
        fastest.append(seconds)
    check(min(fastest) < 1, "%s took %s s" % (word, fastest))
    for part in parts:
        contains(out + said, part, word)
    return out


def test_status_whatever_it_does(lab):
    """Against a stopped, a starting, a healthy, a failing, a hanging, a reloading and a stopping one."""
    lab.link()
    lab.bucket()
    check_answer(lab, "status", 69, "not running", "why it has stopped: ")
    # Starting: it has the spool, looks through what is there, and does not listen yet.
    os.mkdir(lab.spool)
    with open(os.path.join(lab.spool, "lock"), "w", encoding="ascii") as lock:
        check_answer(lab, "status", 69, "not running")
        fcntl.lockf(lock, fcntl.LOCK_EX)
        check_answer(lab, "status", 69, "kube-node-tracer is starting", lab.spool)
        check_answer(lab, "readyz", 69, "kube-node-tracer is starting")
    # Starting: before READY, while the destination does not answer.
    lab.gcs.fault("*", delay=3600, times=0)
    daemon = lab.daemon("-G", "0", "--capture-filter", "udp", "--upload-stall-timeout", "5").start()
    wait_until(lambda: os.path.exists(os.path.join(lab.spool, "control")), 20, "the control socket")
    wait_until(lambda: run_command(lab, "status")[0] == 0, 20, "an answer")
    check_answer(lab, "status", 0, "starting", "started: starting")
    daemon.wait_ready()
    lab.gcs.clear_faults()
    lab.send(1000)
    out = check_answer(lab, "status", 0, "recording", "udp", "veth0", " to bucket")
    check(len(out.splitlines()) <= 24 and max(map(len, out.splitlines())) <= 110, "a screenful: " + out)
    # Failing: what the server said, and what to do.
    lab.gcs.fault("*", status=403, times=0)
    daemon.end_segment()
    wait_until(lambda: "uploads failing" in run_command(lab, "status")[1], 20, "trouble is told")
    check_answer(lab, "status", 0, "uploads failing since", "403", "1 segment waits (")
    lab.gcs.clear_faults()
    # Hanging.
    daemon.send_signal(signal.SIGSTOP)
    status, _, said, seconds = run_command(lab, "status")
    daemon.send_signal(signal.SIGCONT)
    equal(status, 69, "exit status while it hangs")
    check(seconds > 0.8, "it took %.1f s" % seconds)
    contains(said, "process %d" % daemon.pid, "what is said")
    # Reloading, with traffic, over and over.
    with lab.traffic(rate=2000, stream=2), concurrent.futures.ThreadPoolExecutor(1) as pool:
        reloads = pool.submit(lambda: [run_command(lab, "reload")[0] for _ in range(5)])
        while not reloads.done():
            check_answer(lab, "status", 0, "recording")
        equal(reloads.result(), [0] * 5, "exit statuses of reload")
    # Stopping: uploads hang.
    lab.gcs.fault("*", delay=3600, times=0)
    daemon.send_signal(signal.SIGTERM)
    daemon.wait_event("stopping")
    check_answer(lab, "status", 0, "stopping")
    check_answer(lab, "rotate", 1, "stopping")
    equal(daemon.stop(), 0, "exit status")
    check_answer(lab, "status", 69, "not running")
    check_answer(lab, "readyz", 69, "not running")


def test_status_as_json(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0").start_ready()
    lab.send(1000)
    daemon.end_segment()
    lab.gcs.wait_for(lambda: len(lab.gcs.names()) == 1, 20, "an object")
    answer = wait_until(lambda: (lambda now: now if now["uploads"]["segments"] == 1 else None)(
        json.loads(run_command(lab, "status", "--json")[1])), 10, "an upload")
    equal([(each["name"], each["packets"]) for each in answer["interfaces"]], [("veth0", 1000)],
          "interfaces")
    equal((answer["phase"], answer["node"]), ("recording", "node1"), "phase and node")
    equal(answer["health"], {"is_live": True, "is_ready": True, "failing": []}, "health")
    equal(answer["spool"]["directory"], lab.spool, "spool")
    equal(sum(answer["dropped"].values()), 0, "drops")
    with subprocess.Popen([program(), "status", "--watch", "-o", lab.spool], stdout=subprocess.PIPE,
                          text=True) as watching:
        seen = 0
        while seen < 2:
            seen += "kube-node-tracer" in watching.stdout.readline()
        watching.terminate()
    equal(daemon.stop(), 0, "exit status")


def urls(lab, *which):
    """As the commands print them, in the order in which the segments ended: of all objects, or of these."""
    objects = lab.objects()
    return "".join("gs://bucket/%s\n" % objects[each].name for each in which or range(len(objects)))


def test_what_rotate_ended(lab):
    """Of each interface what was open, of any destination; what begins meanwhile is not."""
    lab.link()
    lab.link(1)
    folder = os.path.join(lab.directory, "captures")
    os.mkdir(folder)
    daemon = lab.daemon("-G", "0", "-i", "veth*", "-b", "file://%s/" % folder, "--upload-prefix", "a/b").start_ready()
    with lab.traffic(stream=1, rate=2000), lab.traffic(stream=2, index=1, rate=2000):
        for _ in range(3):
            time.sleep(0.3)
            status, out, said, _ = run_command(lab, "rotate")
            equal(status, 0, "rotate: " + said)
            equal(sorted(line.split("_")[-2] for line in out.splitlines()), ["veth0", "veth1"], "interfaces of " + out)
            for line in out.splitlines():
                check(line.startswith("file://%s/a/b/%s/%s_" % (folder, NODE, NODE)), line)
                wait_until(lambda path=line[len("file://"):]: os.path.exists(path), 20, line)
    equal(daemon.stop(), 0, "exit status")


def test_rotate_and_flush(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0").start_ready()
    lab.send(100)
    status, out, said, _ = run_command(lab, "rotate")
    lab.gcs.wait_for(lambda: len(lab.gcs.names()) == 1, 20, "an object")
    equal((status, out), (0, urls(lab)), "rotate: " + said)
    equal(lab.objects()[0].metadata["reason"], "command", "reason")
    # Nothing is open, and the file before is not this one's.
    status, out, said, _ = run_command(lab, "rotate")
    equal((status, out), (0, ""), "rotate again")
    contains(said, "no packet was recorded since the last segment ended", "rotate again")
    # Hours of back-off are not waited for.
    lab.gcs.fault("*", status=503, times=0, headers={"Retry-After": "3600"})
    lab.send(100, first=100)
    run_command(lab, "rotate")
    daemon.wait_event("upload-failed")
    lab.gcs.clear_faults()
    lab.send(100, first=200)
    status, out, said, _ = run_command(lab, "flush", timeout=60)
    equal((status, out), (0, urls(lab, 2) + "all is uploaded\n"), "flush: " + said)
    lab.check_numbers(lab.objects(), 300)
    lab.check_spool_empty()
    equal(run_command(lab, "flush")[0], 0, "nothing to flush")
    # What was refused for good meanwhile is not uploaded.
    lab.gcs.fault("*", status=400, times=0)
    lab.send(100, first=300)
    status, out, said, _ = run_command(lab, "flush", timeout=60)
    equal(status, 1, "flush of what is refused: " + said)
    equal(out, "gs://bucket/node1/%s\n" % os.path.basename(lab.spool_files("rejected")[0]), "what it ended")
    contains(said, "not all is uploaded: segments permanently rejected: 1, deleted: 0", "flush")
    lab.gcs.clear_faults()
    equal(run_command(lab, "flush")[:2], (0, "all is uploaded\n"), "flush afterwards")
    equal(daemon.stop(), 0, "exit status")


def test_flush_waits_and_says_each_thing_once(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0").start_ready()
    lab.gcs.fault("*", status=503, times=0)
    lab.send(100)
    flush = subprocess.Popen([program(), "flush", "-o", lab.spool], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
    daemon.wait_event("upload-failed")
    time.sleep(5)
    equal(flush.poll(), None, "flush waits")
    lab.gcs.clear_faults()
    equal(run_command(lab, "flush", timeout=60)[:2], (0, "all is uploaded\n"), "another flush")
    out, said = flush.communicate(timeout=60)
    equal((flush.returncode, out), (0, urls(lab) + "all is uploaded\n"), "flush: " + said)
    lines = said.splitlines()
    equal(len(lines), len(set(lines)), "lines that are repeated: " + said)
    equal(sum(each.startswith("uploads are failing: ") for each in lines), 1, "why it waits: " + said)
    equal(daemon.stop(), 0, "exit status")


def test_flush_has_what_a_crash_left(lab):
    """A segment that is to be recovered is none of those that are uploaded yet."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0").start_ready()
    lab.send(100)
    wait_until(lambda: value(metrics(), "recorded_packets_total") == 100, 20, "the packets in a file")
    time.sleep(1.5)  # a crash may take the last second
    daemon.kill()
    daemon = lab.daemon("-G", "0").start_ready()
    equal(run_command(lab, "flush", timeout=60)[:2], (0, "all is uploaded\n"), "flush")
    lab.check_numbers(lab.objects(), 100)
    equal(daemon.stop(), 0, "exit status")


def test_reload_tells_what_it_did_not_take_over(lab):
    lab.link()
    lab.bucket()
    config = lab.configure("", "reload.conf")
    daemon = lab.daemon("-b", "bucket", "-i", "veth0", config=config, plain=True).start_ready()
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = "127.0.0.1:%d" % other.getsockname()[1]
        lab.configure('status: { listen = "%s"; };\ndaemon: { user = "nobody"; core_dumps = true; };\n'
                      % taken, "reload.conf")
        status, reply, said, _ = run_command(lab, "reload")
    equal(status, 0, "exit status: " + said)
    lines = reply.splitlines()
    equal(lines[:3], ["configuration reloaded",
                      "daemon.user needs a restart, the old value stays",
                      "daemon.core_dumps needs a restart, the old value stays"], "reply")
    equal(len(lines), 4, "lines of %r" % lines)
    contains(lines[3], "status.listen %s cannot be served" % taken, "reply")
    contains(lines[3], "in use", "reply")
    equal(daemon.stop(), 0, "exit status")


def test_reload_tells_another_spool(lab):
    """The commands find the recorder by the folder that it has."""
    lab.link()
    lab.bucket()
    text = 'spool: { directory = "%s"; };\n'
    config = lab.configure(text % lab.spool, "reload.conf")
    made = Daemon(lab.directory, ["--config", config, "-b", "bucket", "-i", "veth0"],
                  {"STORAGE_EMULATOR_HOST": lab.gcs.url})
    lab.daemons.append(made)
    made.start_ready()
    lab.configure(text % (lab.directory + "/other"), "reload.conf")
    equal(run_command(lab, "reload")[1], "configuration reloaded\n"
          "spool.directory needs a restart, the old value stays\n"
          "until then, commands may need -o %s\n" % lab.spool, "reply")
    equal(made.stop(), 0, "exit status")


def test_reload_tells_the_refusal(lab):
    lab.link()
    lab.bucket()
    config = lab.configure('log: { level = "info"; };\n', "reload.conf")
    daemon = lab.daemon("-G", "0", config=config).start_ready()
    equal(run_command(lab, "reload")[:2], (0, "configuration reloaded\n"), "reload")
    lab.configure('capture: { filter = "udp prt 1"; max_interfaces = 5; };\n', "reload.conf")
    status, _, said, _ = run_command(lab, "reload")
    equal(status, 1, "exit status")
    equal(daemon.events("restart-needed"), [], "what needs a restart of a configuration that is refused")
    contains(said, "reload refused, the old configuration stays: ", "refusal")
    contains(said, "reload.conf:1: capture.filter", "refusal")
    # A configuration that is broken by now does not keep one from asking the recorder.
    lab.configure("capture: {", "reload.conf")
    done = subprocess.run([program(), "status", "-o", lab.spool, "--config", config], text=True,
                          capture_output=True, check=False, timeout=20)
    equal(done.returncode, 0, "exit status with a broken configuration: " + done.stderr)
    equal(daemon.stop(), 0, "exit status")


def test_words_are_commands_only_in_front(lab):
    lab.link()
    lab.bucket()
    commands = ("; commands are run, check-config, print-config, has-destination, find, fetch, status, rotate, reload, flush, healthz, readyz, "
                "help, version, as the first word")
    for words, said in ((["-i", "veth0", "status"], "'status' is not a filter"),
                        (["-i", "veth0", "status"], commands),
                        (["-i", "veth0", "statu"], commands),
                        (["-i", "veth0", "udp prt 1"], "see pcap-filter(7)\n"),
                        (["halp", "-b", "bucket", "-o", lab.spool], commands),
                        (["halp", "-b", "bucket", "-o", lab.spool, "--check-config"], commands),
                        (["status", "udp"], "takes no more words"),
                        (["flush", "--json"], "belongs to the commands 'find', 'fetch', 'status'"),
                        (["--watch"], "belongs to the command 'status'"),
                        (["rotate", "--check-config"], "cannot be combined with the command 'rotate'")):
        done = subprocess.run([program(), "-b", "bucket", "-o", lab.spool, *words]
                              if words[0] == "-i" else [program(), *words],
                              capture_output=True, text=True, check=False, timeout=20)
        contains(done.stderr, said, "what is said of %r" % words)
        equal(done.returncode, 64, "exit status of %r" % words)


def test_control_socket_is_for_its_group(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0").start_ready()
    facts = os.stat(os.path.join(lab.spool, "control"))
    equal(oct(stat.S_IMODE(facts.st_mode)), "0o660", "mode of the control socket")
    if is_real_root():
        os.chmod(lab.directory, 0o755)
        os.chmod(lab.spool, 0o755)
        done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                               program(), "status", "-o", lab.spool], capture_output=True, text=True,
                              check=False, timeout=20)
        equal(done.returncode, 77, "exit status for a stranger: " + done.stderr)
        contains(done.stderr, "root and the group", "what is said")
    # A socket that a crash left is replaced; so is none that is alive.
    daemon.kill()
    status, _, said, _ = run_command(lab, "status")
    equal(status, 69, "exit status")
    contains(said, "ended abruptly", "what is said")
    daemon = lab.daemon("-G", "0").start_ready()
    equal(run_command(lab, "status")[0], 0, "exit status")
    equal(daemon.stop(), 0, "exit status")
    check(not os.path.exists(os.path.join(lab.spool, "control")), "the socket is left behind")


def test_status_of_nobody(lab):
    """What is said fits where it is said, is JSON where that was asked for, and is not repeated."""
    status, out, said, _ = run_command(lab, "status")
    equal((status, out), (69, ""), "status")
    contains(said, "is not running with this configuration: ", "what is said")
    check("systemctl" not in said and "journalctl" not in said, "a recorder with a folder of ours: " + said)
    status, out, said, _ = run_command(lab, "status", "--json")
    equal((status, said, list(json.loads(out))), (69, "", ["error"]), "status --json")
    contains(json.loads(out)["error"], "is not running with this configuration: " + lab.spool, "the error")
    for flags in ((), ("--json",)):
        with open(os.path.join(lab.directory, "watch"), "w+", encoding="utf-8") as file:
            watch = subprocess.Popen([program(), "status", "--watch", "-o", lab.spool, *flags],
                                     stdout=file, stderr=file)
            time.sleep(5)
            watch.terminate()
            watch.wait(20)
            file.seek(0)
            equal(file.read().count("is not running"), 1, "how often it is said")


# -- strangers ---------------------------------------------------------------------------------------


def test_commands_find_the_only_daemon(lab):
    """Without its flags, as beside ./bootstrap run; of two, one has to be named."""
    lab.link()
    lab.bucket()
    config = lab.configure("# nothing\n", "empty.conf")

    def ask_status(*flags):
        done = subprocess.run([program(), "status", "--config", config, *flags], capture_output=True, text=True,
                              check=False, timeout=20)
        return done.returncode, done.stdout, done.stderr

    if os.path.exists("/var/lib/kube-node-tracer/control") or os.path.exists("/run/kube-node-tracer/control"):
        raise Skip("a kube-node-tracer runs here")
    equal(ask_status()[0], 69, "exit status without a daemon")
    daemon = lab.daemon("-G", "0").start_ready()
    status, out, said = ask_status()
    equal((status, said), (0, ""), "status")
    contains(out, "in %s\n" % lab.spool, "the spool")
    equal(ask_status("-o", lab.directory + "/none")[0], 69, "exit status with another spool")
    second = lab.daemon("-G", "0", "-o", lab.directory + "/second", "--status-listen", "").start_ready()
    status, out, said = ask_status()
    equal((status, out), (69, ""), "status of two")
    contains(said, "-o DIR", "what to do")
    equal(second.stop(), 0, "exit status")
    equal(daemon.stop(), 0, "exit status")


def impostor(folder, ready):
    """Another account's "daemon": a locked spool, and a socket that says that all is well, and more."""
    os.setgid(65534)
    os.setuid(65534)
    with open(folder + "/lock", "wb") as lock, socket.socket(socket.AF_UNIX) as listener:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        listener.bind(folder + "/control")
        listener.listen()
        os.chmod(folder + "/control", 0o777)
        os.write(ready, b"x")
        while True:
            with listener.accept()[0] as connection, contextlib.suppress(OSError):
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nall is well \x1b]0;pwned\a\x1b[2J\n")


def test_commands_trust_no_other_account(lab):
    """Where a socket has to be looked for, that of a stranger is none, and hides none."""
    if not is_real_root():
        raise Skip("no other accounts here")
    config = lab.configure("# nothing\n", "empty.conf")
    lab.link()
    lab.bucket()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        reader, ready = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                impostor(folder, ready)
            finally:
                os._exit(1)
        try:
            equal(os.read(reader, 1), b"x", "the impostor listens")

            def ask_status(*flags):
                done = subprocess.run([program(), "status", "--config", config, *flags], capture_output=True,
                                      text=True, check=False, timeout=20)
                return done.returncode, done.stdout

            equal(ask_status(), (69, ""), "status without a daemon")
            status, out = ask_status("-o", folder)
            equal((status, out), (0, "all is well  ]0;pwned  [2J\n"), "status of a named one")
            daemon = lab.daemon("-G", "0").start_ready()
            status, out = ask_status()
            equal(status, 0, "status")
            contains(out, "in %s\n" % lab.spool, "the spool")
            equal(daemon.stop(), 0, "exit status")
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def test_strangers_learn_counters_only(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", "-b", "nobodys-business", "--capture-filter", "udp and not port 4711").start_ready()
    with open("/proc/net/tcp", encoding="ascii") as table:
        local = [line.split()[1] for line in table.readlines()[1:] if line.split()[3] == "0A"]
    check("0100007F:24FD" in local, "it listens at %r" % local)
    for path in ("/status", "/status.json", "/rotate", "/reload", "/flush", "/", "/metrics/x", "/%00", "/..%2f"):
        for method in ("GET", "POST", "PUT", "DELETE"):
            status, _, body = ask(path, method)
            # A NUL ends a path: that is / again.
            check(status in (404, 405) or path in ("/", "/%00"), "%s %s: %d" % (method, path, status))
            check("4711" not in body and "nobodys-business" not in body, "%s tells too much" % path)
    for path in ("/metrics", "/healthz", "/readyz"):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            status, headers, _ = ask(path, method)
            equal((status, headers["Allow"]), (405, "GET, HEAD"), method + " " + path)
        status, headers, body = ask(path)
        for word in ("4711", "nobodys-business", lab.spool, "node1"):
            check(word not in body, "%s tells %s" % (path, word))
        head = ask(path, "HEAD")
        equal((head[0], head[2]), (status, ""), "HEAD " + path)
    # The page says whose it is: as documented, node, interfaces and version, and no more.
    body = ask("/overview.json")[2]
    for word in ("4711", "nobodys-business", lab.spool, "udp"):
        check(word not in body, "/overview.json tells " + word)
    equal(json.loads(body)["node"], "node1", "node")
    equal(value(metrics(), "reloads_total", result="success"), 0, "reloads")
    equal(daemon.stop(), 0, "exit status")


def test_a_browser_that_was_led_here(lab):
    """A page of elsewhere whose name became 127.0.0.1 reads nothing; on another address names are served."""
    lab.link()
    lab.bucket()
    command("ip", "address", "add", "192.0.2.7/32", "dev", "lo")
    config = lab.configure("", "host.conf")
    daemon = lab.daemon("-G", "0", config=config).start_ready()
    for path in ("/", "/overview.json", "/metrics", "/readyz", "/none"):
        equal(ask(path, headers={"Host": "evil.example:9469"})[0], 421, path)
    for host in ("localhost:9469", "127.0.0.1:1234", "[::1]"):
        equal(ask("/metrics", headers={"Host": host})[0], 200, host)
    with socket.create_connection(ADDRESS) as client:
        client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        contains(client.recv(64).decode(), " 200 ", "an answer without Host")
    with socket.create_connection(ADDRESS) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        contains(client.recv(64).decode(), " 400 ", "an answer without Host, which HTTP/1.1 demands")
    lab.configure('status: { listen = "192.0.2.7:9469"; };\n', "host.conf")
    equal(run_command(lab, "reload")[0], 0, "exit status of reload")
    equal(ask("/metrics", headers={"Host": "node-7.example"}, address=("192.0.2.7", 9469))[0], 200, "another address")
    equal(daemon.stop(), 0, "exit status")


def sockets_of(daemon, port):
    """How many of the process' sockets are of this port: listening, or accepted and not closed."""
    with open("/proc/%d/net/tcp" % daemon.pid, encoding="ascii") as table:
        inodes = {line.split()[9] for line in table.readlines()[1:] if int(line.split()[1][-4:], 16) == port}
    own = 0
    for fd in os.listdir("/proc/%d/fd" % daemon.pid):
        with contextlib.suppress(OSError):
            own += os.readlink("/proc/%d/fd/%s" % (daemon.pid, fd))[len("socket:["):-1] in inodes
    return own


def check_slow_is_shown_out():
    """A byte now and then keeps no connection: it is over at its deadline."""
    with socket.create_connection(ADDRESS, 20) as client:
        begin = time.monotonic()

        def is_closed():
            try:
                client.send(b"G")
                return client.recv(1, socket.MSG_DONTWAIT) == b""
            except BlockingIOError:
                return False
            except OSError:
                return True

        wait_until(is_closed, 20, "the end of a connection that drips")
        check(time.monotonic() - begin > 4, "it was shown out at once")


def test_a_thousand_that_drip(lab):
    """A scrape beside them is answered, and a command beside those that idle on the control socket."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0").start_ready()
    resource.setrlimit(resource.RLIMIT_NOFILE, (2048, max(2048, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    with contextlib.ExitStack() as stack:
        slow = []
        for _ in range(1000):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(ADDRESS)
            slow.append(client)
        took = []
        for _ in range(5):
            for client in slow:
                with contextlib.suppress(OSError):
                    client.send(b"G")
            begin = time.monotonic()
            equal(ask("/metrics")[0], 200, "a scrape")
            took.append(time.monotonic() - begin)
        check(max(took) < 3, "scrapes took %s s" % took)
    with contextlib.ExitStack() as stack:
        for _ in range(49):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.connect(os.path.join(lab.spool, "control"))
        status, out, said, _ = run_command(lab, "status")
        equal((status, said), (0, ""), "status")
        contains(out, "recording", "status")
    equal(daemon.stop(), 0, "exit status")


def test_garbage_and_slow_clients(lab):
    """They get nothing, cost little, and keep nobody else out for long; recording does not notice."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-G", "0", "-B", "8192").start_ready()
    chance = random.Random(4711)
    requests = [b"\x00" * 100, b"GET / HTTP/9.9\r\n\r\n", b"GET /metrics", b"\r\n" * 50,
                b"GET /metrics HTTP/1.1\r\nX: " + b"a" * 100000 + b"\r\n\r\n",
                b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
                b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\nx",
                b"GET /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
                b"GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n"]
    requests += [bytes(chance.randrange(256) for _ in range(chance.randrange(1, 2000)))
                 for _ in range(200)]

    def throw(request):
        with socket.create_connection(ADDRESS, 20) as client, contextlib.suppress(OSError):
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass

    def first_line(request):
        with socket.create_connection(ADDRESS, 20) as client:
            with contextlib.suppress(OSError):
                client.sendall(request)
            return client.makefile("rb").readline().decode()

    contains(first_line(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 12000 + b"\r\n\r\n"), " 200 ",
             "a header that fits")
    contains(first_line(b"GET /metrics HTTP/1.1\r\nX: " + b"a" * 100000 + b"\r\n\r\n"), " 431 ", "a large header")
    contains(first_line(b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n"), " 414 ", "a long address")
    wait_until(lambda: sockets_of(daemon, 9469) == 1, 20, "the listening socket alone")
    check_slow_is_shown_out()

    with lab.traffic(rate=5000) as traffic, concurrent.futures.ThreadPoolExecutor(20) as pool:
        list(pool.map(throw, requests))
        equal(health("/healthz")[0], True, "alive after garbage")
        # More connections than there are places, each with a byte a second.
        slow = []
        for _ in range(40):
            client = socket.socket()
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(ADDRESS)
            slow.append(client)
        begin = time.monotonic()
        # One more listens.
        wait_until(lambda: sockets_of(daemon, 9469) == CONNECTIONS + 1, 20, "as many as are let in")
        most = []

        def gets_through():
            most.append(sockets_of(daemon, 9469))
            for client in slow:
                with contextlib.suppress(OSError):
                    client.send(b"G")
            with contextlib.suppress(OSError, http.client.HTTPException):
                return ask("/healthz")[0] == 200
            return False

        wait_until(gets_through, 60, "an answer beside slow clients")
        tap_seconds = time.monotonic() - begin
        for client in slow:
            client.close()
        # The commands have a socket of their own.
        equal(run_command(lab, "healthz")[0], 0, "healthz")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), traffic["sent"])
    check(tap_seconds < 60, "kept out for %.0f s" % tap_seconds)
    check(max(most) <= CONNECTIONS + 1, "%d connections at a time" % (max(most) - 1))


# -- logs --------------------------------------------------------------------------------------------


def test_json_log_of_a_whole_run(lab):
    """One object a line, with RFC 3339 times that only grow; its level changes while it runs."""
    lab.link()
    lab.bucket()
    config = lab.configure('log: { format = "json"; level = "info"; };\n', "json.conf")
    made = lab.daemon("-N", "node1", "-b", "bucket", "-i", "veth0", "--daemon-user", "root", "-G", "0",
                      plain=True, config=config, log_format=None).start_ready()
    lab.send(100)
    lab.gcs.fault("multipart", status=503, times=1)
    equal(run_command(lab, "flush", timeout=60)[0], 0, "flush")
    check(any(json.loads(line)["severity"] == "INFO" for line in made.log().splitlines()), "no INFO")
    lab.configure('log: { format = "json"; level = "error"; };\n', "json.conf")
    made.reload()
    before = len(made.log().splitlines())
    equal(run_command(lab, "rotate")[0], 0, "rotate")
    lab.send(100, first=100)
    equal(run_command(lab, "flush", timeout=60)[0], 0, "flush")
    said = made.log().splitlines()[before:]
    equal([line for line in said if json.loads(line)["severity"] != "ERROR"], [], "lines below error")
    lab.configure('log: { format = "json"; level = "debug"; };\n', "json.conf")
    made.send_signal(signal.SIGHUP)
    made.wait_event("reloaded")
    lab.send(100, first=200)
    equal(made.stop(), 0, "exit status")
    lines = [json.loads(line) for line in made.log().splitlines()]
    check(len(lines) > 8, "only %d lines" % len(lines))
    last = ""
    for line in lines:
        check(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]), "time %(time)s" % line)
        check(line["severity"] in ("ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"), "severity")
        check(isinstance(line["message"], str) and line["message"], "message")
        check(line["time"] >= last, "the times go back")
        last = line["time"]
    named = {line.get("event") for line in lines}
    check({"recording", "segment-finished", "upload-failed", "reloaded", "stopped"} <= named, "events %s" % named)
    lab.check_numbers(lab.objects(), 300)


if __name__ == "__main__":
    main()
