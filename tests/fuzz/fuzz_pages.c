/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to the status server as libmicrohttpd hands them over, and the texts that its parts read: the
 * address to listen on, the kernel's table of interfaces. Bit 0 of the first byte is the control socket,
 * bit 1 a loopback address; the lines after it are method, path, Accept, since and Host.
 */
#include "fuzz.h"
#include "status/server.h"
#include "netif/netif.h"

struct world {
	struct conf conf;
	struct counters counters;
	struct series_set *series;
	unsigned acted;
};

static void gather(void *context, struct status_snapshot *ret_snapshot)
{
	struct world *world = context;

	*ret_snapshot = (struct status_snapshot){
		.conf = &world->conf,
		.counters = &world->counters,
		.series = world->series,
		.phase = STATUS_RECORDING,
		.now_ms = 1000000,
		.real_ns = UINT64_C(1795435826000000000),
		.interfaces = "eth0",
		.outage = "",
	};
}

static void act(void *context)
{
	((struct world *)context)->acted++;
}

static int reload(void *context, struct error *err)
{
	(void)err;
	act(context);
	return 0;
}

static int reload_result(void *context, const char **ret_notes, struct error *err)
{
	(void)context;
	*ret_notes = "";
	return error_set(err, ERROR_CONFIG, "no");
}

static struct world *make_world(void)
{
	struct world *world = mem_calloc(1, sizeof *world);
	char nothing[] = "";
	struct status_snapshot snapshot;

	counters_init(&world->counters);
	world->series = series_new();
	world->conf.capture_filter = mem_strdup(nothing);
	world->conf.node_name = world->conf.spool_directory = world->conf.upload_destination =
		world->conf.capture_filter;
	(void)counters_take(&world->counters, "eth0");
	gather(world, &snapshot);
	snapshot.now_ms = 0;
	series_take(world->series, &snapshot, "");
	return world;
}

static void check_listener(const char *text)
{
	struct server_address address;
	struct error err = { .kind = ERROR_NONE };

	if (server_parse_address(text, &address, &err) < 0)
		fuzz_require(err.kind == ERROR_CONFIG);
	else
		fuzz_require((address.length == 0) == !*text);
}

static void write_ended(void *context, uint64_t real_ns, FILE *out)
{
	(void)context;
	(void)fprintf(out, "%ju\n", (uintmax_t)real_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct world *world;
	cleanup_free char *text = fuzz_text(bytes, size);
	char *rest = text, *parts[5] = { NULL };
	struct route_request request = {
		.is_control = size > 0 && (bytes[0] & 1),
		.is_loopback = size > 0 && (bytes[0] & 2),
	};
	struct route_actions actions = { .gather = gather,
					 .reload = reload,
					 .reload_result = reload_result,
					 .end_segments = act,
					 .write_ended = write_ended,
					 .flush = act };
	struct route_reply reply;
	uint64_t in, out;
	unsigned acted;

	if (!world)
		world = make_world();
	acted = world->acted;
	actions.context = world;
	check_listener(text);
	(void)netdev_packets(text, "eth0", &in, &out);
	(void)strsep(&rest, "\n");
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		parts[i] = strsep(&rest, "\n");
	request.method = parts[0] ? parts[0] : "";
	request.path = parts[1] ? parts[1] : "";
	request.accept = parts[2];
	request.since = parts[3];
	request.host = parts[4];
	routes_answer(&actions, &request, &reply);
	fuzz_require(reply.status >= 200 && reply.status < 600 && reply.content_type);
	fuzz_require(strlen(reply.body) == reply.length && reply.length > 0);
	/* Strangers change nothing. */
	fuzz_require(request.is_control || world->acted == acted);
	free(reply.body);
	return 0;
}
