# SPDX-License-Identifier: Apache-2.0
"""As much of D-Bus as it takes to be asked for a unit's properties: no dbus-daemon, no systemd."""

import re
import socket
import struct
import threading

METHOD_CALL, METHOD_RETURN, ERROR = 1, 2, 3


def pad(data, to):
    return data + bytes(-len(data) % to)


def text(value):
    data = value.encode()
    return struct.pack("<I", len(data)) + data + b"\0"


def array(values):
    """Of strings: its length, and they."""
    body = b""
    for each in values:
        body = pad(body, 4) + text(each)
    return struct.pack("<I", len(body)) + body


def bind_paths(values):
    """a(ssbt), after its signature in a variant: of (source, path)."""
    body = b""
    for source, path in values:
        body = pad(pad(pad(body, 8) + text(source), 4) + text(path), 4) + struct.pack("<I", 0)
        body = pad(body, 8) + struct.pack("<Q", 0)
    return pad(struct.pack("<I", len(body)), 4) + body


def signature(value):
    return bytes([len(value)]) + value.encode() + b"\0"


def message(kind, serial, reply_to, types, body):
    fields = b""
    # Reply serial; signature; an error has its name first.
    for code, kind_of, value in ((5, "u", struct.pack("<I", reply_to)), (8, "g", signature(types))) + (
            ((4, "s", text("org.freedesktop.DBus.Error.Failed")),) if kind == ERROR else ()):
        fields = pad(fields, 8) + bytes([code]) + signature(kind_of)
        fields = (pad(fields, 4) if kind_of != "g" else fields) + value
    head = struct.pack("<cBBBII", b"l", kind, 1, 1, len(body), serial) + struct.pack("<I", len(fields)) + fields
    return pad(head, 8) + body


class FakeSystemd:
    """Answers at a Unix socket; properties: {name: string, list of strings, or tuple of (source, path)}. None: every
    question fails."""

    def __init__(self, path):
        self.properties = None
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self._run, daemon=True).start()

    def close(self):
        self.listener.close()

    def _run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                self._serve(client)

    def _serve(self, client):
        said = b""
        while b"BEGIN\r\n" not in said:
            said += client.recv(4096)
        words = said.split(b"\r\n")
        client.sendall((b"DATA\r\n" if b"DATA" in words else b"") + b"OK " + b"0" * 31 + b"1\r\nAGREE_UNIX_FD\r\n")
        rest, serial = said.partition(b"BEGIN\r\n")[2], 0
        while True:
            while len(rest) < 16 or len(rest) < self._length(rest):
                more = client.recv(4096)
                if not more:
                    return
                rest += more
            call, rest = rest[:self._length(rest)], rest[self._length(rest):]
            serial += 1
            if call[1] == METHOD_CALL:
                client.sendall(self._answer(call, serial))

    @staticmethod
    def _length(data):
        body, _, fields = struct.unpack_from("<III", data, 4)
        return 16 + fields + -fields % 8 + body

    def _answer(self, call, serial):
        asked_serial = struct.unpack_from("<I", call, 8)[0]
        if b"\0Hello\0" in call:
            return message(METHOD_RETURN, serial, asked_serial, "s", text(":1.1"))
        body = call[len(call) - struct.unpack_from("<I", call, 4)[0]:]
        name = re.findall(rb"[A-Za-z.0-9]{3,}", body)[-1].decode()
        if self.properties is None or b"kube_2dnode_2dtracer_2eservice" not in call:
            return message(ERROR, serial, asked_serial, "s", text("no"))
        value = self.properties[name]
        if isinstance(value, str):
            return message(METHOD_RETURN, serial, asked_serial, "v", pad(signature("s"), 4) + text(value))
        if isinstance(value, tuple):
            return message(METHOD_RETURN, serial, asked_serial, "v", pad(signature("a(ssbt)"), 4) + bind_paths(value))
        return message(METHOD_RETURN, serial, asked_serial, "v", pad(signature("as"), 4) + array(value))
