# SPDX-License-Identifier: Apache-2.0
"""Every fault of the service and of the network, at every place of the conversation: afterwards the
segment is in the bucket exactly once, byte for byte, or it is kept in rejected/ where the service
has refused it for good; nothing was overwritten, and the local copy went only then.

Each cell of {fault} x {phase} is a TAP point. The cells are shared out to pipelines: processes with
namespaces, Google's servers and a program of their own, because most of the time is back-off. In
every second pipeline the account has the permission to create, and no other.

  test_fault_matrix.py [PART ...]   only cells whose name has all these parts
  KNT_MATRIX=4                      every fourth cell, so that each fault and phase has its turn;
                                    by itself in CI where the program is built with sanitizers"""

import json
import os
import signal
import subprocess
import sys
import time

import google_lab
import random
from fake_gcs import CREATE_ONLY  # beside the folder that harness is in
from daemon import is_sanitized
from harness import NODE, enter_namespaces, set_up_namespace
from tap import Failure, check, diagnose, equal

CHUNK = 256 << 10
SMALL, LARGE = 30000, 2 * CHUNK + 1
HUGE = 10 << 20
PIPELINES = 8
PATIENCE = 60

STATUSES = {
    400: "invalid", 401: "authError", 403: "forbidden", 404: "notFound", 405: "methodNotAllowed",
    408: "uploadBrokenConnection", 409: "conflict", 410: "gone", 411: "required",
    412: "conditionNotMet", 413: "uploadTooLarge", 416: "requestedRangeNotSatisfiable",
    429: "rateLimitExceeded", 499: "clientClosedRequest", 500: "internalError", 502: "badGateway",
    503: "backendError", 504: "gatewayTimeout"}

FAULTS = {str(status): {"status": status, "reason": reason, "message": "a test wanted it"}
          for status, reason in STATUSES.items()}
FAULTS.update({
    "503 with Retry-After": {"status": 503, "retry_after": 1},
    "429 with a date": {"status": 429, "retry_after": "Sun, 06 Nov 1994 08:49:37 GMT"},
    "refused": {"refuse": 0.4},
    "reset before the body": {"reset": "before"},
    "reset in the body": {"reset": "middle"},
    "reset after the body": {"reset": "after"},
    "closed before the reply": {"close": "after"},
    "stall": {"delay": 3600},
    "slow trickle": {"reply": "slow"},
    "half a reply": {"reply": "half"},
    "not HTTP": {"reply": "garbage"},
    "wrong checksum": {"corrupt": True},
    "redirect": {"status": 302, "html": 10, "location": "https://storage.googleapis.com/login"},
    "redirect 307": {"status": 307, "html": 10, "location": "https://elsewhere.example/"},
    "page of a portal": {"status": 200, "html": 2000},
    "page with 503": {"status": 503, "html": 2000},
    "page with 403": {"status": 403, "html": 2000},
    "page with 404": {"status": 404, "html": 2000},
    "page with 407": {"status": 407, "html": 2000},
    "page with 410": {"status": 410, "html": 2000},
    "page with 412": {"status": 412, "html": 2000},
    "412 about a checksum": {"status": 412, "text": json.dumps({
        "code": 412, "message": "crc32c validation failed. Expected = 1 vs Actual = 2."})},
    "late no": {"delay": 12, "status": 403, "reason": "forbidden", "message": "a test wanted it"},
    "echo": {"status": 403, "echo": "oauth"},
    "page with an echo": {"status": 400, "echo": "page"},
    "empty 200": {"status": 200, "text": ""},
    "503 with 10 MB": {"status": 503, "html": HUGE},
    "200 with 10 MB": {"status": 200, "html": HUGE},
    "TLS name": {"certificate": "name"},
    "TLS expired": {"certificate": "expired"},
    "TLS authority": {"certificate": "authority"},
})

# Where in the conversation, and how large a segment has to be to get there.
PHASES = {"probe": SMALL, "small object": SMALL, "start": LARGE, "chunk": LARGE,
          "status query": LARGE, "final chunk": LARGE, "dead session": LARGE, "object metadata": SMALL, "token": SMALL,
          "metadata server": SMALL}
# With these words GCS itself says no to the object, or at the start to everything.
REFUSALS = {"400", "405", "411", "413"}
DEFINITE = REFUSALS | {"401", "403", "404", "late no", "TLS name", "TLS authority"}
# What a session answers from some time on, whatever it is asked.
DEAD = {"403", "429", "500", "503", "503 with 10 MB", "reset before the body", "stall", "not HTTP", "page of a portal",
        "page with 403", "page with 503", "empty 200", "200 with 10 MB"}
# A proxy's word, from which nothing follows about the bucket.
FOREIGN = {fault for fault in FAULTS if fault.startswith("page with")}


def applies(phase, fault):
    if fault == "wrong checksum":
        return phase in ("small object", "final chunk", "status query", "object metadata")
    if fault.startswith("TLS"):
        return phase not in ("metadata server", "dead session")
    if fault == "late no":
        return phase == "probe"
    if phase == "dead session":
        return fault in DEAD
    # To finish an object takes the last byte; before, there is no reply with a body to be cut.
    return True


def expected(phase, fault, may_create_only):
    if fault in REFUSALS and phase in ("small object", "start", "chunk", "final chunk"):
        return "rejected"
    # 400 to a question means the session.
    if fault in REFUSALS - {"400"} and phase == "status query":
        return "rejected"
    # An object is said to be there that was never sent, and nobody may look: it is kept.
    if fault == "412" and may_create_only and phase not in ("object metadata", "token",
                                                            "metadata server"):
        return "rejected"
    if fault == "412 about a checksum" and may_create_only and phase == "start":
        return "rejected"
    # Somebody else's, as it seems, or it would have to be deleted.
    if fault == "wrong checksum" and may_create_only == (phase != "object metadata"):
        return "rejected"
    return "delivered"


def all_cells():
    return [(phase, fault) for phase in PHASES for fault in FAULTS if applies(phase, fault)]


def chosen_cells():
    cells = [cell for cell in all_cells() if all(part in ", ".join(cell) for part in sys.argv[1:])]
    step = int(os.environ.get("KNT_MATRIX") or (4 if is_sanitized() and os.environ.get("CI") else 1))
    return cells[::step]


def share_out(cells):
    """One pipeline for the metadata server, two for starts, the others for the rest."""
    pipelines = [[] for _ in range(PIPELINES)]
    turn = {"probe": 0, "run": 0}
    for cell in cells:
        if cell[0] == "metadata server":
            pipelines[0].append(cell)
        elif cell[0] == "probe":
            pipelines[1 + turn["probe"] % 2].append(cell)
            turn["probe"] += 1
        else:
            pipelines[3 + turn["run"] % (PIPELINES - 3)].append(cell)
            turn["run"] += 1
    return [pipeline for pipeline in pipelines if pipeline]


class Lane:
    """One program and its servers, for one cell after the other."""

    def __init__(self, lab):
        self.lab = lab
        self.may_create_only = lab.gcs.permissions == CREATE_ONLY
        self.number = 0
        self.daemon = self.metadata = None
        self.ready = os.path.join(lab.spool, "ready")
        os.makedirs(self.ready)
        self.key = google_lab.key_file(lab)
        self.certificates = {
            "name": google_lab.make_certificate(lab.directory, "name", "else.example"),
            "authority": google_lab.make_certificate(lab.directory, "authority", "*.googleapis.com")}
        self.certificates["expired"] = self.expired()

    def expired(self):
        """Signed by the authority that is trusted, but long ago."""
        path = os.path.join(self.lab.directory, "expired")
        good = os.path.join(self.lab.directory, "good")
        google_lab.command("openssl", "x509", "-req", "-in", good + ".csr", "-CA", good + "-ca.pem",
                           "-CAkey", good + "-ca.key", "-CAcreateserial", "-extfile", good + ".ext",
                           "-days", "-1", "-out", path + ".pem")
        return path + ".pem", good + ".key"

    def start(self, *arguments, has_key=True):
        environment = {"GOOGLE_APPLICATION_CREDENTIALS": self.key} if has_key else {}
        self.daemon = google_lab.google_daemon(
            self.lab, "--gcs-chunk-size", "256KiB", "--upload-workers", "1",
            "--upload-connect-timeout", "2", "--upload-stall-timeout", "5", *arguments,
            environment=environment)
        return self.daemon.start()

    def segment(self, size):
        """Put one into the spool, as an operator may; returns its name and bytes."""
        self.number += 1
        name = "%s_20251123T083000.000Z_eth0_%08d.pcap" % (NODE, self.number)
        content = random.randbytes(size)
        with open(os.path.join(self.ready, "." + name), "wb") as file:
            file.write(content)
        os.rename(os.path.join(self.ready, "." + name), os.path.join(self.ready, name))
        return name, content

    def read(self, path):
        with open(path, "rb") as file:
            return file.read()

    def check_end(self, name, content, outcome):
        """Wait until the segment has left the queue: for where it should be, and nowhere else."""
        lab = self.lab
        self.daemon.wait_for(lambda: not lab.spool_files("ready", "sending"), PATIENCE, outcome)
        objects = {each.file_name: each for each in lab.objects()}
        rejected = lab.spool_files("rejected")
        if outcome == "rejected":
            equal(rejected, ["rejected/" + name], "rejected segments")
            equal(self.read(os.path.join(lab.spool, rejected[0])), content, "kept bytes")
        else:
            equal(rejected, [], "rejected segments")
            check(name in objects, "the local copy is gone, and no object is there")
        for each in objects.values():
            equal(each.file_name, name, "name of an object")
            equal(self.read(each.path), content, "bytes of the object")
        # Of one that is kept, so is what is known of it.
        left = ["metadata/" + name] if outcome == "rejected" else []
        self.daemon.wait_for(lambda: lab.spool_files("metadata", "upload-state") == left, PATIENCE,
                             "what went with the segment is gone")

    def clean(self):
        lab = self.lab
        for server in lab.servers:
            server.clear_faults()
            server.other_certificates.clear()
        with lab.gcs.lock:
            for bucket, name in list(lab.gcs.objects):
                os.unlink(lab.gcs.path(bucket, name))
            lab.gcs.objects.clear()
            lab.gcs.requests.clear()
            lab.gcs.is_mortal = False
        for path in lab.spool_files("ready", "sending", "rejected", "metadata", "upload-state"):
            os.unlink(os.path.join(lab.spool, path))

    def fault(self, server, kind, fault, **more):
        what = {**FAULTS[fault], **more}
        if "certificate" in what:
            what["certificate"] = self.certificates[what["certificate"]]
        server.fault(kind, **what)

    def arm(self, phase, fault):
        """Set the fault, and what leads the conversation to its phase. Returns whose it is."""
        gcs = self.lab.gcs
        # Where we may not look at objects, also a small one goes by a session, which can be asked.
        whole = "chunk" if self.may_create_only else "multipart"
        if phase == "small object":
            self.fault(gcs, whole, fault)
        elif phase == "dead session":
            gcs.is_mortal = True
            self.fault(gcs, "dead", fault, times=0)
        elif phase == "start":
            self.fault(gcs, "start", fault)
        elif phase == "chunk":
            self.fault(gcs, "chunk", fault)
        elif phase == "final chunk":
            self.fault(gcs, "chunk", fault, after=2)
        elif phase == "status query":
            if fault == "wrong checksum":  # the query has to find it finished
                gcs.fault("chunk", after=2, close="after", times=2)
            else:
                gcs.fault("chunk", after=1, status=503)
            self.fault(gcs, "status", fault)
        elif phase == "object metadata":
            gcs.fault(whole, close="after", times=2)
            if self.may_create_only:
                gcs.fault("status", status=404, reason="notFound")  # or the session says whose it is
            self.fault(gcs, "metadata", fault)
        else:
            self.lab.tokens.revoke_all()
            server = self.lab.oauth if phase == "token" else self.metadata
            self.fault(server, "token", fault)
            return server
        return gcs

    def run(self, phase, fault):
        if phase == "probe":
            self.run_probe(fault)
            return
        if phase == "metadata server" and not self.metadata:
            self.metadata = google_lab.metadata_server(self.lab)
        if not self.daemon:
            self.start(has_key=phase != "metadata server").wait_ready()
        server = self.arm(phase, fault)
        name, content = self.segment(PHASES[phase])
        self.daemon.reload()
        self.check_end(name, content, expected(phase, fault, self.may_create_only))
        if phase == "dead session":
            check(self.lab.gcs.count("dead") <= 6, "questions to a dead session: %d" % self.lab.gcs.count("dead"))
        if phase in ("chunk", "final chunk", "status query") and fault in FOREIGN:
            sessions = self.lab.gcs.count("start") - self.lab.gcs.count("cancel")  # of probes
            equal(sessions, 1, "sessions: a proxy's word ends none")
        equal([each["kind"] for each in server.faults if each["times"]], [], "faults that were not met")

    def run_probe(self, fault):
        """At the start: whatever the destination says is said, and ends nothing; then all is well again."""
        gcs = self.lab.gcs
        # What is said about the session would be about the segment, where small ones go by a session, too.
        is_early = not (fault in REFUSALS | {"412", "412 about a checksum"} and self.may_create_only)
        name, content = self.segment(PHASES["probe"]) if is_early else (None, None)
        if fault == "refused":
            gcs.stop()
        elif fault.startswith("TLS"):
            gcs.other_certificates += [self.certificates[FAULTS[fault]["certificate"]]] * 100
        else:
            self.fault(gcs, "start", fault, times=0)
        self.start(*(["--upload-stall-timeout", "30"] if fault == "late no" else [])).wait_ready(timeout=30)
        if fault in DEFINITE:
            self.daemon.wait_event("destination-refused")
        if fault in FOREIGN:
            self.daemon.wait_event("destination-unreachable", reason=".*no answer of Cloud Storage.*|.*proxy.*|.*503.*")
            equal(self.daemon.events("destination-refused"), [], "refusals")
        if fault == "refused":
            gcs.start()
        with gcs.lock:
            gcs.faults.clear()
            gcs.other_certificates.clear()
        if not is_early:
            name, content = self.segment(PHASES["probe"])
        self.daemon.reload()
        self.check_end(name, content, "delivered")
        equal(self.daemon.stop(), 0, "exit status")
        self.daemon = None


def say(**what):
    print(json.dumps(what), flush=True)


def run_pipeline(cells, may_create_only):
    """In a process and namespaces of its own; tells about each cell in a line of JSON."""
    set_up_namespace()
    try:
        with google_lab.laboratory() as lab:
            if may_create_only:
                lab.gcs.permissions = CREATE_ONLY
            pipeline = Lane(lab)
            for phase, fault in cells:
                begin = time.monotonic()
                try:
                    pipeline.run(phase, fault)
                    say(cell=[phase, fault], seconds=time.monotonic() - begin)
                except (Failure, TimeoutError, OSError) as error:
                    say(cell=[phase, fault], failure=str(error),
                        log=pipeline.daemon.log().splitlines()[-12:] if pipeline.daemon else [])
                    if pipeline.daemon:
                        pipeline.daemon.kill()
                    pipeline.daemon = None
                pipeline.clean()
            if pipeline.daemon:
                equal(pipeline.daemon.stop(), 0, "exit status")
    except BaseException as error:  # pylint: disable=broad-except
        say(end="%s: %s" % (type(error).__name__, error))
        raise
    say(end="")


def read_pipeline(process, report):
    """Pass on what a pipeline says; True if it came to its end without a complaint."""
    end = "it ended in the middle"
    for line in process.stdout:
        try:
            what = json.loads(line)
        except ValueError:
            diagnose(line)
            continue
        if "end" in what:
            end = what["end"]
        else:
            report(what)
    process.wait()
    return end


def main():
    enter_namespaces()
    if sys.argv[1:2] == ["--pipeline"]:
        run_pipeline(*json.loads(sys.argv[2]))
        return
    import threading  # pylint: disable=import-outside-toplevel
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(1))
    pipelines = share_out(chosen_cells())
    print("1..%d" % (sum(map(len, pipelines)) + len(pipelines)), flush=True)
    lock, counts = threading.Lock(), {"points": 0, "failed": 0}

    def point(name, failure, seconds=None, log=()):
        with lock:
            counts["points"] += 1
            counts["failed"] += failure is not None
            print("%s %d - %s%s" % ("ok" if failure is None else "not ok", counts["points"], name,
                                    " (%.1f s)" % seconds if seconds is not None else ""),
                  flush=True)
            if failure is not None:
                diagnose(failure)
                diagnose("\n".join(log))

    def follow(number, cells, process):
        left = {", ".join(cell) for cell in cells}
        suffix = ", may create only" if number % 2 == 0 else ""

        def report(what):
            name = ", ".join(what["cell"])
            left.discard(name)
            point(name + suffix, what.get("failure"), what.get("seconds"), what.get("log", ()))

        end = read_pipeline(process, report)
        for name in sorted(left):
            point(name + suffix, "its pipeline ended before: " + end)
        point("pipeline %d: no secret in a log, no violation of the protocol" % number, end or None)

    processes, followers = [], []
    try:
        for number, cells in enumerate(pipelines, 1):
            processes.append(subprocess.Popen(  # pylint: disable=consider-using-with
                ["unshare", "-nm", "--propagation", "private", sys.executable,
                 os.path.abspath(__file__), "--pipeline", json.dumps([cells, number % 2 == 0])],
                stdout=subprocess.PIPE, text=True))
            followers.append(threading.Thread(target=follow, args=(number, cells, processes[-1])))
            followers[-1].start()
        for follower in followers:
            follower.join()
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
    sys.exit(1 if counts["failed"] else 0)


if __name__ == "__main__":
    main()
