# SPDX-License-Identifier: Apache-2.0
"""Credentials that are made of other credentials: Workload Identity Federation, impersonation,
tokens that are signed here, other universes; and what is done when a token service misbehaves."""

import json
import os
import subprocess

from daemon import program
from harness import command, main
from google_lab import (METADATA, UNIVERSE, check_delivers, check_refused, check_waits_as_told,
                        google_daemon, impersonation, key_file, laboratory, metadata_server, proxy,
                        sts)  # noqa: F401
import fake_federation  # beside the folder that harness is in
import fake_google
from fake_federation import IMPERSONATION_URL, external_account
from tap import check, contains, equal

OVERLAY = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                       "../../examples/kubernetes/overlays/generic/credentials.json")
YEAR = 365 * 86400
SHORT_LOGIN = {**fake_google.AUTHORIZED_USER, "client_secret": "GOCSPX-x1", "refresh_token": "1//0g/x/y/z/"}
# Each answer of a service that no client can have asked for.
FAULTS = [{"status": 500}, {"status": 503, "retry_after": 1}, {"status": 429}, {"status": 408},
          {"status": 302, "text": ""}, {"status": 200, "text": "<html>Log in</html>"},
          {"status": 200, "text": ""}, {"status": 200, "text": '{"access_token": 7}'},
          {"status": 200, "text": '{"access_token": "a\\r\\nX-Injected: b", "expires_in": 60}'},
          {"status": 200, "text": "[" * 60000}, {"status": 200, "text": "x" * (10 << 20)},
          {"status": 500, "text": "x" * (10 << 20)}, {"close": "before"}, {"close": "middle"},
          {"close": "after"}]


def projected(lab, **more):
    """A token in a projected volume, and the credentials that name it."""
    volume = fake_federation.ProjectedToken(os.path.join(lab.directory, "tokens"),
                                            lab.issuer.issue())
    return volume, key_file(lab, external_account(volume.path, **more))


def federated_daemon(lab, path, *arguments, **more):
    return google_daemon(lab, "--gcs-credentials", path, *arguments, **more)


def test_token_file(lab):
    service = sts(lab)
    _, path = projected(lab)
    check_delivers(lab, federated_daemon(lab, path))
    equal(service.count("sts", 200), 1, "token requests")


def test_token_by_url(lab):
    """From a metadata server of another cloud: in the clear, but never through a proxy."""
    service = sts(lab)
    command("ip", "address", "replace", METADATA + "/32", "dev", "lo")
    source = lab.serve(fake_federation.FakeSubjectServer(lab.issuer, host=METADATA, port=80))
    path = key_file(lab, external_account("", credential_source={
        "url": "http://%s/identity" % METADATA, "headers": {"Metadata": "True"},
        "format": {"type": "json", "subject_token_field_name": "access_token"}}))
    proxy_server, environment = proxy(lab)
    check_delivers(lab, federated_daemon(lab, path, environment={**environment,
                                                                 "no_proxy": "googleapis.com"}))
    equal((service.count("sts", 200), source.count("subject", 200)), (1, 1), "token requests")
    equal(proxy_server.requests, [], "requests to the proxy")


def test_client_login(lab):
    lab.secrets += ["a client's secret"]
    sts(lab, login="Basic Y2xpZW50OmEgY2xpZW50J3Mgc2VjcmV0")
    _, path = projected(lab, client_id="client", client_secret="a client's secret")
    check_delivers(lab, federated_daemon(lab, path))


def test_as_a_service_account(lab):
    sts(lab)
    service = impersonation(lab)
    _, path = projected(lab, service_account_impersonation_url=IMPERSONATION_URL,
                        service_account_impersonation={"token_lifetime_seconds": 2000})
    check_delivers(lab, federated_daemon(lab, path))
    equal(service.lifetimes, [2000], "lifetimes")


def test_retry_after_of_each_service(lab):
    services = [(sts(lab), "sts"), (impersonation(lab), "impersonation")]
    _, path = projected(lab, service_account_impersonation_url=IMPERSONATION_URL)
    check_waits_as_told(lab, federated_daemon(lab, path, "--upload-workers", "1"), *services)


def test_as_a_service_account_without_permission(lab):
    sts(lab)
    impersonation(lab, is_allowed=False)
    _, path = projected(lab, service_account_impersonation_url=IMPERSONATION_URL)
    check_refused(lab, federated_daemon(lab, path), "iam.serviceAccounts.getAccessToken",
                  "roles/iam.workloadIdentityUser", fake_google.ACCOUNT)


def test_impersonated_service_account(lab):
    """By a key, through a delegate. The key's tokens are for nothing but that."""
    delegates = ["projects/-/serviceAccounts/between@project.iam.gserviceaccount.com"]
    service = impersonation(lab, delegates=delegates)
    lab.oauth.tokens = lab.source_tokens
    path = key_file(lab, {
        "type": "impersonated_service_account", "delegates": delegates,
        "service_account_impersonation_url": IMPERSONATION_URL,
        "source_credentials": fake_google.service_account(lab.key)})
    check_delivers(lab, federated_daemon(lab, path))
    equal((lab.oauth.count("token", 200), service.lifetimes), (1, [3600]), "token requests")


def overlay_credentials(lab, path):
    """examples/kubernetes/overlays/generic as it is, but for where the token is mounted."""
    with open(OVERLAY, encoding="utf-8") as file:
        text = file.read()
    equal(text.count("/var/run/secrets/kube-node-tracer/token"), 1, "paths in the overlay's file")
    text = text.replace("/var/run/secrets/kube-node-tracer/token", path)
    return lab.configure(text, "credentials.json"), text


def test_rotated_token_of_the_overlay(lab):
    """As a pod of overlays/generic sees it: the kubelet changes the token while we run, and what
    was there before is good for nothing any more."""
    volume = fake_federation.ProjectedToken(os.path.join(lab.directory, "tokens"),
                                            lab.issuer.issue())
    path, text = overlay_credentials(lab, volume.path)
    audience = json.loads(text)["audience"]
    service = sts(lab, lifetime=4, audience=audience)
    daemon = google_daemon(lab, "-G", "1", environment={
        "GOOGLE_APPLICATION_CREDENTIALS": path}).start_ready()
    with lab.traffic(rate=200) as sent:  # something to upload, all the time
        service.wait_for(lambda: service.subjects, 20, "the first token")
        for _ in range(2):
            fresh = lab.issuer.issue()
            volume.write(fresh)
            with lab.issuer.lock:
                lab.secrets += lab.issuer.ends
                lab.issuer.ends = {fresh: lab.issuer.ends[fresh]}
            service.wait_for(lambda fresh=fresh: fresh in service.subjects, 30,
                             "the rotated token")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), sent["sent"])
    equal([each for each in lab.gcs.requests if each["status"] == 401], [], "refused requests")
    check(len(set(service.subjects)) == 3, "tokens: %d" % len(set(service.subjects)))
    equal(service.count("sts", 400), 0, "refused tokens")


def test_token_file_comes_late(lab):
    """Whoever writes it may start after us: said clearly, and capture starts."""
    sts(lab)
    path = os.path.join(lab.directory, "late")
    daemon = federated_daemon(lab, key_file(lab, external_account(path))).start_ready()
    lab.send(200)
    daemon.end_segment()
    daemon.wait_line(severity="WARNING", reason=".*%s.*" % path)
    lab.configure(lab.issuer.issue() + "\n", "late")
    lab.gcs.wait_for(lambda: any(each.number("packets") for each in lab.objects()), 60, "an object")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 200)


def test_token_that_has_ended(lab):
    """At boot there may be one of before. It is no reason to give up: whoever renews it starts, too."""
    service = sts(lab)
    path = os.path.join(lab.directory, "token")
    lab.configure(lab.issuer.issue(lifetime=-7200), "token")
    daemon = federated_daemon(lab, key_file(lab, external_account(path))).start_ready()
    lab.send(200)
    daemon.end_segment()
    daemon.wait_line(severity="WARNING", reason=".*(ended|expired).*invalid_grant.*")
    lab.configure(lab.issuer.issue(), "token")
    lab.gcs.wait_for(lambda: any(each.number("packets") for each in lab.objects()), 60, "an object")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 200)
    check(service.count("sts", 400) >= 1, "nothing was refused")


def test_token_of_another_cluster(lab):
    """Refused for good, in words that do not repeat the token (the service does)."""
    service = sts(lab)
    path = os.path.join(lab.directory, "token")
    other = fake_federation.Issuer().issue()
    lab.secrets.append(other)
    lab.configure(other, "token")
    check_refused(lab, federated_daemon(lab, key_file(lab, external_account(path))),
                  "invalid_grant", "The subject token is not valid: (", "issuer, audience")
    check(service.count("sts", 400) >= 1, "no token requests")


def check_echo(lab, path, server, kind, **fault):
    """The service repeats what it was sent: neither log nor status has a piece of it."""
    lab.gcs.permissions = frozenset()  # so that nothing works, and the reason is always said
    daemon = federated_daemon(lab, path, "--upload-workers", "1")
    for how in ("oauth", "google", "page"):
        server.fault(kind, echo=how, times=how != "page", **fault)
    begun = server.count(kind)
    daemon.start_ready()
    for count in (1, 2, 3):
        server.wait_for(lambda count=count: server.count(kind) >= begun + count, 30, "an echo")
        daemon.wait_for(lambda: daemon.events("destination-(refused|unreachable)"), 20, "its words")
        subprocess.run([program(), "flush", "-o", lab.spool], capture_output=True, check=False)
        texts = [daemon.log(), *daemon.notify.values("STATUS")]
        for words in (["status"], ["status", "--json"], ["readyz"]):
            texts.append(subprocess.run([program(), *words, "-o", lab.spool], capture_output=True, text=True,
                                        check=False).stdout)
        with server.lock:
            secrets = [each for each in server.echoed if len(each) >= 4]
        check(secrets, "nothing was echoed")
        for secret in secrets:
            pieces = {secret[at:at + 12] for at in range(max(1, len(secret) - 11))}
            found = [piece for piece in pieces for text in texts if piece in text]
            equal(found, [], "pieces of a secret that came back")
    contains(daemon.log(), "(redacted)", "log")
    daemon.kill()
    server.clear_faults()


def test_a_token_endpoint_that_echoes(lab):
    """A key's assertion; a person's login."""
    for content in (None, fake_google.AUTHORIZED_USER, SHORT_LOGIN):
        lab.oauth.echoed.clear()
        check_echo(lab, key_file(lab, content), lab.oauth, "token", status=400)


def test_a_federation_that_echoes(lab):
    lab.secrets += ["a client's secret"]
    service = sts(lab, login="Basic Y2xpZW50OmEgY2xpZW50J3Mgc2VjcmV0")
    _, path = projected(lab, client_id="client", client_secret="a client's secret")
    check_echo(lab, path, service, "sts", status=403)


def test_an_impersonation_that_echoes(lab):
    sts(lab)
    _, path = projected(lab, service_account_impersonation_url=IMPERSONATION_URL)
    check_echo(lab, path, impersonation(lab), "impersonation", status=403)


def test_a_storage_that_echoes(lab):
    check_echo(lab, key_file(lab), lab.gcs, "start", status=403)


def test_files_that_are_refused(lab):
    """One line that says what, and nobody was asked for anything."""
    service = sts(lab)
    witness = os.path.join(lab.directory, "was-run")
    volume, _ = projected(lab)
    for content, part in (
            (external_account("", credential_source={
                "executable": {"command": "/usr/bin/touch " + witness}}), '"executable"'),
            (external_account("", credential_source={
                "environment_id": "aws1",
                "regional_cred_verification_url": "https://sts.{region}.amazonaws.com"}), "AWS"),
            (external_account(volume.path, token_url="https://sts.example.com/v1/token"),
             '"token_url"'),
            (external_account(volume.path, universe_domain="example.com",
                              token_url="https://sts.example.com/v1/token"), '"universe_domain"'),
            (external_account(volume.path, service_account_impersonation_url=IMPERSONATION_URL
                              .replace("googleapis.com", "example.com")),
             '"service_account_impersonation_url"'),
            (external_account("", credential_source={"url": "http://example.com/"}), '"url"')):
        daemon = federated_daemon(lab, key_file(lab, content),
                                  environment={"GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1"})
        equal(daemon.start().wait(30), 64, "exit status for " + part)
        line, = daemon.lines()
        contains(line["message"], part, "the error")
    equal(service.requests, [], "requests")
    check(not os.path.exists(witness), "the executable was run")


def test_self_signed(lab):
    """No token service is asked, and none is needed."""
    lab.oauth.stop()
    lab.gcs.tokens = fake_google.SelfSignedTokens(lab.key)
    check_delivers(lab, federated_daemon(lab, key_file(lab), "--gcs-self-signed-jwt", "true"))
    equal(lab.oauth.requests, [], "token requests")


def test_other_universe(lab):
    """Storage and token service of the domain, and of no other."""
    service = sts(lab)
    volume, _ = projected(lab)
    path = key_file(lab, external_account(
        volume.path, universe_domain=UNIVERSE, token_url="https://sts.%s/v1/token" % UNIVERSE))
    with open("/etc/hosts", encoding="ascii") as file:
        hosts = file.read()
    lab.configure(hosts.replace("googleapis.com", "googleapis.invalid"), "hosts")
    check_delivers(lab, federated_daemon(lab, path, environment={
        "GOOGLE_CLOUD_UNIVERSE_DOMAIN": UNIVERSE}))
    equal(service.count("sts", 200), 1, "token requests")


def test_clock_that_is_wrong(lab):
    """At boot: the server's time is another. Recording starts, and all arrives once it is set."""
    lab.oauth.clock_offset = YEAR
    daemon = google_daemon(lab, "--gcs-credentials", key_file(lab)).start_ready()
    lab.send(200)
    daemon.end_segment()
    daemon.wait_line(severity="WARNING", reason=".*invalid_grant.*clock.*3153[56]... s behind.*")
    lab.oauth.clock_offset = 0
    lab.gcs.wait_for(lambda: any(each.number("packets") for each in lab.objects()), 60, "an object")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 200)


def test_clock_that_is_wrong_with_self_signed_tokens(lab):
    """The same, where the storage itself is who refuses."""
    lab.gcs.tokens = fake_google.SelfSignedTokens(lab.key)
    lab.gcs.tokens.clock_offset = lab.gcs.clock_offset = -YEAR
    daemon = federated_daemon(lab, key_file(lab), "--gcs-self-signed-jwt", "true").start_ready()
    lab.send(200)
    daemon.end_segment()
    daemon.wait_line(severity="WARNING", reason=".*clock.*401.*")
    lab.gcs.tokens.clock_offset = lab.gcs.clock_offset = 0
    lab.gcs.wait_for(lambda: any(each.number("packets") for each in lab.objects()), 60, "an object")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 200)


def test_metadata_server_in_its_first_minute(lab):
    """GKE's: nobody there, then not found, errors, silence, and at last a token."""
    command("ip", "address", "replace", METADATA + "/32", "dev", "lo")
    daemon = google_daemon(lab).start_ready()
    lab.send(200)
    daemon.end_segment()
    daemon.wait_line(severity="WARNING", reason=".*metadata server.*")
    server = fake_google.FakeMetadataServer(lab.tokens, host=METADATA, port=80)
    for fault in ({"status": 404, "text": ""}, {"status": 500, "text": "not ready"},
                  {"close": "before"}, {"delay": 60, "close": "before"}):
        server.fault("token", **fault)
    lab.serve(server)
    lab.gcs.wait_for(lambda: any(each.number("packets") for each in lab.objects()), 150,
                     "an object")
    equal(server.faults_left(), [], "faults that did not come to be")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 200)


def check_faults(lab, kind, server, path, faults):
    """Not one of the faults is taken for a definite no, and none brings the program down."""
    flags = [] if path is None else ["--gcs-credentials", path]
    for fault in faults:
        server.fault(kind, **fault)
        status, log = lab.run("--upload-ca-file", lab.certificate_file, "--upload-stall-timeout",
                              "5", "--log-level", "debug", "--check-config", *flags)
        what = "%s %r" % (kind, {key: str(value)[:20] for key, value in fault.items()})
        equal(status, 1, "exit status after " + what + ": " + log)
        contains(log, "error: ", "log")
        equal(server.faults_left(), [], "faults that did not come to be")
    status, log = lab.run("--upload-ca-file", lab.certificate_file, "--check-config", *flags)
    equal(status, 0, "exit status without a fault: " + log)


def test_faults_of_the_token_endpoint(lab):
    check_faults(lab, "token", lab.oauth, key_file(lab), FAULTS)


def test_faults_of_the_metadata_server(lab):
    check_faults(lab, "token", metadata_server(lab), None, FAULTS)


def test_faults_of_the_token_service(lab):
    check_faults(lab, "sts", sts(lab), projected(lab)[1], FAULTS)


def test_faults_of_the_credentials_api(lab):
    sts(lab)
    _, path = projected(lab, service_account_impersonation_url=IMPERSONATION_URL)
    check_faults(lab, "impersonation", impersonation(lab), path, FAULTS)


def test_token_services_that_are_silent(lab):
    """Each gives up by itself, and is asked again."""
    stalled = [{"delay": 60, "close": "before"}]
    check_faults(lab, "sts", sts(lab), projected(lab)[1], stalled)
    check_faults(lab, "token", lab.oauth, key_file(lab, name="other.json"), stalled)


def test_loose_modes(lab):
    """A key that others can read: said, and used. Not where only this container sees it."""
    path = key_file(lab)
    warning = "warning: "
    for mode, is_said in ((0o600, False), (0o400, False), (0o640, os.geteuid() != 0),
                          (0o644, True), (0o604, True), (0o620, True)):
        os.chmod(path, mode)
        _, log = lab.run("--upload-ca-file", lab.certificate_file, "--check-config",
                         "--gcs-credentials", path)
        equal(warning in log, is_said, "%04o: %s" % (mode, log))
        check(not is_said or "mode=%04o" % mode in log, "no mode in: " + log)
    with open(path, encoding="ascii") as file:
        volume = fake_federation.ProjectedToken(os.path.join(lab.directory, "keys"), file.read(),
                                                "key.json")
    os.chmod(volume.path, 0o644)
    _, log = lab.run("--upload-ca-file", lab.certificate_file, "--check-config",
                     "--gcs-credentials", volume.path)
    check(warning not in log, "said of a volume: " + log)
    # Without a secret in it only who can change it matters.
    sts(lab)
    _, path = projected(lab)
    for mode, is_said in ((0o644, False), (0o664, True)):
        os.chmod(path, mode)
        _, log = lab.run("--upload-ca-file", lab.certificate_file, "--check-config",
                         "--gcs-credentials", path)
        equal(warning in log, is_said, "%04o: %s" % (mode, log))


if __name__ == "__main__":
    main()
