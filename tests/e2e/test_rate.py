# SPDX-License-Identifier: Apache-2.0
"""upload.rate_limit, measured where the bytes arrive: all workers together keep to it, also to a new
one after a reload, over no more connections than there are workers."""

import os
import random

from harness import NODE, command, main
from tap import check, equal

SEGMENT = 512 << 10
WORKERS = 3


def put_segments(lab, first, count):
    """What waits in the spool, as an operator may have put it there."""
    for number in range(first, first + count):
        name = "%s_20261123T083000.000Z_eth0_%08d.pcap" % (NODE, number)
        with open(os.path.join(lab.spool, "ready", name), "wb") as file:
            file.write(random.randbytes(SEGMENT))


def configure(lab, limit, prefix=""):
    return lab.configure("upload: { rate_limit = \"%s\"; workers = %d; prefix = \"%s\"; };\n"
                         "gcs: { chunk_size = \"256KiB\"; };\n" % (limit, WORKERS, prefix))


def measure(lab, daemon, count, limit):
    """Upload `count` segments; checks that bytes came at this rate, in one of three rounds: where the machine
    stands still, what is late comes at once."""
    for left in (2, 1, 0):
        first = len(lab.gcs.names())
        put_segments(lab, first, count)
        lab.gcs.timeline = []
        daemon.reload()
        daemon.wait_for(lambda first=first: len(lab.gcs.names()) == first + count, 120,
                        "the segments")
        times, sizes = zip(*lab.gcs.timeline)
        share = sum(sizes[1:]) / (times[-1] - times[0]) / limit
        if 0.95 <= share <= 1.05:
            return
        check(left, "%.3f of the limit of %d bytes a second, and no better twice before" % (share, limit))


def test_the_limit_is_kept(lab):
    lab.link()
    lab.bucket()
    os.makedirs(os.path.join(lab.spool, "ready"))
    daemon = lab.daemon(config=configure(lab, "256")).start_ready()
    measure(lab, daemon, 4, 256 << 10)
    configure(lab, "512KiB")
    measure(lab, daemon, 8, 512 << 10)
    check(lab.gcs.open_most <= WORKERS, "%d connections" % lab.gcs.open_most)
    equal(daemon.stop(), 0, "exit status")
    lab.check_spool_empty()


def test_the_limit_is_kept_over_a_reload(lab):
    """Another place in the bucket is served by new workers, which begin when the old ones have ended."""
    lab.link()
    lab.bucket()
    os.makedirs(os.path.join(lab.spool, "ready"))
    put_segments(lab, 0, 9)
    daemon = lab.daemon(config=configure(lab, "256")).start_ready()
    for left in (2, 1, 0):
        first = len(lab.gcs.names())
        lab.gcs.wait_for(lambda: lab.gcs.open == WORKERS, 20, "uploads under way")
        lab.gcs.timeline = []
        configure(lab, "256", "new%d" % left)
        daemon.reload()
        daemon.wait_for(lambda first=first: len(lab.gcs.names()) >= first + 9, 120, "the segments")
        times, sizes = zip(*lab.gcs.timeline)
        share = sum(sizes[1:]) / (times[-1] - times[0]) / (256 << 10)
        if share <= 1.05:
            break
        check(left, "%.3f of the limit, and no better twice before" % share)
        put_segments(lab, first + 9, 9)
        daemon.reload()
    check(lab.gcs.open_most <= WORKERS, "%d connections" % lab.gcs.open_most)
    equal(daemon.stop(), 0, "exit status")
    lab.check_spool_empty()


def test_a_folder_is_filled_at_the_limit(lab):
    """Also where no network is: an NFS server is not to be overrun either."""
    lab.link()
    ready, target = os.path.join(lab.spool, "ready"), os.path.join(lab.directory, "target")
    os.makedirs(ready)
    os.mkdir(target)
    put_segments(lab, 0, 4)
    daemon = lab.daemon("-b", "file://" + target, "--upload-rate-limit", "512KiB").start_ready()
    daemon.wait_event("segment-uploaded", timeout=60, count=4)
    equal(daemon.stop(), 0, "exit status")
    found = command("find", target, "-type", "f", "-printf", "%T@\\n").split()
    seconds = max(map(float, found)) - min(map(float, found))
    check(seconds > 2, "2 MiB at 512 KiB a second: the last file came %.1f s after the first" % seconds)


if __name__ == "__main__":
    main()
