/* SPDX-License-Identifier: Apache-2.0 */
/* The table as completion for shells: flags, and values where they are known. */
#include <string.h>

#include "conf/conf_private.h"

#define FLAG_COUNT (CONF_OPTION_COUNT + CONF_CLI_FLAG_COUNT)
#define MADE_BY                                   \
	"# SPDX-License-Identifier: Apache-2.0\n" \
	"# Made by conf-docs from src/conf/options.def.\n"

/* What completes a value. */
enum value_kind {
	VALUE_NONE, /* the flag takes none */
	VALUE_FREE, /* nothing is known */
	VALUE_WORDS,
	VALUE_FILE,
	VALUE_DIRECTORY,
	VALUE_USER,
	VALUE_INTERFACES,
};

/* A flag of either table. */
struct flag {
	char name[CONF_FLAG_MAX], letter, words[128];
	const char *argument, *help;
	enum value_kind kind;
};

static enum value_kind value_kind(const char *argument)
{
	if (!argument)
		return VALUE_NONE;
	if (strcmp(argument, "FILE") == 0)
		return VALUE_FILE;
	if (strcmp(argument, "DIR") == 0)
		return VALUE_DIRECTORY;
	if (strcmp(argument, "USER") == 0)
		return VALUE_USER;
	return VALUE_FREE;
}

static struct flag flag_at(unsigned position)
{
	struct flag flag = { .name = "" };

	if (position >= CONF_OPTION_COUNT) {
		const struct conf_cli_flag *row = &conf_cli_flags[position - CONF_OPTION_COUNT];

		(void)snprintf(flag.name, sizeof flag.name, "%s", row->flag);
		flag.letter = row->letter;
		flag.argument = row->argument;
		flag.help = row->help;
		flag.kind = value_kind(row->argument);
	} else {
		const struct conf_row *row = &conf_rows[position];
		struct text words = text_over(flag.words, sizeof flag.words);

		conf_flag(row, flag.name);
		flag.letter = row->letter;
		flag.argument = row->argument;
		flag.help = row->help;
		flag.kind = value_kind(row->argument);
		if (position == CONF_capture_interface)
			flag.kind = VALUE_INTERFACES;
		if (row->type == CONF_CHOICE || row->type == CONF_SWITCH) {
			flag.kind = VALUE_WORDS;
			text_append(&words, "%s",
				    row->type == CONF_SWITCH ? "true|false" : row->argument);
			for (char *p = flag.words; (p = strchr(p, '|'));)
				*p = ' ';
		}
	}
	return flag;
}

/* The first sentence of the help, without its full stop; a backslash before any of `special`. */
static void write_sentence(FILE *out, const struct flag *flag, const char *special)
{
	const char *end = strstr(flag->help, ". ");
	size_t length = end ? (size_t)(end - flag->help) : strlen(flag->help);

	if (length > 0 && flag->help[length - 1] == '.')
		length--;
	for (size_t i = 0; i < length; i++) {
		if (strchr(special, flag->help[i]))
			fputc('\\', out);
		fputc(flag->help[i], out);
	}
}

static void write_bash_action(FILE *out, const struct flag *flag)
{
	switch (flag->kind) {
	case VALUE_WORDS:
		fprintf(out, "mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$word\")", flag->words);
		break;
	case VALUE_FILE:
		fprintf(out, "_kube_node_tracer_paths -f \"$word\"");
		break;
	case VALUE_DIRECTORY:
		fprintf(out, "_kube_node_tracer_paths -d \"$word\"");
		break;
	case VALUE_USER:
		fprintf(out, "mapfile -t COMPREPLY < <(compgen -u -- \"$word\")");
		break;
	case VALUE_INTERFACES:
		fprintf(out, "_kube_node_tracer_interfaces \"$word\"");
		break;
	case VALUE_NONE:
	case VALUE_FREE:
		fprintf(out, ":");
		break;
	}
}

void conf_docs_completion_bash(FILE *out)
{
	fprintf(out, "# shellcheck shell=bash\n" MADE_BY "\n"
		     "# The last of names joined by commas; the ones before it stay.\n"
		     "_kube_node_tracer_interfaces()\n"
		     "{\n"
		     "\tlocal before=\n"
		     "\t[[ $1 != *,* ]] || before=${1%%,*},\n"
		     "\tmapfile -t COMPREPLY < <(\n"
		     "\t\tcompgen -P \"$before\" -W 'any auto' -- \"${1##*,}\"\n"
		     "\t\tcd /sys/class/net 2>/dev/null &&\n"
		     "\t\t\tcompgen -P \"$before\" -d -- \"${1##*,}\"\n"
		     "\t)\n"
		     "}\n\n"
		     "_kube_node_tracer_paths()\n"
		     "{\n"
		     "\tcompopt -o filenames 2>/dev/null\n"
		     "\tmapfile -t COMPREPLY < <(compgen \"$1\" -- \"$2\")\n"
		     "}\n\n"
		     "_kube_node_tracer()\n"
		     "{\n"
		     "\tlocal word=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD - 1]}\n"
		     "\n"
		     "\tCOMPREPLY=()\n"
		     "\t# --flag=value comes as three words.\n"
		     "\tif [[ $word == = ]]; then\n"
		     "\t\tword=\n"
		     "\telif [[ $flag == = ]]; then\n"
		     "\t\tflag=${COMP_WORDS[COMP_CWORD - 2]}\n"
		     "\tfi\n"
		     "\tcase $flag in\n");
	for (unsigned i = 0; i < FLAG_COUNT; i++) {
		struct flag flag = flag_at(i);

		if (flag.kind == VALUE_NONE)
			continue;
		fprintf(out, "\t");
		if (flag.letter)
			fprintf(out, "-%c | ", flag.letter);
		fprintf(out, "--%s) ", flag.name);
		write_bash_action(out, &flag);
		fprintf(out, " ;;\n");
	}
	fprintf(out, "\t*)\n\t\tif [[ $COMP_CWORD == 1 ]]; then\n"
		     "\t\t\tmapfile -t COMPREPLY < <(compgen -W '");
	for (unsigned i = 0; i < CONF_CLI_COMMAND_COUNT; i++)
		fprintf(out, "%s%s", i ? " " : "", conf_cli_commands[i].word);
	fprintf(out,
		"' -- \"$word\")\n\t\tfi\n\t\t[[ $word != -* ]] || mapfile -t COMPREPLY < <(compgen -W '\n");
	for (unsigned i = 0; i < FLAG_COUNT; i++) {
		struct flag flag = flag_at(i);

		fprintf(out, "\t\t\t--%s\n", flag.name);
	}
	fprintf(out, "\t\t' -- \"$word\")\n\t\t;;\n\tesac\n}\n\n"
		     "complete -F _kube_node_tracer kube-node-tracer\n");
}

static void write_zsh_action(FILE *out, const struct flag *flag)
{
	switch (flag->kind) {
	case VALUE_WORDS:
		fprintf(out, "(%s)", flag->words);
		break;
	case VALUE_FILE:
		fprintf(out, "_files");
		break;
	case VALUE_DIRECTORY:
		fprintf(out, "_directories");
		break;
	case VALUE_USER:
		fprintf(out, "_users");
		break;
	case VALUE_INTERFACES:
		fprintf(out, "_sequence -s , _kube_node_tracer_interfaces");
		break;
	case VALUE_NONE:
	case VALUE_FREE:
		fprintf(out, " ");
		break;
	}
}

void conf_docs_completion_zsh(FILE *out)
{
	fprintf(out, "#compdef kube-node-tracer\n" MADE_BY "\n"
		     "_kube_node_tracer_interfaces() {\n"
		     "\tcompadd \"$@\" - any auto /sys/class/net/*(N:t)\n"
		     "}\n\n"
		     "_arguments -s -S");
	for (unsigned i = 0; i < FLAG_COUNT; i++) {
		struct flag flag = flag_at(i);
		const char *value = flag.kind == VALUE_NONE ? "" : "=";

		fprintf(out, " \\\n\t");
		/* Interfaces add up, of others the last one counts: offered once. */
		if (flag.kind == VALUE_INTERFACES)
			fprintf(out, "\\*");
		else if (flag.letter)
			fprintf(out, "'(-%c --%s)'", flag.letter, flag.name);
		if (flag.letter)
			fprintf(out, "{-%c%s,--%s%s}\"[", flag.letter, *value ? "+" : "", flag.name,
				value);
		else
			fprintf(out, "\"--%s%s[", flag.name, value);
		write_sentence(out, &flag, "[]:$`\"\\");
		fprintf(out, "]");
		if (flag.argument) {
			fprintf(out, ":");
			for (const char *p = flag.argument; *p; p++)
				fprintf(out, "%s%c", *p == ':' ? "\\" : "", *p);
			fprintf(out, ":");
			write_zsh_action(out, &flag);
		}
		fprintf(out, "\"");
	}
	fprintf(out, " \\\n\t'1::command:((");
	for (unsigned i = 0; i < CONF_CLI_COMMAND_COUNT; i++) {
		const struct flag command = { .help = conf_cli_commands[i].help };

		fprintf(out, "%s%s\\:\"", i ? " " : "", conf_cli_commands[i].word);
		write_sentence(out, &command, "[]:$`\"\\'");
		fprintf(out, "\"");
	}
	fprintf(out, "))'\n");
}

static void write_fish_action(FILE *out, const struct flag *flag)
{
	switch (flag->kind) {
	case VALUE_NONE:
		break;
	case VALUE_FREE:
		fprintf(out, " -x");
		break;
	case VALUE_WORDS:
		fprintf(out, " -x -a '%s'", flag->words);
		break;
	case VALUE_FILE:
		fprintf(out, " -r -F");
		break;
	case VALUE_DIRECTORY:
		fprintf(out, " -x -a '(__fish_complete_directories)'");
		break;
	case VALUE_USER:
		fprintf(out, " -x -a '(__fish_complete_users)'");
		break;
	case VALUE_INTERFACES:
		fprintf(out, " -x -a 'any auto (__fish_print_interfaces)'");
		break;
	}
}

void conf_docs_completion_fish(FILE *out)
{
	fprintf(out, MADE_BY "\ncomplete -c kube-node-tracer -f\n");
	for (unsigned i = 0; i < FLAG_COUNT; i++) {
		struct flag flag = flag_at(i);

		fprintf(out, "complete -c kube-node-tracer");
		if (flag.letter)
			fprintf(out, " -s %c", flag.letter);
		fprintf(out, " -l %s", flag.name);
		write_fish_action(out, &flag);
		fprintf(out, " -d '");
		write_sentence(out, &flag, "'\\");
		fprintf(out, "'\n");
	}
	for (unsigned i = 0; i < CONF_CLI_COMMAND_COUNT; i++) {
		const struct flag command = { .help = conf_cli_commands[i].help };

		fprintf(out, "complete -c kube-node-tracer -n __fish_use_subcommand -a %s -d '",
			conf_cli_commands[i].word);
		write_sentence(out, &command, "'\\");
		fprintf(out, "'\n");
	}
}
