/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "capture/capture.h"
#include "capture/capture_check.h"
#include "capture/capture_private.h"

/* One capture reads whole time stamps, the other one microseconds: a packet belongs to exactly one of them. */
static void test_both_precisions_agree_on_the_instant(void **state)
{
	const uint64_t now_ns = 1700000000 * CLOCK_NS_PER_S;

	(void)state;
	for (uint64_t past_ns = 0; past_ns < 3000; past_ns += 7) {
		uint64_t instant_ns = capture_next_instant(now_ns + past_ns);

		for (uint64_t ns = instant_ns - 2500; ns < instant_ns + 2500; ns++)
			assert_int_equal(ns / 1000 * 1000 < instant_ns, ns < instant_ns);
	}
}

static void test_the_instant_is_ahead(void **state)
{
	const uint64_t now_ns = 1700000000 * CLOCK_NS_PER_S + 123456789;
	uint64_t ahead_ns = capture_next_instant(now_ns) - now_ns;

	(void)state;
	assert_true(ahead_ns >= 50 * CLOCK_NS_PER_MS && ahead_ns < 51 * CLOCK_NS_PER_MS);
}

/* The capabilities in effect, of this thread alone. */
static void change_rights(const struct __user_cap_data_struct rights[2])
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	assert_int_equal(syscall(SYS_capset, &header, rights), 0);
}

static int check_filter(const char *expression, struct error *err)
{
	struct conf_cli cli = { .file = NULL };
	cleanup_conf struct conf *conf = NULL;
	struct filter *filter;
	int result;

	cli.value[CONF_capture_filter] = mem_strdup(expression);
	cli.typed[CONF_capture_filter] = mem_strdup("-f");
	if (conf_load(&cli, &conf, err) < 0)
		fail_msg("%s", err->message);
	filter = filter_new(conf);
	result = capture_check_filter(filter, 5000, err);
	(void)filter_free(filter);
	conf_cli_done(&cli);
	return result;
}

/* A text is right or wrong whatever this account may do. */
static void test_a_filter_is_checked_without_rights(void **state)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct rights[2], fewer[2];
	struct error err;

	(void)state;
	assert_int_equal(syscall(SYS_capget, &header, rights), 0);
	memcpy(fewer, rights, sizeof fewer);
	fewer[0].effective &= ~(1U << CAP_NET_RAW);
	change_rights(fewer);
	assert_int_equal(check_filter("udp port 53", &err), 0);
	assert_int_equal(check_filter("udp prt 53", &err), -1);
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_non_null(strstr(err.message, "is not a filter"));
	change_rights(rights);
}

/* A handle that has packets of these times, in this order. */
static pcap_t *open_savefile(const uint64_t *times_ns, size_t count)
{
	static uint8_t bytes[4096];
	uint8_t packet[60] = { 0 };
	const struct chunk_source source = { .link_type = DLT_EN10MB, .snaplen = 96 };
	const struct format_origin origin = { "n", "machine", "system", "test" };
	char message[PCAP_ERRBUF_SIZE];
	size_t length;
	pcap_t *pcap;
	FILE *file;

	length = format_pcap.encode_header(&source, &origin, bytes);
	for (size_t i = 0; i < count; i++)
		length += format_pcap.encode_record(bytes + length,
						    (uint32_t)(times_ns[i] / CLOCK_NS_PER_S),
						    (uint32_t)(times_ns[i] % CLOCK_NS_PER_S / 1000),
						    sizeof packet, sizeof packet, packet);
	file = fmemopen(bytes, length, "r");
	assert_non_null(file);
	pcap = pcap_fopen_offline(file, message);
	assert_non_null(pcap);
	return pcap;
}

/* What the capture makes of packets of these times, in this order: so many chunks. */
static void capture_times(const uint64_t *times_ns, size_t count, struct chunk *ret_chunks,
			  size_t chunks)
{
	cleanup_conf struct conf *conf = NULL;
	struct conf_cli cli = { .file = NULL };
	struct chunk_pool pool;
	struct counters counters;
	struct queue queue;
	const struct capture_context context = { &pool, NULL, &counters, -1 };
	struct filter *filter;
	struct capture *capture;
	struct error err;

	cli.value[CONF_segment_age] = mem_strdup("0");
	cli.typed[CONF_segment_age] = mem_strdup("-G");
	assert_int_equal(conf_load(&cli, &conf, &err), 0);
	conf_cli_done(&cli);
	filter = filter_new(conf);
	chunk_pool_init(&pool, 4);
	counters_init(&counters);
	queue_init(&queue, 4);
	assert_int_equal(capture_new(&context, conf, filter, "eth0", 0, &capture, &err), 0);
	capture->device.pcap = open_savefile(times_ns, count);
	capture->source = (struct chunk_source){ .snaplen = 96, .format = &format_pcap };
	own_traffic_init(&capture->own, NULL);
	capture_stop(capture, "stop", UINT64_MAX);
	assert_int_equal(capture_start(capture, &queue, CAPTURE_FROM_START, &err), 0);
	for (size_t i = 0; i < chunks; i++) {
		struct chunk *chunk = queue_pop(&queue, 5000);

		assert_non_null(chunk);
		ret_chunks[i] = *chunk;
	}
	(void)capture_free(capture);
	(void)filter_free(filter);
	queue_done(&queue);
	counters_done(&counters);
	chunk_pool_done(&pool);
}

/* The kernel delivers packets of several CPUs a little out of order; each may be the earliest or the latest. */
static void test_a_chunk_knows_its_earliest_and_latest_packet(void **state)
{
	static const uint64_t orders[][4] = {
		{ 1, 2, 3, 4 }, { 2, 1, 4, 3 }, { 4, 3, 2, 1 }, { 3, 4, 1, 2 }
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(orders); i++) {
		uint64_t base_ns = clock_real_ns() / 1000 * 1000, times_ns[4];
		struct chunk chunk;

		for (size_t j = 0; j < 4; j++)
			times_ns[j] = base_ns + orders[i][j] * 1000;
		capture_times(times_ns, 4, &chunk, 1);
		assert_int_equal(chunk.packets, 4);
		assert_int_equal(chunk.earliest_ns, base_ns + 1000);
		assert_int_equal(chunk.latest_ns, base_ns + 4000);
	}
}

/* Where the clock is set back, the times before and after cannot be compared: recorded without a break since then. */
static void test_since_when_it_is_captured_without_a_break(void **state)
{
	uint64_t begin_ns = clock_real_ns(), back_ns;
	struct chunk chunks[2];

	(void)state;
	back_ns = (begin_ns - 2 * CLOCK_NS_PER_S) / 1000 * 1000;
	capture_times((const uint64_t[]){ begin_ns, back_ns }, 2, chunks, 2);
	assert_true(chunks[0].since_ns >= begin_ns && chunks[0].since_ns <= clock_real_ns());
	assert_string_equal(chunks[0].end_reason, "clock");
	assert_int_equal(chunks[1].since_ns, back_ns);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_precisions_agree_on_the_instant),
		cmocka_unit_test(test_the_instant_is_ahead),
		cmocka_unit_test(test_a_filter_is_checked_without_rights),
		cmocka_unit_test(test_a_chunk_knows_its_earliest_and_latest_packet),
		cmocka_unit_test(test_since_when_it_is_captured_without_a_break),
	};

	unit_add(tests, NULL, NULL);
}
