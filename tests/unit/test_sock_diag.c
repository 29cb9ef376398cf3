// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What inet_diag is asked, and what is made of its answers: the kernel is a socket pair here. */
#include "unit.h"

#include "../../user/netlink.c"
#include "../../user/sock_diag.c"

#define IFINDEX 7
#define COOKIE_LOW 0x1234
#define COOKIE_HIGH 0x5678
#define STATE_ESTABLISHED 1
#define STATE_TIME_WAIT 6

static int fds[2]; /* ours, the kernel's */

static int setup(void **state)
{
	const struct timeval timeout = { .tv_usec = 100000 }; /* of an answer that no test has given */

	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) ||
	       setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
}

static int teardown(void **state)
{
	(void)state;
	close(fds[0]);
	close(fds[1]);
	return 0;
}

struct socket_message {
	struct nlmsghdr header;
	struct inet_diag_msg diag;
	struct rtattr attribute;
	struct tcp_info info;
} __attribute__((packed)); /* attributes are aligned to four bytes */

static void kernel_says(const void *message, size_t length)
{
	assert_int_equal(send(fds[1], message, length, 0), length);
}

/* Text and an acknowledgement came so long ago; type: that of the only attribute. */
static void kernel_shows_a_socket(__u32 seq, __u8 diag_state, __u16 type, __u32 data_ms, __u32 ack_ms)
{
	struct socket_message message = {
		.header = { sizeof(message), SOCK_DIAG_BY_FAMILY, 0, seq, 0 },
		.diag = { .idiag_state = diag_state, .id.idiag_cookie = { COOKIE_LOW, COOKIE_HIGH } },
		.attribute = { RTA_LENGTH(sizeof(message.info)), type },
		.info = { .tcpi_last_data_recv = data_ms, .tcpi_last_ack_recv = ack_ms },
	};

	kernel_says(&message, sizeof(message));
}

static void kernel_says_error(__u32 seq, int error)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
	} message = { .header = { sizeof(message), NLMSG_ERROR, 0, seq, 0 }, .error = { .error = error } };

	kernel_says(&message, sizeof(message));
}

static enum sock_diag_answer call(const struct tuple *tuple, __u32 silent_ms)
{
	return sock_diag_destroy_if_silent(fds[0], tuple, IFINDEX, silent_ms);
}

static struct request was_asked(void)
{
	struct request request;

	assert_int_equal(recv(fds[1], &request, sizeof(request), MSG_DONTWAIT), sizeof(request));
	assert_int_equal(request.header.nlmsg_len, sizeof(request));
	return request;
}

static void assert_nothing_more_was_asked(void)
{
	struct request request;

	assert_int_equal(recv(fds[1], &request, sizeof(request), MSG_DONTWAIT), -1);
}

static void assert_is_about(const struct request *request, const struct tuple *t)
{
	const struct inet_diag_sockid *id = &request->question.id;

	assert_int_equal(request->question.sdiag_family, t->family);
	assert_int_equal(request->question.sdiag_protocol, IPPROTO_TCP);
	assert_memory_equal(id->idiag_src, t->local, sizeof(t->local));
	assert_memory_equal(id->idiag_dst, t->remote, sizeof(t->remote));
	assert_int_equal(id->idiag_sport, net16(t->local_port));
	assert_int_equal(id->idiag_dport, net16(t->remote_port));
	assert_int_equal(id->idiag_if, IFINDEX);
}

static void assert_silent_socket_is_destroyed_by_its_cookie(__u8 family)
{
	struct tuple tuple = unit_tuple(family);
	__u32 seq = flow_tag(&tuple);
	struct request question, order;

	kernel_shows_a_socket(seq, STATE_ESTABLISHED, INET_DIAG_INFO, 20000, 20000);
	kernel_says_error(seq + 1, 0);
	assert_int_equal(call(&tuple, 20000), SOCK_DIAG_DESTROYED);
	question = was_asked();
	assert_is_about(&question, &tuple);
	assert_int_equal(question.header.nlmsg_type, SOCK_DIAG_BY_FAMILY);
	assert_int_equal(question.header.nlmsg_flags, NLM_F_REQUEST);
	assert_int_equal(question.question.id.idiag_cookie[0], INET_DIAG_NOCOOKIE);
	assert_int_equal(question.question.id.idiag_cookie[1], INET_DIAG_NOCOOKIE);
	order = was_asked();
	assert_is_about(&order, &tuple);
	assert_int_equal(order.header.nlmsg_type, SOCK_DESTROY);
	assert_int_equal(order.header.nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
	assert_int_equal(order.question.id.idiag_cookie[0], COOKIE_LOW);
	assert_int_equal(order.question.id.idiag_cookie[1], COOKIE_HIGH);
}

static void test_silent_socket_is_destroyed_by_its_cookie(void **state)
{
	(void)state;
	assert_silent_socket_is_destroyed_by_its_cookie(FAMILY_IPV4);
	assert_silent_socket_is_destroyed_by_its_cookie(FAMILY_IPV6);
}

static enum sock_diag_answer answer_for(__u32 data_ms, __u32 ack_ms, __u32 silent_ms)
{
	struct tuple tuple = unit_tuple(FAMILY_IPV4);
	__u32 seq = flow_tag(&tuple);

	kernel_shows_a_socket(seq, STATE_ESTABLISHED, INET_DIAG_INFO, data_ms, ack_ms);
	kernel_says_error(seq + 1, 0);
	return call(&tuple, silent_ms);
}

static void assert_heard(__u32 data_ms, __u32 ack_ms, __u32 silent_ms)
{
	assert_int_equal(answer_for(data_ms, ack_ms, silent_ms), SOCK_DIAG_HEARD);
	was_asked();
	assert_nothing_more_was_asked();
	teardown(NULL);
	assert_int_equal(setup(NULL), 0);
}

static void test_what_came_since_is_heard(void **state)
{
	(void)state;
	assert_heard(0, 100000, 20000);
	assert_heard(100000, 0, 20000);
	assert_heard(18999, 100000, 20000);
	assert_heard(100000, 18999, 20000);
	assert_heard(0xffffffff, 699, 800);
}

/* The last segment that the record knows, which the socket got a little later. */
static void test_what_the_record_knows_is_not_heard_again(void **state)
{
	(void)state;
	assert_int_equal(answer_for(19000, 19000, 20000), SOCK_DIAG_DESTROYED);
	assert_int_equal(answer_for(700, 700, 800), SOCK_DIAG_DESTROYED);
}

static void test_listener_and_what_is_left_of_a_connection_are_none(void **state)
{
	struct tuple tuple = unit_tuple(FAMILY_IPV4);

	(void)state;
	kernel_shows_a_socket(flow_tag(&tuple), DIAG_STATE_LISTEN, INET_DIAG_INFO, 100000, 100000);
	assert_int_equal(call(&tuple, 0), SOCK_DIAG_NONE);
	was_asked();
	assert_nothing_more_was_asked();
	kernel_shows_a_socket(flow_tag(&tuple), STATE_TIME_WAIT, INET_DIAG_SHUTDOWN, 100000, 100000);
	assert_int_equal(call(&tuple, 0), SOCK_DIAG_NONE);
	was_asked();
	assert_nothing_more_was_asked();
}

static void test_no_socket_is_none(void **state)
{
	struct tuple tuple = unit_tuple(FAMILY_IPV4);

	(void)state;
	kernel_says_error(flow_tag(&tuple), -ENOENT);
	assert_int_equal(call(&tuple, 20000), SOCK_DIAG_NONE);
}

/* Between question and order it went. */
static void test_socket_that_changed_hands_is_none(void **state)
{
	struct tuple tuple = unit_tuple(FAMILY_IPV4);

	(void)state;
	kernel_shows_a_socket(flow_tag(&tuple), STATE_ESTABLISHED, INET_DIAG_INFO, 20000, 20000);
	kernel_says_error(flow_tag(&tuple) + 1, -ENOENT);
	assert_int_equal(call(&tuple, 20000), SOCK_DIAG_NONE);
}

static void test_refusal_is_a_failure_with_its_reason(void **state)
{
	struct tuple tuple = unit_tuple(FAMILY_IPV4);

	(void)state;
	kernel_shows_a_socket(flow_tag(&tuple), STATE_ESTABLISHED, INET_DIAG_INFO, 20000, 20000);
	kernel_says_error(flow_tag(&tuple) + 1, -EOPNOTSUPP);
	assert_int_equal(call(&tuple, 20000), SOCK_DIAG_FAILED);
	assert_int_equal(errno, EOPNOTSUPP);
}

static void test_answer_to_another_question_is_skipped(void **state)
{
	struct tuple tuple = unit_tuple(FAMILY_IPV4);

	(void)state;
	kernel_says_error(flow_tag(&tuple) + 100, -EPERM);
	kernel_says_error(flow_tag(&tuple), -ENOENT);
	assert_int_equal(call(&tuple, 20000), SOCK_DIAG_NONE);
}

static void test_answer_that_does_not_come_is_not_waited_for_long(void **state)
{
	struct tuple tuple = unit_tuple(FAMILY_IPV4);
	int fd = sock_diag_open();
	struct timeval set;
	socklen_t length = sizeof(set);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &set, &length), 0);
	assert_int_equal(set.tv_sec, ANSWER_TIMEOUT_S);
	close(fd);
	assert_int_equal(call(&tuple, 20000), SOCK_DIAG_FAILED);
	assert_int_equal(errno, EAGAIN);
}

#define sock_diag_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		sock_diag_test(test_silent_socket_is_destroyed_by_its_cookie),
		sock_diag_test(test_what_came_since_is_heard),
		sock_diag_test(test_what_the_record_knows_is_not_heard_again),
		sock_diag_test(test_listener_and_what_is_left_of_a_connection_are_none),
		sock_diag_test(test_no_socket_is_none),
		sock_diag_test(test_socket_that_changed_hands_is_none),
		sock_diag_test(test_refusal_is_a_failure_with_its_reason),
		sock_diag_test(test_answer_to_another_question_is_skipped),
		sock_diag_test(test_answer_that_does_not_come_is_not_waited_for_long),
	};

	return cmocka_run_group_tests_name("sock_diag", tests, NULL, NULL);
}
