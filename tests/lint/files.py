#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What every file has: a licence line, a bearable length, no path of somebody's machine, tidy ends."""

import re

import lint

LICENSED = (".c", ".h", ".def", ".am", ".ac", ".sh", ".py", ".in", ".conf", ".yaml", ".8", ".5", ".spec",
            ".sysusers", "bootstrap", "run", ".clang-format", ".dockerignore", "Dockerfile", ".js",
            ".service")
SPDX = "SPDX-License-Identifier: Apache-2.0"
LINE_MAX = 512
LINES_MAX = 400
REASON = "Over 400 lines because"
# Folders that exist on a developer's machine only. In pieces, so that this file does not find itself.
MACHINE_PATHS = re.compile(r"(?<![\w./@{}$-])/(%s)/\w" % "|".join(["wor" + "k", "roo" + "t", "hom" + "e"]))


def main():
    tap = lint.Tap()
    files = lint.our_files()

    unlicensed, long_files, machine, untidy = [], [], [], []
    for path in files:
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue  # test data
        name = lint.relative(path)
        if path.name.endswith(LICENSED) and SPDX not in "\n".join(text.splitlines()[:3]):
            unlicensed.append(f"{name}: '{SPDX}' is not in its first three lines")
        lines = text.count("\n")
        if path.suffix == ".c" and str(name).startswith("src/") and lines > LINES_MAX \
                and REASON not in "\n".join(text.splitlines()[:40]):
            long_files.append(f"{name}: {lines} lines, and its head does not say '{REASON} …'")
        for number, line in enumerate(text.splitlines(), 1):
            if MACHINE_PATHS.search(line):
                machine.append(f"{name}:{number}: {line.strip()}")
            if len(line) > LINE_MAX and str(name).startswith("completions/"):
                untidy.append(f"{name}:{number}: {len(line)} characters, of which lintian complains")
            if line != line.rstrip() and path.suffix not in (".txt", ".pem", ".json"):
                untidy.append(f"{name}:{number}: blanks at the end")
        if text and not text.endswith("\n"):
            untidy.append(f"{name}: no newline at the end")

    tap.point([] if len(files) > 50 else [f"{len(files)} files"], "the files are found")
    tap.point(unlicensed, "every file names its licence")
    tap.point(long_files, f"no C file is longer than {LINES_MAX} lines without a reason")
    tap.point(machine, "no path of a developer's machine")
    tap.point(untidy, "no blanks at the end of lines, a newline at the end of files")
    tap.point([lint.relative(path) for path in files if path.suffix in (".c", ".h")
               and re.search(r"\b(TODO|FIXME|XXX|HACK)\b", path.read_text())], "nothing is left to do")
    tap.done()


if __name__ == "__main__":
    main()
