# SPDX-License-Identifier: Apache-2.0
"""Reads the tables of the C sources: rows of macros (options.def, events.def) and arrays of structs."""

import ast
import pathlib
import re

SOURCE = pathlib.Path(__file__).resolve().parents[2]

TOKEN = re.compile(r"""(?P<skip>\s+ | //[^\n]* | /\*.*?\*/)
                     | (?P<string>"(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])+')
                     | (?P<word>\.?\w+)
                     | (?P<mark>.)""", re.VERBOSE | re.DOTALL)
CONSTANTS = {"NULL": None, "true": True, "false": False}
OPENING, CLOSING = "({[", ")}]"


class String(str):
    """A string literal, as opposed to a name or an expression."""


def read(path):
    return (SOURCE / path).read_text()


def tokenize(text):
    return [match.group() for match in TOKEN.finditer(text) if match.lastgroup != "skip"]


def group_end(tokens, start):
    """The position of the bracket that closes the one at start."""
    depth = 0
    for position in range(start, len(tokens)):
        depth += (tokens[position] in OPENING) - (tokens[position] in CLOSING)
        if depth == 0:
            return position
    raise ValueError(f"no end of {' '.join(tokens[start:start + 10])} …")


def split_at_commas(tokens):
    """The items of a list; a comma at its end does not begin another one."""
    items, depth = [[]], 0
    for token in tokens:
        depth += (token in OPENING) - (token in CLOSING)
        if token == "," and depth == 0:
            items.append([])
        else:
            items[-1].append(token)
    return items if items[-1] else items[:-1]


def evaluate(tokens):
    """An item's value: literals joined, a constant, a row in braces, or else the expression as text."""
    if all(token[0] in "\"'" for token in tokens):
        return String("".join(map(ast.literal_eval, tokens)))
    if tokens[0] == "{":
        return evaluate_row(tokens[1:-1])
    if len(tokens) == 1:
        return int(tokens[0]) if tokens[0].isdigit() else CONSTANTS.get(tokens[0], tokens[0])
    return " ".join(tokens)


def evaluate_row(tokens):
    """A list of values, or a dict if there are designators; positions are the keys of the others."""
    items = split_at_commas(tokens)
    row = {}
    for position, item in enumerate(items):
        is_named = item[0].startswith(".") and len(item) > 2 and item[1] == "="
        row[item[0][1:] if is_named else position] = evaluate(item[2:] if is_named else item)
    return list(row.values()) if all(isinstance(key, int) for key in row) else row


def macro_uses(path, name):
    """What is between the brackets of every NAME(…) of a file, with the file's own macros expanded: a list, or a
    dict if there are designators."""
    text = read(path)
    tokens = expand(tokenize(text), macros_of(text))
    return [evaluate_row(tokens[position + 2:group_end(tokens, position + 1)])
            for position, token in enumerate(tokens) if token == name and tokens[position + 1] == "("]


def macro_rows(path, name, fields):
    """Every NAME(…) of a file, as a dict with these fields."""
    return [dict(zip(fields, values, strict=True)) for values in macro_uses(path, name)]


def array_rows(path, name):
    """The items of an array (or struct), with the file's own macros expanded."""
    text = read(path)
    start = re.search(rf"\b{name}(?:\[\w*\])?\s*=\s*", text).end()
    tokens = tokenize(text[start:])
    tokens = expand(tokens[1:group_end(tokens, 0)], macros_of(text))
    return [evaluate(item) for item in split_at_commas(tokens)]


def macros_of(text):
    """{name: (parameters, tokens)} of the macros that take arguments."""
    found = {}
    for name, parameters, body in re.findall(r"^#define (\w+)\(([\w, ]*)\)((?:.*\\\n)*.*)$", text, re.MULTILINE):
        found[name] = parameters.split(", "), tokenize(body.replace("\\\n", " "))
    return found


def expand(tokens, macros):
    done, position = [], 0
    while position < len(tokens):
        token = tokens[position]
        position += 1
        if token not in macros or tokens[position] != "(":
            done.append(token)
            continue
        end = group_end(tokens, position)
        parameters, body = macros[token]
        arguments = dict(zip(parameters, split_at_commas(tokens[position + 1:end])))
        done += expand([each for word in body for each in arguments.get(word, [word])], macros)
        position = end + 1
    return done


class Option:
    """A row of src/conf/options.def."""

    FIELDS = ("type", "group", "name", "letter", "default", "unit", "min", "max", "reload", "argument", "help")

    def __init__(self, row):
        self.__dict__.update(row)
        self.letter = row["letter"] or ""
        if self.type == "CHOICE":  # WORD(ENUMERATOR, "word") OR(…)
            self.argument = "|".join(re.findall(r'"([^"]+)"', self.argument))
        self.flag = f"{self.group}-{self.name}".replace("_", "-")

    def choices(self):
        """The words that are allowed, where there are some."""
        return {"SWITCH": "true|false", "CHOICE": self.argument}.get(self.type, "").replace("|", " ").split()

    def allowed(self):
        """As conf_value_allowed() says it."""
        if self.type == "SHARE":
            return f"{self.min}% to {self.max}%, or a {'number' if self.unit else 'size'}"
        if self.type == "SIZE":
            return f"{self.min} to {self.max} {'KiB' if self.unit == 1024 else 'MB'}"
        if self.type in ("NUMBER", "SECONDS"):
            return f"{self.min} to {self.max}"
        return ", ".join(self.choices())

    def limits(self):
        """Default and range as sentences. The words of a CHOICE are its argument already."""
        default = f"Default: {self.default}." if self.default else ""
        allowed = f"Allowed: {self.allowed()}."
        return default if self.type in ("TEXT", "LIST", "CHOICE") else f"{default} {allowed}".strip()


class Flag:
    """A flag that is no option; it has the fields of Option that flags need."""

    def __init__(self, name, letter, argument, help_text):
        self.flag, self.letter, self.argument, self.help = name, letter or "", argument, help_text

    def choices(self):
        return []


class Command:
    """A row of src/cli/commands.def."""

    def __init__(self, row):
        self.word, self.kind, self.help, self.words = row["word"], row["kind"], row["help"], row.get("words")
        self.flags = [Flag(*flag) for flag in row.get("flags", [])]
        # The flag that does the same.
        self.flag = Flag(self.word, row.get("letter"), None, self.help) if "is_flag" in row else None


def options():
    return [Option(row) for row in macro_rows("src/conf/options.def", "OPTION", Option.FIELDS)]


def commands():
    return [Command(row) for row in macro_uses("src/cli/commands.def", "COMMAND")]


def flags():
    """The flags besides the options that every command takes; first the one of the configuration file."""
    config = Flag(*array_rows("src/cli/command_line.c", "command_config_flag"))
    return [config] + [command.flag for command in commands() if command.flag]


def events():
    return macro_rows("src/base/events.def", "EVENT", ("name", "level", "sentence", "id", "explanation"))


def metrics():
    """[(name, labels, help)]"""
    suffixes = {"METRIC_COUNTER": "_total", "METRIC_INFO": "_info"}
    found = []
    for row in array_rows("src/status/metrics.c", "metrics"):
        if None in row:  # one more sample of the metric before
            continue
        name, labels, text = [value for value in row if isinstance(value, String)][:3]
        found.append(("kube_node_tracer_" + name + suffixes.get(row[1], ""), labels, text))
    return found


def health_rules():
    """[(name, is_liveness, help)]"""
    return [row[:3] for row in array_rows("src/status/health.c", "health_rules")]
