#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The container image: built from the Dockerfile, and run by a container runtime as the pods of
examples/kubernetes are, on the network of the test, with real packets, names and TLS.

As root: tests/image/test_image.py [TEST...]. KNT_IMAGE is a folder with an image that was built before
(build.py), KNT_SYSTEM_CACHE keeps the base system, KNT_IMAGE_CACHE its archive."""

import contextlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
for other in ("..", "../e2e", "../kubernetes"):
    sys.path.insert(0, os.path.join(HERE, other))
# pylint: disable=wrong-import-position
import build
import fake_federation
import fake_google
import harness
import manifests
import original
import tap
from container import Container, Pod
from name_server import NameServer
from tap import check, contains, equal
from google_lab import METADATA, OAUTH, STORAGE, STS, key_file, make_certificate, metadata_server

SIZE_MAX = 40 * 1000 * 1000
RESIDENT_MAX = 64  # MiB; README.md of examples/kubernetes
PROGRAM = "usr/sbin/kube-node-tracer"
ACCOUNT = 65532
NODE = "node-1"
NET_RAW = "%016x" % (1 << 13)
STATUS = ("Uid", "Gid", "CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb", "NoNewPrivs", "Seccomp")
NAMES = {"storage.googleapis.com": STORAGE, "oauth2.googleapis.com": OAUTH, "sts.googleapis.com": STS,
         "metadata.google.internal": METADATA}


# The rows of container/README.md: the first that fits has the file.
PARTS = {
    "the program": "^%s$" % PROGRAM,
    "OpenSSL": r"/lib(ssl|crypto)\.so",
    "glibc": r"/(lib(c|m|resolv|nss_\w+)\.so|ld-linux)",
    "libsystemd, and libgcrypt, D-Bus and others that it and libpcap bring along":
        r"/lib(systemd|gcrypt|gpg-error|dbus-1|lzma|lz4|cap)\.so",
    "ISA-L, zstd, libpcap, libconfig, jansson, zlib, libcap-ng, libmicrohttpd, libmnl":
        r"/lib(isal|zstd|pcap|config|jansson|z|cap-ng|microhttpd|mnl)\.so",
    "libcurl, and what Debian's build of it links, needed or not: GnuTLS, Kerberos, LDAP, SSH, RTMP, IDN, HTTP/2":
        r"\.so[.0-9]*$",
    "CA certificates, licences, package records": ""}


def image_folder(name=""):
    return os.path.join(os.environ["KNT_IMAGE"], name)


def settings():
    with open(image_folder("config.json"), encoding="utf-8") as file:
        return json.load(file)


@contextlib.contextmanager
def own_hosts(lab):
    """For the servers, which look their own addresses up; containers have another file."""
    names = "".join("%s %s\n" % (address, name) for name, address in NAMES.items())
    harness.command("mount", "--bind", lab.configure(names, "hosts-of-servers"), "/etc/hosts")
    try:
        yield
    finally:
        harness.command("umount", "/etc/hosts")


@contextlib.contextmanager
def laboratory():
    """A node with a primary interface, a name server, and Google on the other side of TLS."""
    with harness.laboratory() as lab, own_hosts(lab):
        lab.link(address=True)
        harness.command("ip", "route", "add", "default", "via", "10.99.0.2", "dev", "veth0")
        lab.names = lab.serve(NameServer(NAMES))
        lab.tokens = fake_google.Tokens()
        certificate = make_certificate(lab.directory, "good", "*.googleapis.com")
        lab.bucket(tokens=lab.tokens, buckets={"my-bucket"}, host=STORAGE, port=443,
                   certificate=certificate)
        # What a node has, and what is trusted: this test's authority in place of the image's.
        lab.files = {
            "/etc/resolv.conf": lab.configure("nameserver 127.0.0.1\n", "resolv.conf"),
            "/etc/hosts": lab.configure("127.0.0.1 localhost\n", "hosts"),
            "/etc/ssl/certs/ca-certificates.crt": os.path.join(lab.directory, "good-ca.pem")}
        for path in lab.files.values():
            os.chmod(path, 0o644)
        yield lab


def volume(lab, name, mode, uid=0, gid=0, **contents):
    """A folder as a kubelet makes it for a pod's volume."""
    path = os.path.join(lab.directory, "volume-" + name)
    os.mkdir(path)
    for file_name, (text, file_mode) in contents.items():
        file_path = os.path.join(path, file_name.replace("_", "."))
        with open(file_path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chown(file_path, uid, gid)
        os.chmod(file_path, file_mode)
    os.chown(path, uid, gid)
    os.chmod(path, mode)
    return path


def empty_dir(lab, name="spool", group=0):
    """0777, and fsGroup makes it the group's."""
    return volume(lab, name, 0o2777 if group else 0o777, 0, group)


def overlay(folder):
    """Of what was rendered: the DaemonSet, and the configuration that its ConfigMap has."""
    with open(os.path.join(os.environ["KNT_RENDERED"], os.path.basename(folder)), encoding="utf-8") as file:
        found = manifests.objects(file.read())
    return (manifests.only(found, "DaemonSet"),
            manifests.only(found, "ConfigMap")["data"]["kube-node-tracer.conf"].replace(
                "REPLACE-WITH-YOUR-BUCKET", "my-bucket"))


def configuration(lab, text):
    return volume(lab, "configuration", 0o755, **{"kube-node-tracer_conf": (text, 0o644)})


def container(lab, daemonset, volumes):
    pod = Pod(daemonset, settings(), volumes, lab.files, NODE)
    root = tempfile.mkdtemp(prefix="root-", dir=lab.directory)
    subprocess.run(["cp", "-a", image_folder("root") + "/.", root], check=True)
    made = Container(lab.directory, pod, root)
    lab.daemons.append(made)
    return made


def record(lab, made, count=2000):
    """Start, send packets, stop. Returns what the kernel said of the process in between."""
    # As text, or as JSON where its arguments ask for that.
    made.start().wait_for(lambda: "recording" in made.log(), 20, "the recording")
    lab.send(count)
    facts = {field: made.status(field) for field in STATUS}
    equal(made.stop(), 0, "exit status")
    return facts


def check_delivered(lab, prefix="", count=2000):
    objects = lab.objects()
    check(objects, "nothing is in the bucket")
    check(all(each.name.startswith(prefix + NODE + "/" + NODE + "_") for each in objects),
          "names %r" % [each.name for each in objects])
    equal({each.metadata["interface"] for each in objects}, {"veth0"}, "interfaces")
    lab.check_numbers(objects, count)
    lab.check_accounted(objects, count)


def check_confined(facts, uid):
    """Nothing but CAP_NET_RAW, and no way to more."""
    equal(facts["Uid"].split(), [str(uid)] * 4, "uid")
    equal(facts["Gid"].split(), [str(uid)] * 4, "gid")
    for field in ("CapEff", "CapPrm"):
        equal(facts[field], NET_RAW, field)
    check(int(facts["CapBnd"], 16) in (0, int(NET_RAW, 16)), "CapBnd %s" % facts["CapBnd"])
    for field in ("CapInh", "CapAmb"):
        equal(int(facts[field], 16), 0, field)
    equal(facts["NoNewPrivs"], "1", "NoNewPrivs")


# ---- what it is made of ----------------------------------------------------------------------------


def files():
    top = image_folder("root")
    for where, _, names in os.walk(top):
        for name in names:
            yield os.path.relpath(os.path.join(where, name), top), os.lstat(os.path.join(where, name))


def test_settings(_):
    config = settings()
    equal(config["Entrypoint"], ["/" + PROGRAM], "entry point")
    equal(config.get("Cmd"), None, "default arguments")
    equal(config["User"], "%d:%d" % (ACCOUNT, ACCOUNT), "user")
    check("STATE_DIRECTORY=/dump" in config["Env"], "no spool in %r" % config["Env"])
    equal(list(config["Volumes"]), ["/dump"], "volumes")
    equal(os.stat(image_folder("root/dump")).st_uid, ACCOUNT, "owner of /dump")


def test_nothing_else_can_be_run(_):
    """No shell, no tool: a program, and libraries that it loads."""
    can_run = [name for name, facts in files()
               if stat.S_ISREG(facts.st_mode) and facts.st_mode & 0o111
               and ".so" not in os.path.basename(name)]
    equal(can_run, [PROGRAM], "what can be run")
    for name, facts in files():
        check(not facts.st_mode & (stat.S_ISUID | stat.S_ISGID), name + " is set-id")
        check(os.path.basename(name) not in ("sh", "bash", "dash", "busybox"), name)
        check(facts.st_uid == 0 and not facts.st_mode & 0o022 or stat.S_ISLNK(facts.st_mode),
              name + " can be changed by others than root")
    listing = harness.command("getcap", "-r", image_folder("root"))
    equal(listing.splitlines(), ["%s cap_net_raw=ep" % image_folder("root/" + PROGRAM)],
          "capabilities of files")


def test_size(_):
    facts = harness.command(os.path.join(build.SOURCE, "container/contents"), image_folder("root"))
    tap.diagnose(facts[facts.index("in all:"):])
    total = sum(facts.st_size for _, facts in files() if stat.S_ISREG(facts.st_mode))
    check(total <= SIZE_MAX, "%d bytes, more than %d" % (total, SIZE_MAX))
    contains(facts, "%9d  total" % total, "container/contents")
    if build.tree.release() == ("debian", "bookworm") and os.uname().machine == "x86_64":
        check_documents(total)


def check_documents(total):
    """README.md and docs/install.md give the size, container/README.md the parts, in MB."""
    parts = dict.fromkeys(PARTS, 0)
    for name, facts in files():
        if stat.S_ISREG(facts.st_mode):
            parts[next(part for part, pattern in PARTS.items() if re.search(pattern, name))] += facts.st_size / 1e6
    with open(os.path.join(build.SOURCE, "container/README.md"), encoding="utf-8") as file:
        text = file.read()
    rows = dict(re.findall(r"^\| (.*?) \| ([0-9.]+) \|$", text, re.MULTILINE))
    equal(sorted(rows), sorted(parts), "rows of the table")
    for part, size in parts.items():
        # A library's update changes it a little.
        check(abs(float(rows[part]) - size) < 0.06 + size / 20, "%s: %.2f MB, not %s" % (part, size, rows[part]))
    for name in ("README.md", "docs/install.md", "container/README.md"):
        with open(os.path.join(build.SOURCE, name), encoding="utf-8") as file:
            contains(file.read(), "%d MB" % round(total / 1e6), name)


def test_certificates_and_records(_):
    with open(image_folder("root/etc/ssl/certs/ca-certificates.crt"), encoding="ascii") as bundle:
        check(bundle.read().count("BEGIN CERTIFICATE") > 100, "few certificate authorities")
    packages = os.listdir(image_folder("root/var/lib/dpkg/status.d"))
    check({"libc6", "libcurl4", "libpcap0.8", "ca-certificates"} <= {name.replace("t64", "")
                                                                     for name in packages},
          "packages on record: %r" % packages)
    for name in packages:
        check(os.path.exists(image_folder("root/usr/share/doc/%s/copyright" % name)),
              "no copyright of " + name)
        with open(image_folder("root/usr/share/doc/%s/copyright" % name), encoding="utf-8") as file:
            for text in re.findall(r"/usr/share/common-licenses/[\w.+-]*\w", file.read()):
                check(os.path.exists(image_folder("root" + text)), "%s refers to %s" % (name, text))


def test_labels(_):
    with open(os.path.join(build.SOURCE, "configure.ac"), encoding="utf-8") as file:
        version = re.search(r"AC_INIT\(\[kube-node-tracer\], \[([^]]+)\]", file.read())[1]
    labels = settings()["Labels"]
    equal([labels["org.opencontainers.image." + name] for name in ("title", "version", "licenses")],
          ["kube-node-tracer", version, "Apache-2.0"], "labels")
    check(labels["org.opencontainers.image.description"], "no description")


# ---- the pods of examples/kubernetes ---------------------------------------------------------------


def test_gke(lab):
    """As an account without rights, with credentials of the node."""
    metadata_server(lab)
    daemonset, text = overlay("overlays/gke")
    made = container(lab, daemonset, {"configuration": configuration(lab, text),
                                      "spool": empty_dir(lab, group=ACCOUNT)})
    facts = record(lab, made)
    check_confined(facts, ACCOUNT)
    equal(facts["Seccomp"], "2", "Seccomp")
    check_delivered(lab, "my-cluster/")
    check({"storage.googleapis.com"} <= lab.names.answered, "asked for: %r" % lab.names.answered)
    with_json = [line for line in made.log().splitlines() if not line.startswith("{")]
    equal(with_json, [], "lines of the log that are not JSON")


def command_of(daemonset, probe):
    only, = daemonset["spec"]["template"]["spec"]["containers"]
    return only[probe]["exec"]["command"]


def test_probes(lab):
    """As the kubelet runs them: with an account without rights, and while the port is another's."""
    metadata_server(lab)
    daemonset, text = overlay("base")
    made = container(lab, daemonset, {"configuration": configuration(lab, text),
                                      "spool": empty_dir(lab, group=ACCOUNT)})
    with socket.create_server(("127.0.0.1", 9469)):
        made.start().wait_event("recording", 20)
        made.wait_event("status-not-served", 20)
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            tap.wait_until(lambda: made.probe(command_of(daemonset, probe))[0] == 0, 20, probe)
        harness.command("ip", "link", "set", "veth0", "down")
        ready = command_of(daemonset, "readinessProbe")
        tap.wait_until(lambda: made.probe(ready)[0] != 0, 20, "not ready without the interface")
        contains(made.probe(ready)[1], '"rule":"interfaces","ok":false', "answer")
        equal(made.probe(command_of(daemonset, "livenessProbe"))[0], 0, "alive without the interface")
        harness.command("ip", "link", "set", "veth0", "up")
        tap.wait_until(lambda: made.probe(ready)[0] == 0, 20, "ready with the interface")
        os.kill(made.pid, signal.SIGSTOP)
        status, said = made.probe(command_of(daemonset, "livenessProbe"))
        os.kill(made.pid, signal.SIGCONT)
        equal(status, 69, "exit status of the probe of a process that hangs: " + said)
    equal(made.stop(), 0, "exit status")


def test_root_is_read_only(lab):
    metadata_server(lab)
    daemonset, text = overlay("base")
    made = container(lab, daemonset, {"configuration": configuration(lab, text),
                                      "spool": empty_dir(lab, group=ACCOUNT)})
    made.start().wait_event("recording", 20)
    with open("/proc/%d/mounts" % made.pid, encoding="ascii") as mounts:
        options = {line.split()[1]: line.split()[3].split(",") for line in mounts}
    for path in ("/", "/etc/kube-node-tracer", "/sys", "/proc/sys"):
        check("ro" in options[path], "%s is mounted %s" % (path, options[path]))
    check("rw" in options["/dump"], "the spool is read-only")
    equal(made.stop(), 0, "exit status")


def test_key_in_a_secret(lab):
    """Outside of Google: the mounted key can be read by the account, and by no one else."""
    lab.key = fake_google.Key(lab.directory)
    lab.oauth = lab.serve(fake_google.FakeTokenEndpoint(
        lab.tokens, lab.key, host=OAUTH, port=443, certificate=lab.gcs.certificate))
    with open(key_file(lab), encoding="ascii") as file:
        key = file.read()
    daemonset, text = overlay("overlays/key")
    made = container(lab, daemonset, {
        "configuration": configuration(lab, text), "spool": empty_dir(lab, group=ACCOUNT),
        "key": volume(lab, "key", 0o2755, 0, ACCOUNT, key_json=(key, 0o440))})
    check_confined(record(lab, made), ACCOUNT)
    check_delivered(lab, "my-cluster/")
    equal(lab.oauth.count("token", 200), 1, "token requests")


def test_workload_identity(lab):
    """Outside of Google without a key: the token's volume as the kubelet makes it for fsGroup."""
    with open(os.path.join(manifests.KUBERNETES, "overlays/generic/credentials.json"), encoding="utf-8") as file:
        credentials = file.read()
    lab.issuer = fake_federation.Issuer()
    service = lab.serve(fake_federation.FakeSts(
        lab.issuer, lab.tokens, fake_google.Tokens(), host=STS, port=443, certificate=lab.gcs.certificate,
        audience=json.loads(credentials)["audience"]))
    daemonset, text = overlay("overlays/generic")
    made = container(lab, daemonset, {
        "configuration": volume(lab, "configuration", 0o755, **{
            "kube-node-tracer_conf": (text, 0o644), "credentials_json": (credentials, 0o644)}),
        "spool": empty_dir(lab, group=ACCOUNT),
        "token": volume(lab, "token", 0o3777, 0, ACCOUNT, token=(lab.issuer.issue(), 0o640))})
    check_confined(record(lab, made), ACCOUNT)
    check_delivered(lab, "my-cluster/")
    equal(service.count("sts", 200), 1, "token requests")


def test_folder_of_the_node(lab):
    """hostPath: root's own, so the container is root without rights. What waits outlives the pod."""
    daemonset, text = overlay("overlays/hostpath")
    lab.spool = volume(lab, "spool", 0o755)
    volumes = {"configuration": configuration(lab, text), "spool": lab.spool}
    first = container(lab, daemonset, volumes)
    # No metadata server: nothing can be uploaded yet. The deadline is not waited for.
    first.start().wait_event("recording", 60)
    lab.send(500)
    facts = {field: first.status(field) for field in STATUS}
    check_confined(facts, 0)
    equal(facts["Seccomp"], "2", "Seccomp")
    def written():
        return sum(os.path.getsize(os.path.join(lab.spool, name))
                   for name in lab.spool_files("capturing"))

    tap.wait_until(lambda: written() > 0, 10, "packets in the spool")
    first.kill()
    equal(lab.gcs.names(), [], "objects of the first pod")
    metadata_server(lab)
    second = container(lab, daemonset, volumes).start()
    second.wait_event("segment-uploaded", 60)
    equal(second.stop(), 0, "exit status")
    # All that was on the disk, which is what came first.
    numbers = [number for each in lab.objects() for number in harness.packets.read(each.path).numbers(1)]
    check(0 < len(numbers) <= 500, "%d of the first pod's packets" % len(numbers))
    equal(numbers, list(range(len(numbers))), "the first pod's packets")


def test_nfs_share(lab):
    daemonset, text = overlay("overlays/nfs")
    captures = volume(lab, "captures", 0o755)
    made = container(lab, daemonset, {"configuration": configuration(lab, text),
                                      "spool": empty_dir(lab), "captures": captures})
    check_confined(record(lab, made), 0)
    found = os.listdir(os.path.join(captures, "my-cluster", NODE))
    equal(len(found), 1, "files on the share")
    capture = harness.packets.read(os.path.join(captures, "my-cluster", NODE, found[0]))
    equal(capture.numbers(1), list(range(2000)), "packets")


def test_spool_on_a_share(lab):
    metadata_server(lab)
    daemonset, text = overlay("overlays/nfs-spool")
    lab.spool = volume(lab, "spool", 0o755)
    made = container(lab, daemonset, {"configuration": configuration(lab, text), "spool": lab.spool})
    check_confined(record(lab, made), 0)
    equal(os.listdir(lab.spool), [NODE], "folders on the share")
    check_delivered(lab, "my-cluster/")


def test_memory_limit(lab):
    """Whole packets, faster than they can be compressed: what the pod's limit has to hold."""
    metadata_server(lab)
    daemonset, text = overlay("base")
    # A codec that cannot keep up fills the pool of chunks.
    text += """capture: { snaplen = 0; buffer = "32MiB"; };
segment: { size = 20; compression = "zstd:19"; };
"""
    daemonset["spec"]["template"]["spec"]["containers"][0]["args"] += [
        "--upload-workers=4", "--daemon-shutdown-deadline=120"]
    spool = os.path.join(os.environ["KNT_DISK"], "spool")
    os.mkdir(spool)
    os.chmod(spool, 0o777)
    made = container(lab, daemonset, {"configuration": configuration(lab, text), "spool": spool})
    made.start().wait_event("recording", 20)
    lab.send(60000, sizes=[1514], rate=40000, fill="random")
    # The kernel's buffer is mapped, but is not the pod's memory.
    peak = int(made.status("VmHWM").split()[0]) // 1024 - 32
    tap.diagnose("peak in MiB: %d of the cgroup, page cache included; %d resident" % (
        made.memory_peak() // 2**20, peak))
    check(peak <= RESIDENT_MAX, "%d MiB resident" % peak)
    check(made.events("recorder-behind"), "the recorder was never behind")
    equal(made.stop(150), 0, "exit status")
    lab.check_accounted(lab.objects(), 60000)


def test_a_search_in_the_pod(lab):
    """In the recorder's container, with its limits, while it has much to do: it finds what is there, and nothing is
    dropped or killed."""
    metadata_server(lab)
    daemonset, text = overlay("base")
    spool = os.path.join(os.environ["KNT_DISK"], "searched")
    os.mkdir(spool)
    os.chmod(spool, 0o777)
    daemonset["spec"]["template"]["spec"]["containers"][0]["args"] += [
        "--segment-age=5", "--spool-keep=600", "--capture-buffer=8MiB"]
    made = container(lab, daemonset, {"configuration": configuration(lab, text), "spool": spool})
    made.start().wait_event("recording", 20)
    command = command_of(daemonset, "livenessProbe")
    at = command.index("healthz")
    searches, found = 0, 0
    with lab.traffic(rate=20000) as sent:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            done = subprocess.run(
                ["runc", "--root", made.state, "exec", made.name, *command[:at], "fetch", *command[at + 1:], "--here",
                 "--from", "2s ago", "-w", "-", "udp"], capture_output=True, check=False, timeout=60)
            check(done.returncode in (0, 1), "status %d: %s" % (done.returncode, done.stderr.decode()))
            searches, found = searches + 1, max(found, len(done.stdout))
    check(made.is_running(), "the pod was killed")
    tap.diagnose("%d searches, the largest of %d kB; peak %d MiB of the cgroup" % (
        searches, found // 1000, made.memory_peak() // 2**20))
    check(searches > 2 and found > 1000000, "%d searches found at most %d bytes" % (searches, found))
    equal(made.stop(60), 0, "exit status")
    lab.check_accounted(lab.objects(), sent["sent"])
    lab.check_numbers(lab.objects(), sent["sent"])


# ---- other ways to run it --------------------------------------------------------------------------


def test_the_originals_daemonset(lab):
    """Its arguments and its privileges: it keeps none of the latter but the one that it needs."""
    metadata_server(lab)
    dump = empty_dir(lab, "dump")
    made = container(lab, original.daemonset("kube-node-tracer"), {"dump": dump})
    facts = record(lab, made)
    equal(facts["Uid"].split()[0], str(ACCOUNT), "uid")
    for field in ("CapEff", "CapPrm"):
        equal(facts[field], NET_RAW, field)
    equal(os.listdir(dump), [NODE], "folders of the volume")
    check_delivered(lab)


def test_the_originals_daemonset_with_a_share(lab):
    """A volume that is root's is refused; with runAsUser 0, the spool is given to the account."""
    metadata_server(lab)
    daemonset = original.daemonset("kube-node-tracer", with_claim=True)
    dump = volume(lab, "dump", 0o755)
    made = container(lab, daemonset, {"dump": dump}).start()
    equal(made.wait(20), 78, "exit status")
    contains(made.log(), "/dump", "log")
    daemonset["spec"]["template"]["spec"]["containers"][0]["securityContext"].update(runAsUser=0, runAsGroup=0)
    check_confined(record(lab, container(lab, daemonset, {"dump": dump})), ACCOUNT)
    equal(os.stat(os.path.join(dump, NODE)).st_uid, ACCOUNT, "owner of the spool")
    check_delivered(lab)


def test_without_net_raw(lab):
    """The kernel does not start a program whose capability is out of bounds; runc says so."""
    daemonset, text = overlay("base")
    context = daemonset["spec"]["template"]["spec"]["containers"][0]["securityContext"]
    context["capabilities"] = {"drop": ["ALL"]}
    made = container(lab, daemonset, {"configuration": configuration(lab, text),
                                      "spool": empty_dir(lab, group=ACCOUNT)}).start()
    check(made.wait(20) != 0, "it started")
    contains(made.log(), "operation not permitted", "runc's message")


def test_a_spool_of_someone_else(lab):
    """Not writable for the account: a definite no, with a line that names it."""
    daemonset, text = overlay("base")
    made = container(lab, daemonset, {"configuration": configuration(lab, text),
                                      "spool": volume(lab, "spool", 0o755)}).start()
    equal(made.wait(20), 78, "exit status")
    contains(made.log(), "/dump", "log")


def bail_out(reason):
    print("Bail out! " + reason)
    sys.exit(1)


def main():
    """Build, then run this script again for the tests."""
    if not harness.is_real_root():
        bail_out("building and running an image needs root")
    for tool in ("buildah", "debootstrap", "runc", "getcap", "openssl"):
        if not harness.shutil.which(tool):
            bail_out(tool + " is not installed: tests/tools does it")
    with contextlib.ExitStack() as stack:
        os.makedirs(build.CACHE, exist_ok=True)
        if not os.environ.get("KNT_IMAGE"):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="image-", dir=build.CACHE))
            try:
                build.build(folder)
            except (build.BuildError, build.tree.TreeError) as reason:
                tap.diagnose(str(reason))
                bail_out("no image")
            os.environ["KNT_IMAGE"] = folder
        rendered = stack.enter_context(tempfile.TemporaryDirectory(prefix="knt-rendered-"))
        for folder in manifests.folders():
            with open(os.path.join(rendered, os.path.basename(folder)), "w", encoding="utf-8") as file:
                file.write(manifests.render(folder))
        os.environ["KNT_RENDERED"] = rendered
        # On a disk, where an emptyDir is: what a pod writes to a tmpfs would count as its memory.
        os.environ["KNT_DISK"] = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="disk-", dir=build.CACHE))
        os.environ["KNT_PROGRAM"] = image_folder("root/" + PROGRAM)
        sys.exit(subprocess.run([sys.executable, os.path.abspath(__file__), *sys.argv[1:]],
                                env={**os.environ, "KNT_IMAGE_BUILT": "1"}, check=False).returncode)


if __name__ == "__main__":
    if os.environ.get("KNT_IMAGE_BUILT"):
        harness.main()
    else:
        main()
