/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Attaching, looking and detaching. See attach.h.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <xdp/libxdp.h>

#include "attach.h"
#include "bpf_log.h"
#include "system.h"
#include "tc.h"

#define XDP_PROGRAM "xdp_ingress"
#define PROGRAM_MAPS_MAX 64 /* what the kernel lets a program use */
#define LOG_LINES 12

static const enum bpf_tc_attach_point attach_points[] = {
	[TC_SIDE_INGRESS] = BPF_TC_INGRESS,
	[TC_SIDE_EGRESS] = BPF_TC_EGRESS,
};

/* --- ours or not ------------------------------------------------------------------------------------------------- */

/* The config map's id; 0 where none is pinned: then nothing was attached yet. 0 or -errno. */
static int config_map_id(const struct device *device, __u32 *id)
{
	struct bpf_map_info info = {};
	__u32 length = sizeof(info);

	*id = 0;
	if (device->config_fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(device->config_fd, &info, &length) < 0)
		return -errno;
	*id = info.id;
	return 0;
}

/* 1 or 0, or -errno. A program that has gone meanwhile uses none. */
static int program_uses_map(__u32 program_id, __u32 map)
{
	__u32 maps[PROGRAM_MAPS_MAX] = {};
	struct bpf_prog_info info = { .nr_map_ids = PROGRAM_MAPS_MAX, .map_ids = (unsigned long)maps };
	__u32 length = sizeof(info);
	int fd, uses = 0;

	if (!program_id || !map)
		return 0;
	fd = bpf_prog_get_fd_by_id(program_id);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &length) < 0)
		uses = -errno;
	for (__u32 i = 0; uses == 0 && i < info.nr_map_ids && i < PROGRAM_MAPS_MAX; i++)
		uses = maps[i] == map;
	close(fd);
	return uses;
}

/* --- XDP --------------------------------------------------------------------------------------------------------- */

/*
 * *attached: what is on the device, NULL for nothing. 0 or -errno. That there is nothing is the kernel's word: libxdp
 * may take a program that it could not read for none.
 */
static int attached_programs(int ifindex, struct xdp_multiprog **attached)
{
	DECLARE_LIBBPF_OPTS(bpf_xdp_query_opts, query);
	int err = bpf_xdp_query(ifindex, 0, &query);

	*attached = NULL;
	if (err || query.attach_mode == XDP_ATTACHED_NONE)
		return err;
	*attached = xdp_multiprog__get_from_ifindex(ifindex);
	err = libxdp_get_error(*attached);
	if (!err && !xdp_multiprog__main_prog(*attached) && !xdp_multiprog__hw_prog(*attached)) {
		xdp_multiprog__close(*attached);
		err = -EIO;
	}
	if (err)
		*attached = NULL;
	return err;
}

/* *own: ours among the programs, NULL if it is not there. It lives as long as attached. 0 or -errno. */
static int find_own_xdp(const struct xdp_multiprog *attached, __u32 map, struct xdp_program **own)
{
	bool legacy = xdp_multiprog__is_legacy(attached);
	struct xdp_program *program;
	int uses = 0;
	__u32 id;

	*own = NULL;
	program = legacy ? xdp_multiprog__main_prog(attached) : xdp_multiprog__next_prog(NULL, attached);
	while (program) {
		id = xdp_program__id(program);
		uses = id ? program_uses_map(id, map) : -EIO; /* libxdp hides that it could not read a program */
		if (uses)
			break;
		program = legacy ? NULL : xdp_multiprog__next_prog(program, attached);
	}
	if (uses > 0)
		*own = program;
	return uses < 0 ? uses : 0;
}

/* A program that does not share the device keeps us out: we never replace one. */
int attach_check_xdp_room(int ifindex, char *error, size_t size)
{
	struct xdp_multiprog *attached;
	struct xdp_program *program;
	int err = attached_programs(ifindex, &attached);

	if (err) {
		snprintf(error, size, "which XDP programs are attached can not be found out: %s", strerror(-err));
		return err;
	}
	if (attached && xdp_multiprog__is_legacy(attached)) {
		program = xdp_multiprog__main_prog(attached);
		if (!program)
			program = xdp_multiprog__hw_prog(attached);
		snprintf(error, size,
			 "another XDP program is attached, \"%s\" (id %u), and it does not share the device; "
			 "detach it first, or load both through libxdp's dispatcher",
			 program ? xdp_program__name(program) : "?", program ? xdp_program__id(program) : 0);
		err = -EBUSY;
	}
	xdp_multiprog__close(attached);
	return err;
}

/* Says what the libraries said: without it, "Invalid argument" from the verifier tells nothing. */
static void explain_load(int err, char *error, size_t size)
{
	const char *log = bpf_log_last_lines(LOG_LINES);

	snprintf(error, size, "the programs can not be loaded: %s%s%s", strerror(-err),
		 *log ? "; the last that libbpf said:\n" : "", log);
	if (*log)
		error[strlen(error) - (error[strlen(error) - 1] == '\n')] = '\0';
}

int attach_xdp(struct bpf_object *object, int ifindex, enum device_xdp_mode mode, bool *refused, char *error,
	       size_t size)
{
	DECLARE_LIBXDP_OPTS(xdp_program_opts, options, .obj = object, .prog_name = XDP_PROGRAM);
	struct bpf_program *loaded = bpf_object__find_program_by_name(object, XDP_PROGRAM);
	bool generic = mode == DEVICE_XDP_GENERIC;
	struct xdp_program *program;
	int err;

	*refused = false;
	err = attach_check_xdp_room(ifindex, error, size);
	if (err)
		return err;
	program = xdp_program__create(&options);
	err = libxdp_get_error(program);
	/*
	 * Drivers refuse a program that does not take frames in several buffers where the MTU is greater than one
	 * holds. A generic one that takes them has Linux 6.18 copy each frame, and forget on the way how long its
	 * Ethernet header is: BPF filters at tc ingress then find the IP header in its place.
	 */
	if (!err)
		err = xdp_program__set_xdp_frags_support(program, !generic);
	if (err) {
		explain_load(err, error, size);
		return err;
	}
	err = xdp_program__attach(program, ifindex, generic ? XDP_MODE_SKB : XDP_MODE_NATIVE, 0);
	*refused = err && bpf_program__fd(loaded) >= 0;
	if (*refused)
		snprintf(error, size, "the XDP program can not be attached (%s): %s", generic ? "generic" : "native",
			 strerror(-err));
	else if (err)
		explain_load(err, error, size);
	xdp_program__close(program);
	return err;
}

static int detach_xdp(int ifindex, __u32 map, bool *detached)
{
	struct xdp_multiprog *attached;
	struct xdp_program *program;
	int err = attached_programs(ifindex, &attached);

	if (err || !attached)
		return err;
	err = find_own_xdp(attached, map, &program);
	if (!err && program) {
		err = xdp_program__detach(program, ifindex, xdp_multiprog__attach_mode(attached), 0);
		*detached = !err;
	}
	xdp_multiprog__close(attached);
	return err;
}

/* --- clsact filters ---------------------------------------------------------------------------------------------- */

int attach_tc_prepare(int ifindex, bool *needs_clsact, char *error, size_t size)
{
	char kind[TC_KIND_BYTES];
	int err = tc_ingress_qdisc(ifindex, kind);

	if (err) {
		snprintf(error, size, "its qdiscs can not be listed: %s", strerror(-err));
		return err;
	}
	*needs_clsact = kind[0] == '\0';
	if (*needs_clsact || !strcmp(kind, "clsact"))
		return 0;
	snprintf(error, size,
		 "its qdisc \"%s\" has no side for what the host sends; replace it by clsact, which takes the "
		 "same filters",
		 kind);
	return -EBUSY;
}

static int attach_filter(int ifindex, enum tc_side side, int program_fd)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = attach_points[side]);
	DECLARE_LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program_fd);

	return bpf_tc_attach(&hook, &options);
}

int attach_tc(int ifindex, bool make_clsact, int ingress_fd, int egress_fd, char *error, size_t size)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	const char *what = "clsact";
	int err = 0;

	if (make_clsact)
		err = bpf_tc_hook_create(&hook);
	if (!err) {
		what = "the egress filter";
		err = attach_filter(ifindex, TC_SIDE_EGRESS, egress_fd);
	}
	if (!err) {
		what = "the ingress filter";
		err = attach_filter(ifindex, TC_SIDE_INGRESS, ingress_fd);
	}
	if (err)
		snprintf(error, size, "%s can not be attached: %s", what, strerror(-err));
	return err;
}

/* Which filters a side has. */
struct filters_seen {
	bool own;
	bool before_own; /* of others, in the order in which they get packets */
	bool others;
};

/* Visits the filters of a side; detaches ours where detach is set. 0 or -errno. */
static int visit_filters(int ifindex, enum tc_side side, __u32 map, bool detach, struct filters_seen *seen)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = attach_points[side]);
	struct tc_filter *filters;
	int count = tc_filters(ifindex, side, &filters), err = 0;

	*seen = (struct filters_seen){};

	for (int i = 0; i < count && !err; i++) {
		DECLARE_LIBBPF_OPTS(bpf_tc_opts, options, .handle = filters[i].handle, .priority = filters[i].priority);

		int uses = program_uses_map(filters[i].program_id, map);

		if (uses <= 0) {
			seen->others |= filters[i].handle != 0;
			err = uses;
			continue;
		}
		if (detach)
			err = bpf_tc_detach(&hook, &options);
		seen->own |= !err;
		seen->before_own |= seen->others;
	}
	free(filters);
	return count < 0 ? count : err;
}

static int detach_tc(int ifindex, __u32 map, bool made_clsact, struct attach_state *detached, bool *clsact)
{
	DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	struct filters_seen ingress, egress = {};
	char kind[TC_KIND_BYTES];
	int err;

	err = visit_filters(ifindex, TC_SIDE_INGRESS, map, true, &ingress);
	if (!err)
		err = visit_filters(ifindex, TC_SIDE_EGRESS, map, true, &egress);
	detached->tc_ingress = ingress.own;
	detached->tc_egress = egress.own;
	if (!err)
		err = tc_ingress_qdisc(ifindex, kind);
	if (err || !made_clsact || ingress.others || egress.others || strcmp(kind, "clsact"))
		return err;
	err = bpf_tc_hook_destroy(&hook);
	*clsact = !err;
	return err;
}

/* --- both -------------------------------------------------------------------------------------------------------- */

static int query_xdp(int ifindex, __u32 map, struct attach_state *state)
{
	struct xdp_multiprog *attached;
	struct xdp_program *program;
	int err = attached_programs(ifindex, &attached);

	if (err || !attached)
		return err;
	err = find_own_xdp(attached, map, &program);
	state->xdp = !err && program;
	state->xdp_mode = xdp_multiprog__attach_mode(attached) == XDP_MODE_SKB ? DEVICE_XDP_GENERIC : DEVICE_XDP_NATIVE;
	if (!xdp_multiprog__is_legacy(attached))
		state->dispatched = xdp_multiprog__program_count(attached);
	xdp_multiprog__close(attached);
	return err;
}

int attach_query(const struct device *device, struct attach_state *state)
{
	int ifindex = device->config.ifindex, err;
	struct filters_seen ingress = {}, egress = {};
	__u32 map;

	*state = (struct attach_state){};
	if (device->config.netns_inode != system_netns_inode())
		return -EXDEV;
	err = system_device_exists(ifindex);
	if (err <= 0)
		return err;
	err = config_map_id(device, &map);
	if (!err)
		err = query_xdp(ifindex, map, state);
	if (!err)
		err = visit_filters(ifindex, TC_SIDE_INGRESS, map, false, &ingress);
	if (!err)
		err = visit_filters(ifindex, TC_SIDE_EGRESS, map, false, &egress);
	state->tc_ingress = ingress.own;
	state->before_tc_ingress = ingress.before_own;
	state->tc_egress = egress.own;
	return err;
}

int attach_detach(const struct device *device, struct attach_state *detached, bool *clsact, char *error, size_t size)
{
	int ifindex = device->config.ifindex, err;
	__u32 map;

	*detached = (struct attach_state){};
	*clsact = false;
	err = config_map_id(device, &map);
	if (err) {
		snprintf(error, size, "its config map can not be recognized: %s", strerror(-err));
		return err;
	}
	if (!map)
		return 0;
	err = detach_xdp(ifindex, map, &detached->xdp);
	if (err) {
		snprintf(error, size, "the XDP program can not be detached: %s", strerror(-err));
		return err;
	}
	err = detach_tc(ifindex, map, device->config.made_clsact, detached, clsact);
	if (err)
		snprintf(error, size, "the filters can not be detached: %s", strerror(-err));
	return err;
}
