/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/search.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/environment.h"

#define MEMORY_BYTES   (UINT64_C(256) << 20)
#define LONG_WINDOW_NS (600 * CLOCK_NS_PER_S)

static atomic_bool is_cancelled;

const atomic_bool *search_cancel(void)
{
	return &is_cancelled;
}

static void on_interrupt(int signal)
{
	(void)signal;
	atomic_store(&is_cancelled, true);
}

/* The second Ctrl-C ends the process at once: the first may wait for a pipe that nobody reads. */
static void listen_for_interrupts(void)
{
	struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = SA_RESETHAND };

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	action = (struct sigaction){ .sa_handler = SIG_IGN };
	(void)sigaction(SIGPIPE, &action, NULL);
}

int search_explain(struct error *err)
{
	if (atomic_load(&is_cancelled))
		return FETCH_STOPPED;
	if (err->kind == ERROR_USAGE || err->kind == ERROR_CONFIG)
		return -1;
	log_error(err->message);
	return err->kind == ERROR_TRANSIENT ? FETCH_UNAVAILABLE : FETCH_NO_OUTPUT;
}

/* Window and filter as they were understood: what a shell has done to them is seen here. */
static void say_question(const struct search *search)
{
	const struct fetch_order *order = search->order;
	char bytes[512];
	struct text text = text_over(bytes, sizeof bytes);

	if (order->is_quiet || order->is_json)
		return;
	window_describe(&search->window, &text);
	(void)fprintf(stderr, "%s\n", bytes);
	if (order->filter[0])
		(void)fprintf(stderr, "filter: (%s)%s\n", order->filter,
			      order->is_inner ? ", of tunnels by the packet inside" : "");
	else
		(void)fprintf(stderr, "filter: none (everything)\n");
}

/* A file that is being written ends here, for all that can be said of it. */
static void learn(void *context, const struct object *object, const struct segment *segment)
{
	cleanup_free struct segment *now = NULL;

	if (object->is_growing && segment->end_ns == 0) {
		now = mem_alloc(sizeof *now);
		*now = *segment;
		now->end_ns = clock_real_ns();
		segment = now;
	}
	coverage_add(context, segment, true);
}

/* "~/.cache/kube-node-tracer", or NULL. The caller frees. */
static char *cache_folder(void)
{
	const char *cache = environment_get("XDG_CACHE_HOME"), *home = environment_get("HOME");

	if (cache && *cache == '/')
		return mem_printf("%s/kube-node-tracer", cache);
	return home && *home == '/' ? mem_printf("%s/.cache/kube-node-tracer", home) : NULL;
}

/* Nodes that were asked for by name: that nothing is there of one of them is an answer, too. */
static void expect_nodes(struct search *search)
{
	cleanup_free char *names = search->order->nodes ? mem_strdup(search->order->nodes) : NULL;
	char *rest = names, *name;

	while ((name = strsep(&rest, ",")))
		if (*name && !strpbrk(name, "*?["))
			coverage_expect(search->coverage, name, NULL);
}

static int list(struct search *search, struct error *err)
{
	const struct fetch_order *order = search->order;
	/* On the node there is one node, and no memory for a list of others. */
	cleanup_free char *cache = order->is_here ? NULL : cache_folder();
	const struct listing_order wanted = {
		.from_ns = search->window.from_ns,
		.to_ns = search->window.to_ns,
		.lookback_s = order->lookback_s,
		.nodes = order->nodes,
		.interfaces = order->interfaces,
		.all_nodes = order->all_nodes,
		.threads = search->threads,
		.cache_folder = cache,
	};

	return listing_make(&search->bucket, &wanted, learn, search->coverage, &search->listing,
			    err);
}

static int plan(struct search *search, struct error *err)
{
	const struct fetch_order *order = search->order;
	const struct plan_order wanted = {
		.bucket = &search->bucket,
		.listing = &search->listing,
		.window = &search->window,
		.match = search->match,
		.has_filter = order->filter[0],
		.threads = search->threads,
	};

	return plan_make(&wanted, search->coverage, &search->plan, err);
}

/* On the node there is one thread, and what the recorder leaves. */
static int open_bucket(struct search *search, struct error *err)
{
	const struct fetch_order *order = search->order;

	search->threads = order->threads;
	search->memory_bytes = order->memory_bytes > 0 ? order->memory_bytes : MEMORY_BYTES;
	if (!order->is_here)
		return bucket_open(order->conf, order->cache, &is_cancelled, &search->bucket, err);
	search->threads = 1;
	search->memory_bytes = order->memory_bytes;
	if (here_begin(&search->here, &search->memory_bytes, &is_cancelled, err) < 0)
		return -1;
	return bucket_open_spool(order->conf, &search->here, &is_cancelled, &search->bucket, err);
}

int search_open(const struct fetch_order *order, struct search *ret_search, struct error *err)
{
	uint64_t now_ns = clock_real_ns();
	struct search *search = ret_search;
	bool is_fetch = order->output || order->is_dry_run;

	*search = (struct search){ .order = order };
	listen_for_interrupts();
	mem_share();
	if (window_parse(order->from, order->to, order->around, order->window, now_ns,
			 &search->window, err) < 0 ||
	    match_open(order->filter, order->is_inner, &search->match, err) < 0)
		return search_explain(err);
	say_question(search);
	if (open_bucket(search, err) < 0)
		return search_explain(err);
	search->has_bucket = true;
	search->coverage = coverage_new(&search->window, now_ns);
	if (order->is_here)
		coverage_set_here(search->coverage);
	expect_nodes(search);
	if (list(search, err) < 0)
		return search_explain(err);
	if (is_fetch && !order->filter[0] && !order->is_all && search->listing.nodes > 1 &&
	    search->window.to_ns - search->window.from_ns > LONG_WINDOW_NS)
		return error_set(err, ERROR_USAGE,
				 "no filter, %zu nodes and more than 10 minutes: say --all if "
				 "that is meant",
				 search->listing.nodes);
	if (plan(search, err) < 0 || atomic_load(&is_cancelled))
		return search_explain(err);
	return 0;
}

void search_close(struct search *search)
{
	plan_free(&search->plan);
	coverage_free(search->coverage);
	listing_free(&search->listing);
	if (search->has_bucket)
		bucket_close(&search->bucket);
	match_close(search->match);
}

/* "Not recorded" is not "not sent". */
static void say_recording(const struct search *search)
{
	char bytes[1024];
	struct text text = text_over(bytes, sizeof bytes);

	coverage_describe_recording(search->coverage, &text);
	if (text.length > 0)
		(void)fprintf(stderr, "%s\n", bytes);
}

size_t search_count_late(const struct search *search)
{
	size_t count = 0;

	for (size_t i = 0; i < search->listing.sources_count; i++)
		count += search->listing.is_late[i];
	return count;
}

/* What the listing could not know. */
static void say_reach(const struct search *search)
{
	const struct listing *listing = &search->listing;
	size_t late = search_count_late(search);

	if (listing->count == 0)
		(void)fprintf(stderr, "no file of these nodes and interfaces is near the window\n");
	if (late > 0 && !coverage_is_complete(search->coverage))
		(void)fprintf(stderr,
			      "of %zu interface%s no file begins before the window; looked back "
			      "%ju h (--lookback looks further)\n",
			      late, late == 1 ? "" : "s",
			      (uintmax_t)(listing->looked_back_s + 1800) / 3600);
	if (listing->silent_nodes > 0)
		(void)fprintf(stderr, "%zu more nodes have files, but none near the window\n",
			      listing->silent_nodes);
}

void search_say_coverage(const struct search *search, bool is_found)
{
	const struct plan *plan = &search->plan;

	if (plan->not_searched > 0)
		(void)fprintf(stderr,
			      "%zu file%s not searched, as this filter cannot be used for "
			      "their type of link: %s\n",
			      plan->not_searched, plan->not_searched == 1 ? " was" : "s were",
			      plan->not_searched_why);
	if (plan->with_tunnels > 0 && !search->order->is_inner && !search->order->is_quiet)
		(void)fprintf(stderr,
			      "%zu file%s packets in tunnels, of which the outer headers were "
			      "searched: --inner searches inside\n",
			      plan->with_tunnels, plan->with_tunnels > 1 ? "s have" : " has");
	if (plan->too_complex > 0)
		(void)fprintf(stderr,
			      "the filter is too complex to narrow %zu files: all of their packets "
			      "of the window are read\n",
			      plan->too_complex);
	if (!is_found)
		say_recording(search);
	if (search->order->is_quiet && coverage_is_complete(search->coverage))
		return;
	coverage_write_text(search->coverage, stderr, false);
	if (!search->order->is_quiet)
		say_reach(search);
}

int search_strict(const struct search *search, int status)
{
	bool is_complete = coverage_is_complete(search->coverage) && search->plan.not_searched == 0;

	return search->order->is_strict && !is_complete ? FETCH_SHORT : status;
}
