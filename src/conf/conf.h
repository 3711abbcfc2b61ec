/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The configuration: every option with its effective value and the place that gave it. It is made from
 * defaults, file, environment and command line, checked, and immutable from then on: a reload makes a new one
 * and compares. Made on the main thread only; any thread may read it.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "conf/interface_words.h"

/* A part of a whole: a percentage, or an amount. */
struct conf_share {
	uint64_t amount;
	bool is_percent;
};

static inline uint64_t conf_share_of(const struct conf_share *share, uint64_t total)
{
	return share->is_percent ? total / 100 * share->amount + total % 100 * share->amount / 100
				 : share->amount;
}

/* CONF_capture_filter, …: the number of each option. */
enum conf_option {
#define OPTION(type, group, name, ...) CONF_##group##_##name,
#include "conf/options.def"
#undef OPTION
	CONF_OPTION_COUNT,
};

enum conf_type {
	CONF_TEXT,
	CONF_LIST,
	CONF_NUMBER,
	CONF_SIZE,
	CONF_SECONDS,
	CONF_SHARE,
	CONF_SWITCH,
	CONF_CHOICE,
};

/* What a changed option needs to take effect. */
enum conf_reload {
	CONF_RELOAD_LIVE,
	CONF_RELOAD_CAPTURE,
	CONF_RELOAD_UPLOAD,
	CONF_RELOAD_RESTART,
	CONF_RELOAD_COUNT,
};

/* One row of options.def. */
struct conf_row {
	enum conf_type type;
	enum conf_reload reload;
	const char *group;
	const char *name;
	const char *key; /* "group.name"; conf_flag() makes the flag of it */
	char letter;     /* 0: none */
	const char *default_text;
	uint64_t unit, min, max;
	const char *argument;
	const char *help;
	size_t offset; /* of the field in struct conf */
};
extern const struct conf_row conf_rows[CONF_OPTION_COUNT];

/* The long flag without its dashes: "group-name". Long enough for every row (tested). */
#define CONF_FLAG_MAX 64
void conf_flag(const struct conf_row *row, char out[CONF_FLAG_MAX]);

/* Which source gave a value; a later one overrides an earlier one. */
enum conf_source {
	CONF_SOURCE_DEFAULT, /* the table, or computed (host name) */
	CONF_SOURCE_FILE,
	CONF_SOURCE_ENVIRONMENT,
	CONF_SOURCE_COMMAND_LINE,
};

/* The field that a row becomes, and for a CHOICE its enum. */
#define CONF_FIELD_TEXT(field, ...)    char *field;
#define CONF_FIELD_LIST(field, ...)    char *field;
#define CONF_FIELD_NUMBER(field, ...)  uint64_t field;
#define CONF_FIELD_SIZE(field, ...)    uint64_t field;
#define CONF_FIELD_SECONDS(field, ...) uint64_t field;
#define CONF_FIELD_SHARE(field, ...)   struct conf_share field;
#define CONF_FIELD_SWITCH(field, ...)  bool field;
#define CONF_FIELD_CHOICE(field, ...)  enum conf_##field{ __VA_ARGS__ } field;

struct conf {
	atomic_uint references; /* besides the first */
#define OPTION(type, group, name, letter, default_, unit, min, max, reload, argument, help) \
	CONF_FIELD_##type(group##_##name, argument)
#define WORD(constant, text) constant,
#define OR(constant, text)   constant,
#include "conf/options.def"
#undef OR
#undef WORD
#undef OPTION
	struct interface_words interfaces; /* of capture.interface */
	/* Where each value came from: "default", "FILE:LINE", "$VARIABLE" or the flag as typed. */
	char *origin[CONF_OPTION_COUNT];
	enum conf_source source[CONF_OPTION_COUNT];
	char *file; /* the configuration file that was read, or NULL */
};

/*
 * What the command line gives. `file` points into argv, which has to outlive it; the rest is owned, see
 * conf_cli_done(). A reload applies the same again.
 */
struct conf_cli {
	const char *file; /* --config FILE, or NULL: the packaged path, if it is there */
	/* By option: the value, NULL if not given, and how: "-i", "--capture-interface", or
	 * "filter" for the words at the end. */
	char *value[CONF_OPTION_COUNT];
	char *typed[CONF_OPTION_COUNT];
};

void conf_cli_done(struct conf_cli *cli);

/*
 * Make a configuration: defaults, then the file, then the environment, then the command line;
 * types, ranges and names checked. Errors name their place: ERROR_CONFIG "FILE:LINE: key: what is
 * wrong, what is allowed", ERROR_USAGE for a value on the command line. Without --config a missing
 * file is no error. Afterwards node.name is valid (1 to 128 letters, digits, '.', '_', '-', not
 * beginning with '.'), upload.prefix can be part of an object name, interfaces holds at least one
 * word that selects something, and spool.directory is not empty. upload.destination may be empty:
 * the sink checks it.
 */
int conf_load(const struct conf_cli *cli, struct conf **ret_conf, struct error *err)
	__attribute__((warn_unused_result));
/* For conf_load(): */
/* Set an option from text. On failure too, conf has the origin, and err is as by conf_error(). */
int conf_set(struct conf *conf, enum conf_option option, enum conf_source source,
	     const char *origin, const char *text, struct error *err)
	__attribute__((warn_unused_result));

/* Set the options of the file. It may be missing unless it must exist. */
int conf_file_read(struct conf *conf, const char *path, bool must_exist, struct error *err)
	__attribute__((warn_unused_result));

/*
 * Stages share a configuration, some of them beyond a reload: each takes a reference and frees it,
 * the last one frees the memory. Any thread.
 */
/* What daemon.user = auto stands for, where there is such an account. */
#define CONF_PACKAGED_ACCOUNT "kube-node-tracer"

const struct conf *conf_ref(const struct conf *conf) __attribute__((warn_unused_result));
struct conf *conf_free(const struct conf *conf);

static inline void conf_free_cleanup(struct conf **conf)
{
	conf_free(*conf);
}
#define cleanup_conf cleanup(conf_free_cleanup)

/* Log as log.level and log.format say. */
void conf_setup_log(const struct conf *conf);

/* True if the option's value differs between the two. */
bool conf_differs(const struct conf *a, const struct conf *b, enum conf_option option);
/* True if any option of this reload behaviour differs. */
bool conf_needs(const struct conf *old, const struct conf *new, enum conf_reload reload);
/* Keep the old value and its origin (options that need a restart). */
void conf_keep(struct conf *conf, const struct conf *old, enum conf_option option);

/*
 * Report a bad value, prefixed with its origin ("FILE:LINE: key", "-s", "$VARIABLE" or just the
 * key): for checks that only the stages can make (a filter that does not compile, say). ERROR_USAGE if the value is from the command line,
 * else ERROR_CONFIG. Returns -1.
 */
int conf_error(const struct conf *conf, enum conf_option option, struct error *err,
	       const char *format, ...) __attribute__((format(printf, 4, 5)));

/*
 * Can this stand before the names of objects? Printable ASCII without the forbidden characters, in components
 * between slashes; "" can. If not, reason says why.
 */
bool conf_is_prefix(const char *prefix, const char *forbidden, struct text *reason);

/*
 * Does capture.snaplen cut headers off a packet in a tunnel that it would keep outside? That takes 70 bytes more: an
 * Ethernet frame in VXLAN over IPv6.
 */
#define CONF_SNAPLEN_TUNNELS 168
static inline bool conf_cuts_tunnels(const struct conf *conf)
{
	return conf->capture_snaplen > 0 && conf->capture_snaplen < CONF_SNAPLEN_TUNNELS;
}

/* The value of an option as one would type it; parses back to the same. The caller frees. */
char *conf_format(const struct conf *conf, enum conf_option option)
	__attribute__((warn_unused_result));
/* "0 to 262144", "both, in, out"; nothing for types that allow any text. */
void conf_value_allowed(const struct conf_row *row, struct text *out);
