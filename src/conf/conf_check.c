/* SPDX-License-Identifier: Apache-2.0 */
/* What the types and ranges of the table cannot say of a value. */
#include <ctype.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "conf/conf_private.h"

#define NODE_NAME_MAX      128
#define INTERFACE_NAME_MAX 15 /* IFNAMSIZ without its NUL */
#define PREFIX_MAX         512
#define UNIVERSE_MAX       200
#define SPOOL_SIZE_MIN     1000000 /* bytes */

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
				  ? " (the host name, as nothing else is given)"
				  : "",
			  NODE_NAME_MAX);
}

/* Of a pattern, behind its '[': the first character, also a ']', is one of those that are meant. */
static bool is_bracket_closed(const char *inside, const char *end)
{
	inside += inside < end && (*inside == '!' || *inside == '^');
	return end - inside > 1 && memchr(inside + 1, ']', (size_t)(end - inside) - 1);
}

/* A word of capture.interface, length bytes of it, without the '!' before it. */
static bool is_interface_pattern(const char *word, size_t length)
{
	size_t plain = strcspn(word, "*?[,");

	if (length < 1 || length > CONF_INTERFACE_WORD_MAX || strcspn(word, " /:!\t") < length)
		return false;
	for (const char *open = word; (open = memchr(open, '[', length - (size_t)(open - word)));
	     open++)
		if (!is_bracket_closed(open + 1, word + length))
			return false;
	/* A name has to be one that the kernel could give. */
	return plain < length || length <= INTERFACE_NAME_MAX;
}

static int refuse_interface(const struct conf *conf, const char *word, size_t length,
			    struct error *err)
{
	return conf_error(
		conf, CONF_capture_interface, err,
		"'%.*s' is not the name of an interface; allowed, joined by commas: names "
		"of 1 to %d characters, patterns such as eth*, any, auto, and !NAME or "
		"!PATTERN for what to leave out",
		length > 100 ? 100 : (int)length, word, INTERFACE_NAME_MAX);
}

/* Is nothing left of a word for the exclusion, which is without its '!'? */
static bool is_all_excluded(const char *word, const char *exclusion)
{
	bool is_name = !strpbrk(word, "*?[") && strcmp(word, "auto") != 0;

	return strcmp(exclusion, "*") == 0 || strcmp(exclusion, word) == 0 ||
	       (is_name && fnmatch(exclusion, word, 0) == 0);
}

static int check_exclusions(const struct conf *conf, char words[][CONF_INTERFACE_WORD_MAX + 2],
			    unsigned count, struct error *err)
{
	for (unsigned i = 0; i < count; i++) {
		bool is_left = *words[i] != '!';

		for (unsigned j = 0; j < count && is_left; j++)
			is_left = *words[j] != '!' || !is_all_excluded(words[i], words[j] + 1);
		if (is_left)
			return 0;
	}
	return conf_error(conf, CONF_capture_interface, err,
			  "'%.200s' leaves no interface: all of them are excluded again",
			  conf->capture_interface);
}

static int check_interfaces(const struct conf *conf, struct error *err)
{
	char words[CONF_LIST_WORDS_MAX][CONF_INTERFACE_WORD_MAX + 2];
	const char *word = conf->capture_interface;
	unsigned count = 0, excluded = 0;
	bool has_any = false;

	for (;; word++) {
		size_t length = strcspn(word, ",");
		bool is_excluded = *word == '!';

		if (count == CONF_LIST_WORDS_MAX)
			return conf_error(conf, CONF_capture_interface, err,
					  "more than %d interfaces", CONF_LIST_WORDS_MAX);
		if (!is_interface_pattern(word + is_excluded, length - is_excluded))
			return refuse_interface(conf, word, length, err);
		memcpy(words[count], word, length);
		words[count][length] = '\0';
		if (strcmp(words[count], "!auto") == 0 || strcmp(words[count], "!any") == 0)
			return refuse_interface(conf, word, length, err);
		for (unsigned i = 0; i < count; i++)
			if (strcmp(words[i], words[count]) == 0)
				return conf_error(conf, CONF_capture_interface, err,
						  "'%s' is there twice", words[i]);
		has_any |= strcmp(words[count++], "any") == 0;
		excluded += is_excluded;
		word += length;
		if (!*word)
			break;
	}
	if (has_any && count > 1)
		return conf_error(conf, CONF_capture_interface, err,
				  "'any' is all interfaces at once, and goes with no other word; "
				  "'*,!lo' is each by itself, without lo");
	if (excluded == count)
		return conf_error(
			conf, CONF_capture_interface, err,
			"nothing but exclusions; say first what they are taken from: '*,%s'",
			conf->capture_interface);
	return check_exclusions(conf, words, count, err);
}

/* Less does not take one chunk, with what the spool keeps beside it: nothing would ever be recorded. */
static int check_spool_size(const struct conf *conf, struct error *err)
{
	if (conf->spool_max_size == 0 || conf->spool_max_size >= SPOOL_SIZE_MIN)
		return 0;
	return conf_error(conf, CONF_spool_max_size, err,
			  "'%" PRIu64
			  "B' does not take one segment; allowed: 0 for no limit, or at "
			  "least %d MB",
			  conf->spool_max_size, SPOOL_SIZE_MIN / 1000000);
}

/* Characters that GCS discourages or that other systems cannot have in a file name. */
static int check_prefix(const struct conf *conf, struct error *err)
{
	const char *prefix = conf->upload_prefix, *component = prefix;
	size_t length = strlen(prefix);

	if (length > PREFIX_MAX)
		return conf_error(conf, CONF_upload_prefix, err, "longer than %d bytes",
				  PREFIX_MAX);
	for (const char *p = prefix; *p; p++)
		if (*p < ' ' || *p > '~' || strchr("#[]*?:\"<>|\\", *p))
			return conf_error(
				conf, CONF_upload_prefix, err,
				"byte %zu cannot be in an object name; allowed: printable "
				"ASCII without # [ ] * ? : \" < > | \\",
				(size_t)(p - prefix) + 1);
	while (length > 0) {
		size_t part = strcspn(component, "/");

		if (part <= 2 && strspn(component, ".") == part)
			return conf_error(
				conf, CONF_upload_prefix, err,
				"'%.*s' has an empty, '.' or '..' component, or a slash at "
				"an end",
				100, prefix);
		if (!component[part])
			break;
		component += part + 1;
	}
	return 0;
}

/* Any other scheme makes libcurl repeat the whole value, so it is refused here, where it stays unsaid. */
static int check_proxy(const struct conf *conf, struct error *err)
{
	static const char *const schemes[] = { "http", "https", "socks5", "socks5h" };
	const char *proxy = conf->upload_proxy, *end = strstr(proxy, "://");

	if (!end)
		return 0;
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
		if (strlen(schemes[i]) == (size_t)(end - proxy) &&
		    strncasecmp(proxy, schemes[i], (size_t)(end - proxy)) == 0)
			return 0;
	return conf_error(conf, CONF_upload_proxy, err,
			  "not the URL of a proxy; allowed: http://HOST:PORT, or https, socks5 or "
			  "socks5h in place of http");
}

static int check_universe(const struct conf *conf, struct error *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";
	const char *domain = conf->gcs_universe_domain;
	size_t length = strlen(domain);

	if (length <= UNIVERSE_MAX && !domain[strspn(domain, allowed)] && strchr(domain, '.') &&
	    domain[0] != '.' && domain[length - 1] != '.' && !strstr(domain, ".."))
		return 0;
	return conf_error(conf, CONF_gcs_universe_domain, err,
			  "'%.*s' is not a domain; allowed: names in lower case with dots between, "
			  "such as googleapis.com",
			  UNIVERSE_MAX, domain);
}

int conf_check(const struct conf *conf, struct error *err)
{
	if (check_node_name(conf, err) < 0 || check_interfaces(conf, err) < 0 ||
	    check_spool_size(conf, err) < 0 || check_prefix(conf, err) < 0 ||
	    check_proxy(conf, err) < 0)
		return -1;
	return check_universe(conf, err);
}
