#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No circle among files: who uses a file can be understood after it, never together with it.

A file is the pair of its .c and .h. It uses another when its header includes the other's, or when it has a
function that the other defines, as the objects tell. A .c may include what it likes: that is types, or such
a function."""

import collections
import os
import re

import lint


def node(path):
    """folder/name of a path below src/, without the suffix."""
    return str(path.relative_to(lint.SOURCE / "src").with_suffix(""))


def uses_by_include():
    for path in lint.sources(".h"):
        for header in re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.MULTILINE):
            yield node(path), re.sub(r"\.\w+$", "", header), "includes it"


def uses_by_symbol(nm):
    """From the library's objects, which are called as the sources are."""
    nodes = {path.stem: node(path) for path in lint.sources(".c")}
    defined, wanted = {}, []
    for line in lint.run(nm, "-A", lint.BUILD / "libkube-node-tracer.a").stdout.splitlines():
        match = re.match(r".*:([\w-]+)\.o:[0-9a-f\s]+([TWU]) (\w+)$", line)
        if match and match.group(1) in nodes:
            name, kind, symbol = match.groups()
            if kind == "U":
                wanted.append((nodes[name], symbol))
            else:
                defined[symbol] = nodes[name]
    for user, symbol in wanted:
        if symbol in defined:
            yield user, defined[symbol], f"{symbol}()"


def circles(graph):
    """The strongly connected parts of more than one file (Tarjan), each a sorted list."""
    index, low, stack, found = {}, {}, [], []

    def visit(name):
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(graph[name]):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            part = stack[stack.index(name):]
            del stack[stack.index(name):]
            if len(part) > 1:
                found.append(sorted(part))

    for name in sorted(graph):
        if name not in index:
            visit(name)
    return found


def describe(part, graph):
    """Every use inside the circle, by what."""
    lines = ["circle: " + " ".join(part)]
    for name in part:
        for other in sorted(set(graph[name]) & set(part)):
            lines.append(f"    {name} -> {other}: {', '.join(sorted(graph[name][other]))}")
    return "\n".join(lines)


def main():
    tap = lint.Tap()
    nm = lint.tool(os.environ.get("NM") or "nm", "nm")
    graph = collections.defaultdict(lambda: collections.defaultdict(set))
    by_symbol = list(uses_by_symbol(nm)) if nm else []
    for user, used, how in [*uses_by_include(), *by_symbol]:
        if user != used:
            graph[user][used].add(how)
            graph[used]  # pylint: disable=pointless-statement
    found = circles(graph)

    name = "the files' uses of one another are found"
    if nm:
        tap.point([] if len(by_symbol) > 300 else [f"{len(by_symbol)} calls between files"], name)
    else:
        tap.skip(name, "no nm, includes alone are looked at")
    tap.point([describe(part, graph) for part in found], "no files go in a circle")
    tap.done()


if __name__ == "__main__":
    main()
