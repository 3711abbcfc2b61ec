#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""find --conversations: who talked to whom, from the indexes alone."""

import json
import os
import re
import shutil
import subprocess

import tap
from fleet import MINUTE, START, laboratory
from tap import check, equal

WINDOW = (START + MINUTE, START + 4 * MINUTE)
LINE = re.compile(r"IP6? (\S+)\.(\d+) > (\S+)\.(\d+): Flags \[([^\]]*)\]")


def tcp_of(path, window):
    """{(addresses, lower port): flags} of the TCP packets of a file in the window, by tcpdump."""
    unpack = {".gz": "zcat", ".zst": "zstdcat"}[os.path.splitext(path)[1]]
    content = subprocess.run([unpack, path], capture_output=True, check=True).stdout
    text = subprocess.run(["tcpdump", "-nnttr", "-", "tcp"], input=content, capture_output=True,
                          check=True).stdout.decode()
    found = {}
    for line in text.splitlines():
        match = LINE.search(line)
        if match and window[0] <= int(float(line.split()[0]) * 10**6) * 1000 < window[1]:
            a, b, low = match.group(1), match.group(3), min(int(match.group(2)), int(match.group(4)))
            key = (frozenset([a, b]), low)
            found[key] = found.get(key, "") + match.group(5)
    return found


def conversations(lab, *words):
    done = lab.search("find", WINDOW, "--conversations", "--json", *words)
    answer = json.loads(done.stdout)
    return answer, {(frozenset(each["addresses"]), each["port"]): each for each in answer["conversations"]
                    if each["protocol"] == "tcp" and not each["in_tunnel"]}


def test_all_that_talked_are_listed(lab):
    """And whoever was seen with a RST; nobody who was not there."""
    lab.make(nodes=4, objects=5)
    answer, listed = conversations(lab, "tcp")
    expected = {}
    for each in answer["objects"]:
        path = os.path.join(lab.bucket, each["object"])
        if each["read"] == "members":
            for key, flags in tcp_of(path, WINDOW).items():
                expected[key] = expected.get(key, "") + flags
    check(len(expected) > 50, "%d conversations" % len(expected))
    equal({key for key in expected if key not in listed}, set(), "conversations that are missing")
    for key, flags in expected.items():
        check("R" not in flags or listed[key]["with_rst"], "no RST: %s" % listed[key])
        check("S" not in flags or listed[key]["with_syn"], "no SYN: %s" % listed[key])
    shares = [each["with_rst"] / each["members"] for each in answer["conversations"]]
    equal(shares, sorted(shares, reverse=True), "order")


def test_the_filter_narrows(lab):
    lab.make(nodes=4, objects=5)
    _, everything = conversations(lab, "tcp")
    _, some = conversations(lab, "port", "5432")
    check(0 < len(some) < len(everything), "%d of %d" % (len(some), len(everything)))
    # The index does not know where ports are behind IP options: those few are listed, too.
    check(sum(port == 5432 for _, port in some) > len(some) * 3 // 4, "ports: %s" % sorted(some, key=str))
    done = lab.search("find", WINDOW, "--conversations", "host", "9.9.9.9", status=1)
    equal(len(done.stdout.splitlines()), 1, "lines")


def test_tunnels_are_named(lab):
    """That a host was not found may be because it talks inside of them."""
    lab.make(nodes=2, objects=3)
    said = lab.search("find", WINDOW, "tcp").stderr.decode()
    check(re.search(r"\d+ files? ha(s|ve) packets in tunnels, .* --inner searches inside", said), said)
    said = lab.search("find", WINDOW, "--inner", "tcp").stderr.decode()
    check("packets in tunnels" not in said, said)


def test_no_packet_is_read(lab):
    lab.make(nodes=4, objects=5)
    answer, _ = conversations(lab)
    size = sum(each["size"] for each in answer["objects"])
    check(answer["read"]["bytes"] < size / 2, "%d of %d bytes" % (answer["read"]["bytes"], size))


if __name__ == "__main__":
    if not shutil.which("tcpdump"):
        tap.skip_all("tcpdump is missing")
    tap.run([value for name, value in list(globals().items()) if name.startswith("test_")], laboratory)
