#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""find and fetch, on what a fleet has uploaded: what they find is what tcpdump finds in all of its packets,
in order of time, and no more is read than has to be."""

import os
import random
import shlex
import shutil
import struct
import subprocess
import time

import fleet
import index_reader  # beside the folder that fleet is in
import tap
from daemon import is_sanitized
from fleet import MINUTE, SECOND, START, minutes, stamp
from tap import check, contains, equal

QUERIES = int(os.environ.get("KNT_QUERIES", "40"))
NODES, OBJECTS = (int(os.environ.get(name, number)) for name, number in (("KNT_NODES", "8"), ("KNT_OBJECTS", "12")))


def window_of(draw, minutes=12):
    """A random window, often of whole minutes, where files end."""
    since = START + draw.randrange(minutes * 60) * SECOND
    if draw.random() < 0.4:
        since = START + draw.randrange(minutes) * MINUTE
    return since, since + draw.choice([1, 10, 30, 60, 61, 180, 600]) * SECOND


ATOMS = [
    lambda draw: "host 10.0.%d.%d" % (draw.randrange(20), draw.randrange(2, 22)),
    lambda draw: "src host 10.0.%d.%d" % (draw.randrange(20), draw.randrange(2, 22)),
    lambda draw: "net 10.0.%d.0/28" % draw.randrange(20),
    lambda draw: "net 101.%d.0.0/16" % draw.randrange(256),
    lambda draw: "port %d" % draw.choice([53, 443, 5432, 8080, 6379, 10250]),
    lambda draw: "dst port %d" % draw.choice([53, 443, 5432, 8080]),
    lambda draw: "portrange 40000-40100",
    lambda draw: "tcp[tcpflags] & tcp-rst != 0",
    lambda draw: "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    lambda draw: "icmp[icmptype] == icmp-unreach",
    lambda draw: "ip6",
    lambda draw: "ip6 host fd00::a00:%x" % (draw.randrange(20) << 8 | draw.randrange(2, 22)),
    lambda draw: "arp",
    lambda draw: "udp",
    lambda draw: "greater %d" % draw.choice([60, 100, 150]),
    lambda draw: "ip[6:2] & 0x1fff != 0",
    lambda draw: "ip[0] & 0xf > 5",
    lambda draw: "udp port 8472",
    lambda draw: "vlan %d" % draw.randrange(100, 104),
    lambda draw: "ether host 02:00:00:00:%02x:02" % draw.randrange(20),
]


def expression_of(draw):
    words = [draw.choice(ATOMS)(draw) for _ in range(draw.choice([1, 1, 2, 2, 3]))]
    text = words[0]
    for word in words[1:]:
        text = "(%s) %s %s(%s)" % (text, draw.choice(["and", "and", "or"]), draw.choice(["", "", "not "]), word)
    return text


def test_random_queries(lab):
    """Equal to tcpdump in all of them; in a folder, and in a bucket that lists with metadata or without."""
    lab.make(NODES, OBJECTS)
    sizes = {}
    for number in range(QUERIES):
        if number == QUERIES // 2:
            lab.serve(with_metadata=lab.random.random() < 0.5)
        window, expression = window_of(lab.random, OBJECTS), expression_of(lab.random)
        words = []
        if lab.random.random() < 0.2:
            words = ["--memory", "16MiB", "-j", str(lab.random.choice([1, 2, 7]))]
        wanted = lab.expected(window, expression)
        found, said = lab.fetch(window, *words, expression, status=0 if wanted else 1)
        lab.check_found(found, wanted, "%s in %s: %s" % (expression, [stamp(each) for each in window], said))
        sizes[expression] = len(found)
    check(sum(1 for each in sizes.values() if each) > QUERIES // 4, "hardly anything was found: %s" % sizes)



# -- what is read ----------------------------------------------------------------------------------

BUSY = ("plain", "clean", "fill=1000", "members=20", "flows=2000", "drift=400")  # 12 MB a file, members of half a megabyte


def true_bytes(members, expression):
    """Stored bytes of the members of a file that hold a match: members are (stored bytes, plain content)."""
    found = subprocess.run(["tcpdump", "--nano", "-r", "-", "-w", "-", expression], capture_output=True, check=True,
                           input=b"".join(plain for _, plain in members)).stdout[24:]
    total, at = 0, 0
    for stored, plain in members:
        before, place = at, 0
        # Matches stand in the order of the file, as they are in it.
        while at < len(found):
            length = 16 + struct.unpack_from("<I", found, at + 8)[0]
            place = plain.find(found[at:at + length], place)
            if place < 0:
                break
            at += length
        total += stored if at > before else 0
    equal(at, len(found), "matches in members")
    return total


def media_of(gcs, since=0):
    """(requests, bytes) that were read of objects."""
    asked = [each["range"] for each in gcs.requests[since:] if each["kind"] == "media" and each["status"] < 300]
    return len(asked), sum(end - start for start, end in asked)


def test_no_more_is_read_than_has_to_be(lab):
    """Where a host, a net or a service is named: the members with matches, the index, and 5 % at most."""
    lab.make(1, 2, 12000, *BUSY)
    gcs = lab.serve()
    window = minutes(0, 2)
    contents = [lab.content(name) for name in lab.names()]
    indexes = [index_reader.Index(content) for content in contents]
    files = [list(index_reader.members_of(*each)) for each in zip(contents, [each.data_bytes for each in indexes])]
    everything, index = sum(map(len, contents)), sum(each.index_bytes for each in indexes)
    for expression in ("host 10.0.0.4 and port 5432", "host 10.0.0.5 and tcp port 5432", "host 10.0.0.7 and net 10.0.9.0/24",
                       "net 101.7.0.0/16", "host 10.0.0.9 and tcp[tcpflags] & tcp-rst != 0", "host 1.2.3.4"):
        wanted = sum(true_bytes(members, expression) for members in files)
        before, known = len(gcs.requests), lab.expected(window, expression)
        found, said = lab.fetch_json(window, expression, status=0 if known else 1)
        lab.check_found(found, known, expression)
        count, read = media_of(gcs, before)
        tap.diagnose("%s: %d packets, %d bytes in %d requests; members with matches %d, index %d, window %d" % (
            expression, len(found), read, count, wanted, index, everything))
        check(read <= 1.05 * (wanted + index), "%s: %d bytes were read, %d + %d have to be" % (
            expression, read, wanted, index))
        equal((said["read"]["requests"], said["read"]["bytes"]), (len(gcs.requests) - before, read), "what it says")
        check(said["plan"]["bytes"] <= read <= said["plan"]["bytes"] + index, "the plan: %r" % said["plan"])
        # Of each file the end and, if need be, its conversations; then no more than the plan.
        check(count <= said["plan"]["requests"] + 2 * len(lab.names()), "%d requests, planned %d" % (
            count, said["plan"]["requests"]))
    check(read <= everything / 1000, "a host that is nowhere costs %d bytes of %d" % (read, everything))
    equal(count, len(lab.names()), "requests for a host that is nowhere")
    # Where nobody says how long the index is, a guess is as good.
    for name, content in zip(lab.names(), contents):
        gcs.put(fleet.BUCKET, name, content)
    before = len(gcs.requests)
    lab.find(window, "host 1.2.3.4", status=1)
    count, read = media_of(gcs, before)
    check(read <= everything / 1000 and count == len(contents), "without metadata: %d bytes in %d requests" % (
        read, count))


def test_find_and_dry_run_say_what_fetch_reads(lab):
    lab.make(3, 6, 300)
    lab.serve()
    window, expression = minutes(1, 4), "host 10.0.1.5"
    lab.fetch_json(window, expression)
    _, fetched = lab.fetch_json(window, expression)
    dry = lab.search("fetch", window, "--dry-run", expression).stderr.decode()
    found = lab.find_json(window, expression)
    del fetched["plan"]["limit"]  # find has none
    for key in ("plan", "objects", "window", "filter", "coverage", "nodes"):
        equal(found[key], fetched[key], key)
    names, _ = lab.find(window, expression)
    equal(names, [each["object"] for each in found["objects"] if each["read"] in ("members", "whole")], "names")
    contains(dry, "in %d requests from %d of %d objects" % tuple(
        found["plan"][key] for key in ("requests", "objects", "of_objects")), "the plan")
    check(all(os.path.exists(os.path.join(lab.bucket, name)) for name in names), "names of objects")
    equal(fetched["result"]["packets"], len(lab.expected(window, expression)), "packets")
    table = lab.search("find", window, expression).stdout.decode().splitlines()
    equal([line.split()[-1] for line in table[1:]], names, "names in the table")


def test_nodes_cost_two_requests(lab):
    """1,000 nodes that nobody named; one request each where they are."""
    nodes = 1000
    gcs = lab.serve()
    facts = {"interface": "eth0", "sequence": "1", "start": stamp(START), "end": stamp(START + MINUTE),
             "first": stamp(START), "last": stamp(START + SECOND), "since": stamp(START), "packets": "1",
             "max-age": "300", "interfaces": "eth0"}
    for number in range(nodes):
        node = "node-%d" % number  # node-1 is a prefix of node-10
        gcs.put(fleet.BUCKET, "%s/%s_20261123T140000.000Z_eth0_00000001.pcap.gz" % (node, node), b"",
                metadata={**facts, "node": node})
    # Behind all packets, so that no object is looked at.
    window = START + 30 * SECOND, START + 40 * SECOND
    said = lab.find_json(window, status=1)
    equal((said["nodes"], len(gcs.requests)), (nodes, gcs.count("list")), "nodes, and requests")
    # Two of each, and for each range of names one that finds its end.
    check(gcs.count("list") <= 2.25 * nodes, "%d requests for %d nodes" % (gcs.count("list"), nodes))
    before = gcs.count("list")
    names = ["node-%d" % number for number in range(0, nodes, 10)]
    said = lab.find_json(window, "-N", ",".join(names), status=1)
    equal(said["nodes"], len(names), "nodes by name")
    # And one for the layout by time.
    check(gcs.count("list") - before <= len(names) + 1, "requests for known nodes")


# -- what there may be -----------------------------------------------------------------------------

def name_by_time(name):
    file = name.split("/")[1]
    day = file.split("_")[1]
    minute = int(day[11:13]) // 5 * 5
    return "%s/%s/%s/%s%02d/%s" % (day[:4], day[4:6], day[6:8], day[9:11], minute, file)


def test_layouts_side_by_side(lab):
    """Some nodes write by node, others by time, and one has changed its mind."""
    lab.make(6, 10, 200)
    for name in lab.names():
        if name.startswith(("node-01", "node-03")) or (name.startswith("node-04") and "T1405" <= name[16:21]):
            os.makedirs(os.path.dirname(os.path.join(lab.bucket, name_by_time(name))), exist_ok=True)
            os.rename(os.path.join(lab.bucket, name), os.path.join(lab.bucket, name_by_time(name)))
            lab.facts[name_by_time(name)] = lab.facts.pop(name)
    for with_metadata in (None, False, True):
        if with_metadata is not None:
            lab.serve(with_metadata=with_metadata)
        for _ in range(3):
            lab.check_fetches(window_of(lab.random, 10), lab.random.choice(
                ["net 10.0.0.0/16", "port 443", "ip6", "host 10.0.3.4 or host 10.0.4.4 or host 10.0.1.4"]))
        names, _ = lab.find(minutes(0, 10), "-N", "node-0[34]", "net 10.0.0.0/8")
        check({name.count("/") for name in names} == {1, 4}, "both layouts: %s" % names)
        lab.close()


def test_files_put_together(lab):
    """By compose, by cat, by rsync: of ours and others', and none of the packets is left out."""
    lab.make(3, 4, 400, "plain")
    first, second, third, _ = lab.names("node-01", "eth0")
    others, last = lab.names("node-02", "eth0")[:2]
    lab.change(first, lab.content(first) + lab.content(second))
    lab.remove(second)
    # Others' first, ours behind it.
    foreign = subprocess.run(["gzip", "-c"], input=lab.content(third), capture_output=True, check=True).stdout
    lab.change(third, foreign)  # packed once more
    whole = subprocess.run(["zcat"], input=lab.content(others), capture_output=True, check=False).stdout
    lab.change(others, subprocess.run(["gzip", "-1c"], input=whole, capture_output=True, check=True).stdout +
               lab.content(last) + lab.content(first))
    lab.remove(last)
    # So that those of the first are there once.
    lab.remove(first)
    for expression in ("host 10.0.1.5", "net 10.0.2.0/24 and not port 53", "tcp[tcpflags] & tcp-syn != 0", ""):
        lab.check_fetches(minutes(0, 4), expression)
        lab.check_fetches(minutes(1.5, 2.5), expression)


def test_files_of_before(lab):
    """No metadata, no index, no facts: read whole, by their names' times; what they cover is not claimed."""
    lab.make(3, 5, 300, "plain")
    for name in lab.names():
        content = lab.content(name)
        lab.change(name, content[:index_reader.Index(content).data_bytes])
    lab.serve(with_metadata=False)
    for expression in ("host 10.0.1.5", "net 10.0.2.0/24", "host 1.2.3.4"):
        lab.check_fetches(minutes(1, 2), expression)
    said = lab.fetch(minutes(1, 2), "host 10.0.1.5")[1]
    contains(said, "without metadata", "coverage")
    lab.fetch(minutes(1, 2), "--strict", "host 10.0.1.5", status=2)


def test_cut_files(lab):
    """The packets before the cut are found, and the rest is said to be lost."""
    lab.make(2, 3, 400, "plain")
    cut = lab.names("node-01", "eth0")[1]
    content = lab.content(cut)
    lab.change(cut, content[:len(content) // 2])
    window = minutes(0.5, 2.5)
    found, said = lab.fetch(window, "net 10.0.0.0/8")
    wanted = lab.expected(window, "net 10.0.0.0/8")
    check(0 < len(wanted) - len(found) < len(wanted) / 3, "%d of %d packets" % (len(found), len(wanted)))
    check(set(found) <= set(wanted), "other packets")
    contains(said, "lost (it is cut off)", "coverage")
    contains(said, "coverage: 1 of 2 nodes complete", "coverage")
    lab.fetch(window, "--strict", "net 10.0.0.0/8", status=2)


# -- the result ------------------------------------------------------------------------------------

def test_split_by_node(lab):
    lab.make(4, 3, 200)
    window, folder = minutes(0, 3), lab.path("split")
    done = lab.search("fetch", window, "--split-by-node", "-w", folder, "net 10.0.0.0/8")
    files = sorted(os.listdir(folder))
    equal(files, ["node-%02d.pcapng" % i for i in range(4)], "files")
    found = []
    for name in files:
        path = os.path.join(folder, name)
        here = fleet.packets_of(path)
        equal([each[0] for each in here], sorted(each[0] for each in here), "order")
        check({each.split("/")[0] for each in fleet.names_of(path)} <= {name[:7]}, "interfaces of " + name)
        found += here
    lab.check_found(sorted(found), lab.expected(window, "net 10.0.0.0/8"), done.stderr.decode())


def test_a_pipe_to_tcpdump(lab):
    lab.make(3, 3, 200, "plain")
    window, expression = minutes(0, 3), "port 5432"
    with subprocess.Popen(lab.command("fetch", window, "-w", "-", expression), stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, env=lab.environment()) as fetch:
        seen = subprocess.run(["tcpdump", "-nr", "-"], stdin=fetch.stdout, capture_output=True, check=True)
        fetch.stdout.close()
        equal(fetch.wait(60), 0, "status")
    equal(len(seen.stdout.splitlines()), len(lab.expected(window, expression)), "lines of tcpdump")


def test_classic_pcap(lab):
    """By its name; one type of link, else it is refused with the way out."""
    lab.make(4, 3, 200)
    window = minutes(0, 3)
    lab.search("fetch", window, "-N", "node-00,node-01", "-w", lab.path("a.pcap"), "port 443")
    with open(lab.path("a.pcap"), "rb") as file:
        found = fleet.pcap_records(file.read())
    subprocess.run(["tcpdump", "-nr", lab.path("a.pcap")], check=True, capture_output=True)
    both = lab.fetch(window, "-N", "node-00,node-01", "port 443")[0]
    lab.check_found(found, both, "classic")
    done = lab.run(*lab.command("fetch", window, "-w", lab.path("b.pcap"), "port 443")[1:], status=64)
    contains(done.stderr.decode(), "pcapng", "the way out")
    check(not os.path.exists(lab.path("b.pcap")), "a file in spite of that")


def test_names_and_statistics_of_interfaces(lab):
    lab.make(3, 3, 200, "plain", "drops=1204")
    window = minutes(0, 3)
    _, said = lab.fetch(window)
    path = lab.path("result.pcapng")
    equal(sorted(fleet.names_of(path)), ["node-00/eth0", "node-00/eth1", "node-01/eth0", "node-02/eth0"], "names")
    statistics = dict(zip(fleet.names_of(path), fleet.statistics_of(path)))
    equal(int.from_bytes(statistics["node-00/eth0"][5], "little"), 1204, "isb_ifdrop")
    contains(statistics["node-00/eth0"][1].decode(), "1,204 packets dropped by the kernel", "comment")
    contains(said, "1,204 packets dropped by the kernel", "what is said")
    lab.fetch(window, "--strict", status=2)
    lab.fetch(window, "--strict", "-N", "node-01")
    comment = next(fleet.packets.options(body[16:])[1] for kind, body in fleet.blocks_of(path) if kind == 0x0a0d0d0a)
    contains(comment.decode(), "file://" + lab.bucket, "comment of the section")


# -- what the answer is worth ----------------------------------------------------------------------

def intervals(said, node, interface="eth0"):
    """(state, from, to in seconds of the fleet, detail) of an interface."""
    source, = [each for each in said["coverage"]["sources"] if (each["node"], each["interface"]) == (node, interface)]
    return [(each["state"], each.get("from", "")[11:19], each.get("to", "")[11:19], each.get("detail", ""))
            for each in source["intervals"]]


def test_coverage_lines(lab):
    """A restart, a file that is not in the bucket, drops: each has a line."""
    lab.make(3, 12, 200, "drops=7")
    missing = lab.names("node-01", "eth0")[4]
    del lab.facts[missing]
    lab.facts[lab.names("node-02", "eth0")[5]].update({"drops-budget": "1234", "clock": "unsynchronised, error 2500.0 ms"})
    lab.serve()
    window = minutes(2, 11)
    said = lab.fetch_json(window, "net 10.0.0.0/8")[1]
    check(("not-running", "14:09:00", "14:10:00", "recorder was not running, or a file is not in the bucket")
          in intervals(said, "node-00"), "a restart: %r" % intervals(said, "node-00"))
    drops, = [each for each in intervals(said, "node-00") if each[0] == "drops"]
    equal(drops[:3], ("drops", "14:02:00", "14:03:00"), "drops")
    contains(drops[3], "7 packets dropped by the kernel", "drops")
    gap, = [each for each in intervals(said, "node-01") if each[0] == "missing"]
    equal(gap[:3], ("missing", "14:04:00", "14:05:00"), "missing")
    contains(gap[3], "segment %d of eth0 is not in the bucket" % int(missing.split("_")[-1][:8]), "missing")
    lost, = [each for each in intervals(said, "node-02") if each[0] == "lost"]
    equal(lost, ("lost", "14:05:00", "14:06:00", "1,234 packets lost (budget)"), "lost")
    equal(said["coverage"]["complete"], False, "complete")
    text = lab.fetch(window, "net 10.0.0.0/8", "--strict", status=2)[1]
    for line in ("node-00 eth0  14:09:00 to 14:10:00 not recorded (recorder was not running",
                 "node-00 eth0  14:02:00 to 14:03:00 dropped (7 packets dropped by the kernel)",
                 "node-01 eth0  14:04:00 to 14:05:00 missing (segment ",
                 "node-02  clock not synchronised, wrong by up to 2.5 s: order against other nodes is not reliable"):
        contains(text, line, "coverage")
    lab.fetch(minutes(6, 8), "net 10.0.0.0/8", "--strict")


def test_nothing_found(lab):
    """Nothing is an answer that says what was looked at; a node that does not exist is no silence."""
    lab.make(2, 3, 100, "plain")
    found, said = lab.fetch(minutes(0, 3), "host 1.2.3.4", status=1)
    equal(found, [], "packets")
    contains(said, "coverage: 2 of 2 nodes complete", "coverage")
    contains(lab.fetch(minutes(0, 4), "host 1.2.3.4", "--strict", status=2)[1], "newer than the bucket", "2 wins")
    names, said = lab.find(minutes(0, 3), "-N", "node-01,node-77", "net 10.0.0.0/8", "--strict", status=2)
    check(names, "nothing of the other node")
    said = lab.search("find", minutes(0, 3), "-N", "node-77", status=1).stderr.decode()
    contains(said, "node-77 *  14:00:00 to 14:03:00 unknown (no file is in the bucket", "coverage")


# -- the question ----------------------------------------------------------------------------------

def test_the_question_is_said(lab):
    lab.make(2, 12, 50, "plain")
    first, second = lab.fetch(minutes(0, 2), "tcp", "port 8080")[1].splitlines()[:2]
    equal((first, second), ("window 2026-11-23T14:00:00Z to 14:02:00Z", "filter: (tcp port 8080)"), "lines")
    first, second = lab.fetch(minutes(0, 2))[1].splitlines()[:2]
    equal(second, "filter: none (everything)", "line")
    done = lab.run(*lab.command("fetch", minutes(0, 2), "-w", lab.path("x"), "port 443")[1:],
                   environment={"TZ": "CET-1"})
    contains(done.stderr.decode().splitlines()[0], "15:00:00 to 15:02:00 here", "window")
    # Everything of all nodes and of a long window is seldom meant.
    said = lab.search("fetch", minutes(0, 11), "-w", lab.path("x"), status=64).stderr.decode()
    contains(said, "--all", "the way out")
    lab.search("fetch", minutes(0, 11), "-w", lab.path("x"), "--all")
    lab.search("fetch", minutes(0, 11), "-w", lab.path("x"), "-N", "node-01")


def test_times_that_mean_something_else(lab):
    """A time of day is the last one of UTC, unless that is long ago: then nobody meant it."""
    lab.make(1, 1, 10, "plain")
    now = time.time()
    far = time.strftime("%H:%M", time.gmtime(now + 2 * 3600))  # of yesterday, 22 hours ago
    said = lab.search("find", (far, "now"), status=64).stderr.decode()
    contains(said, "was yesterday", "the reason")
    here = {"TZ": "ABC-3"}  # three hours ahead of UTC; there it is one hour ago
    done = lab.run(*lab.command("find", (far, "now"))[1:], status=64, environment=here)
    contains(done.stderr.decode(), far + " here is " + time.strftime("%H:%M", time.gmtime(now - 3600)) + "Z",
             "what may have been meant")
    lab.search("find", ("10m ago", stamp(int(now + 600) * SECOND)), "-N", "node-00", status=1)
    for words in ((far + " tomorrow", "now"), ("now", "10m ago"), ("2026-11-23T14:00", "2026-11-23T13:00")):
        lab.search("find", words, status=64)


def test_commands_that_are_refused(lab):
    """Before anything is asked of the bucket."""
    lab.make(1, 1, 10, "plain")
    gcs = lab.serve()
    window = minutes(0, 1)
    for words in (["prt 53"], ["-w", "/", "port 53"], ["-j", "0"], ["--memory", "1MiB"], ["--limit", "x"],
                  ["--lookback", "never"], ["-f", "port 53", "port 53"], ["--no-such"]):
        lab.search("fetch", window, "-w", lab.path("x"), *words, status=64)
    lab.search("fetch", window, status=64)
    lab.search("find", window, "-w", "x", status=64)
    equal(gcs.requests, [], "requests")


# -- all of it -------------------------------------------------------------------------------------

def test_three_in_the_morning(lab):
    """Three nodes, one connection that somebody reset: one find, one fetch, under a minute."""
    lab.make(3, 12, 1500, "plain", "clean", "fill=400", "reset=8")
    lab.serve()
    expression = "port 5432 and tcp[tcpflags] & tcp-rst != 0"
    with tap.within(60, "find and fetch"):
        names, _ = lab.find(minutes(0, 12), expression)
        found, said = lab.fetch(minutes(0, 12), expression)
    reset, = found
    equal(names, lab.names("node-01", "T140700"), "the file")
    equal(found, lab.expected(minutes(0, 12), expression), "the packet")
    contains(said, ": 1 packet of 1 interface, %s" % stamp(reset[0])[:23], "what is said")


def test_the_commands_of_the_readme(lab):
    """As they stand there, but for the bucket, the day and the connection: they find the reset."""
    lab.make(3, 12, 1500, "plain", "clean", "fill=400", "reset=8")
    lab.serve()
    reset, = lab.expected(minutes(0, 12), "port 5432 and tcp[tcpflags] & tcp-rst != 0")
    source = ".".join(map(str, reset[3][26:30]))
    moment = stamp(reset[0])[:19] + "Z"
    with open(os.path.join(fleet.HERE, "..", "..", "README.md"), encoding="utf-8") as file:
        commands = [line for line in file if line.startswith(("kube-node-tracer find ", "kube-node-tracer fetch -b"))]
    equal(len(commands), 2, "commands of the README")
    for line in commands:
        words = shlex.split(line)
        check(words[-1] == "host 10.8.17.15 and port 5432", words[-1])
        words[-1] = words[-1].replace("10.8.17.15", source)
        words[words.index("my-bucket")] = lab.where()
        for flag, value in (("--around", moment), ("--from", "2026-11-23T14:00:00Z"), ("--to", "2026-11-23T14:12:00Z"),
                            ("-w", lab.path("case.pcapng"))):
            if flag in words:
                words[words.index(flag) + 1] = value
        done = lab.run(*words[1:])
        if words[1] == "find":
            contains(done.stdout.decode(), "node-01", "files")
    check(reset in fleet.packets_of(lab.path("case.pcapng")), "the reset")


def test_many_sources_in_little_memory(lab):
    """1,000 of them, of one minute, and all of their packets: within 256 MiB of addresses, whatever that is."""
    lab.make(840, 1, 250, "plain", "fill=600", "members=2")
    # A sanitizer needs terabytes of them.
    wrapper = [] if is_sanitized() else ["prlimit", "--as=%d" % (256 << 20)]
    found, said = lab.fetch_json(minutes(0, 1), "--memory", "128MiB", wrapper=wrapper)
    equal(len(found), len(lab.expected(minutes(0, 1))), "packets")
    equal([each[0] for each in found], sorted(each[0] for each in found), "order")
    equal(said["result"]["interfaces"], 1008, "interfaces")


if __name__ == "__main__":
    if not shutil.which("tcpdump"):
        tap.skip_all("tcpdump is missing")
    tap.run([value for name, value in list(globals().items()) if name.startswith("test_")], fleet.laboratory)
