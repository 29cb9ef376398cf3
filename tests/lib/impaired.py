# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A laboratory whose link is bad: it drops, doubles and holds back segments, as the impair tool does it.

    with impaired.ImpairedLab(drop=1, duplicate=1, hold=1) as net:
        ...
        counts = net.end_impairment()

Client and server have each a veth whose other end is in a third namespace, where the tool carries frames between them.
They cut segments and compute checksums themselves, as on a wire.
"""

import json

import lab


class ImpairedLab(lab.Lab):
    """Rates are percentages, of the segments in each direction; held back for hold_ms."""

    def __init__(self, drop=0, duplicate=0, hold=0, hold_ms=2, seed=1, **devices):
        super().__init__(**devices)
        name = self.client.namespace.removesuffix("-client")
        self.ends = [lab.Host(f"{name}-link", f"{name}{letter}", number) for letter, number in (("l", 3), ("r", 4))]
        self.rates = ("--drop", drop, "--duplicate", duplicate, "--hold", hold, "--hold-ms", hold_ms, "--seed", seed)
        self.tool = None

    def _link(self):
        link = self.ends[0]
        lab.run("ip", "netns", "add", link.namespace)
        link.sysctl(net__ipv6__conf__default__disable_ipv6=1)
        for end, host in zip(self.ends, (self.client, self.server)):
            lab.make_veth(end, host)
            end.run("ip", "link", "set", end.device, "up")
            end.attach("pass")  # a veth takes frames of XDP only if it has a program
            host.run("ethtool", "-K", host.device, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        self.tool = link.start(lab.tool("impair"), *self.rates, *(end.device for end in self.ends))
        self.tool.stdout.readline()  # it is ready

    def end_impairment(self):
        """Cuts the link; returns what the tool counted: a dict for client to server, and one for the way back."""
        self.tool.terminate()
        return json.loads(self.tool.communicate(timeout=5)[0])

    def close(self):
        self.ends[0].end_processes()
        super().close()
        lab.run("ip", "netns", "del", self.ends[0].namespace, check=False)
