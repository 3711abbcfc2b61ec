/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <string.h>

#include "conf/conf_private.h"

/* What getopt_long() returns for long forms: above every letter. */
#define LONG_OPTION 256
#define LONG_FLAG   (LONG_OPTION + CONF_OPTION_COUNT)

const struct conf_cli_flag conf_cli_flags[CONF_CLI_FLAG_COUNT] = {
	{ "config", 0, CONF_ACTION_RUN, "FILE",
	  "Read this configuration file, which has to exist." },
	{ "check-config", 0, CONF_ACTION_CHECK, NULL,
	  "Check configuration, interfaces, filter, spool, credentials and destination, "
	  "say what is wrong, and exit; nothing is changed. As root, it goes on with the rights of "
	  "daemon.user." },
	{ "print-config", 0, CONF_ACTION_PRINT, NULL,
	  "Print every effective value and where it came from, as a configuration file, and exit." },
	{ "json", 0, CONF_ACTION_STATUS, NULL, "With the command status: one JSON object." },
	{ "watch", 0, CONF_ACTION_STATUS, NULL,
	  "With the command status: again every two seconds, until interrupted." },
	{ "version", 0, CONF_ACTION_VERSION, NULL, "Print the version and exit." },
	{ "help", 'h', CONF_ACTION_HELP, NULL, "Print this help and exit." },
};

const struct conf_cli_command conf_cli_commands[CONF_CLI_COMMAND_COUNT] = {
	{ "status", CONF_ACTION_STATUS,
	  "Show what the running recorder does, how fast, and what is wrong." },
	{ "rotate", CONF_ACTION_ROTATE, "End the open segments now." },
	{ "reload", CONF_ACTION_RELOAD,
	  "Reload the configuration; say what of it needs a restart, or why it is refused, with exit "
	  "status 1." },
	{ "flush", CONF_ACTION_FLUSH,
	  "End the open segments and return when all is uploaded, however long that takes; exit "
	  "status 1 if something was lost." },
	{ "healthz", CONF_ACTION_HEALTHZ,
	  "Print liveness as /healthz does; exit status 1 if it fails." },
	{ "readyz", CONF_ACTION_READYZ,
	  "Print readiness as /readyz does; exit status 1 if it fails." },
};

/* The table in getopt's shape. */
struct flags {
	struct option longs[CONF_OPTION_COUNT + CONF_CLI_FLAG_COUNT + 1]; /* zeros at the end */
	char long_names[CONF_OPTION_COUNT][CONF_FLAG_MAX];
	char letters[1 + 2 * (CONF_OPTION_COUNT + CONF_CLI_FLAG_COUNT) + 1];
};

static void add_letter(struct flags *flags, char letter, bool has_argument)
{
	size_t length = strlen(flags->letters);

	if (!letter)
		return;
	flags->letters[length++] = letter;
	if (has_argument)
		flags->letters[length] = ':';
}

static void make_flags(struct flags *flags)
{
	struct option *next = flags->longs;

	*flags = (struct flags){
		.letters = ":"
	}; /* a missing argument is told from an unknown flag */
	for (int i = 0; i < CONF_OPTION_COUNT; i++) {
		conf_flag(&conf_rows[i], flags->long_names[i]);
		*next++ = (struct option){ flags->long_names[i], required_argument, NULL,
					   LONG_OPTION + i };
		add_letter(flags, conf_rows[i].letter, true);
	}
	for (int i = 0; i < CONF_CLI_FLAG_COUNT; i++) {
		bool has_argument = conf_cli_flags[i].argument;

		*next++ = (struct option){ conf_cli_flags[i].flag, has_argument, NULL,
					   LONG_FLAG + i };
		add_letter(flags, conf_cli_flags[i].letter, has_argument);
	}
}

/* A flag as getopt returned it (or in optopt, about which it complains), as the user knows it. */
static char *spell(const struct flags *flags, int code)
{
	if (code >= LONG_OPTION)
		return mem_printf("--%s", flags->longs[code - LONG_OPTION].name);
	return mem_printf("-%c", code);
}

/* Does a flag end with this word, of so many bytes, as --capture-snaplen with snaplen? */
static bool ends_with_word(const char *flag, const char *word, size_t length)
{
	size_t whole = strlen(flag);

	return whole > length && flag[whole - length - 1] == '-' &&
	       strncmp(flag + whole - length, word, length) == 0;
}

/* A long flag that is none, or the beginning of several. */
static int refuse_long(const struct flags *flags, const char *flag, struct error *err)
{
	char bytes[256];
	struct text matches = text_over(bytes, sizeof bytes);
	size_t length = strcspn(flag, "=");

	for (const struct option *option = flags->longs; length > 2 && option->name; option++)
		if (strncmp(option->name, flag + 2, length - 2) == 0)
			text_append(&matches, "%s--%s", *bytes ? ", " : "", option->name);
	if (*bytes)
		return error_set(err, ERROR_USAGE, "flag '%.*s' is ambiguous: %s", (int)length,
				 flag, bytes);
	for (const struct option *option = flags->longs; length > 2 && option->name; option++)
		if (ends_with_word(option->name, flag + 2, length - 2))
			text_append(&matches, "%s--%s", *bytes ? ", " : "", option->name);
	if (*bytes)
		return error_set(err, ERROR_USAGE, "unknown flag '%.*s'; did you mean %s?",
				 length > 100 ? 100 : (int)length, flag, bytes);
	return error_set(err, ERROR_USAGE, "unknown flag '%.100s'; see --help", flag);
}

static int refuse(const struct flags *flags, int code, char **argv, struct error *err)
{
	cleanup_free char *flag = NULL;

	/* getopt names an unknown long flag only by having stepped over it. */
	if (optopt == 0)
		return refuse_long(flags, argv[optind - 1], err);
	flag = spell(flags, optopt);
	if (code == ':')
		return error_set(err, ERROR_USAGE, "flag '%s' needs an argument; see --help", flag);
	if (optopt >= LONG_OPTION)
		return error_set(err, ERROR_USAGE, "flag '%s' takes no argument; see --help", flag);
	return error_set(err, ERROR_USAGE, "unknown flag '%s'; see --help", flag);
}

/* Of a flag given again the last one counts, but lists grow. Takes over typed. */
static void set_value(struct conf_cli *cli, enum conf_option option, char *typed, const char *value)
{
	char *old = cli->value[option];

	if (old && conf_rows[option].type == CONF_LIST)
		cli->value[option] = mem_printf("%s,%s", old, value);
	else
		cli->value[option] = mem_strdup(value);
	free(old);
	free(cli->typed[option]);
	cli->typed[option] = typed;
}

static bool is_command(enum conf_action action)
{
	return action >= CONF_ACTION_STATUS;
}

static int set_action(struct conf_cli *cli, const struct conf_cli_flag *flag, struct error *err)
{
	if (flag->action == CONF_ACTION_RUN) {
		cli->file = optarg;
		return 0;
	}
	if (flag->action == CONF_ACTION_STATUS) {
		if (cli->action != CONF_ACTION_STATUS)
			return error_set(err, ERROR_USAGE,
					 "--%s goes with the command status alone", flag->flag);
		cli->is_json |= strcmp(flag->flag, "json") == 0;
		cli->is_watch |= strcmp(flag->flag, "watch") == 0;
		return 0;
	}
	if (is_command(cli->action) && flag->action != CONF_ACTION_HELP &&
	    flag->action != CONF_ACTION_VERSION)
		return error_set(err, ERROR_USAGE, "--%s does not go with a command", flag->flag);
	if (cli->action != CONF_ACTION_RUN && !is_command(cli->action) &&
	    cli->action != flag->action)
		return error_set(err, ERROR_USAGE,
				 "--check-config and --print-config exclude each other");
	cli->action = flag->action;
	return 0;
}

/* What remains is the filter, joined by blanks, as for tcpdump. */
static int set_filter(struct conf_cli *cli, int count, char **words, struct error *err)
{
	cleanup_free char *filter = NULL;

	if (count <= 0)
		return 0;
	if (cli->value[CONF_capture_filter])
		return error_set(
			err, ERROR_USAGE,
			"the filter is given twice: by '%s' and by '%.100s' at the end; one that "
			"holds blanks has to be quoted",
			cli->typed[CONF_capture_filter], words[0]);
	filter = mem_strdup(words[0]);
	for (int i = 1; i < count; i++) {
		char *longer = mem_printf("%s %s", filter, words[i]);

		free(filter);
		filter = longer;
	}
	set_value(cli, CONF_capture_filter, mem_strdup("filter"), filter);
	return 0;
}

/* The code of the long form of a letter. */
static int long_code(int code)
{
	for (int i = 0; i < CONF_OPTION_COUNT; i++)
		if (conf_rows[i].letter == code)
			return LONG_OPTION + i;
	for (int i = 0; i < CONF_CLI_FLAG_COUNT; i++)
		if (conf_cli_flags[i].letter == code)
			return LONG_FLAG + i;
	return code;
}

static int parse(struct conf_cli *cli, int argc, char **argv, struct error *err)
{
	struct flags flags;
	int code;

	make_flags(&flags);
	optind = 0; /* glibc: begin anew */
	opterr = 0;
	while ((code = getopt_long(argc, argv, flags.letters, flags.longs, NULL)) != -1) {
		int index = long_code(code);

		if (code == '?' || code == ':')
			return refuse(&flags, code, argv, err);
		/* "-b=x"; as a word of its own it may begin with anything. */
		if (code < LONG_OPTION && optarg && *optarg == '=' && optarg != argv[optind - 1])
			return error_set(err, ERROR_USAGE,
					 "flag '-%c' takes its value without '=': -%c %.100s", code,
					 code, optarg + 1);
		if (index < LONG_FLAG)
			set_value(cli, (enum conf_option)(index - LONG_OPTION), spell(&flags, code),
				  optarg);
		else if (set_action(cli, &conf_cli_flags[index - LONG_FLAG], err) < 0)
			return -1;
		if (cli->action == CONF_ACTION_HELP || cli->action == CONF_ACTION_VERSION)
			return 0;
	}
	if (is_command(cli->action) && optind < argc)
		return error_set(err, ERROR_USAGE,
				 "'%.100s' behind a command that takes no more words",
				 argv[optind]);
	return set_filter(cli, argc - optind, argv + optind, err);
}

void conf_cli_append_commands(struct text *out)
{
	for (unsigned i = 0; i < CONF_CLI_COMMAND_COUNT; i++)
		text_append(out, "%s%s", i ? ", " : "", conf_cli_commands[i].word);
}

int conf_cli_parse(struct conf_cli *cli, int argc, char **argv, struct error *err)
{
	*cli = (struct conf_cli){ .action = CONF_ACTION_RUN };
	for (unsigned i = 0; argc > 1 && i < CONF_CLI_COMMAND_COUNT; i++)
		if (strcmp(argv[1], conf_cli_commands[i].word) == 0) {
			cli->action = conf_cli_commands[i].action;
			argc--; /* getopt skips the first one */
			argv++;
			break;
		}
	if (parse(cli, argc, argv, err) < 0) {
		conf_cli_done(cli);
		return -1;
	}
	return 0;
}

void conf_cli_done(struct conf_cli *cli)
{
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++) {
		free(cli->value[i]);
		free(cli->typed[i]);
	}
	*cli = (struct conf_cli){ .action = CONF_ACTION_RUN };
}
