/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What doctor finds, row by row: on a machine and a device where all is well, one thing is broken, and that alone is
 * found. Rows whose finding is ok are of what looks broken and is not.
 */
#include "unit.h"

#include "../../user/format.c"
#include "../../user/doctor_device.c"
#include "../../user/doctor_machine.c"
#include "../../user/driver.c"
#include "../../user/duration.c"
#include "../../user/ethtool.c"
#include "../../user/finding.c"
#include "../../user/netlink.c"
#include "../../user/pins.c"
#include "../../user/service_handover.c"
#include "../../user/service_limits.c"
#include "../../user/service_spec.c"
#include "../../user/sysctls.c"
#include "../../user/vlan.c"

#define FINDINGS_MAX 64

/* All that is judged, and what was found. */
struct patient {
	struct machine_facts machine;
	struct device_facts device;
	struct listener_view listener;
	struct config config;
	struct status_service service;
	struct status status;
	int count;
	struct {
		enum finding_kind kind;
		char check[32], text[TEXT_BYTES], remedy[FINDING_REMEDY_BYTES];
	} findings[FINDINGS_MAX];
};

struct row {
	const char *name;
	void (*change)(struct patient *patient);
	enum finding_kind kind;
	const char *check;
	const char *text;   /* a part of it */
	const char *remedy; /* all of it */
};

/* --- a patient that is well -------------------------------------------------------------------------------------- */

static void make_well(struct patient *patient)
{
	*patient = (struct patient){
		.machine = {
			.pin_root = PINS_ROOT,
			.release = "6.18.0",
			.may_load = true,
			.jited = true,
			.has_types = true,
			.unprivileged_bpf = 2,
			.bpffs = { .there = true, .usual = true, .mounts_stay = true, .shared = true },
			.memlock = { .bytes = 8 << 20, .may_raise = true, .exempt = true },
			.available_bytes = 1 << 30,
			.needed_bytes = 200 << 20,
			.clock = { .synchronized = true, .tai_offset_ns = 37 * NSEC_PER_SEC },
			.sysctls = { .syncookies = 1, .timestamps = 1, .sack = 1, .window_scaling = 1,
				     .abort_on_overflow = 0, .conntrack_loose = 1, .conntrack_count = 7 },
			.somaxconn = 4096,
			.max_syn_backlog = 1024,
			.listeners = &patient->listener,
			.listener_count = 1,
			.cpus = 4,
		},
		.device = {
			.name = "eth0",
			.system = { .ifindex = 2, .mtu = 1500, .rx_queues = 4, .ethernet = true, .driver = "veth" },
			.up = true,
			.carrier = true,
			.tells_xdp = true,
			.xdp_features = XDP_FEATURE_BASIC | XDP_FEATURE_FRAGS,
			.daemon_mtu_max = 3498,
			.peer = { .sight = VETH_PEER_SEEN, .name = "peer0", .has_xdp = true },
		},
		.listener = { .family = FAMILY_IPV4, .port = 80, .backlog = 511 },
		.config = { .cookie_time_offset_ns = 37 * NSEC_PER_SEC },
		.service = { .spec = { .family = FAMILY_IPV4, .port = 80, .policy = POLICY_ALWAYS } },
	};
	for (int i = 0; i < FEATURE_COUNT; i++)
		patient->machine.features[i] = true;
	patient->status = (struct status){ .name = "eth0",
					   .argument = "eth0",
					   .config = &patient->config,
					   .services = &patient->service,
					   .service_count = 1,
					   .here = true,
					   .attach = { .xdp = true, .xdp_mode = DEVICE_XDP_NATIVE } };
}

static void make_loaded(struct patient *patient)
{
	patient->device.status = &patient->status;
	patient->device.loaded = true;
}

static void make_hardware(struct patient *patient)
{
	struct system_device *system = &patient->device.system;

	strcpy(system->driver, "virtio_net");
	strcpy(system->bus, "0000:00:03.0");
	patient->device.sizes = (struct ethtool_sizes){ 1024, 4096, 4, 8 };
	patient->device.peer.sight = VETH_PEER_NONE;
}

static void note_finding(const struct finding *finding, void *context)
{
	struct patient *patient = context;

	assert_true(patient->count < FINDINGS_MAX);
	patient->findings[patient->count].kind = finding->kind;
	strcpy(patient->findings[patient->count].check, finding->check);
	strcpy(patient->findings[patient->count].text, finding->text);
	strcpy(patient->findings[patient->count].remedy, finding->remedy);
	patient->count++;
}

static void judge(struct patient *patient)
{
	const struct finding_listener listener = { note_finding, patient };

	doctor_machine_judge(&patient->machine, &listener);
	doctor_device_judge(&patient->machine, &patient->device, &listener);
}

/* The index of a check's finding; -1. It is told once at most. */
static int find_check(const struct patient *patient, const char *check)
{
	int found = -1;

	for (int i = 0; i < patient->count; i++) {
		if (strcmp(patient->findings[i].check, check))
			continue;
		assert_int_equal(found, -1);
		found = i;
	}
	return found;
}

static void assert_told(const struct patient *patient, const char *check, enum finding_kind kind, const char *text,
			const char *command)
{
	int at = find_check(patient, check);

	assert_int_not_equal(at, -1);
	assert_int_equal(patient->findings[at].kind, kind);
	if (!strstr(patient->findings[at].text, text))
		fail_msg("\"%s\" is not in: %s", text, patient->findings[at].text);
	assert_string_equal(patient->findings[at].remedy, command);
}

static void assert_rest_is_well(const struct patient *patient, const char *check)
{
	for (int i = 0; i < patient->count; i++) {
		if (strcmp(patient->findings[i].check, check) && patient->findings[i].kind != FINDING_OK)
			fail_msg("%s: %s", patient->findings[i].check, patient->findings[i].text);
	}
}

static void test_row(void **state)
{
	const struct row *row = *state;
	static struct patient patient;

	make_well(&patient);
	row->change(&patient);
	judge(&patient);
	assert_told(&patient, row->check, row->kind, row->text, row->remedy);
	assert_rest_is_well(&patient, row->check);
}

/* --- the rows ---------------------------------------------------------------------------------------------------- */

#define CHANGE(name, ...)                                                                                              \
	static void name(struct patient *p)                                                                            \
	{                                                                                                              \
		__VA_ARGS__;                                                                                           \
	}

CHANGE(hide_types, p->machine.has_types = false)
CHANGE(take_capabilities, p->machine.may_load = false)
CHANGE(refuse_probe, p->machine.probe_error = -EPERM)
CHANGE(interpret, p->machine.jited = false)
CHANGE(lock_down, strcpy(p->machine.lockdown, "confidentiality"))
CHANGE(lock_down_integrity, strcpy(p->machine.lockdown, "integrity"))
CHANGE(let_anyone_load, p->machine.unprivileged_bpf = 0)
CHANGE(unmount_bpffs, p->machine.bpffs.there = false)
CHANGE(unmount_in_namespace, p->machine.bpffs.there = p->machine.bpffs.mounts_stay = false)
CHANGE(pin_elsewhere, p->machine.pin_root = "/run/pins"; p->machine.bpffs.there = p->machine.bpffs.usual = false)
CHANGE(mount_own, p->machine.bpffs.mounts_stay = p->machine.bpffs.shared = false)
CHANGE(have_own_mounts, p->machine.bpffs.mounts_stay = false)
CHANGE(bound_maps,
       p->machine.memlock = (struct machine_memlock){ .bytes = 64 << 20, .exempt = true, .bounds_maps = true })
CHANGE(bound_maps_and_raise,
       p->machine.memlock = (struct machine_memlock){ .bytes = 64 << 10, .may_raise = true, .bounds_maps = true })
CHANGE(bound_maps_enough,
       p->machine.memlock = (struct machine_memlock){ .bytes = 200 << 20, .exempt = true, .bounds_maps = true })
CHANGE(bound_daemon, p->machine.memlock = (struct machine_memlock){ .bytes = (8 << 20) - 1 })
CHANGE(bound_daemon_enough, p->machine.memlock = (struct machine_memlock){ .bytes = 8 << 20 })
CHANGE(exempt_daemon, p->machine.memlock = (struct machine_memlock){ .bytes = 64 << 10, .exempt = true })
CHANGE(let_clock_run, p->machine.clock.synchronized = false)
CHANGE(forbid_cookies, p->machine.sysctls.syncookies = 0; p->machine.max_syn_backlog = 4096)
CHANGE(drop_timestamps, p->machine.sysctls.timestamps = 0)
CHANGE(bare_timestamps, p->machine.sysctls.timestamps = 2)
CHANGE(drop_sack, p->machine.sysctls.sack = 0)
CHANGE(drop_scaling, p->machine.sysctls.window_scaling = 0)
CHANGE(abort_on_overflow, p->machine.sysctls.abort_on_overflow = 1)
CHANGE(track_strictly, p->machine.sysctls.conntrack_loose = 0)
CHANGE(track_nothing, p->machine.sysctls.conntrack_loose = 0; p->machine.sysctls.conntrack_count = 0)
CHANGE(cut_backlog, p->machine.somaxconn = 128; p->listener.backlog = 128)
CHANGE(choose_backlog, p->machine.somaxconn = 128; p->listener.backlog = 127)
CHANGE(raise_backlogs, p->machine.somaxconn = p->listener.backlog = 4096)
CHANGE(fill_queue, p->listener.queued = 512)
CHANGE(nearly_fill_queue, p->listener.queued = 511)
CHANGE(speak_mptcp, p->listener.mptcp = true)

CHANGE(be_no_ethernet, p->device.system.ethernet = false)
CHANGE(go_down, p->device.up = p->device.carrier = false)
CHANGE(lose_carrier, p->device.carrier = false)
CHANGE(take_no_xdp_now, p->device.xdp_features = 0)
CHANGE(take_no_xdp, p->device.xdp_features = 0; strcpy(p->device.system.driver, "dummy"))
CHANGE(not_tell, p->device.tells_xdp = false; p->device.xdp_features = 0)
CHANGE(not_tell_unknown, not_tell(p); strcpy(p->device.system.driver, "brandnew"))
CHANGE(zero_copy, p->device.xdp_features |= XDP_FEATURE_ZEROCOPY)
CHANGE(interrupt, make_hardware(p))
CHANGE(interrupt_untold, make_hardware(p); not_tell(p))
CHANGE(load_hardware, make_hardware(p); make_loaded(p))
CHANGE(have_too_many_queues, load_hardware(p); p->device.sizes.queues = 8)
CHANGE(use_one_queue, load_hardware(p); p->device.sizes.queues = 1)
CHANGE(use_few_of_few, load_hardware(p); p->device.sizes.queues = 1; p->device.sizes.queues_max = 2)
CHANGE(have_one_queue, load_hardware(p); p->device.sizes.queues = p->device.sizes.queues_max = 1)
CHANGE(shorten_ring, load_hardware(p); p->device.sizes.rx_ring = 256)
CHANGE(have_short_ring, load_hardware(p); p->device.sizes.rx_ring = p->device.sizes.rx_ring_max = 256)
CHANGE(join_segments, p->device.lro = true)
CHANGE(join_segments_gro, p->device.gro_hw = true)
CHANGE(lose_tags, p->device.vlan_loss = (struct vlan_loss){ VLAN_8021Q, "eth0.5" })
CHANGE(lose_service_tags, p->device.vlan_loss = (struct vlan_loss){ VLAN_8021AD, "eth0.5" })
CHANGE(serve_large_frames, make_loaded(p); p->service.spec.owner = FLOW_OWNER_DAEMON; p->device.system.mtu = 3499)
CHANGE(serve_fitting_frames, make_loaded(p); p->service.spec.owner = FLOW_OWNER_DAEMON; p->device.system.mtu = 3498)
CHANGE(pass_large_frames, make_loaded(p); p->device.system.mtu = 9000)
CHANGE(not_split_large_frames, p->device.xdp_features = XDP_FEATURE_BASIC; p->device.system.mtu = 9000)

CHANGE(hide_peer, p->device.peer.sight = VETH_PEER_HIDDEN)
CHANGE(bare_peer, p->device.peer.has_xdp = false)
CHANGE(bare_peer_generic, bare_peer(p); make_loaded(p); p->status.attach.xdp_mode = DEVICE_XDP_GENERIC)
CHANGE(leave_sums, p->device.peer.leaves_sums = true)
CHANGE(leave_sums_elsewhere, leave_sums(p); strcpy(p->device.peer.netns, "blue"))
CHANGE(leave_sums_to_kernel, leave_sums(p); make_loaded(p))
CHANGE(leave_sums_to_daemon, leave_sums(p); make_loaded(p); p->service.spec.owner = FLOW_OWNER_DAEMON)
CHANGE(occupy, strcpy(p->device.xdp_obstacle, "another"); p->device.xdp_attached = XDP_ATTACHED_DRV)
CHANGE(occupy_generic, strcpy(p->device.xdp_obstacle, "another"); p->device.xdp_attached = XDP_ATTACHED_SKB)
CHANGE(occupy_hardware, strcpy(p->device.xdp_obstacle, "another"); p->device.xdp_attached = XDP_ATTACHED_HW)
CHANGE(occupy_unseen, strcpy(p->device.xdp_obstacle, "can not be found out"))
CHANGE(share, p->device.xdp_attached = XDP_ATTACHED_DRV)
CHANGE(take_ingress, strcpy(p->device.tc_obstacle, "its qdisc"))
CHANGE(filter_first, p->device.filters = 2)
CHANGE(be_strict, p->device.rp_filter = 1; p->device.default_elsewhere = true)
CHANGE(be_strict_here, p->device.rp_filter = 1)
CHANGE(be_loose, p->device.rp_filter = 2; p->device.default_elsewhere = true)
CHANGE(be_strict_below, be_strict(p); p->device.has_master = true)
CHANGE(lack_memory, p->machine.available_bytes = (200 << 20) - 1)
CHANGE(lack_all_memory, p->machine.available_bytes = 1 << 20)
CHANGE(protect_stranger, make_loaded(p); strcpy(p->device.foreign, "10.0.0.9:80"))
CHANGE(share_key, make_loaded(p); p->config.key_is_shared = true)
CHANGE(share_key_early, share_key(p); p->config.cookie_time_offset_ns = 0)

#define REVERSE "the reverse path filter is strict"

static const struct row rows[] = {
	{ "kernel_without_types_is_a_problem", hide_types, FINDING_PROBLEM, "btf", "CONFIG_DEBUG_INFO_BTF", "" },
	{ "process_without_capabilities_is_a_problem", take_capabilities, FINDING_PROBLEM, "capabilities", "as root",
	  "" },
	{ "probe_refused_is_a_problem", refuse_probe, FINDING_PROBLEM, "capabilities", "Operation not permitted", "" },
	{ "programs_interpreted_are_a_note", interpret, FINDING_NOTE, "bpf_jit_enable", "interpreted",
	  "sysctl -w net.core.bpf_jit_enable=1" },
	{ "lockdown_confidentiality_is_a_problem", lock_down, FINDING_PROBLEM, "lockdown", "lockdown=integrity", "" },
	{ "lockdown_integrity_is_ok", lock_down_integrity, FINDING_OK, "lockdown", "integrity", "" },
	{ "unprivileged_bpf_is_a_note", let_anyone_load, FINDING_NOTE, "unprivileged_bpf", "any user",
	  "sysctl -w kernel.unprivileged_bpf_disabled=2" },
	{ "bpffs_missing_is_a_note", unmount_bpffs, FINDING_NOTE, "bpffs", "mounts one",
	  "mount -t bpf bpf /sys/fs/bpf" },
	{ "bpffs_missing_in_a_namespace_is_a_problem", unmount_in_namespace, FINDING_PROBLEM, "bpffs",
	  "would vanish with this mount namespace", "" },
	{ "bpffs_missing_elsewhere_is_a_problem", pin_elsewhere, FINDING_PROBLEM, "bpffs",
	  "/run/pins is not in a BPF file system", "mount -t bpf bpf /run/pins" },
	{ "bpffs_of_a_namespace_is_a_problem", mount_own, FINDING_PROBLEM, "bpffs", "pins vanish with it", "" },
	{ "bpffs_shared_with_the_host_is_ok", have_own_mounts, FINDING_OK, "bpffs", PINS_ROOT, "" },
	{ "memlock_below_maps_is_a_problem", bound_maps, FINDING_PROBLEM, "memlock", "before Linux 5.11",
	  "ulimit -l unlimited" },
	{ "memlock_raised_is_ok", bound_maps_and_raise, FINDING_OK, "memlock", "raised", "" },
	{ "memlock_above_maps_is_ok", bound_maps_enough, FINDING_OK, "memlock", "CAP_IPC_LOCK", "" },
	{ "memlock_below_the_daemon_is_a_note", bound_daemon, FINDING_NOTE, "memlock", "AF_XDP takes 8.0MiB",
	  "ulimit -l unlimited" },
	{ "memlock_above_the_daemon_is_ok", bound_daemon_enough, FINDING_OK, "memlock", "enough", "" },
	{ "memlock_with_ipc_lock_is_ok", exempt_daemon, FINDING_OK, "memlock", "CAP_IPC_LOCK", "" },
	{ "clock_alone_is_a_note", let_clock_run, FINDING_NOTE, "clock", "within 5 s", "timedatectl set-ntp true" },
	{ "syncookies_forbidden_are_a_problem", forbid_cookies, FINDING_PROBLEM, "tcp_syncookies", "is 0",
	  "sysctl -w net.ipv4.tcp_syncookies=1" },
	{ "timestamps_off_are_a_note", drop_timestamps, FINDING_NOTE, "tcp_timestamps", "without timestamps",
	  "sysctl -w net.ipv4.tcp_timestamps=1" },
	{ "timestamps_bare_are_ok", bare_timestamps, FINDING_OK, "tcp_timestamps", "have timestamps", "" },
	{ "sack_off_is_a_note", drop_sack, FINDING_NOTE, "tcp_sack", "without SACK", "sysctl -w net.ipv4.tcp_sack=1" },
	{ "window_scaling_off_is_a_note", drop_scaling, FINDING_NOTE, "tcp_window_scaling", "without window scaling",
	  "sysctl -w net.ipv4.tcp_window_scaling=1" },
	{ "abort_on_overflow_is_a_note", abort_on_overflow, FINDING_NOTE, "tcp_abort_on_overflow", "are reset",
	  "sysctl -w net.ipv4.tcp_abort_on_overflow=0" },
	{ "conntrack_strict_is_a_note", track_strictly, FINDING_NOTE, "nf_conntrack_tcp_loose", "end every handover",
	  "sysctl -w net.netfilter.nf_conntrack_tcp_loose=1" },
	{ "conntrack_idle_is_ok", track_nothing, FINDING_OK, "nf_conntrack_tcp_loose", "no connection", "" },
	{ "backlog_cut_is_a_note", cut_backlog, FINDING_NOTE, "somaxconn",
	  "is 128, to which the accept queue of port 80", "sysctl -w net.core.somaxconn=4096" },
	{ "backlog_chosen_is_ok", choose_backlog, FINDING_OK, "somaxconn", "no accept queue", "" },
	{ "backlog_cut_to_enough_is_ok", raise_backlogs, FINDING_OK, "somaxconn", "no accept queue", "" },
	{ "accept_queue_full_is_a_problem", fill_queue, FINDING_PROBLEM, "accept-queue", "of port 80 is full, with 512",
	  "" },
	{ "accept_queue_nearly_full_is_ok", nearly_fill_queue, FINDING_OK, "accept-queue", "none", "" },
	{ "mptcp_listener_is_a_note", speak_mptcp, FINDING_NOTE, "mptcp", "GODEBUG=multipathtcp=0", "" },

	{ "no_ethernet_is_a_problem", be_no_ethernet, FINDING_PROBLEM, "link", "no Ethernet", "" },
	{ "link_down_is_a_problem", go_down, FINDING_PROBLEM, "link", "down", "ip link set dev eth0 up" },
	{ "link_without_carrier_is_a_note", lose_carrier, FINDING_NOTE, "link", "no carrier", "" },
	{ "driver_without_xdp_now_is_a_note", take_no_xdp_now, FINDING_NOTE, "xdp",
	  "veth, takes no native XDP as the device is set up now", "" },
	{ "driver_without_xdp_is_a_note", take_no_xdp, FINDING_NOTE, "xdp", "dummy, takes no native XDP: ", "" },
	{ "driver_known_is_ok", not_tell, FINDING_OK, "xdp", "veth, takes native XDP", "" },
	{ "driver_unknown_is_a_note", not_tell_unknown, FINDING_NOTE, "xdp", "is not known to take", "" },
	{ "driver_with_zero_copy_is_ok", zero_copy, FINDING_OK, "xdp", "without a copy", "" },
	{ "driver_that_interrupts_is_a_note", interrupt, FINDING_NOTE, "interruption", "sets its rings up anew", "" },
	{ "driver_known_to_interrupt_is_a_note", interrupt_untold, FINDING_NOTE, "interruption",
	  "sets its rings up anew", "" },
	{ "queues_beyond_cpus_are_a_note", have_too_many_queues, FINDING_NOTE, "queues", "8 queues, and 4 CPUs",
	  "ethtool -L eth0 combined 4" },
	{ "queues_unused_are_a_note", use_one_queue, FINDING_NOTE, "queues", "1 queue of 8",
	  "ethtool -L eth0 combined 4" },
	{ "queues_unused_of_few_are_a_note", use_few_of_few, FINDING_NOTE, "queues", "1 queue of 2",
	  "ethtool -L eth0 combined 2" },
	{ "queue_alone_is_ok", have_one_queue, FINDING_OK, "queues", "", "" },
	{ "ring_short_is_a_note", shorten_ring, FINDING_NOTE, "ring", "256 frames of 4096", "ethtool -G eth0 rx 4096" },
	{ "ring_at_its_most_is_ok", have_short_ring, FINDING_OK, "ring", "256", "" },
	{ "lro_is_a_note", join_segments, FINDING_NOTE, "lro", "LRO", "ethtool -K eth0 lro off" },
	{ "gro_hw_is_a_note", join_segments_gro, FINDING_NOTE, "gro-hw", "GRO", "ethtool -K eth0 rx-gro-hw off" },
	{ "tags_lost_are_a_problem", lose_tags, FINDING_PROBLEM, "vlan", "what eth0.5 takes",
	  "ethtool -K eth0 rxvlan off" },
	{ "service_tags_lost_are_a_problem", lose_service_tags, FINDING_PROBLEM, "vlan", "what eth0.5 takes",
	  "ethtool -K eth0 rx-vlan-stag-hw-parse off" },
	{ "mtu_beyond_the_daemon_is_a_problem", serve_large_frames, FINDING_PROBLEM, "mtu", "at most 3498",
	  "ip link set dev eth0 mtu 3498" },
	{ "mtu_of_the_daemon_is_ok", serve_fitting_frames, FINDING_OK, "mtu", "3498", "" },
	{ "mtu_without_a_daemon_is_ok", pass_large_frames, FINDING_OK, "mtu", "9000: too much for", "" },
	{ "mtu_beyond_the_driver_is_a_note", not_split_large_frames, FINDING_NOTE, "mtu", "only where a frame fits",
	  "ip link set dev eth0 mtu 3498" },

	{ "peer_hidden_is_a_note", hide_peer, FINDING_NOTE, "peer", "without a name", "" },
	{ "peer_without_xdp_is_a_problem", bare_peer, FINDING_PROBLEM, "peer", "peer0, has no XDP program",
	  "synkeep load eth0 --xdp generic" },
	{ "peer_without_xdp_of_generic_is_ok", bare_peer_generic, FINDING_OK, "peer", "generic", "" },
	{ "peer_without_checksums_is_a_note", leave_sums, FINDING_NOTE, "peer-checksums", "would drop",
	  "ethtool -K peer0 tx off" },
	{ "peer_elsewhere_without_checksums_is_a_note", leave_sums_elsewhere, FINDING_NOTE, "peer-checksums",
	  "would drop", "nsenter --net=/run/netns/blue ethtool -K peer0 tx off" },
	{ "peer_without_checksums_of_the_kernel_is_ok", leave_sums_to_kernel, FINDING_OK, "peer-checksums", "left out",
	  "" },
	{ "peer_without_checksums_of_the_daemon_is_a_problem", leave_sums_to_daemon, FINDING_PROBLEM, "peer-checksums",
	  "the daemon drops", "ethtool -K peer0 tx off" },
	{ "xdp_occupied_is_a_problem", occupy, FINDING_PROBLEM, "xdp-programs", "another",
	  "ip link set dev eth0 xdpdrv off" },
	{ "xdp_occupied_generic_is_a_problem", occupy_generic, FINDING_PROBLEM, "xdp-programs", "another",
	  "ip link set dev eth0 xdpgeneric off" },
	{ "xdp_occupied_hardware_is_a_problem", occupy_hardware, FINDING_PROBLEM, "xdp-programs", "another",
	  "ip link set dev eth0 xdpoffload off" },
	{ "xdp_that_can_not_be_seen_is_a_problem", occupy_unseen, FINDING_PROBLEM, "xdp-programs",
	  "can not be found out", "" },
	{ "xdp_shared_is_ok", share, FINDING_OK, "xdp-programs", "share", "" },
	{ "qdisc_ingress_is_a_problem", take_ingress, FINDING_PROBLEM, "tc", "its qdisc",
	  "tc qdisc del dev eth0 ingress" },
	{ "filters_of_others_are_a_note", filter_first, FINDING_NOTE, "tc", "2 filters of others", "" },
	{ "reverse_path_strict_is_a_note", be_strict, FINDING_NOTE, "rp_filter", REVERSE,
	  "sysctl -w net/ipv4/conf/eth0/rp_filter=2" },
	{ "reverse_path_by_this_device_is_ok", be_strict_here, FINDING_OK, "rp_filter", "", "" },
	{ "reverse_path_loose_is_ok", be_loose, FINDING_OK, "rp_filter", "", "" },
	{ "reverse_path_by_its_master_is_ok", be_strict_below, FINDING_OK, "rp_filter", "", "" },
	{ "memory_short_is_a_problem", lack_memory, FINDING_PROBLEM, "memory", "--flows 118895`", "" },
	{ "memory_gone_is_a_problem", lack_all_memory, FINDING_PROBLEM, "memory", "--flows 64`", "" },
	{ "service_of_no_address_here_is_a_note", protect_stranger, FINDING_NOTE, "addresses", "10.0.0.9:80", "" },
	{ "key_of_this_machine_alone_is_ok", make_loaded, FINDING_OK, "key", "alone", "" },
	{ "key_shared_is_ok", share_key, FINDING_OK, "key", "shared", "" },
	{ "key_shared_before_the_clock_was_set_is_a_problem", share_key_early, FINDING_PROBLEM, "key",
	  "`synkeep unload eth0`", "" },
};

/* --- what is no row ---------------------------------------------------------------------------------------------- */

#define OF_THE_MACHINE                                                                                                 \
	"btf bpf_iter__bpf_map_elem bpf_iter__tcp bpf_timer bpf_map_sum_elem_count bpf_sk_assign_tcp_reqsk bpf_wq "    \
	"capabilities bpf_jit_enable lockdown unprivileged_bpf bpffs memlock clock tcp_syncookies "                    \
	"tcp_max_syn_backlog tcp_timestamps tcp_sack tcp_window_scaling tcp_abort_on_overflow "                        \
	"nf_conntrack_tcp_loose somaxconn accept-queue mptcp "

/* Of each once, without a remedy, and of nothing else. */
static void assert_all_well(struct patient *patient, const char *checks)
{
	char told[1024] = "";

	judge(patient);
	assert_rest_is_well(patient, "");
	for (int i = 0; i < patient->count; i++) {
		strcat(strcat(told, patient->findings[i].check), " ");
		assert_string_equal(patient->findings[i].remedy, "");
		assert_true(patient->findings[i].text[0]);
	}
	assert_string_equal(told, checks);
}

static void test_all_well_says_ok_of_each(void **state)
{
	static struct patient patient;

	(void)state;
	make_well(&patient);
	assert_all_well(&patient, OF_THE_MACHINE
			"link xdp lro gro-hw vlan mtu peer peer-checksums xdp-programs tc rp_filter memory ");
	make_well(&patient);
	make_loaded(&patient);
	assert_all_well(&patient,
			OF_THE_MACHINE "link xdp lro gro-hw mtu peer peer-checksums rp_filter addresses key ");
	make_well(&patient);
	load_hardware(&patient);
	assert_all_well(&patient, OF_THE_MACHINE "link xdp queues ring lro gro-hw mtu rp_filter addresses key ");
}

/* A program that was never made says nothing of how it would run. */
static void test_probe_refused_leaves_the_jit_unjudged(void **state)
{
	static struct patient patient;

	(void)state;
	make_well(&patient);
	patient.machine.probe_error = -EPERM;
	patient.machine.jited = false;
	judge(&patient);
	assert_int_equal(find_check(&patient, "bpf_jit_enable"), -1);
}

static void test_hardware_that_does_not_tell_of_rings_is_not_judged(void **state)
{
	static struct patient patient;

	(void)state;
	make_well(&patient);
	load_hardware(&patient);
	patient.device.sizes.rx_ring = patient.device.sizes.rx_ring_max = 0;
	judge(&patient);
	assert_int_equal(find_check(&patient, "ring"), -1);
}

static void test_kernel_without_a_feature_says_which_has_it(void **state)
{
	static const struct {
		const char *name;
		enum finding_kind kind;
		const char *release;
	} features[] = {
		{ "bpf_iter__bpf_map_elem", FINDING_PROBLEM, "Linux 5.9 has it" },
		{ "bpf_iter__tcp", FINDING_PROBLEM, "Linux 5.9 has it" },
		{ "bpf_timer", FINDING_PROBLEM, "Linux 5.15 has it" },
		{ "bpf_map_sum_elem_count", FINDING_NOTE, "Linux 6.6 has it" },
		{ "bpf_sk_assign_tcp_reqsk", FINDING_NOTE, "Linux 6.9 has it" },
		{ "bpf_wq", FINDING_NOTE, "Linux 6.10 has it" },
	};
	static struct patient patient;

	(void)state;
	assert_int_equal(ARRAY_LEN(features), FEATURE_COUNT);
	for (int i = 0; i < FEATURE_COUNT; i++) {
		make_well(&patient);
		patient.machine.features[i] = false;
		judge(&patient);
		assert_told(&patient, features[i].name, features[i].kind, features[i].release, "");
		assert_rest_is_well(&patient, features[i].name);
	}
}

static void test_short_syn_backlog_without_cookies_is_a_note(void **state)
{
	static struct patient patient;

	(void)state;
	make_well(&patient);
	patient.machine.sysctls.syncookies = 0;
	judge(&patient);
	assert_told(&patient, "tcp_max_syn_backlog", FINDING_NOTE, "is 1024",
		    "sysctl -w net.ipv4.tcp_max_syn_backlog=4096");
}

static void test_shared_key_on_a_clock_alone_is_a_problem(void **state)
{
	static struct patient patient;

	(void)state;
	make_well(&patient);
	share_key(&patient);
	patient.machine.clock.synchronized = false;
	judge(&patient);
	assert_told(&patient, "key", FINDING_PROBLEM, "no NTP daemon", "timedatectl set-ntp true");
}

static void test_unreadable_is_not_judged(void **state)
{
	static const char *const checks[] = { "unprivileged_bpf", "tcp_syncookies", "tcp_max_syn_backlog",
					      "tcp_sack",	  "somaxconn",	    "memory" };
	static struct patient patient;

	(void)state;
	make_well(&patient);
	patient.machine.unprivileged_bpf = patient.machine.max_syn_backlog = patient.machine.somaxconn = -1;
	patient.machine.sysctls = (struct sysctls){ -1, -1, -1, -1, -1, -1, -1 };
	patient.machine.available_bytes = 0;
	judge(&patient);
	assert_rest_is_well(&patient, "");
	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		assert_int_equal(find_check(&patient, checks[i]), -1);
}

/* What a load would meet is not asked of a shield that stands: its own programs are there. */
static void test_loaded_device_is_not_judged_for_a_load(void **state)
{
	static const char *const checks[] = { "xdp-programs", "tc", "vlan", "memory", "interruption" };
	static struct patient patient;

	(void)state;
	make_well(&patient);
	make_hardware(&patient);
	make_loaded(&patient);
	judge(&patient);
	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		assert_int_equal(find_check(&patient, checks[i]), -1);
}

int main(void)
{
	const struct CMUnitTest others[] = {
		cmocka_unit_test(test_all_well_says_ok_of_each),
		cmocka_unit_test(test_probe_refused_leaves_the_jit_unjudged),
		cmocka_unit_test(test_hardware_that_does_not_tell_of_rings_is_not_judged),
		cmocka_unit_test(test_kernel_without_a_feature_says_which_has_it),
		cmocka_unit_test(test_short_syn_backlog_without_cookies_is_a_note),
		cmocka_unit_test(test_shared_key_on_a_clock_alone_is_a_problem),
		cmocka_unit_test(test_unreadable_is_not_judged),
		cmocka_unit_test(test_loaded_device_is_not_judged_for_a_load),
	};
	struct CMUnitTest tests[ARRAY_LEN(others) + ARRAY_LEN(rows)];

	memcpy(tests, others, sizeof(others));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		tests[ARRAY_LEN(others) + i] = (struct CMUnitTest){ .name = rows[i].name,
								    .test_func = test_row,
								    .initial_state = (void *)&rows[i] };
	return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}
