/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asking the kernel for a list by netlink. See netlink.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"

#define ANSWER_BYTES 65536 /* the kernel fills at most 32 KiB at a time */

/* Returns 1 after the last message, 0 where more is to come, or -errno. */
static int visit_answer(const char *answer, size_t length, netlink_visit visit, void *context)
{
	size_t at = 0;

	while (at + sizeof(struct nlmsghdr) <= length) {
		const struct nlmsghdr *message = (const void *)(answer + at);
		int err;

		if (message->nlmsg_len < sizeof(*message) || message->nlmsg_len > length - at)
			return -EPROTO;
		if (message->nlmsg_type == NLMSG_DONE)
			return 1;
		if (message->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(message))->error;
		err = visit(message, context);
		if (err)
			return err;
		at += NLMSG_ALIGN(message->nlmsg_len);
	}
	return 0;
}

int netlink_dump(int protocol, const struct nlmsghdr *request, netlink_visit visit, void *context)
{
	char *answer = malloc(ANSWER_BYTES);
	int fd, err = -ENOMEM;

	if (!answer)
		return err;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (fd < 0 || send(fd, request, request->nlmsg_len, 0) < 0) {
		err = -errno;
		goto out;
	}
	do {
		ssize_t length = recv(fd, answer, ANSWER_BYTES, 0);

		err = length < 0 ? -errno : visit_answer(answer, length, visit, context);
	} while (err == 0 || err == -EINTR);
out:
	if (fd >= 0)
		close(fd);
	free(answer);
	return err < 0 ? err : 0;
}

const struct rtattr *netlink_attribute(const struct rtattr *attributes, int length, int type)
{
	for (const struct rtattr *attribute = attributes; RTA_OK(attribute, length);
	     attribute = RTA_NEXT(attribute, length)) {
		if ((attribute->rta_type & NLA_TYPE_MASK) == type)
			return attribute;
	}
	return NULL;
}

int netlink_number(const struct rtattr *attribute, int otherwise)
{
	int value;

	if (!attribute || RTA_PAYLOAD(attribute) < sizeof(value))
		return otherwise;
	memcpy(&value, RTA_DATA(attribute), sizeof(value));
	return value;
}
