# SPDX-License-Identifier: Apache-2.0
"""The number of files that may wait: of each interface, and with many of them."""

import contextlib
import socket

from harness import command, main
from peer import frame
from tap import check, equal


def recorded(objects):
    return sum(len(each.capture.records) for each in objects)


def link_many(count):
    """count pairs many<i> - far<i>, both here and silent. Returns a function that sends one packet into each."""
    command("ip", "-batch", "-", input="".join(
        "link add many{0} type veth peer name far{0}\n"
        "link set many{0} addrgenmode none\nlink set far{0} addrgenmode none\n"
        "link set many{0} multicast off up\nlink set far{0} multicast off up\n".format(i)
        for i in range(count)))
    sockets = []
    for i in range(count):
        sockets.append(socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
        sockets[-1].bind(("far%d" % i, 0))

    def send():
        for each in sockets:
            each.send(frame(1, 100))

    return send


@contextlib.contextmanager
def many_interfaces(lab, count, *arguments):
    """A program that records them all from the start. Gives (daemon, send)."""
    send = link_many(count)
    daemon = lab.daemon(*arguments, "-i", "many*", "-B", "64", "-G", "0",
                        "--capture-max-interfaces", "128").start_ready()
    try:
        yield daemon, send
    finally:
        command("ip", "-batch", "-", input="".join("link delete many%d\n" % i for i in range(count)))


def test_more_interfaces_than_files_may_wait(lab):
    """The number is of each interface, and what is being written does not wait: with a destination that is slow
    but works, nothing is deleted and nothing dropped, whatever the policy."""
    count = 110
    for policy in "drop-oldest", "drop-newest", "stop-capture":
        lab.bucket().fault("*", delay=0.15, times=0)
        with many_interfaces(lab, count, "--spool-when-full", policy, "-W", "100",
                             "--upload-workers", "4") as (daemon, send):
            for _ in range(2):
                send()
                daemon.wait_for(lambda: len(lab.spool_files("capturing")) == count, 20,
                                "an open file of each")
                daemon.end_segment()
                daemon.wait_for(lambda: not lab.spool_files("capturing"), 20, "finished files")
            daemon.wait_for(lambda: len(lab.gcs.names()) == 2 * count, 60, "all files in the bucket")
            equal(daemon.stop(), 0, "exit status")
        for event in "segment-evicted", "spool-evicting", "spool-full":
            equal(daemon.events(event), [], policy)
        equal(recorded(lab.objects()), 2 * count, "recorded with " + policy)
        equal(daemon.events("stopped")[0]["dropped"], 0, "dropped with " + policy)
        lab.gcs.stop()


def test_each_interface_has_its_own_number_of_files(lab):
    """One that makes many files costs the others none, and is the one that the log names."""
    lab.bucket()
    lab.gcs.stop()
    with many_interfaces(lab, 2, "-W", "3") as (daemon, send):
        send()
        daemon.end_segment()
        daemon.wait_for(lambda: len(daemon.events("segment-finished")) == 2, 20, "finished files")
        busy = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        busy.bind(("far1", 0))
        for finished in range(3, 9):
            busy.send(frame(1, 100))
            daemon.wait_for(lambda: lab.spool_files("capturing"), 20, "an open file")
            daemon.end_segment()
            daemon.wait_for(lambda: len(daemon.events("segment-finished")) == finished, 20, "a file")
        daemon.wait_for(lambda: len(lab.spool_files("ready", "sending")) == 4, 20, "four files")
        equal(len([each for each in lab.spool_files("ready", "sending") if "_many0_" in each]), 1,
              "files of the quiet interface")
        full = daemon.events("spool-evicting")
        equal(len(full), 1, "warnings")
        equal((full[0]["limit"], full[0]["interface"]), ("spool.max_segments", "many1"), "what is to blame")
        check(all("_many1_" in each["name"] for each in daemon.events("segment-evicted")), "deleted")
        lab.gcs.start()
        equal(daemon.stop(), 0, "exit status")


def test_limits_too_small_for_the_configuration(lab):
    """Said by the check and by the start."""
    lab.link()
    lab.bucket()
    tight = ["-C", "100", "-i", "veth0,veth1,veth2", "--spool-max-size", "150", "--spool-when-full",
             "drop-newest"]
    status, log = lab.run("--check-config", *tight)
    equal(status, 0, "exit status")
    check("limit=spool.max_size interfaces=3" in log, log)
    daemon = lab.daemon(*tight).start_ready()
    equal(len(daemon.events("limits-too-small", limit="spool.max_size")), 1, "warnings")
    equal(daemon.stop(), 0, "exit status")
    status, log = lab.run("--check-config", "-C", "10", "-i", "veth0", "--spool-max-size", "150")
    check("spool.max_size" not in log, log)


if __name__ == "__main__":
    main()
