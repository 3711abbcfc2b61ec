#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""find and fetch with the credentials that people have, at Google's real names over TLS: what lets them list and
read, and which right is missing where it does not."""

import json
import os
import subprocess
import tempfile

import harness
import fake_google  # beside the folder that harness is in
from daemon import program
from fleet import EVERYTHING, Fleet, minutes, packets_of, stamp
from google_lab import key_file, laboratory, metadata_server, secrets_of  # noqa: F401 (laboratory: for the harness)
from tap import check, contains, equal

FILTER = "net 10.0.0.0/8"
WINDOW = minutes(0, 2)
VIEWER = frozenset("storage.objects." + each for each in ("list", "get"))


def fill(lab):
    """Two nodes in the bucket. Returns all that has to be found."""
    with tempfile.TemporaryDirectory(dir=lab.directory) as directory:
        fleet = Fleet(directory).make(2, 2, 100, "plain")
        for name in fleet.names():
            lab.gcs.put(harness.BUCKET, name, fleet.content(name), metadata=fleet.facts[name])
        return fleet.expected(WINDOW, FILTER)


def search(lab, command, *words, status=0, environment=None):
    """Returns what was said, in which there is no secret."""
    given = {"PATH": os.environ["PATH"], "HOME": lab.directory, "TZ": "UTC", **(environment or {})}
    done = subprocess.run([program(), command, "-b", "gs://" + harness.BUCKET, "--upload-ca-file", lab.certificate_file,
                           "--from", stamp(WINDOW[0]), "--to", stamp(WINDOW[1]), *words, FILTER],
                          capture_output=True, env=given, timeout=120, check=False)
    said = done.stderr.decode()
    equal(done.returncode, status, "status: " + said)
    for secret in secrets_of(lab):
        check(secret not in said and secret.encode() not in done.stdout, "a secret was told: %s…" % secret[:12])
    return said


def check_fetches(lab, wanted, *words, environment=None):
    path = os.path.join(lab.directory, "x.pcapng")
    search(lab, "fetch", "-w", path, *words, environment=environment)
    Fleet.check_found(None, packets_of(path), wanted, "what is found")


def test_logins(lab):
    """A key by an option or in the environment, a person's own login, the metadata server: all may list and read."""
    wanted = fill(lab)
    lab.gcs.permissions = VIEWER
    key = key_file(lab)
    user = lab.configure(json.dumps(fake_google.AUTHORIZED_USER), "user.json")
    os.chmod(user, 0o600)
    check_fetches(lab, wanted, "--gcs-credentials", key)
    check_fetches(lab, wanted, environment={"GOOGLE_APPLICATION_CREDENTIALS": key})
    check_fetches(lab, wanted, environment={"GOOGLE_APPLICATION_CREDENTIALS": user})
    # Where "gcloud auth application-default login" puts it.
    folder = os.path.join(lab.directory, ".config/gcloud")
    os.makedirs(folder)
    place = os.path.join(folder, "application_default_credentials.json")
    os.rename(user, place)
    check_fetches(lab, wanted)
    os.unlink(place)
    metadata_server(lab)
    check_fetches(lab, wanted)


def test_missing_rights(lab):
    """Each is named, with the role that has it; nobody is asked twice."""
    fill(lab)
    key = ["--gcs-credentials", key_file(lab)]
    for right in ("list", "get"):
        lab.gcs.permissions = EVERYTHING - {"storage.objects." + right}
        for command in (["find"], ["fetch", "-w", os.path.join(lab.directory, "y.pcapng")]):
            before = len(lab.gcs.requests)
            said = search(lab, *command, "-j", "1", *key, status=78)
            contains(said, "storage.objects." + right, "the right")
            contains(said, "roles/storage.objectViewer", "the role")
            refused = [each for each in lab.gcs.requests[before:] if each["status"] == 403]
            equal(len(refused), 1, "refused requests")
    check(not os.path.exists(os.path.join(lab.directory, "y.pcapng")), "a file")
    # Objects need no rights to be written.
    lab.gcs.permissions = VIEWER
    search(lab, "find", *key)


def test_requester_pays(lab):
    """The bucket's owner does not: whoever asks has to name a project."""
    wanted = fill(lab)
    lab.gcs.payer = "billing-1"
    key = ["--gcs-credentials", key_file(lab)]
    said = search(lab, "find", "-j", "1", *key, status=78)
    contains(said, "requester pays", "the reason")
    contains(said, "GOOGLE_CLOUD_QUOTA_PROJECT", "the way out")
    check_fetches(lab, wanted, *key, environment={"GOOGLE_CLOUD_QUOTA_PROJECT": "billing-1"})


def test_wrong_credentials(lab):
    fill(lab)
    broken = lab.configure("{}", "broken.json")
    os.chmod(broken, 0o600)
    search(lab, "find", "--gcs-credentials", os.path.join(lab.directory, "absent.json"), status=64)
    said = search(lab, "find", "--gcs-credentials", broken, status=64)
    contains(said, "broken.json", "the reason")
    lab.oauth.fault("token", status=400, text='{"error": "invalid_grant", "error_description": "account not found"}')
    said = search(lab, "find", "-j", "1", "--gcs-credentials", key_file(lab), status=78)
    contains(said, "account not found", "the reason")


def test_a_token_that_expires_midway(lab):
    """A long search needs more than one."""
    wanted = fill(lab)
    words = ["--gcs-credentials", key_file(lab), "-j", "1"]
    lab.gcs.fault("media", after=2, status=401)
    before = lab.oauth.count("token")
    check_fetches(lab, wanted, *words)
    equal(lab.oauth.count("token") - before, 2, "tokens")


if __name__ == "__main__":
    harness.main()
