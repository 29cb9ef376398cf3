# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""policy=monitor: clients and server see no difference, and it is counted what policy always would have done."""

import json
import socket

import pytest

import family as families
import sockets
import wire

PORT = 8000
FLOOD_PACKETS = 20_000
MSG_FASTOPEN = 0x20000000


@pytest.fixture
def listener(net, family):
    with sockets.listen(net.server, family, port=PORT) as sock:
        yield sock


def monitored(shield):
    """What always would have done to the one service: packets by (would, name)."""
    service, = shield.read_json("counters", shield.device)[0]["monitored"]
    return {(finding["would"], finding["name"]): finding["packets"] for finding in service["findings"]}


def elements(shield):
    return len(json.loads(shield.bpftool("-j", "map", "dump", "pinned", shield.pins / "monitored").stdout))


def handshake(net, family, listener, options=()):
    """What a connection's two ends agreed on, and the frames that the client got, without what differs each time."""
    with wire.Capture(net.client) as capture:
        with sockets.connected(net, family, listener, options=options) as (client, server):
            sockets.exchange(client, server, 5000)
            agreed = sockets.negotiated(family, net.server, PORT, sockets.port_of(client))
        syn_ack = next(tcp for frame, tcp in capture.segments(PORT) if str(tcp.flags) == "SA")
    names = [name for name, _ in syn_ack.options]
    return agreed, syn_ack.window, names, wire.option(syn_ack, "MSS"), wire.option(syn_ack, "WScale")


@pytest.mark.parametrize("options", [(), ((socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1300),)], ids=["usual", "small"])
def test_handshake_is_the_kernels_own(shield, net, family, listener, options):
    without = handshake(net, family, listener, options)
    shield.load(f"*:{PORT},policy=monitor")
    assert handshake(net, family, listener, options) == without
    counted = shield.counters()
    assert (counted["MONITORED"], counted["SYN_COOKIE"], counted["HANDOVER"]) == (1, 0, 0), counted
    assert counted["HALF_OPEN_ACK"] == 1, "connections are followed all the same"
    assert monitored(shield)["answer", "SYN_COOKIE"] == 1


def test_flood_passes_and_is_counted(shield, net, family, listener):
    shield.load(f"*:{PORT},policy=monitor")
    net.client.run(*net.client.flood_command(net.server, "--source", "paced", "--rate", FLOOD_PACKETS, "--seconds", 1,
                                             "--port", PORT, address=family.address(net.server)))
    counted = shield.counters()
    assert counted["MONITORED"] > FLOOD_PACKETS / 4 and counted["SYN_COOKIE"] == 0, counted
    assert monitored(shield)["answer", "SYN_COOKIE"] == counted["MONITORED"]
    assert not any(counted[verdict] for verdict in shield.drops()), counted
    status, = shield.read_json("status", shield.device)
    assert status["services"][0]["monitored"]["would_answer"] == counted["MONITORED"]
    assert "WOULD-ANSWER" in shield.run("status", shield.device).stdout


def test_forged_segments_pass_and_are_counted(shield, net, family, listener):
    shield.load(f"*:{PORT},policy=monitor")
    shield.advance_clock(129)  # strangers are not welcome any more
    with wire.Peer(net, family, PORT) as peer:
        peer.send("A", ack=12345)
        peer.receive("R")  # from the kernel, which always would have spared itself
    assert monitored(shield)["drop", "NO_FLOW"] == 1
    assert shield.counters()["NO_FLOW"] == 0


def test_fast_open_works_and_is_counted_as_a_loss(shield, net):
    family = families.IPV4
    net.client.sysctl(net__ipv4__tcp_fastopen=1)
    net.server.sysctl(net__ipv4__tcp_fastopen=2)
    shield.load(f"*:{PORT},policy=monitor")
    with sockets.listen(net.server, family, port=PORT,
                        options=[(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 5)]) as listener:
        for _ in range(2):  # the first gets the client its cookie
            with sockets.inside(net.client):
                client = socket.socket(family.af, socket.SOCK_STREAM)
            client.sendto(b"hello", MSG_FASTOPEN, (net.server.ipv4, PORT))
            with client, listener.accept()[0] as server:
                assert sockets.read_exactly(server, 5) == b"hello"
    found = monitored(shield)
    assert found["lose", "fast-open"] == 2 and found["lose", "syn-data"] == 1, found
    notes = shield.read_json("status", shield.device)[0]["notes"]
    assert any("Fast Open" in note for note in notes), notes


def test_monitor_to_always_and_back_under_traffic(shield, net, family, listener):
    shield.load(f"*:{PORT},policy=monitor")
    with sockets.connected(net, family, listener) as before:
        shield.add_service(f"*:{PORT},policy=always")
        with sockets.connected(net, family, listener) as during:
            assert shield.counters()["HANDOVER"] == 1
            assert not shield.read_json("counters", shield.device)[0]["monitored"]
            shield.add_service(f"*:{PORT},policy=monitor")
            with sockets.connected(net, family, listener) as after:
                for client, server in (before, during, after):
                    sockets.exchange(client, server, 10000)
    assert shield.counters()["HANDOVER"] == 1
    assert monitored(shield)["answer", "SYN_COOKIE"] == 1  # counted anew


def test_counts_go_with_their_service(shield, net):
    shield.load(f"*:{PORT},policy=monitor", f"{net.server.ipv4}:{PORT},policy=off")
    assert elements(shield) == 2  # one a family
    shield.delete_service(f"*:{PORT}")
    assert elements(shield) == 0
    shield.add_service(f"{net.server.ipv4}:{PORT},policy=monitor")
    shield.add_service(f"{net.server.ipv4}:{PORT},policy=off")
    assert elements(shield) == 0


def test_what_hides_its_port_is_not_dropped_for_a_monitored_service(shield, net):
    shield.load(f"*:{PORT},policy=monitor")
    assert shield.dump("config")[0][1]["protected_families"] == 0
    shield.add_service(f"{net.server.ipv4}:{PORT},policy=always")
    assert shield.dump("config")[0][1]["protected_families"] == 1


def test_connections_of_a_cookie_complete_under_monitor(shield, net, family, listener):
    shield.load(f"*:{PORT}")
    with wire.Peer(net, family, PORT) as peer:
        peer.ask()
        shield.add_service(f"*:{PORT},policy=monitor")
        peer.send("PA", b"hello")
        with listener.accept()[0] as server:
            assert sockets.read_exactly(server, 5) == b"hello"
    assert shield.counters()["HANDOVER"] == 1
