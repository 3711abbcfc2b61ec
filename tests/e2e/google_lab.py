# SPDX-License-Identifier: Apache-2.0
"""Google's servers in a laboratory: their real names over real TLS. In this namespace the names
are ours (a bind mount over /etc/hosts), and a throw-away certificate authority vouches for them.
At the end of every test no log tells a secret of any of them."""

import contextlib
import json
import os
import subprocess
import urllib.parse

import harness
from daemon import program
from harness import command, need
import fake_federation  # beside the folder that harness is in
import fake_google
from tap import check, contains, equal

STORAGE, OAUTH, STS, IAM = "127.0.0.1", "127.0.0.2", "127.0.0.4", "127.0.0.5"
METADATA = "169.254.169.254"
UNIVERSE = "universe.example.com"
HOSTS = """127.0.0.1 localhost
%s storage.googleapis.com storage.universe.example.com
%s oauth2.googleapis.com
%s sts.googleapis.com sts.universe.example.com
%s iamcredentials.googleapis.com
%s metadata.google.internal
""" % (STORAGE, OAUTH, STS, IAM, METADATA)


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
            lab.source_tokens = fake_google.Tokens()
            lab.issuer = fake_federation.Issuer()
            lab.secrets = []
            certificate = lab.certificate = make_certificate(
                lab.directory, "good", "*.googleapis.com", "*." + UNIVERSE)
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


def sts(lab, **options):
    return lab.serve(fake_federation.FakeSts(
        lab.issuer, lab.tokens, lab.source_tokens, host=STS, port=443, certificate=lab.certificate,
        **options))


def impersonation(lab, **options):
    return lab.serve(fake_federation.FakeImpersonation(
        lab.tokens, lab.source_tokens, host=IAM, port=443, certificate=lab.certificate, **options))


def proxy(lab):
    """An address that is in every variable for proxies, and that nobody may ask."""
    server = lab.serve(fake_google.FakeProxy(host="127.0.0.9", port=3128))
    return server, {name: server.url for name in ("http_proxy", "all_proxy")}


def key_file(lab, content=None, name="key.json"):
    path = lab.configure(json.dumps(content or fake_google.service_account(lab.key)), name)
    os.chmod(path, 0o600)
    return path


def secrets_of(lab):
    """All that would make its reader somebody else."""
    assertions = getattr(lab.oauth, "assertions", [])
    known = [*lab.tokens.all(), *lab.source_tokens.all(), *lab.issuer.all(), *lab.gcs.sessions,
             *assertions, *lab.gcs.tokens.all(), fake_google.AUTHORIZED_USER["client_secret"],
             fake_google.AUTHORIZED_USER["refresh_token"], *lab.key.pem().splitlines()[1:-1],
             *lab.secrets]
    return {form for secret in known for form in (secret, urllib.parse.quote(secret, safe=""))}


def check_secrets(lab):
    """Neither log nor status tells a token, a key, a signed statement, or an upload session."""
    for each in lab.daemons:
        text = each.log()
        if each.notify:
            text += "\n".join(each.notify.values("STATUS"))
        for secret in secrets_of(lab):
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


def check_waits_as_told(lab, daemon, *services):
    """Each of these (server, kind) says Retry-After when a new token is needed; nobody asks before."""
    daemon.start_ready()
    for number, (server, kind) in enumerate(services):
        lab.tokens.revoke_all()
        server.fault(kind, status=503, retry_after=3, headers={"Metadata-Flavor": "Google"})
        lab.send(100, first=100 * number)
        daemon.end_segment()
        lab.gcs.wait_for(lambda number=number: len(lab.gcs.names()) > number, 40, "an object")
        with server.lock:
            asked = [each for each in server.requests if each["kind"] == kind]
        refused, = [at for at, each in enumerate(asked) if each["status"] == 503]
        pause = asked[refused + 1]["time"] - asked[refused]["time"]
        check(pause >= 2.9, "%s was asked again after %.1f s" % (kind, pause))
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 100 * len(services))


def check_ends(lab, daemon, *parts, status=78):
    """A start-up that ends, with a message that has all the parts."""
    equal(daemon.start().wait(30), status, "exit status")
    error, = daemon.lines(severity="ERROR")
    for part in parts:
        contains(error["message"], part, "the error")
    equal(lab.gcs.names(), [], "objects")


def check_refused(lab, daemon, *parts):
    """A destination that says no: it is recorded all the same, and said everywhere, with all the parts."""
    daemon.start_ready().wait_event("destination-refused")
    event = daemon.events("destination-refused")[0]
    for part in parts:
        contains(event["reason"], part, "the event")
    # READY waits two seconds for the answer; one that comes later is in the status line of the next second.
    daemon.wait_for(lambda: "uploads failing" in daemon.notify.values("STATUS")[-1], 60, "STATUS: uploads failing")
    status_line = daemon.notify.values("STATUS")[-1]
    for part in parts:
        contains(status_line, part, "STATUS")
    ready, alive = (subprocess.run([program(), word, "-o", lab.spool], capture_output=True, text=True, check=False)
                    for word in ("readyz", "healthz"))
    equal((ready.returncode, alive.returncode), (1, 0), "status of readyz and healthz: " + ready.stdout)
    rule = json.loads(ready.stdout)["rules"][0]
    equal((rule["rule"], rule["ok"]), ("destination", False), "the first rule")
    for part in parts:
        contains(rule["why"], part, "the rule")
    lab.send(100)
    daemon.end_segment()
    daemon.wait_event("segment-finished", packets=100)
    equal(daemon.stop(), 0, "exit status")
    equal(lab.gcs.names(), [], "objects")


