# SPDX-License-Identifier: Apache-2.0
"""Fakes for Workload Identity Federation: a cluster that issues tokens, Google's security token
service, the IAM credentials API, and a server that hands out a token by a URL.

Kinds of requests, for faults: "sts", "impersonation" and "subject"."""

import base64
import json
import os
import re
import time
import urllib.parse

from fake_google import ACCOUNT, Tokens
from fake_http import FakeServer, Reply, error_reply

STORAGE_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
PLATFORM_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
AUDIENCE = ("//iam.googleapis.com/projects/123456789/locations/global/workloadIdentityPools/"
            "my-pool/providers/my-cluster")
JWT_TYPE = "urn:ietf:params:oauth:token-type:jwt"
IMPERSONATION_URL = ("https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/%s"
                     ":generateAccessToken" % ACCOUNT)


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


class Issuer(Tokens):
    """The API server of a cluster: tokens of a service account, and until when they are good. They
    have the form of a JWT; that they are known here takes the place of the signature."""

    def __init__(self, audience="https:" + AUDIENCE):
        super().__init__()
        self.audience = audience

    def issue(self, lifetime=3600):
        now = int(time.time())
        token = ".".join((part({"alg": "RS256", "kid": "cluster"}),
                          part({"iss": "https://cluster.example.com", "aud": [self.audience],
                                "sub": "system:serviceaccount:kube-node-tracer:kube-node-tracer",
                                "iat": now, "exp": now + int(lifetime)}),
                          base64.urlsafe_b64encode(os.urandom(128)).decode().rstrip("=")))
        return self.add(token, lifetime)


class ProjectedToken:
    """A projected volume with one token, changed as the kubelet does: a new folder, and a symbolic
    link that is renamed to point to it."""

    def __init__(self, directory, token, name="token"):
        self.directory, self.name, self.count = directory, name, 0
        os.makedirs(directory)
        self.write(token)
        os.symlink(os.path.join("..data", name), os.path.join(directory, name))

    @property
    def path(self):
        return os.path.join(self.directory, self.name)

    def write(self, token):
        folder = "..2026_11_23_08_30_00.%09d" % self.count
        self.count += 1
        os.mkdir(os.path.join(self.directory, folder))
        path = os.path.join(self.directory, folder, self.name)
        with open(path, "w", encoding="ascii") as file:
            file.write(token)
        os.chmod(path, 0o600)
        os.symlink(folder, os.path.join(self.directory, "..data_tmp"))
        os.rename(os.path.join(self.directory, "..data_tmp"),
                  os.path.join(self.directory, "..data"))


class FakeSts(FakeServer):
    """POST /v1/token. tokens: for the storage scope; source_tokens: for the one that only serves
    to get another account's. login: what a client has to say of itself, "Basic …"."""

    def __init__(self, issuer, tokens, source_tokens, lifetime=3600, login=None, audience=AUDIENCE,
                 **where):
        super().__init__(**where)
        self.issuer, self.lifetime, self.login = issuer, lifetime, login
        self.audience = audience
        self.tokens = {STORAGE_SCOPE: tokens, PLATFORM_SCOPE: source_tokens}
        self.subjects = []  # the tokens that were exchanged, in order

    def classify(self, request):
        return "sts" if (request.method, request.raw_path) == ("POST", "/v1/token") else "?"

    def refuse(self, problem, error="invalid_request"):
        self.violation(problem)
        return Reply(400, {"error": error, "error_description": problem})

    def answer(self, request):
        if request.kind != "sts":
            self.violation("%s %s to the token service" % (request.method, request.raw_path))
            return Reply(404)
        if request.headers.get("Content-Type") != "application/x-www-form-urlencoded":
            return self.refuse("Content-Type of a token request")
        if request.headers.get("Authorization") != self.login:
            return self.refuse("Authorization of a token request", "invalid_client")
        form = dict(urllib.parse.parse_qsl(request.body.decode("ascii"), keep_blank_values=True))
        for name, value in (
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
                ("audience", self.audience), ("subject_token_type", JWT_TYPE)):
            if form.get(name) != value:
                return self.refuse("%s is %r" % (name, form.get(name)))
        if form.get("scope") not in self.tokens:
            return self.refuse("scope %r" % form.get("scope"), "invalid_scope")
        subject = form.get("subject_token", "")
        if not self.issuer.is_valid(subject):
            # No violation: that tokens end is a part of the tests.
            return Reply(400, {"error": "invalid_grant", "error_description":
                               "The subject token is not valid: " + subject})
        with self.lock:
            self.subjects.append(subject)
        return Reply(200, {"access_token": self.tokens[form["scope"]].issue(self.lifetime),
                           "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
                           "token_type": "Bearer", "expires_in": self.lifetime})


class FakeImpersonation(FakeServer):
    """POST …/serviceAccounts/EMAIL:generateAccessToken, for holders of a source token."""

    PATH = urllib.parse.urlsplit(IMPERSONATION_URL).path

    def __init__(self, tokens, source_tokens, delegates=(), lifetime=None, is_allowed=True, **where):
        super().__init__(**where)
        self.tokens, self.source_tokens = tokens, source_tokens
        self.delegates, self.lifetime, self.is_allowed = list(delegates), lifetime, is_allowed
        self.lifetimes = []  # as they were asked for

    def classify(self, request):
        is_known = (request.method, request.raw_path) == ("POST", self.PATH)
        return "impersonation" if is_known else "?"

    def answer(self, request):
        if request.kind != "impersonation":
            self.violation("%s %s to the credentials API" % (request.method, request.raw_path))
            return error_reply(404, "notFound", "Not found")
        login = request.headers.get("Authorization", "")
        if not login.startswith("Bearer ") or not self.source_tokens.is_valid(login[7:]):
            return error_reply(401, "authError", "Request had invalid authentication credentials.")
        if not self.is_allowed:
            return Reply(403, {"error": {
                "code": 403, "status": "PERMISSION_DENIED", "message": "Permission 'iam."
                "serviceAccounts.getAccessToken' denied on resource (or it may not exist)."}})
        what = json.loads(request.body)
        lifetime = re.fullmatch(r"(\d+)s", what.get("lifetime", ""))
        if not lifetime or what.get("scope") != [STORAGE_SCOPE] or \
                what.get("delegates") != self.delegates:
            self.violation("impersonation: %r" % what)
            return error_reply(400, "badRequest", "Request contains an invalid argument.")
        with self.lock:
            self.lifetimes.append(int(lifetime[1]))
        seconds = self.lifetime or int(lifetime[1])
        # In whole seconds, as the service tells it: up to one more than there is.
        end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.now() + seconds))
        return Reply(200, {"accessToken": self.tokens.issue(seconds + 1), "expireTime": end})


class FakeSubjectServer(FakeServer):
    """GET /identity with the header Metadata: True; the token is in a field of the answer."""

    def __init__(self, issuer, field="access_token", **where):
        super().__init__(**where)
        self.issuer, self.field = issuer, field

    def classify(self, request):
        return "subject" if (request.method, request.raw_path) == ("GET", "/identity") else "?"

    def answer(self, request):
        if request.kind != "subject" or request.headers.get("Metadata") != "True":
            self.violation("%s %s for a token" % (request.method, request.raw_path))
            return Reply(400, {"error": "invalid_request"})
        return Reply(200, {self.field: self.issuer.issue(), "expires_in": "3599"})


def external_account(path, **more):
    """The content of a credentials file, as `gcloud iam workload-identity-pools
    create-cred-config` writes it."""
    return {"universe_domain": "googleapis.com", "type": "external_account", "audience": AUDIENCE,
            "subject_token_type": JWT_TYPE, "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": {"file": path, "format": {"type": "text"}}, **more}
