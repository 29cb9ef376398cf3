/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The cookies' keys in a file that nobody else can read, in one of two forms:
 *
 *   a plain key   32 hexadecimal digits and at most a newline after them: the key's 16 bytes in the order in which the
 *                 SipHash paper numbers them, so the same file means the same key on machines of any byte order
 *   exported      both keys and the epoch at which the one follows the other, so that machines agree in each epoch:
 *
 *                 synkeep-key 1
 *                 master 000102030405060708090a0b0c0d0e0f
 *                 former 000102030405060708090a0b0c0d0e0f
 *                 from-epoch 0027182818
 *                 checksum 0123456789abcdef
 */
#ifndef SYNKEEP_KEY_FILE_H
#define SYNKEEP_KEY_FILE_H

#include <stddef.h>
#include "cookie.h"

#define KEY_FILE_STANDARD "-" /* standard input or output in place of a file */

/*
 * Reads the keys; of a plain one from_epoch is 0, and the former key is the same. 0, or -errno and a complaint in
 * error: -EPERM where others may read the file, -EINVAL where it does not hold a key.
 */
int key_file_read(const char *path, struct cookie_keys *keys, char *error, size_t size);

/*
 * Writes them, in the exported form, to a file that must not be there yet, of mode 0600. Standard output must not be a
 * terminal, nor a file that others may read. 0, or -errno and a complaint in error; then no file is left behind.
 */
int key_file_write(const char *path, const struct cookie_keys *keys, char *error, size_t size);

/* Makes a key from random numbers. 0 or -errno. */
int key_file_random(struct siphash_key *key);

#endif /* SYNKEEP_KEY_FILE_H */
