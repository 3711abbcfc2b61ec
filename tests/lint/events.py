#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""src/base/events.def: its sentences are logged, its ids are ids, its explanations name facts that are
there. And journalctl understands the catalogue that is made of it."""

import pathlib
import re
import shutil
import tempfile

import lint

# What an operator meets; none of them may lose its id.
EXPECTED = ("recording", "stopped", "segment finished", "segment uploaded", "upload failed",
            "uploads work again", "segment will never be accepted", "segment deleted", "interface went away",
            "interface is back", "unfinished segment recovered", "configuration reloaded", "reload refused",
            "a stage makes no progress")


class Event:
    """A row of the table, and the facts of the calls that log it."""

    def __init__(self, sentence, identifier, explanation):
        self.sentence, self.id = sentence, identifier
        self.explanation = "".join(re.findall(r'"([^"]*)"', explanation))
        self.calls = 0
        self.facts = set()

    def look_for_calls(self, text):
        for match in re.finditer(rf'log_(?:error|warning|notice|info)\(\s*"{re.escape(self.sentence)}"(.*?)\);',
                                 text, re.DOTALL):
            self.calls += 1
            self.facts |= set(re.findall(r'log_(?:text|number)\(\s*"(\w+)"', match.group(1)))
            self.facts |= {"reason"} if "log_reason" in match.group(1) else set()


def events():
    text = (lint.SOURCE / "src/base/events.def").read_text()
    rows = re.findall(r'^EVENT\("([^"]*)", "([^"]*)",\s*((?:"[^"]*"\s*)+)\)', text, re.MULTILINE)
    found = [Event(*row) for row in rows]
    for path in lint.sources(".c"):
        text = path.read_text()
        for event in found:
            event.look_for_calls(text)
    return found, len(re.findall(r"^EVENT\(", text_of_table(), re.MULTILINE))


def text_of_table():
    return (lint.SOURCE / "src/base/events.def").read_text()


def check_catalogue(tap, found):
    name = "journalctl understands the catalogue"
    journalctl = lint.tool("journalctl")
    if not journalctl:
        tap.skip(name, "no journalctl")
        return
    with tempfile.TemporaryDirectory() as root:
        folder = pathlib.Path(root) / "usr/lib/systemd/catalog"
        folder.mkdir(parents=True)
        (pathlib.Path(root) / "var/lib/systemd/catalog").mkdir(parents=True)
        shutil.copy(lint.SOURCE / "systemd/kube-node-tracer.catalog", folder)
        made = lint.run(journalctl, f"--root={root}", "--update-catalog")
        listed = lint.run(journalctl, f"--root={root}", "--list-catalog").stdout
        complaints = [made.stderr] if made.returncode else []
        complaints += [event.sentence for event in found
                       if f"{event.id} kube-node-tracer: {event.sentence}" not in listed]
        tap.point(complaints, name)


def main():
    tap = lint.Tap()
    found, rows = events()
    tap.point([] if len(found) == rows > 10 else [f"{len(found)} of {rows} rows"], "the table is read")
    tap.point([wanted for wanted in EXPECTED if not any(e.sentence.startswith(wanted) for e in found)],
              "what operators meet is in the table")
    tap.point([event.sentence for event in found if event.calls == 0], "every sentence is logged somewhere")
    tap.point([event.id for event in found if not re.fullmatch(r"[0-9a-f]{32}", event.id)],
              "every id is 32 digits")
    for what in ("sentence", "id"):
        values = [getattr(event, what) for event in found]
        tap.point(sorted({value for value in values if values.count(value) > 1}), f"no {what} twice")
    tap.point([f"{event.sentence}: {fact}" for event in found
               for fact in re.findall(r"@KNT_(\w+)@", event.explanation) if fact.lower() not in event.facts],
              "explanations name facts of their line")
    check_catalogue(tap, found)
    tap.done()


if __name__ == "__main__":
    main()
