/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <assert.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define COMMANDS_MAX 32

/* What getopt_long() returns for long flags: above every letter. */
enum {
	CODE_OPTION = UCHAR_MAX + 1,
	CODE_COMMAND = CODE_OPTION + CONF_OPTION_COUNT,
	CODE_OWN = CODE_COMMAND + COMMANDS_MAX,
	CODE_CONFIG = CODE_OWN + COMMAND_FLAGS_MAX,
	CODE_END,
};
#define FLAGS_MAX (CODE_END - CODE_OPTION)

/* The flags that this command accepts, in getopt's shape. */
struct grammar {
	struct option longs[FLAGS_MAX + 1]; /* zeros at the end */
	size_t count;
	char names[CONF_OPTION_COUNT][CONF_FLAG_MAX];
	char letters[1 + 2 * FLAGS_MAX + 1];
	int code_of[UCHAR_MAX + 1]; /* by letter */
};

const struct command_flag command_config_flag = {
	"config", 0, "FILE", "Read this configuration file, which must exist."
};

static void add_flag(struct grammar *grammar, const char *name, char letter, bool has_argument,
		     int code)
{
	size_t length = strlen(grammar->letters);

	grammar->longs[grammar->count++] = (struct option){ name, has_argument, NULL, code };
	if (!letter || grammar->code_of[(unsigned char)letter])
		return;
	grammar->code_of[(unsigned char)letter] = code;
	grammar->letters[length++] = letter;
	if (has_argument)
		grammar->letters[length] = ':';
}

/* The command's own flags come first: where an option has the same letter, they win. */
static void make_grammar(struct grammar *grammar, const struct command_line *line)
{
	const struct command *command = line->command;

	/* The colon makes getopt report a missing argument as such. */
	*grammar = (struct grammar){ .letters = ":" };
	for (int i = 0; i < COMMAND_FLAGS_MAX && command->flags[i].name; i++)
		add_flag(grammar, command->flags[i].name, command->flags[i].letter,
			 command->flags[i].argument, CODE_OWN + i);
	for (int i = 0; i < CONF_OPTION_COUNT; i++) {
		conf_flag(&conf_rows[i], grammar->names[i]);
		add_flag(grammar, grammar->names[i], conf_rows[i].letter, true, CODE_OPTION + i);
	}
	add_flag(grammar, command_config_flag.name, command_config_flag.letter, true, CODE_CONFIG);
	for (int i = 0; line->commands[i].word; i++) {
		const struct command *other = &line->commands[i];

		assert(i < COMMANDS_MAX);
		if (other->is_flag)
			add_flag(grammar, other->word, other->letter, false, CODE_COMMAND + i);
	}
}

/* A flag as the user typed it, by what getopt returned for it. */
static char *spell_flag(const struct grammar *grammar, int given)
{
	for (const struct option *option = grammar->longs; option->name; option++)
		if (option->val == given)
			return mem_printf("--%s", option->name);
	return mem_printf("-%c", given);
}

/* Errors ----------------------------------------------------------------------------------------- */

/* Is this, of so many characters, how one types this flag? */
static bool is_typed(const struct command_flag *flag, const char *typed, size_t length)
{
	cleanup_free char *spelled = typed[1] == '-' ? mem_printf("--%s", flag->name)
						     : mem_printf("-%c", flag->letter);

	return strlen(spelled) == length && strncmp(spelled, typed, length) == 0;
}

/* No flag of this command: perhaps one of others. */
static int refuse_unknown(const struct command *table, const char *typed, struct error *err)
{
	size_t length = 2 + strcspn(typed + 2, "=");
	unsigned count = 0;
	char bytes[256];
	struct text words = text_over(bytes, sizeof bytes);

	for (const struct command *command = table; command->word; command++)
		for (int i = 0; i < COMMAND_FLAGS_MAX && command->flags[i].name; i++)
			if (is_typed(&command->flags[i], typed, length))
				text_append(&words, "%s'%s'", count++ > 0 ? ", " : "",
					    command->word);
	if (count == 0)
		return error_set(err, ERROR_USAGE, "unknown flag '%.100s'; see --help", typed);
	return error_set(err, ERROR_USAGE,
			 "flag '%.100s' belongs to the command%s %s, which must be the first word",
			 typed, count > 1 ? "s" : "", bytes);
}

/* Does a flag begin with this word, or end with it, as --capture-snaplen does with snaplen? */
static bool has_word(const char *flag, const char *word, size_t length, bool at_end)
{
	size_t whole = strlen(flag);

	if (at_end && (whole <= length || flag[whole - length - 1] != '-'))
		return false;
	return strncmp(flag + (at_end ? whole - length : 0), word, length) == 0;
}

/* A long flag that does not exist, or that is the beginning of several. */
static int refuse_long(const struct command_line *line, const struct grammar *grammar,
		       const char *typed, struct error *err)
{
	char bytes[256];
	struct text matches = text_over(bytes, sizeof bytes);
	size_t length = strcspn(typed, "=");
	int shown = length > 100 ? 100 : (int)length;

	for (int at_end = 0; at_end <= 1 && length > 2; at_end++) {
		for (const struct option *option = grammar->longs; option->name; option++)
			if (has_word(option->name, typed + 2, length - 2, at_end))
				text_append(&matches, "%s--%s", matches.length ? ", " : "",
					    option->name);
		if (matches.length > 0)
			return error_set(err, ERROR_USAGE,
					 at_end ? "unknown flag '%.*s'; did you mean %s?"
						: "flag '%.*s' is ambiguous: %s",
					 shown, typed, bytes);
	}
	return refuse_unknown(line->commands, typed, err);
}

static int refuse_flag(const struct command_line *line, const struct grammar *grammar, int code,
		       char **argv, struct error *err)
{
	cleanup_free char *flag = NULL;

	/* getopt names an unknown long flag only by having stepped over it. */
	if (optopt == 0)
		return refuse_long(line, grammar, argv[optind - 1], err);
	flag = spell_flag(grammar, optopt);
	if (code == ':')
		return error_set(err, ERROR_USAGE, "flag '%s' needs an argument; see --help", flag);
	if (optopt >= CODE_OPTION)
		return error_set(err, ERROR_USAGE, "flag '%s' takes no argument; see --help", flag);
	return refuse_unknown(line->commands, flag, err);
}

/* Flags ------------------------------------------------------------------------------------------ */

static int find_own_flag(const struct command *command, const char *flag)
{
	int i = 0;

	while (strcmp(command->flags[i].name, flag) != 0) {
		i++;
		assert(i < COMMAND_FLAGS_MAX && command->flags[i].name);
	}
	return i;
}

const char *command_line_value(const struct command_line *line, const char *flag)
{
	return line->values[find_own_flag(line->command, flag)];
}

/* The last value wins, unless there is a separator: then values are joined. Takes over typed. */
static void set_option(struct conf_cli *cli, unsigned option, char *typed, const char *value,
		       const char *separator)
{
	char *old = cli->value[option];

	cli->value[option] = old && separator ? mem_printf("%s%s%s", old, separator, value)
					      : mem_strdup(value);
	free(old);
	free(cli->typed[option]);
	cli->typed[option] = typed;
}

/*
 * A command in the form of a flag. -h is help, and --help is help --all; behind a command's word, both are the
 * help of that command.
 */
static int switch_command(struct command_line *line, const struct command *command, bool is_long,
			  struct error *err)
{
	const struct command *before = line->command;
	bool is_word = line->words;

	if (command->kind == COMMAND_CONFIGURES && before != line->commands && before != command)
		return is_word ? error_set(err, ERROR_USAGE,
					   "--%s cannot be combined with the command '%s'",
					   command->word, before->word)
			       : error_set(err, ERROR_USAGE, "--%s and --%s exclude each other",
					   before->word, command->word);
	line->command = command;
	memset(line->values, 0, sizeof line->values);
	if (command->kind == COMMAND_HELPS) {
		line->word_count = is_word;
		if (is_long && !is_word)
			line->values[find_own_flag(command, "all")] = "";
	}
	return 0;
}

static int take_flag(struct command_line *line, const struct grammar *grammar, int given,
		     struct error *err)
{
	int code = given < CODE_OPTION ? grammar->code_of[given] : given;

	if (code < CODE_COMMAND)
		set_option(&line->conf, code - CODE_OPTION, spell_flag(grammar, given), optarg,
			   conf_rows[code - CODE_OPTION].type == CONF_LIST ? "," : NULL);
	else if (code < CODE_OWN)
		return switch_command(line, &line->commands[code - CODE_COMMAND],
				      given >= CODE_OPTION, err);
	else if (code < CODE_CONFIG)
		line->values[code - CODE_OWN] = optarg ? optarg : "";
	else
		line->conf.file = optarg;
	return 0;
}

static int take_words(struct command_line *line, int count, char **words, struct error *err)
{
	line->words = words;
	line->word_count = count;
	if (count > 0 && !line->command->words)
		return error_set(err, ERROR_USAGE,
				 "'%.100s' after the command '%s', which takes no more words",
				 words[0], line->command->word);
	if (count == 0 || line->command->kind != COMMAND_CONFIGURES)
		return 0;
	if (line->conf.value[CONF_capture_filter])
		return error_set(
			err, ERROR_USAGE,
			"the filter is given twice: by '%s' and by '%.100s' at the end; quote a "
			"filter that contains blanks",
			line->conf.typed[CONF_capture_filter], words[0]);
	/* Joined by blanks, as for tcpdump. */
	for (int i = 0; i < count; i++)
		set_option(&line->conf, CONF_capture_filter, mem_strdup("filter"), words[i], " ");
	return 0;
}

static int parse_flags(struct command_line *line, int argc, char **argv, struct error *err)
{
	const struct command *typed = line->command;
	struct grammar grammar;
	int given;

	make_grammar(&grammar, line);
	optind = 0; /* glibc: begin again */
	opterr = 0;
	while ((given = getopt_long(argc, argv, grammar.letters, grammar.longs, NULL)) != -1) {
		if (given == '?' || given == ':')
			return refuse_flag(line, &grammar, given, argv, err);
		/* "-b=x"; as a word of its own it may begin with anything. */
		if (given < CODE_OPTION && optarg && *optarg == '=' && optarg != argv[optind - 1])
			return error_set(err, ERROR_USAGE,
					 "flag '-%c' takes its value without '=': -%c %.100s",
					 given, given, optarg + 1);
		if (take_flag(line, &grammar, given, err) < 0)
			return -1;
		/* After -h and --version nothing else counts. */
		if (line->command != typed && line->command->kind >= COMMAND_INFORMS)
			return 0;
	}
	return take_words(line, argc - optind, argv + optind, err);
}

const struct command *command_line_find(const struct command *table, const char *word)
{
	for (const struct command *command = table; command->word; command++)
		if (strcmp(command->word, word) == 0)
			return command;
	return NULL;
}

void command_line_append_words(const struct command *table, struct text *out)
{
	for (const struct command *command = table; command->word; command++)
		text_append(out, "%s%s", command == table ? "" : ", ", command->word);
}

int command_line_parse(struct command_line *line, const struct command *table, int argc,
		       char **argv, struct error *err)
{
	const struct command *command = argc > 1 ? command_line_find(table, argv[1]) : NULL;

	*line = (struct command_line){
		.commands = table,
		.command = command ? command : table,
	};
	if (command) {
		line->words = argv + 1; /* while flags are parsed: the command's own word */
		argc--;                 /* getopt skips the first word */
		argv++;
	}
	return parse_flags(line, argc, argv, err);
}
