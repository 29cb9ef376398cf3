# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The kernel's own cookies, sent by XDP: what real clients have of them is what they would have of the kernel's own
SYN-ACKs under tcp_syncookies=2, no less where timestamps go without an offset.

Forced by `load --handover helper`, which is what a kernel before 6.9 comes to; MPTCP listeners get it anyhow.
"""

import contextlib
import itertools
import socket

import pytest

import family as families
import lab
import negotiation
import sockets
import wire
from negotiation import PLAIN, SHIELDED, negotiate
from shield import shielded

IPPROTO_MPTCP = 262
BY_XDP = ("SYN_KERNEL_COOKIE", "KERNEL_COOKIE_ACK", "HANDOVER")


@pytest.fixture(scope="module")
def shield():
    with shielded() as own:
        own.net.server.sysctl(net__ipv4__tcp_syncookies=2)
        own.load(f"*:{SHIELDED}", handover="helper")
        yield own


@pytest.fixture(autouse=True)
def sysctls(net):
    with negotiation.usual_sysctls(net):
        net.server.sysctl(net__ipv4__tcp_syncookies=2)
        yield


@contextlib.contextmanager
def expect_connections(shield, count):
    """So many are made by the kernel's cookies meanwhile, none by its own SYN-ACK, and nothing of theirs is dropped."""
    before = shield.counters()
    yield
    counted = shield.counters() - before
    assert [counted[name] for name in BY_XDP] == [count] * 3, counted
    assert not counted["OWN_SYN_ACK"] and not counted["HANDOVER_LOST"], counted
    assert not counted.keys() & shield.drops(), counted


def ways(shield):
    """How the listeners of the first service get their connections, and why."""
    return [(each["way"], each["listeners"], each["reason"])
            for each in shield.read_json("status", shield.device)[0]["services"][0]["handover"]]


def problems(shield):
    return "\n".join(shield.read_json("status", shield.device)[0]["problems"])


# --- options -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timestamps, wscale, sack, ecn", itertools.product([1, 0], repeat=4))
def test_options_are_those_of_the_kernels_own_cookies(shield, net, family, timestamps, wscale, sack, ecn):
    net.server.sysctl(net__ipv4__tcp_timestamps=2, net__ipv4__tcp_ecn=1)
    net.client.sysctl(net__ipv4__tcp_timestamps=timestamps, net__ipv4__tcp_window_scaling=wscale,
                      net__ipv4__tcp_sack=sack, net__ipv4__tcp_ecn=ecn)
    with expect_connections(shield, 1):
        through_shield, plain = negotiate(net, family)
    assert through_shield == plain
    has = through_shield[0]
    assert (has["timestamps"], has["wscale"] is not None, has["sack"], has["ecn"]) == \
        (bool(timestamps), bool(timestamps and wscale), bool(timestamps and sack), bool(timestamps and ecn))


@pytest.mark.parametrize("timestamps", [1, 0])
def test_only_the_mss_is_kept_where_timestamps_have_an_offset(shield, net, family, timestamps):
    net.server.sysctl(net__ipv4__tcp_timestamps=timestamps)
    with expect_connections(shield, 1):
        has = negotiate(net, family)[0][0]
    assert (has["timestamps"], has["wscale"], has["sack"], has["mss"]) == (False, None, False, family.own_mss)


@pytest.mark.parametrize("switched_off", ["window_scaling", "sack"])
def test_server_switched_it_off(shield, net, family, switched_off):
    net.server.sysctl(**{"net__ipv4__tcp_timestamps": 2, f"net__ipv4__tcp_{switched_off}": 0})
    with expect_connections(shield, 1):
        through_shield, plain = negotiate(net, family)
    assert through_shield == plain


@pytest.mark.parametrize("mss", [1460, 1440, 1400, 600])
def test_mss_is_the_kernels_choice(shield, net, family, mss):
    mss = max(mss, 1220 if family is families.IPV6 else 0)
    with negotiation.advertised_mss(net, family, mss), expect_connections(shield, 1):
        through_shield, plain = negotiate(net, family)
    assert through_shield[0]["mss"] == plain[0]["mss"] + (12 if plain[0]["timestamps"] else 0)


@pytest.mark.parametrize("buffer", [4096, 65536, 1 << 22])
def test_buffer_of_the_listener_is_scaled_as_the_kernel_does(shield, net, family, buffer):
    # A scale that the kernel does not go on with would be a window that is not there.
    net.server.sysctl(net__ipv4__tcp_timestamps=2)
    force = (socket.SOL_SOCKET, 33, buffer)  # SO_RCVBUFFORCE
    with expect_connections(shield, 1):
        through_shield, plain = negotiate(net, family, listener_options=[force])
    assert through_shield == plain


def test_window_clamp_of_the_listener_is_scaled_as_the_kernel_does(shield, net, family):
    net.server.sysctl(net__ipv4__tcp_timestamps=2)
    clamp = (socket.IPPROTO_TCP, 10, 1 << 18)  # TCP_WINDOW_CLAMP
    with expect_connections(shield, 1):
        through_shield, plain = negotiate(net, family, listener_options=[clamp])
    assert through_shield == plain
    assert through_shield[0]["wscale"].endswith(",3")


def test_tsval_is_the_kernels_clock(shield, net, family):
    # Neither ahead of the kernel's own nor further behind than the bits that carry the options.
    net.server.sysctl(net__ipv4__tcp_timestamps=2)
    with contextlib.ExitStack() as stack:
        for port in (SHIELDED, PLAIN):
            stack.enter_context(sockets.listen(net.server, family, port=port))
        tsvals = []
        for port in (PLAIN, SHIELDED, PLAIN):
            with wire.Peer(net, family, port) as peer:
                tsvals.append(wire.option(peer.ask(), "Timestamp")[0])
    assert tsvals[0] - 64 <= tsvals[1] <= tsvals[2] + 64


# --- data ----------------------------------------------------------------------------------------------------------


def test_client_speaks_first_and_last(shield, net, family):
    with sockets.listen(net.server, family, port=SHIELDED) as listener, expect_connections(shield, 1):
        with sockets.connected(net, family, listener) as (client, server):
            client.sendall(b"HELO\r\n")
            assert sockets.read_exactly(server, 6) == b"HELO\r\n"
            sockets.exchange(client, server)


def test_ack_carries_data(shield, net, family):
    with sockets.listen(net.server, family, port=SHIELDED) as listener, expect_connections(shield, 1):
        with wire.Peer(net, family, SHIELDED) as peer:
            peer.ask()
            peer.timestamps = False  # the SYN-ACK had none
            peer.send("PA", b"at once")
            with listener.accept()[0] as server:
                assert sockets.read_exactly(server, 7) == b"at once"
                assert peer.receive("A").ack == peer.snd_nxt


def test_wrong_ack_is_dropped_and_replay_too(shield, net, family):
    with sockets.listen(net.server, family, port=SHIELDED) as listener, wire.Peer(net, family, SHIELDED) as peer:
        shield.advance_clock(129)  # strangers are welcome for 128 s after the load
        try:
            before = shield.counters()
            peer.timestamps = False
            peer.ask()
            peer.send("A", ack=peer.rcv_nxt + 4)
            assert peer.stays_silent()
            peer.send("A")
            listener.accept()[0].close()
            peer.take(peer.receive("FA"))
            peer.send("R")
            lab.wait_until(lambda: sockets.kernel_state(family, net.server, SHIELDED, peer.port) is None, "no socket")
            peer.send("A", seq=1001, ack=peer.rcv_nxt - 1)
            assert peer.stays_silent()
            counted = shield.counters() - before
            assert (counted["NO_FLOW"], counted["COOKIE_REPLAY"]) == (1, 1), counted
        finally:
            shield.advance_clock(0)


# --- who gets it, and when -----------------------------------------------------------------------------------------


def test_status_says_that_it_is_forced(shield, net):
    with sockets.listen(net.server, families.IPV4, port=SHIELDED):
        assert ways(shield) == [("helper", 1, "loaded with --handover helper")]
        assert "HANDOVER" in shield.run("status").stdout
        assert not problems(shield)


@pytest.fixture
def unforced():
    """A shield of its own, that gives each listener the best way."""
    with shielded() as own:
        yield own


@pytest.mark.parametrize("protocol", [socket.IPPROTO_TCP, IPPROTO_MPTCP], ids=["tcp-client", "mptcp-client"])
def test_mptcp_listener_gets_it(unforced, family, protocol):
    net = unforced.net
    net.server.sysctl(net__ipv4__tcp_syncookies=2, net__ipv4__tcp_timestamps=2)
    unforced.load(f"*:{SHIELDED}")
    with sockets.listen(net.server, family, port=SHIELDED, protocol=IPPROTO_MPTCP) as listener:
        assert ways(unforced) == [("helper", 1, "the listener is MPTCP")]
        assert not problems(unforced)
        with expect_connections(unforced, 1):
            with sockets.connected(net, family, listener, protocol=protocol) as (client, server):
                sockets.exchange(client, server)
                assert sockets.negotiated(family, net.server, SHIELDED, sockets.port_of(client))["sack"]


def test_plain_and_mptcp_listeners_side_by_side(unforced, family):
    # The same port on another address: each listener gets its own way.
    net = unforced.net
    net.server.sysctl(net__ipv4__tcp_syncookies=2)
    other = sockets.add_address(net.server, family, net.client)
    unforced.load(f"*:{SHIELDED}")
    with sockets.listen(net.server, family, port=SHIELDED) as plain, \
            sockets.listen(net.server, family, address=other, port=SHIELDED, protocol=IPPROTO_MPTCP) as mptcp:
        assert ways(unforced) == [("kfunc", 1, None), ("helper", 1, "the listener is MPTCP")]
        for listener, address, name in ((plain, family.address(net.server), "SYN_COOKIE"),
                                        (mptcp, other, "SYN_KERNEL_COOKIE")):
            before = unforced.counters()
            with sockets.connect(net.client, family, (address, SHIELDED)) as client, listener.accept()[0] as server:
                sockets.exchange(client, server, 10000)
            assert (unforced.counters() - before)[name] == 1


@pytest.fixture
def calm(unforced):
    """tcp_syncookies=1: the kernel makes cookies only while a listener's queue of handshakes overflows."""
    unforced.load(f"*:{SHIELDED}", handover="helper")
    return unforced


def test_calm_listener_answers_itself(calm, family):
    net = calm.net
    with sockets.listen(net.server, family, port=SHIELDED) as listener:
        with sockets.connected(net, family, listener) as (client, server):
            sockets.exchange(client, server)
            assert sockets.negotiated(family, net.server, SHIELDED, sockets.port_of(client))["timestamps"]
        counted = calm.counters()
        assert (counted["SYN_NO_COOKIE"], counted["OWN_SYN_ACK"]) == (1, 1), counted
        assert "only while the listener's queue overflows" in problems(calm)


def test_overflowing_listener_is_answered_for(calm, family):
    net = calm.net
    with sockets.listen(net.server, family, port=SHIELDED) as listener, contextlib.ExitStack() as stack:
        listener.listen(1)
        for _ in range(3):
            stack.enter_context(wire.Peer(net, family, SHIELDED)).ask()  # and never an ACK
        with expect_connections(calm, 1), sockets.connected(net, family, listener) as (client, server):
            sockets.exchange(client, server)


def test_full_accept_queue_makes_the_client_ask_again(shield, net, family):
    with sockets.listen(net.server, family, port=SHIELDED) as listener, contextlib.ExitStack() as stack:
        listener.listen(0)  # room for one
        to = (family.address(net.server), SHIELDED)
        stack.enter_context(sockets.connect(net.client, family, to))
        before = shield.counters()
        with wire.Peer(net, family, SHIELDED) as peer:
            peer.send("S")
            assert peer.stays_silent()  # the kernel drops it, as ever
            listener.accept()[0].close()
            peer.send("S", seq=1000)
            peer.take(peer.receive("SA"))
        counted = shield.counters() - before
        assert (counted["SYN_QUEUE_FULL"], counted["SYN_KERNEL_COOKIE"]) == (1, 1), counted


# --- cookies that the kernel sent itself ---------------------------------------------------------------------------


def test_connection_made_by_one_before_the_load_is_adopted(unforced, family):
    net = unforced.net
    net.server.sysctl(net__ipv4__tcp_syncookies=2)
    with sockets.listen(net.server, family, port=SHIELDED) as listener:
        with sockets.connected(net, family, listener) as (client, server):
            unforced.load(f"*:{SHIELDED}")
            sockets.exchange(client, server)
            flow = unforced.flow(family, sockets.port_of(client))
            assert (flow["state"], flow["adopted"]) == ("ESTABLISHED", True)
        assert not unforced.counters().keys() & unforced.drops()


@pytest.mark.parametrize("timestamps", [2, 1, 0])
def test_ack_in_flight_at_the_load_makes_its_connection(unforced, family, timestamps):
    net = unforced.net
    net.server.sysctl(net__ipv4__tcp_syncookies=2, net__ipv4__tcp_timestamps=timestamps)
    with sockets.listen(net.server, family, port=SHIELDED) as listener, wire.Peer(net, family, SHIELDED) as peer:
        peer.ask()
        peer.timestamps = timestamps > 0
        unforced.load(f"*:{SHIELDED}")
        peer.send("PA", b"hello")
        with listener.accept()[0] as server:
            assert sockets.read_exactly(server, 5) == b"hello"
            counted = unforced.counters()
            assert (counted["KERNEL_COOKIE_ACK"], counted["HANDOVER"]) == (1, 1), counted
            assert unforced.flow(family, peer.port)["state"] == "ESTABLISHED"
