# SPDX-License-Identifier: Apache-2.0
"""What the lint tests share: TAP, the list of our files, running a tool. Not a test itself."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

SOURCE = pathlib.Path(os.environ.get("top_srcdir") or pathlib.Path(__file__).parents[2]).resolve()
BUILD = pathlib.Path(os.environ.get("top_builddir") or SOURCE / "build").resolve()
PROGRAM = BUILD / "kube-node-tracer"
FOLDERS = (".ci", "completions", "container", "debian", "docs", "etc", "examples", "man", "rpm", "src", "systemd",
           "tests", "tools")
TOP_FILES = ("bootstrap", "configure.ac", "Makefile.am", "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md",
             "CHANGELOG.md", ".clang-format", ".dockerignore", ".editorconfig", ".gitignore", "Dockerfile")


class Tap:
    """Counts and prints test points; done() ends the program."""

    def __init__(self):
        self.count = 0
        self.failed = 0
        self.last = time.monotonic()

    def point(self, complaints, name):
        """One point: passes if there are no complaints, which are printed otherwise."""
        complaints = [str(complaint) for complaint in complaints]
        self.count += 1
        self.failed += bool(complaints)
        now = time.monotonic()
        print(f"{'not ok' if complaints else 'ok'} {self.count} - {name} ({now - self.last:.1f} s)")
        self.last = now
        for complaint in complaints[:50]:
            for line in complaint.splitlines():
                print(f"# {line}")
        if len(complaints) > 50:
            print(f"# and {len(complaints) - 50} more")
        sys.stdout.flush()

    def skip(self, name, reason):
        self.count += 1
        print(f"ok {self.count} - {name} # SKIP {reason}")

    def done(self):
        print(f"1..{self.count}")
        sys.exit(1 if self.failed else 0)


def relative(path):
    return path.relative_to(SOURCE)


def our_files(*suffixes):
    """Every file of ours, sorted; with suffixes, only those that end so. No built and no corpus files."""
    found = [SOURCE / name for name in TOP_FILES]
    for folder in FOLDERS:
        found += (SOURCE / folder).rglob("*")
    return sorted(
        path for path in found
        if path.is_file() and not path.is_relative_to(BUILD)
        and "__pycache__" not in path.parts and "corpus" not in path.parts
        and (not suffixes or path.name.endswith(suffixes)))


def sources(*suffixes):
    """The C files below src/."""
    return [path for path in our_files(*(suffixes or (".c", ".h", ".def")))
            if path.is_relative_to(SOURCE / "src")]


def scripts(interpreter):
    """Our files whose first line names the interpreter, and those with its usual suffix."""
    suffix = {"sh": ".sh", "python3": ".py"}[interpreter]
    found = []
    for path in our_files():
        with open(path, "rb") as file:
            first = file.readline(200)
        if path.suffix == suffix or re.match(rb"#!.*\b(ba)?%s\b" % interpreter.encode(), first):
            found.append(path)
    return found


def without_comments(text):
    """C text with comments and the insides of literals blanked; line numbers stay."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)

    def blank(match):
        word = match.group()
        if word[0] in "\"'":
            return word[0] * 2
        return "\n" * word.count("\n")
    return pattern.sub(blank, text)


def run(*command, **more):
    """Runs to the end, with a time limit; text in and out."""
    more.setdefault("timeout", 120)
    if "input" not in more:
        more["stdin"] = subprocess.DEVNULL
    return subprocess.run([str(word) for word in command], text=True, capture_output=True,
                          errors="replace", check=False, **more)


def tool(*names):
    """The first of the tools that is installed, or None."""
    return next((found for found in map(shutil.which, names) if found), None)


class Option:
    """A row of src/conf/options.def."""

    def __init__(self, row):
        self.kind, self.group, self.name, self.letter, self.default = row
        self.key = f"{self.group}.{self.name}"
        self.flag = f"--{self.group}-{self.name}".replace("_", "-")


def options():
    text = (SOURCE / "src/conf/options.def").read_text()
    rows = re.findall(r"^OPTION\((\w+), (\w+), (\w+), (?:'(\w)'|0), \"([^\"]*)\"", text, re.MULTILINE)
    return [Option(row) for row in rows]
