# SPDX-License-Identifier: Apache-2.0
"""The capturers that the benchmark knows: how each is started, what it says when it is ready, how it is
stopped, what its files are, and what is done with them afterwards."""

import glob
import os
import re
import shutil
import signal
import subprocess


class Capturer:
    """One program with its options. place is the folder of one run, options the benchmark's."""
    ready = re.compile("listening on")
    stop_signal = signal.SIGINT
    tool = None          # what has to be installed
    uploads = False

    def __init__(self, name):
        self.name = name

    def is_there(self, options):
        del options
        return shutil.which(self.tool) is not None

    def command(self, place, options):
        raise NotImplementedError

    def environment(self, bucket_url):
        del bucket_url
        return {}

    def afterwards(self, place):
        """Commands that belong to its cost, run when it has ended."""
        del place
        return []

    def files(self, place):
        """What it stored."""
        return [path for path in glob.glob(place + "/*") if not path.endswith(".log")]

    def version(self, options):
        del options
        done = subprocess.run([self.tool, "--version"], capture_output=True, text=True, check=False)
        return (done.stdout or done.stderr).splitlines()[0]


class Tcpdump(Capturer):
    tool = "tcpdump"

    def command(self, place, options):
        return ["tcpdump", "-i", options.interface, "-s", str(options.snaplen), "-B", str(options.buffer),
                "-Z", "root", "-w", place + "/file.pcap"]


class TcpdumpRotating(Tcpdump):
    """A new file every 100 MB, as the original script asks for; tcpdump then asks for its place in the file
    after each packet. This program always rotates."""

    def command(self, place, options):
        return [*super().command(place, options), "-C", "100"]


class TcpdumpGzip(TcpdumpRotating):
    """As the original script: each finished file is compressed."""

    def afterwards(self, place):
        return [["gzip", "-6", path] for path in self.files(place)]


class Dumpcap(Capturer):
    tool = "dumpcap"
    ready = re.compile("^File:", re.MULTILINE)

    def command(self, place, options):
        # Its buffer is in MiB, one at least.
        return ["dumpcap", "-q", "-i", options.interface, "-s", str(options.snaplen or 262144),
                "-B", str(max(1, round(options.buffer / 1024))), "-w", place + "/file.pcapng"]


class NetsniffNg(Capturer):
    tool = "netsniff-ng"
    ready = re.compile("Running! Hang up")
    # It has no option for less than whole packets.

    def command(self, place, options):
        return ["netsniff-ng", "--in", options.interface, "--out", place + "/file.pcap", "--silent",
                "--no-sock-mem", "--ring-size", "%dKiB" % options.buffer]


class Tracer(Capturer):
    """This program. Without uploads the bucket cannot be reached, and the segments stay in the spool."""
    ready = re.compile("notice: recording ")
    stop_signal = signal.SIGTERM

    def __init__(self, name, compression, form="pcap", uploads=False, index="false"):
        super().__init__(name)
        self.compression, self.form, self.uploads, self.index = compression, form, uploads, index

    def is_there(self, options):
        return os.access(options.program, os.X_OK)

    def command(self, place, options):
        with open(place + "/configuration.log", "w", encoding="ascii") as file:
            file.write("# all of it is on the command line\n")
        return [options.program, "--config", file.name, "-i", options.interface, "-s", str(options.snaplen),
                "-B", str(options.buffer), "-c", self.compression, "--capture-format", self.form,
                "--segment-index", self.index,
                "-b", "bucket", "-o", place + "/spool", "-N", "bench", "-W", "100000",
                "--daemon-user", "root", "--log-format", "text",
                "--daemon-shutdown-deadline", "20" if self.uploads else "0"]

    def environment(self, bucket_url):
        return {"STORAGE_EMULATOR_HOST": bucket_url if self.uploads else "http://127.0.0.1:9"}

    def files(self, place):
        where = place + ("/objects/bucket/bench/*" if self.uploads else "/spool/ready/*")
        return glob.glob(where)

    def version(self, options):
        done = subprocess.run([options.program, "--version"], capture_output=True, text=True, check=False)
        return done.stdout.splitlines()[0]


CAPTURERS = {each.name: each for each in (
    Tcpdump("tcpdump"),
    TcpdumpRotating("tcpdump-C"),
    TcpdumpGzip("tcpdump-C+gzip"),
    Dumpcap("dumpcap"),
    NetsniffNg("netsniff-ng"),
    Tracer("knt-none", "none"),
    Tracer("knt-gzip", "gzip"),
    Tracer("knt-gzip-index", "gzip", index="true"),
    Tracer("knt-zstd", "zstd"),
    Tracer("knt-zstd-index", "zstd", index="true"),
    Tracer("knt-none-pcapng", "none", "pcapng"),
    Tracer("knt-gzip-pcapng", "gzip", "pcapng"),
    Tracer("knt-zstd-pcapng", "zstd", "pcapng"),
    Tracer("knt-gzip-upload", "gzip", uploads=True),
    Tracer("knt-zstd-upload", "zstd", uploads=True),
)}
