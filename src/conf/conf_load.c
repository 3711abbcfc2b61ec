/* SPDX-License-Identifier: Apache-2.0 */
/* Making a configuration: defaults, file, environment, command line, then the checks. */
#include <inttypes.h>
#include <limits.h>
#include <regex.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/environment.h"

#define NODE_NAME_MAX  253 /* RFC 1123, and so Kubernetes */
#define PREFIX_MAX     512
#define SPOOL_SIZE_MIN 1000000 /* bytes */
/* Of segment.age; and the longest unless upload.spread says so, in seconds. */
#define SPREAD_PART 10
#define SPREAD_MAX  60

static const char node_name_pattern[] = "^[a-z0-9_-][a-z0-9._-]{0,252}$";
/* A component of a path that is empty, "." or "..". */
static const char bad_component_pattern[] = "(^|/)\\.{0,2}(/|$)";
/* Perhaps SCHEME://, perhaps USER[:PASSWORD]@, HOST, perhaps a port up to 65535, perhaps a path. */
static const char proxy_pattern[] =
	"^((https?|socks5h?)://)?([^/?#]*@)?"
	"(\\[[0-9a-f:.%]+\\]|[^][ {}<>\\^`|\"@:/?#]+)"
	"(:([0-5]?[0-9]{1,4}|6([0-4][0-9]{3}|5([0-4][0-9]{2}|5([0-2][0-9]|3[0-5])))))?"
	"([/?#].*)?$";

/* Variables that win over the file. */
static const struct {
	const char *origin;
	enum conf_option option;
} variables[] = {
	{ "$NODE_NAME", CONF_node_name },
	{ "$GOOGLE_APPLICATION_CREDENTIALS", CONF_gcs_credentials },
	{ "$GOOGLE_CLOUD_UNIVERSE_DOMAIN", CONF_gcs_universe_domain },
};

void conf_cli_done(struct conf_cli *cli)
{
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++) {
		free(cli->value[i]);
		free(cli->typed[i]);
	}
	*cli = (struct conf_cli){ .file = NULL };
}

static int complete_spread(struct conf *conf, struct error *err)
{
	uint64_t spread = conf->segment_age / SPREAD_PART;
	cleanup_free char *seconds =
		mem_printf("%" PRIu64, spread < SPREAD_MAX ? spread : (uint64_t)SPREAD_MAX);

	return conf->source[CONF_upload_spread] != CONF_SOURCE_DEFAULT
		       ? 0
		       : conf_set(conf, CONF_upload_spread, CONF_SOURCE_DEFAULT,
				  "a tenth of segment.age, at most 60", seconds, err);
}

/* What neither file, environment nor command line gives. */
static int complete_values(struct conf *conf, struct error *err)
{
	cleanup_free char *state = environment_first_folder("STATE_DIRECTORY");
	cleanup_free char *given = NULL, *here = NULL;
	const char *authorities = environment_get("SSL_CERT_FILE");
	char host[HOST_NAME_MAX + 1] = "";

	/* Every program's, and often the system's own: it must not undo what the file says. */
	if (!*conf->upload_ca_file && authorities &&
	    conf_set(conf, CONF_upload_ca_file, CONF_SOURCE_ENVIRONMENT, "$SSL_CERT_FILE",
		     authorities, err) < 0)
		return -1;
	if (!*conf->node_name && gethostname(host, HOST_NAME_MAX) < 0)
		return error_errno(err, "read the host name");
	if (!*conf->node_name &&
	    conf_set(conf, CONF_node_name, CONF_SOURCE_DEFAULT, "host name", host, err) < 0)
		return -1;
	/* systemd always sets the variable: it must not undo what the file says. */
	if (!*conf->spool_directory &&
	    conf_set(conf, CONF_spool_directory,
		     state ? CONF_SOURCE_ENVIRONMENT : CONF_SOURCE_DEFAULT,
		     state ? "$STATE_DIRECTORY" : "default",
		     state ? state : DEFAULT_SPOOL_DIRECTORY, err) < 0)
		return -1;
	if (conf->spool_directory[0] == '/')
		return 0;
	/* An absolute path: the control socket may be in it, and needs an absolute address. */
	here = getcwd(NULL, 0);
	if (!here)
		return error_errno(err, "current directory");
	given = conf->spool_directory;
	conf->spool_directory = mem_printf("%s/%s", here, given);
	return 0;
}

/* Checks ----------------------------------------------------------------------------------------- */

/* Large and small letters are the same. */
static bool is_match(const char *text, const char *pattern)
{
	regex_t regex;
	bool is_found = regcomp(&regex, pattern, REG_EXTENDED | REG_ICASE | REG_NOSUB) == 0 &&
			regexec(&regex, text, 0, NULL, 0) == 0;

	regfree(&regex);
	return is_found;
}

bool conf_is_prefix(const char *prefix, const char *forbidden, struct text *reason)
{
	if (strlen(prefix) > PREFIX_MAX) {
		text_append(reason, "longer than %d bytes", PREFIX_MAX);
		return false;
	}
	for (const char *p = prefix; *p; p++) {
		if (*p >= ' ' && *p <= '~' && !strchr(forbidden, *p))
			continue;
		text_append(
			reason,
			"byte %zu cannot be in an object name; allowed: printable ASCII without",
			(size_t)(p - prefix) + 1);
		for (const char *character = forbidden; *character; character++)
			text_append(reason, " %c", *character);
		return false;
	}
	if (*prefix && is_match(prefix, bad_component_pattern)) {
		text_append(reason,
			    "'%.*s' has an empty, '.' or '..' component, or a slash at an end", 100,
			    prefix);
		return false;
	}
	return true;
}

/* What the types and ranges of the table cannot say of a value. */
static int check_values(struct conf *conf, struct error *err)
{
	char bytes[256];
	struct text prefix_reason = text_over(bytes, sizeof bytes);
	struct error reason;

	if (!is_match(conf->node_name, node_name_pattern))
		return conf_error(conf, CONF_node_name, err,
				  "'%.*s'%s cannot be in a file name; allowed: 1 to %d letters, "
				  "digits, '.', '_', '-', not beginning with '.'",
				  NODE_NAME_MAX, conf->node_name,
				  conf->source[CONF_node_name] == CONF_SOURCE_DEFAULT
					  ? " (the host name: node.name is not set)"
					  : "",
				  NODE_NAME_MAX);
	if (interface_words_parse(conf->capture_interface, &conf->interfaces, &reason) < 0)
		return conf_error(conf, CONF_capture_interface, err, "%s", reason.message);
	/* A smaller spool has no room for one chunk and its metadata: nothing would ever be recorded. */
	if (conf->spool_max_size > 0 && conf->spool_max_size < SPOOL_SIZE_MIN)
		return conf_error(conf, CONF_spool_max_size, err,
				  "'%" PRIu64 "B' is too small for one segment; allowed: 0 (no "
				  "limit), or at least %d MB",
				  conf->spool_max_size, SPOOL_SIZE_MIN / 1000000);
	/* GCS discourages some of these characters; others cannot be in file names on other systems. */
	if (!conf_is_prefix(conf->upload_prefix, "#[]*?:\"<>|\\", &prefix_reason))
		return conf_error(conf, CONF_upload_prefix, err, "%s", bytes);
	/* The error never repeats the value, which may hold a password; libcurl's would. */
	if (*conf->upload_proxy && !is_match(conf->upload_proxy, proxy_pattern))
		return conf_error(conf, CONF_upload_proxy, err,
				  "not a proxy URL; allowed: http://HOST:PORT, or https, socks5 or "
				  "socks5h instead of http");
	return 0;
}

int conf_load(const struct conf_cli *cli, struct conf **ret_conf, struct error *err)
{
	cleanup_conf struct conf *conf = mem_calloc(1, sizeof *conf);

	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++)
		if (conf_set(conf, i, CONF_SOURCE_DEFAULT, "default", conf_rows[i].default_text,
			     err) < 0)
			return -1;
	if (conf_file_read(conf, cli->file ? cli->file : DEFAULT_CONFIG_FILE, cli->file, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
		const char *value = environment_get(variables[i].origin + strlen("$"));

		if (value && conf_set(conf, variables[i].option, CONF_SOURCE_ENVIRONMENT,
				      variables[i].origin, value, err) < 0)
			return -1;
	}
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++)
		if (cli->value[i] && conf_set(conf, i, CONF_SOURCE_COMMAND_LINE, cli->typed[i],
					      cli->value[i], err) < 0)
			return -1;
	if (complete_spread(conf, err) < 0 || complete_values(conf, err) < 0 ||
	    check_values(conf, err) < 0)
		return -1;
	*ret_conf = take_ptr(conf);
	return 0;
}
