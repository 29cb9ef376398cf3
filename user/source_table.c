/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The map that holds the list, the one that takes its place, and the filter before both. See source_table.h.
 *
 * The filter has at all times every bit that the list in place needs: bits are set before a prefix comes in, and
 * cleared behind a replacement only.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "clocks.h"
#include "map_memory.h"
#include "source_table.h"

#define BATCH 4096
#define FILTER_BYTES (SOURCE_FILTER_WORDS * sizeof(__u64))

/* Keys and values as the kernel takes and gives many at once. */
struct batch {
	struct source_key keys[BATCH];
	struct source_entry entries[BATCH];
};

/* --- the map in place -------------------------------------------------------------------------------------------- */

/* Its descriptor, or -errno; -ENOENT: nothing is listed. */
static int open_list(const struct device *device)
{
	__u32 zero = 0, id;
	int fd;

	if (bpf_map_lookup_elem(device->source_lists_fd, &zero, &id) < 0)
		return -errno;
	fd = bpf_map_get_fd_by_id(id);
	return fd < 0 ? -errno : fd;
}

/* Puts a map in place, or none; no packet that began before sees the old one any more. */
static int put_in_place(const struct device *device, int fd)
{
	__u32 zero = 0;

	if (fd >= 0)
		return bpf_map_update_elem(device->source_lists_fd, &zero, &fd, BPF_ANY) < 0 ? -errno : 0;
	return bpf_map_delete_elem(device->source_lists_fd, &zero) < 0 && errno != ENOENT ? -errno : 0;
}

/* What a visit does with a rule that has not expired, or with one that has; not 0 ends the walk and is returned. */
typedef int (*visit_rule)(const struct source_rule *rule, bool alive, void *context);

static int visit_batch(const struct batch *b, __u32 count, __u64 now_ns, visit_rule visit, void *context)
{
	int err = 0;

	for (__u32 i = 0; i < count && !err; i++) {
		const struct source_rule rule = { b->keys[i], b->entries[i] };

		err = visit(&rule, source_entry_is_alive(&rule.entry, now_ns), context);
	}
	return err;
}

/* Where somebody deletes the prefix that the walk has come to, it begins anew, and rules come twice. */
static int walk(int fd, __u64 now_ns, visit_rule visit, void *context)
{
	struct batch *b = malloc(sizeof(*b));
	struct source_key from, next, *at = NULL;
	int err = b ? 0 : -ENOMEM;
	bool more = true;

	while (!err && more) {
		__u32 count = BATCH;

		more = !bpf_map_lookup_batch(fd, at, &next, b->keys, b->entries, &count, NULL);
		if (!more && errno != ENOENT)
			err = -errno;
		else
			err = visit_batch(b, count, now_ns, visit, context);
		from = next;
		at = &from;
	}
	free(b);
	return err;
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

struct collection {
	struct source_rule *rules;
	size_t count, room;
};

static int collect(const struct source_rule *rule, bool alive, void *context)
{
	struct collection *c = context;

	if (!alive)
		return 0;
	if (c->count == c->room) {
		size_t room = c->room ? c->room * 2 : 1024;
		void *grown = realloc(c->rules, room * sizeof(*c->rules));

		if (!grown)
			return -ENOMEM;
		c->rules = grown;
		c->room = room;
	}
	c->rules[c->count++] = *rule;
	return 0;
}

int source_table_read(const struct device *device, struct source_rule **rules, size_t *count)
{
	struct collection c = {};
	int fd = open_list(device), err;

	*rules = NULL;
	*count = 0;
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	err = walk(fd, clocks_now_ns(device), collect, &c);
	close(fd);
	if (err) {
		free(c.rules);
		return err;
	}
	*rules = c.rules;
	*count = source_rule_sort(c.rules, c.count);
	return 0;
}

static int count_rule(const struct source_rule *rule, bool alive, void *context)
{
	struct source_table_counts *counts = context;

	counts->of[rule->entry.action <= SOURCE_DENY_MONITOR ? rule->entry.action : SOURCE_UNLISTED] += alive;
	return 0;
}

int source_table_count(const struct device *device, struct source_table_counts *counts)
{
	int fd = open_list(device), err;

	*counts = (struct source_table_counts){};
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	err = walk(fd, clocks_now_ns(device), count_rule, counts);
	counts->memory_bytes = map_memory_bytes(fd);
	close(fd);
	return err;
}

/* --- the filter -------------------------------------------------------------------------------------------------- */

static void filter_set(__u64 *words, const struct source_key *key)
{
	__u32 first, count = source_rule_filter_parts(key, &first);

	if (count >= 64) {
		memset(words + first / 64, 0xff, count / 64 * sizeof(*words));
		return;
	}
	/* As many bits as a power of two, aligned to it: all in one word. */
	words[first / 64] |= (~0ULL >> (64 - count)) << first % 64;
}

static __u64 *filter_map(const struct device *device)
{
	void *words = mmap(NULL, FILTER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, device->source_filter_fd, 0);

	return words == MAP_FAILED ? NULL : words;
}

static int filter_add(const struct device *device, const struct source_rule *rules, size_t count)
{
	__u64 *words = filter_map(device);

	if (!words)
		return -errno;
	for (size_t i = 0; i < count; i++)
		filter_set(words, &rules[i].key);
	munmap(words, FILTER_BYTES);
	return 0;
}

/* --- replacing --------------------------------------------------------------------------------------------------- */

/* A map with these rules; its descriptor or -errno. */
static int fill(int fd, struct batch *b, const struct source_rule *rules, size_t count)
{
	size_t done = 0;

	while (done < count) {
		__u32 step = count - done < BATCH ? (__u32)(count - done) : BATCH, taken = step;

		for (__u32 i = 0; i < step; i++) {
			b->keys[i] = rules[done + i].key;
			b->entries[i] = rules[done + i].entry;
		}
		/* The kernel's allocator for BPF maps may be out of elements for a moment: who got some gets more. */
		if (bpf_map_update_batch(fd, b->keys, b->entries, &taken, NULL) < 0 && (errno != ENOMEM || !taken))
			return -errno;
		done += taken;
	}
	return 0;
}

static int make_list(const struct source_rule *rules, size_t count)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
	struct batch *b = malloc(sizeof(*b));
	int fd, err;

	if (!b)
		return -ENOMEM;
	fd = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "source_list", sizeof(struct source_key),
			    sizeof(struct source_entry), SOURCE_LIST_MAX, &options);
	err = fd < 0 ? -errno : fill(fd, b, rules, count);
	free(b);
	if (err && fd >= 0)
		close(fd);
	return err ? err : fd;
}

/* The whole list is these rules from now on. */
static int install(const struct device *device, const struct source_rule *rules, size_t count)
{
	__u64 *wanted = calloc(1, FILTER_BYTES), *words = filter_map(device);
	int fd = -1, err = wanted && words ? 0 : -ENOMEM;

	if (!err && count) {
		fd = make_list(rules, count);
		err = fd < 0 ? fd : 0;
	}
	for (size_t i = 0; !err && i < count; i++)
		filter_set(wanted, &rules[i].key);
	for (size_t i = 0; !err && i < SOURCE_FILTER_WORDS; i++)
		words[i] |= wanted[i];
	if (!err)
		err = put_in_place(device, fd);
	if (!err)
		memcpy(words, wanted, FILTER_BYTES);
	if (fd >= 0)
		close(fd);
	if (words)
		munmap(words, FILTER_BYTES);
	free(wanted);
	return err;
}

/* The rules of the other list, then the new ones, which hold where both name a prefix. */
static size_t merge(struct source_rule *merged, const struct source_rule *old, size_t old_count, bool denied,
		    const struct source_rule *rules, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < old_count; i++) {
		if (source_rule_denies(&old[i]) != denied)
			merged[kept++] = old[i];
	}
	if (count)
		memcpy(merged + kept, rules, count * sizeof(*rules));
	return kept + count;
}

int source_table_replace(const struct device *device, bool denied, const struct source_rule *rules, size_t count)
{
	struct source_rule *old, *merged;
	size_t old_count;
	int err = source_table_read(device, &old, &old_count);

	if (err)
		return err;
	merged = malloc((old_count + count + 1) * sizeof(*merged));
	if (merged) {
		count = merge(merged, old, old_count, denied, rules, count);
		err = install(device, merged, count);
	} else {
		err = -ENOMEM;
	}
	free(merged);
	free(old);
	return err;
}

/* --- single rules ------------------------------------------------------------------------------------------------ */

/* What stands at exactly this prefix. */
static bool find(int fd, const struct source_key *key, struct source_entry *entry)
{
	return !bpf_map_lookup_elem(fd, key, entry) && entry->prefixlen == key->prefixlen;
}

static int put(int fd, const struct source_rule *rule)
{
	return bpf_map_update_elem(fd, &rule->key, &rule->entry, BPF_ANY) < 0 ? -errno : 0;
}

/* Puts all rules into the list in place. What was at each prefix is left in before: an action, or SOURCE_UNLISTED. */
static int put_all(int fd, const struct source_rule *rules, size_t count, struct source_rule *before)
{
	for (size_t i = 0; i < count; i++) {
		int err;

		before[i] = (struct source_rule){ .key = rules[i].key };
		if (!find(fd, &rules[i].key, &before[i].entry))
			before[i].entry.action = SOURCE_UNLISTED;
		err = put(fd, &rules[i]);
		if (!err)
			continue;
		while (i--) {
			if (before[i].entry.action == SOURCE_UNLISTED)
				bpf_map_delete_elem(fd, &before[i].key);
			else
				put(fd, &before[i]);
		}
		return err;
	}
	return 0;
}

/* Without what has expired, if anything has. */
static int replace_by_living(const struct device *device)
{
	struct source_rule *living;
	size_t count;
	int err = source_table_read(device, &living, &count);

	if (err)
		return err;
	err = count == SOURCE_LIST_MAX ? -ENOSPC : install(device, living, count);
	free(living);
	return err;
}

static int add(const struct device *device, const struct source_rule *rules, size_t count, struct source_rule *before)
{
	int fd = open_list(device), err;

	if (fd == -ENOENT) {
		fd = make_list(NULL, 0);
		err = fd < 0 ? fd : put_in_place(device, fd);
	} else {
		err = fd < 0 ? fd : 0;
	}
	if (!err)
		err = put_all(fd, rules, count, before);
	if (fd >= 0)
		close(fd);
	return err;
}

int source_table_add(const struct device *device, const struct source_rule *rules, size_t count)
{
	struct source_rule *before = calloc(count ? count : 1, sizeof(*before));
	int err = before ? filter_add(device, rules, count) : -ENOMEM;

	if (!err)
		err = add(device, rules, count, before);
	if (err == -ENOSPC) {
		err = replace_by_living(device);
		if (!err)
			err = filter_add(device, rules, count); /* whose bits have gone with what had expired */
		if (!err)
			err = add(device, rules, count, before);
	}
	free(before);
	return err;
}

static int delete_all(int fd, const struct source_rule *rules, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (bpf_map_delete_elem(fd, &rules[i].key) < 0 && errno != ENOENT) /* it may have been named twice */
			return -errno;
	}
	return 0;
}

static bool is_empty(int fd)
{
	struct source_key first;

	return bpf_map_get_next_key(fd, NULL, &first) < 0;
}

/* The first of the prefixes that is not in the list; NULL: all are. */
static const struct source_rule *find_missing(int fd, bool denied, const struct source_rule *rules, size_t count,
					      __u64 now_ns)
{
	for (size_t i = 0; i < count; i++) {
		struct source_rule there = { .key = rules[i].key };

		if (fd < 0 || !find(fd, &there.key, &there.entry) || source_rule_denies(&there) != denied ||
		    !source_entry_is_alive(&there.entry, now_ns))
			return &rules[i];
	}
	return NULL;
}

int source_table_delete(const struct device *device, bool denied, const struct source_rule *rules, size_t count,
			const struct source_rule **missing)
{
	int fd = open_list(device), err;

	if (fd < 0 && fd != -ENOENT)
		return fd;
	*missing = find_missing(fd, denied, rules, count, clocks_now_ns(device));
	err = *missing ? -ENOENT : delete_all(fd, rules, count);
	if (!err && is_empty(fd))
		err = put_in_place(device, -1); /* a packet need not look */
	if (fd >= 0)
		close(fd);
	return err;
}
