# SPDX-License-Identifier: Apache-2.0
"""A name server that knows a few names, on 127.0.0.1:53 of this network namespace."""

import socket
import struct
import threading

ADDRESS = "127.0.0.1"
A, IN = 1, 1


class NameServer:
    def __init__(self, addresses):
        """addresses: of each name."""
        self.addresses = addresses
        self.answered = set()
        self.violations = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ADDRESS, 53))
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def serve(self):
        while True:
            query, client = self.socket.recvfrom(512)
            if not query:
                return
            self.socket.sendto(self.answer(query), client)

    def answer(self, query):
        end = query.index(0, 12) + 5  # name, type, class
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind = struct.unpack("!H", query[end - 4:end - 2])[0]
        name = ".".join(labels).lower()
        is_known = name in self.addresses
        found = is_known and kind == A
        # Response, authoritative, recursion as asked and available; no such name is code 3.
        flags = 0x8580 | (0 if is_known else 3)
        head = query[:2] + struct.pack("!HHHHH", flags, 1, int(found), 0, 0)
        if not found:
            return head + query[12:end]
        self.answered.add(name)
        return (head + query[12:end] + struct.pack("!HHHIH", 0xc00c, A, IN, 60, 4)
                + socket.inet_aton(self.addresses[name]))

    def faults_left(self):
        """None can be asked for."""
        return []

    def stop(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
            own.sendto(b"", (ADDRESS, 53))
        self.thread.join(5)
        self.socket.close()
