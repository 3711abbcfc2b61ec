/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* As libconfig reads it. */
static void write_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (const char *p = text; *p; p++) {
		if (*p == '"' || *p == '\\')
			fprintf(out, "\\%c", *p);
		else if (iscntrl((unsigned char)*p))
			fprintf(out, "\\x%02x", (unsigned char)*p);
		else
			fputc(*p, out);
	}
	fputc('"', out);
}

/* A file's name may hold anything: a comment must stay one line. */
static void write_comment(FILE *out, const char *text)
{
	for (const char *p = text; *p; p++)
		fputc(iscntrl((unsigned char)*p) ? '?' : *p, out);
	fputc('\n', out);
}

/* "http://user:password@host" -> "http://user:***@host" */
static void hide_password(char **url)
{
	const char *scheme = strstr(*url, "://"), *user = scheme ? scheme + 3 : *url;
	const char *at = memrchr(user, '@', strcspn(user, "/"));
	const char *colon = at ? memchr(user, ':', (size_t)(at - user)) : NULL;
	char *whole = *url;

	if (!colon)
		return;
	*url = mem_printf("%.*s:***%s", (int)(colon - whole), whole, at);
	free(whole);
}

void print_config_write(FILE *out, const struct conf *conf)
{
	fprintf(out, "# ");
	write_comment(out, conf->file ? conf->file : DEFAULT_CONFIG_FILE " (not there)");
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++) {
		const struct conf_row *row = &conf_rows[i];
		cleanup_free char *text = conf_format(conf, i);
		/* A size with a suffix is a string to libconfig. */
		bool is_bare = row->type == CONF_SWITCH ||
			       (row->type != CONF_TEXT && row->type != CONF_LIST &&
				row->type != CONF_CHOICE && !text[strspn(text, "0123456789")]);

		if (i == 0 || strcmp(row->group, conf_rows[i - 1].group) != 0)
			fprintf(out, "%s\n%s:\n{\n", i == 0 ? "" : "};\n", row->group);
		if (i == CONF_upload_proxy)
			hide_password(&text);
		fprintf(out, "\t%s = ", row->name);
		if (is_bare)
			fputs(text, out);
		else
			write_string(out, text);
		fprintf(out, ";  # ");
		write_comment(out, conf->origin[i]);
	}
	fprintf(out, "};\n");
}

int print_config_run(struct command_line *line, struct error *err)
{
	cleanup_conf struct conf *conf = NULL;

	if (conf_load(&line->conf, &conf, err) < 0)
		return -1;
	print_config_write(stdout, conf);
	return 0;
}
