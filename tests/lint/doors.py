#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One folder, one door: F/F.h; what is for the folder alone stays in it; no header is a long list."""

import re

import lint

PROTOTYPES_MAX = 15
# What everybody uses has no one door.
DRAWERS = ("base",)


def prototypes(text):
    """The functions that a header declares; those it defines (inline) do not count."""
    text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", "", lint.without_comments(text), flags=re.MULTILINE)
    while re.search(r"\{[^{}]*\}", text):
        text = re.sub(r"\{[^{}]*\}", "{", text).replace("{", " body ")
    declared = []
    for statement in re.split(r";| body ", text):
        match = re.match(r"(?!typedef\b|static\b)[\w\s*]*?\b(\w+)\s*\(", statement.strip())
        if match and not match.group(1).startswith("__"):
            declared.append(match.group(1))
    return declared


def is_inner(header):
    return header.stem.endswith(("_private", "_state"))


def main():
    tap = lint.Tap()
    headers = lint.sources(".h")
    counts = {str(lint.relative(path)): len(prototypes(path.read_text())) for path in headers
              if not is_inner(path)}
    tap.point([] if sum(counts.values()) > 150 else [f"{sum(counts.values())} prototypes"],
              "the prototypes are found")
    tap.point([f"{name}: {count} prototypes, at most {PROTOTYPES_MAX}" for name, count in counts.items()
               if count > PROTOTYPES_MAX],
              f"no public header has more than {PROTOTYPES_MAX} prototypes")

    folders = sorted({path.parent for path in lint.sources(".c")} - {lint.SOURCE / "src"})
    tap.point([f"{lint.relative(folder)}: no {folder.name}.h" for folder in folders
               if not (folder / f"{folder.name}.h").is_file()
               and folder.name not in DRAWERS],
              "every folder has its door")

    strangers = []
    for path in lint.sources(".c", ".h"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            header = lint.SOURCE / "src" / match.group(1) if match else None
            if header and is_inner(header) and header.parent != path.parent:
                strangers.append(f"{lint.relative(path)}:{number}: {match.group(1)}")
    tap.point(strangers, "*_private.h and *_state.h are included in their own folder only")
    tap.done()


if __name__ == "__main__":
    main()
