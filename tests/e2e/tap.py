# SPDX-License-Identifier: Apache-2.0
"""A tiny TAP runner: each function test_* of a script is one line. And the tests' assertions."""

import sys
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
    failed = 0
    for index, test in enumerate(chosen, 1):
        name = test.__name__[len("test_"):].replace("_", " ")
        start = time.monotonic()
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
        else:
            print("ok %d - %s (%.1f s)" % (index, name, time.monotonic() - start), flush=True)
    sys.exit(1 if failed else 0)
