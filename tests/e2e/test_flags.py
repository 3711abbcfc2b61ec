# SPDX-License-Identifier: Apache-2.0
"""Command line and configuration as a user meets them: what works, and what is said about
mistakes."""

import json
import os
import re
import shutil
import socket
import subprocess

from daemon import program
from fake_systemd import FakeSystemd
from harness import command, main
from tap import Skip, check, contains, equal

GOOD = """
upload: { destination = "bucket"; };
capture: { interface = "veth0"; filter = "udp port 2"; };
"""


def snapshot(lab):
    """All names below the test's folder, less logs and sockets of the runs themselves."""
    found = set()
    for where, folders, names in os.walk(lab.directory):
        found |= {os.path.join(where, name) for name in folders + names
                  if not name.startswith(("log-", "notify-"))}
    return found


def refused(lab, status, parts, *arguments, config=None, environment=None):
    """Both a start and --check-config end with this status and one line that has all the parts."""
    path = lab.configure(config, "given.conf") if config is not None else None
    for action in ([], ["--check-config"]):
        lab.configure("# nothing\n", "empty.conf")
        before = snapshot(lab)
        got, output = lab.run(*arguments, *action, plain=True, config=path, environment=environment)
        what = "%s %s" % (" ".join(arguments), action)
        lines = output.strip().splitlines()
        equal(got, status, "exit status of %s: %s" % (what, output))
        equal(len(lines), 1, "lines that %s says: %s" % (what, output))
        for part in parts:
            contains(lines[0], part, what)
        equal(snapshot(lab), before, "files after " + what)


def test_original_daemonset_arguments(lab):
    """-N X -b Y -C 100 -W 100, and no more: the interface is that of the default route."""
    lab.link(0)
    lab.link(1, address=True)
    command("ip", "route", "add", "default", "via", "10.99.1.2")
    lab.bucket()
    daemon = lab.daemon("-N", "X", "-b", "bucket-y", "-C", "100", "-W", "100",
                        plain=True).start_ready()
    lab.send(500, stream=1, index=0)
    lab.send(1000, stream=2, index=1)
    equal(daemon.stop(), 0, "exit status")
    objects = lab.objects()
    equal({each.metadata["interface"] for each in objects}, {"veth1"}, "interface")
    equal({each.resource["bucket"] for each in objects}, {"bucket-y"}, "bucket")
    lab.check_numbers(objects, 1000, stream=2)


def test_long_node_names(lab):
    """As long as Kubernetes has them: files and objects have a part that is nobody else's, the metadata all."""
    lab.link()
    lab.bucket()
    names, seen = ["n" * 252 + last for last in "ab"], set()
    for node in names:
        daemon = lab.daemon("-N", node).start_ready()
        lab.send(10)
        equal(daemon.stop(), 0, "exit status")
    for each in lab.objects():
        folder, name = each.name.split("/")
        check(re.fullmatch(r"n{119}-[0-9a-f]{8}", folder), "folder " + folder)
        check(name.startswith(folder + "_"), "file " + name)
        seen.add((each.metadata["node"], folder))
    equal(sorted(node for node, _ in seen), names, "names in the metadata")
    equal(len({folder for _, folder in seen}), 2, "folders")


def test_auto_without_a_default_route(lab):
    lab.link(0)
    lab.bucket()
    daemon = lab.daemon("-N", "x", "-b", "bucket", plain=True).start_ready()
    lab.send(10)
    equal(daemon.stop(), 0, "exit status")
    equal({each.metadata["interface"] for each in lab.objects()}, {"veth0"}, "interface")


def run_words(*words):
    """With nothing in front of a command's word."""
    done = subprocess.run([program(), *words], capture_output=True, text=True, check=False, timeout=20)
    return done.returncode, done.stdout + done.stderr


def test_help_and_version(lab):
    status, output = lab.run("--help", plain=True)
    equal(status, 0, "exit status of --help")
    for part in ("-b", "--upload-destination", "--capture-snaplen", "--check-config"):
        contains(output, part, "--help")
    check(max(map(len, output.splitlines())) <= 80, "--help is wider than 80 columns")
    check(output.index("Commands") < output.index("--upload-destination"), "commands come first: " + output)
    status, short = lab.run("-h", plain=True)
    equal(status, 0, "exit status of -h")
    for part in ("-b", "-N", "-i", "-f", "-s", "-B", "-C", "-W", "-G", "-c", "-o", "status", "--help"):
        contains(short, part, "-h")
    check(len(short.splitlines()) <= 40, "-h is longer than 40 lines: " + short)
    equal(run_words("help"), (0, short), "the command help")
    status, output = run_words("help", "status")
    equal(status, 0, "exit status of help status")
    contains(output, "--json", "help status")
    equal(run_words("status", "--help"), (0, output), "status --help")
    status, output = run_words("help", "statu")
    equal(status, 64, "exit status of help of no command")
    contains(output, "'statu' is not a command; commands are run, ", "help of no command")
    equal([run_words(word) for word in ("version", "-V")], [run_words("--version")] * 2, "version")
    status, output = lab.run("--version", plain=True)
    equal(status, 0, "exit status of --version")
    contains(output, "kube-node-tracer ", "--version")


def test_print_config(lab):
    path = lab.configure(GOOD, "given.conf")
    status, output = lab.run("-s", "128", "--print-config", plain=True, config=path,
                             environment={"NODE_NAME": "from-environment"})
    equal(status, 0, "exit status: " + output)
    for value, origin in (("udp port 2", "given.conf:3"), ("from-environment", "$NODE_NAME"),
                          ("128", "-s"), ("100", "default")):
        check(any(value in line and origin in line for line in output.splitlines()),
              "%s from %s in: %s" % (value, origin, output))
    # What it prints is a configuration file that says the same.
    again = lab.configure(output, "printed.conf")
    status, _ = lab.run("--print-config", plain=True, config=again)
    equal(status, 0, "exit status with the printed file")


def test_check_config(lab):
    lab.link()
    lab.bucket()
    path = lab.configure(GOOD, "given.conf")
    lab.configure("# nothing\n", "empty.conf")
    before = snapshot(lab)
    status, output = lab.run("-N", "x", "--check-config", plain=True, config=path)
    equal(status, 0, "exit status: " + output)
    contains(output, "notice: configuration is valid\n", "output")
    contains(output, " total=\"", "output")
    # Two at a reload; no more interfaces than are named.
    contains(output, "interfaces=1 kernel_buffers=\"2.0 MB\" chunks=\"25.2 MB\"", "output")
    contains(output, " indexes=\"33", "output")
    status, output = lab.run("-N", "x", "--segment-index", "false", "--check-config", plain=True, config=path)
    check(" indexes=" not in output, "memory for indexes that nobody asked for: " + output)
    equal(snapshot(lab), before, "files")
    equal(lab.gcs.names(), [], "objects")


def test_tunnels_that_are_cut_too_short(lab):
    """Of packets in them, TCP flags stand behind byte 96: said by the check and by status, with the remedy."""
    lab.link()
    lab.bucket()
    path = lab.configure(GOOD, "given.conf")
    check_it = ["-N", "x", "--check-config"]
    check("tunnel" not in lab.run(*check_it, plain=True, config=path)[1], "a tunnel where there is none")
    command("ip", "link", "add", "flannel.1", "type", "vxlan", "id", "1", "dstport", "8472", "dev", "veth0")
    check("tunnel" not in lab.run(*check_it, plain=True, config=path)[1], "one that is down")
    command("ip", "link", "set", "flannel.1", "up")
    status, output = lab.run(*check_it, plain=True, config=path)
    equal(status, 0, "exit status: " + output)
    contains(output, "tunnel=flannel.1 snaplen=96 needed=168", "output")
    check("tunnel" not in lab.run(*check_it, "-s", "168", plain=True, config=path)[1], "bytes enough")
    daemon = lab.daemon().start_ready()
    contains(command(program(), "status", "-o", lab.spool),
             "in the tunnel flannel.1, headers are cut off: capture.snaplen = 168", "status")
    told = json.loads(command(program(), "status", "--json", "-o", lab.spool))
    equal(told["tunnel_cut_short"], "flannel.1", "as JSON")
    daemon.stop()


def test_check_config_offline(lab):
    """Without network, rights, or the node's interfaces and spool, as where an image is built: all the rest."""
    def check_offline(text, *flags):
        path = lab.configure(text + "\n", "offline.conf")
        done = subprocess.run(["unshare", "-Un", program(), "check-config", "--offline", "--config", path, *flags],
                              capture_output=True, text=True, check=False, env={"NODE_NAME": "n"})
        return done.returncode, done.stderr

    good = 'upload: { destination = "bucket"; };\ncapture: { interface = "eth7,gke*"; filter = "%s"; };\n'
    status, said = check_offline(good % "tcp port 53" + 'spool: { directory = "/none/spool"; };')
    equal(status, 0, "exit status: " + said)
    contains(said, "not checked: interfaces", "what it did not check")
    for text, part in ((good.replace("bucket", "My_Bucket") % "", "My_Bucket"), (good % "tcp prot 53", "capture.filter"),
                       (good % "" + 'status: { listen = "foo"; };', "status.listen"),
                       (good.replace("bucket", "file://relative") % "", "not an absolute path"),
                       (good % "" + 'gcs: { credentials = "/none/key.json"; };', "key.json")):
        status, said = check_offline(text)
        equal(status, 78, "exit status: " + said)
        contains(said, part, "what is wrong")


def test_memory_at_the_start(lab):
    """Nobody runs --check-config in a pod: the start says that rings and interfaces do not fit, too."""
    lab.link()
    lab.bucket()
    quarter = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 128 // 4
    daemon = lab.daemon("-i", "veth*", "--capture-max-interfaces", "128", "-B", "%dB" % (3 * quarter)).start_ready()
    daemon.wait_event("memory-short", interfaces=128)
    equal(daemon.stop(), 0, "exit status")
    daemon = lab.daemon("-i", "veth*", "--capture-max-interfaces", "128", "-B", "%dB" % quarter).start_ready()
    equal(daemon.stop(), 0, "exit status")
    equal(daemon.events("memory-short"), [], "warnings where it fits")


def test_mistakes_on_the_command_line(lab):
    lab.link()
    lab.bucket()
    usual = ["-N", "x", "-b", "bucket", "-i", "veth0"]
    for parts, arguments in (
            (["--no-such-flag"], [*usual, "--no-such-flag"]),
            (["-Z"], [*usual, "-Z"]),
            (["-C"], [*usual, "-C"]),
            (["-s", "262145"], [*usual, "-s", "262145"]),
            (["-G", "soon"], [*usual, "-G", "soon"]),
            (["-C", "0"], [*usual, "-C", "0"]),
            (["-C", "1X"], [*usual, "-C", "1X"]),
            (["-W", "-1"], [*usual, "-W", "-1"]),
            (["-c", "rar"], [*usual, "-c", "rar"]),
            (["-c", "zstd", "99"], [*usual, "-c", "zstd:99"]),
            (["-b", "UPPER_case"], ["-N", "x", "-i", "veth0", "-b", "UPPER_case"]),
            (["-b", "ftp://"], ["-N", "x", "-i", "veth0", "-b", "ftp://host/x"]),
            (["-i", "a/b"], ["-N", "x", "-b", "bucket", "-i", "a/b"]),
            (["-i", "!lo"], ["-N", "x", "-b", "bucket", "-i", "!lo"]),
            (["-i", "lo,!lo"], ["-N", "x", "-b", "bucket", "-i", "lo", "-i", "!lo"]),
            (["-b", "is the spool"], [*usual, "-b", "file://" + lab.spool]),
            (["-f", "udp prt 3"], ["-N", "x", "-b", "bucket", "-i", "later*", "-f", "udp prt 3"]),
            (["-f", "udp prt 3"], [*usual, "-f", "udp prt 3"]),
            (["twice"], [*usual, "-f", "udp", "tcp"]),
            (["-N"], ["-b", "bucket", "-i", "veth0", "-N", "a/b"]),
            (["--log-level", "loud"], [*usual, "--log-level", "loud"])):
        refused(lab, 64, parts, *arguments)


def test_mistakes_in_the_file(lab):
    lab.link()
    lab.bucket()
    usual = ["-N", "x"]
    for parts, text in (
            (["given.conf:4", "capture.snaplem"],
             "upload: { destination = \"bucket\"; };\ncapture:\n{\n  snaplem = 5;\n};\n"),
            (["given.conf:1", "captur"], "captur: { snaplen = 5; };\n"),
            (["given.conf:2", "capture.snaplen"], "capture: {\n snaplen = \"many\"; };\n"),
            (["given.conf:1", "capture.snaplen", "262144"], "capture: { snaplen = 262145; };\n"),
            (["given.conf:1", "capture.promiscuous"], "capture: { promiscuous = 3; };\n"),
            (["given.conf:2"], "capture: { snaplen = 5; };\n}\n"),
            (["given.conf:3", "filter", "udp prt 3"],
             "upload: { destination = \"bucket\"; };\n\ncapture: { interface = \"veth0\"; "
             "filter = \"udp prt 3\"; };\n"),
            (["given.conf:2", "eth/0"],
             "upload: { destination = \"bucket\"; };\ncapture: { interface = \"eth/0\"; };\n"),
            (["given.conf:1", "Bucket"], "upload: { destination = \"Bucket\"; };\n"
             "capture: { interface = \"veth0\"; };\n"),
            (["given.conf:2", "ca_file"],
             "capture: { interface = \"veth0\"; };\nupload: { destination = "
             "\"bucket\"; ca_file = \"/nowhere/ca.pem\"; };\n")):
        refused(lab, 78, parts, *usual, config=text)


def test_has_destination(lab):
    """What the unit asks: 1 where none is named; 0 where the start is to say what is wrong."""
    for text, expected in (("# upload: { destination = \"b\"; };", 1), ("upload: { destination\n = \"b\"; };", 0),
                           ("// destination = \"x\"", 1), ("upload: {", 0)):
        done = subprocess.run([program(), "has-destination", "--config", lab.configure(text + "\n")], capture_output=True,
                              text=True, check=False, env={"NODE_NAME": "n"})
        equal(done.returncode, expected, "exit status for %r: %s" % (text, done.stderr))
        check(expected == 0 or "no destination is configured" in done.stderr, "it is not said: " + done.stderr)


def test_destination_that_cannot_be_written(lab):
    """78 of --check-config; a start records and says so."""
    lab.link()
    path = lab.directory + "/file"
    with open(path, "w", encoding="ascii"):
        pass
    status, log = lab.run("-b", "file://" + path, "--check-config")
    equal(status, 78, "exit status of --check-config: " + log)
    contains(log, path, "log")
    daemon = lab.daemon("-b", "file://" + path).start_ready()
    daemon.wait_event("destination-refused", reason=".*%s is not a folder.*" % path)
    equal(daemon.stop(), 0, "exit status")


def test_read_only_destination(lab):
    """As the unit's sandbox makes it: the error has the line that mends it."""
    lab.link()
    if not lab.is_mounted:
        raise Skip("no mount namespace")
    folder = lab.directory + "/captures"
    os.mkdir(folder)
    command("mount", "-t", "tmpfs", "-o", "ro", "knt-e2e", folder)
    try:
        status, log = lab.run("-b", "file://" + folder, "--check-config")
        equal(status, 78, "exit status of --check-config: " + log)
        contains(log, "systemctl edit kube-node-tracer, and add [Service] ReadWritePaths=" + folder, "the remedy")
        daemon = lab.daemon("-b", "file://" + folder).start_ready()
        daemon.wait_event("destination-refused", reason=".*ReadWritePaths=%s.*" % folder)
        equal(daemon.stop(), 0, "exit status")
    finally:
        command("umount", "-l", folder)


def test_check_config_asks_for_the_sandbox(lab):
    """By hand the folder can be written to, and by the unit it cannot: the check says so."""
    lab.link()
    if not lab.is_mounted:
        raise Skip("no mount namespace")
    folder, etc, bus = (os.path.join(lab.directory, name) for name in ("captures", "etc", "bus"))
    for path in (folder, etc):
        os.mkdir(path)
    for name in ("passwd", "group"):
        shutil.copy("/etc/" + name, etc)
    with open(etc + "/kube-node-tracer.conf", "w", encoding="ascii") as file:
        file.write('upload: { destination = "file://%s"; };\n' % folder)
    systemd = FakeSystemd(bus)

    def check_config(protect, *paths, bound=()):
        systemd.properties = {"ProtectSystem": protect, "ReadWritePaths": list(paths),
                              "BindPaths": tuple(("/elsewhere", path) for path in bound)} if protect else None
        done = subprocess.run([program(), "--check-config", "-N", "n", "-i", "veth0", "-o", lab.spool, "--daemon-user",
                               "root"], capture_output=True, text=True, check=False,
                              env={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=" + bus, "INVOCATION_ID": "of another unit"})
        return done.returncode, done.stderr

    command("mount", "--bind", etc, "/etc")
    command("mount", "-t", "tmpfs", "knt-e2e", "/run")
    try:
        status, said = check_config("strict")
        equal(status, 0, "exit status without systemd: " + said)
        os.makedirs("/run/systemd/system")
        for paths in ((), ("/var/tmp", folder + "x"), (folder + "/below",)):
            status, said = check_config("strict", *paths)
            equal(status, 78, "exit status with %r: %s" % (paths, said))
            contains(said, "kube-node-tracer.conf:1: upload.destination", "where")
            contains(said, "systemctl edit kube-node-tracer, and add [Service] ReadWritePaths=" + folder, "the remedy")
        for paths in (("/var/tmp", "-" + folder), (lab.directory + "/",), ("+/",)):
            status, said = check_config("strict", *paths)
            equal((status, "sandbox" in said), (0, False), "exit status with %r: %s" % (paths, said))
        for bound, expected in ((("/srv", folder), 0), (("/srv", folder + "/below"), 78)):
            equal(check_config("strict", bound=bound)[0], expected, "exit status with BindPaths= %r" % (bound,))
        status, said = check_config("full")
        equal((status, "sandbox" in said), (0, False), "exit status of a unit that is open: " + said)
        status, said = check_config(None)
        equal(status, 0, "exit status: " + said)
        contains(said, "not checked: whether the service's sandbox", "what it did not check")
    finally:
        command("umount", "-l", "/run")
        command("umount", "-l", "/etc")
        systemd.close()


def test_a_journal_that_is_not_there(lab):
    """In a container, with a node's configuration: nothing is lost, and it is said once."""
    lab.link()
    lab.bucket()
    is_covered = os.path.isdir("/run/systemd")
    if is_covered and not lab.is_mounted:
        raise Skip("no mount namespace")
    if is_covered:
        command("mount", "-t", "tmpfs", "knt-e2e", "/run/systemd")
    text = 'log: { format = "journal"; };\n'
    made = lab.daemon("-G", "0", config=lab.configure(text, "journal.conf"), log_format=None).start_ready()
    made.reload()
    equal(made.stop(), 0, "exit status")
    contains(made.log(), "notice: stopped packets=0", "log")
    equal(made.log().count("warning: journal not available; logging to standard error"), 1, "how often it is said")
    if is_covered:
        command("umount", "/run/systemd")


def test_missing_file(lab):
    status, output = lab.run("-b", "bucket", plain=True, config=lab.directory + "/nowhere.conf")
    check(status in (64, 78), "exit status %d" % status)
    contains(output, "nowhere.conf", "message")


def test_no_destination(lab):
    lab.link()
    status, output = lab.run("-N", "x", "-i", "veth0", plain=True)
    check(status in (64, 78), "exit status %d" % status)
    contains(output, "upload.destination", "message")
    equal(len(output.strip().splitlines()), 1, "lines")


def test_unwritable_spool(lab):
    lab.link()
    lab.bucket()
    with open(os.path.join(lab.directory, "file"), "w", encoding="ascii"):
        pass
    read_only = os.path.join(lab.directory, "read-only")
    os.mkdir(read_only)
    command("mount", "-t", "tmpfs", "-o", "ro", "knt-e2e", read_only)
    for directory in (lab.directory + "/file", lab.directory + "/file/spool", read_only + "/spool"):
        refused(lab, 64, ["-o", lab.directory], "-N", "x", "-b", "bucket", "-i", "veth0", "-o",
                directory)
    command("umount", read_only)


def test_bad_key_files(lab):
    """Of the credentials; the program would talk to the real service with them."""
    lab.link()
    for name, text in (("empty", ""), ("not-json", "hello"), ("no-type", "{}"),
                       ("odd-type", '{"type": "gdch_service_account"}'),
                       ("no-key", '{"type": "service_account", "client_email": "a@b"}'),
                       ("bad-key",
                        '{"type": "service_account", "client_email": "a@b", "token_uri": '
                        '"https://oauth2.googleapis.com/token", "private_key_id": "1", '
                        '"private_key": "-----BEGIN PRIVATE KEY-----\\nAAAA\\n'
                        '-----END PRIVATE KEY-----\\n"}')):
        path = lab.configure(text, name + ".json")
        os.chmod(path, 0o600)  # a loose mode would be said, too
        usual = ["-N", "x", "-b", "bucket", "-i", "veth0"]
        refused(lab, 64, [path], *usual, "--gcs-credentials", path)
        refused(lab, 78, [path], *usual, environment={"GOOGLE_APPLICATION_CREDENTIALS": path})
    refused(lab, 78, ["/nowhere.json"], "-N", "x", "-b", "bucket", "-i", "veth0",
            environment={"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere.json"})


def test_two_processes_on_one_spool(lab):
    lab.link()
    lab.bucket()
    first = lab.daemon("-G", "0").start_ready()
    lab.send(100)
    status, output = lab.run("-G", "0")
    check(status not in (0, None), "the second one started")
    contains(output, lab.spool, "message")
    lab.send(100, first=100)
    equal(first.stop(), 0, "exit status of the first")
    lab.check_numbers(lab.objects(), 200)


def test_what_a_start_would_run_into(lab):
    """A start goes on all the same: --check-config warns, and says so."""
    lab.link()
    lab.bucket()

    def doubts(*flags):
        status, output = lab.run("--check-config", *flags)
        equal(status, 0, "exit status: " + output)
        contains(output, "configuration is valid", "output")
        return [line for line in output.splitlines() if "warning" in line]

    equal(doubts(), [], "warnings of a good configuration")
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = "127.0.0.1:%d" % other.getsockname()[1]
        for address, reason in ((taken, "in use"), ("192.0.2.1:9469", "assign")):
            lines = doubts("--status-listen", address)
            equal(len(lines), 1, "warnings: %r" % lines)
            contains(lines[0], address, "warning")
            contains(lines[0], reason, "warning")
        equal(doubts("--status-listen", ""), [], "warnings without an address")
    lines = doubts("-i", "veth*", "-B", "2000000", "--capture-max-interfaces", "128")
    contains("".join(lines), "packets may take more memory than there is", "warning of the memory")
    full = os.path.join(lab.directory, "full")
    os.mkdir(full)
    command("mount", "-t", "tmpfs", "-o", "size=1m", "knt-e2e", full)
    with open(full + "/filler", "wb") as file:
        file.write(bytes(1020 << 10))
    lines = doubts("-o", full + "/spool")
    contains("".join(lines), "option=spool.min_free", "warning of a full file system")
    command("umount", full)
    daemon = lab.daemon("-G", "0").start_ready()
    lines = doubts()
    equal(len(lines), 1, "warnings beside one that runs: %r" % lines)
    contains(lines[0], lab.spool, "warning")
    equal(daemon.stop(), 0, "exit status")


if __name__ == "__main__":
    main()
