# SPDX-License-Identifier: Apache-2.0
"""One measured run: a capturer in a control group of its own, packets from the generator, and what both
of them say afterwards."""

import contextlib
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
# pylint: disable=wrong-import-position
from fake_gcs import FakeGcs

READY_S = 20
STOP_S = 60
SETTLE_S = 1.3  # more than the capturers' own delays: a second, and a quarter of one
INJECTED_BYTES = 445  # of a packet, all alike: the average of a node's mix
BLOCK_BYTES = 512  # of rusage's counts


class Broken(Exception):
    """The run says nothing."""


def unified_hierarchy():
    """Where cgroup2 is mounted, or None."""
    with open("/proc/self/mountinfo", encoding="ascii") as mounts:
        for line in mounts:
            fields = line.split()
            if "cgroup2" in fields[fields.index("-") + 1:]:
                return fields[4]
    return None


class Group:
    """A control group: the CPU time of all processes in it, dead ones too. Every version 2 group counts it,
    with or without the cpu controller."""

    def __init__(self):
        where = unified_hierarchy()
        if not where:
            raise Broken("cgroup2 is mounted nowhere; mount -t cgroup2 none /sys/fs/cgroup/unified")
        self.path = tempfile.mkdtemp(prefix="knt-bench-", dir=where)

    def wrap(self, command, cpus):
        """The command, started inside, on these CPUs."""
        script = 'echo $$ >"$0/cgroup.procs" && exec taskset -c "$1" "${@:2}"'
        return ["bash", "-c", script, self.path, cpus, *command]

    def cpu_s(self):
        with open(self.path + "/cpu.stat", encoding="ascii") as stat:
            return int(re.search(r"usage_usec (\d+)", stat.read()).group(1)) / 1e6

    def resident_bytes(self):
        """The largest resident set so far, of all processes that live."""
        total = 0
        with open(self.path + "/cgroup.procs", encoding="ascii") as processes:
            for pid in processes.read().split():
                with contextlib.suppress(FileNotFoundError, AttributeError):
                    with open("/proc/%s/status" % pid, encoding="ascii") as status:
                        total += int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1)) * 1024
        return total

    def wake_ups(self):
        """How often its threads gave up a CPU to wait."""
        total = 0
        with open(self.path + "/cgroup.procs", encoding="ascii") as processes:
            for pid in processes.read().split():
                for task in glob.glob("/proc/%s/task/*/status" % pid):
                    with contextlib.suppress(FileNotFoundError):
                        with open(task, encoding="ascii") as status:
                            total += int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)",
                                                   status.read()).group(1))
        return total

    def close(self):
        os.rmdir(self.path)


def wait_for(what, pattern, path, process, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with open(path, encoding="utf-8", errors="replace") as log:
            text = log.read()
        if pattern.search(text):
            return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise Broken("%s: not ready: %s" % (what, text[-500:]))


def count_packets(path):
    """By tcpdump, of the whole file."""
    unpackers = {".gz": "zcat", ".zst": "zstdcat"}
    unpack = unpackers.get(os.path.splitext(path)[1], "cat")
    done = subprocess.run(["bash", "-o", "pipefail", "-c", '"$0" "$1" | tcpdump --count -nr -', unpack, path],
                          capture_output=True, text=True, check=False)
    found = re.search(r"^(\d+) packets?", done.stdout, re.MULTILINE)
    if done.returncode or not found:
        raise Broken("%s: %s" % (path, done.stderr.strip()))
    return int(found.group(1))


def generate(options, rate, count=None, seconds=None, is_injected=False):
    """Send, or have the interface receive what nobody sent; returns what the generator says."""
    command = ["taskset", "-c", options.generator_cpu, options.generate, "--rate", str(int(rate))]
    command += (["-i", options.interface, "--inject"] if is_injected else
                ["-i", options.sender, "--received-by", options.interface])
    for flag, value in (("--count", count), ("--seconds", seconds), ("--pcap", not is_injected and options.pcap),
                        ("--sizes", options.sizes or (is_injected and INJECTED_BYTES)),
                        ("--flows", options.flows)):
        if value:
            command += [flag, str(value)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Broken(done.stderr.strip())
    return json.loads(done.stdout)


def stop(capturer, process, log_path):
    """Returns the resources that it used, as the kernel adds them up for its parent."""
    process.send_signal(capturer.stop_signal)
    end = time.monotonic() + STOP_S
    while time.monotonic() < end:
        try:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        except ChildProcessError:  # asked after already, and gone
            raise Broken("%s ended by itself, see %s" % (capturer.name, log_path)) from None
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise Broken("%s did not end, see %s" % (capturer.name, log_path))


def measure(capturer, options, rate, count=None, seconds=None, is_injected=False):
    """One run; returns what was measured."""
    place = tempfile.mkdtemp(prefix="knt-bench-", dir=options.folder)
    group = Group()
    server = FakeGcs(place + "/objects").start() if capturer.uploads else None
    log_path = place + "/standard-error.log"
    try:
        with open(log_path, "wb") as log:
            process = subprocess.Popen(
                group.wrap(capturer.command(place, options), options.capturer_cpus),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **capturer.environment(server and server.url)})
        try:
            wait_for(capturer.name, capturer.ready, log_path, process, READY_S)
            time.sleep(SETTLE_S)
            start_cpu_s, start_wake_ups, begin = group.cpu_s(), group.wake_ups(), time.monotonic()
            if rate:
                sent = generate(options, rate, count, seconds, is_injected)
            else:
                time.sleep(seconds)
                sent = {"sent": 0, "received": 0, "seconds": seconds}
            # The traffic's own time is what a rate is of; what is left over is done after it.
            wake_ups = group.wake_ups() - start_wake_ups
            time.sleep(SETTLE_S)
            resident = group.resident_bytes()
            idle = time.monotonic() - begin
        finally:
            usage = stop(capturer, process, log_path) if process.returncode is None else None
        for command in capturer.afterwards(place):
            child = subprocess.Popen(group.wrap(command, options.capturer_cpus))
            _, status, more = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode:
                raise Broken("%s failed" % " ".join(command))
            usage = Usage(usage, more)
        cpu_s = group.cpu_s() - start_cpu_s
        files = capturer.files(place)
        stored = sum(os.path.getsize(path) for path in files)
        recorded = sum(map(count_packets, files)) if rate else 0
        return {"capturer": capturer.name, "rate": rate, "cpu_s": cpu_s, "start_cpu_s": start_cpu_s,
                "seconds": sent["seconds"], "seconds_in_all": idle, "sent": sent["received"],
                "recorded": recorded, "stored_bytes": stored, "resident_bytes": resident,
                "disk_bytes": (usage.ru_inblock + usage.ru_oublock) * BLOCK_BYTES,
                "wake_ups": wake_ups}
    finally:
        if server:
            server.stop()
        with contextlib.suppress(OSError):
            group.close()
        shutil.rmtree(place, ignore_errors=True)


class Usage:
    """The disk's part of two rusages."""

    def __init__(self, one, other):
        self.ru_inblock = one.ru_inblock + other.ru_inblock
        self.ru_oublock = one.ru_oublock + other.ru_oublock
