/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The cookies' master key: from a file that nobody else can read, or from the kernel's random numbers.
 *
 * The file holds 32 hexadecimal digits and at most a newline after them: the key's 16 bytes in the order in which the
 * SipHash paper numbers them, so the same file means the same key on machines of any byte order.
 */
#ifndef SYNKEEP_KEY_FILE_H
#define SYNKEEP_KEY_FILE_H

#include <stddef.h>
#include "siphash.h"

/*
 * Reads the key. 0, or -errno and a complaint in error: -EPERM where others may read the file, -EINVAL where it does
 * not hold a key.
 */
int key_file_read(const char *path, struct siphash_key *key, char *error, size_t size);

/* Makes a key from random numbers. 0 or -errno. */
int key_file_random(struct siphash_key *key);

#endif /* SYNKEEP_KEY_FILE_H */
