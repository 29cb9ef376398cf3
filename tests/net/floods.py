# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Floods of every kind, the stage that they come to, and what becomes of them there."""

import collections
import contextlib
import dataclasses
import json

import daemon as daemons
import lab
import sockets
import web
from shield import FLOWS, shielded

STRANGERS_WELCOME_S = 128  # after the load
SYN_ACK_BYTES = 94  # of IPv6
RATE = 30_000  # packets a second: what a slow machine takes without losing some
SPOOFED = {"ipv4": lab.SPOOFED_IPV4, "ipv6": lab.SPOOFED_IPV6}
PORT_OF = {"kernel": web.PORT, "daemon": 7}


@dataclasses.dataclass(frozen=True)
class Flood:
    """A kind of the flood tool's, more of its options, and by which verdicts its packets may go."""

    kind: str
    verdicts: tuple
    options: tuple = ()
    of_daemon: tuple = ()  # the verdicts where the service is the daemon's, if others
    name: str = ""

    def __str__(self):
        return self.name or self.kind

    def verdicts_of(self, owner, policy):
        verdicts = self.of_daemon if owner == "daemon" and self.of_daemon else self.verdicts
        return verdicts + IN_CALM if policy == "auto" else verdicts


def _floods(verdict, *kinds):
    return [Flood(kind, (verdict,)) for kind in kinds]


# Policy auto takes 256 handshakes under way for a flood; while they come, some are counted as given up.
HALF_OPEN_AT_MOST = 2 * 256
ANSWERED = ("SYN_COOKIE", "SYN_PREFIX_OVER_BUDGET")  # of IPv6 all sources are in one prefix
BUDGETED = ("FRAGMENT", "UNVERIFIED_OVER_BUDGET")
IN_CALM = ("SYN_CALM", "DAEMON_SYN", "STRANGER", "DAEMON_STRANGER", "UNVERIFIED_OVER_BUDGET")

FLOODS = [
    *(Flood(kind, ANSWERED) for kind in ("syn", "syn-bare", "syn-nops", "syn-unknown", "syn-mptcp", "syn-fast-open",
                                         "syn-small-mss")),
    Flood("syn", ANSWERED, ("--sources", 1), name="syn-one-source"),
    Flood("syn", ANSWERED, ("--sources", 256), name="syn-one-prefix"),
    *_floods("SYN_SIGNED_REFUSED", "syn-md5", "syn-ao"),
    *_floods("BAD_OPTIONS", "syn-bad-options"),
    *_floods("NO_FLOW", "ack", "ack-timestamps", "ack-window-0", "ack-window-1", "syn-ack", "rst", "rst-ack", "fin",
             "psh-ack", "urg"),
    *_floods("BAD_FLAGS", "illegal"),
    Flood("first-fragment", BUDGETED, of_daemon=("DAEMON_FRAGMENT",)),
    Flood("later-fragment", BUDGETED),
]


@dataclasses.dataclass
class Look:
    """What has been counted so far, or since an earlier look."""

    packets: collections.Counter  # by verdicts of XDP
    bytes: collections.Counter
    ledger_in: collections.Counter  # packets, and bytes
    ledger_out: collections.Counter
    answers: collections.Counter  # what was sent to the floods' addresses: packets, and bytes

    def since(self, earlier):
        return Look(*(getattr(self, field.name) - getattr(earlier, field.name) for field in dataclasses.fields(Look)))

    def of(self, verdicts):
        """Packets by these verdicts; None: by all."""
        return {name: count for name, count in self.packets.items() if count and (not verdicts or name in verdicts)}


class Stage:
    """A shield with one owner's service, older than the time in which strangers are welcome, and a client whose device
    counts and drops what is sent to the floods' addresses."""

    def __init__(self, shield, owner, policy, daemon):
        self.shield, self.owner, self.policy, self.daemon = shield, owner, policy, daemon
        self.net = shield.net
        self.port = PORT_OF[owner]

    def expected(self, flood):
        return flood.verdicts_of(self.owner, self.policy)

    def half_open_at_most(self):
        """Handshakes of a family's that may be under way: as many as there were before it was a flood."""
        return HALF_OPEN_AT_MOST if self.policy == "auto" else 0

    def command(self, family, seconds, *options):
        return self.net.client.flood_command(
            self.net.server, "--source", "paced", "--port", self.port, "--rate", RATE, "--seconds", seconds, *options,
            address=family.address(self.net.server))

    def send(self, family, *options, verdicts=None):
        """Floods for a moment: what has come of it, and how many packets arrived, which have one of the verdicts.

        What finds no room on the way is not among those that the tool has sent.
        """
        before = self.look()
        arrived = self.net.client.read_json(*self.command(family, 0.2, *options))["sent"]
        assert arrived > RATE // 100
        lab.wait_until(lambda: sum(self.look().since(before).of(verdicts).values()) >= arrived,
                       f"{arrived} packets of {verdicts}")
        return self.look().since(before), arrived

    def look(self):
        counters = self.shield.read_json("counters", self.shield.device, "--all")[0]
        of_xdp = [verdict for verdict in counters["counters"] if verdict["action"] != "note"
                  and not verdict["name"].startswith(("OWN_", "HANDOVER"))]
        sink = self.net.client.counters()
        size = sink.pop("bytes")
        return Look(collections.Counter({verdict["name"]: verdict["packets"] for verdict in of_xdp}),
                    collections.Counter({verdict["name"]: verdict["bytes"] for verdict in of_xdp}),
                    collections.Counter(counters["ledger"]["in"]), collections.Counter(counters["ledger"]["out"]),
                    collections.Counter(packets=sum(sink.values()), bytes=size))

    def sockets_of(self, family):
        """The server's sockets whose peers are the floods' addresses."""
        return self.net.server.run("ss", "-Htan", "dst", SPOOFED[family.name]).stdout.splitlines()

    @contextlib.contextmanager
    def flooded(self, family, flood, seconds=30):
        """Floods meanwhile, from before the block on; the dict that it yields then has the tool's report."""
        before, expected = self.look(), self.expected(flood)
        process = self.net.client.start(*self.command(family, seconds, "--kind", flood.kind, *flood.options))
        report = {}
        try:
            lab.wait_until(lambda: self.look().since(before).of(expected), f"the {flood}")
            yield report
        finally:
            process.terminate()
            report.update(json.loads(process.communicate(timeout=10)[0]))

    def fetch(self, family, count, *options):
        """What became of so many short connections."""
        echo = ("--echo",) if self.owner == "daemon" else ()
        return self.net.client.read_json(lab.tool("fetch"), "--port", self.port, "--count", count, "--parallel", 8,
                                         "--seconds", 25, "--timeout", 20, *echo, *options,
                                         family.address(self.net.server))

    @contextlib.contextmanager
    def connection(self, family):
        """Two sockets: what is sent into the one comes out of the other."""
        if self.owner == "kernel":
            with sockets.listen(self.net.server, family) as listener, \
                    sockets.connected(self.net, family, listener) as ends:
                yield ends
        else:
            with sockets.connect(self.net.client, family, (family.address(self.net.server), self.port)) as client:
                yield client, client


@contextlib.contextmanager
def staged(owner, policy, flows=FLOWS):
    with contextlib.ExitStack() as stack:
        shield = stack.enter_context(shielded())
        shield.net.client.attach("count")
        shield.net.client.sysctl(net__ipv4__ip_local_port_range="40000 60000")  # where no flood comes from
        if owner == "kernel":
            shield.load(f"*:*,policy={policy}", flows=flows)
            stack.enter_context(web.WebServer(shield.net.server))
            daemon = None
        else:
            service = f"*:{PORT_OF[owner]},owner=daemon,app=echo,policy={policy}"
            daemon = stack.enter_context(daemons.serving(shield, service, flows=flows))
        shield.advance_clock(STRANGERS_WELCOME_S + 1)
        yield Stage(shield, owner, policy, daemon)
