/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/environment.h"
#include "fetch/answer_json.h"
#include "fetch/progress.h"
#include "fetch/search.h"

/* A piece is read at once: as long as many sources at a time leave room for. */
#define PIECE_MIN UINT64_C(65536)
#define PIECE_MAX UINT64_C(8388608)
/* And what it is unpacked, since a few of them wait for an earlier one. */
#define PLAIN_PART 32

/* What it costs outside of the cloud that the bucket is in, in dollars: the traffic, and the requests. */
#define DOLLARS_A_GIB      0.12
#define DOLLARS_A_THOUSAND 0.0004

/* As few requests as there is memory for: what is said of the plan is what is done. */
static void join_pieces(struct search *search)
{
	uint64_t sources = search->plan.admitted > 0 ? search->plan.admitted : 1;
	uint64_t piece = search->memory_bytes / 4 / sources;

	pieces_join(&search->plan.pieces,
		    piece < PIECE_MIN   ? PIECE_MIN
		    : piece > PIECE_MAX ? PIECE_MAX
					: piece,
		    search->memory_bytes / PLAIN_PART);
}

static void say_plan(const struct search *search)
{
	const struct plan *plan = &search->plan;
	char bytes[TEXT_SIZE_MAX];
	double dollars = (double)plan->pieces.bytes / (1 << 30) * DOLLARS_A_GIB +
			 (double)plan->pieces.requests / 1000 * DOLLARS_A_THOUSAND;

	if (search->order->is_quiet || search->order->is_json)
		return;
	text_format_size(plan->pieces.bytes, bytes);
	(void)fprintf(stderr, "plan: %s in %ju requests from %zu of %zu objects", bytes,
		      (uintmax_t)plan->pieces.requests, plan->admitted, plan->searched);
	if (!search->order->is_here && strcmp(sink_ops(search->bucket.sink)->name, "file") != 0)
		(void)fprintf(stderr, ", about $%.3f (outside the bucket's cloud)", dollars);
	(void)fputc('\n', stderr);
}

/* Where runs wait that memory has no room for: beside the result, unless that is a pipe or a device. The caller frees. */
static char *temporary_folder(const struct fetch_order *order)
{
	const char *output = order->output, *slash = strrchr(output, '/');
	const char *folder = environment_get("TMPDIR");
	struct stat st;

	if (order->is_split)
		return mem_strdup(output);
	if (strcmp(output, "-") == 0 || (stat(output, &st) == 0 && !S_ISREG(st.st_mode)))
		return mem_strdup(folder && *folder ? folder : "/tmp");
	if (!slash)
		return mem_strdup(".");
	return mem_strndup(output, slash > output ? (size_t)(slash - output) : 1);
}

static struct result *open_result(const struct search *search, struct error *err)
{
	const struct fetch_order *order = search->order;
	char bytes[1024], window[256];
	struct text comment = text_over(bytes, sizeof bytes),
		    text = text_over(window, sizeof window);
	struct result *result;

	window_describe(&search->window, &text);
	text_append(&comment, "kube-node-tracer fetch %s%s: %s, filter: %s",
		    order->is_here ? "--here" : "-b ",
		    order->is_here ? "" : order->conf->upload_destination, window,
		    order->filter[0] ? order->filter : "none");
	return result_open(order->output, order->is_split, bytes, &result, err) < 0 ? NULL : result;
}

static void say_result(const struct search *search, const struct merge_total *total)
{
	char from[TEXT_TIME_MAX], to[TEXT_TIME_MAX];

	if (total->unordered > 0)
		(void)fprintf(stderr,
			      "%ju packets stand behind later ones: their files say other times "
			      "than their packets\n",
			      (uintmax_t)total->unordered);
	if (total->unwritable > 0)
		(void)fprintf(stderr, "%ju packets are larger than readers accept, and left out\n",
			      (uintmax_t)total->unwritable);
	if (search->order->is_quiet)
		return;
	(void)fprintf(stderr, "%s: %ju packet%s", search->order->output, (uintmax_t)total->packets,
		      total->packets == 1 ? "" : "s");
	if (total->packets > 0) {
		text_format_time(total->earliest_ns, from);
		text_format_time(total->latest_ns, to);
		(void)fprintf(stderr, " of %zu interface%s, %s to %s", total->interfaces,
			      total->interfaces == 1 ? "" : "s", from, to);
	}
	(void)fputc('\n', stderr);
}

static void say_answer(const struct search *search, const struct merge_total *total,
		       const char *warning)
{
	if (search->order->is_json) {
		answer_write_json(search, total, warning, NULL, stderr);
		return;
	}
	if (warning && !search->order->is_quiet)
		(void)fprintf(stderr, "%s\n", warning);
	if (total)
		say_result(search, total);
	search_say_coverage(search, total ? total->packets > 0 : search->plan.admitted > 0);
}

/* Read and write all of it. */
static enum merge_end merge(struct search *search, struct result *result,
			    struct merge_total *ret_total, struct error *err)
{
	const struct fetch_order *order = search->order;
	cleanup_free char *folder = temporary_folder(order);
	struct progress progress = progress_begin(order->is_quiet, search->plan.pieces.bytes);
	const struct merge_order wanted = {
		.bucket = &search->bucket,
		.listing = &search->listing,
		.window = &search->window,
		.match = search->match,
		.plan = &search->plan,
		.result = result,
		.threads = search->threads,
		.memory_bytes = search->memory_bytes / 2,
		.temporary_folder = folder,
		.progress = progress_show,
		.progress_context = &progress,
	};
	enum merge_end end;

	end = merge_run(&wanted, search->coverage, ret_total, err);
	progress_end(&progress);
	return end;
}

/* What is known of each interface goes to the end of the file. */
static int finish(const struct search *search, struct result *result,
		  const struct merge_total *total, struct error *err)
{
	cleanup_free struct coverage_totals *covered = mem_calloc(total->interfaces,
								  sizeof *covered);
	cleanup_free struct result_statistics *statistics = mem_calloc(total->interfaces,
								       sizeof *statistics);

	for (size_t i = 0; i < total->interfaces; i++) {
		const struct source *source = &search->listing.sources[total->sources[i]];

		coverage_of(search->coverage, source->node, source->interface, &covered[i]);
		statistics[i] = (struct result_statistics){ covered[i].start_ns, covered[i].end_ns,
							    covered[i].drops, covered[i].comment };
	}
	return result_finish(result, statistics, total->interfaces, err);
}

static int end_early(enum merge_end end, struct result *result, struct merge_total *total,
		     struct error *err)
{
	result_abandon(result);
	free(take_ptr(total->sources));
	if (end == MERGE_STOPPED)
		return FETCH_STOPPED;
	if (end == MERGE_NO_BUCKET)
		return search_explain(err);
	if (err->kind == ERROR_USAGE)
		return -1;
	/* Whoever reads the pipe has seen enough. */
	if (err->errnum != EPIPE)
		log_error(err->message);
	return FETCH_NO_OUTPUT;
}

static int read_and_write(struct search *search, struct error *err)
{
	struct result *result = open_result(search, err);
	struct merge_total total;
	enum merge_end end;

	if (!result)
		return err->kind == ERROR_USAGE ? -1 : search_explain(err);
	end = merge(search, result, &total, err);
	if (end != MERGE_DONE)
		return end_early(end, result, &total, err);
	if (finish(search, result, &total, err) < 0)
		return end_early(MERGE_NO_OUTPUT, result, &total, err);
	say_answer(search, &total, result_warning(result));
	result_abandon(result);
	free(total.sources);
	return search_strict(search, total.packets > 0 ? FETCH_FOUND : FETCH_NOTHING);
}

static int stop_at_limit(const struct search *search)
{
	char limit[TEXT_SIZE_MAX], plan[TEXT_SIZE_MAX];

	if (search->order->is_json) {
		answer_write_json(search, NULL, NULL, NULL, stderr);
		return FETCH_SHORT;
	}
	text_format_size(search->plan.pieces.bytes, plan);
	text_format_size(search->order->limit_bytes, limit);
	(void)fprintf(stderr,
		      "%s are more than --limit %s: narrow the window or the filter, or raise it\n",
		      plan, limit);
	return FETCH_SHORT;
}

int fetch_run(const struct fetch_order *order, struct error *err)
{
	cleanup(search_close) struct search search = { .order = order };
	int status;

	if (!order->is_dry_run && result_check(order->output, order->is_split, err) < 0)
		return err->kind == ERROR_USAGE ? -1 : search_explain(err);
	status = search_open(order, &search, err);
	if (status != 0)
		return status;
	join_pieces(&search);
	say_plan(&search);
	if (search.plan.pieces.bytes > order->limit_bytes)
		return stop_at_limit(&search);
	if (order->is_dry_run) {
		say_answer(&search, NULL, NULL);
		return search_strict(&search,
				     search.plan.admitted > 0 ? FETCH_FOUND : FETCH_NOTHING);
	}
	return read_and_write(&search, err);
}
