/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "fetch/answer_json.h"
#include "fetch/conversations.h"
#include "fetch/fetch.h"

#define TIME_OF_DAY 11 /* where it begins in "2026-11-23T14:02:00.1Z" */

static bool is_admitted(const struct planned *planned)
{
	return planned->state == PLANNED_MEMBERS || planned->state == PLANNED_WHOLE;
}

/* "14:02:00.123", or "-" */
static void format_clock(uint64_t time_ns, char out[TEXT_TIME_MAX])
{
	char text[TEXT_TIME_MAX];

	if (time_ns == 0) {
		(void)snprintf(out, TEXT_TIME_MAX, "-");
		return;
	}
	text_format_rfc3339(time_ns, text);
	(void)snprintf(out, TEXT_TIME_MAX, "%.12s", text + TIME_OF_DAY);
}

static void print_object(const struct search *search, size_t number, int node_width)
{
	const struct object *object = &search->listing.objects[number];
	const struct planned *planned = &search->plan.objects[number];
	const struct source *source = &search->listing.sources[object->source];
	char from[TEXT_TIME_MAX], to[TEXT_TIME_MAX], bytes[TEXT_SIZE_MAX], members[32] = "all";

	format_clock(planned->earliest_ns, from);
	format_clock(planned->latest_ns, to);
	text_format_size(planned->wanted_bytes, bytes);
	if (planned->state == PLANNED_MEMBERS)
		(void)snprintf(members, sizeof members, "%u of %u", planned->wanted,
			       planned->members);
	(void)printf("%-*s  %-9s  %-12s  %-12s  %-12s  %-8s  %s\n", node_width, source->node,
		     source->interface, from, to, members, bytes, object->name);
}

static void print_table(const struct search *search)
{
	const struct listing *listing = &search->listing;
	int width = 4;
	char wanted[TEXT_SIZE_MAX], all[TEXT_SIZE_MAX];

	for (size_t i = 0; i < listing->count; i++)
		if (is_admitted(&search->plan.objects[i]) &&
		    (int)strlen(listing->sources[listing->objects[i].source].node) > width)
			width = (int)strlen(listing->sources[listing->objects[i].source].node);
	(void)printf("%-*s  %-9s  %-12s  %-12s  %-12s  %-8s  %s\n", width, "NODE", "INTERFACE",
		     "FROM", "TO", "MEMBERS", "BYTES", "OBJECT");
	for (size_t i = 0; i < listing->count; i++)
		if (is_admitted(&search->plan.objects[i]))
			print_object(search, i, width);
	text_format_size(search->plan.pieces.bytes, wanted);
	text_format_size(search->plan.window_bytes, all);
	if (fflush(stdout) != 0)
		return;
	(void)fprintf(stderr, "%zu of %zu objects may hold matches: %s of %s\n",
		      search->plan.admitted, search->plan.searched, wanted, all);
}

static void print_names(const struct search *search)
{
	for (size_t i = 0; i < search->listing.count; i++)
		if (is_admitted(&search->plan.objects[i]))
			(void)printf("%s\n", search->listing.objects[i].name);
}

static int print_conversations(struct search *search, struct error *err)
{
	const struct plan_order order = {
		.bucket = &search->bucket,
		.listing = &search->listing,
		.window = &search->window,
		.match = search->match,
		.threads = search->threads,
	};
	cleanup(conversations_done) struct conversations conversations;
	int result = conversations_gather(&order, &search->plan, &conversations, err);

	if (result < 0)
		return search_explain(err);
	if (search->order->is_json)
		answer_write_json(search, NULL, NULL, conversations_json(&conversations), stdout);
	else
		conversations_write(&conversations, stdout);
	(void)fflush(stdout);
	if (conversations.unlisted_files > 0)
		(void)fprintf(stderr,
			      "%zu files have packets of the window that no index lists, so that "
			      "their conversations are not here, or not all of them\n",
			      conversations.unlisted_files);
	if (conversations.left_out > 0)
		(void)fprintf(stderr,
			      "only %zu conversations are listed, there are more: use a filter\n",
			      CONVERSATIONS_MAX);
	return conversations.count > 0 ? FETCH_FOUND : FETCH_NOTHING;
}

static int print_objects(const struct search *search)
{
	if (search->order->is_json)
		answer_write_json(search, NULL, NULL, NULL, stdout);
	else if (search->order->is_quiet)
		print_names(search);
	else
		print_table(search);
	return search->plan.admitted > 0 ? FETCH_FOUND : FETCH_NOTHING;
}

/* Nobody reads the pipe any more: that needs no words. */
static int explain_output(void)
{
	struct error err;

	if (errno != EPIPE) {
		(void)error_errno(&err, "standard output");
		log_error(err.message);
	}
	return FETCH_NO_OUTPUT;
}

int find_run(const struct fetch_order *order, struct error *err)
{
	cleanup(search_close) struct search search;
	int status = search_open(order, &search, err);

	if (status != 0)
		return status;
	status = order->is_conversations ? print_conversations(&search, err)
					 : print_objects(&search);
	if (status < 0 || status > FETCH_NOTHING)
		return status;
	if (fflush(stdout) != 0 || ferror(stdout))
		return explain_output();
	if (!order->is_json)
		search_say_coverage(&search, status == FETCH_FOUND);
	return search_strict(&search, status);
}
