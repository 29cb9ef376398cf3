// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <bpf/bpf.h>
#include <unistd.h>

#include "listed.h"

/* The list that is there, or a new one. */
static int open_list(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
	__u32 zero = 0, id;
	int fd;

	if (!bpf_map_lookup_elem(shield_map("source_lists"), &zero, &id))
		return bpf_map_get_fd_by_id(id);
	fd = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "sources", sizeof(struct source_key), sizeof(struct source_entry),
			    100, &options);
	assert_int_equal(bpf_map_update_elem(shield_map("source_lists"), &zero, &fd, BPF_ANY), 0);
	return fd;
}

void listed_set_filter(const struct tuple *t, bool has)
{
	__u32 part = source_filter_part(t->family, t->remote), word = part / 64;
	int filter = shield_map("source_filter");
	__u64 bit = 1ULL << part % 64, bits;

	assert_int_equal(bpf_map_lookup_elem(filter, &word, &bits), 0);
	bits = has ? bits | bit : bits & ~bit;
	assert_int_equal(bpf_map_update_elem(filter, &word, &bits, BPF_ANY), 0);
}

void listed_put(const struct tuple *t, __u8 prefix_bits, enum source_action action, __u64 expires_ns)
{
	struct source_entry entry = { .action = action, .expires_ns = expires_ns };
	struct source_key key;
	int fd = open_list();

	source_key_of(&key, t->family, t->remote);
	key.prefixlen = prefix_bits + (t->family == FAMILY_IPV4 ? SOURCE_IPV4_BITS : 0);
	entry.prefixlen = (__u8)key.prefixlen;
	assert_int_equal(bpf_map_update_elem(fd, &key, &entry, BPF_ANY), 0);
	close(fd);
	listed_set_filter(t, true);
}
