#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Grafana dashboard, as a table of panels: prints the JSON that is committed as
examples/monitoring/grafana-dashboard.json.

    python3 tests/monitoring/dashboard.py >examples/monitoring/grafana-dashboard.json"""

import json

# Every query is of the chosen clusters and nodes; "All" also matches targets without a label cluster.
NODES = 'job=~"$job",cluster=~"$cluster",instance=~"$instance"'
PREFIX = "kube_node_tracer_"
WIDTH = 24
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def of(metric, more=""):
    return PREFIX + metric + "{" + NODES + more + "}"


def rate(metric, more=""):
    return "rate(%s[$__rate_interval])" % of(metric, more)


def target(expression, legend="__auto", instant=False):
    return {"expr": expression, "legendFormat": legend, "instant": instant, "range": not instant,
            "datasource": DATASOURCE}


def steps(*pairs):
    """(from this value on, colour), the first one from the beginning."""
    return {"mode": "absolute",
            "steps": [{"color": color, "value": value} for value, color in pairs]}


def panel(kind, title, width, height, unit, targets, about, **more):
    defaults = {"unit": unit, "color": {"mode": more.pop("color", "palette-classic")}}
    for name in ("thresholds", "min", "max", "custom", "mappings", "decimals", "noValue"):
        if name in more:
            defaults[name] = more.pop(name)
    return {"type": kind, "title": title, "description": about, "datasource": DATASOURCE,
            "size": (width, height), "targets": targets,
            "fieldConfig": {"defaults": defaults, "overrides": more.pop("overrides", [])},
            "options": more.pop("options", {}), **more}


def stat(title, unit, expression, about, thresholds, **more):
    return panel("stat", title, 4, 4, unit, [target(expression, instant=True)], about,
                 color="thresholds", thresholds=thresholds,
                 options={"colorMode": "background", "graphMode": "none", "textMode": "value",
                          "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}},
                 **more)


def graph(title, unit, targets, about, stack=False, width=12, lines=None, **more):
    custom = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 15 if not stack else 40,
              "showPoints": "never", "spanNulls": False,
              "stacking": {"mode": "normal" if stack else "none", "group": "A"}}
    if lines:
        more["thresholds"] = lines
        custom["thresholdsStyle"] = {"mode": "dashed"}
    return panel("timeseries", title, width, 8, unit, targets, about, custom=custom,
                 min=more.pop("min", 0),
                 options={"legend": {"displayMode": "list", "placement": "bottom"},
                          "tooltip": {"mode": "multi", "sort": "desc"}}, **more)


GOOD_IS_ZERO = ((None, "green"), (1, "red"))

# The rules that must hold for packets to reach files; whether they leave the node is another matter.
RECORDS = ("(count(min by (cluster, instance) (%s) == 1) or vector(0))"
           % of("health", ',rule=~"started|interfaces|traffic|capture|record|spool"'))
LOST, RECORDED, DISCARDED = ("sum(%s)" % rate(each + "_packets_total")
                             for each in ("dropped", "recorded", "discarded"))

FLEET = [
    panel("stat", "Nodes recording", 4, 4, "none",
          [target(RECORDS, "recording", instant=True),
           target("count(up{%s}) - %s" % (NODES, RECORDS), "not recording", instant=True)],
          "Nodes where packets reach files: the rules started, interfaces, traffic, capture, record and spool hold. "
          "The others fail one of them, or do not respond.",
          color="thresholds", thresholds=steps((None, "red"), (1, "green")),
          options={"colorMode": "background", "graphMode": "none", "textMode": "value_and_name",
                   "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}},
          overrides=[{"matcher": {"id": "byName", "options": "not recording"}, "properties": [
              {"id": "thresholds", "value": steps(*GOOD_IS_ZERO)}]}]),
    stat("Nodes down", "none", 'count(up{%s} == 0) or vector(0)' % NODES,
         "Targets that do not respond to Prometheus. They may still be recording.", steps(*GOOD_IS_ZERO)),
    stat("Nodes not ready", "none",
         'count(min by (cluster, instance) (%s) == 0) or vector(0)' % of("health"),
         "Nodes where a rule of /healthz or /readyz fails.", steps(*GOOD_IS_ZERO)),
    stat("Packets lost", "percentunit",
         "%s / ((%s + clamp_min(%s - %s, 0)) > 0) or vector(0)" % (LOST, LOST, RECORDED, DISCARDED),
         "Share of all packets that is in no file, for any reason, including those deleted to free space or "
         "permanently refused.",
         steps((None, "green"), (0.000001, "yellow"), (0.01, "red")), decimals=3),
    stat("Oldest waiting file", "s", "max(%s)" % of("spool_oldest_segment_age_seconds"),
         "Across all nodes: how long ago it was started. Everything older is in the bucket.",
         steps((None, "green"), (1800, "yellow"), (3600, "red"))),
    stat("Nodes with failing uploads", "none", 'count(%s == 1) or vector(0)' % of("upload_failing"),
         "The last attempt failed; files wait on the node.", steps((None, "green"), (1, "yellow"))),
    graph("Captured", "Bps", [target("sum by (cluster) (%s)" % rate("recorded_bytes_total"),
                                     "captured {{cluster}}"),
                              target("sum by (cluster) (%s)" % rate("uploaded_bytes_total"),
                                     "uploaded {{cluster}}")],
          "Captured bytes before compression, and uploaded bytes after it."),
    graph("Lost, by reason", "pps",
          [target("sum by (reason) (%s)" % rate("dropped_packets_total"), "{{reason}}")],
          "kernel: ring full · interface: the network card ran out of buffers · disk: not writable · "
          "budget: deleted to free space · rejected: refused by the bucket.", stack=True),
    panel("table", "Nodes", WIDTH, 10, "none",
          [{**target("sum by (cluster, instance, version) (%s)" % of("build_info"), instant=True),
            "format": "table", "refId": "version"},
           {**target("min by (cluster, instance) (%s)" % of("health"), instant=True),
            "format": "table", "refId": "health"},
           {**target("sum by (cluster, instance) (%s)" % rate("recorded_packets_total"), instant=True),
            "format": "table", "refId": "packets"},
           {**target("sum by (cluster, instance) (increase(%s[$__range]))" % of("dropped_packets_total"),
                     instant=True), "format": "table", "refId": "lost"},
           {**target("max by (cluster, instance) (%s)" % of("spool_oldest_segment_age_seconds"),
                     instant=True), "format": "table", "refId": "oldest"},
           {**target("sum by (cluster, instance) (%s)" % of("spool_bytes"), instant=True),
            "format": "table", "refId": "spool"}],
          "Worst first: nodes that are not ready, then by packets lost in the time range.",
          options={"sortBy": [{"displayName": "Ready", "desc": False},
                              {"displayName": "Lost", "desc": True}], "showHeader": True},
          transformations=[
              {"id": "merge", "options": {}},
              {"id": "organize", "options": {
                  "excludeByName": {"Time": True, "Value #version": True},
                  "renameByName": {"cluster": "Cluster", "instance": "Node", "version": "Version",
                                   "Value #health": "Ready", "Value #packets": "Packets/s",
                                   "Value #lost": "Lost", "Value #oldest": "Oldest waiting",
                                   "Value #spool": "Spool"}}}],
          overrides=[
              {"matcher": {"id": "byName", "options": "Ready"}, "properties": [
                  {"id": "mappings", "value": [{"type": "value", "options": {
                      "0": {"text": "no", "color": "red"}, "1": {"text": "yes", "color": "green"}}}]},
                  {"id": "custom.cellOptions", "value": {"type": "color-text"}}]},
              {"matcher": {"id": "byName", "options": "Packets/s"},
               "properties": [{"id": "unit", "value": "pps"}]},
              {"matcher": {"id": "byName", "options": "Oldest waiting"},
               "properties": [{"id": "unit", "value": "s"}]},
              {"matcher": {"id": "byName", "options": "Spool"},
               "properties": [{"id": "unit", "value": "bytes"}]}]),
    graph("Versions", "none", [target("count by (version) (%s)" % of("build_info"), "{{version}}")],
          "Number of nodes by version.", stack=True),
    graph("Spool in use", "percentunit",
          [target("topk(10, %s)" % of("spool_use_ratio"), "{{instance}}")],
          "The ten fullest spools, by the limit that is closest: spool.max_size, max_segments, min_free or "
          "min_free_inodes. At 100% the oldest files are deleted.", max=1,
          lines=steps((None, "transparent"), (0.8, "red"))),
]

NODE = [
    panel("state-timeline", "Health", WIDTH, 7, "none",
          [target("min by (instance, probe, rule) (%s)" % of("health"), "{{rule}} {{instance}}")],
          "The rules of /healthz and /readyz; the node's status page (/) says why one fails.",
          mappings=[{"type": "value", "options": {"0": {"text": "failing", "color": "red"},
                                                  "1": {"text": "ok", "color": "green"}}}],
          custom={"fillOpacity": 70, "lineWidth": 0},
          options={"showValue": "never", "mergeValues": True,
                   "legend": {"displayMode": "list", "placement": "bottom"}}),
    graph("Packets captured, by interface", "pps",
          [target("sum by (instance, interface) (%s)" % rate("interface_recorded_packets_total"),
                  "{{instance}} {{interface}}")],
          "Written to files.", stack=True),
    graph("Packets on the interface", "pps",
          [target("sum by (instance, interface) (%s)" % rate("interface_system_packets_total"),
                  "{{instance}} {{interface}}")],
          "As counted by the system, before any filter.", stack=True),
    graph("Bytes captured, by interface", "Bps",
          [target("sum by (instance, interface) (%s)" % rate("interface_recorded_bytes_total"),
                  "{{instance}} {{interface}}")],
          "As written to the file, before compression.", stack=True),
    graph("Packets lost, by interface and reason", "pps",
          [target("sum by (instance, interface, reason) (%s) > 0" % rate("interface_dropped_packets_total"),
                  "{{instance}} {{interface}} {{reason}}"),
           target("sum by (instance) (%s)" % rate("discarded_packets_total"),
                  "{{instance}} deleted or refused after recording")],
          "Empty is good."),
    graph("Queue and ring", "none",
          [target(of("queue_chunks"), "{{instance}} chunks in memory"),
           target(of("queue_limit_chunks"), "{{instance}} room for chunks"),
           target("increase(%s[$__rate_interval])" % of("chunk_waits_total"),
                  "{{instance}} waits for a free chunk"),
           target(of("ring_packets"), "{{instance}} {{interface}} packets in the ring")],
          "When the chunks are used up, the kernel's ring is the last buffer before packets are lost. The daemon "
          "lowers its compression level before that."),
    graph("Interfaces", "none",
          [target(of("interface_up"), "{{instance}} {{interface}}"),
           target(of("interfaces_left_out"), "{{instance}} beyond capture.max_interfaces")],
          "1: up, 0: missing or down. Also the number not recorded because of capture.max_interfaces.", width=8),
    graph("Interfaces reopened", "none",
          [target("increase(%s[$__rate_interval])" % of("interface_reopened_total"),
                  "{{instance}} {{interface}}")],
          "How often an interface returned.", width=8),
    graph("Files finished", "none",
          [target("sum by (instance) (increase(%s[$__rate_interval]))" % of("segments_total"),
                  "{{instance}}")],
          "By size, age or command.", width=8),
    graph("Files on the node, by state", "none",
          [target("sum by (instance, state) (%s)" % of("spool_segments"), "{{instance}} {{state}}"),
           target("%s > 0" % of("spool_kept_segments"), "{{instance}} uploaded, kept by spool.keep"),
           target(of("spool_limit_segments"), "{{instance}} limit of each interface"),
           target(of("spool_filesystem_room_inodes"), "{{instance}} free inodes above spool.min_free_inodes")],
          "capturing: being written · ready: waiting · sending: being uploaded · rejected: refused by the bucket, kept.", stack=False),
    graph("Spool and its budget", "bytes",
          [target(of("spool_bytes"), "{{instance}} in use"),
           target("%s > 0" % of("spool_kept_bytes"), "{{instance}} of it, uploaded and kept"),
           target("%s > 0" % of("spool_limit_bytes"), "{{instance}} spool.max_size"),
           target(of("spool_filesystem_free_bytes"), "{{instance}} free on its file system"),
           target(of("spool_filesystem_room_bytes"), "{{instance}} free above spool.min_free")],
          "Above the budget the oldest files are deleted, those that are uploaded first. The health rule spool, above, shows whether the file "
          "system is full."),
    graph("Upload lag", "s",
          [target(of("spool_oldest_segment_age_seconds"), "{{instance}}")],
          "Age of the oldest waiting file: how far the bucket is behind.", lines=steps((None, "transparent"), (1800, "red"))),
    graph("Kept on the node", "s",
          [target("time() - (%s > 0)" % of("spool_kept_oldest_timestamp_seconds"), "{{instance}}")],
          "How far back one can search on the node itself (spool.keep).", width=WIDTH),
    graph("Upload rate", "Bps",
          [target(rate("uploaded_bytes_total"), "{{instance}} uploaded"),
           target("sum by (instance) (%s)" % rate("compression_output_bytes_total"),
                  "{{instance}} entering the spool")],
          "While more enters the spool than is uploaded, it fills."),
    graph("Upload latency", "s",
          [target("histogram_quantile(%s, sum by (instance, le) (%s))" % (
              quantile, rate("upload_duration_seconds_bucket")), "{{instance}} %s" % name)
           for quantile, name in (("0.5", "median"), ("0.99", "99th percentile"))],
          "Successful uploads.", width=8),
    graph("Upload size", "bytes",
          [target("sum by (instance) (%s) / sum by (instance) (%s)" % (
              rate("upload_size_bytes_sum"), rate("upload_size_bytes_count")), "{{instance}}")],
          "Mean size of uploaded files.", width=8),
    graph("Upload attempts, by result", "none",
          [target("sum by (instance, result) (increase(%s[$__rate_interval]))" % of("uploads_total"),
                  "{{instance}} {{result}}")],
          "retry: failed, will be retried · rejected: permanently refused.", width=8),
    graph("Responses of the bucket, by HTTP status", "none",
          [target("sum by (instance, code) (increase(%s[$__rate_interval]))" %
                  of("upload_responses_total"), "{{instance}} {{code}}")],
          "none: no response. 401 and 403: credentials and roles. 429 and 5xx: the service."),
    graph("Token and last upload", "s",
          [target("(%s > 0) - time()" % of("token_expiry_timestamp_seconds"),
                  "{{instance}} token expires in"),
           target("time() - (%s > 0)" % of("upload_last_success_timestamp_seconds"),
                  "{{instance}} time since the last upload")],
          "A token is renewed when it is needed: a value below 0 is fine while nothing is being uploaded.", min=None),
    graph("Compression", "none",
          [target("sum by (instance) (%s) / sum by (instance) (%s)" % (
              rate("compression_input_bytes_total"), rate("compression_output_bytes_total")),
                  "{{instance}} ratio")],
          "Bytes before compression divided by bytes after.", width=8),
    graph("CPU time of compression, by level", "percentunit",
          [target("sum by (instance, codec, level) (%s) > 0" % rate("compression_seconds_total"),
                  "{{instance}} {{codec}} {{level}}")],
          "Share of one core. Levels below the configured one mean that memory or CPU ran short.", stack=True, width=8),
    graph("Starts and reloads", "none",
          [target("changes(%s[$__rate_interval])" % of("start_time_seconds"), "{{instance}} started"),
           target("sum by (instance, result) (increase(%s[$__rate_interval]))" % of("reloads_total"),
                  "{{instance}} reload {{result}}"),
           target("sum by (instance) (increase(%s[$__rate_interval]))" % of("log_dropped_lines_total"),
                  "{{instance}} log lines dropped")],
          "Each start is a gap in the recording; a reload or a log that nobody reads is not.", width=8),
    graph("Packets of our own uploads", "pps",
          [target("sum by (instance) (%s)" % rate("own_packets_total"), "{{instance}}")],
          "Not recorded, and not in any other number."),
    graph("Kernel ring", "bytes", [target(of("ring_size_bytes"), "{{instance}}")],
          "capture.buffer, per interface."),
]


def query_variable(name, label, query, all_value=".*"):
    """all_value: what "All" stands for; None: every existing value."""
    return {"type": "query", "name": name, "label": label, "datasource": DATASOURCE,
            "query": {"query": query, "refId": name}, "definition": query, "regex": "",
            "includeAll": True, "multi": True, "allValue": all_value,
            "current": {"text": "All", "value": "$__all"},
            "refresh": 2, "sort": 1, "hide": 0, "options": []}


def lay_out(rows):
    """Panels with ids and places, left to right and top to bottom; a row's title is a panel, too."""
    panels, y = [], 0
    for title, members in rows:
        panels.append({"type": "row", "title": title, "collapsed": False, "panels": [],
                       "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}})
        x, y, height = 0, y + 1, 0
        for member in members:
            made = dict(member)
            width, tall = made.pop("size")
            if x + width > WIDTH:
                x, y, height = 0, y + height, 0
            made["gridPos"] = {"x": x, "y": y, "w": width, "h": tall}
            x, height = x + width, max(height, tall)
            for index, each in enumerate(made["targets"]):
                each.setdefault("refId", chr(ord("A") + index))
            panels.append(made)
        y += height
    for index, each in enumerate(panels, 1):
        each["id"] = index
    return panels


def dashboard():
    info = PREFIX + "build_info"
    return {
        "title": "kube-node-tracer",
        "uid": "kube-node-tracer",
        "description": "Packet capture on every node: captured, kept and delivered?",
        "tags": ["kube-node-tracer", "network"],
        "schemaVersion": 38,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "utc",
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "1m",
        "annotations": {"list": [{
            "name": "Starts", "enable": True, "iconColor": "purple", "datasource": DATASOURCE,
            "expr": "changes(%s[1m]) > 0" % of("start_time_seconds"), "titleFormat": "started",
            "textFormat": "{{instance}}", "step": "60s"}]},
        "templating": {"list": [
            {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus",
             "current": {}, "hide": 0, "includeAll": False, "multi": False, "options": [], "refresh": 1,
             "regex": ""},
            # Not from up, which other programs' targets have, too.
            query_variable("job", "Job", "label_values(%s, job)" % info, all_value=None),
            query_variable("cluster", "Cluster", 'label_values(%s{job=~"$job"}, cluster)' % info),
            query_variable("instance", "Node",
                           'label_values(%s{job=~"$job",cluster=~"$cluster"}, instance)' % info)]},
        "panels": lay_out([("The fleet", FLEET), ("Each node", NODE)]),
    }


if __name__ == "__main__":
    print(json.dumps(dashboard(), indent=1, ensure_ascii=False))
