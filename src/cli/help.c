/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sysexits.h>

#include "cli/cli.h"

#define COLUMNS    80
#define TEXT_WIDTH 68 /* leaves room for the indent */
#define INDENT     "          "
#define WORD_WIDTH 13 /* of commands in the short help */
#define FLAG_WIDTH 17

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

static const char usage[] = "Usage: kube-node-tracer -b BUCKET|URL [FLAG...] [FILTER...]\n"
			    "       kube-node-tracer COMMAND [FLAG...]\n"
			    "Record a node's packets all the time and move them to a bucket.\n";

/* The short help --------------------------------------------------------------------------------- */

/* The length of a help text's gist: its first sentence up to what explains it further; where that is too long, less. */
static size_t gist_length(const char *text, size_t limit)
{
	static const char *const ends[] = { ". ", ": ", "; ", " (" };
	size_t length = strlen(text) - 1; /* without the full stop */
	const char *end;

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		end = strstr(text, ends[i]);
		if (end && (size_t)(end - text) < length)
			length = (size_t)(end - text);
	}
	while (length > limit && (end = memrchr(text, ',', length)))
		length = (size_t)(end - text);
	return length;
}

/* One line: a head, the gist of its help, and what follows that. */
static void write_line(FILE *out, int width, const char *head, const char *help, const char *tail)
{
	size_t limit = COLUMNS - (size_t)width - strlen("   ") - strlen(tail);

	fprintf(out, "  %-*s %.*s%s\n", width, head, (int)gist_length(help, limit), help, tail);
}

void help_write_short(FILE *out, const struct command *table)
{
	fprintf(out, "%s\nCommands:\n", usage);
	for (const struct command *command = table; command->word; command++)
		write_line(out, WORD_WIDTH, command->word, command->help, "");
	fprintf(out, "\nThe most used flags, with defaults:\n");
	for (const struct conf_row *row = conf_rows; row < conf_rows + CONF_OPTION_COUNT; row++) {
		cleanup_free char *flag = mem_printf("-%c %s", row->letter, row->argument);
		cleanup_free char *value = mem_printf(" [%s]", row->default_text);

		if (row->letter)
			write_line(out, FLAG_WIDTH, flag, row->help,
				   *row->default_text ? value : "");
	}
	fprintf(out,
		"\nkube-node-tracer --help shows everything, and kube-node-tracer help COMMAND "
		"one\ncommand. Manuals: kube-node-tracer(8), kube-node-tracer.conf(5), "
		"pcap-filter(7)\n");
}

/* Everything ------------------------------------------------------------------------------------- */

/* "-s, --capture-snaplen BYTES", and the help below it. */
static void write_flag(FILE *out, const struct command_flag *flag)
{
	if (flag->letter)
		fprintf(out, "  -%c, ", flag->letter);
	fprintf(out, "%s--%s%s%s\n", flag->letter ? "" : "      ", flag->name,
		flag->argument ? " " : "", flag->argument ? flag->argument : "");
	write_wrapped(out, INDENT, TEXT_WIDTH, flag->help);
}

static void write_command_flags(FILE *out, const struct command *command)
{
	for (int i = 0; i < COMMAND_FLAGS_MAX && command->flags[i].name; i++)
		write_flag(out, &command->flags[i]);
}

/* Help, then default and range. A CHOICE shows its words as the argument already. */
static void write_option(FILE *out, const struct conf_row *row)
{
	char flag[CONF_FLAG_MAX], bytes[2048];
	struct text text = text_over(bytes, sizeof bytes);

	conf_flag(row, flag);
	text_append(&text, "%s", row->help);
	/* tools/docs/tables.py says the same. */
	if (*row->default_text)
		text_append(&text, " Default: %s.", row->default_text);
	if (row->type != CONF_TEXT && row->type != CONF_LIST && row->type != CONF_CHOICE) {
		text_append(&text, " Allowed: ");
		conf_value_allowed(row, &text);
		text_append(&text, ".");
	}
	write_flag(out, &(struct command_flag){ flag, row->letter, row->argument, bytes });
}

/* "help, -h, --help [COMMAND]" */
static void write_command(FILE *out, const struct command *command)
{
	fprintf(out, "  %s", command->word);
	if (command->letter)
		fprintf(out, ", -%c", command->letter);
	if (command->is_flag)
		fprintf(out, ", --%s", command->word);
	fprintf(out, "%s%s\n", command->words ? " " : "", command->words ? command->words : "");
	write_wrapped(out, INDENT, TEXT_WIDTH, command->help);
	write_command_flags(out, command);
}

void help_write_all(FILE *out, const struct command *table)
{
	fprintf(out, "%s\nCommands (the first word):\n", usage);
	for (const struct command *command = table; command->word; command++)
		write_command(out, command);
	fprintf(out, "\nEvery command takes the options below, and:\n");
	write_flag(out, &command_config_flag);
	fprintf(out, "\n");
	write_wrapped(
		out, "", COLUMNS,
		"Each option is also a key of the configuration file: --group-name is the "
		"key name of the group. A flag wins over the environment, the environment over "
		"the file, the file over the default. Sizes take the suffixes B, k, M, G, KiB, "
		"MiB and GiB.");
	for (const struct conf_row *row = conf_rows; row < conf_rows + CONF_OPTION_COUNT; row++) {
		if (row == conf_rows || strcmp(row->group, row[-1].group) != 0)
			fprintf(out, "\n%s:\n", row->group);
		write_option(out, row);
	}
	/* An unusual build's paths may not fit; print-config prints them, too. */
	if (strlen(DEFAULT_CONFIG_FILE) + 2 <= COLUMNS &&
	    strlen(DEFAULT_SPOOL_DIRECTORY) + 2 <= COLUMNS)
		fprintf(out, "\nFiles:\n  %s\n  %s\n", DEFAULT_CONFIG_FILE,
			DEFAULT_SPOOL_DIRECTORY);
	fprintf(out, "\nSee also: kube-node-tracer(8), kube-node-tracer.conf(5), "
		     "pcap-filter(7)\n");
}

/* One command ------------------------------------------------------------------------------------ */

void help_write_command(FILE *out, const struct command *command)
{
	fprintf(out, "Usage: kube-node-tracer %s%s%s%s\n", command->word,
		command->kind < COMMAND_INFORMS || command->flags[0].name ? " [FLAG...]" : "",
		command->words ? " " : "", command->words ? command->words : "");
	write_wrapped(out, "", COLUMNS, command->help);
	if (command->flags[0].name)
		fprintf(out, "\n");
	write_command_flags(out, command);
	if (command->kind == COMMAND_CONFIGURES)
		fprintf(out, "\nIt takes the flags that kube-node-tracer --help lists.\n");
	else if (command->kind == COMMAND_SEARCHES)
		fprintf(out,
			"\nThe bucket is that of -b, or of the configuration file. Credentials and "
			"proxy\nare found as for uploads.\n");
	else if (command->kind == COMMAND_ASKS)
		fprintf(out,
			"\nThe daemon is found by its configuration: give the flags that it was "
			"started\nwith, such as -o DIR or --config FILE.\n");
}

int help_run(struct command_line *line, struct error *err)
{
	const char *word = line->word_count > 0 ? line->words[line->word_count - 1] : NULL;
	const struct command *topic = word ? command_line_find(line->commands, word) : NULL;
	char bytes[256];
	struct text words = text_over(bytes, sizeof bytes);

	if (line->word_count > 1 || (word && !topic)) {
		command_line_append_words(line->commands, &words);
		return error_set(err, ERROR_USAGE, "'%.100s' is not a command; commands are %s",
				 word, bytes);
	}
	if (topic && topic != line->commands)
		help_write_command(stdout, topic);
	else if (topic || command_line_value(line, "all"))
		help_write_all(stdout, line->commands);
	else
		help_write_short(stdout, line->commands);
	return 0;
}

int help_version(struct command_line *line, struct error *err)
{
	(void)line;
	(void)err;
	return puts("kube-node-tracer " PACKAGE_VERSION) < 0 ? EX_IOERR : 0;
}
