/* SPDX-License-Identifier: Apache-2.0 */
/* What the types and ranges of the table cannot say of a value. */
#include <inttypes.h>
#include <regex.h>
#include <string.h>

#include "conf/conf_private.h"

#define NODE_NAME_MAX  128
#define PREFIX_MAX     512
#define SPOOL_SIZE_MIN 1000000 /* bytes */

static const char node_name_pattern[] = "^[a-z0-9_-][a-z0-9._-]{0,127}$";
/* A component of a path that is empty, "." or "..". */
static const char bad_component_pattern[] = "(^|/)\\.{0,2}(/|$)";
/* Perhaps SCHEME://, perhaps USER[:PASSWORD]@, HOST, perhaps a port up to 65535, perhaps a path. */
static const char proxy_pattern[] =
	"^((https?|socks5h?)://)?([^/?#]*@)?"
	"(\\[[0-9a-f:.%]+\\]|[^][ {}<>\\^`|\"@:/?#]+)"
	"(:([0-5]?[0-9]{1,4}|6([0-4][0-9]{3}|5([0-4][0-9]{2}|5([0-2][0-9]|3[0-5])))))?"
	"([/?#].*)?$";

/* Large and small letters are the same. */
static bool is_match(const char *text, const char *pattern)
{
	regex_t regex;
	bool is_found = regcomp(&regex, pattern, REG_EXTENDED | REG_ICASE | REG_NOSUB) == 0 &&
			regexec(&regex, text, 0, NULL, 0) == 0;

	regfree(&regex);
	return is_found;
}

static int check_node_name(const struct conf *conf, struct error *err)
{
	if (is_match(conf->node_name, node_name_pattern))
		return 0;
	return conf_error(conf, CONF_node_name, err,
			  "'%.*s'%s cannot be in a file name; allowed: 1 to %d letters, digits, "
			  "'.', '_', '-', not beginning with '.'",
			  NODE_NAME_MAX, conf->node_name,
			  conf->source[CONF_node_name] == CONF_SOURCE_DEFAULT
				  ? " (the host name: node.name is not set)"
				  : "",
			  NODE_NAME_MAX);
}

static int parse_interfaces(struct conf *conf, struct error *err)
{
	char bytes[sizeof err->message];
	struct text reason = text_over(bytes, sizeof bytes);

	if (interface_words_parse(conf->capture_interface, &conf->interfaces, &reason) == 0)
		return 0;
	return conf_error(conf, CONF_capture_interface, err, "%s", bytes);
}

/* A smaller spool has no room for one chunk and its metadata: nothing would ever be recorded. */
static int check_spool_size(const struct conf *conf, struct error *err)
{
	if (conf->spool_max_size == 0 || conf->spool_max_size >= SPOOL_SIZE_MIN)
		return 0;
	return conf_error(conf, CONF_spool_max_size, err,
			  "'%" PRIu64
			  "B' is too small for one segment; allowed: 0 (no limit), or at "
			  "least %d MB",
			  conf->spool_max_size, SPOOL_SIZE_MIN / 1000000);
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

/* GCS discourages some of these characters; others cannot be in file names on other systems. */
static int check_prefix(const struct conf *conf, struct error *err)
{
	char bytes[256];
	struct text reason = text_over(bytes, sizeof bytes);

	if (conf_is_prefix(conf->upload_prefix, "#[]*?:\"<>|\\", &reason))
		return 0;
	return conf_error(conf, CONF_upload_prefix, err, "%s", bytes);
}

/* The error never repeats the value, which may hold a password; libcurl's would. */
static int check_proxy(const struct conf *conf, struct error *err)
{
	if (!*conf->upload_proxy || is_match(conf->upload_proxy, proxy_pattern))
		return 0;
	return conf_error(conf, CONF_upload_proxy, err,
			  "not a proxy URL; allowed: http://HOST:PORT, or https, socks5 or "
			  "socks5h instead of http");
}

int conf_check(struct conf *conf, struct error *err)
{
	if (check_node_name(conf, err) < 0 || parse_interfaces(conf, err) < 0 ||
	    check_spool_size(conf, err) < 0 || check_prefix(conf, err) < 0 ||
	    check_proxy(conf, err) < 0)
		return -1;
	return 0;
}
