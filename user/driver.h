/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a network driver does to its device when a program is attached to it natively, or detached: many set up their
 * rings anew, some with the link. Pure: the driver's names go in, as ethtool(8) prints them.
 */
#ifndef SYNKEEP_DRIVER_H
#define SYNKEEP_DRIVER_H

#include <stdbool.h>

enum driver_effect {
	DRIVER_QUIET, /* nothing that anybody notices, or it takes no native program */
	DRIVER_RINGS, /* a moment without packets */
	DRIVER_LINK,  /* the link goes down, and comes up after seconds */
	DRIVER_UNKNOWN,
};

/* bus: where the hardware is; "" where there is none. */
enum driver_effect driver_attach_effect(const char *driver, const char *bus);

/* What comes behind "its driver"; NULL where there is nothing to say. */
const char *driver_effect_words(enum driver_effect effect);

/* Whether a bus, as above, is that of hardware. */
bool driver_is_of_hardware(const char *bus);

/* Whether it is one of those that are known to take a native program. */
bool driver_takes_native(const char *driver);

#endif /* SYNKEEP_DRIVER_H */
