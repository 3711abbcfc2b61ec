# SPDX-License-Identifier: Apache-2.0
"""The other end of the test's veth pairs: a process in a network namespace of its own that sends
numbered packets. Orders are lines of JSON on standard input, each answered by one line.

A numbered packet is an Ethernet/IPv4/UDP frame to an address that nobody has, so that nothing
answers it; its destination port is the stream, its payload MAGIC, the number within the stream
(8 bytes), filler."""

import errno
import json
import os
import random
import socket
import struct
import sys
import threading
import time

MAGIC = b"KNTtest!"
HEAD = 14 + 20 + 8  # Ethernet, IPv4, UDP
NUMBER_OFFSET = HEAD + len(MAGIC)
BURST = 32
MARK_EVERY = 64
CPUS = sorted(os.sched_getaffinity(0))


def frame(stream, size, fill=0):
    """A frame of `size` bytes, number 0."""
    ip_length = size - 14
    ip = bytearray(struct.pack("!BBHHHBBH4s4s", 0x45, 0, ip_length, 0, 0x4000, 64, 17, 0,
                               socket.inet_aton("10.98.0.1"), socket.inet_aton("10.98.0.2")))
    total = sum(struct.unpack("!10H", ip))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    ip[10:12] = struct.pack("!H", total ^ 0xFFFF)
    udp = struct.pack("!HHHH", 40000, stream, ip_length - 20, 0)
    # Sent to a hardware address that is not the interface's: the other side's IP layer drops it.
    ethernet = bytes.fromhex("020000000099" "020000000098" "0800")
    payload = MAGIC + bytes(8)
    head = ethernet + bytes(ip) + udp + payload
    filler = random.randbytes(size - len(head)) if fill == "random" else bytes(size - len(head))
    return bytearray(head + filler)


def packets_out(interface, process="self"):
    """What the interface has sent since it is there, in the network namespace of a process."""
    with open("/proc/%s/net/dev" % process, encoding="ascii") as file:
        for line in file:
            name, _, counters = line.partition(":")
            if name.strip() == interface:
                return int(counters.split()[9])
    return 0


class Stream:
    """Sends numbered packets; marks tell when which number was sent."""

    def __init__(self, order):
        self.interface, self.stream = order["interface"], order["stream"]
        self.count = order.get("count")
        self.rate = order.get("rate", 100000)
        self.first = order.get("first", 0)
        self.sizes = order.get("sizes", [100])
        self.fill = order.get("fill", 0)
        self.frames = [frame(order["stream"], size, self.fill) for size in self.sizes]
        self.marks = []
        self.had_left = packets_out(self.interface)
        self.sent = 0
        self.again = 0
        self.failure = None
        self.stopping = threading.Event()
        self.thread = None

    def run(self):
        # One that moves to another CPU can overtake its packets that wait in the first one's backlog.
        os.sched_setaffinity(0, {CPUS[self.stream % len(CPUS)]})
        try:
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as packet_socket:
                packet_socket.bind((self.interface, 0))
                self.send_all(packet_socket.send)
        except OSError as error:
            self.failure = "%s: %s" % (self.interface, error)

    def send_all(self, send):
        start = time.monotonic()
        frames, pack = self.frames, struct.Struct("!Q").pack_into
        while not self.stopping.is_set() and (self.count is None or self.sent < self.count):
            if self.sent % MARK_EVERY == 0:
                self.marks.append((self.first + self.sent, time.time()))
            burst = BURST if self.count is None else min(BURST, self.count - self.sent)
            for number in range(self.first + self.sent, self.first + self.sent + burst):
                one = frames[number % len(frames)]
                pack(one, NUMBER_OFFSET, number)
                while True:
                    try:
                        send(one)
                        break
                    except OSError as error:  # it was not sent: the same number again
                        if error.errno != errno.ENOBUFS:
                            raise
                        self.again += 1
                        time.sleep(0.001)
            self.sent += burst
            ahead = self.sent / self.rate - (time.monotonic() - start)
            if ahead > 0.001:
                self.stopping.wait(ahead)

    def result(self):
        return {"sent": self.sent, "again": self.again, "marks": self.marks,
                "left": packets_out(self.interface) - self.had_left, "failure": self.failure}


def main():
    random.seed(os.environ.get("KNT_SEED"))
    streams = {}
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "send":
            stream = Stream(order)
            stream.run()
            answer = stream.result()
        elif order["do"] == "start":
            stream = streams[order["stream"]] = Stream(order)
            stream.thread = threading.Thread(target=stream.run, daemon=True)
            stream.thread.start()
            answer = {}
        elif order["do"] == "stop":
            stream = streams.pop(order["stream"])
            stream.stopping.set()
            stream.thread.join()
            answer = stream.result()
        else:
            answer = {"failure": "unknown order"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
