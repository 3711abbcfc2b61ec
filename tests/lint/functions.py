#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Functions are short, and named by what they do to what."""

import re

import lint

LINES_MAX = 80
# Static functions that are called by one word. To come down to none: never raise it.
ONE_WORD_MAX = 68


def functions(text):
    """(name, first line, lines, is static) of every function defined; the layout is clang-format's."""
    lines = lint.without_comments(text).splitlines()
    begin = None
    for number, line in enumerate(lines, 1):
        if re.match(r"[A-Za-z_]", line):
            begin = number
        elif line == "}" and begin:
            head = " ".join(lines[begin - 1:begin + 8])
            match = re.match(r"([^={;]*?)\b(\w+)\((?!\()", head)
            if match and "{" in lines[begin - 1:number]:
                yield match.group(2), begin, number - begin + 1, "static" in match.group(1).split()
            begin = None


def main():
    tap = lint.Tap()
    long, words, count = [], [], 0
    for path in lint.sources(".c", ".h"):
        for name, line, lines, is_static in functions(path.read_text()):
            count += 1
            if lines > LINES_MAX:
                long.append(f"{lint.relative(path)}:{line}: {name}() has {lines} lines")
            if is_static and "_" not in name:
                words.append(f"{lint.relative(path)}:{line}: {name}()")
    tap.point([] if count > 500 else [f"{count} functions"], "the functions are found")
    tap.point(long, f"no function has more than {LINES_MAX} lines")
    tap.point(words if len(words) > ONE_WORD_MAX else [],
              f"static functions are verb and object ({len(words)} of {count} are one word)")
    tap.done()


if __name__ == "__main__":
    main()
