/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel tells it with the descriptor, in proc. See map_memory.h.
 */
#include <stdio.h>
#include <string.h>

#include "map_memory.h"

__u64 map_memory_bytes(int fd)
{
	char path[64], line[128];
	bool is_map = false;
	__u64 bytes = 0;
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "re");
	if (!info)
		return 0;
	while (fgets(line, sizeof(line), info)) {
		is_map |= !strncmp(line, "map_type:", strlen("map_type:"));
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	}
	fclose(info);
	return is_map ? bytes : 0;
}
