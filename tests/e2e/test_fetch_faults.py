#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""find and fetch where things go wrong: each run ends as it should, and one object never spoils the rest."""

import gzip
import os
import pty
import shutil
import signal
import subprocess
import time

import fleet
import index_reader  # beside the folder that fleet is in
import tap
from fleet import BUCKET, PATIENCE_S, START, minutes, packets_of, stamp
from tap import Skip, check, contains, equal, wait_until

WINDOW = minutes(0, 3)
FILTER = "net 10.0.0.0/8"


def make(lab, nodes=3, objects=3, each=200, *words):
    lab.make(nodes, objects, each, "plain", *words)
    return lab.serve()


def lost_names(gcs, *statuses):
    """Of which an object could not be read."""
    return {each["name"] for each in gcs.requests if each["kind"] == "media" and each["status"] in statuses}


def without(lab, wanted, names):
    """What is wanted of other files than these, which are of one node and interface, and end before the next begin."""
    for name in names:
        own = fleet.pcap_records(gzip.decompress(lab.content(name)))
        wanted = [each for each in wanted if each not in set(own)]
    return wanted


# -- the bucket ------------------------------------------------------------------------------------

def test_what_passes_is_asked_again(lab):
    gcs = make(lab)
    # Not one after the other, of one request: each time it is waited for longer.
    for number, fault in enumerate(({"status": 503}, {"status": 429, "retry_after": 1}, {"status": 500},
                                    {"close": "before"}, {"reset": "before"}, {"reply": "half"},
                                    {"reply": "garbage"})):
        gcs.fault("list", after=number % 3, **fault)
        gcs.fault("media", after=2 * number, **fault)
    gcs.fault("media", after=2, times=2, cut=100)
    said = lab.check_fetches(WINDOW, FILTER)
    contains(said, "coverage: 3 of 3 nodes complete", "coverage")


def test_a_listing_in_disorder(lab):
    """No such server is asked again: behind the last name that it told may be some that it will never tell."""
    gcs = make(lab)
    gcs.fault("list", times=0, disorder=True)
    said = lab.search("find", WINDOW, FILTER, status=78).stderr.decode()
    contains(said, "not in the order of their names", "the reason")
    gcs.clear_faults()


def test_what_is_gone(lab):
    """Deleted or replaced between the listing and the reading, at the beginning and later."""
    gcs = make(lab)
    for after, how in ((0, {"gone": True}), (5, {"gone": True}), (15, {"gone": True}), (17, {"replaced": b"other"})):
        gcs.fault("media", after=after, **how)
    wanted = lab.expected(WINDOW, FILTER)
    found, said = lab.fetch(WINDOW, "-j", "2", FILTER)
    names = lost_names(gcs, 404, 412)
    equal(len(names), 4, "objects that are gone")
    check(set(found) <= set(wanted) and set(without(lab, wanted, names)) <= set(found), "packets of the others")
    equal(said.count(" lost ("), 4, "lines of coverage: " + said)
    for name in names:
        contains(said, "%s is gone, deleted or replaced since it was listed" % name, "the reason")
    for name in names:
        gcs.put(BUCKET, name, lab.content(name), metadata=lab.facts[name])
    lab.check_fetches(WINDOW, FILTER)
    gcs.fault("media", gone=True)
    lab.fetch(WINDOW, "--strict", FILTER, status=2)


def test_bytes_that_differ(lab):
    """Somewhere a bit was changed. A checksum notices, and no packet that never was is in the result."""
    gcs = make(lab, 2, 2, 300, "fill=300", "members=4")
    window = minutes(0, 2)
    wanted = lab.expected(window, FILTER)
    name = lab.names("node-01", "eth0")[0]
    content = lab.content(name)
    others = set(without(lab, wanted, [name]))
    for _ in range(8):
        changed = bytearray(content)
        changed[lab.random.randrange(200, index_reader.Index(content).data_bytes)] ^= 1 << lab.random.randrange(8)
        gcs.put(BUCKET, name, bytes(changed), metadata=lab.facts[name])
        found, said = lab.fetch(window, FILTER)
        check(set(found) <= set(wanted), "%d packets that were never sent" % len(set(found) - set(wanted)))
        check(others <= set(found), "packets of other objects")
        check(len(found) == len(wanted) or " lost (" in said, "%d of %d packets: %s" % (
            len(found), len(wanted), said))


def test_an_index_that_differs(lab):
    """Without its index a file is read whole."""
    gcs = make(lab, 2, 3, 200)
    gcs.fault("media", times=3, flip=3000)
    contains(lab.check_fetches(WINDOW, FILTER), "coverage: 2 of 2 nodes complete", "coverage")
    gcs.fault("media", times=20, flip=3000)
    lab.find(WINDOW, "-j", "1", FILTER)
    gcs.clear_faults()


def test_a_server_without_ranges(lab):
    """It answers 200 with everything. Nothing can be read so; it is said of each, and no memory is filled."""
    gcs = make(lab, 2, 3, 200)
    gcs.fault("media", times=0, no_ranges=True)
    found, said = lab.fetch(WINDOW, FILTER, status=1)
    equal(found, [], "packets")
    contains(said, "gives no ranges", "the reason")
    contains(said, "coverage: 0 of 2 nodes complete", "coverage")
    gcs.clear_faults()


def test_objects_of_others(lab):
    """Whatever has a name of ours: empty, noise, a bomb, another capture. The rest is found all the same."""
    gcs = make(lab, 2, 3, 200)
    middle = "node-01/node-01_20261123T1401%02d.000Z_eth0_%08d.pcap.gz"
    bomb = gzip.compress(gzip.compress(bytes(200 << 20)))
    for number, content in enumerate((b"", b"x", os.urandom(50000), b"KNTINDEX" * 40, bomb, gzip.compress(b""),
                                      gzip.compress(b"\x0a\x0d\x0d\x0a" + b"\xff" * 100))):
        gcs.put(BUCKET, middle % (number, 9000 + number), content)
    gcs.put(BUCKET, "node-01/notes.txt", b"hello")
    gcs.put(BUCKET, "node-01/node-01_x_eth0_1.pcap.gz", b"hello")
    said = lab.check_fetches(WINDOW, FILTER)
    check(said.count(" lost (") >= 3, "lines: " + said)


def test_no_bucket(lab):
    """Wrong is 78, at once; silent is 69, after half a minute of asking."""
    gcs = make(lab, 1, 1, 50)
    started = []
    for is_there in (False, True):
        server = fleet.FakeGcs(lab.path("other")).start()
        server.fault("list", times=0, status=503)
        started.append((server, subprocess.Popen(
            lab.command("find", WINDOW, FILTER), stderr=subprocess.PIPE, stdout=subprocess.PIPE,
            env=lab.environment(STORAGE_EMULATOR_HOST=server.url))))
        if not is_there:
            server.stop()
    gcs.buckets = {"another"}
    said = lab.search("find", WINDOW, FILTER, status=78).stderr.decode()
    contains(said, "bucket", "the reason")
    gcs.buckets = None
    gcs.permissions = fleet.EVERYTHING - {"storage.objects.list"}
    said = lab.search("find", WINDOW, FILTER, status=78).stderr.decode()
    contains(said, "storage.objects.list", "the right")
    contains(said, "roles/storage.objectViewer", "the role")
    gcs.permissions = fleet.EVERYTHING - {"storage.objects.get"}
    said = lab.search("find", WINDOW, FILTER, status=78).stderr.decode()
    contains(said, "storage.objects.get", "the right")
    contains(said, "roles/storage.objectViewer", "the role")
    lab.run("find", "-b", "file:///no/such/folder", "--from", "10m ago", status=78)
    for server, process in started:
        _, said = process.communicate(timeout=PATIENCE_S)
        equal(process.returncode, 69, "status: " + said.decode())
        check(said.decode().strip().splitlines()[2:], "no reason: " + said.decode())
        server.stop()


def test_foreign_prefix(lab):
    """A bucket of something else is not paged through to its end."""
    gcs = lab.serve()
    for number in range(3000):
        gcs.put(BUCKET, "photo-%05d.jpg" % number, b"")
    gcs.page_max = 100
    said = lab.search("find", WINDOW, FILTER, status=1).stderr.decode()
    contains(said, "coverage: 0 of 0", "coverage")
    check(gcs.count("list") < 60, "%d requests" % gcs.count("list"))


# -- the output ------------------------------------------------------------------------------------

def on_small_disk(lab, size, *words, status):
    """Run fetch where the folder `small` has so much room; what is in it afterwards goes to `kept`."""
    small, kept = lab.path("small"), lab.path("kept")
    os.makedirs(small, exist_ok=True)
    shutil.rmtree(kept, ignore_errors=True)
    script = 'mount -t tmpfs -o size=%s small "%s" || exit 99; "$@"; s=$?; cp -r "%s" "%s"; exit $s' % (
        size, small, small, kept)
    for how in (["unshare", "-m"], ["unshare", "-Urm"]):
        done = subprocess.run([*how, "sh", "-c", script, "sh", *lab.command("fetch", WINDOW, *words)], check=False,
                              capture_output=True, timeout=PATIENCE_S, env=lab.environment())
        if done.returncode not in (1, 99) or done.returncode == status:
            equal(done.returncode, status, "status: " + done.stderr.decode())
            return done.stderr.decode(), kept
    raise Skip("no mount namespace can be made here")


def test_full_disk(lab):
    make(lab, 3, 3, 600, "fill=300")
    wanted = lab.expected(WINDOW, FILTER)
    said, kept = on_small_disk(lab, "1m", "-w", lab.path("small/x.pcapng"), FILTER, status=74)
    contains(said, "No space left on device", "the reason")
    equal(os.listdir(kept), ["x.pcapng.part"], "files")
    found = packets_of(os.path.join(kept, "x.pcapng.part"))
    check(len(found) > 100, "%d packets" % len(found))
    lab.check_found(found, sorted(wanted)[:len(found)], "the beginning")
    # A cache there is no room for does no harm.
    on_small_disk(lab, "100k", "--cache", lab.path("small/cache"), "-w", lab.path("y.pcapng"), FILTER, status=0)
    lab.check_found(packets_of(lab.path("y.pcapng")), wanted, "without room for a cache")


def test_no_output(lab):
    """Said before anything is read."""
    gcs = make(lab, 1, 1, 50)
    os.makedirs(lab.path("folder"), exist_ok=True)
    for path, status in ((lab.path("folder"), 64), (lab.path("no/such/file"), 74)):
        lab.search("fetch", WINDOW, "-w", path, FILTER, status=status)
    main, other = pty.openpty()
    done = subprocess.run(lab.command("fetch", WINDOW, "-w", "-", FILTER), stdout=other, stderr=subprocess.PIPE,
                          env=lab.environment(), timeout=60, check=False)
    os.close(main)
    os.close(other)
    equal(done.returncode, 64, "packets for a terminal: " + done.stderr.decode())
    contains(done.stderr.decode(), "without -t", "the way out")
    equal(gcs.requests, [], "requests")


def test_closed_pipe(lab):
    """Whoever reads has seen enough: quietly, and at once."""
    make(lab, 3, 3, 600, "fill=300")
    with subprocess.Popen(lab.command("fetch", WINDOW, "-q", "-w", "-", FILTER), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=lab.environment()) as fetch:
        fetch.stdout.read(1000)
        fetch.stdout.close()
        said = fetch.stderr.read().decode()
        equal(fetch.wait(60), 74, "status")
    equal(said, "", "what is said")
    with subprocess.Popen(["sh", "-c", '"$@" | head -n 1', "sh", *lab.command("find", WINDOW, FILTER)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=lab.environment()) as find:
        check(find.stdout.read().startswith(b"NODE"), "the first line")
        check(b"roken" not in find.stderr.read(), "words about a pipe")


def test_a_full_device(lab):
    make(lab, 1, 1, 50)
    said = lab.search("fetch", WINDOW, "-w", "/dev/full", FILTER, status=74).stderr.decode()
    contains(said, "/dev/full", "the reason")
    lab.search("fetch", WINDOW, "-w", "/dev/null", FILTER)
    with open("/dev/full", "wb") as full:
        done = subprocess.run(lab.command("find", WINDOW, FILTER), stdout=full, stderr=subprocess.PIPE, check=False,
                              env=lab.environment(), timeout=60)
    equal(done.returncode, 74, "find: " + done.stderr.decode())


def test_limit(lab):
    """Nothing is read, nothing is written."""
    gcs = make(lab)
    dry = lab.search("fetch", WINDOW, "--dry-run", FILTER).stderr.decode()
    check(not os.path.exists(lab.path("result.pcapng")), "a file of a dry run")
    plan = lab.find_json(WINDOW, FILTER)["plan"]
    before = gcs.count("media")
    lab.search("fetch", WINDOW, "--limit", str(plan["bytes"]), "-w", lab.path("x"), FILTER)
    said = lab.search("fetch", WINDOW, "--limit", str(plan["bytes"] - 1), "-w", lab.path("y"), FILTER,
                      status=2).stderr.decode()
    contains(said, "--limit", "the reason")
    contains(dry, "plan: ", "the plan")
    check(not os.path.exists(lab.path("y")) and not os.path.exists(lab.path("y.part")), "a file")
    check(gcs.count("media") > before, "media")


# -- signals ---------------------------------------------------------------------------------------

def interrupted(lab, gcs, is_reached, *words, number=signal.SIGINT):
    """Start, wait until is_reached(), and send the signal. Returns the status, how long it took, what was said."""
    with subprocess.Popen(lab.command("fetch", WINDOW, *words, FILTER), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=lab.environment()) as fetch:
        gcs.wait_for(is_reached, PATIENCE_S, "the moment")
        begin = time.monotonic()
        fetch.send_signal(number)
        said = fetch.communicate(timeout=PATIENCE_S)[1].decode()
        return fetch.returncode, time.monotonic() - begin, said


def test_interrupt(lab):
    """While it lists, plans and reads: 130, soon; what was written are whole blocks, from the beginning on."""
    gcs = make(lab, 3, 3, 600, "fill=300")
    wanted = sorted(lab.expected(WINDOW, FILTER))
    output = ["-w", lab.path("x.pcapng"), "-j", "1"]
    lab.search("fetch", WINDOW, *output, FILTER)
    os.unlink(lab.path("x.pcapng"))
    count = gcs.count("media")
    for kind, after in (("list", 1), ("media", 3), ("media", count - 2)):
        for number in (signal.SIGINT, signal.SIGTERM):
            before, asked = len(gcs.requests), gcs.count(kind)
            gcs.fault(kind, after=after, times=0, delay=60)
            status, took, said = interrupted(lab, gcs, lambda asked=asked, kind=kind, after=after:
                                             gcs.count(kind) >= asked + after, *output, number=number)
            equal(status, 130, "status: " + said)
            check(took < 5, "%s: it took %.1f s" % (kind, took))
            check("rror" not in said, said)
            check(len(gcs.requests) >= before, "requests")
            gcs.clear_faults()
    check(not os.path.exists(lab.path("x.pcapng")), "a file that is complete")
    found = packets_of(lab.path("x.pcapng.part"))
    check(len(found) > 100, "%d packets" % len(found))
    lab.check_found(found, wanted[:len(found)], "the beginning")
    gcs.clear_faults()
    lab.search("fetch", WINDOW, *output, FILTER)
    check(not os.path.exists(lab.path("x.pcapng.part")), "what the broken run had left")


def test_interrupt_while_a_pipe_is_full(lab):
    """Nobody reads it: the second Ctrl-C ends that, at the latest."""
    gcs = make(lab, 3, 3, 600, "fill=300")
    with subprocess.Popen(lab.command("fetch", WINDOW, "-w", "-", FILTER), stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, env=lab.environment()) as fetch:
        gcs.wait_for(lambda: gcs.count("media") > 20, PATIENCE_S, "media")
        time.sleep(0.3)
        fetch.send_signal(signal.SIGINT)
        time.sleep(0.3)
        fetch.send_signal(signal.SIGINT)
        check(fetch.wait(10) in (130, -signal.SIGINT), "status")


# -- the cache -------------------------------------------------------------------------------------

def test_cache(lab):
    """What was read is not read again, also of a run that was broken off; what is damaged is."""
    gcs = make(lab)
    cache = lab.path("cache")
    first, said = lab.fetch_json(WINDOW, "--cache", cache, FILTER)
    check(said["read"]["bytes"] > 0 and said["read"]["cached_bytes"] == 0, "the first run: %r" % said["read"])
    media = gcs.count("media")
    second, again = lab.fetch_json(WINDOW, "--cache", cache, FILTER)
    equal((again["read"]["bytes"], again["read"]["cached_bytes"]), (0, said["read"]["bytes"]), "the second run")
    equal((second, gcs.count("media")), (first, media), "the same packets, without media")
    for name in os.listdir(cache):
        equal(os.stat(os.path.join(cache, name)).st_mode & 0o77, 0, "others may read " + name)
    for name in sorted(os.listdir(cache))[::3]:
        path = os.path.join(cache, name)
        with open(path, "r+b") as file:
            size = os.path.getsize(path)
            file.seek(lab.random.randrange(size))
            file.write(b"\xa5\x5a")
            if lab.random.random() < 0.3:
                file.truncate(size // 2)
    third, damaged = lab.fetch_json(WINDOW, "--cache", cache, FILTER)
    equal(third, first, "packets from a damaged cache")
    check(damaged["read"]["bytes"] > 0, "nothing was read again")
    # An object that has been replaced is another one.
    name = lab.names("node-01", "eth0")[1]
    gcs.put(BUCKET, name, lab.content(name), metadata=lab.facts[name])
    _, replaced = lab.fetch_json(WINDOW, "--cache", cache, FILTER)
    check(replaced["read"]["bytes"] > 0, "of a replaced object nothing was read")


def test_a_broken_run_goes_on(lab):
    gcs = make(lab, 3, 3, 600, "fill=300")
    lab.check_fetches(WINDOW, FILTER)
    count = gcs.count("media")
    words = ["--cache", lab.path("cache"), "-j", "1"]
    gcs.fault("media", after=count - 3, times=0, delay=60)
    status, _, said = interrupted(lab, gcs, lambda: gcs.count("media") >= 2 * count - 3, *words, "-w", lab.path("x"))
    equal(status, 130, "status: " + said)
    gcs.clear_faults()
    before = gcs.count("media")
    lab.check_fetches(WINDOW, FILTER, *words)
    check(gcs.count("media") - before <= 4, "%d requests for the last 3" % (gcs.count("media") - before))


def test_the_result_does_not_depend_on_the_weather(lab):
    """However many threads, however slow some answers: byte for byte the same file, also of packets of one moment."""
    gcs = make(lab, 3, 3, 600, "tick=20000000")
    results = []
    for threads, memory in ((1, "256MiB"), (16, "16MiB"), (7, "64MiB")):
        gcs.fault("media", after=5, times=3, delay=0.2)
        lab.fetch(WINDOW, "-j", str(threads), "--memory", memory, FILTER)
        with open(lab.path("result.pcapng"), "rb") as file:
            results.append(file.read())
    check(results[0] == results[1] == results[2], "results differ")


if __name__ == "__main__":
    if not shutil.which("tcpdump"):
        tap.skip_all("tcpdump is missing")
    tap.run([value for name, value in list(globals().items()) if name.startswith("test_")], fleet.laboratory)
