# SPDX-License-Identifier: Apache-2.0
"""Which TCP connections are in captured files, of whatever link type, over IPv4 and IPv6."""

IP_AT = {"EN10MB": 14, "LINUX_SLL": 16, "LINUX_SLL2": 20}


def tcp_ports(objects):
    """All ports, of either end, of the TCP packets in captures at full length."""
    found = set()
    for each in objects:
        at = IP_AT[each.capture.link_type]
        for _, _, packet in each.capture.records:
            version = packet[at] >> 4 if len(packet) > at else 0
            if version == 4 and packet[at + 9] == 6:
                tcp = at + (packet[at] & 15) * 4
            elif version == 6 and packet[at + 6] == 6:
                tcp = at + 40
            else:
                continue
            found |= {int.from_bytes(packet[tcp:tcp + 2], "big"),
                      int.from_bytes(packet[tcp + 2:tcp + 4], "big")}
    return found
