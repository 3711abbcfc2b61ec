#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the committed documents that come from the tables in the sources; `make docs` runs it. With
--print PATH, only prints what that document should be."""

import subprocess
import sys

import manual
import shells
import tables

SAMPLE_WIDTH = 68
CATALOG_WIDTH = 80
SAMPLE_HEAD = """\
# SPDX-License-Identifier: Apache-2.0
#
# Configuration of kube-node-tracer(8); see kube-node-tracer.conf(5).
#
# The only required setting is upload.destination. Every other option is listed
# with its default, commented out: remove the # before a name to change its value.
# Check with: kube-node-tracer --check-config
# Apply with: systemctl reload kube-node-tracer
"""
CATALOG_HEAD = """\
# SPDX-License-Identifier: Apache-2.0
# Made from src/base/events.def by `make docs`.
"""


def wrap(text, prefix, width):
    """Words in lines of at most width columns, each behind prefix."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return "".join(f"{prefix}{line}\n" for line in lines)


def sample_value(option):
    """As libconfig reads it: to libconfig, a size with a suffix is a string."""
    # Where no default works there is an example.
    value = "my-bucket" if option.flag == "upload-destination" else option.default
    is_bare = option.type in ("SWITCH", "NUMBER", "SECONDS") or \
        option.type in ("SIZE", "SHARE") and value.isdigit()
    return value if is_bare else '"' + value.replace("\\", r"\\").replace('"', r'\"') + '"'


def sample():
    text, group = SAMPLE_HEAD, None
    for option in tables.options():
        if option.group != group:
            text += f"{'};' + chr(10) if group else ''}\n{option.group}:\n{{\n"
        else:
            text += "\n"
        group = option.group
        letter = f"-{option.letter}, " if option.letter else ""
        text += wrap(f"{option.help} {option.limits()}", "\t# ", SAMPLE_WIDTH)
        text += f"\t# Flag: {letter}--{option.flag} {option.argument}\n"
        text += f"\t#{option.name} = {sample_value(option)};\n"
    return text + "};\n"


def catalog():
    """The journal's message catalogue, see systemd.journal-catalog in systemd's documentation."""
    text = CATALOG_HEAD
    for event in tables.events():
        text += (f"\n-- {event['id']}\n"
                 f"Subject: {event['sentence']}\n"
                 "Defined-By: kube-node-tracer\n"
                 "Documentation: man:kube-node-tracer(8)\n\n")
        text += wrap(event["explanation"], "", CATALOG_WIDTH)
    return text


def printed_by(script):
    return subprocess.run([sys.executable, tables.SOURCE / script], capture_output=True, text=True, check=True).stdout


DOCUMENTS = {
    "etc/kube-node-tracer.conf.sample": sample,
    "systemd/kube-node-tracer.catalog": catalog,
    "completions/kube-node-tracer": shells.bash,
    "completions/_kube-node-tracer": shells.zsh,
    "completions/kube-node-tracer.fish": shells.fish,
} | {path: lambda path=path: manual.page(path) for path in (
    "man/kube-node-tracer.8", "man/kube-node-tracer.conf.5", "man/kube-node-tracer-metrics.7")
} | {
    "examples/monitoring/grafana-dashboard.json": lambda: printed_by("tests/monitoring/dashboard.py"),
    "examples/kubernetes/components/monitoring/prometheus-rule.yaml":
    lambda: printed_by("tests/monitoring/prometheus_rule.py"),
}


def write_changed():
    for path, make in DOCUMENTS.items():
        text = make()
        if not (tables.SOURCE / path).exists() or tables.read(path) != text:
            (tables.SOURCE / path).write_text(text)
            print(f"{path} is regenerated")


def main():
    if len(sys.argv) == 1:
        write_changed()
    elif len(sys.argv) == 3 and sys.argv[1] == "--print" and sys.argv[2] in DOCUMENTS:
        print(DOCUMENTS[sys.argv[2]](), end="")
    else:
        sys.exit("usage: generate.py [--print PATH]\nPATH is one of " + ", ".join(DOCUMENTS))


if __name__ == "__main__":
    main()
