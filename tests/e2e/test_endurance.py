# SPDX-License-Identifier: Apache-2.0
"""Nothing grows: open files, threads and memory are the same after many segments and reloads, and
valgrind finds no error and no leak on the main path. The full size takes some minutes:

    KNT_SEGMENTS=1000 KNT_RELOADS=100 tests/e2e/test_endurance.py"""

import os
import urllib.request

from daemon import is_sanitized
from harness import MEGABYTE_PACKETS, SMALL, main, need
from tap import check, contains, diagnose, equal

SEGMENTS = int(os.environ.get("KNT_SEGMENTS", "150"))
RELOADS = int(os.environ.get("KNT_RELOADS", "15"))
# Threads come and go with a reload, and the C library gives them up to eight arenas a core, which
# keep pieces: the first reloads make these.
GROWTH_MAX_KIB = 2048
CONNECTIONS_MAX = 4  # of one worker; whoever asked for the status is gone soon
RELOADS_BEFORE = max(RELOADS // 3, 12)
MEMORY_MEGABYTES = 36  # more than the 24 MiB of chunks, less than these and the ring
STATUS = "127.0.0.1:19666"

# Every second one of these is a change; it opens the capture anew and starts another uploader.
USUAL = "upload: { connect_timeout = 10; };"
OTHER = "capture: { promiscuous = false; }; upload: { connect_timeout = 11; };"
CYCLE = (USUAL, OTHER, OTHER, USUAL)


class Run:
    """Segments and reloads in turns, as many packets as they take."""

    def __init__(self, lab, *arguments, **more):
        self.lab, self.sent, self.reloads = lab, 0, 0
        lab.link()
        lab.bucket()
        self.configure(USUAL)
        path = os.path.join(lab.directory, "changing.conf")
        self.daemon = lab.daemon(*SMALL, "-W", "100000", "--status-listen", STATUS, *arguments,
                                 config=path, **more).start_ready(timeout=60)

    def configure(self, text):
        self.lab.configure(text, "changing.conf")

    def scrape(self):
        for path in ("metrics", "healthz"):
            with urllib.request.urlopen("http://%s/%s" % (STATUS, path), timeout=30) as answer:
                equal(answer.status, 200, path)

    def record(self, segments):
        count = segments * MEGABYTE_PACKETS + 1
        self.lab.send(count, first=self.sent, sizes=[1514], rate=20000)
        self.sent += count

    def reload(self, text):
        self.configure(text)
        self.daemon.reload(timeout=60)
        self.reloads += 1

    def go_on(self, segments, reloads):
        """So many of each, and then as in the beginning."""
        for i in range(reloads):
            self.record(segments // reloads)
            self.reload(CYCLE[i % len(CYCLE)])
            self.scrape()
        self.reload(USUAL)
        self.settle()

    def fill_memory(self):
        """Let every chunk of the pool be used: it keeps what it once had."""
        with self.daemon.frozen("rec-veth0"):
            self.record(MEMORY_MEGABYTES)
            self.daemon.wait_event("memory-full")

    def settle(self):
        """The uploader has its connection, and nothing is left to do."""
        uploads = len(self.daemon.events("segment-uploaded"))
        self.record(1)

        def is_settled():
            if self.lab.spool_files("capturing"):
                self.daemon.end_segment()
            return (len(self.daemon.events("segment-uploaded")) > uploads
                    and not self.lab.spool_files("capturing", "ready", "sending"))
        self.daemon.wait_for(is_settled, 120, "an empty spool")

    def end(self):
        equal(self.daemon.stop(timeout=60), 0, "exit status")
        objects = self.lab.objects()
        equal(self.lab.check_accounted(objects, self.sent), 0, "drops")
        self.lab.check_numbers(objects, self.sent)
        self.lab.check_spool_empty()
        return objects


def test_nothing_grows(lab):
    run = Run(lab, "--daemon-core-dumps", "true", "--upload-workers", "1")
    run.fill_memory()
    run.go_on(SEGMENTS // 3, RELOADS_BEFORE)  # what is made once is made
    files, threads, before = run.daemon.resources()
    run.go_on(SEGMENTS - SEGMENTS // 3, max(RELOADS - RELOADS_BEFORE, RELOADS // 2))
    run.daemon.wait_for(lambda: run.daemon.resources()[:2] == (files, threads), 30,
                        "%d files and %d threads again" % (files, threads))
    run.daemon.wait_for(lambda: len(run.daemon.descriptors()[0]) <= CONNECTIONS_MAX, 30,
                        "no more than %d connections" % CONNECTIONS_MAX)
    after = run.daemon.resources()[2]
    objects = run.end()
    equal(len(run.daemon.events("reloaded")), run.reloads, "reloads")
    check(len(objects) >= SEGMENTS, "%d segments" % len(objects))
    diagnose("%d segments, %d reloads: %d files, %d threads, %d KiB after a third and %d KiB at the "
             "end" % (len(objects), run.reloads, files, threads, before, after))
    if not is_sanitized():  # keeps what is freed for a while, and tells leaks itself
        check(after - before <= GROWTH_MAX_KIB, "%d KiB before, %d KiB after" % (before, after))


# A sanitizer and valgrind exclude one another: in such a build there is no such test.
if not is_sanitized():
    def test_valgrind(lab):
        """Start, record, rotate, reload, upload, stop: no error, no leak, and nothing suppressed."""
        need("valgrind")
        run = Run(lab, "--daemon-core-dumps", "true", wrapper=[
            "valgrind", "--error-exitcode=99", "--leak-check=full",
            "--errors-for-leak-kinds=definite,indirect", "--fair-sched=yes", "--num-callers=30"])
        run.go_on(4, 4)
        run.end()
        contains(run.daemon.log(), "ERROR SUMMARY: 0 errors from 0 contexts (suppressed: 0 from 0)")


if __name__ == "__main__":
    main()
