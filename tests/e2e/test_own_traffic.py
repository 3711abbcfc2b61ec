# SPDX-License-Identifier: Apache-2.0
"""Uploads over the very interface that is captured, without a filter and at full length: none of
the uploads is in any file, and all of everybody else's connections to the same server is."""

import json
import os
import random
import socket
import subprocess
import sys

from harness import HERE, Object, main
from own_packets import tcp_ports
from tap import check, equal, wait_until


def serve_at_peer(lab):
    """The fake bucket as a program in the peer's namespace; returns (process, address, port)."""
    directory = os.path.join(lab.directory, "objects")
    process = subprocess.Popen(
        ["nsenter", "--net=/proc/%d/ns/net" % lab.peer.process.pid, sys.executable,
         os.path.join(HERE, "..", "fake_gcs.py"), "--host", "10.99.0.2", "--directory", directory],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    url = process.stdout.readline().strip()
    return process, url, int(url.rsplit(":", 1)[1])


def connections(objects):
    """{port here: [(time, payload, is_from_here)]} of all TCP packets of the captured files."""
    found = {}
    for each in objects:
        for when, length, packet in each.capture.records:
            equal(len(packet), length, "captured length")
            if packet[12:14] != b"\x08\x00" or packet[23] != 6:
                continue
            tcp = 14 + (packet[14] & 15) * 4
            source, target = (int.from_bytes(packet[at:at + 2], "big") for at in (tcp, tcp + 2))
            is_ours = packet[26:30] == socket.inet_aton("10.99.0.1")
            end = 14 + int.from_bytes(packet[16:18], "big")
            payload = packet[tcp + (packet[tcp + 12] >> 4) * 4:end]
            found.setdefault(source if is_ours else target, []).append((when, payload, is_ours))
    return found


def run_and_talk(lab, *arguments):
    """Returns (state of the bucket, ports of the others, what each sent, numbered packets)."""
    lab.link(0, address=True)
    process, url, port = serve_at_peer(lab)
    try:
        daemon = lab.daemon("-s", "0", "-G", "1", "-B", "65536", *arguments,
                            environment={"STORAGE_EMULATOR_HOST": url}).start_ready()
        ports, text = [], random.randbytes(20000)
        with lab.traffic(rate=3000, sizes=[1000], fill="random") as traffic:
            for _ in range(4):
                # Another connection to the same address and port, while uploads are going on.
                with socket.create_connection(("10.99.0.2", port), timeout=10) as other:
                    ports.append(other.getsockname()[1])
                    other.sendall(b"POST /nobody HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n"
                                  b"Connection: close\r\n\r\n" % len(text) + text)
                    while other.recv(65536):
                        pass
                have = len(ports)
                wait_until(lambda: len(daemon.events("segment-uploaded")) >= have, 10, "an upload")
        equal(daemon.stop(), 0, "exit status")
        # Asked from the server's side: this, too, would be a connection over the veth.
        state = lab.peer.run(sys.executable, "-c", "import urllib.request, sys; sys.stdout.write("
                             "urllib.request.urlopen(sys.argv[1]).read().decode())",
                             url + "/_control")
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
    return json.loads(state), ports, text, traffic["sent"]


def test_own_uploads_are_left_out(lab):
    state, ports, text, sent = run_and_talk(lab)
    objects = []
    for each in state["objects"]:
        path = os.path.join(lab.directory, "objects", each["bucket"], *each["name"].split("/"))
        objects.append(Object(each["name"], each, path))
    objects.sort(key=lambda each: each.name)
    own = {each["client"][1] for each in state["requests"] if each["kind"] != "?"}
    seen = connections(objects)
    check(own, "no upload connection")
    equal(sorted(own & set(seen)), [], "ports of uploads that are in the files")
    equal(sorted(seen), sorted(ports), "ports of connections in the files")
    for port in ports:
        packets = seen[port]
        stream = b"".join(payload for _, payload, is_ours in packets if is_ours)
        check(text in stream, "the connection from port %d is not there completely" % port)
        check(any(not is_ours for _, _, is_ours in packets), "nothing came back")
    lab.check_numbers(objects, sent)
    check(sum(each.number("packets-own") for each in objects) > 20, "packets-own is counted")
    lab.check_accounted(objects, sum(each.number("packets") for each in objects))
    equal([each for each in state["violations"] if "/nobody" not in each], [], "violations")


def check_idle(lab, interface, *arguments, is_left_out=True):
    """A node where nothing happens but our own uploads, over the interface that is captured, at full
    length: whatever an upload adds to the next one, nothing is to be recorded."""
    daemon = lab.daemon("-N", "node1", "-b", "bucket", "-i", interface, "-s", "0", "-G", "1",
                        "--segment-empty", "true", "--daemon-user", "root", *arguments,
                        plain=True).start_ready()
    daemon.wait_event("segment-uploaded", timeout=30, count=4)
    equal(daemon.stop(), 0, "exit status")
    own = {each["client"][1] for each in lab.gcs.requests}
    seen = tcp_ports(lab.objects())
    if is_left_out:
        equal(sorted(own & seen), [], "own ports that were captured")
        equal({each.number("packets") for each in lab.objects()}, {0}, "packets recorded")
        check(sum(each.number("packets-own") for each in lab.objects()) > 10, "own packets")
    else:
        check(own & seen, "own uploads are not captured, though they should be")
        equal({each.number("packets-own") for each in lab.objects()}, {0}, "own packets")


def test_an_idle_node_stays_idle(lab):
    lab.bucket()
    check_idle(lab, "lo")


def test_an_idle_node_stays_idle_on_all_interfaces(lab):
    lab.bucket()
    check_idle(lab, "any")


def enable_ipv6():
    with open("/proc/sys/net/ipv6/conf/lo/disable_ipv6", "w", encoding="ascii") as file:
        file.write("0")


def test_an_idle_node_stays_idle_over_ipv6(lab):
    enable_ipv6()
    lab.bucket(host="::1")
    check_idle(lab, "lo")


def test_an_idle_node_stays_idle_over_ipv6_on_all_interfaces(lab):
    enable_ipv6()
    lab.bucket(host="::1")
    check_idle(lab, "any")


def test_own_uploads_are_recorded_where_that_is_wanted(lab):
    """And so the tests before this one would see it."""
    lab.bucket()
    check_idle(lab, "lo", "--capture-own-traffic", "true", is_left_out=False)


def test_own_uploads_are_left_out_of_short_captures(lab):
    """34 bytes end before the ports of TCP: they are looked at all the same."""
    lab.bucket()
    daemon = lab.daemon("-N", "node1", "-b", "bucket", "-i", "lo", "-s", "34", "-G", "1", "--segment-empty", "true",
                        "--daemon-user", "root", plain=True).start_ready()
    daemon.wait_event("segment-uploaded", timeout=20, count=4)
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    equal([each.number("packets") for each in objects], [0] * len(objects), "packets recorded")
    check(sum(each.number("packets-own") for each in objects) > 10, "own packets are counted")


if __name__ == "__main__":
    main()
