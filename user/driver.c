/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The drivers that are known. See driver.h.
 *
 * Gathered from the drivers' sources in Linux 5.10 to 6.12, not from trials: what a driver does when it stops and
 * starts its port is DRIVER_LINK, what it does with the port running, DRIVER_RINGS. A driver of another version may
 * differ.
 */
#include <string.h>

#include "base.h"
#include "driver.h"

static const struct {
	const char *name;
	enum driver_effect effect;
} drivers[] = {
	{ "atlantic", DRIVER_LINK },	{ "bnxt_en", DRIVER_RINGS },	  { "bonding", DRIVER_UNKNOWN },
	{ "ena", DRIVER_RINGS },	{ "fsl_dpaa2_eth", DRIVER_LINK }, { "gve", DRIVER_RINGS },
	{ "hv_netvsc", DRIVER_RINGS },	{ "i40e", DRIVER_RINGS },	  { "ice", DRIVER_RINGS },
	{ "igb", DRIVER_LINK },		{ "igc", DRIVER_LINK },		  { "ixgbe", DRIVER_LINK },
	{ "ixgbevf", DRIVER_LINK },	{ "mlx4_en", DRIVER_LINK },	  { "mlx5_core", DRIVER_RINGS },
	{ "mvneta", DRIVER_LINK },	{ "mvpp2", DRIVER_LINK },	  { "nfp", DRIVER_RINGS },
	{ "qede", DRIVER_RINGS },	{ "st_gmac", DRIVER_LINK },	  { "thunder-nicvf", DRIVER_LINK },
	{ "tun", DRIVER_QUIET },	{ "veth", DRIVER_QUIET },	  { "vif", DRIVER_RINGS },
	{ "virtio_net", DRIVER_RINGS }, { "vmxnet3", DRIVER_RINGS },
};

static int find(const char *driver)
{
	for (int i = 0; i < (int)ARRAY_LEN(drivers); i++) {
		if (!strcmp(driver, drivers[i].name))
			return i;
	}
	return -1;
}

bool driver_takes_native(const char *driver)
{
	int at = find(driver);

	return at >= 0 && drivers[at].effect != DRIVER_UNKNOWN;
}

bool driver_is_of_hardware(const char *bus)
{
	return *bus && strcmp(bus, "N/A") != 0;
}

enum driver_effect driver_attach_effect(const char *driver, const char *bus)
{
	int at = find(driver);

	if (at >= 0)
		return drivers[at].effect;
	/* Of the devices that are software alone, those above are all that take a native program. */
	return driver_is_of_hardware(bus) ? DRIVER_UNKNOWN : DRIVER_QUIET;
}

const char *driver_effect_words(enum driver_effect effect)
{
	switch (effect) {
	case DRIVER_RINGS:
		return "sets its rings up anew, and packets of a moment are lost,";
	case DRIVER_LINK:
		return "takes the link down for some seconds";
	case DRIVER_UNKNOWN:
		return "may take the link down for some seconds";
	case DRIVER_QUIET:
		break;
	}
	return NULL;
}
