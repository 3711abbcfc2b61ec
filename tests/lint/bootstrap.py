#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bootstrap on machines that lack something: what was not tested or not found is said, and fails in CI. It runs in
a folder of sources whose configure writes a Makefile of a few lines."""

import os
import pathlib
import shutil
import subprocess
import tempfile

import lint

GENERATED = ("Makefile.in", "config.h.in", *(f"build-aux/{name}" for name in (
    "ar-lib", "compile", "depcomp", "install-sh", "missing", "tap-driver.sh")))
CONFIGURE = r"""#!/bin/sh
echo configured >>"$(dirname "$0")/times"
cat >Makefile <<'END'
ISAL_LIBS = ISAL
CMOCKA_LIBS = CMOCKA
TESTS = tests/e2e/test_a.py tests/e2e/test_b.py
check_PROGRAMS =
all:
check:
	test -z "$(TESTS)" || cp -r RESULTS/. .
END
sed -i "s/ISAL$/$(cat "$(dirname "$0")/isal")/;s/CMOCKA$/$(cat "$(dirname "$0")/cmocka")/;s,RESULTS,$(dirname "$0")/results," Makefile
"""


class Sources:
    """A folder with bootstrap in it, and results for tests that it runs."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "build-aux").mkdir(parents=True)
        shutil.copy(lint.SOURCE / "bootstrap", folder)
        for name in GENERATED:
            (folder / name).touch()
        (folder / "configure").write_text(CONFIGURE)
        (folder / "configure").chmod(0o755)
        (folder / "isal").write_text("-lisal")
        (folder / "cmocka").write_text("-lcmocka")

    def result(self, name, log, results):
        path = self.folder / "results/tests/e2e" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".log").write_text(log)
        path.with_suffix(".trs").write_text("".join(f":test-result: {word}\n" for word in results) +
                                            ":copy-in-global-log: no\n")

    def run(self, *arguments, ci="false"):
        return subprocess.run([self.folder / "bootstrap", *arguments], capture_output=True, text=True,
                              env={**os.environ, "CI": ci, "BUILD_DIR": str(self.folder / "build"),
                                   "CHECK_TESTS": "*", "MAKEFLAGS": "", "MFLAGS": ""}, check=False)

    def times_configured(self):
        return len((self.folder / "times").read_text().splitlines())


def check_skips(folder):
    sources = Sources(folder / "skips")
    sources.result("test_a", "PASS: tests/e2e/test_a.py 1 - one (0.1 s)\n", ["PASS"])
    sources.result("test_b", "SKIP: tests/e2e/test_b.py - no network namespace can be made here\n", ["SKIP"])
    for ci, status in ("false", 0), ("true", 1):
        done = sources.run("check", ci=ci)
        last = (done.stdout.splitlines() or [""])[-1]
        expected = ("1 passed, 0 failed, 1 skipped; NOT TESTED: no network namespace can be made here "
                    "(1 programs)")
        if (done.returncode, last) != (status, expected):
            yield f"CI={ci}: status {done.returncode}, {last!r}, {done.stderr}"
    sources.result("test_b", "PASS: tests/e2e/test_b.py 1 - two (0.1 s)\n", ["PASS"])
    done = sources.run("check", ci="true")
    if (done.returncode, done.stdout.splitlines()[-1]) != (0, "2 passed, 0 failed, 0 skipped"):
        yield f"without a skip: status {done.returncode}, {done.stdout}"


def check_isal(folder):
    sources = Sources(folder / "isal")
    (sources.folder / "isal").write_text("")
    if "zlib" not in (done := sources.run("build")).stderr:
        yield f"it is not said that zlib is used: {done.stderr}"
    (sources.folder / "isal").write_text("-lisal")
    if "ISA-L" not in (done := sources.run("build")).stderr or sources.times_configured() != 2:
        yield f"ISA-L is there, but not used: {done.stdout} {done.stderr}"
    sources.run("build")
    if sources.times_configured() != 2:
        yield "it configures though nothing has changed"
    (sources.folder / "isal").write_text("")
    for _ in range(2):
        sources.run("build", "--without-isal")
    if sources.times_configured() != 3:
        yield "it configures again though zlib was asked for"


def check_cmocka(folder):
    """A build needs no cmocka; the tests do."""
    sources = Sources(folder / "cmocka")
    (sources.folder / "cmocka").write_text("")
    sources.run("build")
    (sources.folder / "cmocka").write_text("-lcmocka")
    for command in "quick", "check":
        sources.run(command)
        if sources.times_configured() != 2:
            yield f"{command} after a build without cmocka: configured {sources.times_configured()} times, not 2"


def check_blanks(folder):
    done = Sources(folder / "with blanks").run("build")
    if done.returncode != 1 or "must not have blanks" not in done.stderr:
        yield f"status {done.returncode}, {done.stderr}"


def main():
    tap = lint.Tap()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        tap.point(list(check_skips(folder)), "what is skipped is said, and fails in CI")
        if subprocess.run(["pkg-config", "--exists", "libisal"], check=False).returncode:
            tap.skip("ISA-L that is installed later is used", "no ISA-L")
        else:
            tap.point(list(check_isal(folder)), "ISA-L that is installed later is used")
        if subprocess.run(["pkg-config", "--exists", "cmocka"], check=False).returncode:
            tap.skip("unit tests are not left out for a build before", "no cmocka")
        else:
            tap.point(list(check_cmocka(folder)), "unit tests are not left out for a build before")
        tap.point(list(check_blanks(folder)), "a path with blanks is refused in one line")
    tap.done()


if __name__ == "__main__":
    main()
