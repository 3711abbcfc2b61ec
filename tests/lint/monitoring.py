#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""examples/monitoring: the rules do what they say (promtool), the dashboard is one that Grafana takes, and
both name metrics and labels that the program has. tests/e2e/test_prometheus.py asks a real Prometheus."""

import json
import pathlib
import re
import shutil
import sys
import tempfile

import lint

RULES = lint.SOURCE / "examples/monitoring/kube-node-tracer.rules.yaml"
RULES_TEST = lint.SOURCE / "tests/monitoring/rules_test.yaml"
DASHBOARD = lint.SOURCE / "examples/monitoring/grafana-dashboard.json"
# What is committed, and what makes it.
GENERATED = {DASHBOARD: lint.SOURCE / "tests/monitoring/dashboard.py",
             lint.SOURCE / "examples/kubernetes/components/monitoring/prometheus-rule.yaml":
             lint.SOURCE / "tests/monitoring/prometheus_rule.py"}
PROMETHEUS = lint.SOURCE / "examples/monitoring/prometheus.yaml"
MANUAL = lint.SOURCE / "man/kube-node-tracer-metrics.7"
# Those of targets, and of Prometheus itself.
TARGET_LABELS = {"job", "instance", "cluster", "namespace", "alertname", "alertstate", "le"}
PANELS = {"row", "stat", "timeseries", "table", "state-timeline"}
WIDTH = 24
# What is on the dashboard already by another metric, or is only of use when looking for a fault.
NOT_SHOWN = {"kube_node_tracer_spool_full", "kube_node_tracer_spool_filesystem_size_bytes",
             "kube_node_tracer_interface_discarded_packets_total", "kube_node_tracer_interface_own_packets_total",
             "kube_node_tracer_interface_segments_total", "kube_node_tracer_phase"}


def metrics():
    """{name: labels} of what the program has, by its manual, which another test keeps in step."""
    found = {}
    for line in MANUAL.read_text().splitlines():
        match = re.match(r"\.It Ic (kube_node_tracer_\w+)(?: Brq (.*))?$", line)
        if match:
            found[match[1]] = set((match[2] or "").split(", ")) - {""}
    return found


def split_name(name, known):
    """The metric that a series belongs to: histograms have three each."""
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return base if name not in known and base in known else name


def check_expressions(text, known, recorded):
    """Metrics and labels of selectors that do not exist."""
    complaints = []
    for name in set(re.findall(r"\b\w*:?kube_node_tracer_\w+(?::\w+)?", text)):
        if name not in recorded and split_name(name, known) not in known:
            complaints.append(f"there is no metric {name}")
    for name, selector in re.findall(r"\b(kube_node_tracer_\w+)\{([^}]*)\}", text):
        for label in re.findall(r'(\w+)\s*[=!]~?', selector):
            if label not in TARGET_LABELS | known.get(split_name(name, known), set()):
                complaints.append(f"{name} has no label {label}")
    every = TARGET_LABELS.union(*known.values())
    for labels in re.findall(r"\b(?:by|without|on)\s*\(([^)]*)\)", text):
        complaints += [f"no metric has a label {each}" for each in re.split(r",\s*", labels)
                       if each and each not in every]
    return complaints


def strings(value):
    """All texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from strings(each)


def overlaps(panels):
    places = [(each["title"], *(each["gridPos"][key] for key in "xywh")) for each in panels]
    for title, x, _, w, h in places:
        if w < 1 or h < 1 or x < 0 or x + w > WIDTH:
            yield f"{title}: outside of the grid"
    for i, (one, x1, y1, w1, h1) in enumerate(places):
        for other, x2, y2, w2, h2 in places[i + 1:]:
            if x1 < x2 + w2 and x2 < x1 + w1 and y1 < y2 + h2 and y2 < y1 + h1:
                yield f"{one} and {other} overlap"


def check_panel(panel, variables):
    title = panel["title"]
    if panel["type"] not in PANELS:
        yield f"{title}: unknown type {panel['type']}"
    if panel["type"] == "row":
        return
    if not panel.get("description"):
        yield f"{title}: no description"
    references = [each["refId"] for each in panel["targets"]]
    if not references or len(set(references)) != len(references):
        yield f"{title}: queries {references}"
    for source in [panel, *panel["targets"]]:
        if source["datasource"] != {"type": "prometheus", "uid": "${datasource}"}:
            yield f"{title}: data source {source['datasource']}"
    for each in panel["targets"]:
        used = set(re.findall(r"\$\{?(\w+)", each["expr"]))
        for name in used - variables - {"__rate_interval", "__range"}:
            yield f"{title}: no variable {name}"
        if not {"job", "cluster", "instance"} <= used:
            yield f"{title}: not of the chosen nodes: {each['expr']}"


def check_dashboard(tap, known):
    board = json.loads(DASHBOARD.read_text())
    panels = board["panels"]
    variables = [each["name"] for each in board["templating"]["list"]]
    tap.point([key for key in ("title", "uid", "schemaVersion", "time", "templating", "annotations")
               if not board.get(key)] +
              ([] if len(board["uid"]) <= 40 and board.get("id") is None else ["uid or id"]),
              "the dashboard has what Grafana imports")
    tap.point(["variables %s" % variables] if variables != ["datasource", "job", "cluster", "instance"]
              or board["templating"]["list"][0]["type"] != "datasource" else [],
              "the data source and the nodes are chosen by variables")
    tap.point(["ids %s" % [each["id"] for each in panels]]
              if len({each["id"] for each in panels}) != len(panels) else [], "panels have ids of their own")
    tap.point(overlaps(panels), "panels are beside one another, within the grid")
    tap.point([what for each in panels for what in check_panel(each, set(variables))], "panels are whole")
    tap.point([title for title in {each["title"] for each in panels}
               if sum(each["title"] == title for each in panels) > 1], "titles are unique")
    text = "\n".join(strings(board))
    tap.point(check_expressions(text, known, set()), "the dashboard asks for metrics that exist")
    used = {split_name(name, known) for name in re.findall(r"kube_node_tracer_\w+", text)}
    tap.point(sorted(set(known) - used - NOT_SHOWN),
              "every metric is on the dashboard")


def check_in_step(tap):
    for path, maker in GENERATED.items():
        made = lint.run(sys.executable, maker)
        tap.point([] if made.stdout == path.read_text() else
                  [made.stderr, f"stale; make anew: python3 {lint.relative(maker)} >{lint.relative(path)}"],
                  f"{lint.relative(path)} is in step")


def check_rules(tap, known):
    text = RULES.read_text()
    recorded = set(re.findall(r"- record: (\S+)", text))
    alerts = re.findall(r"- alert: (\S+)", text)
    bodies = re.split(r"- alert: ", text)[1:]
    tap.point([] if len(alerts) >= 15 else [f"{len(alerts)} alerts"], "the alerts are found")
    tap.point(check_expressions(text, known, recorded), "the rules ask for metrics that exist")
    tap.point([name for name, body in zip(alerts, bodies) if not re.search(
        r"severity: (critical|warning|info)\n\s+annotations:\n\s+summary: .*\n\s+description: >-\n", body)],
              "every alert has a severity, a summary, and a remedy")
    tested = RULES_TEST.read_text()
    matchers = [(re.compile(pattern), wanted)
                for pattern, wanted in re.findall(
                    r'expr: .*ALERTS\{alertname=~?"([^"]+)".*\n\s+exp_samples: ?(\[\]|)', tested)]
    tap.point([name for name in alerts
               if name not in tested.replace("exp_samples: []", "") or
               not any(pattern.fullmatch(name) for pattern, wanted in matchers if not wanted)],
              "a test makes each alert fire")
    zero = set(re.findall(r'alertname="(\w+)".*\n\s+exp_samples: \[\{value: 0\}\]', tested))
    tap.point([name for name in alerts if name not in zero and
               not any(pattern.fullmatch(name) for pattern, wanted in matchers if wanted)],
              "a test makes each alert end")


def check_by_promtool(tap):
    names = ("promtool finds nothing wrong with the rules", "the tests of the rules pass",
             "the configuration for Prometheus is one")
    promtool = lint.tool("promtool")
    if not promtool:
        for name in names:
            tap.skip(name, "no promtool")
        return
    done = lint.run(promtool, "check", "rules", "--lint=all", "--lint-fatal", RULES)
    tap.point([done.stdout + done.stderr] if done.returncode else [], names[0])
    with tempfile.TemporaryDirectory() as folder:
        for path in (RULES, RULES_TEST):
            shutil.copy(path, folder)
        done = lint.run(promtool, "test", "rules", RULES_TEST.name, cwd=pathlib.Path(folder))
    tap.point([done.stdout + done.stderr] if done.returncode else [], names[1])
    done = lint.run(promtool, "check", "config", PROMETHEUS)
    tap.point([done.stdout + done.stderr] if done.returncode else [], names[2])


def main():
    tap = lint.Tap()
    known = metrics()
    tap.point([] if len(known) > 30 else [f"{len(known)} metrics"], "the manual's list of metrics is read")
    check_dashboard(tap, known)
    check_rules(tap, known)
    check_in_step(tap)
    check_by_promtool(tap)
    tap.done()


if __name__ == "__main__":
    main()
