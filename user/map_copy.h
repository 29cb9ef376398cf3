/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Elements of one map into another of the same shape, in batches: arrays and hashes, with a value for each CPU or one
 * for all. What changes meanwhile is copied as it was or as it is.
 */
#ifndef SYNKEEP_MAP_COPY_H
#define SYNKEEP_MAP_COPY_H

#include <linux/bpf.h>
#include <stdbool.h>

/* 0 or -errno. */
int map_copy_info(int fd, struct bpf_map_info *info);

/* All elements, those of the same keys taking their place; zeroed: the keys, with zeros for values. 0 or -errno. */
int map_copy_elements(int from, int to, int cpus, bool zeroed);

/* 1: a hash has as many elements as there is room for; 0, or -errno. */
int map_copy_is_full(int fd, int cpus);

#endif /* SYNKEEP_MAP_COPY_H */
