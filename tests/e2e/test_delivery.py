# SPDX-License-Identifier: Apache-2.0
"""The main job: what is sent arrives, once, whole, in files that everybody can read."""

import datetime
import os
import re
import struct

import packets
from harness import MEGABYTE_PACKETS, NODE, SMALL, Lab, check_tcpdump, command, main, need
from tap import check, contains, equal

NAME = re.compile(r"node1/node1_\d{8}T\d{6}\.\d{3}Z_[A-Za-z0-9-]+_\d{8,}\.pcap(\.gz|\.zst)?")
HEADER = struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 96, 1)  # of a pcap file
EVERYTHING = ["-G", "2", "-C", "1", "-B", "32768"]


def deliver(lab, *arguments, count=5000, streams=((1, 0),), rate=60000, **more):
    """Start, send, stop; returns the objects."""
    lab.bucket()
    daemon = lab.daemon(*arguments).start_ready()
    for stream, index in streams:
        lab.send(count, stream=stream, index=index, rate=rate, **more)
    equal(daemon.stop(), 0, "exit status")
    lab.check_spool_empty()
    return lab.objects()


def check_names(objects):
    for each in objects:
        check(NAME.fullmatch(each.name), "object name " + each.name)
    equal(len({each.file_name for each in objects}), len(objects), "different names")
    sequences = [each.number("sequence") for each in objects]
    equal(len(set(sequences)), len(sequences), "different sequence numbers")


def check_readers(path, count):
    """tcpdump, tshark and capinfos see `count` packets in a file."""
    need("tshark", "capinfos")
    check_tcpdump(path, count)
    seen = command("tshark", "-r", path, "-T", "fields", "-e", "frame.number").split()
    equal(len(seen), count, "tshark's packets")
    contains(command("capinfos", "-M", "-c", path), "Number of packets:   %d" % count, "capinfos")


def test_two_nodes_of_one_name(lab: Lab):
    """They send different objects, also where their first packets are the same."""
    lab.link()
    lab.bucket()
    nodes = [lab.daemon("-G", "0", "-o", os.path.join(lab.directory, name)).start_ready() for name in "ab"]
    lab.send(100)
    for node in nodes:
        equal(node.stop(), 0, "exit status")
        equal(node.events("segment-rejected"), [], "rejected")
    equal([len(each.capture.records) for each in lab.objects()], [100, 100], "packets")
    check_names(lab.objects())


def test_names_by_time(lab: Lab):
    """Chosen by a reload, for all that is uploaded from then on; also through a session."""
    lab.link()
    lab.bucket()
    path = lab.configure('gcs: { chunk_size = 256; };\n', "layout.conf")
    daemon = lab.daemon(*SMALL, "-c", "false", config=path).start_ready()
    lab.send_megabytes(1)
    daemon.wait_event("segment-uploaded")
    lab.configure('gcs: { chunk_size = 256; };\nupload: { layout = "time"; };\n', "layout.conf")
    daemon.reload()
    lab.send_megabytes(1, first=MEGABYTE_PACKETS + 10)
    equal(daemon.stop(), 0, "exit status")
    objects = sorted(lab.objects(), key=lambda each: each.file_name)
    lab.check_numbers(objects, 2 * (MEGABYTE_PACKETS + 10))
    by_node = [each for each in objects if NAME.fullmatch(each.name)]
    by_time = [each for each in objects if each not in by_node]
    check(1 <= len(by_node) <= 2 <= len(by_time), "%d names by node, %d by time" % (len(by_node), len(by_time)))
    for each in by_time:
        start = datetime.datetime.fromisoformat(each.metadata["start"].rstrip("Z") + "+00:00")
        floored = start.replace(minute=start.minute // 5 * 5)
        equal(each.name, floored.strftime("%Y/%m/%d/%H%M/") + each.file_name, "name of what began " + str(start))


def test_200000_packets_arrive_exactly_once(lab: Lab):
    lab.link()
    sent = 200000
    objects = deliver(lab, *EVERYTHING, count=sent, sizes=[100, 300, 200], rate=110000)
    lab.check_numbers(objects, sent)
    equal(lab.check_accounted(objects, sent), 0, "drops")
    check_names(objects)
    largest = 16 + 96
    for each in objects:
        size, reason = each.number("pcap-bytes"), each.metadata["reason"]
        if reason == "size":
            check(1000000 <= size < 1000000 + largest, "%s has %d bytes" % (each.name, size))
        else:
            check(reason in ("age", "stop") and size < 1000000 + largest, each.name + ": " + reason)
        for key, value in (("node", NODE), ("interface", "veth0"), ("link-type", "EN10MB"),
                           ("snaplen", "96"), ("packets-own", "0")):
            equal(each.metadata.get(key), value, key)
        equal(each.resource["size"], each.metadata.get("bytes"), "bytes of the file")
    check(sum(each.metadata["reason"] == "size" for each in objects) >= 15, "segments end by size")
    # A member of the gzip file holds whole records: a file cut between members is readable.
    sizes = []
    for member in packets.gzip_members(objects[0].path):
        sizes.append(len(member))
        header = b"" if member.startswith(HEADER[:4]) else HEADER
        packets.Capture(header + member)
    check(max(sizes) <= 1 << 20, "member sizes %r" % sizes)


def test_readers(lab):
    lab.link()
    objects = deliver(lab, "-G", "0", count=3000)
    equal(len(objects), 1, "objects")
    check_readers(objects[0].path, 3000)


def test_first_and_last_time(lab):
    lab.link()
    objects = deliver(lab, "-G", "0", count=500)
    records = objects[0].capture.records
    for key, which in (("first", min), ("last", max)):
        match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d+)Z", objects[0].metadata[key])
        check(match, "%s=%s" % (key, objects[0].metadata[key]))
        shown = command("date", "-u", "-d", match[1] + "Z", "+%s").strip()
        seconds, fraction = divmod(which(records)[0], 10**9)
        equal(int(shown), seconds, key)
        check(("%09d" % fraction).startswith(match[2].rstrip("0")[:6]), key + "'s fraction")
    check(objects[0].metadata["start"] <= objects[0].metadata["first"]
          <= objects[0].metadata["last"] <= objects[0].metadata["end"],
          "start <= first <= last <= end")


def test_zstd(lab):
    need("zstdcat")
    lab.link()
    objects = deliver(lab, *EVERYTHING, "-c", "zstd", count=30000)
    lab.check_numbers(objects, 30000)
    lab.check_accounted(objects, 30000)
    check(all(each.name.endswith(".pcap.zst") for each in objects), "names end with .pcap.zst")
    fullest = max(objects, key=lambda each: each.number("packets"))
    check_tcpdump(fullest.path, fullest.number("packets"))


def test_no_compression(lab):
    lab.link()
    objects = deliver(lab, *EVERYTHING, "-c", "false", count=30000)
    lab.check_numbers(objects, 30000)
    lab.check_accounted(objects, 30000)
    for each in objects:
        check(each.name.endswith(".pcap"), each.name)
        equal(each.resource["size"], each.metadata["pcap-bytes"], "size of " + each.name)


def test_gzip_level(lab):
    lab.link()
    objects = deliver(lab, "-G", "0", "-c", "gzip:1", count=5000)
    lab.check_numbers(objects, 5000)


def test_nanoseconds(lab):
    lab.link()
    objects = deliver(lab, "--capture-precision", "nano", "-G", "0", count=2000)
    lab.check_numbers(objects, 2000)
    capture = objects[0].capture
    check(capture.is_nano, "the magic says nanoseconds")
    check(any(when % 1000 for when, _, _ in capture.records), "no time has nanoseconds")
    check_readers(objects[0].path, 2000)


def test_filter_with_spaces(lab):
    lab.link()
    expression = "udp dst port 2 and host 10.98.0.2"
    objects = deliver(lab, "-f", expression, "-G", "0", streams=((1, 0), (2, 0)), count=1000)
    lab.check_numbers(objects, 0, stream=1)
    lab.check_numbers(objects, 1000, stream=2)
    equal(objects[0].metadata["filter"], expression, "filter")


def test_filter_from_trailing_arguments(lab):
    lab.link()
    objects = deliver(lab, "-G", "0", "udp", "dst", "port", "2", streams=((1, 0), (2, 0)),
                      count=1000)
    lab.check_numbers(objects, 0, stream=1)
    lab.check_numbers(objects, 1000, stream=2)
    equal(objects[0].metadata["filter"], "udp dst port 2", "filter")


def test_snaplen(lab):
    lab.link()
    objects = deliver(lab, "-s", "70", "-G", "0", sizes=[66, 400], count=1000)
    lab.check_numbers(objects, 1000)
    capture = objects[0].capture
    equal(capture.snaplen, 70, "snaplen of the file")
    equal({(length, len(caught)) for _, length, caught in capture.records}, {(66, 66), (400, 70)},
          "lengths")


def test_snaplen_0_is_everything(lab):
    lab.link()
    objects = deliver(lab, "-s", "0", "-G", "0", sizes=[1514], count=1000)
    capture = objects[0].capture
    equal(capture.snaplen, 262144, "snaplen of the file")
    equal({(length, len(caught)) for _, length, caught in capture.records}, {(1514, 1514)},
          "lengths")


def test_two_interfaces(lab):
    lab.link(0)
    lab.link(1)
    objects = deliver(lab, *EVERYTHING, "-i", "veth1", "-i", "veth0", streams=((1, 0), (2, 1)),
                      count=30000)
    check_names(objects)
    for stream, interface in ((1, "veth0"), (2, "veth1")):
        lab.check_numbers(objects, 30000, stream, interface)
    lab.check_accounted(objects, 60000)


def test_any(lab):
    lab.link(0)
    lab.link(1)
    objects = deliver(lab, "-i", "any", "-G", "0", streams=((1, 0), (2, 1)), count=2000)
    for stream in (1, 2):
        lab.check_numbers(objects, 2000, stream, "any")
    check(objects[0].metadata["link-type"].startswith("LINUX_SLL"),
          objects[0].metadata["link-type"])


def test_direction_out(lab):
    lab.link()
    objects = deliver(lab, "--capture-direction", "out", "-G", "0", count=1000)
    equal(sum(each.number("packets") for each in objects), 0, "packets that came in")


def test_prefix_and_storage_class(lab):
    lab.link()
    objects = deliver(lab, "--upload-prefix", "some/where", "--gcs-storage-class", "nearline", "-G",
                      "0",
                      count=100)
    equal([each.name.rsplit("/", 1)[0] for each in objects], ["some/where/node1"], "folders")
    equal(objects[0].resource.get("storageClass"), "NEARLINE", "storageClass")


def test_prefix_of_the_url(lab):
    lab.link()
    lab.bucket()
    daemon = lab.daemon("-N", "n.2", "-b", "gs://bucket/a/b", "-i", "veth0",
                        plain=True).start_ready()
    lab.send(10)
    equal(daemon.stop(), 0, "exit status")
    equal({each.name.rsplit("/", 1)[0] for each in lab.objects()}, {"a/b/n.2"}, "folders")


if __name__ == "__main__":
    main()
