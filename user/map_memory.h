/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a map takes of the kernel's memory. */
#ifndef SYNKEEP_MAP_MEMORY_H
#define SYNKEEP_MAP_MEMORY_H

#include "base.h"

/* The kernel's account of it, bytes; 0 if it keeps none, or if the descriptor is a program's. */
__u64 map_memory_bytes(int fd);

#endif /* SYNKEEP_MAP_MEMORY_H */
