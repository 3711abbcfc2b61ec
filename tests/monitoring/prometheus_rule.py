#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules as an object for the Prometheus Operator: prints what is committed as
examples/kubernetes/components/monitoring/prometheus-rule.yaml."""

import pathlib

RULES = pathlib.Path(__file__).resolve().parents[2] / "examples/monitoring/kube-node-tracer.rules.yaml"
HEAD = """\
# SPDX-License-Identifier: Apache-2.0
# examples/monitoring/kube-node-tracer.rules.yaml for the Prometheus Operator, generated from it by
#     python3 tests/monitoring/prometheus_rule.py
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: kube-node-tracer
  labels:
    app.kubernetes.io/name: kube-node-tracer
spec:
"""


def prometheus_rule():
    lines = RULES.read_text().splitlines()
    begin = lines.index("groups:")
    return HEAD + "".join(("  " + line).rstrip() + "\n" for line in lines[begin:])


if __name__ == "__main__":
    print(prometheus_rule(), end="")
