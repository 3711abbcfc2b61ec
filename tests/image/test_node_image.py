#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/node-image: the package put into a root folder, as a builder of node images does it, and the
configuration from instance metadata.

As root. KNT_DEB is the package (else it is built)."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
for other in ("..", "../e2e"):
    sys.path.insert(0, os.path.join(HERE, other))
# pylint: disable=wrong-import-position
import build
import tap
from daemon import program
from fake_http import FakeServer, Reply
from tap import check, contains, equal

EXAMPLE = os.path.join(build.SOURCE, "examples/node-image")
CONF = "etc/kube-node-tracer.conf"
INSTALLING_SECONDS = 600


class Metadata(FakeServer):
    """The attributes of an instance and its project: {(of, name): value}; a number is the status of an error."""

    def __init__(self, attributes):
        super().__init__()
        self.attributes = attributes

    def classify(self, request):
        return "attribute"

    def answer(self, request):
        if request.headers.get("Metadata-Flavor") != "Google":
            self.violation("no Metadata-Flavor")
        of = re.fullmatch(r"/computeMetadata/v1/(instance|project)/attributes/([a-z-]+)", request.raw_path)
        if not of:
            self.violation(request.raw_path)
        value = self.attributes.get(of.groups()) if of else None
        if value is None or isinstance(value, int):
            return Reply(value or 404, "Error")
        return Reply(200, value, {}, "application/text")


# ---- from metadata ---------------------------------------------------------------------------------


def configure(folder, attributes, before="# as it was\n"):
    """What a boot makes of a configuration file. Returns (file, output)."""
    path = os.path.join(folder, "kube-node-tracer.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(before)
    server = Metadata(attributes).start() if attributes is not None else None
    # Port 1 of loopback: nobody.
    host = server.url.partition("//")[2] if server else "127.0.0.1:1"
    path_of_program = os.path.dirname(program()) + ":" + os.environ["PATH"]
    done = subprocess.run(["sh", os.path.join(EXAMPLE, "from-metadata.sh"), path], capture_output=True,
                          text=True, check=False, timeout=120,
                          env={"PATH": path_of_program, "GCE_METADATA_HOST": host})
    if server:
        equal(server.violations, [], "violations")
        server.stop()
    equal(done.returncode, 0, "exit status: " + done.stderr)
    equal(os.listdir(folder), ["kube-node-tracer.conf"], "files left")
    with open(path, encoding="utf-8") as file:
        return file.read(), done.stdout + done.stderr


def test_destination_from_metadata(folder):
    text, output = configure(folder, {("instance", "kube-node-tracer-destination"): "gs://my-bucket/nodes"})
    contains(text, 'destination = "gs://my-bucket/nodes";', "configuration")
    contains(output, "wrote ", "output")
    equal(os.stat(os.path.join(folder, "kube-node-tracer.conf")).st_mode & 0o777, 0o644, "mode")
    printed = subprocess.run([program(), "--print-config", "--config",
                              os.path.join(folder, "kube-node-tracer.conf")], capture_output=True,
                             text=True, check=True).stdout
    contains(printed, 'destination = "gs://my-bucket/nodes";', "--print-config")


def test_file_from_metadata(folder):
    whole = 'upload: { destination = "captures"; };\nsegment: { age = 60; };\n'
    equal(configure(folder, {("project", "kube-node-tracer-conf"): whole,
                             ("instance", "kube-node-tracer-destination"): "other"})[0], whole, "file")


def test_metadata_that_is_no_use(folder):
    """Nothing there, nobody there, an error, nonsense: the file stays."""
    name = ("instance", "kube-node-tracer-conf")
    destination = ("instance", "kube-node-tracer-destination")
    for attributes, said in (({}, "no attribute"), (None, "no response"),
                             # Not the project's: the instance may have one.
                             ({name: 403, ("project", name[1]): 'upload: { destination = "captures"; };\n'}, "status 403"),
                             ({name: "upload: { nonsense = 1; };\n"}, "is invalid"),
                             # What a start of the whole fleet would end at.
                             ({destination: "My_Bucket"}, "is invalid"),
                             ({name: 'upload: { destination = "captures"; };\ncapture: { filter = "tcp prot 1"; };\n'},
                              "capture.filter"),
                             ({destination: '"; }; x'}, "not a bucket")):
        text, output = configure(folder, attributes)
        equal(text, "# as it was\n", "configuration with %r" % attributes)
        contains(output, said, "output")


# ---- install.sh ------------------------------------------------------------------------------------


def run_in(root, *command):
    done = subprocess.run(["chroot", root, *command], capture_output=True, text=True, check=False,
                          timeout=INSTALLING_SECONDS, stdin=subprocess.DEVNULL,
                          env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"})
    return done.returncode, done.stdout + done.stderr


def must_run_in(root, *command):
    status, output = run_in(root, *command)
    check(status == 0, "%s: status %d\n%s" % (" ".join(command), status, output[-3000:]))
    return output


@contextlib.contextmanager
def node(folder):
    """The root folder of a node to be, with the package and the example beside each other."""
    root = build.tree.layer(ROOT["path"], folder)
    subprocess.run(["mount", "-t", "proc", "proc", os.path.join(root, "proc")], check=True)
    try:
        yield root
    finally:
        subprocess.run(["umount", os.path.join(root, "proc")], check=True)
        subprocess.run(["umount", root], capture_output=True, check=False)


def prepare_root(folder):
    """A system with systemd, as nodes are, from the base that the image is built from."""
    root = os.path.join(folder, "root")
    subprocess.run(["cp", "-a", "--reflink=auto", build.tree.base(), root], check=True)
    shutil.copy("/etc/resolv.conf", os.path.join(root, "etc/resolv.conf"))
    must_run_in(root, "apt-get", "-q", "update")
    must_run_in(root, "apt-get", "-q", "-y", "install", "--no-install-recommends", "systemd")
    deb = os.environ.get("KNT_DEB", "")
    if not os.path.isfile(deb):
        subprocess.run([os.path.join(build.SOURCE, "tests/package/build-deb"), folder],
                       check=True, stdout=sys.stderr, env={**os.environ, "DEB_BUILD_OPTIONS": "nocheck"})
        deb, = [os.path.join(folder, name) for name in os.listdir(folder)
                if re.fullmatch(r"kube-node-tracer_.*\.deb", name)]
    shutil.copy(deb, os.path.join(root, "kube-node-tracer.deb"))
    shutil.copytree(EXAMPLE, os.path.join(root, "node-image"))
    shutil.copy(os.path.join(build.SOURCE, "examples/multi-interface.conf"), root)
    return root


def read(root, name):
    with open(os.path.join(root, name), encoding="utf-8") as file:
        return file.read()


def is_wanted(root, unit, by):
    return os.path.lexists(os.path.join(root, "etc/systemd/system/%s.wants/%s" % (by, unit)))


def test_install_with_a_destination(folder):
    with node(folder) as root:
        must_run_in(root, "/node-image/install.sh", "kube-node-tracer.deb", "--destination", "gs://captures/nodes")
        contains(must_run_in(root, "kube-node-tracer", "--print-config"),
                 'destination = "gs://captures/nodes";  # /etc/kube-node-tracer.conf', "configuration")
        check(is_wanted(root, "kube-node-tracer.service", "multi-user.target"), "the unit is not enabled")
        must_run_in(root, "getent", "passwd", "kube-node-tracer")
        spool = os.path.join(root, "var/lib/kube-node-tracer")
        check(not os.path.isdir(spool) or not os.listdir(spool), "something is in the spool")


def test_install_with_a_file(folder):
    with node(folder) as root:
        must_run_in(root, "/node-image/install.sh", "kube-node-tracer.deb", "--conf", "multi-interface.conf")
        equal(read(root, CONF), read(root, "multi-interface.conf"), "configuration")


def test_install_with_metadata(folder):
    with node(folder) as root:
        must_run_in(root, "/node-image/install.sh", "kube-node-tracer.deb", "--metadata")
        unit = "kube-node-tracer-metadata.service"
        check(is_wanted(root, unit, "kube-node-tracer.service"), "the unit is not enabled")
        started = re.search(r"^ExecStart=/(.*)$", read(root, "etc/systemd/system/" + unit), re.MULTILINE)[1]
        equal(read(root, started), read(EXAMPLE, "from-metadata.sh"), "what it starts")
        must_run_in(root, "curl", "--version")
        must_run_in(root, "systemd-analyze", "verify", "/etc/systemd/system/" + unit)


def test_install_refuses(folder):
    """Before anything is changed."""
    with node(folder) as root:
        for arguments, said in (((), "Usage"), (("nothing.deb",), "no such file: nothing.deb"),
                                (("kube-node-tracer.deb", "--destination", "a|b"), "not a bucket"),
                                (("kube-node-tracer.deb", "--conf", "none"), "no such file: none"),
                                (("kube-node-tracer.deb", "--what"), "unknown flag")):
            status, output = run_in(root, "/node-image/install.sh", *arguments)
            check(status != 0, "accepted: %r" % (arguments,))
            contains(output, said, "output")
        check(not os.path.exists(os.path.join(root, "usr/sbin/kube-node-tracer")), "it is installed")


ROOT = {"path": None}


def main():
    tests = [value for name, value in globals().items() if name.startswith("test_")]
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        print("Bail out! needs root and debootstrap: tests/tools")
        sys.exit(1)
    with tempfile.TemporaryDirectory(prefix="knt-node-image-") as folder:
        try:
            ROOT["path"] = prepare_root(folder)
        except (build.tree.TreeError, tap.Failure, subprocess.CalledProcessError) as reason:
            tap.diagnose(str(reason))
            print("Bail out! no root folder to install into")
            sys.exit(1)
        tap.run(tests, tempfile.TemporaryDirectory)


if __name__ == "__main__":
    main()
