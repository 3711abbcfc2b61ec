/* SPDX-License-Identifier: Apache-2.0 */
/* Which objects of a bucket may have packets of a window. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "fetch/listing/key_space.h"
#include "fetch/listing/listing.h"
#include "fetch/listing/object_name.h"
#include "memory_sink.h"

#define S    CLOCK_NS_PER_S
#define MIN  (60 * S)
#define HOUR (3600 * S)
/* 2026-11-23T14:00:00Z */
#define T0 (UINT64_C(1795442400) * S)

struct fixture {
	struct memory memory;
	struct listing_order order;
	struct listing listing;
	struct error err;
	size_t metadata; /* how often on_metadata was called */
	bool has_wrong_metadata;
};

static int setup(void **state)
{
	struct fixture *fixture = mem_calloc(1, sizeof *fixture);

	memory_open(&fixture->memory);
	fixture->order =
		(struct listing_order){ .from_ns = T0, .to_ns = T0 + 3 * MIN, .threads = 1 };
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	listing_free(&fixture->listing);
	memory_close(&fixture->memory);
	free(fixture);
	return 0;
}

/* An object of a recorder: it covers [start, start + seconds) and has packets throughout. */
static struct memory_object *add(struct fixture *fixture, const char *node, const char *interface,
				 uint64_t start_ns, uint64_t seconds, bool is_by_time)
{
	static uint64_t sequence;
	const char *prefix = fixture->memory.conf.upload_prefix;
	char file[SEGMENT_NAME_MAX + 1], name[1024];
	struct text text = text_over(name, sizeof name);
	struct memory_object *object;

	name_format(node, interface, start_ns, ++sequence, ".pcap.gz", file);
	name_object(prefix, is_by_time ? CONF_LAYOUT_TIME : CONF_LAYOUT_NODE, node, file, &text);
	object = memory_add(&fixture->memory, "%s", name);
	object->node = node;
	object->interface = interface;
	object->interfaces = interface;
	object->has_metadata = true;
	object->start_ns = start_ns;
	object->end_ns = start_ns + seconds * S;
	object->earliest_ns = object->true_earliest_ns = start_ns;
	object->latest_ns = object->true_latest_ns = object->end_ns - 1;
	object->max_age_s = seconds;
	return object;
}

/* Half an hour before and after the window, in segments of 300 s. */
static void add_hour(struct fixture *fixture, const char *node, const char *interface,
		     bool is_by_time)
{
	for (uint64_t start = T0 - 30 * MIN; start < T0 + 30 * MIN; start += 5 * MIN)
		add(fixture, node, interface, start, 300, is_by_time);
}

static void count_metadata(void *context, const struct object *object,
			   const struct segment *segment)
{
	struct fixture *fixture = context;

	fixture->metadata++;
	fixture->has_wrong_metadata |= !object->has_metadata ||
				       object->earliest_ns != segment->earliest_ns;
}

static int try_list(struct fixture *fixture)
{
	memory_sort(&fixture->memory);
	listing_free(&fixture->listing);
	fixture->metadata = 0;
	atomic_store(&fixture->memory.requests, 0);
	atomic_store(&fixture->memory.bucket.requests, 0);
	atomic_store(&fixture->memory.workers, 0);
	memset(fixture->memory.by_worker, 0, sizeof fixture->memory.by_worker);
	return listing_make(&fixture->memory.bucket, &fixture->order, count_metadata, fixture,
			    &fixture->listing, &fixture->err);
}

static void list(struct fixture *fixture)
{
	if (try_list(fixture) < 0)
		fail_msg("%s", fixture->err.message);
}

static const struct object *find(const struct fixture *fixture, const char *part)
{
	const struct object *found = NULL;

	for (size_t i = 0; i < fixture->listing.count; i++)
		if (strstr(fixture->listing.objects[i].name, part)) {
			assert_null(found);
			found = &fixture->listing.objects[i];
		}
	return found;
}

static unsigned requests(const struct fixture *fixture)
{
	assert_int_equal(atomic_load(&fixture->memory.requests),
			 atomic_load(&fixture->memory.bucket.requests));
	return atomic_load(&fixture->memory.requests);
}

static bool is_late(const struct fixture *fixture, const char *node, const char *interface)
{
	for (size_t i = 0; i < fixture->listing.sources_count; i++)
		if (strcmp(fixture->listing.sources[i].node, node) == 0 &&
		    strcmp(fixture->listing.sources[i].interface, interface) == 0)
			return fixture->listing.is_late[i];
	fail_msg("no source %s %s", node, interface);
	return false;
}

static uint32_t roll(uint32_t sides)
{
	uint32_t random;

	unit_random(&random, sizeof random);
	return random % sides;
}

/* One node ---------------------------------------------------------------------------------------- */

static void one_node_costs_one_request_and_one_for_the_other_layout(void **state)
{
	struct fixture *fixture = *state;
	const struct object *object;

	add_hour(fixture, "node-1", "eth0", false);
	add_hour(fixture, "node-10", "eth0", false);
	fixture->memory.objects[0].index = "1:5000:700";
	for (size_t i = 0; i < fixture->memory.count; i++)
		fixture->memory.objects[i].index = "1:5000:700";
	fixture->order.nodes = "node-1";
	list(fixture);
	assert_int_equal(requests(fixture), 2);
	/* That of 14:00; that of 13:55 has ended, that of 14:05 begins later. */
	assert_int_equal(fixture->listing.count, 1);
	object = &fixture->listing.objects[0];
	assert_non_null(strstr(object->name, "node-1/node-1_20261123T140000.000Z_eth0_"));
	assert_int_equal(object->start_ns, T0);
	assert_int_equal(object->earliest_ns, T0);
	assert_int_equal(object->latest_ns, T0 + 5 * MIN - 1);
	assert_int_equal(object->end_ns, T0 + 5 * MIN);
	assert_int_equal(object->index_tail_bytes, 700);
	assert_true(object->has_metadata && object->bytes >= 100 && *object->version);
	assert_int_equal(fixture->listing.nodes, 1);
	assert_int_equal(fixture->listing.looked_back_s, 600);
	assert_false(is_late(fixture, "node-1", "eth0"));
	/* 13:50, 13:55 and 14:00. */
	assert_int_equal(fixture->metadata, 3);
	assert_false(fixture->has_wrong_metadata);
}

static void several_names_and_repeated_ones(void **state)
{
	struct fixture *fixture = *state;

	add_hour(fixture, "node-1", "eth0", false);
	add_hour(fixture, "node-2", "eth0", false);
	add_hour(fixture, "node-3", "eth0", false);
	fixture->order.nodes = "node-3,,node-1,node-3";
	fixture->order.threads = 4;
	list(fixture);
	assert_int_equal(fixture->listing.count, 2);
	assert_int_equal(requests(fixture), 3);
	assert_string_equal(fixture->listing.sources[fixture->listing.objects[0].source].node,
			    "node-1");
}

static void a_long_name_is_cut_in_names(void **state)
{
	struct fixture *fixture = *state;
	char node[201];

	memset(node, 'n', sizeof node - 1);
	node[sizeof node - 1] = '\0';
	add_hour(fixture, node, "eth0", false);
	add_hour(fixture, node, "eth1", true);
	fixture->order.nodes = node;
	list(fixture);
	assert_int_equal(fixture->listing.count, 2);
	assert_int_equal(strlen(fixture->listing.sources[0].node), 128);
	fixture->order.nodes = NULL;
	list(fixture);
	assert_int_equal(fixture->listing.count, 2);
	assert_int_equal(fixture->listing.nodes, 1);
}

static void interfaces_are_chosen(void **state)
{
	struct fixture *fixture = *state;

	add_hour(fixture, "node-1", "eth0", false);
	add_hour(fixture, "node-1", "eth1", false);
	add_hour(fixture, "node-1", "veth_a.1", false);
	fixture->order.interfaces = "eth1,veth*";
	list(fixture);
	assert_int_equal(fixture->listing.count, 2);
	assert_non_null(find(fixture, "Z_eth1_"));
	assert_non_null(find(fixture, "Z_veth_a.1_"));
	/* As it is called, and as file names have it. */
	add_hour(fixture, "node-1", "veth@7", false);
	fixture->order.interfaces = "veth@*";
	list(fixture);
	assert_int_equal(fixture->listing.count, 1);
	assert_non_null(find(fixture, "Z_veth-7_"));
	fixture->order.interfaces = "veth@7";
	list(fixture);
	assert_int_equal(fixture->listing.count, 1);
}

/* Looking back ------------------------------------------------------------------------------------ */

static void an_object_that_began_20_hours_ago(void **state)
{
	struct fixture *fixture = *state;

	add(fixture, "node-1", "eth0", T0 - 20 * HOUR, 86400, false);
	list(fixture);
	assert_int_equal(fixture->listing.count, 1);
	assert_int_equal(fixture->listing.looked_back_s, LISTING_LOOKBACK_MAX_S);
	/* So has another one, whose interface has something in the window. */
	add(fixture, "node-2", "eth0", T0 - 20 * HOUR, 72060, false);
	add(fixture, "node-2", "eth0", T0 - 20 * HOUR + 72060 * S, 86400, false);
	list(fixture);
	assert_int_equal(fixture->listing.count, 3);
	fixture->order.lookback_s = 3600;
	list(fixture);
	assert_int_equal(fixture->listing.count, 1);
	assert_true(is_late(fixture, "node-2", "eth0"));
	assert_int_equal(fixture->listing.looked_back_s, 3600);
}

static void an_interface_without_an_object_near_the_window(void **state)
{
	struct fixture *fixture = *state;

	add_hour(fixture, "node-1", "eth0", false);
	add(fixture, "node-1", "eth1", T0 - 5 * HOUR, 6 * 3600, false);
	for (size_t i = 0; i < fixture->memory.count; i++) {
		fixture->memory.objects[i].interfaces = "eth0 eth1";
		fixture->memory.objects[i].max_age_s = 6 * 3600;
	}
	list(fixture);
	assert_int_equal(fixture->listing.count, 2);
	assert_non_null(find(fixture, "_eth1_"));
	/* One that has none at all. */
	for (size_t i = 0; i < fixture->memory.count; i++) {
		fixture->memory.objects[i].interfaces = "eth0 eth1 eth2";
		fixture->memory.objects[i].max_age_s = 0;
	}
	list(fixture);
	assert_int_equal(fixture->listing.count, 2);
	assert_true(is_late(fixture, "node-1", "eth2"));
	assert_false(is_late(fixture, "node-1", "eth1"));
}

static void what_the_metadata_cannot_name_is_looked_for(void **state)
{
	struct fixture *fixture = *state;

	add_hour(fixture, "node-1", "eth0", false);
	add(fixture, "node-1", "eth1", T0 - 5 * HOUR, 6 * 3600, false);
	for (size_t i = 0; i < fixture->memory.count; i++) {
		fixture->memory.objects[i].interfaces = "eth0 ... +12 more";
		fixture->memory.objects[i].max_age_s = 6 * 3600;
	}
	list(fixture);
	assert_int_equal(fixture->listing.count, 2);
	for (size_t i = 0; i < fixture->memory.count; i++)
		fixture->memory.objects[i].interfaces = NULL;
	list(fixture);
	assert_int_equal(fixture->listing.count, 2);
	for (size_t i = 0; i < fixture->memory.count; i++)
		fixture->memory.objects[i].has_metadata = false;
	list(fixture);
	assert_non_null(find(fixture, "_eth1_"));
}

static void the_age_of_segments_and_silence_bound_the_search(void **state)
{
	struct fixture *fixture = *state;
	struct memory_object *object;

	add_hour(fixture, "node-1", "eth0", false);
	object = add(fixture, "node-1", "eth1", T0 + MIN, 300, false);
	fixture->order.nodes = "node-1";
	object->previous = 17;
	object->since_ns = T0 - HOUR;
	/* 300 s: what began 600 s before cannot reach into the window. */
	list(fixture);
	assert_int_equal(requests(fixture), 2);
	assert_false(is_late(fixture, "node-1", "eth1"));
	/* 0: it can. */
	for (size_t i = 0; i < fixture->memory.count; i++)
		fixture->memory.objects[i].max_age_s = 0;
	list(fixture);
	assert_int_equal(requests(fixture), 5);
	assert_true(is_late(fixture, "node-1", "eth1"));
	/* But nothing was before it since then. */
	for (size_t i = 0; i < fixture->memory.count; i++)
		fixture->memory.objects[i].previous = 0;
	list(fixture);
	assert_int_equal(requests(fixture), 2);
	assert_false(is_late(fixture, "node-1", "eth1"));
}

static void without_metadata_the_next_object_tells(void **state)
{
	struct fixture *fixture = *state;

	add_hour(fixture, "node-1", "eth0", false);
	for (size_t i = 0; i < fixture->memory.count; i++)
		fixture->memory.objects[i].has_metadata = false;
	list(fixture);
	/* 14:00 for sure, and 13:55 may have a packet from behind that one's first: its successor begins at from. */
	assert_int_equal(fixture->listing.count, 2);
	assert_non_null(find(fixture, "T135500"));
	assert_non_null(find(fixture, "T140000"));
	assert_int_equal(fixture->metadata, 0);
	fixture->order.from_ns += 2 * S;
	list(fixture);
	assert_int_equal(fixture->listing.count, 1);
	/* Times that are not known, or cannot be, are none. */
	fixture->order.from_ns -= 2 * S;
	for (size_t i = 0; i < fixture->memory.count; i++) {
		fixture->memory.objects[i].has_metadata = true;
		fixture->memory.objects[i].earliest_ns = i % 2 ? 0 : 100;
		fixture->memory.objects[i].latest_ns = i % 2 ? 0 : 10;
	}
	list(fixture);
	assert_int_equal(fixture->listing.count, 2);
}

/* Numbers begin again with a new spool, and two recorders may have the same name: what is known counts. */
static void a_successor_says_nothing_about_others(void **state)
{
	struct fixture *fixture = *state;

	memory_add(&fixture->memory, "n/n_20261123T134500.000Z_eth0_00000100.pcap.gz");
	memory_add(&fixture->memory, "n/n_20261123T135000.000Z_eth0_00000101.pcap.gz");
	memory_add(&fixture->memory, "n/n_20261123T140100.000Z_eth0_00000003.pcap.gz");
	list(fixture);
	assert_int_equal(fixture->listing.count, 2);
	assert_null(find(fixture, "_00000100."));
	add(fixture, "node-1", "eth0", T0 - 10 * MIN, 3600, false);
	add(fixture, "node-1", "eth0", T0 - 5 * MIN, 300, false);
	list(fixture);
	assert_int_equal(fixture->listing.count, 3);
	assert_non_null(find(fixture, "node-1_20261123T135000"));
}

/* A packet of T + 5 us ends a segment, the next one is called T, and has a packet of T - 22 us. */
static void a_segment_that_begins_at_the_end_of_the_window(void **state)
{
	struct fixture *fixture = *state;
	struct memory_object *object;

	add(fixture, "node-1", "eth0", T0 - 5 * MIN, 300, false);
	object = add(fixture, "node-1", "eth0", T0, 300, false);
	object->earliest_ns = T0 - 22000;
	fixture->order.from_ns = T0 - 2 * MIN;
	fixture->order.to_ns = T0;
	list(fixture);
	assert_int_equal(fixture->listing.count, 2);
	fixture->order.to_ns = T0 - 22000;
	list(fixture);
	assert_int_equal(fixture->listing.count, 1);
	fixture->order.to_ns = T0;
	for (size_t i = 0; i < fixture->memory.count; i++)
		fixture->memory.objects[i].has_metadata = false;
	list(fixture);
	assert_int_equal(fixture->listing.count, 2);
}

/* Many nodes -------------------------------------------------------------------------------------- */

/* Called as they are in a rack, or with is_random in a cloud. */
static void add_fleet(struct fixture *fixture, size_t nodes, const char *prefix, bool is_random)
{
	static char names[10000][80];

	assert_true(nodes <= ARRAY_LENGTH(names));
	for (size_t i = 0; i < nodes; i++) {
		uint32_t random = 0;

		if (is_random)
			unit_random(&random, sizeof random);
		if (is_random)
			(void)snprintf(names[i], sizeof names[i], "%s%06x-%04zu", prefix,
				       random & 0xffffff, i);
		else
			(void)snprintf(names[i], sizeof names[i], "%s%05zu", prefix, i);
		for (uint64_t k = 0; k < 5; k++)
			add(fixture, names[i], "eth0", T0 - 10 * MIN + k * 5 * MIN, 300, false);
	}
}

static void check_fleet(struct fixture *fixture, size_t nodes)
{
	unsigned used;

	list(fixture);
	used = requests(fixture);
	print_message("# %zu nodes, %u threads: %u requests, at most %u by one thread\n", nodes,
		      fixture->order.threads, used, memory_longest_chain(&fixture->memory));
	assert_int_equal(fixture->listing.count, nodes);
	assert_int_equal(fixture->listing.nodes, nodes);
	assert_in_range(used, 2 * nodes, 2 * nodes + nodes / 5 + 2);
	for (size_t i = 0; i < nodes; i++)
		assert_int_equal(fixture->listing.objects[i].start_ns, T0);
}

static void a_fleet_costs_two_requests_a_node(void **state)
{
	add_fleet(*state, 10000, "node-", false);
	check_fleet(*state, 10000);
}

static void threads_share_a_fleet(void **state)
{
	struct fixture *fixture = *state;

	fixture->order.threads = 16;
	fixture->memory.delay_us = 1000;
	add_fleet(fixture, 10000, "node-", false);
	check_fleet(fixture, 10000);
	assert_in_range(memory_longest_chain(&fixture->memory), 1, 4000);
}

static void threads_share_nodes_with_long_names(void **state)
{
	struct fixture *fixture = *state;

	fixture->order.threads = 16;
	fixture->memory.delay_us = 1000;
	add_fleet(fixture, 2000, "gke-prod-europe-west1-default-pool-", true);
	check_fleet(fixture, 2000);
	assert_in_range(memory_longest_chain(&fixture->memory), 1, 800);
}

static void few_nodes_cost_few_requests(void **state)
{
	struct fixture *fixture = *state;

	fixture->order.threads = 16;
	fixture->memory.delay_us = 1000;
	list(fixture);
	assert_in_range(requests(fixture), 1, 2);
	add_fleet(fixture, 3, "node-", false);
	list(fixture);
	assert_in_range(requests(fixture), 7, 20);
	assert_int_equal(fixture->listing.count, 3);
}

static void names_that_begin_like_others(void **state)
{
	struct fixture *fixture = *state;
	static const char *const nodes[] = { "node-1",   "node-10", "node-1-x", "node-1.a",
					     "node-1_a", "node",    "node-",    "n",
					     "2026",     "1150" };

	fixture->memory.delay_us = 100;
	for (size_t i = 0; i < ARRAY_LENGTH(nodes); i++)
		add_hour(fixture, nodes[i], "eth0", false);
	for (fixture->order.threads = 1; fixture->order.threads < 9; fixture->order.threads++) {
		list(fixture);
		assert_int_equal(fixture->listing.count, ARRAY_LENGTH(nodes));
		assert_int_equal(fixture->listing.nodes, ARRAY_LENGTH(nodes));
	}
	fixture->order.nodes = "node-1";
	list(fixture);
	assert_int_equal(fixture->listing.count, 1);
	fixture->order.nodes = "node-1*,n,node-1?,node-10,node-[1],node-1*,n";
	list(fixture);
	assert_int_equal(fixture->listing.count, 6);
	fixture->order.nodes = "node-1,node-10*";
	list(fixture);
	assert_int_equal(fixture->listing.count, 2);
	fixture->order.nodes = "node-1,node-1*";
	list(fixture);
	assert_int_equal(fixture->listing.count, 5);
	fixture->order.nodes = "*/x,node-1*/,nodes*";
	list(fixture);
	assert_int_equal(fixture->listing.count, 0);
}

static void a_pattern_asks_for_what_begins_like_it(void **state)
{
	struct fixture *fixture = *state;

	add_fleet(fixture, 100, "a-", false);
	add_fleet(fixture, 10, "pool-a-", false);
	fixture->order.nodes = "pool-a-*";
	list(fixture);
	assert_int_equal(fixture->listing.count, 10);
	assert_in_range(requests(fixture), 20, 23);
}

static void nodes_that_are_silent_are_counted(void **state)
{
	struct fixture *fixture = *state;

	add_hour(fixture, "node-1", "eth0", false);
	add(fixture, "node-2", "eth0", T0 - 30 * HOUR, 300, false);
	add(fixture, "node-3", "eth0", T0 + HOUR, 300, false);
	list(fixture);
	assert_int_equal(fixture->listing.count, 1);
	assert_int_equal(fixture->listing.nodes, 1);
	assert_int_equal(fixture->listing.silent_nodes, 2);
}

/* Other objects ----------------------------------------------------------------------------------- */

static void foreign_names_are_stepped_over(void **state)
{
	struct fixture *fixture = *state;

	add_hour(fixture, "node-1", "eth0", false);
	add_hour(fixture, "node-2", "eth0", false);
	memory_add(&fixture->memory, "README");
	memory_add(&fixture->memory, "node-1");
	memory_add(&fixture->memory, "node-1/README");
	memory_add(&fixture->memory, "node-1/node-2_20261123T140000.000Z_eth0_00000001.pcap.gz");
	memory_add(&fixture->memory, "node-1/node-1_20261123T140000.000Z_eth0_00000001");
	memory_add(&fixture->memory, "node-1/node-1_20261123T140199.000Z_eth0_99999999.pcap");
	memory_add(&fixture->memory, "node-1/node-1_20261123T140000.000Z_eth0/x_1.pcap");
	memory_add(&fixture->memory, "node-1/zzz");
	memory_add(&fixture->memory, "node-3/a/b/c");
	memory_add(&fixture->memory, "/node-1_20261123T140000.000Z_eth0_00000001.pcap.gz");
	memory_add(&fixture->memory, "2026/11/23/1400/notes.txt");
	memory_add(&fixture->memory, "2026/11/23/1400");
	memory_add(&fixture->memory,
		   "2026/99/99/9999/node-1_20261120T140000.000Z_eth0_00000001.pcap.gz");
	memory_add(&fixture->memory, "incidents");
	memory_add(&fixture->memory,
		   "incidents/incidents_20261123T140000.000Z_eth0_00000001.pcap.gz");
	memory_add(&fixture->memory, "incidents/2026/x");
	for (fixture->order.threads = 1; fixture->order.threads < 5; fixture->order.threads++) {
		list(fixture);
		assert_int_equal(fixture->listing.count, 2);
		assert_true(fixture->listing.foreign >= 3);
	}
}

static void a_bucket_of_other_things_is_refused(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < 15000; i++)
		memory_add(&fixture->memory, "a%u", i);
	add_hour(fixture, "node-1", "eth0", false);
	list(fixture);
	assert_int_equal(fixture->listing.count, 1);
	assert_in_range(requests(fixture), 16, 25);
	for (unsigned i = 0; i < 15000; i++)
		memory_add(&fixture->memory, "b%u/x", i);
	fixture->order.threads = 8;
	assert_int_equal(try_list(fixture), -1);
	assert_int_equal(fixture->err.kind, ERROR_CONFIG);
	assert_non_null(strstr(fixture->err.message, "use -b gs://BUCKET/PREFIX"));
	assert_int_equal(fixture->listing.count, 0);
	/* With the name nobody needs to look for it. */
	fixture->order.nodes = "node-1";
	list(fixture);
	assert_int_equal(fixture->listing.count, 1);
}

static void few_other_things_are_no_hindrance(void **state)
{
	static const char patterns[] =
		"a*,b*,c*,d*,e*,f*,g*,h*,i*,j*,k*,l*,m*,n*,o*,p*,q*,r*,s*,t*,u*,v*";
	struct fixture *fixture = *state;

	/* Each of more nodes than there may be pages of other things has one. */
	add_fleet(fixture, 50, "node-", false);
	for (unsigned i = 0; i < 50; i++)
		memory_add(&fixture->memory, "node-%05u/README", i);
	list(fixture);
	assert_int_equal(fixture->listing.count, 50);
	/* So has each of as many ranges. */
	for (const char *p = patterns; *p; p++)
		if (*p >= 'a')
			memory_add(&fixture->memory, "%c-1", *p);
	fixture->order.nodes = patterns;
	list(fixture);
	assert_int_equal(fixture->listing.count, 50);
}

static void a_prefix_keeps_others_out(void **state)
{
	struct fixture *fixture = *state;

	add_hour(fixture, "other", "eth0", false);
	add_hour(fixture, "other", "eth0", true);
	fixture->memory.conf.upload_prefix = (char *)"a/b";
	add_hour(fixture, "node-1", "eth0", false);
	add_hour(fixture, "node-2", "eth0", true);
	memory_add(&fixture->memory, "a/b0/node-2_20261123T140000.000Z_eth0_00000001.pcap.gz");
	list(fixture);
	assert_int_equal(fixture->listing.count, 2);
	assert_non_null(find(fixture, "a/b/node-1/"));
	assert_non_null(find(fixture, "a/b/2026/11/23/1400/node-2_"));
}

/* By time ----------------------------------------------------------------------------------------- */

static void the_layout_by_time(void **state)
{
	struct fixture *fixture = *state;

	add_hour(fixture, "node-1", "eth0", true);
	add_hour(fixture, "node-2", "eth0", true);
	add_hour(fixture, "2026", "eth0", true);
	list(fixture);
	assert_int_equal(fixture->listing.count, 3);
	assert_int_equal(fixture->listing.nodes, 3);
	/* Is there any, three folders, and a walk that finds "2026", nothing in it and nothing behind it. */
	assert_in_range(requests(fixture), 4, 6);
	fixture->order.nodes = "node-*";
	fixture->order.threads = 4;
	list(fixture);
	assert_int_equal(fixture->listing.count, 2);
	fixture->order.nodes = "node-2";
	list(fixture);
	assert_int_equal(fixture->listing.count, 1);
}

static void both_layouts_in_one_bucket(void **state)
{
	struct fixture *fixture = *state;

	/* The layout was changed within the window; a node is called like a year. */
	add(fixture, "node-1", "eth0", T0 - 5 * MIN, 300, false);
	add(fixture, "node-1", "eth0", T0, 60, false);
	add(fixture, "node-1", "eth0", T0 + MIN, 300, true);
	add(fixture, "2026", "eth0", T0, 300, false);
	add(fixture, "2026", "eth1", T0, 300, true);
	for (fixture->order.threads = 1; fixture->order.threads < 9; fixture->order.threads++) {
		list(fixture);
		assert_int_equal(fixture->listing.count, 4);
		assert_int_equal(fixture->listing.nodes, 2);
		assert_true(fixture->listing.objects[2].start_ns <
			    fixture->listing.objects[3].start_ns);
	}
}

static void by_time_a_long_file_is_found_too(void **state)
{
	struct fixture *fixture = *state;

	add(fixture, "node-1", "eth0", T0 - 20 * HOUR, 86400, true);
	list(fixture);
	assert_int_equal(fixture->listing.count, 1);
	for (uint64_t i = 0; i < 20; i++)
		add_hour(fixture, "node-2", "eth0", true);
	fixture->order.threads = 3;
	fixture->order.nodes = "node-1,node-3";
	list(fixture);
	assert_int_equal(fixture->listing.count, 1);
}

static void by_time_each_node_has_its_interfaces(void **state)
{
	struct fixture *fixture = *state;

	add_hour(fixture, "node-1", "eth0", true);
	add_hour(fixture, "node-2", "eth0", true);
	for (size_t i = 0; i < fixture->memory.count; i++) {
		fixture->memory.objects[i].interfaces = "eth0 eth1";
		fixture->memory.objects[i].max_age_s = 0;
	}
	list(fixture);
	assert_int_equal(fixture->listing.sources_count, 4);
	assert_true(is_late(fixture, "node-1", "eth1"));
	assert_true(is_late(fixture, "node-2", "eth1"));
	assert_false(is_late(fixture, "node-2", "eth0"));
}

static void a_window_over_new_year(void **state)
{
	struct fixture *fixture = *state;
	const uint64_t year = UINT64_C(1798761600) * S; /* 2027-01-01T00:00:00Z */

	add(fixture, "node-1", "eth0", year - 5 * MIN, 300, true);
	add(fixture, "node-1", "eth0", year, 300, true);
	add(fixture, "node-2", "eth0", year, 300, true);
	for (unsigned i = 0; i < 3000; i++) /* between the two years */
		add(fixture, "2026a", "eth0", year - 100 * HOUR + i * S, 1, false);
	fixture->order.from_ns = year - MIN;
	fixture->order.to_ns = year + MIN;
	fixture->order.nodes = "node-*";
	for (fixture->order.threads = 1; fixture->order.threads < 5; fixture->order.threads++) {
		list(fixture);
		assert_int_equal(fixture->listing.count, 3);
		assert_in_range(requests(fixture), 3, 12);
	}
}

/* The beginning and the end of all times. */
static void times_at_the_edges(void **state)
{
	struct fixture *fixture = *state;

	add_hour(fixture, "node-1", "eth0", false);
	add_hour(fixture, "node-2", "eth0", true);
	fixture->order.from_ns = 0;
	fixture->order.to_ns = UINT64_MAX;
	fixture->order.threads = 2;
	list(fixture);
	assert_int_equal(fixture->listing.count, 24);
	fixture->order.to_ns = 1;
	list(fixture);
	assert_int_equal(fixture->listing.count, 0);
	fixture->order.from_ns = UINT64_MAX - 1;
	fixture->order.to_ns = UINT64_MAX;
	list(fixture);
	assert_int_equal(fixture->listing.count, 0);
}

/* Trouble ----------------------------------------------------------------------------------------- */

static void a_failure_ends_all_threads(void **state)
{
	struct fixture *fixture = *state;

	add_fleet(fixture, 500, "node-", false);
	fixture->order.threads = 8;
	fixture->memory.fail_from = 100;
	fixture->memory.fail_to = UINT32_MAX;
	fixture->memory.fail_kind = ERROR_CONFIG;
	assert_int_equal(try_list(fixture), -1);
	assert_int_equal(fixture->err.kind, ERROR_CONFIG);
	assert_non_null(strstr(fixture->err.message, "made to fail"));
	assert_in_range(requests(fixture), 100, 120);
}

static void an_interruption_ends_it(void **state)
{
	struct fixture *fixture = *state;

	add_fleet(fixture, 500, "node-", false);
	fixture->order.threads = 4;
	fixture->memory.cancel_at = 100;
	assert_int_equal(try_list(fixture), -1);
	assert_int_equal(fixture->err.kind, ERROR_TRANSIENT);
	assert_in_range(requests(fixture), 100, 112);
}

/* Cutting ----------------------------------------------------------------------------------------- */

static void a_key_is_between_and_cuts_no_folder(void **state)
{
	static const char alphabet[] = "-.0129_azAZ~\x7f\xc3";

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		char from[9] = "", end[9] = "";
		size_t place, length = roll(8);
		cleanup_free char *key = NULL;

		for (size_t i = 0; i < length; i++)
			from[i] = alphabet[roll(sizeof alphabet - 1)];
		memcpy(end, from, sizeof end);
		length = roll(8);
		for (size_t i = roll(8); i < length; i++)
			end[i] = alphabet[roll(sizeof alphabet - 1)];
		end[length] = '\0';
		if (strcmp(from, end) >= 0) {
			assert_int_equal(key_space_size(from, end), 0);
			end[0] = '\0';
		}
		key = key_space_cut(from, *end ? end : NULL, roll(12), &place);
		if (!key)
			continue;
		assert_true(strcmp(key, from) > 0);
		assert_true(!*end || strcmp(key, end) < 0);
		assert_null(strchr(key, '/'));
		assert_memory_equal(key, from, place);
	}
}

/* Any bucket -------------------------------------------------------------------------------------- */

/* How often objects of a bucket have metadata. */
enum telling {
	TELLING_ALL,
	TELLING_NONE,
	TELLING_SOME
};

struct recording {
	const char *node, *interface, *interfaces;
	uint64_t max_age_s;
	bool is_by_time;
	enum telling telling;
};

/* What a recorder leaves of an interface from begin to end: it may be idle, and is started again now and then. */
static void add_recording(struct fixture *fixture, const struct recording *recording,
			  uint64_t begin_ns, uint64_t end_ns)
{
	uint64_t since_ns = begin_ns, now_ns = begin_ns, previous = 0;

	while (now_ns < end_ns) {
		uint64_t most_s = recording->max_age_s ? recording->max_age_s : 86400;
		uint64_t length_ns = roll(3) ? most_s * S : (1 + roll((uint32_t)most_s)) * S;
		struct memory_object *object;

		if (roll(4) == 0) /* nothing to record */
			now_ns += roll(10 * 3600) * S;
		if (roll(8) == 0) {
			since_ns = now_ns;
			previous = 0;
		}
		object = add(fixture, recording->node, recording->interface,
			     now_ns / CLOCK_NS_PER_MS * CLOCK_NS_PER_MS, 1, recording->is_by_time);
		object->end_ns = now_ns + length_ns;
		object->true_earliest_ns = now_ns - roll(1000000000);
		object->true_latest_ns = roll(4) ? now_ns + length_ns + roll(999999999)
						 : now_ns + length_ns / 2;
		object->max_age_s = recording->max_age_s;
		object->interfaces = recording->interfaces;
		object->since_ns = since_ns;
		object->previous = previous;
		object->has_metadata = recording->telling == TELLING_ALL ||
				       (recording->telling == TELLING_SOME && roll(2));
		object->earliest_ns = roll(10) ? object->true_earliest_ns : 0;
		object->latest_ns = object->earliest_ns ? object->true_latest_ns : 0;
		previous = roll(10) ? strtoull(strrchr(object->name, '_') + 1, NULL, 10) : previous;
		if (previous == 0) /* not in the bucket, or the first one */
			previous = strtoull(strrchr(object->name, '_') + 1, NULL, 10);
		now_ns += length_ns;
		if (roll(30) == 0) /* never came to the bucket */
			free(fixture->memory.objects[--fixture->memory.count].name);
	}
}

static void fill_bucket(struct fixture *fixture, uint64_t begin_ns, uint64_t end_ns)
{
	static const char *const nodes[] = { "node-1",   "node-10", "node-1-x", "node-1.a",
					     "node-1_a", "a",       "zz",       "2026",
					     "node-",    "node-2",  "node-200", "incidentss" };
	static const char *const interfaces[] = { "eth0", "eth1", "lo_0" };
	static const char *const lists[] = { "eth0", "eth0 eth1", "eth0 eth1 lo_0" };
	static const uint64_t ages[] = { 300, 300, 3600, 21600, 86400, 0 };
	enum telling telling = (enum telling)roll(3);
	uint64_t common_age_s = ages[roll(ARRAY_LENGTH(ages))];

	for (size_t i = 0; i < ARRAY_LENGTH(nodes); i++) {
		uint32_t count = 1 + roll(3), layout = roll(3);
		bool is_idle = roll(3) == 0;
		struct recording recording = {
			.node = nodes[i],
			.interfaces = roll(4) ? lists[count - 1] : "eth0 ... +2 more",
			.telling = telling,
		};

		for (uint32_t k = 0; k < count && roll(4); k++) {
			recording.interface = interfaces[k];
			recording.is_by_time = layout == 1;
			/* By time, a fleet has one age: see listing.h. */
			recording.max_age_s = layout == 0 ? ages[roll(ARRAY_LENGTH(ages))]
							  : common_age_s;
			if (layout == 0) /* a node has one, too */
				recording.max_age_s = ages[i % ARRAY_LENGTH(ages)];
			if (is_idle && k > 0)
				add_recording(fixture, &recording, end_ns - 30 * HOUR,
					      end_ns - 29 * HOUR);
			else
				add_recording(fixture, &recording, begin_ns, end_ns);
		}
	}
}

static void check_listing(struct fixture *fixture)
{
	const struct listing *listing = &fixture->listing;
	struct memory *memory = &fixture->memory;
	const struct listing_order *order = &fixture->order;

	for (size_t i = 0; i < memory->count; i++)
		memory->objects[i].is_found = false;
	for (size_t i = 0; i < listing->count; i++) {
		const struct object *object = &listing->objects[i];
		struct memory_object *there =
			&memory->objects[strtoul(object->version, NULL, 10) - 1];

		assert_string_equal(object->name, there->name);
		assert_false(there->is_found);
		there->is_found = true;
		assert_string_equal(listing->sources[object->source].node, there->node);
		assert_string_equal(listing->sources[object->source].interface, there->interface);
		if (there->has_metadata && there->earliest_ns)
			assert_true(there->earliest_ns < order->to_ns &&
				    there->latest_ns >= order->from_ns);
		if (i > 0 && object->source == object[-1].source)
			assert_true(object->start_ns >= object[-1].start_ns);
	}
	for (size_t i = 0; i < memory->count; i++) {
		const struct memory_object *there = &memory->objects[i];

		if (there->true_earliest_ns < order->to_ns &&
		    there->true_latest_ns >= order->from_ns && !there->is_found)
			fail_msg("%s is missing", there->name);
	}
}

static void any_bucket_gives_all_that_overlap(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned round = 0; round < 150; round++) {
		memory_close(&fixture->memory);
		memory_open(&fixture->memory);
		fill_bucket(fixture, T0 - 60 * HOUR, T0 + 10 * HOUR);
		for (unsigned i = 0; i < 3; i++) {
			fixture->order.from_ns = T0 - roll(20) * HOUR + roll(3) * MIN;
			fixture->order.to_ns = fixture->order.from_ns + 1 +
					       (roll(2) ? roll(600) * S : roll(20) * HOUR);
			fixture->order.threads = 1 + roll(6);
			list(fixture);
			check_listing(fixture);
		}
	}
}

UNIT_TESTS()
{
	static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(one_node_costs_one_request_and_one_for_the_other_layout),
		TEST(several_names_and_repeated_ones),
		TEST(a_long_name_is_cut_in_names),
		TEST(interfaces_are_chosen),
		TEST(an_object_that_began_20_hours_ago),
		TEST(an_interface_without_an_object_near_the_window),
		TEST(what_the_metadata_cannot_name_is_looked_for),
		TEST(the_age_of_segments_and_silence_bound_the_search),
		TEST(without_metadata_the_next_object_tells),
		TEST(a_successor_says_nothing_about_others),
		TEST(a_segment_that_begins_at_the_end_of_the_window),
		TEST(a_fleet_costs_two_requests_a_node),
		TEST(threads_share_a_fleet),
		TEST(threads_share_nodes_with_long_names),
		TEST(few_nodes_cost_few_requests),
		TEST(names_that_begin_like_others),
		TEST(a_pattern_asks_for_what_begins_like_it),
		TEST(nodes_that_are_silent_are_counted),
		TEST(foreign_names_are_stepped_over),
		TEST(a_bucket_of_other_things_is_refused),
		TEST(few_other_things_are_no_hindrance),
		TEST(a_prefix_keeps_others_out),
		TEST(the_layout_by_time),
		TEST(both_layouts_in_one_bucket),
		TEST(by_time_a_long_file_is_found_too),
		TEST(by_time_each_node_has_its_interfaces),
		TEST(a_window_over_new_year),
		TEST(times_at_the_edges),
		TEST(a_failure_ends_all_threads),
		TEST(an_interruption_ends_it),
		TEST(a_key_is_between_and_cuts_no_folder),
		TEST(any_bucket_gives_all_that_overlap),
	};

	unit_add(tests, NULL, NULL);
}
