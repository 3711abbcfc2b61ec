#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The formatters and checkers of others: clang-format, shellcheck, mandoc, Python's own parser."""

import ast
import re

import lint

# Other versions lay out a few places differently; this is the one the tree is formatted with.
CLANG_FORMAT_VERSION = "14"


def check_clang_format(tap):
    name = "clang-format leaves the C files as they are"
    found = None
    for candidate in (f"clang-format-{CLANG_FORMAT_VERSION}", "clang-format"):
        path = lint.tool(candidate)
        if path and re.search(rf"version {CLANG_FORMAT_VERSION}\.", lint.run(path, "--version").stdout):
            found = path
            break
    if not found:
        tap.skip(name, f"no clang-format {CLANG_FORMAT_VERSION}")
        return
    files = [path for path in lint.our_files(".c", ".h")]
    result = lint.run(found, "--style=file", "--dry-run", "-Werror", *files)
    places = re.findall(r"^(\S+?:\d+):\d+: error: code should be clang-formatted", result.stderr,
                        re.MULTILINE)
    if result.returncode and not places:
        places = [result.stderr]
    tap.point(places, name)


def check_shell(tap):
    name = "shellcheck has nothing to say"
    shellcheck = lint.tool("shellcheck")
    if not shellcheck:
        tap.skip(name, "no shellcheck")
        return
    result = lint.run(shellcheck, "--format=gcc", *lint.scripts("sh"))
    tap.point(result.stdout.splitlines() or [result.stderr] * bool(result.returncode), name)


def check_python(tap):
    complaints = []
    for path in lint.scripts("python3"):
        try:
            ast.parse(path.read_text(), str(path))
        except SyntaxError as error:
            complaints.append(error)
    tap.point(complaints, "the Python files parse")


def check_manuals(tap):
    name = "mandoc has nothing to say about the manuals"
    mandoc = lint.tool("mandoc")
    if not mandoc:
        tap.skip(name, "no mandoc")
        return
    manuals = sorted((lint.SOURCE / "man").glob("*.[1-9]"))
    result = lint.run(mandoc, "-T", "lint", "-W", "warning", *manuals)
    complaints = (result.stdout + result.stderr).splitlines()
    tap.point(complaints or ["no manuals"] * (not manuals), name)


def main():
    tap = lint.Tap()
    check_clang_format(tap)
    check_shell(tap)
    check_python(tap)
    check_manuals(tap)
    tap.done()


if __name__ == "__main__":
    main()
