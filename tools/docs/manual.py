# SPDX-License-Identifier: Apache-2.0
"""The generated sections of the manual pages, as mdoc(7)."""

import re

import tables

LINE_WIDTH = 78
SECTION = re.compile(r"(^\.\\\" begin generated (\w+)\n).*?(^\.\\\" end generated\n)", re.MULTILINE | re.DOTALL)
RELOAD = {
    "LIVE": "Applied by a reload.",
    "CAPTURE": "Applied by a reload, which reopens the capture.",
    "UPLOAD": "Applied by a reload, to the uploads that follow.",
    "RESTART": "Needs a restart; a reload keeps the old value.",
}


def fill(text, width=LINE_WIDTH):
    """Lines of whole words; each sentence begins one, as mdoc wants it."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
        if word.endswith("."):
            lines.append(line)
            line = ""
    lines += [line] if line else []
    return "".join(escape(each) + "\n" for each in lines)


def escape(line):
    """No part of a line of text may be taken for a request or an escape."""
    return (r"\&" if line.startswith((".", "'")) else "") + line.replace("\\", r"\e")


def tagged_list(items):
    return ".Bl -tag -width Ds\n" + "".join(items) + ".El\n"


def flag_item(flag):
    letter = f"Fl {flag.letter} , " if flag.letter else ""
    argument = f" Ar {flag.argument}" if flag.argument else ""
    return f".It {letter}Fl Fl {flag.flag}{argument}\n{fill(flag.help)}"


def options_section():
    return tagged_list([flag_item(option) + fill(option.limits()) for option in tables.options()] +
                       [flag_item(tables.flags()[0])])


def command_item(command):
    flag = ""
    if command.flag:
        flag = (f" , Fl {command.flag.letter}" if command.flag.letter else "") + f" , Fl Fl {command.word}"
    words = f" Ar {command.words}" if command.words else ""
    own = tagged_list(map(flag_item, command.flags)) if command.flags else ""
    return f".It Cm {command.word}{flag}{words}\n{fill(command.help)}{own}"


def commands_section():
    return tagged_list(map(command_item, tables.commands()))


def key_item(option):
    quotes = "Qq " if option.type in ("TEXT", "LIST", "CHOICE") else ""
    letter = f".Fl {option.letter} ,\n" if option.letter else ""
    return (f".It Ic {option.name} No = {quotes}Ar {option.argument}\n"
            f"{fill(option.help)}{fill(option.limits())}"
            f"Flag:\n{letter}.Fl Fl {option.flag} .\n{RELOAD[option.reload]}\n")


def keys_section():
    groups = {}
    for option in tables.options():
        groups.setdefault(option.group, []).append(key_item(option))
    return "".join(f".Ss Group {group}\n{tagged_list(items)}" for group, items in groups.items())


def metrics_section():
    return tagged_list(f".It Ic {name}{' Brq ' if labels else ''}{labels}\n{fill(text)}"
                       for name, labels, text in tables.metrics())


def health_section():
    return tagged_list(f".It Pa /{'healthz' if is_liveness else 'readyz'} , Cm {name}\n{fill(text)}"
                       for name, is_liveness, text in tables.health_rules())


SECTIONS = {"options": options_section, "commands": commands_section, "keys": keys_section,
            "metrics": metrics_section, "health": health_section}


def page(path):
    """The manual page with its generated sections made again."""
    text, count = SECTION.subn(lambda found: found[1] + SECTIONS[found[2]]() + found[3], tables.read(path))
    if count == 0:
        raise ValueError(f"{path}: no section between '.\\\" begin generated NAME' and '.\\\" end generated'")
    return text
