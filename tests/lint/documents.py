#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The documents match the program: manuals, sample file, --help, versions, examples, README and docs/."""

import difflib
import os
import re
import struct
import sys
import tempfile

import lint

sys.path.append(str(lint.SOURCE / "tools/docs"))
import generate  # noqa: E402
import tables  # noqa: E402

ENVIRONMENT = {"PATH": os.environ.get("PATH", ""), "NODE_NAME": "lint-node", "LC_ALL": "C"}
ENVIRONMENT.update((key, value) for key, value in os.environ.items() if key.endswith("SAN_OPTIONS"))


def program(*arguments):
    return lint.run(lint.PROGRAM, *arguments, env=ENVIRONMENT)


def check_in_step(tap):
    for path, make in generate.DOCUMENTS.items():
        committed = lint.SOURCE / path
        then = committed.read_text().splitlines() if committed.is_file() else []
        changed = list(difflib.unified_diff(then, make().splitlines(), path, "made from the tables",
                                            lineterm="", n=0))
        tap.point(changed and ["stale: run make docs", *changed], f"{path} is in step")


def check_help(tap):
    long = program("--help")
    complaints = [f"exit status {long.returncode}"] if long.returncode else []
    complaints += [f"on standard error: {long.stderr}"] if long.stderr else []
    complaints += [] if len(long.stdout.splitlines()) > 30 else ["too short to be a help"]
    tap.point(complaints, "--help goes to standard output")
    tap.point([line for line in long.stdout.splitlines() if len(line) > 80 or "\t" in line],
              "--help fits 80 columns")
    short = program("-h").stdout
    letters = [option.letter for option in tables.options() if option.letter]
    complaints = [f"no -{letter}" for letter in letters if not re.search(rf"^  -{letter} ", short, re.MULTILINE)]
    complaints += [f"no {command.word}" for command in tables.commands()
                   if not re.search(rf"^  {command.word} ", short, re.MULTILINE)]
    complaints += [] if len(short.splitlines()) <= 40 else [f"{len(short.splitlines())} lines"]
    complaints += [line for line in short.splitlines() if len(line) > 80]
    tap.point(complaints, "-h has all commands and letters in 40 lines of 80 columns")
    tap.point([] if program("help").stdout == short else ["differs"], "the command help is -h")
    for command in tables.commands():
        text = program("help", command.word).stdout
        complaints = [f"no --{flag.flag}" for flag in command.flags if f"--{flag.flag}" not in text]
        complaints += [line for line in text.splitlines() if len(line) > 80]
        tap.point(complaints if text else ["it is empty"], f"help {command.word} has its flags")
    tap.point([option.flag for option in lint.options()
               if not re.search(rf"{option.flag}\b", long.stdout)], "--help tells every option")
    words = " ".join(long.stdout.split())
    tap.point([option.flag for option in tables.options() if option.limits() not in words],
              "--help and the documents state the same defaults and ranges")
    unknown = program("--no-such-flag")
    complaints = [f"exit status {unknown.returncode}"] if unknown.returncode != 64 else []
    complaints += ["nothing on standard error"] if "no-such-flag" not in unknown.stderr else []
    complaints += ["wall of text"] if unknown.stderr.count("\n") > 2 or unknown.stdout else []
    tap.point(complaints, "an unknown flag is one line on standard error and 64")


def check_versions(tap):
    text = (lint.SOURCE / "configure.ac").read_text()
    version = re.search(r"AC_INIT\(\[kube-node-tracer\], \[([\w.~-]+)\]", text).group(1)
    found = {"--version": program("--version").stdout}
    for path, pattern in (("CHANGELOG.md", r"^## (\S+)"),
                          ("debian/changelog", r"^kube-node-tracer \(([\w.~]+)"),
                          ("rpm/kube-node-tracer.spec", r"^Version:\s*(\S+)")):
        if (lint.SOURCE / path).is_file():
            match = re.search(pattern, (lint.SOURCE / path).read_text(), re.MULTILINE)
            found[path] = match.group(1) if match else "no version"
    tap.point([f"configure.ac has {version}, {place} has {text.strip()!r}"
               for place, text in found.items() if version not in text.split()], "versions agree")


def accepts(name, *arguments):
    result = program("--print-config", *arguments)
    if result.returncode or not result.stdout:
        return [f"{name}: exit status {result.returncode}: {result.stderr.strip()}"]
    return []


def check_examples(tap):
    tap.point(accepts("sample", "--config", lint.SOURCE / "etc/kube-node-tracer.conf.sample", "-b", "bucket"),
              "the sample file is a configuration")
    for path in sorted((lint.SOURCE / "examples").rglob("*.conf")):
        tap.point(accepts(path.name, "--config", path), f"{lint.relative(path)} is a configuration")
    # tests/kubernetes looks closer; here without kubectl.
    base = lint.SOURCE / "examples/kubernetes/base/kube-node-tracer.conf"
    text = (lint.SOURCE / "examples/daemonset.yaml").read_text()
    inside = "".join(f"    {line}".rstrip() + "\n" for line in base.read_text().splitlines())
    tap.point([] if inside in text else [f"it does not have {lint.relative(base)}"],
              "the configuration in examples/daemonset.yaml is the base's")
    arguments = re.search(r"args:\n((?: +- .*\n)+)", text).group(1)
    arguments = [line.split("- ", 1)[1].replace("/etc/kube-node-tracer", str(base.parent))
                 for line in arguments.splitlines()]
    tap.point(accepts("daemonset.yaml", *arguments), "the arguments in examples/daemonset.yaml work")
    tap.point(accepts("arguments", "-N", "X", "-b", "bucket", "-C", "100", "-W", "100"),
              "the arguments of the original's DaemonSet work")


def check_names_in_documents(tap):
    """Flags and keys that the documents name exist."""
    flags = {"--" + flag.flag for flag in tables.options() + tables.flags()}
    flags |= {"--" + flag.flag for command in tables.commands() for flag in command.flags}
    flags |= {"--group-name", "--prefix"}  # the pattern of our own, and configure's
    keys = {option.key for option in lint.options()}
    groups = {option.group for option in lint.options()}
    unknown_flags, unknown_keys = [], []
    paths = [lint.SOURCE / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "bootstrap")]
    paths += [path for path in lint.our_files()
              if path.parent.name in ("systemd", "man", "examples") or path.parent.name == "docs" and path.suffix == ".md"]
    for path in paths:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            place = f"{lint.relative(path)}:{number}"
            ours = re.search(r"(?:kube-node-tracer|bootstrap run)((?: +[^|#]*)?)$", line)
            words = re.findall(r"`(--[a-z-]+)[^`]*`", line)
            if ours and path.suffix == ".md":
                words += re.findall(r"(?<=\s)(--[a-z][a-z-]*)", ours.group(1))
            unknown_flags += [f"{place}: {word}" for word in words
                              if word not in flags and not word.startswith(("--enable", "--with"))]
            for match in re.finditer(r"(?<![\w./-])(%s)\.([a-z_]{2,})(?![\w(.-])" % "|".join(groups),
                                     line):
                if match.group() not in keys and match.group(2) not in ("conf", "sh", "py", "md"):
                    unknown_keys.append(f"{place}: {match.group()}")
    tap.point(unknown_flags, "flags in the documents exist")
    tap.point(unknown_keys, "keys in the documents exist")


def anchors(path):
    """The fragments that GitHub gives the headings of a Markdown file."""
    text = re.sub(r"^ *```.*?^ *```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        yield re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def check_links(tap):
    """Files and headings that the Markdown documents point to are there."""
    broken = []
    for path in lint.our_files(".md"):
        for target, fragment in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", path.read_text()):
            found = path.parent / target if target else path
            if not found.exists() or fragment and fragment not in anchors(found):
                broken.append(f"{lint.relative(path)}: {target}#{fragment}")
    tap.point(broken, "links in the documents lead somewhere")


def check_filters(tap):
    """The filters of docs/ten-questions.md are filters; all of tshark's at once, as it takes a second to start."""
    text = (lint.SOURCE / "docs/ten-questions.md").read_text().replace("\\\n", " ")
    for tool, found in (("tcpdump", re.findall(r"tcpdump -nr - '([^']*)'", text)),
                        ("tshark", [" || ".join(f"({each})" for each in re.findall(r"-Y '([^']*)'", text)
                                                if not each.endswith("== N"))])):
        name = f"{tool} takes the filters of docs/ten-questions.md"
        if not lint.tool(tool):
            tap.skip(name, f"no {tool}")
            continue
        complaints = [] if len("".join(found)) > 100 else ["few filters"]
        with tempfile.NamedTemporaryFile(suffix=".pcap") as capture:
            capture.write(struct.pack("=IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
            capture.flush()
            for each in found:
                command = ["-d", "-y", "EN10MB", each] if tool == "tcpdump" else ["-r", capture.name, "-Y", each]
                result = lint.run(tool, *command)
                complaints += [f"{each}: {result.stderr}"] if result.returncode else []
        tap.point(complaints, name)


def main():
    tap = lint.Tap()
    if not lint.PROGRAM.exists():
        tap.point([f"{lint.PROGRAM} is missing"], "the program is built")
        tap.done()
    tap.point([] if len(lint.options()) > 20 else ["options.def is not understood"],
              "the table of options is read")
    check_in_step(tap)
    check_help(tap)
    check_versions(tap)
    check_examples(tap)
    check_names_in_documents(tap)
    check_links(tap)
    check_filters(tap)
    tap.done()


if __name__ == "__main__":
    main()
