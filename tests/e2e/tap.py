# SPDX-License-Identifier: Apache-2.0
"""A tiny TAP runner: each function test_* of a script is one line. And the tests' assertions.

Random numbers come from the module random, which begins anew for each test: KNT_SEED=N repeats a run."""

import contextlib
import os
import random
import sys
import threading
import time
import traceback


class Skip(Exception):
    """Raised by a test that cannot run here, with the reason."""


class Failure(Exception):
    """What is not as it should be."""


def check(condition, what):
    if not condition:
        raise Failure(what)


def equal(actual, expected, what):
    if actual != expected:
        raise Failure("%s: %r, expected %r" % (what, actual, expected))


def contains(text, part, what="text"):
    if part not in text:
        raise Failure("%s: %r is not in %r" % (what, part, text[-2000:]))


def wait_until(is_reached, timeout, what, pause=0.02):
    """Poll for something that gives no signal."""
    deadline = time.monotonic() + timeout
    while True:
        value = is_reached()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure("not within %g s: %s" % (timeout, what))
        time.sleep(pause)


@contextlib.contextmanager
def within(seconds, what):
    """What is done inside takes less, without the time for which the machine stood still or had none for us."""
    stalled, is_over = 0, threading.Event()

    def watch():
        nonlocal stalled
        before = time.monotonic()
        while not is_over.wait(0.05):
            now = time.monotonic()
            stalled += max(0, now - before - 0.07)
            before = now

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    begin = time.monotonic()
    try:
        yield
        took = time.monotonic() - begin
    finally:
        is_over.set()
        watcher.join()
    check(took - stalled < seconds, "%s took %.1f s, and the machine stood still for %.1f of them" % (
        what, took, stalled))


def diagnose(text):
    for line in text.splitlines():
        print("# " + (line if len(line) < 1000 else line[:1000] + "…"))
    sys.stdout.flush()


def skip_all(reason):
    print("1..0 # SKIP " + reason, flush=True)
    sys.exit(0)


def run(tests, around):
    """Run the tests, each with what the context manager around() gives. Exits 1 if one fails.

    Names on the command line choose some of them."""
    chosen = [test for test in tests if not sys.argv[1:] or test.__name__ in sys.argv[1:]]
    print("1..%d" % len(chosen), flush=True)
    # For the processes that a test starts, too.
    seed = os.environ.setdefault("KNT_SEED", str(random.SystemRandom().randrange(1 << 32)))
    diagnose("KNT_SEED=" + seed)
    failed = 0
    for index, test in enumerate(chosen, 1):
        name = test.__name__[len("test_"):].replace("_", " ")
        start = time.monotonic()
        random.seed(seed + test.__name__)
        try:
            with around() as lab:
                test(lab)
        except Skip as reason:
            print("ok %d - %s # SKIP %s" % (index, name, reason), flush=True)
        except Exception as error:  # pylint: disable=broad-except
            failed += 1
            print("not ok %d - %s" % (index, name), flush=True)
            where = traceback.extract_tb(error.__traceback__)
            diagnose("%s: %s" % (type(error).__name__, error))
            for each in reversed(where):
                if each.name.startswith(("test_", "check_")):
                    diagnose("at %s:%d: %s" % (each.filename, each.lineno, each.line))
            diagnose("again: KNT_SEED=%s %s %s" % (seed, sys.argv[0], test.__name__))
        else:
            print("ok %d - %s (%.1f s)" % (index, name, time.monotonic() - start), flush=True)
    sys.exit(1 if failed else 0)
