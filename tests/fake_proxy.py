# SPDX-License-Identifier: Apache-2.0
"""A fake proxy that tunnels: HTTP CONNECT and SOCKS5 (names and addresses) on one port, with a
certificate also inside of TLS. It remembers both ends of every tunnel.

refusals: what the next requests for a tunnel get in place of one: a status (SOCKS5: "general
failure"), or None to hang up."""

import contextlib
import re
import socket
import ssl
import struct
import threading


class FakeTunnel:
    def __init__(self, host="127.0.0.8", port=0, certificate=None):
        self.host, self.port, self.certificate = host, port, certificate
        self.clients, self.onward = [], []  # local ports of who came, and of where we went on from
        self.targets, self.refusals = [], []
        self.violations = []
        self.socket = self.tls = None

    @property
    def address(self):
        return "%s:%d" % (self.host, self.port)

    def start(self):
        if self.certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*self.certificate)
        self.socket = socket.create_server((self.host, self.port))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def stop(self):
        if self.socket:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            self.socket.close()
            self.socket = None

    def faults_left(self):
        """Those that were asked for and that nobody had."""
        return list(self.refusals)

    def clear_faults(self):
        self.refusals.clear()

    def accept(self):
        while True:
            try:
                client, address = self.socket.accept()
            except (OSError, AttributeError):
                return
            self.clients.append(address[1])
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with contextlib.suppress(OSError, ValueError), client:
            if self.tls:
                client = self.tls.wrap_socket(client, server_side=True)
            first = client.recv(1)
            accept, host, port, good, bad = (self.read_socks if first == b"\x05" else
                                             self.read_connect)(client, first)
            if not accept:
                return
            self.targets.append("%s:%d" % (host, port))
            if self.refusals:
                status = self.refusals.pop(0)
                if status:
                    client.sendall(bad(status))
                return
            with socket.create_connection((host, port), timeout=10) as server:
                self.onward.append(server.getsockname()[1])
                client.sendall(good)
                self.relay(client, server)

    @staticmethod
    def read_exactly(client, count):
        data = b""
        while len(data) < count:
            piece = client.recv(count - len(data))
            if not piece:
                raise ValueError("it ends early")
            data += piece
        return data

    def read_socks(self, client, first):
        """RFC 1928, without authentication."""
        del first
        self.read_exactly(client, self.read_exactly(client, 1)[0])
        client.sendall(b"\x05\x00")
        _, command, _, kind = self.read_exactly(client, 4)
        if kind == 3:
            host = self.read_exactly(client, self.read_exactly(client, 1)[0]).decode()
        else:
            family, length = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            host = socket.inet_ntop(family, self.read_exactly(client, length))
        port, = struct.unpack("!H", self.read_exactly(client, 2))
        rest = b"\x00\x01" + bytes(6)
        return command == 1, host, port, b"\x05\x00" + rest, lambda status: b"\x05\x01" + rest

    def read_connect(self, client, first):
        head = first
        while not head.endswith(b"\r\n\r\n"):
            head += self.read_exactly(client, 1)
        match = re.match(rb"CONNECT ([^: ]+):(\d+) HTTP/1.1\r\n", head)
        if not match or b"Authorization: Bearer" in head:
            self.violations.append("asked of the proxy: %r" % head[:60])
            return False, "", 0, b"", None
        return (True, match[1].decode(), int(match[2]), b"HTTP/1.1 200 Tunnel\r\n\r\n",
                lambda status: b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)

    @staticmethod
    def relay(client, server):
        def copy(source, target):
            with contextlib.suppress(OSError, ValueError):
                while True:
                    piece = source.recv(65536)
                    if not piece:
                        break
                    target.sendall(piece)
                target.shutdown(socket.SHUT_WR)
        back = threading.Thread(target=copy, args=(server, client), daemon=True)
        back.start()
        copy(client, server)
        back.join()
