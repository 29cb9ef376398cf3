/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is known of drivers, and what is said of those that are not. */
#include "unit.h"

#include "../../user/driver.c"

static void test_known_drivers(void **state)
{
	(void)state;
	assert_int_equal(driver_attach_effect("ixgbe", "0000:03:00.0"), DRIVER_LINK);
	assert_int_equal(driver_attach_effect("igb", "0000:03:00.0"), DRIVER_LINK);
	assert_int_equal(driver_attach_effect("mlx5_core", "0000:03:00.0"), DRIVER_RINGS);
	assert_int_equal(driver_attach_effect("virtio_net", "0000:00:03.0"), DRIVER_RINGS);
	assert_int_equal(driver_attach_effect("veth", ""), DRIVER_QUIET);
	assert_int_equal(driver_attach_effect("tun", "tap"), DRIVER_QUIET);
}

/* What hides other drivers behind it is as unknown as they are. */
static void test_unknown_driver_of_hardware_may_do_anything(void **state)
{
	(void)state;
	assert_int_equal(driver_attach_effect("brandnew", "0000:03:00.0"), DRIVER_UNKNOWN);
	assert_int_equal(driver_attach_effect("bonding", ""), DRIVER_UNKNOWN);
	assert_int_equal(driver_attach_effect("", "usb-1"), DRIVER_UNKNOWN);
}

static void test_unknown_software_is_quiet(void **state)
{
	(void)state;
	assert_int_equal(driver_attach_effect("dummy", ""), DRIVER_QUIET);
	assert_int_equal(driver_attach_effect("bridge", "N/A"), DRIVER_QUIET);
	assert_int_equal(driver_attach_effect("", ""), DRIVER_QUIET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_drivers),
		cmocka_unit_test(test_unknown_driver_of_hardware_may_do_anything),
		cmocka_unit_test(test_unknown_software_is_quiet),
	};

	return cmocka_run_group_tests_name("driver", tests, NULL, NULL);
}
