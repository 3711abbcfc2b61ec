/* SPDX-License-Identifier: Apache-2.0 */
#include "netif/select.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <net/route.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "conf/conf.h"

#define ROUTE_TABLE_MAX ((size_t)16 << 20) /* a node with 100,000 routes has less */
#define ROUTE_MAX       512                /* one of them, in bytes */

/* The next line of a table. A copy: sscanf() measures all that follows, which for each route is too much. */
static bool next_route(const char **table, char line[ROUTE_MAX])
{
	size_t length = strcspn(*table, "\n");

	if (!**table)
		return false;
	(void)snprintf(line, ROUTE_MAX, "%.*s", (int)length, *table);
	*table += length + ((*table)[length] == '\n');
	return true;
}

bool interfaces_default_ipv4(const char *table, char ret_name[IF_NAMESIZE])
{
	unsigned long best = ULONG_MAX;
	char line[ROUTE_MAX];

	/* Name, destination, gateway, flags, two counts, metric, mask; no number is in the heading. */
	while (next_route(&table, line)) {
		char name[IF_NAMESIZE];
		unsigned long destination, flags, metric, mask;

		if (sscanf(line, "%15s %lx %*x %lx %*d %*d %lu %lx", name, &destination, &flags,
			   &metric, &mask) == 5 &&
		    destination == 0 && mask == 0 && (flags & RTF_UP) && !(flags & RTF_REJECT) &&
		    metric < best) {
			best = metric;
			memcpy(ret_name, name, sizeof name);
		}
	}
	return best != ULONG_MAX;
}

bool interfaces_default_ipv6(const char *table, char ret_name[IF_NAMESIZE])
{
	unsigned long best = ULONG_MAX;
	char line[ROUTE_MAX];

	/* Destination, its length, source, its length, next hop, metric, two counts, flags, name. */
	while (next_route(&table, line)) {
		char name[IF_NAMESIZE], destination[33];
		unsigned long length, metric, flags;

		if (sscanf(line, "%32s %lx %*s %*x %*s %lx %*x %*x %lx %15s", destination, &length,
			   &metric, &flags, name) == 5 &&
		    length == 0 && strspn(destination, "0") == 32 && (flags & RTF_UP) &&
		    !(flags & RTF_REJECT) && strcmp(name, "lo") != 0 && metric < best) {
			best = metric;
			memcpy(ret_name, name, sizeof name);
		}
	}
	return best != ULONG_MAX;
}

static bool find_by_route(const char *path, bool (*find)(const char *, char[IF_NAMESIZE]),
			  char ret_name[IF_NAMESIZE])
{
	cleanup_free char *table = NULL;
	struct error err;
	size_t length;

	/* Without IPv6, say, there is no such file: then there is no such route either. */
	return file_read_text(AT_FDCWD, path, ROUTE_TABLE_MAX, &table, &length, &err) == 0 &&
	       find(table, ret_name);
}

void interfaces_default_route(char ret_name[IF_NAMESIZE])
{
	if (!find_by_route("/proc/net/route", interfaces_default_ipv4, ret_name) &&
	    !find_by_route("/proc/net/ipv6_route", interfaces_default_ipv6, ret_name))
		*ret_name = '\0';
}

/* The next of words that are joined by commas, with its NUL; false at the end. */
static bool next_word(const char **words, char word[CONF_INTERFACE_WORD_MAX + 2])
{
	size_t length = strcspn(*words, ",");

	if (!**words)
		return false;
	(void)snprintf(word, CONF_INTERFACE_WORD_MAX + 2, "%.*s", (int)length, *words);
	*words += length + ((*words)[length] == ',');
	return true;
}

static bool matches(const char *word, const char *name, const char *auto_name)
{
	if (strcmp(word, "auto") == 0)
		return *auto_name && strcmp(name, auto_name) == 0;
	return fnmatch(word, name, 0) == 0;
}

bool interfaces_have(const char *words, const char *word)
{
	char each[CONF_INTERFACE_WORD_MAX + 2];

	while (next_word(&words, each))
		if (strcmp(each, word) == 0)
			return true;
	return false;
}

bool interfaces_want(const char *words, const char *name, const char *auto_name)
{
	char word[CONF_INTERFACE_WORD_MAX + 2];
	bool is_wanted = false;

	while (next_word(&words, word)) {
		if (*word == '!' && matches(word + 1, name, ""))
			return false;
		is_wanted |= *word != '!' && matches(word, name, auto_name);
	}
	return is_wanted;
}

const struct link *interfaces_auto(const struct link *links, size_t count, const char *route_name,
				   unsigned before)
{
	const struct link *same = NULL, *first = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct link *link = &links[i];

		if (strcmp(link->name, route_name) == 0)
			return link;
		if (link->index == before)
			same = link;
		if (link->is_up && !link->is_loopback && !first)
			first = link;
	}
	return same ? same : first;
}

static const char *why_missing(const char *words, const char *word, const struct link *links,
			       size_t count, const char *auto_name)
{
	const char *reason = strcmp(word, "auto") == 0      ? "there is no default route"
			     : strpbrk(word, "*?[") != NULL ? "none matches"
							    : "there is none of this name";

	for (size_t i = 0; i < count; i++) {
		if (!matches(word, links[i].name, auto_name))
			continue;
		if (!interfaces_want(words, links[i].name, auto_name))
			reason = "it is excluded";
		else if (links[i].is_up)
			return NULL;
		else
			reason = "it is down";
	}
	return reason;
}

void interfaces_each_missing(const char *words, const struct link *links, size_t count,
			     const char *auto_name,
			     void (*visit)(void *context, const char *word, const char *reason),
			     void *context)
{
	char word[CONF_INTERFACE_WORD_MAX + 2];

	for (const char *rest = words; next_word(&rest, word);) {
		const char *reason = NULL;

		if (*word != '!' && strcmp(word, "any") != 0)
			reason = why_missing(words, word, links, count, auto_name);
		if (reason)
			visit(context, word, reason);
	}
}

void interfaces_each_name(const char *words, void (*visit)(void *context, const char *name),
			  void *context)
{
	char word[CONF_INTERFACE_WORD_MAX + 2];

	if (interfaces_have(words, "any"))
		return;
	for (const char *rest = words; next_word(&rest, word);)
		if (!strpbrk(word, "!*?[\\") && strcmp(word, "auto") != 0 &&
		    interfaces_want(words, word, ""))
			visit(context, word);
}
