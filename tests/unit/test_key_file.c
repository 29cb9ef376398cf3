/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The master key's file: what it may hold, and who may read it. Files are made in a directory of the test's own. */
#include "unit.h"
#include <stdlib.h>

/* The source, not an object: a unit test is one file to the compiler, sanitizers and all. */
#include "../../user/key_file.c"

#define DIGITS "000102030405060708090a0B0C0D0E0F"

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

static void write_file(const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void assert_read(void)
{
	struct siphash_key key;
	char error[512] = "";

	if (key_file_read(path, &key, error, sizeof(error)))
		fail_msg("%s", error);
	/* The key of the SipHash paper's test vectors: bytes 0 to 15, in words of little end first. */
	assert_true(key.k0 == 0x0706050403020100ULL);
	assert_true(key.k1 == 0x0f0e0d0c0b0a0908ULL);
}

static void assert_refused(int err, const char *reason)
{
	struct siphash_key key;
	char error[512] = "";

	assert_int_equal(key_file_read(path, &key, error, sizeof(error)), err);
	if (!strstr(error, reason))
		fail_msg("\"%s\" does not say \"%s\"", error, reason);
}

static void test_right_file_gives_the_key(void **state)
{
	(void)state;
	write_file(DIGITS "\n", 0600);
	assert_read();
}

static void test_newline_may_be_missing(void **state)
{
	(void)state;
	write_file(DIGITS, 0400);
	assert_read();
}

static void test_others_may_not_read_or_write(void **state)
{
	static const mode_t modes[] = { 0640, 0620, 0610, 0604, 0602, 0601, 0644 };

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		write_file(DIGITS "\n", modes[i]);
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

static void test_wrong_contents_are_refused(void **state)
{
	static const char *const contents[] = {
		"",	      "\n",	     "00010203", DIGITS "0",	   DIGITS "\n\n",
		DIGITS " \n", DIGITS DIGITS, " " DIGITS, "0x" DIGITS "\n", "g00102030405060708090a0b0c0d0e0f\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
		write_file(contents[i], 0600);
		assert_refused(-EINVAL, "32 hexadecimal digits");
		remove_file(state);
	}
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
		cmocka_unit_test_teardown(test_right_file_gives_the_key, remove_file),
		cmocka_unit_test_teardown(test_newline_may_be_missing, remove_file),
		cmocka_unit_test_teardown(test_others_may_not_read_or_write, remove_file),
		cmocka_unit_test_teardown(test_another_owner_is_refused, remove_file),
		cmocka_unit_test_teardown(test_wrong_contents_are_refused, remove_file),
		cmocka_unit_test(test_missing_file_is_named),
		cmocka_unit_test_teardown(test_what_is_no_file_is_refused, remove_file),
		cmocka_unit_test(test_random_keys_differ),
	};

	return cmocka_run_group_tests_name("key_file", tests, make_directory, remove_directory);
}
