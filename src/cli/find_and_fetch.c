/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/cli.h"
#include "fetch/fetch.h"
#include "fetch/typed_time.h"

#define THREADS_DEFAULT 16
#define THREADS_MAX     64
#define LIMIT_DEFAULT   (UINT64_C(10) << 30)
#define MEMORY_MIN      (UINT64_C(8) << 20)
#define LOOKBACK_MAX_S  (UINT64_C(366) * 86400)
#define PLAIN_UNIT      1 /* a size without a suffix is bytes */

static int take_size(const struct command_line *line, const char *flag, uint64_t min,
		     uint64_t *size, struct error *err)
{
	const char *text = command_line_value(line, flag);

	if (!text || (text_parse_size(text, PLAIN_UNIT, size) == 0 && *size >= min))
		return 0;
	return error_set(
		err, ERROR_USAGE,
		"--%s: '%.100s' is no size that is allowed; give one such as 64MiB, 500M or "
		"2GiB%s",
		flag, text, min > 1 ? ", of at least 8MiB" : "");
}

static int take_threads(const struct command_line *line, unsigned *threads, struct error *err)
{
	const char *text = command_line_value(line, "parallel");
	uint64_t number;

	if (!text)
		return 0;
	if (text_parse_number(text, &number) < 0 || number < 1 || number > THREADS_MAX)
		return error_set(err, ERROR_USAGE, "-j: '%.100s' is not a number from 1 to %d",
				 text, THREADS_MAX);
	*threads = (unsigned)number;
	return 0;
}

static int take_lookback(const struct command_line *line, uint64_t *seconds, struct error *err)
{
	const char *text = command_line_value(line, "lookback");
	uint64_t ns;

	if (!text)
		return 0;
	if (typed_time_read_duration(text, &ns) < 0 || ns < CLOCK_NS_PER_S ||
	    ns / CLOCK_NS_PER_S > LOOKBACK_MAX_S)
		return error_set(err, ERROR_USAGE,
				 "--lookback: '%.100s' is not a duration such as 6h or 2d", text);
	*seconds = ns / CLOCK_NS_PER_S;
	return 0;
}

/* The words at the end, joined by blanks, as for tcpdump; or -f. The caller frees. */
static char *join_filter(const struct command_line *line, struct error *err)
{
	const char *option = line->conf.value[CONF_capture_filter];
	char *filter = mem_strdup(option ? option : "");

	if (option && line->word_count > 0) {
		free(filter);
		(void)error_set(err, ERROR_USAGE,
				"the filter is given twice: by '%s' and by '%.100s' at the end",
				line->conf.typed[CONF_capture_filter], line->words[0]);
		return NULL;
	}
	for (int i = 0; i < line->word_count; i++) {
		char *longer = mem_printf("%s%s%s", filter, i > 0 ? " " : "", line->words[i]);

		free(filter);
		filter = longer;
	}
	return filter;
}

static int take_order(struct command_line *line, struct fetch_order *order, struct error *err)
{
	order->from = command_line_value(line, "from");
	order->to = command_line_value(line, "to");
	order->around = command_line_value(line, "around");
	order->window = command_line_value(line, "window");
	order->nodes = command_line_value(line, "node");
	order->interfaces = command_line_value(line, "interface");
	order->cache = command_line_value(line, "cache");
	order->is_inner = command_line_value(line, "inner");
	order->is_all = command_line_value(line, "all");
	order->all_nodes = command_line_value(line, "all-nodes");
	order->is_strict = command_line_value(line, "strict");
	order->is_here = command_line_value(line, "here");
	order->is_json = command_line_value(line, "json");
	order->is_quiet = command_line_value(line, "quiet");
	order->threads = THREADS_DEFAULT;
	if (order->is_here && order->cache)
		return error_set(err, ERROR_USAGE,
				 "--here reads files of this node, so that "
				 "--cache has no use");
	return take_threads(line, &order->threads, err) < 0 ||
			       take_lookback(line, &order->lookback_s, err) < 0
		       ? -1
		       : 0;
}

static int run(struct command_line *line, struct fetch_order *order,
	       int (*search)(const struct fetch_order *order, struct error *err), struct error *err)
{
	cleanup_conf struct conf *conf = NULL;
	cleanup_free char *filter = join_filter(line, err);

	if (!filter || take_order(line, order, err) < 0)
		return -1;
	/* The recorder's own filter is of no use here, nor need it be right. */
	free(take_ptr(line->conf.value[CONF_capture_filter]));
	if (conf_load(&line->conf, &conf, err) < 0)
		return -1;
	log_setup(LOG_LEVEL_WARNING, LOG_FORMAT_AUTO);
	order->conf = conf;
	order->filter = filter;
	return search(order, err);
}

int search_find(struct command_line *line, struct error *err)
{
	struct fetch_order order = { .is_conversations = command_line_value(line,
									    "conversations") };

	return run(line, &order, find_run, err);
}

int search_fetch(struct command_line *line, struct error *err)
{
	struct fetch_order order = { .output = command_line_value(line, "write") };

	order.is_split = command_line_value(line, "split-by-node");
	order.is_dry_run = command_line_value(line, "dry-run");
	if (!order.output && !order.is_dry_run)
		return error_set(err, ERROR_USAGE,
				 "fetch needs -w FILE, or -w - for a pipe: kube-node-tracer fetch "
				 "--from '10m ago' -w - port 53 | tcpdump -nr -");
	order.limit_bytes = LIMIT_DEFAULT;
	if (take_size(line, "limit", 1, &order.limit_bytes, err) < 0 ||
	    take_size(line, "memory", MEMORY_MIN, &order.memory_bytes, err) < 0)
		return -1;
	return run(line, &order, fetch_run, err);
}
