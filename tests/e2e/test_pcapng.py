# SPDX-License-Identifier: Apache-2.0
"""Files in pcapng: what stands in them, that everybody's tools read them, cut ones too."""

import os
import re
import signal
from collections import Counter

from harness import MEGABYTE_PACKETS, NODE, SMALL, command, main, need
from tap import check, equal, wait_until

PCAPNG = ["--capture-format", "pcapng"]


def test_everything_is_in_the_file(lab):
    """And in the object's metadata; tshark, capinfos and tcpdump agree."""
    need("tshark", "capinfos", "tcpdump")
    lab.link()
    lab.bucket()
    daemon = lab.daemon(*PCAPNG, "-G", "0", "-c", "none", "-f", "udp").start_ready()
    lab.send(500, sizes=[60, 61, 62, 63, 1500])
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    equal(len(objects), 1, "objects")
    one = objects[0]
    check(one.name.endswith(".pcapng"), one.name)
    equal(one.resource["contentType"], "application/x-pcapng", "content type")
    lab.check_numbers(objects, 500)
    lab.check_accounted(objects, 500)
    section, interface = one.capture.options["section"], one.capture.options["interface"]
    equal(section[1].decode(), "node " + NODE, "comment")
    check(section[3].startswith(b"Linux "), "system %r" % section[3])
    check(section[4].startswith(b"kube-node-tracer "), "application %r" % section[4])
    equal((interface[2], interface[11]), (NODE.encode() + b"/veth0", b"\0udp"), "interface and filter")
    equal((one.capture.snaplen, one.capture.link_type), (96, "EN10MB"), "snaplen, link type")
    equal(one.capture.statistics, {"received": 500, "dropped": 0, "accepted": 500,
                                   "dropped_by_os": 0, "delivered": 500}, "statistics")
    check(any(when % 1000 for when, _, _ in one.capture.records), "no time has nanoseconds")

    told = command("capinfos", one.path)
    for wanted in ("nanoseconds", "Number of packets:   500", "node " + NODE, "Name = %s/veth0" % NODE,
                   "Filter string = udp", "Number of stat entries = 1", "kube-node-tracer "):
        check(wanted in told, "capinfos does not say %r: %s" % (wanted, told))
    equal(len(command("tshark", "-nr", one.path).splitlines()), 500, "packets for tshark")
    found = re.search(r"^(\d+) packets?", command("tcpdump", "--count", "-nr", one.path), re.MULTILINE)
    equal(found and found.group(1), "500", "packets for tcpdump")


def test_two_nodes_merged(lab):
    """Of the same interface, at the same time: each packet still says whose it is."""
    need("mergecap", "tshark")
    lab.link()
    lab.bucket()
    sent = {"node-a": 20, "node-b": 30}
    for stream, (node, count) in enumerate(sent.items(), 1):
        daemon = lab.daemon(*PCAPNG, "-G", "0", "-N", node).start_ready()
        lab.send(count, stream=stream)
        equal(daemon.stop(), 0, "exit status")
    merged = os.path.join(lab.directory, "merged.pcapng")
    command("mergecap", "-w", merged, *[each.path for each in lab.objects()])
    names = command("tshark", "-nr", merged, "-T", "fields", "-e", "frame.interface_name").split()
    equal(Counter(names), {node + "/veth0": count for node, count in sent.items()}, "names for tshark")
    one = command("tshark", "-nr", merged, "-Y", 'frame.interface_name == "node-b/veth0"').splitlines()
    equal(len(one), sent["node-b"], "packets of one node")


def test_compressed_and_by_size(lab):
    """Segments end by size as counted in the file; each one is whole for tshark, compressed as it is."""
    need("tshark")
    lab.link()
    lab.bucket()
    for number, codec in enumerate(("gzip", "zstd")):
        daemon = lab.daemon(*PCAPNG, *SMALL, "-c", codec).start_ready()
        lab.send(5 * MEGABYTE_PACKETS, stream=1 + number, sizes=[1514], rate=20000)
        equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    equal([each.resource["contentType"] for each in objects],
          ["application/gzip"] * 6 + ["application/zstd"] * 6, "content types")
    for number in range(2):
        lab.check_numbers(objects, 5 * MEGABYTE_PACKETS, stream=1 + number)
    lab.check_accounted(objects, 10 * MEGABYTE_PACKETS)
    for each in objects:
        equal(each.capture.statistics["delivered"], each.number("packets"), "statistics of " + each.name)
        if each.metadata["reason"] == "size":
            check(1000000 < each.capture.bytes < 1005000, "%s: %d bytes" % (each.name, each.capture.bytes))
    for each in (objects[0], objects[6]):
        equal(len(command("tshark", "-nr", each.path).splitlines()), each.number("packets"),
              "packets for tshark of " + each.name)


def test_drops_are_those_of_the_segment(lab):
    """Kernel drops stand in the statistics of the file that lacks the packets."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon(*PCAPNG, "-G", "0", "-B", "1", "-s", "0").start_ready()
    daemon.send_signal(signal.SIGSTOP)
    lab.send(3000, sizes=[1514], rate=50000)
    daemon.send_signal(signal.SIGCONT)
    lab.send(100, stream=2, rate=1000)
    daemon.end_segment()
    lab.gcs.wait_for(lambda: lab.gcs.names(), 10, "an object")
    lab.send(100, stream=3, rate=1000)
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    check(lab.check_accounted(objects, 3200) > 0, "nothing was dropped")
    for each in objects:
        dropped = sum(each.number("drops-" + reason) for reason in ("kernel", "interface", "budget", "disk"))
        equal(each.capture.statistics["dropped"], dropped, "drops of " + each.name)
        equal(each.capture.statistics["dropped_by_os"], each.number("drops-kernel"), "drops of the kernel")
        equal(each.capture.statistics["received"], each.number("packets") + dropped, "received")
    equal(objects[-1].capture.statistics["dropped"], 0, "drops of the last one")


def test_reload_changes_the_format(lab):
    """No packet is lost between the two formats."""
    lab.link()
    lab.bucket()
    path = lab.configure("capture: { format = \"pcap\"; };\n")
    daemon = lab.daemon("-G", "0", "-B", "8192", config=path).start_ready()
    with lab.traffic(rate=5000) as traffic:
        for form in ("pcapng", "pcap"):
            lab.configure("capture: { format = \"%s\"; };\n" % form)
            daemon.reload()
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    lab.check_numbers(objects, traffic["sent"])
    lab.check_accounted(objects, traffic["sent"])
    equal([re.search(r"\.(pcap\w*)", each.file_name.rsplit("_", 1)[1]).group(1) for each in objects],
          ["pcap", "pcapng", "pcap"], "formats")


def test_killed(lab):
    """A file that was being written is recovered to its last whole member; its statistics are missing."""
    lab.link()
    lab.bucket()
    daemon = lab.daemon(*PCAPNG, "-G", "0", "-c", "none").start_ready()
    lab.send(1000, sizes=[100])
    wait_until(lambda: sum(os.path.getsize(os.path.join(lab.spool, name))
                           for name in lab.spool_files("capturing")) > 1000 * 96, 10, "packets on disk")
    daemon.kill()
    daemon = lab.daemon(*PCAPNG, "-G", "0").start_ready()
    lab.gcs.wait_for(lambda: lab.gcs.names(), 10, "the recovered object")
    equal(daemon.stop(), 0, "exit status")
    one = lab.objects()[0]
    equal(one.metadata["reason"], "recovered", "reason")
    lab.check_numbers([one], 1000)
    equal(one.capture.statistics, None, "statistics")
    equal(one.number("pcap-bytes"), one.capture.bytes, "pcap-bytes")


if __name__ == "__main__":
    main()
