// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Captures, byte by byte: both byte orders, both units of time, and every way in which a file can be odd. */
#include "unit.h"

#include "../../user/pcap_file.c"

#define MICROSECONDS 0xa1b2c3d4U
#define NANOSECONDS 0xa1b23c4dU

/* A file in the making. */
struct capture {
	__u8 bytes[512];
	size_t size;
	bool big_endian;
};

static void put(struct capture *c, __u32 value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		c->bytes[c->size++] = value >> 8 * (c->big_endian ? bytes - 1 - i : i);
}

static struct capture capture_of(__u32 magic, __u32 link, bool big_endian)
{
	struct capture c = { .big_endian = big_endian };

	put(&c, magic, 4);
	put(&c, 2, 2);
	put(&c, 4, 2);
	put(&c, 0, 4);
	put(&c, 0, 4);
	put(&c, 65535, 4);
	put(&c, link, 4);
	return c;
}

static struct capture good_capture(void)
{
	return capture_of(MICROSECONDS, LINK_ETHERNET, false);
}

static void put_packet(struct capture *c, __u32 captured, __u32 wire, __u8 fill)
{
	put(c, 1700000000, 4);
	put(c, 123456, 4);
	put(c, captured, 4);
	put(c, wire, 4);
	memset(c->bytes + c->size, fill, captured);
	c->size += captured;
}

static enum pcap_file_error open_capture(const struct capture *c)
{
	struct pcap_file file;

	return pcap_file_open(&file, c->bytes, c->size);
}

/* Reads so many packets and returns what follows them. */
static enum pcap_file_error read_packets(const struct capture *c, __u64 count)
{
	enum pcap_file_error error;
	struct pcap_packet packet;
	struct pcap_file file;

	assert_int_equal(pcap_file_open(&file, c->bytes, c->size), PCAP_FILE_NONE);
	while (pcap_file_next(&file, &packet, &error))
		assert_int_equal(packet.number, file.number);
	assert_int_equal(file.number, count);
	return error;
}

static void assert_reads(bool big_endian, __u32 magic, __u64 fraction_ns)
{
	struct capture c = capture_of(magic, LINK_ETHERNET, big_endian);
	enum pcap_file_error error;
	struct pcap_packet packet;
	struct pcap_file file;

	put_packet(&c, 60, 60, 0xaa);
	put_packet(&c, 14, 1514, 0xbb);
	assert_int_equal(pcap_file_open(&file, c.bytes, c.size), PCAP_FILE_NONE);
	assert_true(pcap_file_next(&file, &packet, &error));
	assert_int_equal(packet.number, 1);
	assert_int_equal(packet.captured_bytes, 60);
	assert_int_equal(packet.frame[59], 0xaa);
	assert_true(packet.time_ns == 1700000000 * NSEC_PER_SEC + fraction_ns);
	assert_true(pcap_file_next(&file, &packet, &error));
	assert_int_equal(packet.captured_bytes, 14);
	assert_int_equal(packet.wire_bytes, 1514);
	assert_int_equal(packet.frame[0], 0xbb);
	assert_false(pcap_file_next(&file, &packet, &error));
	assert_int_equal(error, PCAP_FILE_NONE);
}

static void test_little_endian_microseconds_are_read(void **state)
{
	(void)state;
	assert_reads(false, MICROSECONDS, 123456000);
}

static void test_little_endian_nanoseconds_are_read(void **state)
{
	(void)state;
	assert_reads(false, NANOSECONDS, 123456);
}

static void test_big_endian_microseconds_are_read(void **state)
{
	(void)state;
	assert_reads(true, MICROSECONDS, 123456000);
}

static void test_big_endian_nanoseconds_are_read(void **state)
{
	(void)state;
	assert_reads(true, NANOSECONDS, 123456);
}

static void test_file_without_packets_is_read(void **state)
{
	struct capture c = good_capture();

	(void)state;
	assert_int_equal(read_packets(&c, 0), PCAP_FILE_NONE);
}

static void test_frames_with_checksums_are_read(void **state)
{
	struct capture c = capture_of(MICROSECONDS, LINK_ETHERNET | 1 << 26 | 2 << 28, false);

	(void)state;
	put_packet(&c, 64, 64, 0);
	assert_int_equal(read_packets(&c, 1), PCAP_FILE_NONE);
}

static void test_empty_file_is_refused(void **state)
{
	const struct capture c = {};

	(void)state;
	assert_int_equal(open_capture(&c), PCAP_FILE_EMPTY);
}

static void test_file_that_ends_in_its_header_is_refused(void **state)
{
	struct capture c = good_capture();

	(void)state;
	c.size--;
	assert_int_equal(open_capture(&c), PCAP_FILE_EMPTY);
}

static void test_pcapng_is_refused_by_name(void **state)
{
	struct capture c = capture_of(0x0a0d0d0a, 28, false);

	(void)state;
	assert_int_equal(open_capture(&c), PCAP_FILE_PCAPNG);
	c.size = 4;
	assert_int_equal(open_capture(&c), PCAP_FILE_PCAPNG);
}

static void test_other_file_is_refused(void **state)
{
	struct capture c = capture_of(0x464c457f, LINK_ETHERNET, false);

	(void)state;
	assert_int_equal(open_capture(&c), PCAP_FILE_MAGIC);
}

static void test_other_version_is_refused(void **state)
{
	struct capture c = good_capture();

	(void)state;
	c.bytes[4] = 3;
	assert_int_equal(open_capture(&c), PCAP_FILE_VERSION);
}

static void test_cooked_capture_is_refused_by_name(void **state)
{
	struct capture one = capture_of(MICROSECONDS, 113, false), two = capture_of(MICROSECONDS, 276, true);

	(void)state;
	assert_int_equal(open_capture(&one), PCAP_FILE_COOKED);
	assert_int_equal(open_capture(&two), PCAP_FILE_COOKED);
}

static void test_other_link_type_is_refused(void **state)
{
	struct capture c = capture_of(MICROSECONDS, 101, false);

	(void)state;
	assert_int_equal(open_capture(&c), PCAP_FILE_LINK);
}

static void test_file_that_ends_in_a_packets_header_keeps_those_before(void **state)
{
	struct capture c = good_capture();

	(void)state;
	put_packet(&c, 60, 60, 0);
	put_packet(&c, 0, 0, 0);
	c.size--;
	assert_int_equal(read_packets(&c, 1), PCAP_FILE_HEADER_CUT);
}

static void test_file_that_ends_in_a_packet_keeps_those_before(void **state)
{
	struct capture c = good_capture();

	(void)state;
	put_packet(&c, 60, 60, 0);
	put_packet(&c, 60, 60, 0);
	c.size--;
	assert_int_equal(read_packets(&c, 1), PCAP_FILE_CUT);
}

static void test_packet_beyond_all_lengths_keeps_those_before(void **state)
{
	struct capture c = good_capture();

	(void)state;
	put_packet(&c, 60, 60, 0);
	put_packet(&c, 0, PCAP_FILE_PACKET_MAX + 1, 0);
	assert_int_equal(read_packets(&c, 1), PCAP_FILE_TOO_LONG);
}

static void test_packet_with_more_captured_than_it_had_keeps_those_before(void **state)
{
	struct capture c = good_capture();

	(void)state;
	put_packet(&c, 60, 60, 0);
	put_packet(&c, 60, 59, 0);
	assert_int_equal(read_packets(&c, 1), PCAP_FILE_LENGTHS);
}

static void test_every_error_has_its_text(void **state)
{
	(void)state;
	for (int i = PCAP_FILE_NONE + 1; i < PCAP_FILE_ERROR_COUNT; i++)
		assert_true(strlen(pcap_file_error_text(i)) > 10);
	assert_string_equal(pcap_file_error_text(PCAP_FILE_NONE), "");
	assert_string_equal(pcap_file_error_text(PCAP_FILE_ERROR_COUNT), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_little_endian_microseconds_are_read),
		cmocka_unit_test(test_little_endian_nanoseconds_are_read),
		cmocka_unit_test(test_big_endian_microseconds_are_read),
		cmocka_unit_test(test_big_endian_nanoseconds_are_read),
		cmocka_unit_test(test_file_without_packets_is_read),
		cmocka_unit_test(test_frames_with_checksums_are_read),
		cmocka_unit_test(test_empty_file_is_refused),
		cmocka_unit_test(test_file_that_ends_in_its_header_is_refused),
		cmocka_unit_test(test_pcapng_is_refused_by_name),
		cmocka_unit_test(test_other_file_is_refused),
		cmocka_unit_test(test_other_version_is_refused),
		cmocka_unit_test(test_cooked_capture_is_refused_by_name),
		cmocka_unit_test(test_other_link_type_is_refused),
		cmocka_unit_test(test_file_that_ends_in_a_packets_header_keeps_those_before),
		cmocka_unit_test(test_file_that_ends_in_a_packet_keeps_those_before),
		cmocka_unit_test(test_packet_beyond_all_lengths_keeps_those_before),
		cmocka_unit_test(test_packet_with_more_captured_than_it_had_keeps_those_before),
		cmocka_unit_test(test_every_error_has_its_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
