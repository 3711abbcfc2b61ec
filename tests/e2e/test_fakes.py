# SPDX-License-Identifier: Apache-2.0
"""The fakes themselves: do they notice what they are there to notice?"""

import base64
import contextlib
import gzip
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
import types
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
# pylint: disable=wrong-import-position
import crc32c
import fake_federation
import fake_google
import random
import tap
from fake_gcs import GRANULARITY, FakeGcs
from tap import check, equal

NAME = "node1/node1_20261123T083000.123Z_eth0_00000001.pcap.gz"
INSERT = "/upload/storage/v1/b/bucket/o?uploadType=%s&ifGenerationMatch=0"


@contextlib.contextmanager
def around():
    with tempfile.TemporaryDirectory() as directory:
        lab = types.SimpleNamespace(directory=directory, tokens=fake_google.Tokens(), servers=[])

        def serve(server):
            lab.servers.append(server.start())
            return server
        lab.serve = serve
        lab.gcs = serve(FakeGcs(os.path.join(directory, "objects")))
        try:
            yield lab
        finally:
            for server in lab.servers:
                server.stop()


def ask(server, method, path, body=b"", headers=None):
    """One request; returns (status, headers, body)."""
    if path.startswith("http"):
        path = path.split("/", 3)[3]
        path = "/" + path
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    result = answer.status, answer.headers, answer.read()
    connection.close()
    return result


def resource(content, **more):
    return {"name": NAME, "contentType": "application/gzip", "crc32c": crc32c.encode(content),
            "cacheControl": "no-transform", "metadata": {"node": "node1", "packets-own": "0"}, **more}


def multipart(gcs, content, about, query=INSERT % "multipart"):
    boundary = "b" * 32
    body = ("--%s\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n%s\r\n--%s\r\n"
            "Content-Type: application/gzip\r\n\r\n" % (boundary, json.dumps(about), boundary)
            ).encode() + content + ("\r\n--%s--\r\n" % boundary).encode()
    return ask(gcs, "POST", query, body,
               {"Content-Type": "multipart/related; boundary=" + boundary})


def listing(gcs, **parameters):
    """(status, body) of a page of the bucket's objects."""
    query = urllib.parse.urlencode({
        "fields": "items(name,generation),nextPageToken", **parameters})
    status, _, body = ask(gcs, "GET", "/storage/v1/b/bucket/o?" + query)
    return status, json.loads(body)


def media(gcs, made, first, last, headers=None, query="generation"):
    """(status, headers, body) of a range of an object."""
    path = "/storage/v1/b/bucket/o/%s?alt=media&%s=%s" % (
        urllib.parse.quote(made["name"], safe=""), query, made["generation"])
    return ask(gcs, "GET", path, b"", {"Accept-Encoding": "gzip",
                                       "Range": "bytes=%s-%s" % (first, last), **(headers or {})})


def start(gcs, content, size=None):
    status, headers, _ = ask(gcs, "POST", INSERT % "resumable",
                             json.dumps(resource(content)).encode(), {
        "Content-Type": "application/json", "X-Upload-Content-Type": "application/gzip",
        "X-Upload-Content-Length": str(len(content) if size is None else size)})
    equal(status, 200, "start")
    return headers["Location"]


def put(gcs, where, content, content_range):
    return ask(gcs, "PUT", where, content, {"Content-Range": content_range})


def test_crc32c(lab):
    equal(crc32c.crc32c(b"123456789"), 0xE3069283, "check value")
    equal(crc32c.encode(b""), "AAAAAA==", "of nothing")
    equal(crc32c.crc32c(b"6789", crc32c.crc32c(b"12345")), 0xE3069283, "in two parts")


def test_multipart_stores_once(lab):
    content = random.randbytes(3000)
    status, _, body = multipart(lab.gcs, content, resource(content))
    equal((status, json.loads(body)["crc32c"]), (200, crc32c.encode(content)), "first")
    equal(multipart(lab.gcs, content, resource(content))[0], 412, "second")
    path = "/storage/v1/b/bucket/o/" + urllib.parse.quote(NAME, safe="")
    made = json.loads(ask(lab.gcs, "GET", path)[2])
    equal(made["size"], "3000", "size")
    equal(media(lab.gcs, made, 0, 2999)[2], content, "bytes")
    equal(lab.gcs.violations, [], "violations")


def test_multipart_violations(lab):
    content = b"packets"
    wrong = [
        (resource(b"others"), INSERT % "multipart", "crc32c", 400),
        ({**resource(content), "crc32c": None}, INSERT % "multipart", "no crc32c", 200),
        (resource(content, name="../x.pcap.gz"), INSERT % "multipart", "bad object name", 400),
        (resource(content, name="b/b.pcap"), INSERT % "multipart", "contentType", 200),
        (resource(content, name="h.pcap.gz", cacheControl=None), INSERT % "multipart",
         "cacheControl", 200),
        (resource(content, name="c.pcap.gz", contentEncoding="gzip"), INSERT % "multipart",
         "contentEncoding", 200),
        (resource(content, name="d.pcap.gz", metadata={"Node": "x"}), INSERT % "multipart",
         "metadata Node", 200),
        (resource(content, name="e.pcap.gz", metadata={"node": 1}), INSERT % "multipart",
         "metadata node=1", 200),
        (resource(content, name="f.pcap.gz", metadata={"node": "x" * 8192}), INSERT % "multipart",
         "8 KiB", 400),
        (resource(content, name="g.pcap.gz"), (INSERT % "multipart").replace("=0", "=1"),
         "ifGenerationMatch", 200),
    ]
    for about, query, expected, expected_status in wrong:
        about = {key: value for key, value in about.items() if value is not None}
        status = multipart(lab.gcs, content, about, query)[0]
        equal(status, expected_status, expected)
        check(any(expected in each for each in lab.gcs.violations), "%s: %r" % (
            expected, lab.gcs.violations))
        lab.gcs.violations.clear()


def test_resumable_chunks(lab):
    content = random.randbytes(GRANULARITY * 2 + 1000)
    where = start(lab.gcs, content)
    total = len(content)
    equal(put(lab.gcs, where, b"", "bytes */*")[1]["Range"], None, "nothing is kept yet")
    status, headers, _ = put(lab.gcs, where, content[:GRANULARITY],
                             "bytes 0-%d/%d" % (GRANULARITY - 1, total))
    equal((status, headers["Range"]), (308, "bytes=0-%d" % (GRANULARITY - 1)), "first chunk")
    lab.gcs.fault("chunk", accept_bytes=GRANULARITY)
    status, headers, _ = put(lab.gcs, where, content[GRANULARITY:],
                             "bytes %d-%d/%d" % (GRANULARITY, total - 1, total))
    equal((status, headers["Range"]), (308, "bytes=0-%d" % (2 * GRANULARITY - 1)), "cut chunk")
    equal(put(lab.gcs, where, content[2 * GRANULARITY:],
              "bytes %d-%d/%d" % (2 * GRANULARITY, total - 1, total))[0], 200, "last")
    equal(put(lab.gcs, where, b"", "bytes */*")[0], 200, "status of a finished one")
    equal(lab.gcs.violations, [], "violations")
    with open(lab.gcs.path("bucket", NAME), "rb") as file:
        equal(file.read(), content, "bytes")


def test_resumable_violations(lab):
    content = random.randbytes(GRANULARITY + 10)
    total = len(content)
    for at, body, content_range, status in (
            (0, content[:100], "bytes 0-99/%d" % total, 400),                # not a multiple
            (0, content[:100], "bytes 0-98/%d" % total, 400),                # length
            (0, content, "bytes 0-%d/%d" % (total - 1, total + 1), 400),     # another total
            (0, content[5:], "bytes 5-%d/%d" % (total - 1, total), 503),     # a hole
            (0, b"", "bytes %d-%d/%d" % (total, total - 1, total), 400)):    # an empty range
        where = start(lab.gcs, content)
        equal(put(lab.gcs, where, body, content_range)[0], status, content_range)
        check(lab.gcs.violations, "no violation for " + content_range)
        lab.gcs.violations.clear()


def test_resumable_conflict_only_at_the_end(lab):
    content = b"x" * 100
    multipart(lab.gcs, content, resource(content))
    where = start(lab.gcs, content)
    equal(put(lab.gcs, where, content, "bytes 0-99/100")[0], 412, "last chunk")


def test_session_cancelled(lab):
    where = start(lab.gcs, b"x")
    equal(ask(lab.gcs, "DELETE", where, b"", {"Content-Length": "0"})[0], 499, "cancel")
    equal(put(lab.gcs, where, b"x", "bytes 0-0/1")[0], 499, "afterwards")


def test_authorization(lab):
    gcs = lab.serve(FakeGcs(os.path.join(lab.directory, "o2"), tokens=lab.tokens,
                            buckets={"other"}))
    equal(ask(gcs, "GET", "/storage/v1/b/other/o")[0], 401, "without")
    check(gcs.violations, "no violation")
    equal(ask(gcs, "GET", "/storage/v1/b/other/o", b"", {"Authorization": "Bearer x"})[0], 401,
          "bad")
    header = {"Authorization": "Bearer " + lab.tokens.issue(100)}
    equal(ask(gcs, "GET", "/storage/v1/b/other/o", b"", header)[0], 200, "good")
    equal(ask(gcs, "GET", "/storage/v1/b/bucket/o", b"", header)[0], 404, "no such bucket")
    header = {"Authorization": "Bearer " + lab.tokens.issue(-1)}
    equal(ask(gcs, "GET", "/storage/v1/b/other/o", b"", header)[0], 401, "expired")
    ask(lab.gcs, "GET", "/storage/v1/b/other/o", b"", header)
    check(lab.gcs.violations, "an emulator takes no token")


def test_faults(lab):
    lab.gcs.fault("list", status=503, retry_after=7, times=2, after=1)
    answers = [ask(lab.gcs, "GET", "/storage/v1/b/bucket/o") for _ in range(4)]
    equal([each[0] for each in answers], [200, 503, 503, 200], "statuses")
    equal(answers[1][1]["Retry-After"], "7", "Retry-After")
    content = b"x"
    lab.gcs.fault("multipart", close="after")
    lab.gcs.fault("multipart", close="before")
    for expected in (1, 1):
        try:
            multipart(lab.gcs, content, resource(content))
            check(False, "there was an answer")
        except (http.client.HTTPException, OSError):
            pass
        equal(len(lab.gcs.names()), expected, "objects")
    equal(ask(lab.gcs, "POST", "/_control", b'{"faults": [{"kind": "*", "status": 500}]}')[0], 200,
          "control")
    equal(ask(lab.gcs, "GET", "/storage/v1/b/bucket/o")[0], 500, "set by control")


def names_of(answer):
    return [each["name"] for each in answer[1].get("items", [])]


def test_listing(lab):
    names = ["a/b", "a-b", "a.b", "a0", "\u00e4", "b/c/d", "node-1/x", "node-10/x", "z"]
    for name in names:
        lab.gcs.put("bucket", name, b"x", metadata={"packets": "5"})
    lab.gcs.put("others", "aa", b"x")
    names.sort(key=str.encode)
    equal(names_of(listing(lab.gcs)), names, "all")
    equal(listing(lab.gcs)[1].keys(), {"items"}, "no token")
    equal(names_of(listing(lab.gcs, prefix="a")), ["a-b", "a.b", "a/b", "a0"], "prefix")
    equal(names_of(listing(lab.gcs, startOffset="a.b", endOffset="a0")), ["a.b", "a/b"], "window")
    equal(names_of(listing(lab.gcs, startOffset="node-10", maxResults=1)), ["node-10/x"], "first")
    equal(listing(lab.gcs, prefix="none")[1], {}, "none")
    equal(listing(lab.gcs, fields="items(size,metadata),nextPageToken", maxResults=1)[1]["items"],
          [{"size": "1", "metadata": {"packets": "5"}}], "fields")
    # Page by page; the service may give fewer than it is asked for.
    lab.gcs.page_max = 3
    seen, token = [], None
    while True:
        answer = listing(lab.gcs, startOffset="a.", maxResults=4,
                         **({"pageToken": token} if token else {}))
        check(1 <= len(names_of(answer)) <= 3, answer)
        seen += names_of(answer)
        token = answer[1].get("nextPageToken")
        if not token:
            break
        previous = token
    equal(seen, names[1:], "pages")
    lab.gcs.fault("list", disorder=True)
    check(names_of(listing(lab.gcs)) != names[:3], "in order")
    equal(lab.gcs.violations, [], "violations")
    for wrong in ({"delimiter": "/"}, {"pageToken": "x"}, {"pageToken": previous, "prefix": "b"},
                  {"maxResults": "0"}):
        equal(listing(lab.gcs, **wrong)[0], 400, wrong)
    ask(lab.gcs, "GET", "/storage/v1/b/bucket/o")
    equal(len(lab.gcs.violations), 5, lab.gcs.violations)
    lab.gcs.permissions -= {"storage.objects.list"}
    status, body = listing(lab.gcs)
    equal((status, "storage.objects.list" in body["error"]["message"]), (403, True), "permission")


def test_media(lab):
    content = random.randbytes(1000)
    made = lab.gcs.put("bucket", "n/f", content)
    status, headers, body = media(lab.gcs, made, 10, 19)
    equal((status, headers["Content-Range"], body), (206, "bytes 10-19/1000", content[10:20]), "range")
    equal(media(lab.gcs, made, 990, 2000)[1]["Content-Range"], "bytes 990-999/1000", "end")
    equal(media(lab.gcs, made, "", 5)[2], content[-5:], "suffix")
    equal(media(lab.gcs, made, 995, "")[2], content[-5:], "rest")
    equal(media(lab.gcs, made, 1000, 1000)[0], 416, "behind the end")
    equal(media(lab.gcs, made, 0, 1, query="ifGenerationMatch")[0], 206, "condition")
    other = {**made, "generation": "7"}
    equal(media(lab.gcs, other, 0, 1)[0], 404, "another generation")
    equal(media(lab.gcs, other, 0, 1, query="ifGenerationMatch")[0], 412, "another generation")
    equal(media(lab.gcs, {**made, "name": "x"}, 0, 1)[0], 404, "no such object")
    equal(lab.gcs.violations, [], "violations")
    path = "/storage/v1/b/bucket/o/n%2Ff?alt=media"
    equal(ask(lab.gcs, "GET", path)[::2], (200, content), "all")
    equal(len(lab.gcs.violations), 3, lab.gcs.violations)
    lab.gcs.permissions -= {"storage.objects.get"}
    status, _, body = media(lab.gcs, made, 0, 1)
    equal((status, b"storage.objects.get" in body), (403, True), "permission")


def test_media_faults(lab):
    content = random.randbytes(1000)
    made = lab.gcs.put("bucket", "f", content)
    lab.gcs.fault("media", no_ranges=True)
    equal(media(lab.gcs, made, 10, 19)[::2], (200, content), "no ranges")
    lab.gcs.fault("media", cut=3)
    status, headers, body = media(lab.gcs, made, 10, 19)
    equal((status, headers["Content-Range"], body), (206, "bytes 10-19/1000", content[10:17]), "cut")
    lab.gcs.fault("media", flip=2)
    equal([at for at, byte in enumerate(media(lab.gcs, made, 10, 19)[2]) if byte != content[10 + at]],
          [2], "flipped")
    lab.gcs.fault("media", reply="half")
    try:
        media(lab.gcs, made, 10, 19)
        check(False, "all of it came")
    except http.client.IncompleteRead:
        pass
    lab.gcs.fault("media", replaced=b"y" * 1000)
    equal(media(lab.gcs, made, 10, 19)[0], 404, "replaced")
    made = json.loads(ask(lab.gcs, "GET", "/storage/v1/b/bucket/o/f")[2])
    equal(media(lab.gcs, made, 10, 19)[2], b"y" * 10, "the new one")
    lab.gcs.fault("media", gone=True)
    equal(media(lab.gcs, made, 10, 19)[0], 404, "gone")
    equal(lab.gcs.names(), [], "names")


def test_media_that_is_unpacked(lab):
    """Decompressive transcoding: https://cloud.google.com/storage/docs/transcoding"""
    packed = gzip.compress(b"0123456789" * 100)
    made = lab.gcs.put("bucket", "f", packed, contentEncoding="gzip")
    status, headers, body = media(lab.gcs, made, 10, 19)
    equal((status, headers["Content-Encoding"], body), (206, "gzip", packed[10:20]), "as it is stored")
    equal(lab.gcs.violations, [], "violations")
    status, headers, body = media(lab.gcs, made, 10, 19, {"Accept-Encoding": "identity"})
    equal((status, headers["Content-Encoding"], body), (200, None, b"0123456789" * 100), "unpacked")
    equal(len(lab.gcs.violations), 1, lab.gcs.violations)
    made = lab.gcs.put("bucket", "g", packed, contentEncoding="gzip", cacheControl="no-transform")
    equal(media(lab.gcs, made, 10, 19, {"Accept-Encoding": "identity"})[2], packed[10:20],
          "no-transform")


def test_who_pays(lab):
    made = lab.gcs.put("bucket", "f", b"x")
    lab.gcs.payer = "payer-1"
    equal((listing(lab.gcs)[0], media(lab.gcs, made, 0, 0)[0]), (400, 400), "nobody")
    equal(media(lab.gcs, made, 0, 0, {"x-goog-user-project": "payer-1"})[0], 206, "we")


def sign(key, header, claims):
    """A JWT, signed by openssl."""
    text = ".".join(base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=")
                    for each in (header, claims))
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key.path],
                               input=text.encode(),
                               capture_output=True, check=True).stdout
    return text + "." + base64.urlsafe_b64encode(signature).decode().rstrip("=")


def test_token_endpoint(lab):
    key = fake_google.Key(lab.directory)
    server = lab.serve(fake_google.FakeTokenEndpoint(lab.tokens, key))
    now = int(time.time())
    header = {"alg": "RS256", "typ": "JWT", "kid": key.id}
    claims = {"iss": fake_google.ACCOUNT, "aud": server.audience, "iat": now, "exp": now + 3600,
              "scope": "https://www.googleapis.com/auth/devstorage.read_write"}

    def exchange(assertion):
        form = urllib.parse.urlencode({"assertion": assertion, "grant_type":
                                       "urn:ietf:params:oauth:grant-type:jwt-bearer"})
        return ask(server, "POST", "/token", form.encode(),
                   {"Content-Type": "application/x-www-form-urlencoded"})

    good = sign(key, header, claims)
    status, _, body = exchange(good)
    equal(status, 200, body)
    check(lab.tokens.is_valid(json.loads(body)["access_token"]), "the token is not valid")
    head, middle, signature = good.split(".")
    other = sign(key, header, {**claims, "iat": now - 1}).split(".")[1]
    wrong = [".".join((head, other, signature)), ".".join((head, middle, signature[::-1])),
             ".".join((head, middle)), "a.b.c",
             sign(key, {**header, "kid": "x"}, claims), sign(key, {**header, "alg": "none"},
                                                             claims)]
    for change in ({"iss": "x"}, {"aud": "x"}, {"scope": "email"}, {"exp": now + 7200},
                   {"exp": now - 1}, {"iat": now + 60}, {"sub": "x"}):
        wrong.append(sign(key, header, {**claims, **change}))
    for assertion in wrong:
        equal(exchange(assertion)[0], 400, assertion)
    equal(len(server.violations), len(wrong), "violations")


def test_refresh_token(lab):
    server = lab.serve(fake_google.FakeTokenEndpoint(lab.tokens))
    for change, expected in (({}, 200), ({"refresh_token": "1//refresh token/="}, 400)):
        form = {**fake_google.AUTHORIZED_USER, "grant_type": "refresh_token", **change}
        equal(ask(server, "POST", "/token", urllib.parse.urlencode(form).encode(),
                  {"Content-Type": "application/x-www-form-urlencoded"})[0], expected, "status")


def test_self_signed_tokens(lab):
    key = fake_google.Key(lab.directory)
    tokens = fake_google.SelfSignedTokens(key)
    now = int(time.time())
    header = {"alg": "RS256", "typ": "JWT", "kid": key.id}
    claims = {"iss": fake_google.ACCOUNT, "sub": fake_google.ACCOUNT, "iat": now, "exp": now + 3600,
              "scope": fake_federation.STORAGE_SCOPE}
    check(tokens.is_valid(sign(key, header, claims)), "a good one is refused")
    for wrong in ({"sub": "x"}, {"aud": "x"}, {"scope": "x"}, {"iat": now + 30}, {"exp": now}):
        check(not tokens.is_valid(sign(key, header, {**claims, **wrong})), "taken: %r" % wrong)
    check(not tokens.is_valid(sign(key, header, claims)[:-4] + "AAAA"), "a signature is taken")


def test_token_service(lab):
    issuer, source_tokens = fake_federation.Issuer(), fake_google.Tokens()
    server = lab.serve(fake_federation.FakeSts(issuer, lab.tokens, source_tokens))
    good = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "audience": fake_federation.AUDIENCE, "scope": fake_federation.STORAGE_SCOPE,
            "subject_token_type": fake_federation.JWT_TYPE, "subject_token": issuer.issue()}

    def exchange(headers=None, **other):
        form = urllib.parse.urlencode({**good, **other})
        status, _, body = ask(server, "POST", "/v1/token", form.encode(), {
            "Content-Type": "application/x-www-form-urlencoded", **(headers or {})})
        return status, json.loads(body).get("access_token")

    status, token = exchange()
    check(status == 200 and lab.tokens.is_valid(token) and not source_tokens.is_valid(token), "good")
    status, token = exchange(scope=fake_federation.PLATFORM_SCOPE)
    check(status == 200 and source_tokens.is_valid(token) and not lab.tokens.is_valid(token),
          "for a source")
    equal(server.violations, [], "violations")
    equal(exchange(subject_token=issuer.issue(lifetime=-1))[0], 400, "ended")
    equal(exchange(subject_token="x")[0], 400, "unknown")
    equal(server.violations, [], "violations")
    for name in sorted(set(good) - {"subject_token"}):
        equal(exchange(**{name: "x"})[0], 400, name)
    equal(exchange(headers={"Authorization": "Basic x"})[0], 400, "a client's login")
    equal(len(server.violations), 6, "violations")


def test_impersonation(lab):
    source_tokens = fake_google.Tokens()
    server = lab.serve(fake_federation.FakeImpersonation(lab.tokens, source_tokens))
    good = {"delegates": [], "scope": [fake_federation.STORAGE_SCOPE], "lifetime": "3600s"}

    def exchange(token, **other):
        status, _, body = ask(server, "POST", server.PATH, json.dumps({**good, **other}).encode(),
                              {"Authorization": "Bearer " + token})
        return status, json.loads(body)

    source = source_tokens.issue(60)
    status, body = exchange(source)
    equal(status, 200, "good")
    check(lab.tokens.is_valid(body["accessToken"]), "the token is not valid")
    equal(exchange(lab.tokens.issue(60))[0], 401, "a token of somebody else")
    equal(server.violations, [], "violations")
    for wrong in ({"delegates": ["x"]}, {"scope": "x"}, {"lifetime": "1h"}):
        equal(exchange(source, **wrong)[0], 400, wrong)
    equal(len(server.violations), 3, "violations")


def test_metadata_server(lab):
    server = lab.serve(fake_google.FakeMetadataServer(lab.tokens))
    path = "/computeMetadata/v1/instance/service-accounts/default/token"
    equal(ask(server, "GET", path)[0], 403, "without Metadata-Flavor")
    check(server.violations, "no violation")
    status, headers, body = ask(server, "GET", path, b"", {"Metadata-Flavor": "Google"})
    equal((status, headers["Metadata-Flavor"]), (200, "Google"), "token")
    check(lab.tokens.is_valid(json.loads(body)["access_token"]), "the token is not valid")
    server.has_account = False
    equal(ask(server, "GET", path, b"", {"Metadata-Flavor": "Google"})[0], 404, "no account")


if __name__ == "__main__":
    tap.run([value for name, value in list(globals().items()) if name.startswith("test_")], around)
