# SPDX-License-Identifier: Apache-2.0
"""The real addresses over real TLS: every kind of credentials, tokens that end, and definite
refusals. In this namespace the names of Google's servers are ours (google_lab.py)."""

import json
import os

from harness import Lab, command, main
from google_lab import (METADATA, check_delivers, check_ends, check_refused, check_waits_as_told, google_daemon,
                        key_file, laboratory, make_certificate, metadata_server, proxy)  # noqa: F401
import fake_google  # beside the folder that harness is in
from tap import check, equal


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
    """Which is never asked through a proxy, as the storage is."""
    metadata_server(lab)
    proxy_server, environment = proxy(lab)
    check_delivers(lab, google_daemon(lab, environment={**environment,
                                                        "no_proxy": "googleapis.com"}))
    equal(proxy_server.requests, [], "requests to the proxy")
    daemon = google_daemon(lab, environment={"https_proxy": proxy_server.url}).start()
    proxy_server.wait_for(lambda: proxy_server.requests, 20, "the storage through the proxy")
    equal(daemon.stop(), 0, "exit status")


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
    daemon.wait_line(severity="WARNING")
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
    daemon.wait_line(severity="WARNING", reason=".*service account.*")
    server.has_account = True
    lab.gcs.wait_for(lambda: any(each.number("packets") for each in lab.objects()), 40, "an object")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 200)


def test_captive_portal_is_not_believed(lab):
    server = metadata_server(lab, flavor=None)
    daemon = google_daemon(lab).start()
    server.wait_for(lambda: len(server.requests) >= 1, 10, "a question to the metadata server")
    daemon.wait_line(10, reason=".*[mM]etadata.*")
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


def test_retry_after_of_the_token_service(lab):
    environment = {"GOOGLE_APPLICATION_CREDENTIALS": key_file(lab)}
    check_waits_as_told(lab, google_daemon(lab, "--upload-workers", "1", environment=environment),
                        (lab.oauth, "token"))


def test_retry_after_of_the_metadata_server(lab):
    server = metadata_server(lab)
    check_waits_as_told(lab, google_daemon(lab, "--upload-workers", "1"), (server, "token"))


def test_resumable(lab):
    metadata_server(lab)
    daemon = google_daemon(lab, "-s", "0", "-c", "none", "-C", "12", "-B", "65536").start_ready()
    lab.send(9000, sizes=[1514], fill="random", rate=20000)
    lab.gcs.wait_for(lambda: lab.gcs.names(), 30, "an object")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 9000)
    check(lab.gcs.count("chunk") >= 2, "no chunks")


def test_session_at_another_host(lab):
    """Its requests would carry our token: it is not taken."""
    metadata_server(lab)
    daemon = google_daemon(lab, "-s", "0", "-c", "none", "-B", "8192", "--gcs-chunk-size",
                           "256KiB").start_ready()
    lab.gcs.fault("start", status=200, text="", location="https://storage.googleapis.com.example/u")
    lab.send(400, sizes=[1514], rate=20000)
    daemon.end_segment()
    daemon.wait_event("upload-failed", reason=".*session.*token.*")
    lab.gcs.wait_for(lab.gcs.names, 20, "an object")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 400)


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
    check_ends(lab, google_daemon(lab, trusted="/nowhere/ca.pem"), "/nowhere/ca.pem", status=64)


def test_no_such_bucket(lab):
    metadata_server(lab)
    check_refused(lab, google_daemon(lab, "-b", "another-bucket"), "another-bucket", "404")


def test_scope_missing(lab):
    """Said by a server so slow that READY does not wait for it."""
    metadata_server(lab)
    refusal = {"status": 403, "reason": "forbidden", "message": "Provided scope(s) are not authorized"}
    lab.gcs.fault("*", delay=2.5, **refusal)
    lab.gcs.fault("*", times=0, **refusal)
    check_refused(lab, google_daemon(lab), "scope", "bucket")


def test_permission_missing(lab):
    metadata_server(lab)
    message = "uploader does not have storage.objects.create access to the object."
    lab.gcs.fault("*", status=403, reason="forbidden", times=0, message=message)
    check_refused(lab, google_daemon(lab), "storage.objects.create", "bucket", "roles/storage.objectCreator")
    status, output = lab.run("--check-config", environment={"SSL_CERT_FILE": lab.certificate_file})
    equal(status, 78, "exit status of --check-config: " + output)


def test_check_config_asks_the_bucket(lab):
    metadata_server(lab)
    status, output = lab.run("--upload-ca-file", lab.certificate_file, "--check-config")
    equal(status, 0, "exit status: " + output)
    check(lab.gcs.count("start", 200) == 1 and lab.gcs.count("cancel", 499) == 1, "probe")
    equal(lab.gcs.names(), [], "objects")


if __name__ == "__main__":
    main()
