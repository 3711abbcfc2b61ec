#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The folders are the architecture: who may include whom, and which library belongs where."""

import collections
import re

import lint

# Includes point to a smaller number or stay in their own folder.
LAYERS = {"main": 9, "cli": 8, "daemon": 7, "fetch": 7, "pipeline": 6, "match": 4, "capture": 5, "record": 5, "upload": 5, "status": 5,
          "spool": 4, "sink": 4, "segment": 3, "index": 3, "google": 3, "packet": 2, "http": 2, "netif": 2,
          "conf": 1, "base": 0}

# Headers of others: the only files that may include them.
LIBRARIES = [
    (r"pthread\.h", r"base/"),
    # gzip has a checksum of its own, not CRC32C.
    (r"isa-l/crc\.h", r"base/checksum_isal\.c|segment/codec_gzip_isal\.c"),
    (r"systemd/sd-journal\.h", r"base/log\.c"),
    (r"systemd/.*", r"daemon/"),
    (r"cap-ng\.h", r"daemon/"),
    (r"libconfig\.h", r"conf/"),
    (r"getopt\.h", r"cli/"),
    (r"pcap.*", r"capture/|match/"),
    (r"libmnl/.*", r"netif/"),
    (r"isa-l.*|igzip_lib\.h|zlib\.h|zstd\.h", r"segment/"),
    (r"curl/.*", r"http/"),
    (r"openssl/x509_vfy\.h", r"http/"), # the words for a certificate that does not verify
    (r"jansson\.h", r"fetch/|google/|sink/|status/"),
    (r"openssl/.*", r"google/|sink/"),
    (r"microhttpd\.h", r"status/"),
    (r"malloc\.h", r"base/"), # glibc's settings
]

# The C library and the kernel's interface: for everybody.
STANDARD = re.compile(
    r"(assert|ctype|dirent|endian|errno|fcntl|fnmatch|grp|ifaddrs|inttypes|limits|locale|netdb|poll|pwd|regex|sched|"
    r"semaphore|signal|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|"
    r"strings|sysexits|termios|time|unistd)\.h"
    r"|(arpa|asm|linux|net|netinet|netpacket|sys)/[\w/.-]+\.h")

FORBIDDEN_NAMES = {"utils", "util", "misc", "common", "helpers", "stuff"}


def component(path):
    """The layer that a path below src/ belongs to."""
    return path.split("/")[0] if "/" in path else "main"


def main():
    tap = lint.Tap()
    directions, libraries, unknown, missing = [], [], [], []
    files = lint.sources()
    for path in files:
        name = str(path.relative_to(lint.SOURCE / "src"))
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+([<"])([^>"]+)[>"]', line)
            if not match:
                continue
            place, header = f"src/{name}:{number}: {match.group(2)}", match.group(2)
            if match.group(1) == '"':
                if not (lint.SOURCE / "src" / header).is_file():
                    missing.append(f"{place}: no such file below src/")
                    continue
                mine, theirs = component(name), component(header)
                if mine != theirs and LAYERS[theirs] >= LAYERS[mine]:
                    directions.append(f"{place}: {mine} must not include {theirs}")
                continue
            for pattern, allowed in LIBRARIES:
                if re.fullmatch(pattern, header):
                    if not re.match(allowed, name):
                        libraries.append(f"{place}: only src/{allowed} may include it")
                    break
            else:
                if not STANDARD.fullmatch(header):
                    unknown.append(f"{place}: neither the C library's nor in tests/lint/layers.py")

    tap.point([] if len(files) > 20 else [f"{len(files)} files"], "the sources are found")
    tap.point(missing, "own includes are written as folder/file.h")
    tap.point([name for name in {component(str(f.relative_to(lint.SOURCE / 'src'))) for f in files}
               if name not in LAYERS], "every folder is a layer of the design")
    tap.point(directions, "includes point down the layers, stages do not know one another")
    tap.point(libraries, "every library is included in its own folder only")
    tap.point(unknown, "no library that the design does not name")

    names = collections.Counter(path.name for path in files if path.suffix in (".c", ".h"))
    tap.point([f"{name}: {count} files" for name, count in names.items() if count > 1],
              "basenames are unique")
    tap.point([lint.relative(path) for path in files if path.stem in FORBIDDEN_NAMES],
              "no file is a drawer for anything")
    guards = [lint.relative(path) for path in lint.sources(".h")
              if "#pragma once" not in path.read_text()]
    tap.point(guards, "headers can be included twice")
    tap.done()


if __name__ == "__main__":
    main()
