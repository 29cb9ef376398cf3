// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "conntrack.h"
#include "conntrack_question.h"
#include "shield.h"
#include "tests/differential/conntrack.skel.h" /* needs conntrack_question.h */

/* By the direction of what comes in there. */
static const char *const ways_in[] = { [DIRECTION_RCV] = "outside-far", [DIRECTION_SND] = "inside-far" };

static struct conntrack *skeleton;
static int senders[2] = { -1, -1 }, netlink = -1;

static int run_commands(void)
{
	static const char *const commands[] = {
		"ip link set lo up",
		"ip link add outside address 02:00:00:00:00:01 type veth peer name outside-far",
		"ip link add inside address 02:00:00:00:00:07 type veth peer name inside-far",
		"for d in outside outside-far inside inside-far; do ip link set $d arp off up || exit 1; done",
		"sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0"
		" net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.outside.rp_filter=0 net.ipv4.conf.inside.rp_filter=0",
		"ip route add default dev outside && ip -6 route add default dev outside",
		"ip route add 10.9.0.0/24 dev inside && ip -6 route add fd09::/64 dev inside",
		/* one rule that asks for it, and conntrack is there */
		"nft 'add table inet t; add chain inet t c { type filter hook forward priority 0; };"
		" add rule inet t c ct state new accept'",
		"sysctl -qw net.netfilter.nf_conntrack_tcp_be_liberal=0 net.netfilter.nf_conntrack_tcp_loose=0",
	};

	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (system(commands[i]))
			return -EIO;
	}
	return 0;
}

static int attach(const char *device)
{
	struct bpf_tc_hook hook = {
		.sz = sizeof(hook),
		.ifindex = if_nametoindex(device),
		.attach_point = BPF_TC_EGRESS,
	};
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(skeleton->progs.router_egress));
	int err = bpf_tc_hook_create(&hook);

	return err ? err : bpf_tc_attach(&hook, &opts);
}

static int open_sender(const char *device)
{
	struct sockaddr_ll on = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(device) };
	int mark = CONNTRACK_MARK, fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) ||
	    bind(fd, (struct sockaddr *)&on, sizeof(on)))
		return -errno;
	return fd;
}

/* In the router's namespace. */
static int open_router(void)
{
	int err = run_commands();

	skeleton = conntrack__open_and_load();
	if (!skeleton)
		return -errno;
	err = err ?: attach("outside") ?: attach("inside");
	if (err)
		return err;
	for (int direction = 0; direction < 2; direction++) {
		senders[direction] = open_sender(ways_in[direction]);
		if (senders[direction] < 0)
			return senders[direction];
	}
	netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	return netlink < 0 ? -errno : 0;
}

int conntrack_open(void)
{
	int err, here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (here < 0 || unshare(CLONE_NEWNET))
		return -errno;
	err = open_router();
	if (setns(here, CLONE_NEWNET))
		err = -errno;
	close(here);
	return err;
}

/* The namespace goes with the sockets in it. */
void conntrack_close(void)
{
	for (int direction = 0; direction < 2; direction++)
		close(senders[direction]);
	close(netlink);
	conntrack__destroy(skeleton);
}

/* It is there when sendto() returns, unless the machine is so busy that a kernel thread does the work. */
static bool comes_out(__u32 packets)
{
	const volatile __u32 *counted = &skeleton->bss->question.packets;
	const struct timespec pause = { .tv_nsec = 100000 };

	for (int i = 0; i < 20000 && *counted != packets; i++)
		nanosleep(&pause, NULL);
	return *counted == packets;
}

enum tcp_conntrack conntrack_pass(const struct packet_spec *spec)
{
	struct conntrack_question *question = &skeleton->bss->question;
	const struct tuple *t = &spec->tuple;
	__u32 packets = question->packets;
	struct frame f;

	memcpy(question->remote, t->remote, sizeof(question->remote));
	memcpy(question->local, t->local, sizeof(question->local));
	question->remote_port = net16(t->remote_port);
	question->local_port = net16(t->local_port);
	question->family = t->family;
	packet_build(&f, spec);
	assert_int_equal(send(senders[spec->direction], f.bytes, f.length, 0), f.length);
	assert_true(comes_out(packets + 1));
	return question->state;
}

void conntrack_flush(void)
{
	struct {
		struct nlmsghdr header;
		struct nfgenmsg general;
	} request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.general = { .nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0 },
	};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
	} answer = {};

	assert_int_equal(send(netlink, &request, sizeof(request), 0), sizeof(request));
	assert_true(recv(netlink, &answer, sizeof(answer), 0) > 0);
	assert_int_equal(answer.header.nlmsg_type, NLMSG_ERROR);
	assert_int_equal(answer.error.error, 0);
}

const char *conntrack_state_name(enum tcp_conntrack state)
{
	static const char *const names[] = {
		[TCP_CONNTRACK_NONE] = "NONE",	       [TCP_CONNTRACK_SYN_SENT] = "SYN_SENT",
		[TCP_CONNTRACK_SYN_RECV] = "SYN_RECV", [TCP_CONNTRACK_ESTABLISHED] = "ESTABLISHED",
		[TCP_CONNTRACK_FIN_WAIT] = "FIN_WAIT", [TCP_CONNTRACK_CLOSE_WAIT] = "CLOSE_WAIT",
		[TCP_CONNTRACK_LAST_ACK] = "LAST_ACK", [TCP_CONNTRACK_TIME_WAIT] = "TIME_WAIT",
		[TCP_CONNTRACK_CLOSE] = "CLOSE",       [TCP_CONNTRACK_SYN_SENT2] = "SYN_SENT2",
	};

	return state < ARRAY_LEN(names) && names[state] ? names[state] : "?";
}
