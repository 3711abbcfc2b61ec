# SPDX-License-Identifier: Apache-2.0
"""The real addresses over real TLS: every kind of credentials, tokens that end, and definite
refusals. In this namespace the names of Google's servers are ours (a bind mount over
/etc/hosts), and a throw-away certificate authority vouches for it."""

import contextlib
import json
import os

import harness
from harness import Lab, command, main, need
import fake_google  # beside the folder that harness is in
from tap import check, contains, equal

STORAGE, OAUTH, METADATA = "127.0.0.1", "127.0.0.2", "169.254.169.254"
HOSTS = """127.0.0.1 localhost
%s storage.googleapis.com
%s oauth2.googleapis.com
%s metadata.google.internal
""" % (STORAGE, OAUTH, METADATA)


def make_certificate(directory, name, *hosts):
    """Make a certificate authority, NAME-ca.pem. Returns (certificate, key) of a server."""
    path = os.path.join(directory, name)
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command("openssl", "req", "-x509", *new_key, "-keyout", path + "-ca.key", "-out",
            path + "-ca.pem",
            "-days", "2", "-subj", "/CN=test authority " + name)
    command("openssl", "req", *new_key, "-keyout", path + ".key", "-out", path + ".csr", "-subj",
            "/CN=server")
    with open(path + ".ext", "w", encoding="ascii") as file:
        file.write("subjectAltName=" + ",".join("DNS:" + host for host in hosts) + "\n")
    command("openssl", "x509", "-req", "-in", path + ".csr", "-CA", path + "-ca.pem", "-CAkey",
            path + "-ca.key", "-CAcreateserial", "-days", "2", "-extfile", path + ".ext", "-out",
            path + ".pem")
    return path + ".pem", path + ".key"


@contextlib.contextmanager
def laboratory():
    need("openssl")
    with harness.laboratory() as lab:
        hosts = lab.configure(HOSTS, "hosts")
        command("mount", "--bind", hosts, "/etc/hosts")
        try:
            lab.link()
            lab.tokens = fake_google.Tokens()
            certificate = make_certificate(lab.directory, "good", "storage.googleapis.com",
                                           "oauth2.googleapis.com")
            lab.certificate_file = os.path.join(lab.directory, "good-ca.pem")
            lab.bucket(tokens=lab.tokens, buckets={"bucket"}, host=STORAGE, port=443,
                       certificate=certificate)
            lab.key = fake_google.Key(lab.directory)
            lab.oauth = lab.serve(fake_google.FakeTokenEndpoint(
                lab.tokens, lab.key, host=OAUTH, port=443, certificate=certificate))
            yield lab
            check_secrets(lab)
        finally:
            command("umount", "/etc/hosts")


def metadata_server(lab, **options):
    """At its usual place."""
    command("ip", "address", "replace", METADATA + "/32", "dev", "lo")
    return lab.serve(fake_google.FakeMetadataServer(lab.tokens, host=METADATA, port=80, **options))


def key_file(lab, content=None, name="key.json"):
    return lab.configure(json.dumps(content or fake_google.service_account(lab.key)), name)


def check_secrets(lab):
    """No log tells a token, a key, or the address of an upload session."""
    secrets = [*lab.tokens.all(), *lab.gcs.sessions, fake_google.AUTHORIZED_USER["client_secret"],
               fake_google.AUTHORIZED_USER["refresh_token"], *lab.key.pem().splitlines()[1:-1]]
    for each in lab.daemons:
        text = each.log()
        for secret in secrets:
            check(secret not in text, "a secret is in the log: %s…" % secret[:12])


def google_daemon(lab, *arguments, trusted=None, **more):
    return lab.daemon("-G", "0", "--upload-ca-file", trusted or lab.certificate_file, "--log-level",
                      "debug", *arguments, **more)


def check_delivers(lab, daemon, count=200):
    daemon.start_ready()
    lab.send(count)
    daemon.end_segment()
    lab.gcs.wait_for(lambda: any(each.number("packets") for each in lab.objects()), 20, "an object")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), count)
    lab.check_spool_empty()


def check_refused(lab, daemon, *parts, status=78):
    """A start-up that ends, with a message that has all the parts."""
    equal(daemon.start().wait(30), status, "exit status")
    for part in parts:
        contains(daemon.log(), part, "log")
    equal(lab.gcs.names(), [], "objects")


def test_service_account(lab: Lab):
    environment = {"GOOGLE_APPLICATION_CREDENTIALS": key_file(lab)}
    check_delivers(lab, google_daemon(lab, environment=environment))
    equal(lab.oauth.count("token", 200), 1, "token requests")


def test_service_account_by_flag(lab):
    """gcs.credentials wins over the environment."""
    check_delivers(lab, google_daemon(lab, "--gcs-credentials", key_file(lab), environment={
        "GOOGLE_APPLICATION_CREDENTIALS": "/nowhere.json"}))


def test_authorized_user(lab):
    path = key_file(lab, fake_google.AUTHORIZED_USER)
    check_delivers(lab, google_daemon(lab, environment={"GOOGLE_APPLICATION_CREDENTIALS": path}))


def test_login_of_gcloud(lab):
    folder = os.path.join(lab.directory, ".config", "gcloud")
    os.makedirs(folder)
    with open(os.path.join(folder, "application_default_credentials.json"), "w",
              encoding="ascii") as file:
        json.dump(fake_google.AUTHORIZED_USER, file)
    check_delivers(lab, google_daemon(lab))


def test_metadata_server(lab):
    metadata_server(lab)
    check_delivers(lab, google_daemon(lab, environment={"http_proxy": "http://127.0.0.9:1",
                                                        "no_proxy": "googleapis.com"}))


def test_metadata_server_elsewhere(lab):
    server = lab.serve(fake_google.FakeMetadataServer(lab.tokens, host="127.0.0.3"))
    check_delivers(lab, google_daemon(lab, environment={
        "GCE_METADATA_HOST": "127.0.0.3:%d" % server.port}))


def test_metadata_server_comes_late(lab):
    """As on GKE in the first seconds of a pod: capture starts, delivery follows."""
    command("ip", "address", "replace", METADATA + "/32", "dev", "lo")
    daemon = google_daemon(lab).start_ready()
    lab.send(200)
    daemon.end_segment()
    daemon.wait_log("(?i)warning")
    metadata_server(lab)
    lab.gcs.wait_for(lambda: any(each.number("packets") for each in lab.objects()), 40, "an object")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 200)


def test_node_without_an_account(lab):
    """It may still get one (a pod of GKE does): said clearly, and capture starts."""
    server = metadata_server(lab, has_account=False)
    daemon = google_daemon(lab).start_ready()
    lab.send(200)
    daemon.end_segment()
    daemon.wait_log("(?i)warning.*service account")
    server.has_account = True
    lab.gcs.wait_for(lambda: any(each.number("packets") for each in lab.objects()), 40, "an object")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 200)


def test_captive_portal_is_not_believed(lab):
    server = metadata_server(lab, flavor=None)
    daemon = google_daemon(lab).start()
    server.wait_for(lambda: len(server.requests) >= 1, 10, "a question to the metadata server")
    daemon.wait_for(lambda: "etadata" in daemon.log(), 10, "a message")
    daemon.kill()
    equal([each for each in lab.gcs.requests if each["status"] != 401], [],
          "requests with its token")


def test_token_is_renewed_before_it_ends(lab):
    """Tokens of four seconds: not one request is refused."""
    server = metadata_server(lab, lifetime=4)
    daemon = google_daemon(lab, "-G", "1", "--segment-empty", "true").start_ready()
    lab.gcs.wait_for(lambda: len(lab.gcs.names()) >= 6, 20, "six objects")
    equal(daemon.stop(), 0, "exit status")
    equal([each for each in lab.gcs.requests if each["status"] == 401], [], "refused requests")
    check(2 <= server.count("token") <= 100, "token requests: %d" % server.count("token"))


def test_token_is_renewed_early(lab):
    """Well before its end, so that no upload starts with one that ends on the way."""
    server = metadata_server(lab, lifetime=9)
    daemon = google_daemon(lab, "-G", "1", "--segment-empty", "true").start_ready()
    server.wait_for(lambda: server.count("token") >= 2, 8, "a second token")
    equal(daemon.stop(), 0, "exit status")


def test_token_is_kept(lab):
    server = metadata_server(lab)
    daemon = google_daemon(lab, "-G", "1", "--segment-empty", "true").start_ready()
    lab.gcs.wait_for(lambda: len(lab.gcs.names()) >= 3, 20, "three objects")
    equal(daemon.stop(), 0, "exit status")
    equal(server.count("token"), 1, "token requests")


def test_token_revoked(lab):
    """401 in the middle: a new token, and the same segment again."""
    server = metadata_server(lab)
    daemon = google_daemon(lab).start_ready()
    lab.send(100)
    daemon.end_segment()
    lab.gcs.wait_for(lambda: lab.gcs.names(), 10, "an object")
    lab.tokens.revoke_all()
    lab.send(100, first=100)
    daemon.end_segment()
    lab.gcs.wait_for(lambda: len(lab.gcs.names()) >= 2, 20, "the second object")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 200)
    check(lab.gcs.count("multipart", 401) >= 1, "nothing was refused")
    equal(server.count("token"), 2, "token requests")


def test_token_endpoint_in_trouble(lab):
    lab.oauth.fault("token", status=503, times=2)
    check_delivers(lab, google_daemon(lab, "--gcs-credentials", key_file(lab)))
    equal(lab.oauth.count("token", 503), 2, "refusals")


def test_key_that_was_revoked(lab):
    lab.oauth.fault("token", status=400, times=0, text='{"error": "invalid_grant", '
                    '"error_description": "Invalid JWT Signature."}')
    check_refused(lab, google_daemon(lab, "--gcs-credentials", key_file(lab)), "invalid_grant")


def test_resumable(lab):
    metadata_server(lab)
    daemon = google_daemon(lab, "-s", "0", "-c", "none", "-C", "12", "-B", "65536").start_ready()
    lab.send(9000, sizes=[1514], fill="random", rate=20000)
    lab.gcs.wait_for(lambda: lab.gcs.names(), 30, "an object")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 9000)
    check(lab.gcs.count("chunk") >= 2, "no chunks")


def test_unknown_authority(lab):
    make_certificate(lab.directory, "other", "storage.googleapis.com")
    metadata_server(lab)
    daemon = google_daemon(lab, trusted=os.path.join(lab.directory, "other-ca.pem"))
    check_refused(lab, daemon, "certificate", "storage.googleapis.com")
    equal(lab.gcs.requests, [], "requests over a connection that is not trusted")


def test_certificate_of_another_host(lab):
    metadata_server(lab)
    lab.gcs.stop()
    lab.gcs.certificate = make_certificate(lab.directory, "wrong", "storage.example.com")
    lab.gcs.start()
    daemon = google_daemon(lab, trusted=os.path.join(lab.directory, "wrong-ca.pem"))
    check_refused(lab, daemon, "storage.googleapis.com")
    equal(lab.gcs.requests, [], "requests to another host")


def test_authority_file_missing(lab):
    metadata_server(lab)
    check_refused(lab, google_daemon(lab, trusted="/nowhere/ca.pem"), "/nowhere/ca.pem", status=64)


def test_no_such_bucket(lab):
    metadata_server(lab)
    check_refused(lab, google_daemon(lab, "-b", "another-bucket"), "another-bucket", "404")


def test_scope_missing(lab):
    metadata_server(lab)
    lab.gcs.fault("start", status=403, reason="forbidden", times=0,
                  message="Provided scope(s) are not authorized")
    check_refused(lab, google_daemon(lab), "scope", "bucket")


def test_permission_missing(lab):
    metadata_server(lab)
    message = "uploader does not have storage.objects.create access to the object."
    lab.gcs.fault("start", status=403, reason="forbidden", times=0, message=message)
    check_refused(lab, google_daemon(lab), "storage.objects.create", "bucket")
    status, output = lab.run("--upload-ca-file", lab.certificate_file, "--check-config")
    equal(status, 78, "exit status of --check-config: " + output)


def test_check_config_asks_the_bucket(lab):
    metadata_server(lab)
    status, output = lab.run("--upload-ca-file", lab.certificate_file, "--check-config")
    equal(status, 0, "exit status: " + output)
    check(lab.gcs.count("start", 200) == 1 and lab.gcs.count("cancel", 499) == 1, "probe")
    equal(lab.gcs.names(), [], "objects")


if __name__ == "__main__":
    main()
