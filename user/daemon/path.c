/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The table of paths: a hash by header. See path.h.
 */
#include "daemon/path.h"

#include <string.h>

#define FROM_OFFSET MAC_BYTES
#define TYPE_OFFSET (2 * MAC_BYTES)
#define GROUP_BIT 1 /* of a MAC address's first byte: multicast, broadcast */

static bool is_same(const struct path_header *a, const struct path_header *b)
{
	return a->words[0] == b->words[0] && a->words[1] == b->words[1] && a->words[2] == b->words[2];
}

/* The header's length follows from its bytes: it is no part of what is compared. */
static __u32 slot_of(const struct path_header *header)
{
	__u64 mixed = header->words[0];

	mixed = (mixed ^ mixed >> 32) * 0x9e3779b97f4a7c15ULL ^ header->words[1];
	mixed = (mixed ^ mixed >> 32) * 0x9e3779b97f4a7c15ULL ^ header->words[2];
	mixed = (mixed ^ mixed >> 32) * 0x9e3779b97f4a7c15ULL;
	return (mixed >> 32) % PATH_SLOTS;
}

static __u32 place_of(const struct paths *paths, const struct path *path)
{
	return path - paths->table;
}

static struct path *find(struct paths *paths, const struct path_header *header)
{
	for (__u32 next = paths->slots[slot_of(header)]; next; next = paths->table[next - 1].next) {
		if (is_same(&paths->table[next - 1].header, header))
			return &paths->table[next - 1];
	}
	return NULL;
}

static void link_in(struct paths *paths, struct path *path)
{
	__u16 *slot = &paths->slots[slot_of(&path->header)];

	path->next = *slot;
	*slot = place_of(paths, path) + 1;
}

static void unlink_from(struct paths *paths, struct path *path)
{
	__u16 *link = &paths->slots[slot_of(&path->header)];

	while (*link != place_of(paths, path) + 1)
		link = &paths->table[*link - 1].next;
	*link = path->next;
}

/* The hand goes round and takes the first path that was not used since it came by the last time. */
static struct path *take_place(struct paths *paths)
{
	struct path *path;

	if (paths->count < PATHS_MAX)
		return &paths->table[paths->count++];
	for (;;) {
		path = &paths->table[paths->hand++ % PATHS_MAX];
		if (!path->used)
			break;
		path->used = false;
	}
	unlink_from(paths, path);
	return path;
}

/* Met once, it is not in use yet: whoever sends frames from many addresses drives out no path but his own. */
static struct path *put(struct paths *paths, const struct path_header *header)
{
	struct path *path = find(paths, header);

	if (path) {
		path->used = true;
		return path;
	}
	path = take_place(paths);
	path->number += PATHS_MAX;
	path->number = (path->number & ~(__u32)(PATHS_MAX - 1)) | place_of(paths, path);
	if (path->number < PATHS_MAX) /* gone round: PATH_NONE is among those */
		path->number += PATHS_MAX;
	path->header = *header;
	link_in(paths, path);
	return path;
}

/* The header of answers to a frame; false: it can not be answered. */
static bool turn_round(struct path_header *header, const __u8 *frame)
{
	__u32 type_at = TYPE_OFFSET;
	__be16 type;

	*header = (struct path_header){};
	memcpy(&type, frame + type_at, sizeof(type));
	for (int tags = 0; tags < VLAN_TAGS_MAX && packet_is_tag(type); tags++) {
		type_at += sizeof(struct vlan_tag);
		memcpy(&type, frame + type_at, sizeof(type));
	}
	memcpy(header->bytes, frame + FROM_OFFSET, MAC_BYTES);
	memcpy(header->bytes + FROM_OFFSET, frame, MAC_BYTES);
	memcpy(header->bytes + TYPE_OFFSET, frame + TYPE_OFFSET, type_at + sizeof(type) - TYPE_OFFSET);
	header->length = type_at + sizeof(type);
	return (type == net16(ETH_P_IP) || type == net16(ETH_P_IPV6)) && !(frame[FROM_OFFSET] & GROUP_BIT) &&
	       !(frame[0] & GROUP_BIT);
}

__u32 path_learn(struct paths *paths, const __u8 *frame)
{
	struct path_header header;

	if (!turn_round(&header, frame))
		return PATH_NONE;
	if (paths->last && is_same(&paths->last->header, &header))
		paths->last->used = true;
	else
		paths->last = put(paths, &header);
	return paths->last->number;
}

__u32 path_add(struct paths *paths, const struct path_header *header)
{
	return put(paths, header)->number;
}

const struct path_header *path_header(struct paths *paths, __u32 number)
{
	struct path *path = &paths->table[number % PATHS_MAX];

	if (number == PATH_NONE || path->number != number)
		return NULL;
	path->used = true;
	return &path->header;
}

struct path_header path_make_header(const __u8 *to, const __u8 *from, __u8 family)
{
	struct path_header header = { .length = ETH_HEADER_BYTES };
	__be16 type = family == FAMILY_IPV4 ? net16(ETH_P_IP) : net16(ETH_P_IPV6);

	memcpy(header.bytes, to, MAC_BYTES);
	memcpy(header.bytes + FROM_OFFSET, from, MAC_BYTES);
	memcpy(header.bytes + TYPE_OFFSET, &type, sizeof(type));
	return header;
}

/* Another path may have the new header already: then two numbers stand for one way, and both are good. */
static void change(struct paths *paths, struct path *path, __u32 offset, const __u8 *mac)
{
	unlink_from(paths, path);
	memcpy(path->header.bytes + offset, mac, MAC_BYTES);
	link_in(paths, path);
}

void path_move(struct paths *paths, const __u8 *from, const __u8 *to, __u8 family)
{
	for (__u32 i = 0; i < paths->count; i++) {
		struct path *path = &paths->table[i];
		const __u8 *old = path->header.bytes;
		struct path_header sought = path_make_header(from, old + FROM_OFFSET, family);

		if (is_same(&path->header, &sought))
			change(paths, path, 0, to);
	}
}

void path_move_source(struct paths *paths, const __u8 *from, const __u8 *to)
{
	for (__u32 i = 0; i < paths->count; i++) {
		struct path *path = &paths->table[i];

		if (!memcmp(path->header.bytes + FROM_OFFSET, from, MAC_BYTES))
			change(paths, path, FROM_OFFSET, to);
	}
}
