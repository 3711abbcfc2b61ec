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


def is_help(command):
    return command.kind == "COMMAND_HELPS"


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
	local word=${{COMP_WORDS[COMP_CWORD]}} flag=${{COMP_WORDS[COMP_CWORD - 1]}} own=

	COMPREPLY=()
	# --flag=value comes as three words.
	if [[ $word == = ]]; then
		word=
	elif [[ $flag == = ]]; then
		flag=${{COMP_WORDS[COMP_CWORD - 2]}}
	fi
	case ${{COMP_WORDS[1]}}:$flag in
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


def bash_value(command, flag):
    """A case that completes the value of a flag: of this command, or * for any."""
    kind = kind_of(flag)
    if not kind:
        return ""
    names = ([f"-{flag.letter}"] if flag.letter else []) + [f"--{flag.flag}"]
    pattern = " | ".join(f"{command}:{name}" for name in names)
    action = BASH_ACTIONS.get(kind) or bash_words(" ".join(flag.choices()))
    return f"\t{pattern}) {action} ;;\n"


def bash():
    commands = tables.commands()
    words = " ".join(command.word for command in commands)
    values = [bash_value(command.word, flag) for command in commands for flag in command.flags]
    values += [bash_value("*", flag) for flag in all_flags()]
    own = [f"\t\t{command.word}) own='{' '.join('--' + flag.flag for flag in command.flags)}' ;;\n"
           for command in commands if command.flags]
    topics = [f" || ${{COMP_WORDS[1]}} == {command.word}" for command in commands if is_help(command)]
    flags = "".join(f"\t\t\t--{flag.flag}\n" for flag in all_flags())
    return (BASH_HEAD + "".join(values) + "\t*)\n\t\tcase ${COMP_WORDS[1]} in\n" + "".join(own) + "\t\tesac\n"
            f"\t\tif [[ $COMP_CWORD == 1{''.join(topics)} ]]; then\n\t\t\t{bash_words(words)}\n\t\tfi\n"
            "\t\t[[ $word != -* ]] || mapfile -t COMPREPLY < <(compgen -W \"$own\"'\n" + flags +
            "\t\t' -- \"$word\")\n\t\t;;\n\tesac\n}\n\ncomplete -F _kube_node_tracer kube-node-tracer\n")


# zsh --------------------------------------------------------------------------------------------------

ZSH_HEAD = f"""\
#compdef kube-node-tracer
{HEAD}
_kube_node_tracer_interfaces() {{
	compadd "$@" - any auto /sys/class/net/*(N:t)
}}

_kube_node_tracer_commands() {{
	local -a entries=(
"""
ZSH_QUOTED = '$`"\\'
ZSH_SPECIAL = "[]:" + ZSH_QUOTED
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


def zsh_own(command):
    """The case of a command that takes more than the flags of all."""
    items = [zsh_flag(flag) for flag in command.flags]
    items += ["'2::command:_kube_node_tracer_commands'"] if is_help(command) else []
    items = "".join(f"\n\t\t{item}" for item in items)
    return f"{command.word})\n\town=({items}\n\t)\n\t;;\n" if items else ""


def zsh():
    commands = tables.commands()
    words = "".join(f"\t\t\"{command.word}:{summary(command.help, ZSH_QUOTED)}\"\n" for command in commands)
    items = [zsh_flag(flag) for flag in all_flags()] + ["'1::command:_kube_node_tracer_commands'"]
    return (ZSH_HEAD + words + "\t)\n\t_describe command entries\n}\n\n"
            "local -a own\ncase $words[2] in\n" + "".join(map(zsh_own, commands)) + "esac\n\n"
            "_arguments -s -S $own" + "".join(f" \\\n\t{item}" for item in items) + "\n")


# fish -------------------------------------------------------------------------------------------------

FISH_ACTIONS = {None: "", "free": " -x", "file": " -r -F", "directory": " -x -a '(__fish_complete_directories)'",
                "user": " -x -a '(__fish_complete_users)'",
                "interfaces": " -x -a 'any auto (__fish_print_interfaces)'"}


def fish_line(what, text):
    return f"complete -c kube-node-tracer{what} -d '{summary(text, chr(39) + chr(92))}'\n"


def fish_flag(flag, condition=""):
    kind = kind_of(flag)
    letter = f" -s {flag.letter}" if flag.letter else ""
    action = f" -x -a '{' '.join(flag.choices())}'" if kind == "words" else FISH_ACTIONS[kind]
    return fish_line(f"{condition}{letter} -l {flag.flag}{action}", flag.help)


def fish():
    commands = tables.commands()
    text = f"{HEAD}\ncomplete -c kube-node-tracer -f\n"
    text += "".join(fish_flag(flag) for flag in all_flags())
    for command in commands:
        is_given = f" -n '__fish_seen_subcommand_from {command.word}'"
        text += fish_line(f" -n __fish_use_subcommand -a {command.word}", command.help)
        text += "".join(fish_flag(flag, is_given) for flag in command.flags)
        if is_help(command):
            text += "".join(fish_line(f"{is_given} -a {topic.word}", topic.help) for topic in commands)
    return text
