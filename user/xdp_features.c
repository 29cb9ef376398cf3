/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Two questions by generic netlink: the family's number, then the device. See xdp_features.h.
 */
#include "xdp_features.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <stdbool.h>
#include <string.h>

#include "netlink.h"

/* Of linux/netdev.h, which Debian 12 does not have. */
#define NETDEV_FAMILY "netdev"
#define NETDEV_CMD_DEV_GET 1
#define NETDEV_A_DEV_IFINDEX 1
#define NETDEV_A_DEV_XDP_FEATURES 3

#define QUESTION_BYTES 16

struct question {
	struct nlmsghdr header;
	struct genlmsghdr command;
	struct rtattr attribute;
	char value[QUESTION_BYTES];
};

/* A value of the answer. */
struct answer {
	int attribute;
	void *value;
	size_t bytes;
	bool found;
};

static int take_answer(const struct nlmsghdr *message, void *context)
{
	const struct rtattr *attributes = (const void *)((const char *)NLMSG_DATA(message) + GENL_HDRLEN), *found;
	struct answer *answer = context;

	found = netlink_attribute(attributes, NLMSG_PAYLOAD(message, GENL_HDRLEN), answer->attribute);
	if (found && RTA_PAYLOAD(found) >= answer->bytes) {
		memcpy(answer->value, RTA_DATA(found), answer->bytes);
		answer->found = true;
	}
	return 1;
}

static int ask(__u16 family, __u8 command, __u16 attribute, const void *value, size_t bytes, struct answer *answer)
{
	struct question question = {
		.header = { .nlmsg_type = family, .nlmsg_flags = NLM_F_REQUEST, .nlmsg_seq = 1 },
		.command = { .cmd = command, .version = 1 },
		.attribute = { .rta_len = RTA_LENGTH(bytes), .rta_type = attribute },
	};
	int err;

	memcpy(question.value, value, bytes);
	question.header.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN + RTA_SPACE(bytes));
	err = netlink_dump(NETLINK_GENERIC, &question.header, take_answer, answer);
	return err ? err : answer->found ? 0 : -ENOENT;
}

int xdp_features_read(int ifindex, __u64 *features)
{
	__u32 index = ifindex;
	__u16 family;
	struct answer number = { CTRL_ATTR_FAMILY_ID, &family, sizeof(family), false };
	struct answer bits = { NETDEV_A_DEV_XDP_FEATURES, features, sizeof(*features), false };
	int err = ask(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, NETDEV_FAMILY, sizeof(NETDEV_FAMILY),
		      &number);

	return err ? err : ask(family, NETDEV_CMD_DEV_GET, NETDEV_A_DEV_IFINDEX, &index, sizeof(index), &bits);
}
