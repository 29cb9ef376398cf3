/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The keys' file: what it may hold, in both forms, and who may read it. Files are made in a directory of the test's
 * own.
 */
#include "unit.h"
#include <stdlib.h>

/* The source, not an object: a unit test is one file to the compiler, sanitizers and all. */
#include "../../user/key_file.c"

#define DIGITS "000102030405060708090a0B0C0D0E0F"
#define NO_KEY "32 hexadecimal digits"
#define DAMAGED "is damaged"

/* Files of this form are about. The checksum was reckoned by another program. */
#define EXPORTED_HEAD "synkeep-key 1\n"
#define EXPORTED                                                                                                       \
	EXPORTED_HEAD "master 000102030405060708090a0b0c0d0e0f\n"                                                      \
		      "former f0e0d0c0b0a090807060504030201000\n"                                                      \
		      "from-epoch 0027182818\n"                                                                        \
		      "checksum 534e5882bd4abbd7\n"

static const struct cookie_keys exported = {
	.master = { 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL },
	.former = { 0x8090a0b0c0d0e0f0ULL, 0x0010203040506070ULL },
	.from_epoch = 27182818,
};

static char directory[] = "/tmp/synkeep-key-XXXXXX";
static char path[sizeof(directory) + 8];

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/key", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	return rmdir(directory);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path) < 0 && errno != ENOENT;
}

static void write_bytes(const char *text, size_t length, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, length), (ssize_t)length);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void write_file(const char *text, mode_t mode)
{
	write_bytes(text, strlen(text), mode);
}

static void assert_keys(const struct cookie_keys *keys, const struct cookie_keys *want)
{
	assert_memory_equal(&keys->master, &want->master, sizeof(want->master));
	assert_memory_equal(&keys->former, &want->former, sizeof(want->former));
	assert_int_equal(keys->from_epoch, want->from_epoch);
}

static void assert_read(const struct cookie_keys *want)
{
	struct cookie_keys keys;
	char error[512] = "";

	if (key_file_read(path, &keys, error, sizeof(error)))
		fail_msg("%s", error);
	assert_keys(&keys, want);
}

static void assert_refused(int err, const char *reason)
{
	struct cookie_keys keys;
	char error[512] = "";

	assert_int_equal(key_file_read(path, &keys, error, sizeof(error)), err);
	if (!strstr(error, reason))
		fail_msg("\"%s\" does not say \"%s\"", error, reason);
}

/* --- a plain key -------------------------------------------------------------------------------------------------- */

/* The key of the SipHash paper's test vectors: bytes 0 to 15, in words of little end first. */
static const struct cookie_keys plain = {
	.master = { 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL },
	.former = { 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL },
};

static void test_plain_right_file_is_one_key_for_all_epochs(void **state)
{
	(void)state;
	write_file(DIGITS "\n", 0600);
	assert_read(&plain);
}

static void test_plain_newline_may_be_missing(void **state)
{
	(void)state;
	write_file(DIGITS, 0400);
	assert_read(&plain);
}

static void test_plain_wrong_contents_are_refused(void **state)
{
	static const char *const contents[] = {
		"",	      "\n",	     "00010203", DIGITS "0",	   DIGITS "\n\n",
		DIGITS " \n", DIGITS DIGITS, " " DIGITS, "0x" DIGITS "\n", "g00102030405060708090a0b0c0d0e0f\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
		write_file(contents[i], 0600);
		assert_refused(-EINVAL, NO_KEY);
		remove_file(state);
	}
	write_bytes(DIGITS "\0", sizeof(DIGITS), 0600);
	assert_refused(-EINVAL, NO_KEY);
}

/* --- exported ----------------------------------------------------------------------------------------------------- */

static void test_exported_right_file_gives_both_keys_and_the_epoch(void **state)
{
	(void)state;
	write_file(EXPORTED, 0600);
	assert_read(&exported);
}

static void test_exported_is_written_as_it_is_read(void **state)
{
	char text[sizeof(EXPORTED)] = "", error[512] = "";
	struct stat status;
	int fd;

	(void)state;
	if (key_file_write(path, &exported, error, sizeof(error)))
		fail_msg("%s", error);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, text, sizeof(text)), sizeof(EXPORTED) - 1);
	close(fd);
	assert_string_equal(text, EXPORTED);
}

static void test_exported_any_keys_come_back(void **state)
{
	__u64 series = 1;

	for (int i = 0; i < 200; i++) {
		struct cookie_keys keys = { .from_epoch = i == 0 ? 0xffffffff : unit_random(&series) };
		__u64 *const words[] = { &keys.master.k0, &keys.master.k1, &keys.former.k0, &keys.former.k1 };
		char error[512] = "";

		for (size_t word = 0; word < ARRAY_LEN(words); word++)
			*words[word] = (__u64)unit_random(&series) << 32 | unit_random(&series);
		assert_int_equal(key_file_write(path, &keys, error, sizeof(error)), 0);
		assert_read(&keys);
		remove_file(state);
	}
}

static void test_exported_is_not_written_over_a_file(void **state)
{
	char error[512] = "";

	(void)state;
	write_file(DIGITS "\n", 0600);
	assert_int_equal(key_file_write(path, &exported, error, sizeof(error)), -EEXIST);
	assert_non_null(strstr(error, "is there already"));
	assert_read(&plain);
}

static void test_exported_cut_short_anywhere_is_refused(void **state)
{
	for (size_t length = 0; length < sizeof(EXPORTED) - 1; length++) {
		write_bytes(EXPORTED, length, 0600);
		/* Without its first line it is no such file; within the next it may be of another version. */
		assert_refused(-EINVAL, length < strlen("synkeep-key ")	 ? NO_KEY
					: length < strlen(EXPORTED_HEAD) ? "another version"
									 : DAMAGED);
		remove_file(state);
	}
}

static void test_exported_any_byte_changed_is_refused(void **state)
{
	static const char other[] = { 1, ' ', '0', '9', 'f', '\n' };
	char text[] = EXPORTED;

	for (size_t i = 0; i < sizeof(EXPORTED) - 1; i++) {
		for (size_t j = 0; j < sizeof(other); j++) {
			struct cookie_keys keys;
			char error[512];

			text[i] = other[j] == 1 ? EXPORTED[i] ^ 1 : other[j];
			if (text[i] == EXPORTED[i])
				continue;
			write_file(text, 0600);
			assert_int_equal(key_file_read(path, &keys, error, sizeof(error)), -EINVAL);
			remove_file(state);
		}
		text[i] = EXPORTED[i];
	}
}

static void test_exported_with_more_behind_it_is_refused(void **state)
{
	static const char *const more[] = { "\n", "x", " ", EXPORTED };

	for (size_t i = 0; i < ARRAY_LEN(more); i++) {
		char text[2 * sizeof(EXPORTED)];

		snprintf(text, sizeof(text), "%s%s", EXPORTED, more[i]);
		write_file(text, 0600);
		assert_refused(-EINVAL, DAMAGED);
		remove_file(state);
	}
	write_bytes(EXPORTED "\0", sizeof(EXPORTED), 0600);
	assert_refused(-EINVAL, DAMAGED);
}

/* The checksum is right: an epoch has 32 bits. */
static void test_exported_epoch_too_large_is_refused(void **state)
{
	char text[] = EXPORTED, *epoch = strstr(text, "0027182818");

	(void)state;
	memcpy(epoch, "4322149994", strlen("4322149994")); /* 2^32 more */
	write_file(text, 0600);
	assert_refused(-EINVAL, DAMAGED);
}

static void test_exported_of_another_version_is_named(void **state)
{
	(void)state;
	write_file("synkeep-key 2\nmaster 000102030405060708090a0b0c0d0e0f\n", 0600);
	assert_refused(-EINVAL, "another version");
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static void test_others_may_not_read_or_write(void **state)
{
	static const mode_t modes[] = { 0640, 0620, 0610, 0604, 0602, 0601, 0644 };
	static const char *const contents[] = { DIGITS "\n", EXPORTED };

	for (size_t i = 0; i < 2 * ARRAY_LEN(modes); i++) {
		write_file(contents[i % 2], modes[i / 2]);
		assert_refused(-EPERM, "chmod 600");
		remove_file(state);
	}
}

static void test_another_owner_is_refused(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("test_another_owner_is_refused needs root to give a file away\n");
		skip();
	}
	write_file(DIGITS "\n", 0600);
	assert_int_equal(chown(path, 12345, 12345), 0);
	assert_refused(-EPERM, "another user");
}

static void test_missing_file_is_named(void **state)
{
	(void)state;
	assert_refused(-ENOENT, path);
}

static void test_what_is_no_file_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_refused(-EINVAL, "not a regular file");
}

static void test_random_keys_differ(void **state)
{
	struct siphash_key first, second;

	(void)state;
	assert_int_equal(key_file_random(&first), 0);
	assert_int_equal(key_file_random(&second), 0);
	assert_memory_not_equal(&first, &second, sizeof(first));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_plain_right_file_is_one_key_for_all_epochs, remove_file),
		cmocka_unit_test_teardown(test_plain_newline_may_be_missing, remove_file),
		cmocka_unit_test_teardown(test_plain_wrong_contents_are_refused, remove_file),
		cmocka_unit_test_teardown(test_exported_right_file_gives_both_keys_and_the_epoch, remove_file),
		cmocka_unit_test_teardown(test_exported_is_written_as_it_is_read, remove_file),
		cmocka_unit_test_teardown(test_exported_any_keys_come_back, remove_file),
		cmocka_unit_test_teardown(test_exported_is_not_written_over_a_file, remove_file),
		cmocka_unit_test_teardown(test_exported_cut_short_anywhere_is_refused, remove_file),
		cmocka_unit_test_teardown(test_exported_any_byte_changed_is_refused, remove_file),
		cmocka_unit_test_teardown(test_exported_with_more_behind_it_is_refused, remove_file),
		cmocka_unit_test_teardown(test_exported_epoch_too_large_is_refused, remove_file),
		cmocka_unit_test_teardown(test_exported_of_another_version_is_named, remove_file),
		cmocka_unit_test_teardown(test_others_may_not_read_or_write, remove_file),
		cmocka_unit_test_teardown(test_another_owner_is_refused, remove_file),
		cmocka_unit_test(test_missing_file_is_named),
		cmocka_unit_test_teardown(test_what_is_no_file_is_refused, remove_file),
		cmocka_unit_test(test_random_keys_differ),
	};

	return cmocka_run_group_tests_name("key_file", tests, make_directory, remove_directory);
}
