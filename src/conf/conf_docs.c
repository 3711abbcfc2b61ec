/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "conf/conf_private.h"

#define COLUMNS     80
#define TEXT_WIDTH  68 /* leaves room for an indent of ten */
#define HELP_INDENT "          "

/* Words of text in lines of at most width columns, each behind prefix. */
static void write_wrapped(FILE *out, const char *prefix, size_t width, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t length = strcspn(text, " ");

		if (column > 0 && column + 1 + length > width) {
			fputc('\n', out);
			column = 0;
		}
		fprintf(out, "%s%.*s", column ? " " : prefix, (int)length, text);
		column += length + (column > 0);
		text += length;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

/* "Default: 96. Allowed: 0 to 262144.", as in tools/docs/tables.py. A CHOICE shows its words as the argument. */
static void append_limits(const struct conf_row *row, struct text *out)
{
	if (*row->default_text)
		text_append(out, "Default: %s.", row->default_text);
	if (row->type == CONF_TEXT || row->type == CONF_LIST || row->type == CONF_CHOICE)
		return;
	text_append(out, " Allowed: ");
	conf_value_allowed(row, out);
	text_append(out, ".");
}

static bool begins_group(unsigned option)
{
	return option == 0 || strcmp(conf_rows[option].group, conf_rows[option - 1].group) != 0;
}

static bool ends_group(unsigned option)
{
	return option + 1 == CONF_OPTION_COUNT || begins_group(option + 1);
}

/* "-s, --capture-snaplen BYTES"; without a letter, gap in its place. */
static void write_flags(FILE *out, char letter, const char *gap, const char *flag,
			const char *argument)
{
	if (letter)
		fprintf(out, "-%c, ", letter);
	fprintf(out, "%s--%s%s%s\n", letter ? "" : gap, flag, argument ? " " : "",
		argument ? argument : "");
}

/* Help text, then default and range, as one paragraph. */
static void write_description(FILE *out, const char *prefix, const struct conf_row *row)
{
	char bytes[2048];
	struct text text = text_over(bytes, sizeof bytes);

	text_append(&text, "%s ", row->help);
	append_limits(row, &text);
	write_wrapped(out, prefix, TEXT_WIDTH, bytes);
}

void conf_docs_help(FILE *out)
{
	char flag[CONF_FLAG_MAX];

	fprintf(out, "Usage: kube-node-tracer -b BUCKET|URL [FLAG...] [FILTER...]\n"
		     "       kube-node-tracer COMMAND [FLAG...]\n"
		     "Record a node's packets all the time and move them to a bucket.\n\n");
	write_wrapped(out, "", COLUMNS,
		      "Every option is also a key of the configuration file: --group-name is the "
		      "key name of the group. A flag wins over the environment, that over the "
		      "file, that over the default. Sizes take the suffixes B, k, M, G, KiB, MiB "
		      "and GiB.");
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++) {
		const struct conf_row *row = &conf_rows[i];

		if (begins_group(i))
			fprintf(out, "\n%s:\n", row->group);
		conf_flag(row, flag);
		fprintf(out, "  ");
		write_flags(out, row->letter, "    ", flag, row->argument);
		write_description(out, HELP_INDENT, row);
	}
	fprintf(out, "\ncommands (the first word; for a recorder with the same configuration):\n");
	for (unsigned i = 0; i < CONF_CLI_COMMAND_COUNT; i++) {
		fprintf(out, "  %s\n", conf_cli_commands[i].word);
		write_wrapped(out, HELP_INDENT, TEXT_WIDTH, conf_cli_commands[i].help);
	}
	fprintf(out, "\nother:\n");
	for (unsigned i = 0; i < CONF_CLI_FLAG_COUNT; i++) {
		const struct conf_cli_flag *row = &conf_cli_flags[i];

		fprintf(out, "  ");
		write_flags(out, row->letter, "    ", row->flag, row->argument);
		write_wrapped(out, HELP_INDENT, TEXT_WIDTH, row->help);
	}
	/* An unusual build's paths may not fit: --print-config tells them, too. */
	if (strlen(DEFAULT_CONFIG_FILE) + 2 <= COLUMNS &&
	    strlen(DEFAULT_SPOOL_DIRECTORY) + 2 <= COLUMNS)
		fprintf(out, "\nfiles:\n  %s\n  %s\n", DEFAULT_CONFIG_FILE,
			DEFAULT_SPOOL_DIRECTORY);
	fprintf(out, "\nsee also: kube-node-tracer(8), kube-node-tracer.conf(5), "
		     "pcap-filter(7)\n");
}

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

/* A value as typed, in the file's syntax. */
static void write_value(FILE *out, const struct conf_row *row, const char *text)
{
	bool is_bare = row->type == CONF_SWITCH || row->type == CONF_NUMBER ||
		       row->type == CONF_SECONDS || row->type == CONF_SIZE ||
		       row->type == CONF_SHARE;

	/* A size with a suffix is a string to libconfig. */
	if (row->type == CONF_SIZE || row->type == CONF_SHARE)
		is_bare = !text[strspn(text, "0123456789")];
	if (is_bare)
		fputs(text, out);
	else
		write_string(out, text);
}

/* A file's name may hold anything: a comment has to stay one line. */
static void write_comment(FILE *out, const char *text)
{
	for (const char *p = text; *p; p++)
		fputc(iscntrl((unsigned char)*p) ? '?' : *p, out);
	fputc('\n', out);
}

/* "http://user:password@host" -> "http://user:***@host" */
static void hide_password(char **url)
{
	char *start = strstr(*url, "://"), *end, *colon;

	start = start ? start + 3 : *url;
	end = start + strcspn(start, "/");
	while (end > start && *end != '@')
		end--;
	colon = memchr(start, ':', (size_t)(end - start));
	if (colon) {
		char *hidden = mem_printf("%.*s:***%s", (int)(colon - *url), *url, end);

		free(*url);
		*url = hidden;
	}
}

void conf_docs_print(FILE *out, const struct conf *conf)
{
	fprintf(out, "# ");
	write_comment(out, conf->file ? conf->file : DEFAULT_CONFIG_FILE " (not there)");
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++) {
		const struct conf_row *row = &conf_rows[i];
		cleanup_free char *text = conf_value_format(row, conf_field_const(conf, i));

		if (begins_group(i))
			fprintf(out, "\n%s:\n{\n", row->group);
		if (i == CONF_upload_proxy)
			hide_password(&text);
		fprintf(out, "\t%s = ", row->name);
		write_value(out, row, text);
		fprintf(out, ";  # ");
		write_comment(out, conf->origin[i]);
		if (ends_group(i))
			fprintf(out, "};\n");
	}
}
