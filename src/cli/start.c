/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "capture/capture_check.h"
#include "cli/cli.h"
#include "daemon/daemon.h"

/* A word that is looked up for longer may be a host. */
#define LOOK_UP_MS UINT64_C(2000)

static int check_word(const struct conf *conf, struct error *err)
{
	struct filter *filter = filter_new(conf);
	int result = capture_check_filter(filter, LOOK_UP_MS, err);

	(void)filter_free(filter);
	return result;
}

static int load_conf(const struct command_line *line, struct conf **ret_conf, struct error *err)
{
	char bytes[256];
	struct text words = text_over(bytes, sizeof bytes);
	struct error reason;

	if (conf_load(&line->conf, ret_conf, err) < 0)
		return -1;
	/* A single bare word that is no filter is most likely a command, mistyped or not in front. */
	if (line->word_count == 1 &&
	    !line->words[0][strspn(line->words[0], "abcdefghijklmnopqrstuvwxyz-")] &&
	    check_word(*ret_conf, &reason) < 0) {
		command_line_append_words(line->commands, &words);
		return error_set(err, ERROR_USAGE,
				 "'%s' is not a filter: %s; commands are %s, as the first word",
				 line->words[0], reason.message, bytes);
	}
	conf_setup_log(*ret_conf);
	return 0;
}

int start_run(struct command_line *line, struct error *err)
{
	cleanup_conf struct conf *conf = NULL;

	if (load_conf(line, &conf, err) < 0)
		return -1;
	return daemon_run(conf, &line->conf, &line->is_hung, err);
}

int start_check_config(struct command_line *line, struct error *err)
{
	cleanup_conf struct conf *conf = NULL;

	return load_conf(line, &conf, err) < 0
		       ? -1
		       : daemon_check(conf, command_line_value(line, "offline"), err);
}
