# SPDX-License-Identifier: Apache-2.0
"""Through proxies of every kind, with real TLS behind them: tokens and segments arrive, none of our
own packets is in a capture, and all of the proxy's are. And what a proxy does wrong heals."""

import os

import google_lab
from google_lab import laboratory  # noqa: F401 (what main() takes)
from harness import main
from own_packets import tcp_ports
from fake_proxy import FakeTunnel  # beside the folder that harness is in
from tap import check, equal, wait_until

AT_FULL_LENGTH = ["-s", "0", "-B", "65536"]


def tunnel(lab, **options):
    made = FakeTunnel(**options)
    lab.servers.append(made.start())
    return made


def own_ports(lab):
    """Of the connections that came to the servers, but for those that the proxies made."""
    came = {each["client"][1] for server in (lab.gcs, lab.oauth) for each in server.requests}
    onward = {port for server in lab.servers if isinstance(server, FakeTunnel)
              for port in server.onward}
    clients = {port for server in lab.servers if isinstance(server, FakeTunnel)
               for port in server.clients}
    return (came - onward) | clients, onward


def check_delivers_through(lab, made, url, interface="lo"):
    daemon = google_lab.google_daemon(
        lab, *AT_FULL_LENGTH, "-i", interface, "--upload-proxy", url,
        environment={"GOOGLE_APPLICATION_CREDENTIALS": google_lab.key_file(lab)}).start_ready()
    for count in (1, 2, 3):
        # What the proxy itself sends and gets is somebody else's, and makes the next segment; on a slow machine, the
        # first of it comes after READY.
        def is_there():
            daemon.end_segment()
            return len(lab.gcs.names()) >= count  # pylint: disable=cell-var-from-loop

        wait_until(is_there, 20, "%d objects" % count, pause=0.5)
    equal(daemon.stop(), 0, "exit status")
    own, others = own_ports(lab)
    seen = tcp_ports(lab.objects())
    check({"storage.googleapis.com:443", "oauth2.googleapis.com:443"} <= set(made.targets),
          "only %r went through" % made.targets)
    equal(sorted(own & seen), [], "own ports that were captured")
    check(others & seen, "the proxy's own connections are not captured")
    lab.check_spool_empty()


def test_http(lab):
    made = tunnel(lab)
    check_delivers_through(lab, made, "http://" + made.address)


def test_http_of_all_interfaces(lab):
    made = tunnel(lab)
    check_delivers_through(lab, made, "http://" + made.address, "any")


def test_https(lab):
    certificate = google_lab.make_certificate(lab.directory, "proxy", "storage.googleapis.com")
    with open(lab.certificate_file, "a", encoding="ascii") as both, open(
            os.path.join(lab.directory, "proxy-ca.pem"), encoding="ascii") as authority:
        both.write(authority.read())
    made = tunnel(lab, host="127.0.0.1", certificate=certificate)
    check_delivers_through(lab, made, "https://storage.googleapis.com:%d" % made.port)


def test_socks5(lab):
    made = tunnel(lab)
    check_delivers_through(lab, made, "socks5h://" + made.address)


def test_by_the_environment(lab):
    made = tunnel(lab)
    daemon = google_lab.google_daemon(lab, environment={
        "GOOGLE_APPLICATION_CREDENTIALS": google_lab.key_file(lab),
        "https_proxy": "http://" + made.address})
    google_lab.check_delivers(lab, daemon)
    check(made.targets, "nothing went through the proxy")


def test_what_a_proxy_does_wrong_heals(lab):
    made = tunnel(lab)
    made.refusals += [407, 502, None]
    daemon = google_lab.google_daemon(
        lab, "--upload-proxy", "http://" + made.address, "--upload-connect-timeout", "2",
        environment={"GOOGLE_APPLICATION_CREDENTIALS": google_lab.key_file(lab)})
    google_lab.check_delivers(lab, daemon)
    equal(made.refusals, [], "refusals that nobody met")
    check(daemon.lines(reason=".*407.*"), "the proxy's refusal is not in the log")


def test_a_proxy_that_is_away(lab):
    made = tunnel(lab)
    made.stop()
    daemon = google_lab.google_daemon(
        lab, "--upload-proxy", "http://" + made.address,
        environment={"GOOGLE_APPLICATION_CREDENTIALS": google_lab.key_file(lab)}).start_ready()
    lab.send(200)
    daemon.end_segment()
    daemon.wait_event("destination-unreachable")
    made.start()
    daemon.wait_for(lambda: any(each.number("packets") for each in lab.objects()), 60, "an object")
    equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 200)


if __name__ == "__main__":
    main()
