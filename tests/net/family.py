# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What differs between IPv4 and IPv6, so that a test is written once."""

import dataclasses
import socket

from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6


@dataclasses.dataclass(frozen=True)
class Family:
    name: str
    af: int  # socket.AF_INET or AF_INET6
    any: str  # the wildcard address
    peer: str  # an address behind the client that no kernel has: for hand-made segments
    header: type  # scapy's
    header_bytes: int
    own_mss: int  # of a device with an MTU of 1500
    suffix: str  # of the maps

    def address(self, host):
        return host.ipv4 if self.af == socket.AF_INET else host.ipv6

    def spec(self, host, port):
        """ADDR:PORT, as the command line takes it."""
        return self.endpoint(self.address(host), port)

    def endpoint(self, address, port):
        return f"{address}:{port}" if self.af == socket.AF_INET else f"[{address}]:{port}"


IPV4 = Family("ipv4", socket.AF_INET, "0.0.0.0", "203.0.113.7", IP, 20, 1460, "4")
IPV6 = Family("ipv6", socket.AF_INET6, "::", "2001:db8:7::7", IPv6, 40, 1440, "6")
