# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus beside the program, with the rules of examples/monitoring in a hurry."""

import contextlib
import json
import os
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from harness import need
from tap import check, contains, wait_until

EXAMPLES = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../examples/monitoring"))
TARGET = "127.0.0.1:9469"
ADDRESS = "127.0.0.1:9090"
PREFIX = "kube_node_tracer_"


def faster_rules():
    """The committed rules, with waiting and windows of seconds in place of minutes."""
    with open(os.path.join(EXAMPLES, "kube-node-tracer.rules.yaml"), encoding="utf-8") as file:
        text = file.read()
    text, count = re.subn(r"^( +for: )\d+[mhd]$", r"\g<1>1s", text, flags=re.MULTILINE)
    check(count > 10, "the rules wait nowhere")
    text = re.sub(r"\[\d+[mh]\]", "[8s]", text)
    return text.replace("> 1800", "> 5").replace("time() < 120", "time() < 25")


class Prometheus:
    def __init__(self, lab):
        lab.configure(faster_rules(), "rules.yaml")
        config = lab.configure(
            "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
            "rule_files: [rules.yaml]\nscrape_configs: [{job_name: kube-node-tracer, static_configs: "
            "[{targets: ['%s']}]}]\n" % TARGET, "prometheus.yml")
        with open(os.path.join(lab.directory, "prometheus.log"), "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", "--config.file=" + config, "--web.listen-address=" + ADDRESS,
                 "--storage.tsdb.path=" + os.path.join(lab.directory, "tsdb")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ask(self, path, **parameters):
        url = "http://%s/api/v1/%s?%s" % (ADDRESS, path, urllib.parse.urlencode(parameters))
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                return json.loads(answer.read())["data"]
        except urllib.error.HTTPError as refused:
            if refused.code == 503:  # still starting
                return None
            raise AssertionError("%s: %s" % (parameters, refused.read().decode())) from None
        except OSError:
            return None

    def query(self, expression):
        """[(labels, value)]"""
        data = self.ask("query", query=expression)
        return [(each["metric"], float(each["value"][1])) for each in data["result"]] if data else []

    def value(self, expression):
        found = self.query(expression)
        return found[0][1] if len(found) == 1 else None

    def alerts(self, state="firing"):
        data = self.ask("alerts")
        return {each["labels"]["alertname"].removeprefix("KubeNodeTracer"): each
                for each in (data or {}).get("alerts", []) if each["state"] == state}

    def wait_alerts(self, wanted, timeout=60):
        """Until exactly these fire; returns them."""
        wait_until(lambda: set(self.alerts()) == set(wanted), timeout,
                   "alerts %s" % (sorted(wanted) or "none"))
        return self.alerts()

    def close(self):
        self.process.terminate()
        self.process.wait(20)


@contextlib.contextmanager
def prometheus_of(lab):
    need("prometheus")
    made = Prometheus(lab)
    try:
        wait_until(lambda: made.value("up") is not None, 60, "Prometheus")
        yield made
    finally:
        made.close()


def check_text(alert, *parts):
    """Summary and remedy are whole, and name what it is about."""
    text = " ".join(alert["annotations"].values())
    for part in (TARGET, *parts):
        contains(text, part, "annotations")
    for bad in ("error expanding", "<no value>", "{{"):
        check(bad not in text, "annotations: " + text)
