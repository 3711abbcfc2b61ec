/* SPDX-License-Identifier: Apache-2.0 */
/* The table as mdoc(7): lists that src/docs_main.c puts into the manual pages. */
#include <string.h>

#include "conf/conf_private.h"

#define LINE_WIDTH 78

/* One line of text: no part of it may be taken for a request or an escape. */
static void write_line(FILE *out, const char *text, size_t length)
{
	if (length > 0 && (*text == '.' || *text == '\''))
		fputs("\\&", out);
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\\')
			fputs("\\e", out);
		else
			fputc(text[i], out);
	}
	fputc('\n', out);
}

/* Sentences, each beginning a line as mdoc wants it. */
static void write_text(FILE *out, const char *text)
{
	while (*text) {
		size_t length = 0, next = 0;

		/* The longest run of words that fits and does not go beyond a sentence. */
		do {
			next += strcspn(text + next, " ");
			if (length > 0 && next > LINE_WIDTH)
				break;
			length = next;
			if (!text[next])
				break;
			next++;
		} while (text[length - 1] != '.');
		write_line(out, text, length);
		text += length;
		text += strspn(text, " ");
	}
}

/* Default and range behind the help. */
static void write_description(FILE *out, const struct conf_row *row)
{
	char bytes[512];
	struct text limits = text_over(bytes, sizeof bytes);

	write_text(out, row->help);
	conf_docs_limits(row, &limits);
	write_text(out, bytes + strspn(bytes, " "));
}

void conf_docs_man_options(FILE *out)
{
	char flag[CONF_FLAG_MAX];

	fprintf(out, ".Bl -tag -width Ds\n");
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++) {
		const struct conf_row *row = &conf_rows[i];

		conf_flag(row, flag);
		fprintf(out, ".It ");
		if (row->letter)
			fprintf(out, "Fl %c , ", row->letter);
		fprintf(out, "Fl Fl %s Ar %s\n", flag, row->argument);
		write_description(out, row);
	}
	for (unsigned i = 0; i < CONF_CLI_FLAG_COUNT; i++) {
		const struct conf_cli_flag *row = &conf_cli_flags[i];

		fprintf(out, ".It ");
		if (row->letter)
			fprintf(out, "Fl %c , ", row->letter);
		fprintf(out, "Fl Fl %s%s%s\n", row->flag, row->argument ? " Ar " : "",
			row->argument ? row->argument : "");
		write_text(out, row->help);
	}
	fprintf(out, ".El\n");
}

void conf_docs_man_commands(FILE *out)
{
	fprintf(out, ".Bl -tag -width Ds\n");
	for (unsigned i = 0; i < CONF_CLI_COMMAND_COUNT; i++) {
		fprintf(out, ".It Cm %s\n", conf_cli_commands[i].word);
		write_text(out, conf_cli_commands[i].help);
	}
	fprintf(out, ".El\n");
}

static const char *reload_sentence(enum conf_reload reload)
{
	switch (reload) {
	case CONF_RELOAD_LIVE:
		return "Taken over by a reload.";
	case CONF_RELOAD_CAPTURE:
		return "Taken over by a reload, which opens the capture anew.";
	case CONF_RELOAD_UPLOAD:
		return "Taken over by a reload, which starts the uploads anew.";
	case CONF_RELOAD_RESTART:
	case CONF_RELOAD_COUNT:
		break;
	}
	return "Needs a restart; a reload keeps the old value.";
}

void conf_docs_man_keys(FILE *out)
{
	const char *group = NULL;
	char flag[CONF_FLAG_MAX];

	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++) {
		const struct conf_row *row = &conf_rows[i];
		bool is_string = row->type == CONF_TEXT || row->type == CONF_LIST ||
				 row->type == CONF_CHOICE;

		if (!group || strcmp(group, row->group) != 0)
			fprintf(out, "%s.Ss Group %s\n.Bl -tag -width Ds\n", group ? ".El\n" : "",
				row->group);
		group = row->group;
		fprintf(out, ".It Ic %s No = %sAr %s\n", row->name, is_string ? "Qq " : "",
			row->argument);
		write_description(out, row);
		conf_flag(row, flag);
		fprintf(out, "Flag:\n");
		if (row->letter)
			fprintf(out, ".Fl %c ,\n", row->letter);
		fprintf(out, ".Fl Fl %s .\n%s\n", flag, reload_sentence(row->reload));
	}
	fprintf(out, ".El\n");
}
