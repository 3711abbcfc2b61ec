/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What people type. commands.def is the one table of commands: what the first word may be, which flags it takes and
 * what it does; help, manual and completions are made from it, and nothing else lists commands. command_line.c parses
 * a command line by it, runs nothing, and is the only includer of getopt; the other files are the commands. Main
 * thread only.
 */

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "base/text.h"
#include "conf/conf.h"

#define COMMAND_FLAGS_MAX 24

struct command_line;

/* A flag that is no option of conf/options.def. */
struct command_flag {
	const char *name;     /* without its dashes; NULL ends a list */
	char letter;          /* 0: none */
	const char *argument; /* NULL: it takes none */
	const char *help;
};

/* How the rest of the line is read. Every command accepts the options of the configuration. */
enum command_kind {
	COMMAND_CONFIGURES, /* they configure this process; the words at the end are capture.filter */
	COMMAND_ASKS,       /* they find the running daemon */
	COMMAND_SEARCHES, /* they name the bucket; the words at the end are the filter of the search */
	COMMAND_INFORMS, /* they are of no use; given as a flag, nothing after it counts */
	COMMAND_HELPS,   /* likewise; the word at the end is a command */
};

struct command {
	const char *word;
	enum command_kind kind;
	const char *words; /* those at the end, as the help shows them; NULL: none */
	const char *help;  /* the first sentence is the summary */
	/* Returns the exit status of the process, or -1 and why. */
	int (*run)(struct command_line *line, struct error *err);
	bool is_flag; /* --WORD does the same */
	char letter;  /* and so does this one; 0: none */
	/* Its own flags, which no other command takes: run() asks command_line_value() for them. */
	struct command_flag flags[COMMAND_FLAGS_MAX];
};

/* Ends with a row without a word. The first row is the command without a word. */
extern const struct command commands[];
#define COMMAND(run, ...) int run(struct command_line *line, struct error *err);
#include "cli/commands.def"
#undef COMMAND

/* The flag that every command accepts besides the options. */
extern const struct command_flag command_config_flag;

struct command_line {
	const struct command *commands; /* the table */
	const struct command *command;
	struct conf_cli conf;                  /* what was given for the configuration */
	const char *values[COMMAND_FLAGS_MAX]; /* of the command's own flags */
	char **words;                          /* those at the end; part of argv */
	int word_count;
	bool is_hung; /* set by run(): a disk blocks threads, so the process must end by _exit() */
};

/*
 * Parse argv, which is put into getopt's order and must outlive the result. Unknown flags, flags of another
 * command, missing arguments, a filter given twice: ERROR_USAGE. The caller frees with conf_cli_done(&line->conf),
 * also after a failure. May be called again.
 */
int command_line_parse(struct command_line *line, const struct command *table, int argc,
		       char **argv, struct error *err) __attribute__((warn_unused_result));

/* The value of one of the command's own flags, "" for a flag without argument; NULL: not given. */
const char *command_line_value(const struct command_line *line, const char *flag);
/* The row of this word, or NULL. */
const struct command *command_line_find(const struct command *table, const char *word);
/* "run, check-config, …" */
void command_line_append_words(const struct command *table, struct text *out);

/* What print-config prints: a configuration file that says the same, without passwords. */
void print_config_write(FILE *out, const struct conf *conf);

/* The help, 80 columns wide. -h: a page of at most 40 lines; --help; help COMMAND */
void help_write_short(FILE *out, const struct command *table);
void help_write_all(FILE *out, const struct command *table);
void help_write_command(FILE *out, const struct command *command);
