#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Calls that we do not make: in the text of the sources, and in what the compiler made of them."""

import os
import re

import lint

# No bounds, no errors, hidden state shared by threads, or another program in our process's name.
BANNED = """
    alloca asctime asctime_r atof atoi atol atoll ctime ctime_r execl execle execlp execv execve execvp
    fork getpwnam getpwuid gets gmtime inet_addr inet_ntoa localtime localtime_r longjmp mktemp popen
    posix_spawn posix_spawnp putenv rand readdir_r setenv setjmp signal sprintf srand stpcpy strcat
    strcpy strdupa strncat strncpy strtok system tmpnam tempnam usleep vfork vsprintf wait3
""".split()
EXITS = ["exit", "_exit", "_Exit", "quick_exit"]
ALLOWED = [
    # For the daemon's start, before there is a second thread.
    ("privileges", "getpw"),
    # For the one who types "15:02 local", and reads what that is in UTC.
    ("when", "localtime_r"),
]
MAIN = ("src/main.c",)
# $JOURNAL_STREAM is the log's own, below the configuration.
ENVIRONMENT = ("src/conf/environment.h", "src/base/log.c")


def find_calls(names):
    pattern = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(names))
    for path in lint.sources(".c", ".h"):
        text = lint.without_comments(path.read_text())
        for number, line in enumerate(text.splitlines(), 1):
            for match in pattern.finditer(line):
                yield path, f"{lint.relative(path)}:{number}: {match.group(1)}()"


def undefined_symbols(nm, archive):
    """(member, symbol) for everything the library wants from elsewhere; fortified names as plain ones."""
    result = lint.run(nm, "-A", "-u", archive)
    for line in result.stdout.splitlines():
        match = re.match(r".*:(?P<member>[^:]+\.o):\s+U (?P<symbol>[\w.@]+)", line)
        if match:
            symbol = match.group("symbol").split("@")[0]
            yield match.group("member"), re.sub(r"^__(\w+)_chk$|^__interceptor_(\w+)$",
                                                lambda m: m.group(1) or m.group(2), symbol)


def main():
    tap = lint.Tap()
    calls = [place for path, place in find_calls(BANNED)
             if not any(path.stem == stem and name in place for stem, name in ALLOWED)]
    tap.point(calls, "no banned call in the sources")
    exits = [place for path, place in find_calls(EXITS) if str(lint.relative(path)) not in MAIN]
    tap.point(exits, "only main() ends the process")
    variables = [place for path, place in find_calls(["getenv", "secure_getenv"])
                 if str(lint.relative(path)) not in ENVIRONMENT]
    tap.point(variables, "the environment is read in one place")

    archive = lint.BUILD / "libkube-node-tracer.a"
    nm = lint.tool(os.environ.get("NM") or "nm", "nm")
    if not nm:
        tap.skip("no banned call in the objects", "no nm")
        tap.done()
    symbols = list(undefined_symbols(nm, archive))
    tap.point([] if len(symbols) > 100 else [f"{len(symbols)} symbols in {archive}"],
              "the library's symbols are found")
    banned = [f"{member}: {symbol}" for member, symbol in symbols if symbol in BANNED + EXITS
              and not any(stem in member and symbol.startswith(name) for stem, name in ALLOWED)]
    tap.point(banned, "no banned call in the objects")
    tap.done()


if __name__ == "__main__":
    main()
