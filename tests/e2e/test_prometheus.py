# SPDX-License-Identifier: Apache-2.0
"""The examples for monitoring against a real Prometheus that scrapes the real program: alerts fire on
faults from outside and end with them, and every query of the dashboard is answered with what was sent.
What the metrics themselves say is in test_status.py."""

import json
import os
import signal
import time

from harness import MEGABYTE_PACKETS, SMALL, command, main
from prometheus import EXAMPLES, PREFIX, check_text, prometheus_of
from tap import check, equal, wait_until

# What is only there when something is wrong, or where there are tokens and limits.
MAY_BE_EMPTY = ("Packets lost, by interface and reason", "Spool and its budget",
                "Token and last upload", "Starts")


def nodes_that_record(prometheus):
    """What the dashboard's first tile says: so many do, so many do not."""
    return [prometheus.value(text) for title, text in expressions() if title == "Nodes recording"]


def test_alerts_fire_and_end(lab):
    """Bucket away, interface away, files refused, program gone: each has its alert, and no other one."""
    lab.link()
    lab.bucket()
    with prometheus_of(lab) as prometheus:
        check_text(prometheus.wait_alerts(["Down"])["Down"], "systemctl status")
        daemon = lab.daemon(*SMALL).start_ready()
        prometheus.wait_alerts([])
        # Load without a fault is none.
        sent = lab.send_megabytes(3)
        wait_until(lambda: prometheus.value("sum(%srecorded_packets_total)" % PREFIX) == sent, 30, "packets")
        wait_until(lambda: prometheus.value('%suploads_total{result="success"}' % PREFIX) == 3, 30, "uploads")
        equal(prometheus.value("sum(%sdropped_packets_total)" % PREFIX), 0, "drops")
        equal(set(prometheus.alerts()), set(), "alerts under load")

        lab.gcs.fault("*", status=503, times=0)
        sent += lab.send_megabytes(1)
        found = prometheus.wait_alerts(["UploadsFailing", "UploadLag"])
        check_text(found["UploadsFailing"], "storage.objectCreator")
        check_text(found["UploadLag"], "upload.workers")
        check(prometheus.value('%supload_responses_total{code="503"}' % PREFIX) > 0, "answers")
        lab.gcs.clear_faults()
        daemon.wait_for(lambda: not lab.spool_files("ready", "sending"), 60, "the upload")
        prometheus.wait_alerts([])

        command("ip", "link", "set", "veth0", "down")
        found = wait_until(lambda: (lambda now: now if "CaptureStopped" in now else None)(
            prometheus.alerts()), 60, "an alert")
        check_text(found["CaptureStopped"], "capture.interface")
        check(set(found) <= {"CaptureStopped", "InterfaceAway"}, "alerts %s" % sorted(found))
        equal(nodes_that_record(prometheus), [0, 1], "nodes that record, and do not")
        command("ip", "link", "set", "veth0", "up")
        prometheus.wait_alerts([])
        equal(nodes_that_record(prometheus), [1, 0], "nodes that record, and do not")

        equal(daemon.stop(), 0, "exit status")
        prometheus.wait_alerts(["Down"])
    recorded = sum(each.number("packets") for each in lab.objects())
    equal(recorded, sent, "packets in the bucket")


def test_deleted_for_want_of_room(lab):
    """A spool at its limit: near it, then over it."""
    lab.link()
    lab.bucket()
    lab.gcs.fault("*", status=503, times=0)
    with prometheus_of(lab) as prometheus:
        daemon = lab.daemon(*SMALL, "-W", "5").start_ready()
        prometheus.wait_alerts([])
        sent = lab.send_megabytes(5)
        wait_until(lambda: "SpoolNearBudget" in prometheus.alerts(), 60, "near the budget")
        equal(prometheus.value("%sspool_use_ratio" % PREFIX), 1, "use of the spool")
        check("Deleting" not in prometheus.alerts(), "nothing was deleted yet")
        sent += lab.send_megabytes(4)
        check_text(wait_until(lambda: prometheus.alerts().get("Deleting"), 60, "a deletion"),
                   "spool.max_segments")
        lab.gcs.clear_faults()
        daemon.wait_for(lambda: not lab.spool_files("ready", "sending"), 60, "the uploads")
        prometheus.wait_alerts([], 90)
        # By now, all of them are scraped.
        lost = prometheus.value('sum(%sdropped_packets_total{reason="budget"})' % PREFIX)
        check(lost > 0, "what was deleted")
        equal(lost % MEGABYTE_PACKETS, 0, "packets deleted with whole segments")
        equal(daemon.stop(), 0, "exit status")
    arrived = sum(each.number("packets") for each in lab.objects())
    equal(arrived + lost, sent, "arrived and deleted")


def test_packets_that_the_kernel_lost(lab):
    """A program that does not get to its ring: what Prometheus counts as lost is what was not recorded."""
    lab.link()
    lab.bucket()
    with prometheus_of(lab) as prometheus:
        daemon = lab.daemon("-G", "0", "-B", "64KiB").start_ready()
        prometheus.wait_alerts([])
        found, sent = {}, 0
        for _ in range(12):  # now and then: scrapes that are late see no rate of what happened once
            if {"LosingPackets", "LosingManyPackets"} <= set(found):
                break
            daemon.send_signal(signal.SIGSTOP)
            lab.send(5000, first=sent, sizes=[1000])
            daemon.send_signal(signal.SIGCONT)
            sent += 5000
            time.sleep(5)
            found = prometheus.alerts()
        check({"LosingPackets", "LosingManyPackets"} <= set(found), "alerts are %r" % set(found))
        check_text(found["LosingPackets"], "capture.buffer")
        check_text(found["LosingManyPackets"], "capture.snaplen")
        wait_until(lambda: prometheus.value("%srecorded_packets_total + on () sum(%sdropped_packets_total)" % (
            PREFIX, PREFIX)) == sent, 20, "every packet")
        lost = prometheus.value('%sdropped_packets_total{reason="kernel"}' % PREFIX)
        check(lost > 0, "nothing was lost")
        equal(prometheus.value("%srecorded_packets_total" % PREFIX), sent - lost, "packets recorded")
        equal(prometheus.value("sum(%sdropped_packets_total)" % PREFIX), lost, "losses for other reasons")
        prometheus.wait_alerts([], 90)
        equal(daemon.stop(), 0, "exit status")
    equal(lab.check_accounted(lab.objects(), sent), lost, "lost, as the bucket tells")


def expressions():
    """(title, query) of every panel, with the variables that Grafana would put in."""
    with open(os.path.join(EXAMPLES, "grafana-dashboard.json"), encoding="utf-8") as file:
        board = json.load(file)
    places = {"$job": ".*", "$cluster": ".*", "$instance": ".*", "$__rate_interval": "10s",
              "$__range": "1m"}
    for panel in [*board["panels"], *board["annotations"]["list"]]:
        for each in panel.get("targets", [panel] if "expr" in panel else []):
            text = each["expr"]
            for name, value in places.items():
                text = text.replace(name, value)
            yield panel.get("title") or panel["name"], text


def test_dashboard_is_answered(lab):
    """Each query is one that Prometheus takes, and has data while the program is under load."""
    lab.link()
    lab.bucket()
    with prometheus_of(lab) as prometheus:
        daemon = lab.daemon(*SMALL, "--spool-keep", "600").start_ready()
        with lab.traffic(rate=2000, sizes=[1514]):
            wait_until(lambda: (prometheus.value('%suploads_total{result="success"}' % PREFIX) or 0) >= 2
                       and prometheus.query("rate(%srecorded_packets_total[10s]) > 0" % PREFIX), 60, "load")
            queries = list(expressions())
            check(len(queries) > 40, "%d queries" % len(queries))
            empty = {title for title, text in queries if not prometheus.query(text)}
        equal(empty - set(MAY_BE_EMPTY), set(), "panels without data")
        titles = {title for title, _ in queries}
        equal(set(MAY_BE_EMPTY) - titles, set(), "panels that are not there any more")
        equal(daemon.stop(), 0, "exit status")


if __name__ == "__main__":
    main()
