# SPDX-License-Identifier: Apache-2.0
"""Builds the Dockerfile with buildah from a base image of this machine's own distribution, and unpacks
the result: FOLDER/root and FOLDER/config.json (the image's settings).

KNT_IMAGE_CACHE keeps the archive of the base (else a folder below the build folder)."""

import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.abspath(os.path.join(HERE, "../.."))
sys.path.insert(0, os.path.join(HERE, "../system"))
import tree  # pylint: disable=wrong-import-position

BUILD = os.environ.get("top_builddir", os.path.join(SOURCE, "build"))
CACHE = os.path.abspath(os.environ.get("KNT_IMAGE_CACHE", os.path.join(BUILD, "tests/image/cache")))
NAME = "localhost/kube-node-tracer"
BUILDING_SECONDS = 1200


class BuildError(Exception):
    """There is no image."""


class Buildah:
    """buildah with a storage of its own, and a log of all that it says."""

    def __init__(self, folder):
        self.folder = folder
        self.log_path = os.path.join(folder, "log")

    def __call__(self, *arguments):
        """Runs a command; returns what it prints."""
        command = ["buildah", "--root", os.path.join(self.folder, "storage"), "--runroot",
                   os.path.join(self.folder, "run"), "--storage-driver", "vfs", *arguments]
        with open(self.log_path, "a", encoding="utf-8") as log:
            print("$", *command, file=log, flush=True)
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=log, text=True, check=False, timeout=BUILDING_SECONDS)
            log.write(done.stdout)
        if done.returncode:
            with open(self.log_path, encoding="utf-8") as log:
                tail = log.readlines()[-40:]
            raise BuildError("buildah %s: status %d\n%s" % (arguments[0], done.returncode,
                                                            "".join(tail)))
        return done.stdout.strip()


def base_archive():
    """A tar of the smallest system of this release."""
    base = tree.base()
    path = os.path.join(CACHE, os.path.basename(base) + ".tar")
    if not os.path.exists(path):
        os.makedirs(CACHE, exist_ok=True)
        subprocess.run(["tar", "-C", base, "--one-file-system", "-cf", path + ".new", "."], check=True)
        os.rename(path + ".new", path)
    return path


def unpack(buildah, folder):
    container = buildah("from", NAME)
    try:
        root = os.path.join(folder, "root")
        subprocess.run(["cp", "-a", buildah("mount", container), root], check=True)
        os.chmod(root, 0o755)
        image = json.loads(buildah("inspect", "--type", "image", NAME))
        with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
            json.dump(image["OCIv1"]["config"], file)
    finally:
        buildah("rm", container)


def build(folder):
    """The image, unpacked into an empty folder."""
    base = base_archive()
    work = os.path.join(folder, "buildah")
    os.mkdir(work)
    buildah = Buildah(work)
    try:
        container = buildah("from", "scratch")
        buildah("add", container, base, "/")
        buildah("commit", "--rm", container, "localhost/base")
        buildah("bud", "--isolation", "chroot", "--build-arg", "BUILD_IMAGE=localhost/base",
                "--tag", NAME, SOURCE)
        unpack(buildah, folder)
    finally:
        # Left are the log and nothing that takes room.
        shutil.rmtree(os.path.join(work, "storage"), ignore_errors=True)
        shutil.rmtree(os.path.join(work, "run"), ignore_errors=True)
