# SPDX-License-Identifier: Apache-2.0
"""What the fake servers have in common: a threaded HTTP/1.1 server that records what it is sent,
writes down every breach of the rules, and misbehaves on demand.

A fault is a dict; the first whose `kind` fits a request (a kind of the server, or "*") is used up:
    times        how often it applies (1); 0: until it is cleared
    after        let this many fitting requests pass first (0)
    status       answer this status, without doing what was asked
    retry_after  Retry-After header of that answer
    reason, message, text   its body: as JSON in Google's shape, or plain `text`
    html         its body: a page that is so many bytes long
    echo         its body: what was sent, login and the last fields first, as "oauth" (RFC 6749), "google" or "page"
    location     its Location header
    headers      more of its headers
    close        "before": hang up without doing it; "middle": after half of the body;
                 "after": do it, then hang up (the reply is lost)
    reset        the same, with a reset of the connection (RST)
    refuse       hang up, and refuse connections for so many seconds
    certificate  (certificate, key) of the next connection; this one is hung up
    reply        "half": do it, and send half of the reply; "slow": a byte now and then;
                 "garbage": something that is not HTTP
    delay        seconds to wait before anything else; ends early when the server stops
Others are for the server at hand (see fake_gcs.py)."""

import base64
import html
import json
import os
import re
import socket
import ssl
import struct
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECE = 1 << 20


class Request:
    """One request: what was asked, and the body as far as it came."""

    def __init__(self, handler):
        parts = urllib.parse.urlsplit(handler.path)
        self.method = handler.command
        self.raw_path = parts.path
        self.query = urllib.parse.parse_qs(parts.query, keep_blank_values=True)
        self.headers = handler.headers
        self.client = handler.client_address[:2]
        self.descriptor = handler.connection.fileno()
        self.came_at = time.monotonic()
        self.kind = "?"
        self.fault = {}
        self.body = b""
        self.is_whole = True
        self.note = {}  # more for the record, by the server at hand

    def parameter(self, name, default=None):
        return self.query.get(name, [default])[0]

    def is_client_gone(self):
        """Has it closed the connection, as one that was killed? Then it waits for no answer."""
        try:
            with socket.socket(fileno=os.dup(self.descriptor)) as copy:
                return copy.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True


class Reply:
    def __init__(self, status, body=b"", headers=None, content_type="application/json"):
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
        self.status = status
        self.body = body if isinstance(body, bytes) else body.encode()
        self.headers = dict(headers or {})
        self.content_type = content_type


def error_reply(status, reason, message, headers=None):
    """An error as Google's JSON APIs write it."""
    return Reply(status, {"error": {"code": status, "message": message, "errors": [
        {"domain": "global", "reason": reason, "message": message}]}}, headers)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120

    def setup(self):
        if self.server.tls:
            self.request.settimeout(10)
            self.request = self.server.fake.next_tls().wrap_socket(self.request, server_side=True)
        self.server.fake.count_connection(1)
        super().setup()

    def finish(self):
        self.server.fake.count_connection(-1)
        super().finish()

    def log_message(self, format, *args):
        pass

    def date_time_string(self, timestamp=None):
        return super().date_time_string(self.server.fake.now() if timestamp is None else timestamp)

    def serve(self):
        self.server.fake.handle(self)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_CONNECT = serve

    def handle_expect_100(self):
        self.server.fake.violation("Expect: 100-continue costs a round trip")
        return super().handle_expect_100()

    def hang_up(self):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def reset(self):
        """As hang_up(), but the other side is told that something is wrong."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def send_badly(self, reply, how):
        """The reply as bytes, but not all of them, not at once, or others."""
        lines = ["HTTP/1.1 %d Whatever" % reply.status, "Content-Type: " + reply.content_type,
                 "Content-Length: %d" % len(reply.body)]
        lines += ["%s: %s" % each for each in reply.headers.items()]
        raw = "\r\n".join(lines).encode() + b"\r\n\r\n" + reply.body
        if how == "garbage":
            raw = b"\x15\x03\x01 this is not HTTP\r\n\r\n"
        if how == "half":
            raw = raw[:len(raw) // 2 if reply.body else 12]
        if how == "slow":
            for at in range(len(raw)):
                self.wfile.write(raw[at:at + 1])
                if self.server.fake.stopping.wait(0.3):
                    break
        else:
            self.wfile.write(raw)
        self.hang_up()

    def send_reply(self, reply):
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, str(value))
        if reply.body:
            self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    tls = None
    fake = None

    def handle_error(self, request, client_address):
        pass  # clients that hang up or refuse our certificate are the daily business of a test


class Listener6(Listener):
    address_family = socket.AF_INET6


class FakeServer:
    """Base of the fakes. Subclasses give classify(request) -> kind and answer(request) -> Reply."""

    def __init__(self, host="127.0.0.1", port=0, certificate=None):
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.stopping = threading.Event()
        self.violations = []
        self.requests = []
        self.faults = []
        self.host, self.certificate = host, certificate
        self.port = port
        self.clock_offset = 0  # by how many seconds our clock is ahead of the client's
        self.listener = self.thread = None
        self.echoed = []
        self.timeline = None  # a list: (time, bytes) of what comes, piece by piece
        self.open = self.open_most = 0  # connections
        self.other_certificates = []  # of the next connections

    @property
    def url(self):
        host = "[%s]" % self.host if ":" in self.host else self.host
        return "%s://%s:%d" % ("https" if self.certificate else "http", host, self.port)

    def start(self):
        """Listen (on the same port again after a stop)."""
        self.stopping.clear()
        kind = Listener6 if ":" in self.host else Listener
        self.listener = kind((self.host, self.port), Handler)
        self.listener.fake = self
        if self.certificate:
            self.listener.tls = self.tls_of(self.certificate)
        self.port = self.listener.server_address[1]
        self.thread = threading.Thread(target=self.listener.serve_forever, args=(0.05,),
                                       daemon=True)
        self.thread.start()
        return self

    def stop(self):
        self.stopping.set()
        if self.listener:
            self.listener.shutdown()
            self.listener.server_close()
            self.listener = None

    @staticmethod
    def tls_of(certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        return context

    def next_tls(self):
        """For a connection that has come just now."""
        with self.lock:
            if self.other_certificates:
                return self.tls_of(self.other_certificates.pop(0))
        return self.listener.tls

    def refuse_for(self, seconds):
        """Nobody listens for a while. From another thread than the listener's."""
        listener, self.listener = self.listener, None
        listener.shutdown()
        listener.server_close()
        if not self.stopping.wait(seconds):
            self.start()

    def __enter__(self):
        return self.start()

    def __exit__(self, *unused):
        self.stop()

    def now(self):
        return time.time() + self.clock_offset

    def violation(self, text):
        with self.lock:
            self.violations.append(text)
            self.changed.notify_all()

    def count_connection(self, change):
        with self.lock:
            self.open += change
            self.open_most = max(self.open, self.open_most)

    def fault(self, kind, **what):
        with self.lock:
            self.faults.append({"kind": kind, "times": 1, "after": 0, **what})

    def faults_left(self):
        """Those that were to come a number of times, and did not."""
        with self.lock:
            return [each for each in self.faults if each["times"]]

    def clear_faults(self):
        with self.lock:
            self.faults.clear()

    def count(self, kind, status=None):
        """How many requests of a kind were answered (with this status)."""
        with self.lock:
            return sum(1 for each in self.requests
                       if each["kind"] == kind and status in (None, each["status"]))

    def wait_for(self, is_reached, timeout, what):
        """Wait until is_reached() holds; it is looked at after every request."""
        deadline = time.monotonic() + timeout
        with self.lock:
            while not is_reached():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError("not within %g s: %s" % (timeout, what))
                self.changed.wait(min(left, 0.2))

    # -- one request -------------------------------------------------------------------------------

    def take_fault(self, kind):
        with self.lock:
            for each in self.faults:
                if each["kind"] not in (kind, "*"):
                    continue
                if each["after"] > 0:
                    each["after"] -= 1
                    continue
                if each["times"] == 1:
                    self.faults.remove(each)
                elif each["times"] > 1:
                    each["times"] -= 1
                return dict(each)
        return {}

    def read_body(self, handler, request, share=1.0):
        """Read the body; half of it only for share=0.5. False: it has no length we can trust."""
        length = request.headers.get("Content-Length")
        if request.headers.get("Transfer-Encoding"):
            self.violation("%s with Transfer-Encoding" % request.kind)
            return False
        if length is None:
            if request.method in ("POST", "PUT", "DELETE"):
                self.violation("%s %s without Content-Length" % (request.method, request.kind))
                return request.method == "DELETE"
            return True
        if not length.isdigit():
            self.violation("malformed Content-Length: " + length)
            return False
        pieces, left = [], int(int(length) * share)
        request.is_whole = share == 1.0
        while left:
            try:
                piece = handler.rfile.read1(min(left, PIECE))
            except OSError:
                piece = b""
            if not piece:
                request.is_whole = False
                break
            pieces.append(piece)
            left -= len(piece)
            if self.timeline is not None:
                self.timeline.append((time.monotonic(), len(piece)))
        request.body = b"".join(pieces)
        return True

    def handle(self, handler):
        request = Request(handler)
        if request.raw_path == "/_control":
            self.read_body(handler, request)
            handler.send_reply(self.control(request))
            return
        request.kind = self.classify(request)
        request.fault = fault = self.take_fault(request.kind)
        if fault.get("delay"):
            self.stopping.wait(fault["delay"])
        close = fault.get("close") or fault.get("reset")
        if "refuse" in fault or "certificate" in fault:
            close = "before"
        if "certificate" in fault:
            with self.lock:
                self.other_certificates.append(fault["certificate"])
        if "refuse" in fault:
            threading.Thread(target=self.refuse_for, args=(fault["refuse"],), daemon=True).start()
        has_length = self.read_body(handler, request, 0.5 if close == "middle" else 1.0)
        if close in ("before", "middle"):
            reply = None
        elif not has_length:
            reply = error_reply(411, "required", "You must provide the Content-Length HTTP header.")
            handler.close_connection = True
        elif fault.get("status"):
            reply = self.echo_reply(fault, request) if "echo" in fault else self.fault_reply(fault)
        else:
            reply = self.answer(request)
        with self.lock:
            self.requests.append({
                "time": time.time(), "kind": request.kind, "method": request.method,
                "path": request.raw_path, "status": reply.status if reply else 0,
                "lost": close == "after", "bytes": len(request.body), "client": request.client,
                "fault": bool(fault), **request.note})
            self.changed.notify_all()
        if "reset" in fault:
            handler.reset()
        elif reply is None or close == "after" or self.stopping.is_set() or not request.is_whole:
            handler.hang_up()
        elif "reply" in fault:
            handler.send_badly(reply, fault["reply"])
        else:
            handler.send_reply(reply)

    def echo_reply(self, fault, request):
        """Repeat what only the service should know; `echoed` keeps it."""
        login = request.headers.get("Authorization", "")
        escaped = re.findall(r"(?:token|secret|assertion)=([^&]+)", request.body.decode("latin-1"))
        values = [login, *map(urllib.parse.unquote_plus, escaped), *escaped, request.parameter("upload_id", "")]
        if login.startswith("Basic "):
            values.append(base64.b64decode(login[6:]).decode().partition(":")[2])
        with self.lock:
            self.echoed += [each.rpartition(" ")[2] if each is login else each for each in values]
        text = "cannot use " + ", ".join(each for each in values if each)
        if fault["echo"] == "google":
            return error_reply(fault["status"], max(values), text)
        if fault["echo"] == "page":
            return Reply(fault["status"], "<html><body><p>%s</p>" % html.escape(text), {}, "text/html")
        # As PHP writes it.
        text = json.dumps({"error": max(values), "error_description": text}).replace("/", "\\/")
        return Reply(fault["status"], text)

    @staticmethod
    def fault_reply(fault):
        headers = dict(fault.get("headers", {}))
        if "retry_after" in fault:
            headers["Retry-After"] = fault["retry_after"]
        if "location" in fault:
            headers["Location"] = fault["location"]
        if "html" in fault:
            page = "<html><head><title>Welcome</title></head><body>" + "x" * fault["html"]
            return Reply(fault["status"], page, headers, "text/html")
        if "text" in fault:
            return Reply(fault["status"], fault["text"], headers, "text/plain")
        return error_reply(fault["status"], fault.get("reason", "backendError"),
                           fault.get("message", "a fault that the test asked for"), headers)

    def control(self, request):
        """GET /_control: the state. POST /_control: {"faults": […]} or {"clear": true}."""
        if request.method == "POST":
            order = json.loads(request.body)
            if order.get("clear"):
                self.clear_faults()
            for each in order.get("faults", []):
                self.fault(**each)
        return Reply(200, self.state())

    def state(self):
        with self.lock:
            return {"violations": list(self.violations), "requests": list(self.requests),
                    "faults": list(self.faults)}

    def classify(self, request):
        raise NotImplementedError

    def answer(self, request):
        raise NotImplementedError
