# SPDX-License-Identifier: Apache-2.0
"""Fakes of what gives out Google's access tokens: the metadata server of a node, and the OAuth
2.0 token endpoint, which checks the RS256 signature of a service account's assertion with
nothing but pow()."""

import base64
import hashlib
import json
import os
import re
import subprocess
import threading
import time
import urllib.parse

from fake_http import FakeServer, Reply

SCOPES = {"https://www.googleapis.com/auth/devstorage.read_write",
          "https://www.googleapis.com/auth/devstorage.full_control",
          "https://www.googleapis.com/auth/cloud-platform"}
ACCOUNT = "uploader@project.iam.gserviceaccount.com"
SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")  # DigestInfo, RFC 8017


class Tokens:
    """The access tokens given out, and until when they are good."""

    def __init__(self):
        self.lock = threading.Lock()
        self.ends = {}

    def issue(self, lifetime):
        return self.add("ya29." + base64.urlsafe_b64encode(os.urandom(48)).decode().rstrip("="),
                        lifetime)

    def add(self, token, lifetime):
        with self.lock:
            self.ends[token] = time.monotonic() + lifetime
        return token

    def is_valid(self, token):
        with self.lock:
            return self.ends.get(token, 0) > time.monotonic()

    def revoke_all(self):
        with self.lock:
            self.ends = {token: 0 for token in self.ends}

    def all(self):
        with self.lock:
            return list(self.ends)


class Key:
    """A throw-away RSA key, made by openssl."""

    def __init__(self, directory):
        self.path = os.path.join(directory, "service-account-rsa.pem")
        self.id = os.urandom(20).hex()
        subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt",
                        "rsa_keygen_bits:2048",
                        "-out", self.path], check=True, capture_output=True)
        modulus = subprocess.run(["openssl", "rsa", "-in", self.path, "-noout", "-modulus"],
                                 check=True, capture_output=True, text=True).stdout
        self.modulus = int(modulus.strip().partition("=")[2], 16)

    def pem(self):
        with open(self.path, encoding="ascii") as file:
            return file.read()

    def verifies(self, text, signature):
        """RSASSA-PKCS1-v1_5 with SHA-256."""
        size = (self.modulus.bit_length() + 7) // 8
        if len(signature) != size:
            return False
        number = pow(int.from_bytes(signature, "big"), 65537, self.modulus)
        tail = b"\x00" + SHA256_PREFIX + hashlib.sha256(text).digest()
        return number.to_bytes(size, "big") == b"\x00\x01" + b"\xff" * (size - 2 - len(tail)) + tail


def service_account(key, token_uri="https://oauth2.googleapis.com/token"):
    """The content of a service account's key file."""
    return {"type": "service_account", "project_id": "project", "private_key_id": key.id,
            "private_key": key.pem(), "client_email": ACCOUNT, "client_id": "1",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth", "token_uri": token_uri,
            "universe_domain": "googleapis.com"}


AUTHORIZED_USER = {"type": "authorized_user", "client_id": "client.apps.googleusercontent.com",
                   "client_secret": "a secret & more", "refresh_token": "1//refresh+token/="}


def decode_part(text):
    if "=" in text or not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        raise ValueError("not unpadded base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def check_jwt(key, text, now):
    """What is wrong with a statement that the account signed, and its claims."""
    parts = text.split(".")
    try:
        header, claims = (json.loads(decode_part(part)) for part in parts[:2])
        signature = decode_part(parts[2])
    except (ValueError, IndexError):
        return "malformed assertion", None
    if len(parts) != 3 or header.get("alg") != "RS256" or header.get("typ") != "JWT":
        return "header of the assertion: %r" % header, None
    if header.get("kid") != key.id:
        return "kid is not the key's", None
    if not key.verifies((parts[0] + "." + parts[1]).encode(), signature):
        return "Invalid JWT Signature.", None
    if claims.get("iss") != ACCOUNT:
        return "claims of the assertion: %r" % claims, None
    if not set(claims.get("scope", "").split(" ")) & SCOPES:
        return "scope %r" % claims.get("scope"), None
    start, end = claims.get("iat"), claims.get("exp")
    if not isinstance(start, int) or not isinstance(end, int):
        return "iat and exp have to be whole seconds", None
    if start > now + 1 or end <= now or end - start > 3600 or start < now - 300:
        return ("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable "
                "timeframe. Check your iat and exp values in the JWT claim."), None
    return None, claims


class SelfSignedTokens:
    """In the place of Tokens: what the account signed itself is good."""

    def __init__(self, key):
        self.key, self.seen, self.clock_offset = key, set(), 0

    def is_valid(self, token):
        self.seen.add(token)
        problem, claims = check_jwt(self.key, token, time.time() + self.clock_offset)
        return problem is None and claims.get("sub") == ACCOUNT and "aud" not in claims

    def all(self):
        return list(self.seen)


class FakeTokenEndpoint(FakeServer):
    """POST /token. `audience`: what the assertion has to be for."""

    def __init__(self, tokens, key=None, audience="https://oauth2.googleapis.com/token",
                 lifetime=3600,
                 **where):
        super().__init__(**where)
        self.tokens, self.key, self.audience, self.lifetime = tokens, key, audience, lifetime
        self.assertions = []

    def classify(self, request):
        return "token" if (request.method, request.raw_path) == ("POST", "/token") else "?"

    def refuse(self, problem, error="invalid_grant"):
        if not self.clock_offset:  # else it is what the test is about
            self.violation(problem)
        return Reply(400, {"error": error, "error_description": problem})

    def answer(self, request):
        if request.kind != "token":
            self.violation("%s %s to the token endpoint" % (request.method, request.raw_path))
            return Reply(404)
        if request.headers.get("Content-Type") != "application/x-www-form-urlencoded":
            return self.refuse("Content-Type of a token request", "invalid_request")
        if request.headers.get("Authorization"):
            self.violation("Authorization on a token request")
        form = dict(urllib.parse.parse_qsl(request.body.decode("ascii"), keep_blank_values=True))
        grant = form.get("grant_type")
        if grant == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            problem = self.check_assertion(form.get("assertion", ""))
        elif grant == "refresh_token":
            problem = self.check_refresh(form)
        else:
            return self.refuse("grant_type %s" % grant, "unsupported_grant_type")
        if problem:
            return self.refuse(problem)
        return Reply(200, {"access_token": self.tokens.issue(self.lifetime),
                           "expires_in": self.lifetime, "token_type": "Bearer"})

    @staticmethod
    def check_refresh(form):
        for name in ("client_id", "client_secret", "refresh_token"):
            if form.get(name) != AUTHORIZED_USER[name]:
                return "wrong " + name
        return None

    def check_assertion(self, assertion):
        """What is wrong with a JWT, or None."""
        with self.lock:
            self.assertions.append(assertion)
        problem, claims = check_jwt(self.key, assertion, self.now())
        if problem:
            return problem
        if claims.get("aud") != self.audience or "sub" in claims:
            return "claims of the assertion: %r" % claims
        return None


class FakeMetadataServer(FakeServer):
    """has_account=False: a node without a service account. flavor=None: a captive portal."""

    BASE = "/computeMetadata/v1/"

    def __init__(self, tokens, lifetime=3600, has_account=True, flavor="Google", **where):
        super().__init__(**where)
        self.tokens, self.lifetime = tokens, lifetime
        self.has_account, self.flavor = has_account, flavor

    def classify(self, request):
        if request.raw_path.startswith(self.BASE):
            return "token" if request.raw_path.endswith("/token") else "lookup"
        return "detect" if request.raw_path == "/" else "?"

    def answer(self, request):
        reply = self.look_up(request)
        if self.flavor:
            reply.headers["Metadata-Flavor"] = self.flavor
        return reply

    def look_up(self, request):
        if request.headers.get("Metadata-Flavor") != "Google":
            self.violation("no Metadata-Flavor: Google")
            return Reply(403, "Missing Metadata-Flavor:Google header.", {}, "text/html")
        if request.headers.get("X-Forwarded-For") or request.method != "GET":
            self.violation("%s, forwarded for %s" % (request.method,
                                                     request.headers.get("X-Forwarded-For")))
            return Reply(403, "", {}, "text/html")
        if request.kind == "detect":
            return Reply(200, "computeMetadata/\n", {}, "application/text")
        account = "instance/service-accounts/default/"
        texts = {"project/project-id": "project", "instance/name": "node-1"}
        if self.has_account:
            texts.update({account + "email": ACCOUNT,
                          account + "scopes": "\n".join(sorted(SCOPES))})
        what = request.raw_path[len(self.BASE):]
        if what == account + "token" and self.has_account:
            return Reply(200, {"access_token": self.tokens.issue(self.lifetime),
                               "expires_in": self.lifetime, "token_type": "Bearer"})
        if what == account and self.has_account:
            return Reply(200, {"email": ACCOUNT, "scopes": sorted(SCOPES), "aliases": ["default"]})
        if what in texts:
            return Reply(200, texts[what], {}, "application/text")
        return Reply(404, "Not Found", {}, "text/html")


class FakeProxy(FakeServer):
    """A proxy that refuses everything; what was asked is in its record."""

    def classify(self, request):
        return "proxied"

    def answer(self, request):
        return Reply(502)
