#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CPU and memory per recorded packet, against what users have today: tcpdump, then gzip.

Needs root. Each round runs every contestant once on the same traffic (A B A B), over a veth pair in a
network namespace of its own; the medians are printed. Never part of `make check`: machines differ.

    tests/bench/compare.py build/kube-node-tracer [--packets 1000000] [--rounds 5] [--snaplen 96]
"""
import argparse
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

SETTLE_S = 1.0


def make_frames():
    """Headers like real ones, payloads that compress as real ones do: half text-like, half random."""
    dice = random.Random(1)
    frames = []
    for flow in range(256):
        size = dice.choice((66, 66, 66, 130, 590, 1514, 1514))
        head = bytes.fromhex("020000000002020000000001080045000034") + dice.randbytes(2)
        head += bytes.fromhex("40004006") + dice.randbytes(2)
        head += bytes((10, 0, dice.randrange(4), dice.randrange(256), 10, 1, 2, flow))
        head += dice.randbytes(20)
        body = b"".join(dice.choice((b"GET /healthz ", b"\0" * 16, dice.randbytes(16)))
                        for _ in range(size // 13 + 1))
        frames.append((head + body)[:size])
    return frames


def send(frames, packets, rate):
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind(("bench0", 0))
    begin = time.monotonic()
    for i in range(packets):
        out.send(frames[(i * 7) & 255])
        if i % 1000 == 0:
            ahead = i / rate - (time.monotonic() - begin)
            if ahead > 0:
                time.sleep(ahead)
    return packets / (time.monotonic() - begin)


def run(command, stop_signal, frames, options):
    """Returns (CPU seconds, peak kB, packets sent per second, standard error)."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stderr=errors, stdout=subprocess.DEVNULL)
        time.sleep(SETTLE_S)
        rate = send(frames, options.packets, options.rate)
        time.sleep(SETTLE_S)
        with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
            peak = int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1))
        process.send_signal(stop_signal)
        _, _, usage = os.wait4(process.pid, 0)
        errors.seek(0)
        return usage.ru_utime + usage.ru_stime, peak, rate, errors.read().decode()


def tcpdump_then_gzip(folder, frames, options):
    file = os.path.join(folder, "t.pcap")
    cpu, peak, rate, errors = run(
        ["tcpdump", "-i", "bench1", "-s", str(options.snaplen), "-B", "1000", "-Z", "root",
         "-w", file], signal.SIGINT, frames, options)
    zip_process = subprocess.Popen(["gzip", file])
    _, _, usage = os.wait4(zip_process.pid, 0)
    lost = int(re.search(r"(\d+) packets? dropped by kernel", errors).group(1))
    return cpu + usage.ru_utime + usage.ru_stime, peak, rate, lost


def ours(compression):
    def contestant(folder, frames, options):
        cpu, peak, rate, errors = run(
            [options.program, "-i", "bench1", "-s", str(options.snaplen), "-c", compression,
             "-o", os.path.join(folder, "spool"), "-b", f"file://{folder}/out", "-N", "bench",
             "--daemon-user", "root"], signal.SIGTERM, frames, options)
        recorded = int(re.search(r"stopped packets=(\d+)", errors).group(1))
        return cpu, peak, rate, options.packets - recorded
    return contestant


CONTESTANTS = {
    "tcpdump, then gzip -6": tcpdump_then_gzip,
    "kube-node-tracer gzip": ours("gzip"),
    "kube-node-tracer zstd": ours("zstd"),
    "kube-node-tracer none": ours("none"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("program")
    parser.add_argument("--packets", type=int, default=1000000)
    parser.add_argument("--rate", type=float, default=100000, help="packets per second at most")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--snaplen", type=int, default=96)
    options = parser.parse_args()
    options.program = os.path.abspath(options.program)
    if os.environ.get("BENCH_NAMESPACE") != "1":
        os.execvpe("unshare", ["unshare", "-nm", sys.executable, *sys.argv],
                   {**os.environ, "BENCH_NAMESPACE": "1"})
    for step in ("link add bench0 type veth peer name bench1", "link set bench0 up",
                 "link set bench1 up"):
        subprocess.run(["ip", *step.split()], check=True)
    frames = make_frames()
    results = {name: [] for name in CONTESTANTS}
    for round_number in range(options.rounds):
        for name, contestant in CONTESTANTS.items():
            folder = tempfile.mkdtemp(prefix="knt-bench-")
            results[name].append(contestant(folder, frames, options))
            shutil.rmtree(folder)
        print(f"round {round_number + 1} of {options.rounds}", file=sys.stderr)
    print(f"{options.packets} packets, snaplen {options.snaplen}, median of {options.rounds}")
    print(f"{'':24}{'CPU s/Mpkt':>12}{'peak MB':>10}{'kpps':>8}{'lost %':>8}")
    for name, runs in results.items():
        cpu, peak, rate, lost = (statistics.median(column) for column in zip(*runs))
        print(f"{name:24}{cpu / options.packets * 1e6:12.2f}{peak / 1000:10.1f}"
              f"{rate / 1000:8.0f}{lost / options.packets * 100:8.2f}")


if __name__ == "__main__":
    main()
