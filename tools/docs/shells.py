# SPDX-License-Identifier: Apache-2.0
"""Completion for shells: commands, flags, and values where they are known."""

import re

import tables

HEAD = """\
# SPDX-License-Identifier: Apache-2.0
# Made from the tables of options and commands by `make docs`.
"""


def all_flags():
    return tables.options() + tables.flags()


def kind_of(flag):
    """What completes the flag's value; None: it takes none."""
    if flag.choices():
        return "words"
    if flag.flag == "capture-interface":
        return "interfaces"
    return {None: None, "FILE": "file", "DIR": "directory", "USER": "user"}.get(flag.argument, "free")


def summary(text, special):
    """The first sentence without its full stop; a backslash before any of the special characters."""
    sentence = text.split(". ")[0].removesuffix(".")
    return re.sub(f"([{re.escape(special)}])", r"\\\1", sentence)


# bash -------------------------------------------------------------------------------------------------

BASH_HEAD = f"""\
# shellcheck shell=bash
{HEAD}
# The last of names joined by commas; the ones before it stay.
_kube_node_tracer_interfaces()
{{
	local before=
	[[ $1 != *,* ]] || before=${{1%,*}},
	mapfile -t COMPREPLY < <(
		compgen -P "$before" -W 'any auto' -- "${{1##*,}}"
		cd /sys/class/net 2>/dev/null &&
			compgen -P "$before" -d -- "${{1##*,}}"
	)
}}

_kube_node_tracer_paths()
{{
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen "$1" -- "$2")
}}

_kube_node_tracer()
{{
	local word=${{COMP_WORDS[COMP_CWORD]}} flag=${{COMP_WORDS[COMP_CWORD - 1]}}

	COMPREPLY=()
	# --flag=value comes as three words.
	if [[ $word == = ]]; then
		word=
	elif [[ $flag == = ]]; then
		flag=${{COMP_WORDS[COMP_CWORD - 2]}}
	fi
	case $flag in
"""

BASH_ACTIONS = {
    "free": ":",
    "file": '_kube_node_tracer_paths -f "$word"',
    "directory": '_kube_node_tracer_paths -d "$word"',
    "user": 'mapfile -t COMPREPLY < <(compgen -u -- "$word")',
    "interfaces": '_kube_node_tracer_interfaces "$word"',
}


def bash_words(words):
    return f"mapfile -t COMPREPLY < <(compgen -W '{words}' -- \"$word\")"


def bash():
    text = BASH_HEAD
    for flag in all_flags():
        kind = kind_of(flag)
        if kind:
            letter = f"-{flag.letter} | " if flag.letter else ""
            action = BASH_ACTIONS.get(kind) or bash_words(" ".join(flag.choices()))
            text += f"\t{letter}--{flag.flag}) {action} ;;\n"
    commands = " ".join(word for word, _ in tables.commands())
    flags = "".join(f"\t\t\t--{flag.flag}\n" for flag in all_flags())
    return text + (f"\t*)\n\t\tif [[ $COMP_CWORD == 1 ]]; then\n\t\t\t{bash_words(commands)}\n\t\tfi\n"
                   "\t\t[[ $word != -* ]] || " + bash_words("\n" + flags + "\t\t") +
                   "\n\t\t;;\n\tesac\n}\n\ncomplete -F _kube_node_tracer kube-node-tracer\n")


# zsh --------------------------------------------------------------------------------------------------

ZSH_HEAD = f"""\
#compdef kube-node-tracer
{HEAD}
_kube_node_tracer_interfaces() {{
	compadd "$@" - any auto /sys/class/net/*(N:t)
}}

"""
ZSH_SPECIAL = '[]:$`"\\'
ZSH_ACTIONS = {"free": " ", "file": "_files", "directory": "_directories", "user": "_users",
               "interfaces": "_sequence -s , _kube_node_tracer_interfaces"}


def zsh_flag(flag):
    kind = kind_of(flag)
    plus, equals = ("+", "=") if kind else ("", "")
    text = ""
    # Interfaces accumulate; any other flag is offered once.
    if kind == "interfaces":
        text = "\\*"
    elif flag.letter:
        text = f"'(-{flag.letter} --{flag.flag})'"
    if flag.letter:
        text += f"{{-{flag.letter}{plus},--{flag.flag}{equals}}}\"["
    else:
        text += f"\"--{flag.flag}{equals}["
    text += summary(flag.help, ZSH_SPECIAL) + "]"
    if kind:
        action = ZSH_ACTIONS.get(kind) or f"({' '.join(flag.choices())})"
        text += f":{flag.argument.replace(':', chr(92) + ':')}:{action}"
    return text + '"'


def zsh():
    words = " ".join(f"{word}\\:\"{summary(text, ZSH_SPECIAL + chr(39))}\"" for word, text in tables.commands())
    items = [zsh_flag(flag) for flag in all_flags()] + [f"'1::command:(({words}))'"]
    return ZSH_HEAD + "_arguments -s -S" + "".join(f" \\\n\t{item}" for item in items) + "\n"


# fish -------------------------------------------------------------------------------------------------

FISH_ACTIONS = {None: "", "free": " -x", "file": " -r -F", "directory": " -x -a '(__fish_complete_directories)'",
                "user": " -x -a '(__fish_complete_users)'",
                "interfaces": " -x -a 'any auto (__fish_print_interfaces)'"}


def fish_line(what, text):
    return f"complete -c kube-node-tracer{what} -d '{summary(text, chr(39) + chr(92))}'\n"


def fish_flag(flag):
    kind = kind_of(flag)
    letter = f" -s {flag.letter}" if flag.letter else ""
    action = f" -x -a '{' '.join(flag.choices())}'" if kind == "words" else FISH_ACTIONS[kind]
    return fish_line(f"{letter} -l {flag.flag}{action}", flag.help)


def fish():
    text = f"{HEAD}\ncomplete -c kube-node-tracer -f\n"
    text += "".join(fish_flag(flag) for flag in all_flags())
    return text + "".join(fish_line(f" -n __fish_use_subcommand -a {word}", help_text)
                          for word, help_text in tables.commands())
