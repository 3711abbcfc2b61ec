# SPDX-License-Identifier: Apache-2.0
"""The alert on a token that cannot be renewed: a real Prometheus, Google's addresses (google_lab.py)."""

import os

from google_lab import google_daemon, laboratory, metadata_server  # noqa: F401
from harness import BUCKET, NODE, main
from prometheus import PREFIX, check_text, prometheus_of
from tap import check, equal, wait_until

LIFETIME_S = 40


def test_token_that_is_not_renewed(lab):
    """Fires while files wait for it, ends with its cause; a destination without tokens has none that ends."""
    metadata = metadata_server(lab, lifetime=LIFETIME_S)
    config = lab.configure('upload: { destination = "%s"; };\n' % BUCKET, "token.conf")
    expiry = PREFIX + "token_expiry_timestamp_seconds"
    with prometheus_of(lab) as prometheus:
        daemon = google_daemon(lab, "-N", NODE, "-i", "veth0", "--daemon-user", "root", "--upload-workers", "1",
                               plain=True, config=config).start_ready()
        prometheus.wait_alerts([])
        wait_until(lambda: prometheus.value(expiry + " - time() > 0"), 20, "a token")
        metadata.fault("token", status=503, times=0, headers={"Metadata-Flavor": "Google"})
        lab.gcs.fault("*", status=503, times=0)
        lab.send(100)
        daemon.end_segment()
        found = wait_until(lambda: prometheus.alerts().get("CredentialsExpiring"), 90, "an alert")
        check_text(found, "--check-config")
        metadata.clear_faults()
        lab.gcs.clear_faults()
        lab.gcs.wait_for(lambda: len(lab.gcs.names()) == 1, 90, "an object")
        prometheus.wait_alerts([])
        check(prometheus.value(expiry) > 0, "no token")
        os.mkdir(os.path.join(lab.directory, "elsewhere"))
        lab.configure('upload: { destination = "file://%s/elsewhere"; };\n' % lab.directory, "token.conf")
        daemon.reload()
        wait_until(lambda: prometheus.value(expiry) == 0, 20, "no token")
        equal(daemon.stop(), 0, "exit status")
    lab.check_numbers(lab.objects(), 100)


if __name__ == "__main__":
    main()
