/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One socket, by an exact question to inet_diag, and its end by SOCK_DESTROY. See sock_diag.h.
 */
#include "sock_diag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "netlink.h"

#define DIAG_STATE_LISTEN 10	  /* TCP_LISTEN of the kernel */
#define SOCKET_BYTES 8192	  /* of one socket */
#define ANSWER_TIMEOUT_S 1	  /* the kernel answers before send() returns */
#define LATER_THAN_RECORD_MS 1000 /* softirq, and a socket that was locked by its owner */
#define LATER_THAN_RECORD_SHARE 8

struct request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 question;
};

union answer {
	struct nlmsghdr header;
	char bytes[SOCKET_BYTES];
};

int sock_diag_open(void)
{
	const struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_S };
	int err, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/*
 * An IPv4 tuple finds a socket of either family: the kernel compares the addresses alone. Behind the tuple's own socket
 * it looks for a listener.
 */
static struct request make_question(const struct tuple *t, __u32 ifindex)
{
	struct request request = {
		.header = { sizeof(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, flow_tag(t), 0 },
		.question = {
			.sdiag_family = t->family,
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_ext = 1 << (INET_DIAG_INFO - 1),
			.idiag_states = ~0U,
			.id = {
				.idiag_sport = net16(t->local_port),
				.idiag_dport = net16(t->remote_port),
				.idiag_if = ifindex,
				.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE },
			},
		},
	};

	memcpy(request.question.id.idiag_src, t->local, sizeof(t->local));
	memcpy(request.question.id.idiag_dst, t->remote, sizeof(t->remote));
	return request;
}

/* The answer to this request, and to none that was given up before. 0, or -errno: the kernel's, too. */
static int ask(int fd, const struct request *request, union answer *answer)
{
	if (send(fd, request, sizeof(*request), 0) < 0)
		return -errno;
	do {
		if (recv(fd, answer, sizeof(*answer), 0) < 0)
			return -errno;
	} while (answer->header.nlmsg_seq != request->header.nlmsg_seq);
	if (answer->header.nlmsg_type == NLMSG_ERROR)
		return ((const struct nlmsgerr *)NLMSG_DATA(&answer->header))->error;
	return 0;
}

/* False: it is a listener, or what is left of a connection in TIME-WAIT, or one that is not established yet. */
static bool read_info(const struct nlmsghdr *message, struct tcp_info *info)
{
	const struct inet_diag_msg *diag = NLMSG_DATA(message);
	const struct rtattr *attribute =
		netlink_attribute((const void *)(diag + 1), NLMSG_PAYLOAD(message, sizeof(*diag)), INET_DIAG_INFO);
	size_t length;

	if (!attribute || diag->idiag_state == DIAG_STATE_LISTEN)
		return false;
	length = RTA_PAYLOAD(attribute); /* each kernel's own */
	memcpy(info, RTA_DATA(attribute), length < sizeof(*info) ? length : sizeof(*info));
	return true;
}

static bool has_heard(const struct tcp_info *info, __u32 silent_ms)
{
	__u32 share_ms = silent_ms / LATER_THAN_RECORD_SHARE;
	__u32 within_ms = silent_ms - (share_ms < LATER_THAN_RECORD_MS ? share_ms : LATER_THAN_RECORD_MS);

	return info->tcpi_last_ack_recv < within_ms || info->tcpi_last_data_recv < within_ms;
}

static enum sock_diag_answer explain(int err)
{
	if (err == -ENOENT)
		return SOCK_DIAG_NONE;
	errno = -err;
	return SOCK_DIAG_FAILED;
}

enum sock_diag_answer sock_diag_destroy_if_silent(int fd, const struct tuple *tuple, __u32 ifindex, __u32 silent_ms)
{
	struct request request = make_question(tuple, ifindex);
	const struct inet_diag_msg *diag;
	struct tcp_info info = {};
	union answer answer;
	int err = ask(fd, &request, &answer);

	if (err)
		return explain(err);
	if (!read_info(&answer.header, &info))
		return SOCK_DIAG_NONE;
	if (has_heard(&info, silent_ms))
		return SOCK_DIAG_HEARD;
	diag = NLMSG_DATA(&answer.header);
	memcpy(request.question.id.idiag_cookie, diag->id.idiag_cookie, sizeof(diag->id.idiag_cookie));
	request.header.nlmsg_type = SOCK_DESTROY;
	request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	request.header.nlmsg_seq++;
	err = ask(fd, &request, &answer);
	return err ? explain(err) : SOCK_DIAG_DESTROYED;
}
