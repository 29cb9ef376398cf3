# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What stands between a flood and the web server: Synkeep, what it is compared with, and the two ends of the scale.

A defence is raised in a lab whose web server listens already; it goes away with the lab.
"""

import collections

import lab
import shield
import web

FLOWS = 1_000_000  # of the scenarios with a full table
FLOWS_ROOM = 1 << 20
STRANGERS_WELCOME_S = 128  # after the load: so long segments without a flow may be of connections from before it
PORTS = 16  # of the web server, each a service: a flood may come to all

# role: what the client's device is for the sink tool. XDP sends its answers as frames, which a veth takes only with an
# XDP program; answers of the kernel's stack come as skbs, which are cheaper to count in tc.
Defence = collections.namedtuple("Defence", "name label role raise_in conntrack", defaults=(False,))


def load_synkeep(net, *options, policy="always", ports=1):
    """Loads the server's device with the web server as a service, or as so many, and moves the clock to when strangers
    are not welcome any more. Returns the directory of its pins."""
    services = [word for port in range(web.PORT, web.PORT + ports)
                for word in ("--service", f"{net.server.ipv4}:{port},policy={policy}")]
    net.synkeep("load", net.server.device, *services, *options)
    shield.Shield(net).advance_clock(STRANGERS_WELCOME_S + 1)
    return net.pin_root / net.server.device


def load_synkeep_full(net):
    """The same, with FLOWS established flows in the table, which the presence filter knows."""
    pins = load_synkeep(net, "--flows", FLOWS_ROOM)
    net.server.run(lab.tool("fill"), "--local", net.server.ipv4, "--port", web.PORT, "--flows", FLOWS, pins)
    return pins


def _drop(net):
    net.server.attach("drop")


def _swap(net):
    net.server.attach("swap")


def _synkeep(policy):
    return lambda net: load_synkeep(net, policy=policy, ports=PORTS)


def _kernel(syncookies):
    def raise_in(net):
        net.server.receive_frames()
        net.server.sysctl(net__ipv4__tcp_syncookies=syncookies)

    return raise_in


_SYNPROXY = """
table ip bench {
    chain untrack {
        type filter hook prerouting priority raw
        tcp dport %(ports)s tcp flags & (fin|syn|rst|ack) == syn notrack
    }
    chain answer {
        type filter hook input priority filter
        tcp dport %(ports)s ct state { invalid, untracked } synproxy mss 1460 wscale 7 timestamp sack-perm
        ct state invalid drop
    }
}
"""


def _nft_synproxy(net):
    net.server.receive_frames()
    net.server.run("nft", "-f", "-", input=_SYNPROXY % {"ports": f"{web.PORT}-{web.PORT + PORTS - 1}"})
    net.server.sysctl(net__netfilter__nf_conntrack_tcp_loose=0)


# The controls are as good as a defence can be here: what they lose, the generator, the wire and the web server lose.
DROP = Defence("drop", "drop (the generator's own cost)", "count", _drop)
CONTROL = Defence("control", "control: flood dropped by prefix", "count", _drop)
SWAP = Defence("swap", "address swap, XDP_TX (the floor)", "count", _swap)
ANSWER = Defence("answer", "control: flood answered by address swap", "count", _swap)
SYNKEEP = Defence("synkeep", "synkeep, policy=always", "count", _synkeep("always"))
SYNKEEP_AUTO = Defence("synkeep-auto", "synkeep, policy=auto", "count", _synkeep("auto"))
SYNKEEP_FULL = Defence("synkeep-full", f"synkeep, {FLOWS:,} flows in the map", "count", load_synkeep_full)
KERNEL_SHIPPED = Defence("kernel-shipped", "kernel, tcp_syncookies=1", "count-tc", _kernel(1))
KERNEL = Defence("kernel", "kernel, tcp_syncookies=2", "count-tc", _kernel(2))
NFT_SYNPROXY = Defence("nft-synproxy", "nft synproxy", "count-tc", _nft_synproxy, conntrack=True)

COST = (DROP, SWAP, SYNKEEP, SYNKEEP_FULL, KERNEL, NFT_SYNPROXY)
FLOOD = (CONTROL, ANSWER, SYNKEEP, KERNEL, NFT_SYNPROXY)
# Of floods of every kind: what a packet costs, and what clients get.
KINDS_COST = (DROP, SYNKEEP, KERNEL, NFT_SYNPROXY)
KINDS = (CONTROL, SYNKEEP, SYNKEEP_AUTO, KERNEL_SHIPPED, KERNEL, NFT_SYNPROXY)
# Those that say what became of each packet.
COUNTING = (SYNKEEP, SYNKEEP_AUTO)
