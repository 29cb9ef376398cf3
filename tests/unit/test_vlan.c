/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which devices take tagged frames, by what rtnetlink says of them, and whose tags are lost before XDP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../user/ethtool.c"
#include "../../user/netlink.c"
#include "../../user/vlan.c"

#define DEVICE 3
#define OTHER 9

/* --- RTM_NEWLINK, byte by byte --- */

struct message {
	struct nlmsghdr header;
	struct ifinfomsg info;
	__u8 attributes[512];
} __attribute__((aligned(4)));

static void *put(struct message *m, int type, const void *value, __u16 bytes)
{
	struct rtattr *attribute = (void *)((__u8 *)m + NLMSG_ALIGN(m->header.nlmsg_len));

	attribute->rta_type = type;
	attribute->rta_len = RTA_LENGTH(bytes);
	memcpy(RTA_DATA(attribute), value, bytes);
	m->header.nlmsg_len = NLMSG_ALIGN(m->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
	return attribute;
}

static void put_int(struct message *m, int type, int value)
{
	put(m, type, &value, sizeof(value));
}

static struct message message_of(int ifindex, const char *name)
{
	struct message m = { .header = { NLMSG_LENGTH(sizeof(m.info)), RTM_NEWLINK, 0, 1, 0 } };

	m.info.ifi_index = ifindex;
	put(&m, IFLA_IFNAME, name, strlen(name) + 1);
	return m;
}

/* IFLA_LINKINFO with a kind and one or two numbers in its data; types of 0 are left out. */
static void put_kind(struct message *m, const char *kind, int type, __u8 number, int protocol_type, __u16 protocol)
{
	struct rtattr *info = put(m, IFLA_LINKINFO, "", 0), *data;
	__be16 wire = htons(protocol);

	put(m, IFLA_INFO_KIND, kind, strlen(kind) + 1);
	data = put(m, IFLA_INFO_DATA, "", 0);
	if (type)
		put(m, type, &number, sizeof(number));
	if (protocol_type)
		put(m, protocol_type, &wire, sizeof(wire));
	data->rta_len = (__u8 *)m + m->header.nlmsg_len - (__u8 *)data;
	info->rta_len = (__u8 *)m + m->header.nlmsg_len - (__u8 *)info;
}

static struct vlan_link read_message(const struct message *m)
{
	struct vlan_link link;

	assert_true(vlan_read_link(&m->header, &link));
	return link;
}

static struct vlan_link vlan_message(__u16 protocol, bool elsewhere)
{
	struct message m = message_of(5, "eth0.5");

	put_int(&m, IFLA_LINK, DEVICE);
	if (elsewhere)
		put_int(&m, IFLA_LINK_NETNSID, 0);
	put_kind(&m, "vlan", 0, 0, IFLA_VLAN_PROTOCOL, protocol);
	return read_message(&m);
}

static void test_message_of_vlan(void **state)
{
	struct vlan_link link = vlan_message(ETH_P_8021Q, false);

	(void)state;
	assert_int_equal(link.ifindex, 5);
	assert_int_equal(link.below, DEVICE);
	assert_int_equal(link.master, 0);
	assert_int_equal(link.takes, VLAN_8021Q);
	assert_string_equal(link.name, "eth0.5");
	assert_int_equal(vlan_message(ETH_P_8021AD, false).takes, VLAN_8021AD);
}

/* Then the number is of a device there. */
static void test_message_of_vlan_of_a_device_in_another_namespace(void **state)
{
	(void)state;
	assert_int_equal(vlan_message(ETH_P_8021Q, true).below, 0);
}

static void test_message_of_bridge(void **state)
{
	struct message plain = message_of(6, "br0"), filters = plain, of_providers = plain;

	(void)state;
	put_kind(&plain, "bridge", IFLA_BR_VLAN_FILTERING, 0, IFLA_BR_VLAN_PROTOCOL, ETH_P_8021Q);
	assert_int_equal(read_message(&plain).takes, 0);
	put_kind(&filters, "bridge", IFLA_BR_VLAN_FILTERING, 1, IFLA_BR_VLAN_PROTOCOL, ETH_P_8021Q);
	assert_int_equal(read_message(&filters).takes, VLAN_8021Q);
	put_kind(&of_providers, "bridge", IFLA_BR_VLAN_FILTERING, 1, IFLA_BR_VLAN_PROTOCOL, ETH_P_8021AD);
	assert_int_equal(read_message(&of_providers).takes, VLAN_8021AD);
}

/* A veth's IFLA_LINK is its peer: nothing is above the other by that. */
static void test_message_of_other_kinds(void **state)
{
	struct message veth = message_of(7, "veth0"), port = message_of(DEVICE, "eth0"),
		       ovs = message_of(8, "ovs-system");
	struct vlan_link link;

	(void)state;
	put_int(&veth, IFLA_LINK, DEVICE);
	put_kind(&veth, "veth", 0, 0, 0, 0);
	assert_int_equal(read_message(&veth).below, 0);
	assert_int_equal(read_message(&veth).takes, 0);
	put_int(&port, IFLA_MASTER, 6);
	assert_int_equal(read_message(&port).master, 6);
	put_kind(&ovs, "openvswitch", 0, 0, 0, 0);
	assert_int_equal(read_message(&ovs).takes, VLAN_8021Q | VLAN_8021AD);
	port.header.nlmsg_type = RTM_DELLINK;
	assert_false(vlan_read_link(&port.header, &link));
}

/* --- the decision --- */

static const struct vlan_offloads strips = { .strips = VLAN_8021Q };
static const struct vlan_offloads strips_and_inserts = { .strips = VLAN_8021Q, .inserts = VLAN_8021Q };

static struct vlan_loss native_loss(const struct vlan_link *links, int count, const struct vlan_offloads *offloads)
{
	return vlan_find_loss(links, count, DEVICE, offloads, DEVICE_XDP_NATIVE);
}

static void test_nothing_above_nothing_lost(void **state)
{
	const struct vlan_link links[] = {
		{ .ifindex = DEVICE, .name = "eth0" },
		{ .ifindex = OTHER, .name = "eth1" },
		{ .ifindex = 5, .below = OTHER, .takes = VLAN_8021Q, .name = "eth1.5" },
		{ .ifindex = 6, .takes = VLAN_8021Q, .name = "br0" },
	};

	(void)state;
	assert_int_equal(native_loss(links, ARRAY_LEN(links), &strips).kinds, 0);
	assert_int_equal(native_loss(links, 0, &strips).kinds, 0);
}

static void test_vlan_device_above_lost_where_stripped(void **state)
{
	const struct vlan_link links[] = {
		{ .ifindex = DEVICE, .name = "eth0" },
		{ .ifindex = 5, .below = DEVICE, .takes = VLAN_8021Q, .name = "eth0.5" },
	};
	const struct vlan_offloads none = {}, other_tags = { .strips = VLAN_8021AD };
	struct vlan_loss loss = native_loss(links, 2, &strips);

	(void)state;
	assert_int_equal(loss.kinds, VLAN_8021Q);
	assert_string_equal(loss.taker, "eth0.5");
	assert_int_equal(native_loss(links, 2, &strips_and_inserts).kinds, VLAN_8021Q);
	assert_int_equal(native_loss(links, 2, &none).kinds, 0);
	assert_int_equal(native_loss(links, 2, &other_tags).kinds, 0);
}

static void test_generic_lost_only_where_not_inserted(void **state)
{
	const struct vlan_link links[] = {
		{ .ifindex = DEVICE, .name = "eth0" },
		{ .ifindex = 5, .below = DEVICE, .takes = VLAN_8021Q, .name = "eth0.5" },
	};

	(void)state;
	assert_int_equal(vlan_find_loss(links, 2, DEVICE, &strips, DEVICE_XDP_GENERIC).kinds, VLAN_8021Q);
	assert_int_equal(vlan_find_loss(links, 2, DEVICE, &strips_and_inserts, DEVICE_XDP_GENERIC).kinds, 0);
}

static void test_bridge_that_filters_above(void **state)
{
	const struct vlan_link links[] = {
		{ .ifindex = DEVICE, .master = 6, .name = "eth0" },
		{ .ifindex = 6, .takes = VLAN_8021Q, .name = "br0" },
	};
	struct vlan_loss loss = native_loss(links, 2, &strips);

	(void)state;
	assert_int_equal(loss.kinds, VLAN_8021Q);
	assert_string_equal(loss.taker, "br0");
}

/* eth0 is a part of a bond, that of a bridge, which has the VLAN. */
static void test_vlan_of_a_masters_master(void **state)
{
	const struct vlan_link links[] = {
		{ .ifindex = 5, .below = 7, .takes = VLAN_8021Q, .name = "br0.5" },
		{ .ifindex = 7, .name = "br0" },
		{ .ifindex = 6, .master = 7, .name = "bond0" },
		{ .ifindex = DEVICE, .master = 6, .name = "eth0" },
	};

	(void)state;
	assert_string_equal(native_loss(links, 4, &strips).taker, "br0.5");
}

/* The device that is loaded takes frames as everybody's; masters that go in a circle come to an end. */
static void test_device_itself_is_not_above(void **state)
{
	const struct vlan_link links[] = {
		{ .ifindex = DEVICE, .master = 6, .takes = VLAN_8021Q, .name = "br1" },
		{ .ifindex = 6, .master = DEVICE, .name = "bond0" },
	};

	(void)state;
	assert_int_equal(native_loss(links, 2, &strips).kinds, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message_of_vlan),
		cmocka_unit_test(test_message_of_vlan_of_a_device_in_another_namespace),
		cmocka_unit_test(test_message_of_bridge),
		cmocka_unit_test(test_message_of_other_kinds),
		cmocka_unit_test(test_nothing_above_nothing_lost),
		cmocka_unit_test(test_vlan_device_above_lost_where_stripped),
		cmocka_unit_test(test_generic_lost_only_where_not_inserted),
		cmocka_unit_test(test_bridge_that_filters_above),
		cmocka_unit_test(test_vlan_of_a_masters_master),
		cmocka_unit_test(test_device_itself_is_not_above),
	};

	return cmocka_run_group_tests_name("vlan", tests, NULL, NULL);
}
