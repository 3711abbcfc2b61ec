/* SPDX-License-Identifier: Apache-2.0 */
/* What the types and ranges of the table cannot say of a value. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "conf/conf_private.h"

#define NODE_NAME_MAX  128
#define PREFIX_MAX     512
#define SPOOL_SIZE_MIN 1000000 /* bytes */

static int check_node_name(const struct conf *conf, struct error *err)
{
	size_t length = strlen(conf->node_name);
	bool is_valid = length >= 1 && length <= NODE_NAME_MAX && conf->node_name[0] != '.';

	for (const char *p = conf->node_name; *p; p++)
		is_valid &= isalnum((unsigned char)*p) || strchr("._-", *p);
	if (is_valid)
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

/* No component of a path may be "", "." or "..". */
static bool has_good_components(const char *path)
{
	for (;; path++) {
		size_t length = strcspn(path, "/");

		if (length <= 2 && strspn(path, ".") == length)
			return false;
		path += length;
		if (!*path)
			return true;
	}
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
	if (*prefix && !has_good_components(prefix)) {
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

/* HOST[:PORT], perhaps with USER[:PASSWORD]@ before it and a path behind. */
static bool is_proxy_address(const char *text)
{
	const char *end = text + strcspn(text, "/?#");
	const char *at = memrchr(text, '@', (size_t)(end - text));
	const char *host = at ? at + 1 : text, *behind;
	uint64_t port;
	char digits[6];

	if (*host == '[') {
		behind = host + 1 + strspn(host + 1, "0123456789abcdefABCDEF:.%");
		if (behind == host + 1 || *behind++ != ']')
			return false;
	} else {
		behind = host + strcspn(host, " []{}<>\\^`|\"@:/?#");
		if (behind == host)
			return false;
	}
	if (behind == end)
		return true;
	(void)snprintf(digits, sizeof digits, "%.*s", (int)(end - behind - 1), behind + 1);
	return *behind == ':' && end - behind <= 6 && text_parse_number(digits, &port) == 0 &&
	       port <= UINT16_MAX;
}

/* The error never repeats the value, which may hold a password; libcurl's would. */
static int check_proxy(const struct conf *conf, struct error *err)
{
	static const char *const schemes[] = { "http", "https", "socks5", "socks5h" };
	const char *proxy = conf->upload_proxy, *separator = strstr(proxy, "://");
	bool is_known = !separator;

	for (size_t i = 0; separator && i < sizeof schemes / sizeof *schemes; i++)
		is_known |= strlen(schemes[i]) == (size_t)(separator - proxy) &&
			    strncasecmp(proxy, schemes[i], (size_t)(separator - proxy)) == 0;
	if (!*proxy || (is_known && is_proxy_address(separator ? separator + 3 : proxy)))
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
