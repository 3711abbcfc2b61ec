/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A configuration from a file and a command line, for tests of conf/. Include unit.h first. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

#define FIXTURE_ARGS_MAX   64
#define COUNT_OF(array)    (sizeof(array) / sizeof *(array))
#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

struct fixture {
	char dir[32];
	char path[64]; /* a configuration file in dir */
};

static inline int fixture_setup(void **state)
{
	struct fixture *fixture = mem_calloc(1, sizeof *fixture);

	(void)snprintf(fixture->dir, sizeof fixture->dir, "/tmp/test_conf.XXXXXX");
	if (!mkdtemp(fixture->dir))
		return -1;
	(void)snprintf(fixture->path, sizeof fixture->path, "%s/conf", fixture->dir);
	unsetenv("NODE_NAME");
	unsetenv("STATE_DIRECTORY");
	unsetenv("GOOGLE_APPLICATION_CREDENTIALS");
	unsetenv("SSL_CERT_FILE");
	unsetenv("POSIXLY_CORRECT"); /* it changes getopt */
	*state = fixture;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *fixture = *state;

	(void)unlink(fixture->path);
	(void)rmdir(fixture->dir);
	free(fixture);
	return 0;
}

static inline void fixture_write(const char *path, const char *content, size_t length)
{
	cleanup_fclose FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(content, 1, length, file), length);
}

/* Words joined by blanks into argv, which points into line and ends with NULL. Returns argc. */
static inline int fixture_split(char *line, char **argv)
{
	int argc = 0;

	for (char *rest = line, *word; (word = strsep(&rest, " "));) {
		assert_true(argc < FIXTURE_ARGS_MAX);
		if (*word)
			argv[argc++] = word;
	}
	argv[argc] = NULL;
	return argc;
}

/* The configuration that args and a file of this content make; content NULL: the file as it is. */
static inline int fixture_load(struct fixture *fixture, const char *content, const char *args,
			       struct conf **ret_conf, struct error *err)
{
	cleanup_free char *line = mem_printf("program --config %s %s", fixture->path, args);
	char *argv[FIXTURE_ARGS_MAX + 1];
	int argc = fixture_split(line, argv);
	struct command_line parsed;
	int result;

	if (content)
		fixture_write(fixture->path, content, strlen(content));
	result = command_line_parse(&parsed, commands, argc, argv, err);
	if (result == 0)
		result = conf_load(&parsed.conf, ret_conf, err);
	conf_cli_done(&parsed.conf);
	return result;
}

static inline struct conf *fixture_good(struct fixture *fixture, const char *content,
					const char *args)
{
	struct conf *conf = NULL;
	struct error err = { 0 };

	if (fixture_load(fixture, content, args, &conf, &err) < 0)
		fail_msg("%s [%s]: %s", args, content, err.message);
	return conf;
}

/* message is expected without the name of the temporary folder. */
static inline void fixture_bad(struct fixture *fixture, const char *content, const char *args,
			       enum error_kind kind, const char *message)
{
	cleanup_conf struct conf *conf = NULL;
	struct error err = { 0 };
	const char *shown = err.message;

	if (fixture_load(fixture, content, args, &conf, &err) == 0)
		fail_msg("not refused: %s [%s]", args, content);
	if (strncmp(shown, fixture->dir, strlen(fixture->dir)) == 0)
		shown += strlen(fixture->dir) + 1;
	assert_string_equal(shown, message);
	assert_int_equal(err.kind, kind);
}

static inline void fixture_assert_same(const struct conf *a, const struct conf *b)
{
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++)
		if (conf_differs(a, b, i))
			fail_msg("%s differs", conf_rows[i].key);
}

/* What --print-config says. */
static inline char *fixture_printed(const struct conf *conf)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	print_config_write(out, conf);
	(void)fclose(out);
	return text;
}
