# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Tagged frames: 802.1Q, 802.1ad around it, priority tags. Both kernels' connections run behind tags that BPF filters
put on and take off, in the place of VLAN devices; a frame that comes with other tags, or none, is lost."""

import socket

import pytest

import daemon as daemons
import lab
import sockets

PORT = 8000
BYTES = 1 << 20
ROOM_FOR_TAGS = (socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)  # a veth takes frames of its MTU and one tag
BEFORE_THE_SHIELD, BEHIND_THE_SHIELD = 1, 60000  # filter priorities: the shield's is about 49152


def add_filter(host, side, pref, program):
    host.run("tc", "filter", "add", "dev", host.device, side, "pref", pref, "bpf", "direct-action",
             "object-file", lab.tool("vlan.bpf.o"), "program", program)


def tag_everything(net, kind):
    """From now on the two hosts talk behind tags only."""
    for host in (net.client, net.server):
        host.run("tc", "qdisc", "add", "dev", host.device, "clsact", check=False)
        add_filter(host, "egress", BEFORE_THE_SHIELD, f"push_{kind}")
        add_filter(host, "ingress", BEHIND_THE_SHIELD, f"pop_{kind}")


def put_tags_into_frames(host):
    """Without this a veth hands tags over beside the frame, as if the receiving hardware had stripped them."""
    host.run("ethtool", "-K", host.device, "txvlan", "off", "tx-vlan-stag-hw-insert", "off")


def assert_connection_works(shield, net, family):
    with sockets.listen(net.server, family, port=PORT) as listener:
        with sockets.connected(net, family, listener, options=[ROOM_FOR_TAGS]) as (client, server):
            sockets.exchange(client, server, BYTES)
            flow = shield.flow(family, sockets.port_of(client))
            assert (flow["state"], flow["cookie"], flow["handover"]) == ("ESTABLISHED", True, False)
            assert flow["rx_bytes"] > BYTES and flow["tx_bytes"] > BYTES
    counted = shield.counters()
    assert (counted["SYN_COOKIE"], counted["HANDOVER"]) == (1, 1)
    assert not counted.keys() & shield.drops(), counted


@pytest.mark.parametrize("xdp", ["native", "generic"])
@pytest.mark.parametrize("kind", ["vlan", "qinq", "priority"])
def test_connection_behind_tags(shield, net, family, kind, xdp):
    put_tags_into_frames(net.client)
    shield.load(f"*:{PORT}", xdp=xdp)
    tag_everything(net, kind)
    assert_connection_works(shield, net, family)


@pytest.mark.parametrize("kind", ["vlan", "qinq", "priority"])
def test_daemon_answers_behind_tags(shield, net, family, kind):
    put_tags_into_frames(net.client)
    with daemons.serving(shield, daemons.spec(family, net, PORT, "echo")):
        tag_everything(net, kind)
        to = (family.address(net.server), PORT)
        with sockets.connect(net.client, family, to, options=[ROOM_FOR_TAGS]) as client:
            for _ in range(100):
                client.sendall(bytes(4000))
                sockets.read_exactly(client, 4000)
        assert shield.counters()["DAEMON_SEGMENT"] > 100


@pytest.mark.parametrize("kind", ["vlan", "qinq"])
def test_generic_answers_behind_tags_that_hardware_stripped(shield, net, family, kind):
    """The tag is beside the frame, which becomes the answer, and goes out with it."""
    shield.load(f"*:{PORT}", xdp="generic")
    tag_everything(net, kind)
    assert_connection_works(shield, net, family)
