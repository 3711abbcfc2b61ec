/* SPDX-License-Identifier: Apache-2.0 */
/* What the tables of options and commands become for people. Reads top_srcdir for the committed sample file. */
#include "unit.h"

#include "conf/conf_fixture.h"

/* What write() writes about the table of commands. */
static char *written(void (*write)(FILE *out, const struct command *commands),
		     const struct command *command)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	write(out, command);
	(void)fclose(out);
	return text;
}

static void test_print_is_a_configuration(void **state)
{
	cleanup_conf struct conf *conf =
		fixture_good(*state, "capture: { filter = \"a \\\"b\\\\\\n\\tc\"; };",
			     "-b gs://b/p -N n -B 1025B -C 3MiB -i a,b -c "
			     "zstd:3 --capture-promiscuous off --log-format "
			     "json --daemon-user root -o /s");
	cleanup_free char *text = fixture_printed(conf);
	cleanup_conf struct conf *again = fixture_good(*state, text, "");

	assert_string_equal(conf->capture_filter, "a \"b\\\n\tc");
	fixture_assert_same(conf, again);
	assert_non_null(strstr(text, "\tbuffer = \"1025B\";  # -B\n"));
	assert_non_null(strstr(text, "\tage = 300;  # default\n"));
}

static void test_print_hides_passwords(void **state)
{
	static const struct {
		const char *proxy, *shown;
	} cases[] = {
		{ "http://user:secret@host:1/", "proxy = \"http://user:***@host:1/\";" },
		{ "user:s@cret@host", "proxy = \"user:***@host\";" },
		{ "http://host:3128", "proxy = \"http://host:3128\";" },
		{ "http://user@host:3128/a:b@c", "proxy = \"http://user@host:3128/a:b@c\";" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		cleanup_free char *args = mem_printf("--upload-proxy %s", cases[i].proxy);
		cleanup_conf struct conf *conf = fixture_good(*state, "", args);
		cleanup_free char *text = fixture_printed(conf);

		if (!strstr(text, cases[i].shown))
			fail_msg("no %s in %s", cases[i].shown, text);
	}
}

static char *read_sample(void)
{
	const char *top = getenv("top_srcdir");
	cleanup_free char *path = mem_printf("%s/etc/kube-node-tracer.conf.sample",
					     top ? top : ".");
	cleanup_fclose FILE *file = fopen(path, "re");
	char *content = NULL;
	size_t size = 0;

	if (!file) {
		print_message("%s is not there: run by make check\n", path);
		skip();
	}
	assert_true(getdelim(&content, &size, '\0', file) > 0);
	return content;
}

/* The sample parses as it is, and with every option uncommented: to the defaults. */
static void test_sample(void **state)
{
	cleanup_free char *sample = read_sample(), *active = mem_strdup(sample);
	cleanup_conf struct conf *defaults = fixture_good(*state, "", "");
	cleanup_conf struct conf *as_is = fixture_good(*state, sample, "");
	cleanup_conf struct conf *all = NULL;
	unsigned count = 0;

	for (char *p = active; (p = strstr(p, "\n\t#")); p++) {
		if (p[3] != ' ') {
			p[2] = ' ';
			count++;
		}
	}
	assert_int_equal(count, CONF_OPTION_COUNT);
	fixture_assert_same(defaults, as_is);
	all = fixture_good(*state, active, "");
	assert_string_equal(all->upload_destination, "my-bucket");
	conf_keep(all, defaults, CONF_upload_destination);
	fixture_assert_same(defaults, all);
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++) {
		bool is_computed = i == CONF_node_name || i == CONF_spool_directory ||
				   i == CONF_upload_destination;

		assert_int_equal(all->source[i],
				 is_computed ? CONF_SOURCE_DEFAULT : CONF_SOURCE_FILE);
	}
}

static void assert_fits(const char *help)
{
	for (const char *line = help; *line; line += strcspn(line, "\n") + 1)
		if (strcspn(line, "\n") > 80)
			fail_msg("%.*s", (int)strcspn(line, "\n"), line);
}

static void test_help(void **state)
{
	cleanup_free char *help = written(help_write_all, commands);
	char flag[CONF_FLAG_MAX];

	(void)state;
	assert_fits(help);
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++) {
		conf_flag(&conf_rows[i], flag);
		assert_non_null(strstr(help, flag));
	}
	assert_true(strstr(help, "Commands") < strstr(help, "upload:"));
	assert_non_null(strstr(help, "\n  help, -h, --help [COMMAND]\n"));
	assert_non_null(strstr(help, "\n  status\n"));
	assert_non_null(strstr(help, "\n      --json\n"));
	assert_non_null(strstr(help, "  -s, --capture-snaplen BYTES\n"));
	assert_non_null(strstr(help, "Default: 96.\n          Allowed: 0 to 262144.\n"));
}

/* A screenful: the commands, the options with a letter, nothing else. */
static void test_short_help(void **state)
{
	cleanup_free char *help = written(help_write_short, commands);
	unsigned lines = 0;

	(void)state;
	assert_fits(help);
	for (const char *p = help; *p; p++)
		lines += *p == '\n';
	assert_in_range(lines, 20, 40);
	assert_non_null(strstr(help, "\n  rotate        End the open segments now\n"));
	assert_non_null(
		strstr(help, "\n  -s BYTES          Record this many bytes of each packet [96]\n"));
	assert_non_null(
		strstr(help, "\n  -o DIR            Directory where segments wait for upload\n"));
	assert_null(strstr(help, "--capture"));
}

static void test_help_of_a_command(void **state)
{
	cleanup_free char *status = written(help_write_command,
					    command_line_find(commands, "status"));
	cleanup_free char *rotate = written(help_write_command,
					    command_line_find(commands, "rotate"));
	cleanup_free char *help = written(help_write_command, command_line_find(commands, "help"));

	(void)state;
	assert_non_null(strstr(status, "Usage: kube-node-tracer status [FLAG...]\n"));
	assert_non_null(strstr(status, "\n      --watch\n"));
	assert_null(strstr(rotate, "--watch"));
	assert_non_null(strstr(rotate, "-o DIR"));
	assert_non_null(strstr(help, "Usage: kube-node-tracer help [FLAG...] [COMMAND]\n"));
	for (const struct command *command = commands; command->word; command++) {
		cleanup_free char *text = written(help_write_command, command);

		assert_fits(text);
	}
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_print_is_a_configuration),
		FIXTURE_TEST(test_print_hides_passwords),
		FIXTURE_TEST(test_sample),
		FIXTURE_TEST(test_help),
		FIXTURE_TEST(test_short_help),
		FIXTURE_TEST(test_help_of_a_command),
	};

	unit_add(tests, NULL, NULL);
}
