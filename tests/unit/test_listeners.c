/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Listeners in step with services: which begin, which end, and in what order. */
#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

#include "../../user/daemon/listeners.c"

static const struct tcp_app app_one = { .name = "one" }, app_two = { .name = "two" };
static char story[512];
static bool no_memory;
static struct memory_account all = { .limit_bytes = 1000 };
static struct memory_account *last_account;
static struct tcp_settings last_settings;
static struct listeners *listeners;

const struct tcp_app *apps_find(const char *name)
{
	return !strcmp(name, app_one.name) ? &app_one : !strcmp(name, app_two.name) ? &app_two : NULL;
}

static void tell(const char *what, const char *app, const struct service_key *key)
{
	size_t used = strlen(story);

	snprintf(story + used, sizeof(story) - used, "%s %s %u/%s; ", what, app, key->port,
		 key->family == FAMILY_IPV4 ? "4" : "6");
}

/* A listener is a copy of its key here. */
struct tcp_listener *tcp_listen(struct tcp *tcp, const struct service_key *key, const struct tcp_app *app,
				void *context, const struct tcp_settings *settings, struct memory_account *account)
{
	struct service_key *copy = malloc(sizeof(*copy));

	(void)tcp;
	(void)context;
	if (no_memory || !copy) {
		free(copy);
		return NULL;
	}
	*copy = *key;
	last_account = account;
	last_settings = *settings;
	tell("listen", app->name, key);
	return (struct tcp_listener *)copy;
}

static __u64 completed;

__u64 tcp_listener_completed(const struct tcp_listener *listener)
{
	(void)listener;
	return completed;
}

void tcp_unlisten(struct tcp *tcp, struct tcp_listener *listener)
{
	(void)tcp;
	tell("end", "", (struct service_key *)listener);
	free(listener);
}

static struct service_spec spec(__u8 family, __u16 port, const char *app)
{
	struct service_spec made = { .family = family, .port = port, .owner = FLOW_OWNER_DAEMON };

	snprintf(made.app, sizeof(made.app), "%s", app);
	return made;
}

static void assert_story(const char *expected)
{
	assert_string_equal(story, expected);
	*story = '\0';
}

static int setup(void **state)
{
	const struct tcp_settings settings = { .keepalive_idle_ms = 7, .keepalive_probes = 9, .ttl = 64 };

	(void)state;
	*story = '\0';
	no_memory = false;
	all.used_bytes = 0;
	listeners = listeners_new(NULL, &all, &settings);
	return listeners ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	listeners_follow(listeners, NULL, 0);
	listeners_free(listeners);
	return 0;
}

static void test_service_of_both_families_is_two_listeners(void **state)
{
	const struct service_spec specs[] = { spec(0, 7, "one"), spec(FAMILY_IPV6, 9, "two") };

	(void)state;
	assert_int_equal(listeners_follow(listeners, specs, 2), 0);
	assert_story("listen one 7/4; listen one 7/6; listen two 9/6; ");
	assert_int_equal(listeners_follow(listeners, specs, 2), 0);
	assert_story("");
}

static void test_what_is_not_for_the_daemon_is_passed_over(void **state)
{
	struct service_spec specs[] = { spec(0, 7, "one"), spec(0, 9, "unknown") };

	(void)state;
	specs[0].owner = FLOW_OWNER_KERNEL;
	assert_int_equal(listeners_follow(listeners, specs, 2), 0);
	assert_story("");
}

static void test_service_that_is_gone_ends(void **state)
{
	const struct service_spec specs[] = { spec(FAMILY_IPV4, 7, "one"), spec(FAMILY_IPV4, 9, "one") };

	(void)state;
	listeners_follow(listeners, specs, 2);
	assert_story("listen one 7/4; listen one 9/4; ");
	listeners_follow(listeners, specs + 1, 1);
	assert_story("end  7/4; ");
}

static void test_service_with_another_application_ends_before_it_begins(void **state)
{
	const struct service_spec before = spec(FAMILY_IPV4, 7, "one"), after = spec(FAMILY_IPV4, 7, "two");

	(void)state;
	listeners_follow(listeners, &before, 1);
	listeners_follow(listeners, &after, 1);
	assert_story("listen one 7/4; end  7/4; listen two 7/4; ");
}

static void test_msl_of_a_service_is_its_listeners(void **state)
{
	struct service_spec one = spec(FAMILY_IPV4, 7, "one");

	(void)state;
	listeners_follow(listeners, &one, 1);
	assert_int_equal(last_settings.msl_ms, 0);
	assert_story("listen one 7/4; ");
	one.msl_ms = 1000;
	listeners_follow(listeners, &one, 1);
	assert_int_equal(last_settings.msl_ms, 1000);
	assert_story("end  7/4; listen one 7/4; ");
}

static void test_keepalive_of_a_service_is_its_listeners(void **state)
{
	struct service_spec specs[] = { spec(FAMILY_IPV4, 7, "one") };

	(void)state;
	listeners_follow(listeners, specs, 1);
	assert_false(last_settings.keepalive);
	assert_int_equal(last_settings.keepalive_idle_ms, 7); /* for who switches it on himself */
	assert_int_equal(last_settings.keepalive_probes, 9);
	specs[0].keepalive = (struct keepalive){ .idle_ms = 1000, .interval_ms = 500, .probes = 3 };
	listeners_follow(listeners, specs, 1);
	assert_true(last_settings.keepalive);
	assert_int_equal(last_settings.keepalive_idle_ms, 1000);
	assert_int_equal(last_settings.keepalive_interval_ms, 500);
	assert_int_equal(last_settings.keepalive_probes, 3);
	assert_int_equal(last_settings.ttl, 64);
}

static void test_service_with_other_times_ends_before_it_begins(void **state)
{
	struct service_spec specs[] = { spec(FAMILY_IPV4, 7, "one") };

	(void)state;
	listeners_follow(listeners, specs, 1);
	assert_story("listen one 7/4; ");
	specs[0].keepalive = (struct keepalive){ .idle_ms = 1000, .interval_ms = 500, .probes = 3 };
	listeners_follow(listeners, specs, 1);
	assert_story("end  7/4; listen one 7/4; ");
	listeners_follow(listeners, specs, 1);
	assert_story("");
	specs[0].keepalive.probes = 4;
	listeners_follow(listeners, specs, 1);
	assert_story("end  7/4; listen one 7/4; ");
}

static void test_account_outlives_its_listener_until_nothing_is_charged(void **state)
{
	const struct service_spec specs[] = { spec(FAMILY_IPV4, 7, "one") };

	(void)state;
	listeners_follow(listeners, specs, 1);
	assert_true(memory_charge(last_account, 10));
	listeners_follow(listeners, NULL, 0);
	listeners_follow(listeners, NULL, 0);
	assert_story("listen one 7/4; end  7/4; ");
	memory_release(last_account, 10); /* the sanitizer tells if it is gone */
	assert_int_equal(all.used_bytes, 0);
	listeners_follow(listeners, NULL, 0);
	assert_null(listeners->served);
}

static void test_one_service_leaves_a_quarter_to_others(void **state)
{
	const struct service_spec specs[] = { spec(FAMILY_IPV4, 7, "one") };

	(void)state;
	listeners_follow(listeners, specs, 1);
	assert_false(memory_charge(last_account, 751));
	assert_true(memory_charge(last_account, 750));
	memory_release(last_account, 750);
}

static void test_listener_for_which_there_was_no_memory_begins_later(void **state)
{
	const struct service_spec specs[] = { spec(FAMILY_IPV4, 7, "one") };

	(void)state;
	no_memory = true;
	assert_int_equal(listeners_follow(listeners, specs, 1), -ENOMEM);
	no_memory = false;
	assert_int_equal(listeners_follow(listeners, specs, 1), 0);
	assert_story("listen one 7/4; ");
}

/* The service's policy is auto, and its sentry the third. */
static void test_completed_handshakes_relieve_the_sentry_of_their_service(void **state)
{
	static struct sentry sentries[4];
	const __u64 now_ns = 1000 * NSEC_PER_SEC;
	struct service_spec auto_spec = spec(FAMILY_IPV4, 7, "one"), always_spec;

	(void)state;
	auto_spec.policy = POLICY_AUTO;
	auto_spec.half_open = 100;
	auto_spec.sentry = 2;
	completed = 0;
	listeners_follow(listeners, &auto_spec, 1);
	sentry_press(&sentries[2], 100, 50, now_ns);
	sentry_press(&sentries[1], 100, 50, now_ns);
	completed = 30;
	listeners_relieve(listeners, sentries, now_ns);
	listeners_relieve(listeners, sentries, now_ns); /* told once */
	assert_int_equal(sentry_pressure(&sentries[2], 100, now_ns), 20);
	assert_int_equal(sentry_pressure(&sentries[1], 100, now_ns), 50);
	always_spec = auto_spec;
	always_spec.policy = POLICY_ALWAYS;
	listeners_follow(listeners, &always_spec, 1);
	assert_story("listen one 7/4; "); /* it is the same listener */
	completed = 40;
	listeners_relieve(listeners, sentries, now_ns);
	assert_int_equal(sentry_pressure(&sentries[2], 100, now_ns), 20);
	listeners_follow(listeners, &auto_spec, 1);
	completed = 45;
	listeners_relieve(listeners, sentries, now_ns);
	assert_int_equal(sentry_pressure(&sentries[2], 100, now_ns), 15);
}

static void test_room_that_is_taken_is_a_flood_to_the_sentries_of_all_services(void **state)
{
	static struct sentry sentries[3];
	const __u64 now_ns = 1000 * NSEC_PER_SEC;
	struct service_spec specs[] = { spec(FAMILY_IPV4, 7, "one"), spec(FAMILY_IPV4, 9, "two") };

	(void)state;
	specs[0].policy = POLICY_AUTO;
	specs[0].half_open = 100;
	specs[0].sentry = 2;
	specs[1].policy = POLICY_ALWAYS;
	listeners_follow(listeners, specs, 2);
	listeners_press(listeners, sentries, now_ns);
	assert_true(sentry_press(&sentries[2], 100, 1, now_ns));
	assert_int_equal(sentries[0].pressure_ns, 0);
	assert_int_equal(sentries[1].pressure_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_completed_handshakes_relieve_the_sentry_of_their_service, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_room_that_is_taken_is_a_flood_to_the_sentries_of_all_services,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_service_of_both_families_is_two_listeners, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_not_for_the_daemon_is_passed_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_service_that_is_gone_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_service_with_another_application_ends_before_it_begins, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_msl_of_a_service_is_its_listeners, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keepalive_of_a_service_is_its_listeners, setup, teardown),
		cmocka_unit_test_setup_teardown(test_service_with_other_times_ends_before_it_begins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_account_outlives_its_listener_until_nothing_is_charged, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_one_service_leaves_a_quarter_to_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_listener_for_which_there_was_no_memory_begins_later, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("listeners", tests, NULL, NULL);
}
