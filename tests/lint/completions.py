#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The shells' completions, in the shells: flags and values are offered, and nothing is wrong with them."""

import os
import re
import tempfile

import lint

FOLDER = lint.SOURCE / "completions"
INTERFACES = sorted(os.listdir("/sys/class/net")) if os.path.isdir("/sys/class/net") else []

# What is typed, and words that have to be offered for it; the last one must not be.
CASES = [
    ("--cap", ["--capture-interface", "--capture-snaplen"], "--segment-age"),
    ("-", ["--upload-destination", "--check-config", "--help"], "json"),
    ("-i ", ["any", "auto", *INTERFACES], "--help"),
    ("-i a", ["any", "auto"], "lo"),
    ("--log-format=js", ["json"], "text"),
    ("--log-level ", ["warning", "debug"], "json"),
    ("--capture-promiscuous f", ["false"], "true"),
    ("st", ["status"], "flush"),
    ("he", ["help", "healthz"], "status"),
    ("v", ["version"], "status"),
    ("status --", ["--json", "--watch", "--config"], "--all"),
    ("flush --", ["--config", "--help"], "--json"),
    ("--w", [], "--watch"),
    ("help ", ["run", "status", "check-config"], "--config"),
    ("status ", [], "flush"),
    ("-b bucket --segment-", ["--segment-size"], "--spool-directory"),
]

# Sets COMP_WORDS as readline does, which splits at = as well.
BASH = r"""
source "$1"
mapfile -t COMP_WORDS <<<"$2"
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_kube_node_tracer
printf '%s\n' "${COMPREPLY[@]}"
"""

# A terminal with an interactive zsh in it: ^D lists the matches, ^U takes the line back. The two are zsh's own
# keys, not the terminal's, once its prompt is there.
ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "stty rows 100 cols 200; fpath=($1 \$fpath); autoload -U compinit; compinit -D -u"
zpty -w shell "LISTMAX=1000; PS1='rea''dy> '"
zpty -r -m shell line '*ready> *'
zpty -w -n shell "kube-node-tracer $2"$'\C-d\C-u'
zpty -w shell "echo do''ne"
zpty -r -m shell line '*done*'
print -rn -- "$line"
zpty -d shell
"""
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def bash_words(typed):
    words = ("kube-node-tracer " + typed).replace("=", " = ").split(" ")
    return "\n".join(words)


def check_bash(tap):
    bash = lint.tool("bash")
    path = FOLDER / "kube-node-tracer"
    if not bash:
        tap.skip("bash", "no bash")
        return
    result = lint.run(bash, "-n", path)
    tap.point([result.stderr] if result.returncode or result.stderr else [], "bash parses its file")
    cases = CASES + [("-i lo,a", ["lo,any", "lo,auto"], "any"),
                     (f"--config {path.parent}/kube-node-tr", [str(path)], "any")]
    for typed, offered, not_offered in cases:
        result = lint.run(bash, "--norc", "-c", BASH, "bash", path, bash_words(typed))
        words = result.stdout.split()
        complaints = [f"no {word} in {words}" for word in offered if word not in words]
        complaints += [f"{not_offered} is offered"] if not_offered in words else []
        complaints += [result.stderr] if result.stderr else []
        tap.point(complaints, f"bash completes '{typed}'")
    shellcheck = lint.tool("shellcheck")
    if not shellcheck:
        tap.skip("shellcheck has nothing to say about it", "no shellcheck")
        return
    result = lint.run(shellcheck, "--format=gcc", path)
    tap.point(result.stdout.splitlines(), "shellcheck has nothing to say about it")


def check_fish(tap):
    fish = lint.tool("fish")
    path = FOLDER / "kube-node-tracer.fish"
    if not fish:
        tap.skip("fish completes", "no fish")
        return
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home}
        for typed, offered, not_offered in CASES:
            result = lint.run(fish, "--no-config", "-c", f"source {path}; complete -C 'kube-node-tracer {typed}'",
                              env=environment)
            words = [line.split("\t")[0] for line in result.stdout.splitlines()]
            # A long flag with = is offered whole.
            flag = typed.rpartition("=")[0] + "=" if "=" in typed else ""
            complaints = [f"no {flag}{word} in {words}" for word in offered if flag + word not in words]
            complaints += [f"{not_offered} is offered"] if flag + not_offered in words else []
            tap.point(complaints, f"fish completes '{typed}'")


def check_zsh(tap):
    zsh = lint.tool("zsh")
    path = FOLDER / "_kube-node-tracer"
    if not zsh:
        tap.skip("zsh completes", "no zsh")
        return
    result = lint.run(zsh, "-n", path)
    tap.point([result.stderr] if result.returncode or result.stderr else [], "zsh parses its file")
    for typed, offered, not_offered in CASES:
        result = lint.run(zsh, "-f", "-c", ZSH, "zsh", FOLDER, typed)
        words = ESCAPE.sub(" ", result.stdout).split()
        complaints = [f"no {word} in {words}" for word in offered if word not in words]
        complaints += [f"{not_offered} is offered"] if not_offered in words else []
        tap.point(complaints, f"zsh completes '{typed}'")


def main():
    tap = lint.Tap()
    check_bash(tap)
    check_fish(tap)
    check_zsh(tap)
    tap.done()


if __name__ == "__main__":
    main()
