/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: which row of the table of commands it means, with which flags, or why it is refused. */
#include "unit.h"

#include "conf/conf_fixture.h"

static int run_nothing(struct command_line *line, struct error *err)
{
	(void)line;
	(void)err;
	return 0;
}

/* One with flags and words of its own, as a command that searches has; some hide options. */
static const struct command search_commands[] = {
	{ .word = "run", .kind = COMMAND_CONFIGURES, .words = "[FILTER...]", .run = run_nothing },
	{ .word = "find",
	  .kind = COMMAND_INFORMS,
	  .words = "[FILTER...]",
	  .run = run_nothing,
	  .flags = { { "from", 0, "TIME", "" },
		     { "write", 'w', "FILE", "" },
		     { "node", 'N', "NAME", "" },
		     { "follow", 'F', NULL, "" } } },
	{ .word = NULL },
};

static int parse(const struct command *table, char *copy, struct command_line *ret_line,
		 struct error *err)
{
	static char *argv[FIXTURE_ARGS_MAX + 1];
	int argc = fixture_split(copy, argv);

	return command_line_parse(ret_line, table, argc, argv, err);
}

static char *join_words(const struct command_line *line)
{
	char *joined = mem_strdup("");

	for (int i = 0; i < line->word_count; i++) {
		char *longer = mem_printf("%s%s%s", joined, i ? " " : "", line->words[i]);

		free(joined);
		joined = longer;
	}
	return joined;
}

static void test_commands(void **state)
{
	static const struct {
		const char *line, *command, *flag; /* one of its own that is given */
		const char *words;                 /* at the end */
	} cases[] = {
		{ "x", "run", NULL, "" },
		{ "x run", "run", NULL, "" },
		{ "x run -b b udp port 53", "run", NULL, "udp port 53" },
		{ "x -b b udp port 53", "run", NULL, "udp port 53" },
		{ "x status", "status", NULL, "" },
		{ "x status --json -o /d", "status", "json", "" },
		{ "x status --wat", "status", "watch", "" },
		{ "x rotate --config f", "rotate", NULL, "" },
		{ "x reload", "reload", NULL, "" },
		{ "x flush", "flush", NULL, "" },
		{ "x healthz", "healthz", NULL, "" },
		{ "x check-config udp", "check-config", NULL, "udp" },
		{ "x --check-config udp", "check-config", NULL, "udp" },
		{ "x udp --check-config", "check-config", NULL, "udp" },
		{ "x run --check-config", "check-config", NULL, "" },
		{ "x check-config --check-config", "check-config", NULL, "" },
		{ "x print-config -b b", "print-config", NULL, "" },
		{ "x --print-config", "print-config", NULL, "" },
		{ "x help", "help", NULL, "" },
		{ "x help status", "help", NULL, "status" },
		{ "x help --all", "help", "all", "" },
		{ "x -h", "help", NULL, "" },
		{ "x --help", "help", "all", "" },
		{ "x --he", "help", "all", "" },
		{ "x -i eth0 -h", "help", NULL, "" },
		{ "x readyz --help", "help", NULL, "readyz" },
		{ "x status --json -h", "help", NULL, "status" },
		{ "x run --help", "help", NULL, "run" },
		{ "x version", "version", NULL, "" },
		{ "x -V", "version", NULL, "" },
		{ "x status --version", "version", NULL, "" },
		/* Nothing after these counts. */
		{ "x -hx -x", "help", NULL, "" },
		{ "x --version --no-such", "version", NULL, "" },
		/* Not in front they are words of the filter, like all others. */
		{ "x -i eth0 status", "run", NULL, "status" },
		{ "x statuses", "run", NULL, "statuses" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		cleanup_free char *copy = mem_strdup(cases[i].line), *words = NULL;
		struct command_line line;
		struct error err;

		if (parse(commands, copy, &line, &err) < 0)
			fail_msg("%s: %s", cases[i].line, err.message);
		words = join_words(&line);
		if (strcmp(line.command->word, cases[i].command) != 0 ||
		    strcmp(words, cases[i].words) != 0)
			fail_msg("%s: %s [%s]", cases[i].line, line.command->word, words);
		for (int j = 0; j < COMMAND_FLAGS_MAX && line.command->flags[j].name; j++) {
			const char *flag = line.command->flags[j].name;
			bool is_wanted = cases[i].flag && strcmp(flag, cases[i].flag) == 0;

			if (!command_line_value(&line, flag) == is_wanted)
				fail_msg("%s: --%s", cases[i].line, flag);
		}
		assert_int_equal(!!line.conf.value[CONF_capture_filter],
				 line.command->kind == COMMAND_CONFIGURES && *words);
		conf_cli_done(&line.conf);
	}
}

static void test_refusals(void **state)
{
	static const struct {
		const char *line, *message;
	} cases[] = {
		{ "x status status",
		  "'status' after the command 'status', which takes no more words" },
		{ "x version 1", "'1' after the command 'version', which takes no more words" },
		{ "x flush --json",
		  "flag '--json' belongs to the commands 'find', 'fetch', 'status', which must be the "
		  "first word" },
		{ "x --watch",
		  "flag '--watch' belongs to the command 'status', which must be the first word" },
		{ "x --json status",
		  "flag '--json' belongs to the commands 'find', 'fetch', 'status', which must be the "
		  "first word" },
		{ "x run --all",
		  "flag '--all' belongs to the commands 'find', 'fetch', 'help', which must be the first word" },
		{ "x status --all",
		  "flag '--all' belongs to the commands 'find', 'fetch', 'help', which must be the first word" },
		{ "x status --check-config",
		  "--check-config cannot be combined with the command 'status'" },
		{ "x check-config --print-config",
		  "--print-config cannot be combined with the command 'check-config'" },
		{ "x --print-config --check-config",
		  "--print-config and --check-config exclude each other" },
		{ "x status --json=1", "flag '--json' takes no argument; see --help" },
		{ "x rotate --no-such", "unknown flag '--no-such'; see --help" },
		{ "x rotate -q",
		  "flag '-q' belongs to the commands 'find', 'fetch', which must be the first word" },
		{ "x rotate -Q", "unknown flag '-Q'; see --help" },
		{ "x rotate -=", "unknown flag '-='; see --help" },
		{ "x rotate -b", "flag '-b' needs an argument; see --help" },
		{ "x rotate -b=x", "flag '-b' takes its value without '=': -b x" },
		{ "x --w", "unknown flag '--w'; see --help" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		cleanup_free char *copy = mem_strdup(cases[i].line);
		struct command_line line;
		struct error err;

		assert_int_equal(parse(commands, copy, &line, &err), -1);
		assert_string_equal(err.message, cases[i].message);
		assert_int_equal(err.kind, ERROR_USAGE);
		conf_cli_done(&line.conf);
	}
}

static void test_own_flags(void **state)
{
	static const struct {
		const char *line, *from, *write, *node, *follow, *words, *option_N;
	} cases[] = {
		{ "x find", NULL, NULL, NULL, NULL, "", NULL },
		{ "x find --from 10:00 -w f.pcap -F udp port 53", "10:00", "f.pcap", NULL, "",
		  "udp port 53", NULL },
		{ "x find udp --from=10:00 --write f -w g", "10:00", "g", NULL, NULL, "udp", NULL },
		/* Where an option has the same letter, the command's own flag wins. */
		{ "x find -N n", NULL, NULL, "n", NULL, "", NULL },
		{ "x find --node-name n --node m", NULL, NULL, "m", NULL, "", "n" },
		{ "x find -- -w", NULL, NULL, NULL, NULL, "-w", NULL },
	};
	char letter[] = "x run -w f", option[] = "x -N n";
	struct command_line line;
	struct error err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		cleanup_free char *copy = mem_strdup(cases[i].line), *words = NULL;
		const char *const flags[] = { "from", "write", "node", "follow" };
		const char *const wanted[] = { cases[i].from, cases[i].write, cases[i].node,
					       cases[i].follow };

		if (parse(search_commands, copy, &line, &err) < 0)
			fail_msg("%s: %s", cases[i].line, err.message);
		for (size_t j = 0; j < COUNT_OF(flags); j++) {
			const char *value = command_line_value(&line, flags[j]);

			assert_int_equal(!value, !wanted[j]);
			if (value)
				assert_string_equal(value, wanted[j]);
		}
		words = join_words(&line);
		assert_string_equal(words, cases[i].words);
		assert_null(line.conf.value[CONF_capture_filter]);
		assert_int_equal(!line.conf.value[CONF_node_name], !cases[i].option_N);
		conf_cli_done(&line.conf);
	}
	assert_int_equal(parse(search_commands, letter, &line, &err), -1);
	assert_string_equal(
		err.message,
		"flag '-w' belongs to the command 'find', which must be the first word");
	conf_cli_done(&line.conf);
	assert_int_equal(parse(search_commands, option, &line, &err), 0);
	assert_string_equal(line.conf.value[CONF_node_name], "n");
	conf_cli_done(&line.conf);
}

static void test_what_is_given(void **state)
{
	char text[] =
		"x host a -i eth0 and --capture-interface=eth1 -s 1 -s 2 --config f --check-config -- port 80";
	char *argv[FIXTURE_ARGS_MAX + 1];
	int argc = fixture_split(text, argv);
	struct command_line line;
	struct error err;

	(void)state;
	for (int round = 0; round < 2; round++) { /* again, with argv as getopt left it */
		assert_int_equal(command_line_parse(&line, commands, argc, argv, &err), 0);
		assert_string_equal(line.command->word, "check-config");
		assert_string_equal(line.conf.file, "f");
		assert_string_equal(line.conf.value[CONF_capture_interface], "eth0,eth1");
		assert_string_equal(line.conf.typed[CONF_capture_interface], "--capture-interface");
		assert_string_equal(line.conf.value[CONF_capture_snaplen], "2");
		assert_string_equal(line.conf.value[CONF_capture_filter], "host a and port 80");
		assert_string_equal(line.conf.typed[CONF_capture_filter], "filter");
		assert_null(line.conf.value[CONF_segment_size]);
		conf_cli_done(&line.conf);
	}
}

/* What the help and the completions rely on. */
static void test_table(void **state)
{
	char bytes[256];
	struct text words = text_over(bytes, sizeof bytes);
	const char *rest = bytes;

	(void)state;
	command_line_append_words(commands, &words);
	assert_string_equal(commands[0].word, "run");
	for (const struct command *command = commands; command->word; command++) {
		assert_ptr_equal(command_line_find(commands, command->word), command);
		assert_non_null(command->run);
		assert_true(command->help[strlen(command->help) - 1] == '.');
		assert_memory_equal(rest, command->word, strlen(command->word));
		rest += strlen(command->word);
		if (command[1].word) {
			assert_memory_equal(rest, ", ", 2);
			rest += 2;
		}
	}
	assert_string_equal(rest, "");
	assert_null(command_line_find(commands, "statu"));
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_commands),  FIXTURE_TEST(test_refusals),
		FIXTURE_TEST(test_own_flags), FIXTURE_TEST(test_what_is_given),
		FIXTURE_TEST(test_table),
	};

	unit_add(tests, NULL, NULL);
}
