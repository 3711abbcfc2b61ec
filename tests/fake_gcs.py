#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A fake of Google Cloud Storage's JSON API, as far as an uploader and a search see it: multipart and
resumable uploads, session status and cancelling, object metadata and bytes, listings, testPermissions.
It behaves as the service does and writes down everything that a good client would not send
(`violations`).

As a program: fake_gcs.py [--host H] [--port P] [--directory DIR] prints its URL and serves until it
is killed; objects are files DIR/BUCKET/NAME. POST /_control sets faults (fake_http.py), GET shows
the state.

permissions: what the account may do on the bucket (everything); see the service's
roles/storage.objectCreator, which is CREATE_ONLY.

Faults of its own (kinds: multipart, start, chunk, status, cancel, metadata, media, delete,
permissions; dead: any request to a session in `dead`):
    accept_bytes  keep no more than this of the chunk, and answer 308
    claim         answer a question to a session as if it had made the object
    corrupt       answer with a resource whose crc32c is not that of the object
Of a listing:
    disorder      tell the objects in another order than that of their names
Of media (and for a short body, a slow one, … see fake_http.py):
    gone          delete the object before it is looked for
    replaced      the same, and put an object with these bytes (b"") in its place
    no_ranges     answer 200 with the whole object
    cut           leave out so many bytes at the end, as if they had not been asked for
    flip          change a bit of the byte with this number"""

import argparse
import base64
import email.parser
import email.policy
import gzip
import json
import os
import re
import sys
import tempfile
import threading
import time
import urllib.parse

import crc32c
from fake_http import FakeServer, Reply, error_reply

GRANULARITY = 262144
METADATA_MAX = 8192
TYPES = {".pcap.gz": "application/gzip", ".pcap.zst": "application/zstd",
         ".pcap": "application/vnd.tcpdump.pcap", ".pcapng.gz": "application/gzip",
         ".pcapng.zst": "application/zstd", ".pcapng": "application/x-pcapng"}
CREATE_ONLY = frozenset(["storage.objects.create"])
EVERYTHING = frozenset("storage.objects." + each for each in ("create", "get", "list", "delete"))
NEEDED = {"multipart": "create", "start": "create", "metadata": "get", "media": "get",
          "delete": "delete", "list": "list"}
PAGE_MAX = 1000
BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")


def utc(seconds=None):
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


class Session:
    """One resumable upload."""

    def __init__(self, bucket, resource, total, generation_match, is_probe):
        self.bucket, self.resource, self.total = bucket, resource, total
        self.generation_match = generation_match
        self.is_probe = is_probe
        self.content = bytearray()
        self.told = 0         # how much of it the client knows to be kept
        self.told_at = 0      # since when; what was on its way before, of a dead client, is no mistake
        self.finished = None  # the object
        self.is_cancelled = False


class FakeGcs(FakeServer):
    """tokens: an object with is_valid(token), or None for an emulator, where a token is a
    violation. buckets: those that exist; None: all."""

    def __init__(self, directory, tokens=None, buckets=None, permissions=EVERYTHING, **where):
        super().__init__(**where)
        self.permissions = permissions
        self.foreign = None  # what somebody else stores under the name of the next object
        self.dead = set()    # ids of sessions
        self.is_mortal = False  # does the next session die of its first chunk?
        self.locations = []  # of the next sessions: hosts that may not be ours
        self.page_max = PAGE_MAX  # objects of a page; the service may give fewer than it is asked for
        self.payer = None    # the project that has to pay: the bucket's owner does not
        self.directory = directory
        self.tokens, self.buckets = tokens, buckets
        self.objects = {}   # (bucket, name) -> resource
        self.sessions = {}
        self.generation = 1000
        os.makedirs(directory, exist_ok=True)

    def path(self, bucket, name):
        """The file with an object's bytes."""
        return os.path.join(self.directory, bucket, *name.split("/"))

    def names(self, bucket=None):
        with self.lock:
            return sorted(name for where, name in self.objects if bucket in (None, where))

    def state(self):
        with self.lock:
            return {**super().state(), "objects": list(self.objects.values())}

    # -- what is asked -----------------------------------------------------------------------------

    def classify(self, request):
        path, method = request.raw_path, request.method
        if re.fullmatch(r"/upload/storage/v1/b/[^/]+/o", path):
            if "upload_id" in request.query:
                if request.parameter("upload_id") in self.dead:
                    return "dead"
                if method == "DELETE":
                    return "cancel"
                asks = request.headers.get("Content-Range", "").startswith("bytes */")
                return "status" if asks else "chunk"
            kind = {"multipart": "multipart", "resumable": "start"}.get(
                request.parameter("uploadType"))
            if method == "POST" and kind:
                return kind
        if method == "GET" and re.fullmatch(r"/storage/v1/b/[^/]+/iam/testPermissions", path):
            return "permissions"
        if method == "DELETE" and re.fullmatch(r"/storage/v1/b/[^/]+/o/[^/]+", path):
            return "delete"
        if method == "GET" and re.fullmatch(r"/storage/v1/b/[^/]+/o/[^/]+", path):
            return "media" if request.parameter("alt") == "media" else "metadata"
        if method == "GET" and re.fullmatch(r"/storage/v1/b/[^/]+/o", path):
            return "list"
        return "?"

    def answer(self, request):
        if request.kind == "?":
            self.violation("%s %s is no request we know" % (request.method, request.raw_path))
            return error_reply(404, "notFound", "Not Found")
        if request.headers.get("Content-Encoding"):
            self.violation("Content-Encoding on a request: the service would unpack the body")
        refusal = self.authorize(request)
        if refusal:
            return refusal
        bucket = urllib.parse.unquote(re.search(r"/b/([^/]+)", request.raw_path).group(1))
        if not BUCKET.fullmatch(bucket):
            self.violation("malformed bucket name " + bucket)
            return error_reply(400, "invalid", "Invalid bucket name: '%s'" % bucket)
        if self.buckets is not None and bucket not in self.buckets:
            return error_reply(404, "notFound", "The specified bucket does not exist.")
        if self.payer and request.headers.get("x-goog-user-project") != self.payer:
            return error_reply(400, "required", "Bucket is a requester pays bucket but no user project "
                               "provided.")
        needed = "storage.objects." + NEEDED.get(request.kind, "")
        if request.kind in NEEDED and needed not in self.permissions:
            refusal = "account does not have %s access to the Google Cloud Storage %s." % (
                needed, "bucket" if request.kind == "list" else "object")
            if request.kind == "media":
                return self.media_error(403, refusal)
            return error_reply(403, "forbidden", refusal)
        return getattr(self, "answer_" + request.kind)(request, bucket)

    def authorize(self, request):
        header = request.headers.get("Authorization")
        if self.tokens is None:
            if header is not None:
                self.violation("Authorization sent to an emulator")
            return None
        if header is None and request.kind in ("chunk", "status", "cancel"):
            return None  # the session's address is enough
        if header is None or not header.startswith("Bearer "):
            self.violation("%s without a bearer token" % request.kind)
            return error_reply(401, "required", "Anonymous caller does not have access.")
        if not self.tokens.is_valid(header[len("Bearer "):]):
            return error_reply(401, "authError", "Invalid Credentials")
        return None

    # -- inserting ---------------------------------------------------------------------------------

    def check_resource(self, request, resource):
        """Everything about the metadata of a new object that is not as it should be."""
        name = resource.get("name")
        if not isinstance(name, str) or not 1 <= len(name.encode()) <= 1024:
            return "no usable object name"
        if any(part in ("", ".", "..") for part in name.split("/")) or re.search(
                r"[\x00-\x1f\x7f#\[\]*?:\"<>|]", name):
            return "bad object name " + repr(name)
        if request.parameter("name", name) != name:
            return "two different names for one object"
        if request.parameter("ifGenerationMatch") != "0":
            self.violation("insert without ifGenerationMatch=0: %s" % name)
        if "contentEncoding" in resource or "contentEncoding" in request.query:
            self.violation("contentEncoding would make readers unpack: %s" % name)
        expected = next((TYPES[end] for end in TYPES if name.endswith(end)), None)
        if resource.get("cacheControl") != "no-transform":
            self.violation("cacheControl %s of %s" % (resource.get("cacheControl"), name))
        if resource.get("contentType") != expected:
            self.violation("contentType %s of %s" % (resource.get("contentType"), name))
        if not re.fullmatch(r"[A-Za-z0-9+/]{6}==", str(resource.get("crc32c"))):
            self.violation("no crc32c for %s" % name)
        metadata = resource.get("metadata")
        if not isinstance(metadata, dict) or not metadata:
            self.violation("no metadata for %s" % name)
            metadata = {}
        for key, value in metadata.items():
            if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", key) or not isinstance(value, str):
                self.violation("metadata %s=%r of %s" % (key, value, name))
        size = sum(len(key) + len(str(value).encode()) for key, value in metadata.items())
        if size > METADATA_MAX:
            return "more than 8 KiB of metadata"
        return None

    def refuse(self, reason):
        self.violation(reason)
        return error_reply(400, "invalid", reason)

    def exists(self, bucket, name, generation_match):
        if generation_match == "0" and (bucket, name) in self.objects:
            return error_reply(412, "conditionNotMet",
                               "At least one of the pre-conditions you specified did not hold.")
        return None

    def store(self, request, bucket, resource, content, generation_match):
        """Check and keep a whole object. Returns (object or None, reply)."""
        actual = crc32c.encode(content)
        if resource.get("crc32c", actual) != actual:
            self.violation("crc32c of %s does not fit its bytes" % resource["name"])
            return None, error_reply(400, "invalid",
                                     'Provided CRC32C "%s" doesn\'t match calculated '
                                     'CRC32C "%s".' % (resource["crc32c"], actual))
        with self.lock:
            if self.foreign is not None:
                foreign, self.foreign = self.foreign, None
                self.store(request, bucket, {"name": resource["name"]}, foreign, "0")
            conflict = self.exists(bucket, resource["name"], generation_match)
            if conflict:
                return None, conflict
            made = self.put(bucket, content=content, **resource)
        return made, self.resource_reply(request, made)

    def put(self, bucket, name, content, **more):
        """Make an object, whatever was there; more of its resource: metadata, storageClass, …"""
        with self.lock:
            self.generation += 1
            made = {"kind": "storage#object", "contentType": "application/octet-stream",
                    "storageClass": "STANDARD", **more, "name": name,
                    "id": "%s/%s/%d" % (bucket, name, self.generation),
                    "bucket": bucket, "generation": str(self.generation), "metageneration": "1",
                    "size": str(len(content)), "crc32c": crc32c.encode(content),
                    "timeCreated": utc()}
            path = self.path(bucket, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
            self.objects[bucket, name] = made
        return made

    def remove(self, bucket, name):
        with self.lock:
            if self.objects.pop((bucket, name), None):
                os.unlink(self.path(bucket, name))

    @staticmethod
    def resource_reply(request, made):
        if request.fault.get("corrupt"):
            made = {**made, "crc32c": crc32c.encode(made["name"].encode())}
        fields = request.parameter("fields")
        if fields:
            made = {key: made[key] for key in fields.split(",") if key in made}
        return Reply(200, made)

    def answer_multipart(self, request, bucket):
        kind = request.headers.get("Content-Type", "")
        if not request.is_whole:
            return error_reply(400, "invalid", "the body is cut")
        if not re.fullmatch(r"multipart/related; *boundary=\"?[^\"; ]{16,70}\"?", kind):
            return self.refuse("Content-Type of a multipart upload: " + kind)
        boundary = re.search(r'boundary="?([^"]+)', kind).group(1).encode()
        pieces = request.body.split(b"--" + boundary)
        if len(pieces) != 4 or pieces[0] or pieces[3] not in (b"--", b"--\r\n"):
            return self.refuse("a multipart upload has to have two parts")
        parts = []
        for piece in pieces[1:3]:
            head, separator, body = piece.partition(b"\r\n\r\n")
            if not separator or not piece.startswith(b"\r\n") or not body.endswith(b"\r\n"):
                return self.refuse("malformed part of a multipart upload")
            headers = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head[2:])
            parts.append((headers, body[:-2]))
        if not parts[0][0].get("Content-Type", "").startswith("application/json"):
            return self.refuse("the first part has to be JSON")
        resource = self.parse_resource(parts[0][1])
        if resource is None:
            return self.refuse("the first part is not JSON")
        problem = self.check_resource(request, resource)
        if problem:
            return self.refuse(problem)
        request.note["name"] = resource["name"]
        if parts[1][0].get("Content-Type") != resource.get("contentType"):
            self.violation("Content-Type of the second part is not contentType")
        return self.store(request, bucket, resource, parts[1][1],
                          request.parameter("ifGenerationMatch"))[1]

    @staticmethod
    def parse_resource(text):
        try:
            resource = json.loads(text)
        except ValueError:
            return None
        return resource if isinstance(resource, dict) else None

    def answer_start(self, request, bucket):
        total = request.headers.get("X-Upload-Content-Length")
        if not request.is_whole:
            return error_reply(400, "invalid", "the body is cut")
        resource = self.parse_resource(request.body or b"{}")
        if resource is None or (total is not None and not total.isdigit()):
            return self.refuse("malformed start of a resumable upload")
        resource.setdefault("name", request.parameter("name"))
        # To ask whether the bucket would take an object, one opens a session and cancels it.
        is_probe = "/.probe-" in "/%s" % resource["name"]
        if not is_probe:
            problem = self.check_resource(request, resource)
            if problem:
                return self.refuse(problem)
            if request.headers.get("X-Upload-Content-Type") != resource.get("contentType"):
                self.violation("X-Upload-Content-Type is not contentType")
        request.note["name"] = resource["name"]
        key = os.urandom(16).hex()
        with self.lock:
            self.sessions[key] = Session(bucket, resource, int(total) if total else None,
                                         request.parameter("ifGenerationMatch"), is_probe)
        where = "%s%s?%s" % (self.location_base(request), request.raw_path, urllib.parse.urlencode(
            {"uploadType": "resumable", "upload_id": key}))
        return Reply(200, b"", {"Location": where, "X-GUploader-UploadID": key,
                                "X-Goog-Upload-Chunk-Granularity": GRANULARITY})

    def location_base(self, request):
        with self.lock:
            if self.locations:
                return self.locations.pop(0)
        return "%s://%s" % ("https" if self.certificate else "http", request.headers["Host"])

    # -- resumable sessions ------------------------------------------------------------------------

    def session(self, request):
        """(session, None), or (None, the reply for one that is not usable)."""
        with self.lock:
            session = self.sessions.get(request.parameter("upload_id"))
        if session is None:
            return None, error_reply(404, "notFound", "No such upload session")
        request.note["name"] = session.resource["name"]
        if session.is_cancelled:
            return None, Reply(499)
        if session.finished:
            return None, self.resource_reply(request, session.finished)
        return session, None

    def progress(self, request, session):
        if self.is_mortal:
            self.is_mortal = False
            self.dead.add(request.parameter("upload_id"))
        kept = len(session.content)
        if request.is_whole and not {"close", "reset", "reply"} & set(request.fault):
            session.told, session.told_at = kept, time.monotonic()
        return Reply(308, b"", {"Range": "bytes=0-%d" % (kept - 1)} if kept else {})

    def finish(self, request, session):
        with self.lock:  # a dead client's request and one of the next run may both have the last byte
            if session.finished:
                return self.resource_reply(request, session.finished)
            session.finished, reply = self.store(request, session.bucket, session.resource,
                                                 bytes(session.content), session.generation_match)
        return reply

    def answer_dead(self, request, bucket):
        return Reply(500)

    def answer_cancel(self, request, bucket):
        session, reply = self.session(request)
        if session:
            session.is_cancelled = True
        return reply or Reply(499)

    def answer_status(self, request, bucket):
        session, reply = self.session(request)
        if not session:
            return reply
        if request.fault.get("claim"):
            return Reply(200, {"generation": "1", "size": str(session.total), **session.resource})
        asked = request.headers.get("Content-Range")
        if request.body or not re.fullmatch(r"bytes \*/(\*|\d+)", asked):
            return self.refuse("malformed status query: " + asked)
        if asked == "bytes */%d" % len(session.content):
            return self.finish(request, session)
        return self.progress(request, session)

    def answer_chunk(self, request, bucket):
        session, reply = self.session(request)
        if not session:
            return reply
        if request.method != "PUT" or session.is_probe:
            self.violation("%s to a session, probe: %r" % (request.method, session.is_probe))
        length = int(request.headers["Content-Length"])
        given = request.headers.get("Content-Range")
        if given is None:
            start, end, total = len(session.content), len(session.content) + length - 1, None
            total = end + 1
        else:
            match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", given)
            if not match or int(match[2]) < int(match[1]):
                return self.refuse("Failed to parse Content-Range header: " + given)
            start, end = int(match[1]), int(match[2])
            total = None if match[3] == "*" else int(match[3])
        if end - start + 1 != length or (total is not None and end >= total):
            return self.refuse("Content-Range %s of %d bytes" % (given, length))
        if total is not None and session.total is not None and total != session.total:
            return self.refuse("the total %d is not the %d announced" % (total, session.total))
        is_last = total is not None and end == total - 1
        if not is_last and length % GRANULARITY:
            return self.refuse("a chunk of %d bytes that is not the last" % length)
        if start > len(session.content):
            self.violation("chunk at %d, but only %d are kept" % (start, len(session.content)))
            return Reply(503, "Invalid request. According to the Content-Range header, the upload "
                         "offset is %d byte(s), which exceeds already uploaded size of %d byte(s)."
                         % (start, len(session.content)), {}, "text/plain")
        # A client that was killed may have sent it before, on a machine that is slow to read it.
        if start < session.told and request.came_at > session.told_at and not request.is_client_gone():
            self.violation("chunk at %d, but %d are acknowledged" % (start, session.told))
        return self.keep(request, session, start, is_last)

    def keep(self, request, session, start, is_last):
        content = request.body
        is_cut = not request.is_whole
        if is_cut or "accept_bytes" in request.fault:
            limit = min(request.fault.get("accept_bytes", len(content)), len(content))
            content = content[:limit - limit % GRANULARITY]
            is_last = False
        session.content += content[len(session.content) - start:]
        return self.finish(request, session) if is_last else self.progress(request, session)

    # -- reading -----------------------------------------------------------------------------------

    def answer_metadata(self, request, bucket):
        name = urllib.parse.unquote(request.raw_path.rsplit("/", 1)[1])
        with self.lock:
            made = self.objects.get((bucket, name))
        if not made:
            return error_reply(404, "notFound", "No such object: %s/%s" % (bucket, name))
        return self.resource_reply(request, made)

    @staticmethod
    def media_error(status, message):
        """Where bytes were asked for, the service has plain words."""
        return Reply(status, message, {"X-GUploader-UploadID": "fake"}, "text/html; charset=UTF-8")

    def find_media(self, request, bucket, name):
        """((object, bytes), None), or (None, the reply to somebody who asks for another one)."""
        if "gone" in request.fault or "replaced" in request.fault:
            self.remove(bucket, name)
        if "replaced" in request.fault:
            self.put(bucket, name, request.fault["replaced"])
        generation, condition = (request.parameter(each) for each in (
            "generation", "ifGenerationMatch"))
        if generation is None and condition is None:
            self.violation("media of whatever generation there is: " + name)
        with self.lock:
            made = self.objects.get((bucket, name))
            if not made or generation not in (None, made["generation"]):
                return None, self.media_error(404, "No such object: %s/%s" % (bucket, name))
            if condition not in (None, made["generation"]):
                return None, self.media_error(412, "At least one of the pre-conditions you specified "
                                              "did not hold.")
            with open(self.path(bucket, name), "rb") as file:
                return (made, file.read()), None

    def answer_media(self, request, bucket):
        name = urllib.parse.unquote(request.raw_path.rsplit("/", 1)[1])
        request.note["name"] = name
        found, reply = self.find_media(request, bucket, name)
        if not found:
            return reply
        made, content = found
        stored = made.get("contentEncoding", "identity")
        headers = {"X-GUploader-UploadID": "fake", "X-Goog-Generation": made["generation"],
                   "X-Goog-Hash": "crc32c=" + made["crc32c"],
                   "X-Goog-Stored-Content-Encoding": stored,
                   "X-Goog-Stored-Content-Length": made["size"],
                   "X-Goog-Storage-Class": made["storageClass"]}
        takes_gzip = "gzip" in request.headers.get("Accept-Encoding", "")
        if not takes_gzip:
            self.violation("media without Accept-Encoding: gzip, which may be unpacked: " + name)
        if stored == "gzip":
            headers["Vary"] = "Accept-Encoding"
            if not takes_gzip and made.get("cacheControl") != "no-transform":
                # Also without ranges.
                return Reply(200, gzip.decompress(content),
                             {**headers, "Warning": "214 UploadServer gunzipped"}, made["contentType"])
            headers["Content-Encoding"] = "gzip"
        return self.answer_range(request, made, content, headers)

    def answer_range(self, request, made, content, headers):
        total = len(content)
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range", ""))
        if asked and asked[1] == asked[2] == "":
            asked = None
        if not asked:
            self.violation("media without a range of bytes: " + made["name"])
        status, start, end = 200, 0, total
        if asked and not request.fault.get("no_ranges"):
            start = int(asked[1]) if asked[1] else max(0, total - int(asked[2]))
            end = min(total, int(asked[2]) + 1) if asked[1] and asked[2] else total
            if start >= end:
                return self.media_error(416, "The requested range cannot be satisfied.")
            end = max(start, end - request.fault.get("cut", 0))
            status = 206
            headers["Content-Range"] = "bytes %d-%d/%d" % (
                start, end - 1 + request.fault.get("cut", 0), total)
        body = bytearray(content[start:end])
        if "flip" in request.fault and body:
            body[request.fault["flip"] % len(body)] ^= 1
        request.note["range"] = (start, end)
        return Reply(status, bytes(body), headers, made["contentType"])

    def answer_delete(self, request, bucket):
        name = urllib.parse.unquote(request.raw_path.rsplit("/", 1)[1])
        with self.lock:
            made = self.objects.get((bucket, name))
            if not made:
                return error_reply(404, "notFound", "No such object: %s/%s" % (bucket, name))
            if request.parameter("ifGenerationMatch") != made["generation"]:
                self.violation("delete without the generation: " + name)
                return error_reply(412, "conditionNotMet", "another generation")
            del self.objects[bucket, name]
            os.unlink(self.path(bucket, name))
        return Reply(204)

    def answer_list(self, request, bucket):
        for each in ("delimiter", "matchGlob", "versions"):
            if each in request.query:
                return self.refuse("a listing with %s costs more than it seems" % each)
        fields = re.fullmatch(r"items\(([\w,]+)\),nextPageToken", request.parameter("fields", ""))
        if not fields:
            self.violation("a listing of all fields")
        size = request.parameter("maxResults", str(PAGE_MAX))
        if not size.isdigit() or int(size) < 1:
            return self.refuse("maxResults=" + size)
        # Texts are compared as bytes.
        prefix, first, last = (request.parameter(each, "").encode() for each in (
            "prefix", "startOffset", "endOffset"))
        behind = self.read_token(request, prefix, first, last)
        if behind is None:
            return self.refuse("a token of no page of this listing")
        with self.lock:
            items = sorted((name.encode(), made) for (where, name), made in self.objects.items()
                           if where == bucket)
        items = [(name, made) for name, made in items if name.startswith(prefix) and name >= first
                 and name > behind and (not last or name < last)]
        page = items[:min(int(size), self.page_max, PAGE_MAX)]
        answer = {} if fields else {"kind": "storage#objects"}
        if len(page) < len(items):
            answer["nextPageToken"] = base64.b64encode(
                b"\0".join((page[-1][0], prefix, first, last))).decode()
        if request.fault.get("disorder"):
            page = page[1:] + page[:1]
        wanted = fields[1].split(",") if fields else None
        if page:
            answer["items"] = [{key: made[key] for key in wanted or made if key in made}
                               for _, made in page]
        request.note["items"] = len(page)
        return Reply(200, answer, {"X-GUploader-UploadID": "fake"})

    @staticmethod
    def read_token(request, *listing):
        """The name behind which the page begins; None: it belongs to another listing."""
        try:
            name, *same = base64.b64decode(request.parameter("pageToken", ""), validate=True).split(b"\0")
        except ValueError:
            return None
        if "pageToken" not in request.query:
            return b""
        return name if same == list(listing) else None

    def answer_permissions(self, request, bucket):
        asked = request.query.get("permissions", [])
        return Reply(200, {"kind": "storage#testIamPermissionsResponse",
                           "permissions": [each for each in asked if each in self.permissions]})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--directory", help="where objects go (a temporary folder)")
    arguments = parser.parse_args()
    directory = arguments.directory or tempfile.mkdtemp(prefix="fake-gcs-")
    server = FakeGcs(directory, host=arguments.host, port=arguments.port).start()
    print(server.url, flush=True)
    print("objects: " + directory, file=sys.stderr, flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        server.stop()


if __name__ == "__main__":
    main()
