/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What bites users on a device. See doctor_device.h.
 */
#include "doctor_device.h"

#include <linux/if_link.h>

#include "driver.h"
#include "format.h"
#include "load.h"
#include "xdp_features.h"

#define RING_ENOUGH 1024 /* frames: half a millisecond of a flood of two million a second */

static void judge_link(const struct device_facts *facts, const struct finding_listener *listener)
{
	char command[FINDING_REMEDY_BYTES];

	if (!facts->system.ethernet)
		finding_tell(listener, FINDING_PROBLEM, "link", "",
			     "%s is no Ethernet device: its packets would not be understood", facts->name);
	else if (!facts->up)
		finding_tell(listener, FINDING_PROBLEM, "link",
			     finding_remedy(command, "ip link set dev %s up", facts->name), "the device is down");
	else if (!facts->carrier)
		finding_tell(listener, FINDING_NOTE, "link", "",
			     "the device is up, and there is no carrier: nothing comes in by it");
	else
		finding_tell(listener, FINDING_OK, "link", "", "up");
}

static void judge_driver(const struct device_facts *facts, const struct finding_listener *listener)
{
	const char *driver = *facts->system.driver ? facts->system.driver : "of no name";
	const char *effect = driver_effect_words(driver_attach_effect(facts->system.driver, facts->system.bus));
	bool known = driver_takes_native(facts->system.driver);
	bool takes = facts->tells_xdp ? facts->xdp_features & XDP_FEATURE_BASIC : known;

	if (!takes)
		finding_tell(listener, FINDING_NOTE, "xdp", "",
			     "its driver, %s, %s native XDP%s: `synkeep load` takes generic XDP then, which is slower",
			     driver, facts->tells_xdp ? "takes no" : "is not known to take",
			     known ? " as the device is set up now" : "");
	else
		finding_tell(listener, FINDING_OK, "xdp", "", "its driver, %s, takes native XDP%s", driver,
			     !facts->tells_xdp				  ? ""
			     : facts->xdp_features & XDP_FEATURE_ZEROCOPY ? ", and AF_XDP without a copy"
									  : ", and AF_XDP with a copy");
	if (effect && takes && !facts->loaded)
		finding_tell(listener, FINDING_NOTE, "interruption", "",
			     "its driver, %s, %s when native XDP is attached, and when it is detached; connections "
			     "outlive that, and `synkeep load --try 60s` unloads by itself if it locks you out",
			     driver, effect);
}

/* Rings and queues of hardware; software has as many as its other end chooses. */
static void judge_queues(const struct machine_facts *machine, const struct device_facts *facts,
			 const struct finding_listener *listener)
{
	const struct ethtool_sizes *sizes = &facts->sizes;
	unsigned int cpus = machine->cpus, wanted = sizes->rx_ring_max < 4096 ? sizes->rx_ring_max : 4096;
	char command[FINDING_REMEDY_BYTES];

	if (!driver_is_of_hardware(facts->system.bus))
		return;
	if (sizes->queues > cpus)
		finding_tell(listener, FINDING_NOTE, "queues",
			     finding_remedy(command, "ethtool -L %s combined %u", facts->name, cpus),
			     "%u queues, and %u CPUs: many drivers take native XDP only where each CPU finds a queue "
			     "to send by beside them",
			     sizes->queues, cpus);
	else if (sizes->queues && sizes->queues < sizes->queues_max && sizes->queues < cpus)
		finding_tell(listener, FINDING_NOTE, "queues",
			     finding_remedy(command, "ethtool -L %s combined %u", facts->name,
					    sizes->queues_max < cpus ? sizes->queues_max : cpus),
			     "%u queue%s of %u in use, and %u CPUs: a flood meets no more of them than that",
			     sizes->queues, sizes->queues > 1 ? "s" : "", sizes->queues_max, cpus);
	else
		finding_tell(listener, FINDING_OK, "queues", "", "%d", facts->system.rx_queues);
	if (sizes->rx_ring < sizes->rx_ring_max && sizes->rx_ring < RING_ENOUGH)
		finding_tell(
			listener, FINDING_NOTE, "ring",
			finding_remedy(command, "ethtool -G %s rx %u", facts->name, wanted),
			"a receive ring has room for %u frames of %u: a flood's bursts are lost before XDP sees them",
			sizes->rx_ring, sizes->rx_ring_max);
	else if (sizes->rx_ring)
		finding_tell(listener, FINDING_OK, "ring", "", "%u frames", sizes->rx_ring);
}

static void judge_offloads(const struct device_facts *facts, const struct finding_listener *listener)
{
	char command[FINDING_REMEDY_BYTES], text[ATTACH_ERROR_BYTES];

	if (facts->lro)
		finding_tell(listener, FINDING_NOTE, "lro",
			     finding_remedy(command, "ethtool -K %s lro off", facts->name),
			     "the hardware joins segments (LRO), and most drivers take no native XDP then");
	else
		finding_tell(listener, FINDING_OK, "lro", "", "off");
	if (facts->gro_hw)
		finding_tell(listener, FINDING_NOTE, "gro-hw",
			     finding_remedy(command, "ethtool -K %s rx-gro-hw off", facts->name),
			     "the hardware joins segments (GRO), and some drivers take no native XDP then");
	else
		finding_tell(listener, FINDING_OK, "gro-hw", "", "off");
	if (facts->loaded)
		return; /* advice.h judges the mode that it has */
	if (facts->vlan_loss.kinds) {
		vlan_explain(&facts->vlan_loss, facts->name, DEVICE_XDP_NATIVE, text, sizeof(text));
		finding_tell(listener, FINDING_PROBLEM, "vlan",
			     vlan_remedy(&facts->vlan_loss, facts->name, command, sizeof(command)), "%s", text);
	} else {
		finding_tell(listener, FINDING_OK, "vlan", "", "no tag is lost");
	}
}

static bool has_daemon_service(const struct device_facts *facts)
{
	for (int i = 0; facts->status && i < facts->status->service_count; i++) {
		if (facts->status->services[i].spec.owner == FLOW_OWNER_DAEMON)
			return true;
	}
	return false;
}

static void judge_mtu(const struct device_facts *facts, const struct finding_listener *listener)
{
	char command[FINDING_REMEDY_BYTES];
	bool fits = facts->system.mtu <= (int)facts->daemon_mtu_max;
	bool splits = facts->xdp_features & XDP_FEATURE_FRAGS;

	finding_remedy(command, "ip link set dev %s mtu %u", facts->name, facts->daemon_mtu_max);
	if (!fits && has_daemon_service(facts))
		finding_tell(listener, FINDING_PROBLEM, "mtu", command,
			     "the MTU is %d, and frames of services with owner=daemon must fit into a page: at most %u",
			     facts->system.mtu, facts->daemon_mtu_max);
	else if (!fits && facts->tells_xdp && !splits)
		finding_tell(listener, FINDING_NOTE, "mtu", command,
			     "the MTU is %d, and the driver takes native XDP only where a frame fits into a page",
			     facts->system.mtu);
	else
		finding_tell(listener, FINDING_OK, "mtu", "", "%d%s", facts->system.mtu,
			     fits ? "" : ": too much for services with owner=daemon");
}

/* --- its neighbours ---------------------------------------------------------------------------------------------- */

static void judge_peer(const struct device_facts *facts, const struct finding_listener *listener)
{
	const struct veth_peer *peer = &facts->peer;
	bool generic = facts->status && facts->status->attach.xdp_mode == DEVICE_XDP_GENERIC;
	char command[FINDING_REMEDY_BYTES];

	if (peer->sight == VETH_PEER_NONE)
		return;
	if (generic)
		finding_tell(listener, FINDING_OK, "peer", "", "XDP is generic, and its frames reach any peer");
	else if (peer->sight == VETH_PEER_HIDDEN)
		finding_tell(listener, FINDING_NOTE, "peer", "",
			     "its peer is in a network namespace without a name: it needs an XDP program of its own, "
			     "or what native XDP sends is lost; and for owner=daemon `ethtool -K PEER tx off`");
	else if (!peer->has_xdp)
		finding_tell(listener, FINDING_PROBLEM, "peer",
			     finding_remedy(command, "synkeep load %s --xdp generic", facts->name),
			     "its peer, %s, has no XDP program, and a veth loses what native XDP sends to such a one, "
			     "every SYN-ACK: give it one that passes all, or let XDP be generic",
			     peer->name);
	else
		finding_tell(listener, FINDING_OK, "peer", "", "%s has an XDP program, and gets what XDP sends",
			     peer->name);
}

static void judge_peer_checksums(const struct device_facts *facts, const struct finding_listener *listener)
{
	const struct veth_peer *peer = &facts->peer;
	char command[FINDING_REMEDY_BYTES];

	if (peer->sight != VETH_PEER_SEEN)
		return;
	if (peer->netns[0])
		finding_remedy(command, "nsenter --net=/run/netns/%s ethtool -K %s tx off", peer->netns, peer->name);
	else
		finding_remedy(command, "ethtool -K %s tx off", peer->name);
	if (peer->leaves_sums && has_daemon_service(facts))
		finding_tell(
			listener, FINDING_PROBLEM, "peer-checksums", command,
			"%s leaves checksums to hardware that is not there, and the daemon drops what comes without",
			peer->name);
	else if (peer->leaves_sums && !facts->loaded)
		finding_tell(listener, FINDING_NOTE, "peer-checksums", command,
			     "%s leaves checksums to hardware that is not there: services with owner=daemon would drop "
			     "what comes without",
			     peer->name);
	else
		finding_tell(listener, FINDING_OK, "peer-checksums", "",
			     peer->leaves_sums ? "left out, and only a daemon would mind" : "complete");
}

/* What takes a program of others off; nothing where it is not known which there is. */
static const char *detach_command(const struct device_facts *facts, char command[FINDING_REMEDY_BYTES])
{
	switch (facts->xdp_attached) {
	case XDP_ATTACHED_NONE:
		return "";
	case XDP_ATTACHED_DRV:
		return finding_remedy(command, "ip link set dev %s xdpdrv off", facts->name);
	case XDP_ATTACHED_HW:
		return finding_remedy(command, "ip link set dev %s xdpoffload off", facts->name);
	default:
		return finding_remedy(command, "ip link set dev %s xdpgeneric off", facts->name);
	}
}

/* Who is there already. */
static void judge_room(const struct device_facts *facts, const struct finding_listener *listener)
{
	char command[FINDING_REMEDY_BYTES];

	if (facts->loaded)
		return;
	if (facts->xdp_obstacle[0])
		finding_tell(listener, FINDING_PROBLEM, "xdp-programs", detach_command(facts, command), "%s",
			     facts->xdp_obstacle);
	else
		finding_tell(listener, FINDING_OK, "xdp-programs", "",
			     facts->xdp_attached ? "others share the device" : "none of others");
	if (facts->tc_obstacle[0])
		finding_tell(listener, FINDING_PROBLEM, "tc",
			     finding_remedy(command, "tc qdisc del dev %s ingress", facts->name), "%s",
			     facts->tc_obstacle);
	else if (facts->filters)
		finding_tell(listener, FINDING_NOTE, "tc", "",
			     "%d filter%s of others at ingress: one that ends the chain before ours ends every "
			     "handover (`tc filter show dev %s ingress`)",
			     facts->filters, facts->filters > 1 ? "s" : "", facts->name);
	else
		finding_tell(listener, FINDING_OK, "tc", "", "no filter of others at ingress");
}

static void judge_reverse_path(const struct device_facts *facts, const struct finding_listener *listener)
{
	char command[FINDING_REMEDY_BYTES];

	if (facts->rp_filter == 1 && facts->default_elsewhere && !facts->has_master)
		finding_tell(
			listener, FINDING_NOTE, "rp_filter",
			finding_remedy(command, "sysctl -w net/ipv4/conf/%s/rp_filter=2", facts->name),
			"the reverse path filter is strict and the default route leads by another device: strangers "
			"that come by this one get a SYN-ACK, and what they answer is dropped behind XDP");
	else
		finding_tell(listener, FINDING_OK, "rp_filter", "", "drops nobody that XDP has answered");
}

/* --- what it is loaded with -------------------------------------------------------------------------------------- */

static void judge_services(const struct device_facts *facts, const struct finding_listener *listener)
{
	if (facts->foreign[0])
		finding_tell(listener, FINDING_NOTE, "addresses", "",
			     "%s is protected, and its address is not one of this network namespace: the shield "
			     "answers only for who listens here",
			     facts->foreign);
	else
		finding_tell(listener, FINDING_OK, "addresses", "", "those of the services are here");
}

static void judge_shared_key(const struct machine_facts *machine, const struct device_facts *facts,
			     const struct finding_listener *listener)
{
	const struct config *config = facts->status->config;

	if (!config->key_is_shared)
		finding_tell(listener, FINDING_OK, "key", "", "of this machine alone, whatever its clock does");
	else if (config->cookie_time_offset_ns != machine->clock.tai_offset_ns)
		finding_tell(
			listener, FINDING_PROBLEM, "key", "",
			"it is shared, and the kernel was told of TAI after the load: cookies are %llu s off those of "
			"machines that were loaded before or after: `synkeep unload %s`, then load it again",
			(machine->clock.tai_offset_ns - config->cookie_time_offset_ns) / NSEC_PER_SEC,
			facts->status->argument);
	else if (!machine->clock.synchronized)
		finding_tell(listener, FINDING_PROBLEM, "key", "timedatectl set-ntp true",
			     "it is shared, and no NTP daemon keeps the clock: more than 5 s off, other machines' "
			     "cookies are not taken");
	else
		finding_tell(listener, FINDING_OK, "key", "", "shared, and the clock is kept");
}

/* --- what a load takes ------------------------------------------------------------------------------------------- */

/* In half of what there is: the machine has other work. */
static __u32 flows_that_fit(const struct machine_facts *facts)
{
	__u64 room = facts->available_bytes / 2, flows = 0;

	if (room > LOAD_BYTES_CONSTANT)
		flows = SYNKEEP_FLOWS_DEFAULT * (room - LOAD_BYTES_CONSTANT) /
			(facts->needed_bytes - LOAD_BYTES_CONSTANT);
	return flows > LOAD_FLOWS_MIN ? (__u32)flows : LOAD_FLOWS_MIN;
}

static void judge_memory(const struct machine_facts *facts, const struct finding_listener *listener)
{
	char needed[FORMAT_SIZE_BYTES], available[FORMAT_SIZE_BYTES];

	format_bytes(needed, facts->needed_bytes);
	format_bytes(available, facts->available_bytes);
	if (facts->available_bytes && facts->available_bytes < facts->needed_bytes)
		finding_tell(listener, FINDING_PROBLEM, "memory", "",
			     "a load takes %s by default, and %s are available, by the machine or by the cgroup: "
			     "`synkeep load --flows %u` takes half of that",
			     needed, available, flows_that_fit(facts));
	else if (facts->available_bytes)
		finding_tell(listener, FINDING_OK, "memory", "", "a load takes %s by default, and %s are available",
			     needed, available);
}

void doctor_device_judge(const struct machine_facts *machine, const struct device_facts *facts,
			 const struct finding_listener *listener)
{
	judge_link(facts, listener);
	judge_driver(facts, listener);
	judge_queues(machine, facts, listener);
	judge_offloads(facts, listener);
	judge_mtu(facts, listener);
	judge_peer(facts, listener);
	judge_peer_checksums(facts, listener);
	judge_room(facts, listener);
	judge_reverse_path(facts, listener);
	if (facts->status) {
		judge_services(facts, listener);
		judge_shared_key(machine, facts, listener);
	}
	if (!facts->loaded)
		judge_memory(machine, listener);
}
