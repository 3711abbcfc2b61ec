#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What people read is plain English: no phrases that an SRE would not say, in the documents, in the examples, and in
the texts that the program prints. README.md and ARCHITECTURE.md stay short."""

import bisect
import re

import lint

LINES_MAX = {"README.md": 150, "ARCHITECTURE.md": 100}
# A phrase, and what to say instead. "What is lost is counted." begins with a clause for a subject; "What is lost?"
# is a question.
PHRASES = [(re.compile(pattern), instead) for pattern, instead in (
    (r"\b[Tt](?:ells|old)\b", "says, reports, shows, logs"),
    (r"\b[Ss]o (?:many|much)\b", "a number, or: this many"),
    (r"\bfor good\b", "permanently"),
    (r"\banew\b", "again"),
    (r"\b[Aa]lso not\b", "not even, neither"),
    (r"\b(?:is|are|was|were) waited for\b", "waits for"),
    (r"(?:^|(?<=[.!?] ))What (?:is|was|are|were|has|had)\b(?=[^.?!]*(?:[.!]|$))", "a noun as the subject"),
    (r"(?<=[:;] )what (?:is|was|are|were|has|had)\b(?=[^.?!]*(?:[.!]|$))", "a noun as the subject"),
    (r"\b(?:has|have) to be\b", "must be"),
    (r"\bout of reach\b", "unreachable"),
    (r"\ball the same\b", "anyway"),
    (r"\bgoes with\b", "is for, belongs to"),
    (r"\bby themselves\b", "automatically, or nothing"),
)]
SAMPLES = {  # each with the number of phrases in it
    "--help tells the rest": 1, "Bytes as told by du.": 1, "nobody is told": 1, "at least so many packets": 1,
    "refused for good": 1, "and is made anew": 1, "also not after a restart": 1, "a name is waited for": 1,
    "What is broken off goes on.": 1, "Sent in pieces: what is broken off goes on": 1, "it has to be readable": 1,
    "while the bucket is out of reach": 1, "recording all the same": 1, "goes with the command status": 1,
    "end by themselves": 1, "Says what is lost.": 0, "What is lost?": 0, "a good idea": 0, "It says: lost.": 0,
    "at all times the same": 0,
}


class Text:
    """Paragraphs of a file, each on one line, that know which line of the file a place in them is from."""

    def __init__(self, name):
        self.name = name
        self.paragraphs = []  # [text, [start of each piece], [its line]]
        self.end()

    def add(self, number, piece):
        text, starts, numbers = self.paragraph
        starts.append(len(text))
        numbers.append(number)
        self.paragraph[0] = text + piece.strip() + " "

    def end(self):
        self.paragraph = ["", [], []]
        self.paragraphs.append(self.paragraph)

    def complaints(self):
        for text, starts, numbers in self.paragraphs:
            for pattern, instead in PHRASES:
                for match in pattern.finditer(text.strip()):
                    number = numbers[bisect.bisect_right(starts, match.start()) - 1]
                    around = text[max(0, match.start() - 30):match.end() + 30].strip()
                    yield f"{self.name}:{number}: … {around} … (say: {instead})"


def read_document(path):
    """A text file by paragraphs. Comment signs and macros are left out, and so are the parts of manuals that come
    from tables: the tables themselves are looked at."""
    text, is_generated = Text(lint.relative(path)), False
    is_manual, is_commented = path.suffix in (".5", ".7", ".8"), path.suffix in (".conf", ".yaml", ".in", ".sh")
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if is_manual and line.startswith('.\\" begin generated'):
            is_generated = True
        elif is_manual and line.startswith('.\\" end generated'):
            is_generated = False
        if is_generated:
            continue
        is_new = not line.strip(" \t#") or re.match(r"\s*([*|#-]|\d+\.) " if path.suffix == ".md" else r"\.[PSIB]", line)
        if is_commented and not line.lstrip().startswith("#"):
            is_new = True
        if is_new:
            text.end()
        if is_manual:
            line = re.sub(r"^\.\w+ ?", "", line)
        if is_commented or path.suffix == "":
            line = line.lstrip(" \t#")
        if path.suffix == ".md":
            line = re.sub(r"^\s*#+ .*", "", line)  # headings are no sentences
        text.add(number, line)
    return text


def read_literals(path):
    """The string literals of C, those that the compiler joins as one."""
    text = Text(lint.relative(path))
    source = re.sub(r"/\*.*?\*/", lambda match: re.sub(r"[^\n]", " ", match.group()), path.read_text(), flags=re.DOTALL)
    literal = r'"(?:\\.|[^"\\\n])*"'
    for run in re.finditer(rf"{literal}(?:\s*(?:PRI\w+\s*)?{literal})*", source):
        if not source[:run.start()].rpartition("\n")[2].startswith("#"):  # includes
            for match in re.finditer(literal, run.group()):
                number = source.count("\n", 0, run.start() + match.start()) + 1
                # add() puts one blank between pieces.
                text.add(number, re.sub(r"\\[nt]", " ", match.group()[1:-1]))
        text.end()
    return text


def read_page(path):
    """Texts and scripts of the page, without its style."""
    text = Text(lint.relative(path))
    source = re.sub(r"<style.*?</style>", lambda match: "\n" * match.group().count("\n"), path.read_text(),
                    flags=re.DOTALL)
    for number, line in enumerate(source.splitlines(), 1):
        text.add(number, re.sub(r"<[^>]*>", " ", line))
        text.end()
    return text


def documents():
    for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "container/README.md", "debian/control",
                 "rpm/kube-node-tracer.spec", "systemd/kube-node-tracer.service.in"):
        yield lint.SOURCE / name
    for path in lint.our_files(".md", ".conf", ".yaml", ".json", ".sh", ".service", ".5", ".7", ".8"):
        # The sample file is made from options.def.
        if lint.relative(path).parts[0] in ("docs", "examples", "man"):
            yield path


def complaints_of(texts):
    return [complaint for text in texts for complaint in text.complaints()]


def check_itself(tap):
    wrong = []
    for sample, count in SAMPLES.items():
        text = Text("sample")
        text.add(1, sample)
        found = list(text.complaints())
        if len(found) != count:
            wrong.append(f"{sample!r}: {len(found)} phrases")
    wrapped = Text("sample")
    wrapped.add(1, "the bucket is out of")
    wrapped.add(2, "reach")
    if len(list(wrapped.complaints())) != 1:
        wrong.append("a phrase on two lines is not found")
    tap.point(wrong, "this test knows what it looks for")


def check_lengths(tap):
    for name, limit in LINES_MAX.items():
        lines = len((lint.SOURCE / name).read_text().splitlines())
        tap.point([f"{lines} lines"] if lines > limit else [], f"{name} has at most {limit} lines")


def main():
    tap = lint.Tap()
    check_itself(tap)
    check_lengths(tap)
    paths = sorted(set(documents()))
    tap.point([] if len(paths) > 30 else [f"{len(paths)} documents"], "the documents are found")
    tap.point(complaints_of(map(read_document, paths)), "the documents are in plain English")
    sources = [path for path in lint.sources(".c", ".h", ".def")]
    tap.point(complaints_of(map(read_literals, sources)), "so are the texts in the sources")
    pages = [path for path in lint.sources(".html")]
    tap.point(complaints_of(map(read_page, pages)), "and the status page")
    tap.done()


if __name__ == "__main__":
    main()
