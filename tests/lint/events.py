#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""src/base/events.def: its events are logged, its ids are ids, its explanations name fields that are
there. And journalctl understands the catalogue that is made of it."""

import pathlib
import re
import shutil
import tempfile

import lint

# What an operator meets; none of them may lose its id.
EXPECTED = ("RECORDING", "STOPPED", "SEGMENT_FINISHED", "SEGMENT_UPLOADED", "UPLOAD_FAILED", "UPLOADS_RECOVERED",
            "SEGMENT_REJECTED", "SEGMENT_EVICTED", "INTERFACE_GONE", "INTERFACE_BACK", "SEGMENT_RECOVERED",
            "RELOADED", "RELOAD_REFUSED", "STAGE_STUCK")


class Event:
    """A row of the table, and the fields of the calls that log it."""

    def __init__(self, name, level, sentence, identifier, explanation):
        self.name, self.level, self.sentence, self.id = name, level, sentence, identifier
        self.explanation = "".join(re.findall(r'"([^"]*)"', explanation))
        self.calls = 0
        self.fields = set()

    def look_for_calls(self, text):
        for match in re.finditer(rf'log_event(?:_at)?\(\s*(?:\w+,\s*)?EVENT_{self.name}\b(.*?)\);', text, re.DOTALL):
            self.calls += 1
            self.fields |= set(re.findall(r'log_(?:text|number)\(\s*"(\w+)"', match.group(1)))
            self.fields |= {"reason"} if "log_reason" in match.group(1) else set()


def events():
    text = (lint.SOURCE / "src/base/events.def").read_text()
    rows = re.findall(r'^EVENT\((\w+), (\w+),\s*"([^"]*)",\s*"([^"]*)",\s*((?:"[^"]*"\s*)+)\)', text, re.MULTILINE)
    found = [Event(*row) for row in rows]
    for path in lint.sources(".c"):
        text = path.read_text()
        for event in found:
            event.look_for_calls(text)
    return found, len(re.findall(r"^EVENT\(", text_of_table(), re.MULTILINE))


def text_of_table():
    return (lint.SOURCE / "src/base/events.def").read_text()


def awaited_by_tests():
    """The names of the events that tests wait for, with their places; patterns are left out."""
    for path in sorted((lint.SOURCE / "tests").glob("*/*")):
        if path.suffix == ".py" or path.name == "run":
            for name in re.findall(r'(?:events\(|wait_event\(|"KNT_EVENT"\) == )"([a-z-]+)"', path.read_text()):
                yield name.upper().replace("-", "_"), lint.relative(path)


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
    tap.point([wanted for wanted in EXPECTED if not any(e.name == wanted for e in found)],
              "what operators meet is in the table")
    tap.point([event.name for event in found if event.calls == 0], "every event is logged somewhere")
    tap.point([event.id for event in found if not re.fullmatch(r"[0-9a-f]{32}", event.id)],
              "every id is 32 digits")
    for what in ("name", "sentence", "id"):
        values = [getattr(event, what) for event in found]
        tap.point(sorted({value for value in values if values.count(value) > 1}), f"no {what} twice")
    tap.point([f"{event.name}: {field}" for event in found
               for field in re.findall(r"@KNT_(\w+)@", event.explanation) if field.lower() not in event.fields],
              "explanations name fields of their line")
    names = {event.name for event in found}
    awaited = list(awaited_by_tests())
    tap.point([f"{path}: {name}" for name, path in awaited if name not in names] if len(awaited) > 20
              else [f"only {len(awaited)} found"], "tests wait for events that exist")
    check_catalogue(tap, found)
    tap.done()


if __name__ == "__main__":
    main()
