/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sink.h"

#include <ctype.h>
#include <fnmatch.h>
#include <string.h>

#include "base/mem.h"

static const struct sink_ops *const sinks[] = { &sink_gcs, &sink_file };
#define SINK_COUNT (sizeof sinks / sizeof sinks[0])

const char *sink_content_type(const char *name)
{
	static const char *const types[][2] = {
		{ "*.gz", "application/gzip" },
		{ "*.zst", "application/zstd" },
		{ "*.pcap", "application/vnd.tcpdump.pcap" },
		{ "*.pcapng", "application/x-pcapng" },
	};

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (fnmatch(types[i][0], name, 0) == 0)
			return types[i][1];
	return "application/octet-stream";
}

/* The kind of sink, with what follows the scheme in ret_rest; NULL: none. */
static const struct sink_ops *find_sink(const char *destination, const char **ret_rest)
{
	bool is_bare = !strpbrk(destination, "/:");

	for (size_t i = 0; i < SINK_COUNT; i++) {
		size_t length = strlen(sinks[i]->scheme);

		*ret_rest = is_bare ? destination : destination + length;
		if (is_bare ? sinks[i]->bare_form != NULL
			    : strncmp(destination, sinks[i]->scheme, length) == 0)
			return sinks[i];
	}
	return NULL;
}

/* "BUCKET/PREFIX": a destination that is known by its bare name needs its scheme here. */
static void append_guess(const char *destination, struct text *out)
{
	if (!isalnum((unsigned char)destination[0]) || strchr(destination, ':'))
		return;
	for (size_t i = 0; i < SINK_COUNT; i++)
		if (sinks[i]->bare_form)
			text_append(out, "%s%s, ", sinks[i]->scheme, destination);
}

int sink_open(const struct sink_context *context, struct sink **ret_sink, struct error *err)
{
	const char *destination = context->conf->upload_destination;
	const char *rest;
	const struct sink_ops *ops = find_sink(destination, &rest);
	char forms[1024];
	struct text text = text_over(forms, sizeof forms);

	if (ops && *destination)
		return ops->open(context, rest, ret_sink, err);
	append_guess(destination, &text);
	for (size_t i = 0; i < SINK_COUNT; i++)
		text_append(&text, "%s%s%s%s", sinks[i]->bare_form ? sinks[i]->bare_form : "",
			    sinks[i]->bare_form ? ", " : "", sinks[i]->form,
			    i + 1 < SINK_COUNT ? ", " : "");
	return *destination ? conf_error(context->conf, CONF_upload_destination, err,
					 "\"%s\" is not a destination; allowed are %s", destination,
					 forms)
			    : conf_error(context->conf, CONF_upload_destination, err,
					 "is required (-b): %s", forms);
}

/* The destination without the slashes at its end. */
static void append_destination(const struct conf *conf, bool is_path_plain, struct text *out)
{
	const char *rest = "";
	const struct sink_ops *ops = find_sink(conf->upload_destination, &rest);
	size_t length = strlen(rest);
	bool has_scheme = ops && !(is_path_plain && rest[0] == '/');

	while (length > 0 && rest[length - 1] == '/')
		length--;
	text_append(out, "%s%.*s/", has_scheme ? ops->scheme : "", (int)length, rest);
}

void sink_url(const struct conf *conf, const char *name, struct text *out)
{
	struct name_parts parts = { .node_length = 0 };
	cleanup_free char *node = name_parse(name, &parts) ? mem_strndup(name, parts.node_length)
							   : mem_strdup(conf->node_name);

	append_destination(conf, false, out);
	name_object(conf->upload_prefix, conf->upload_layout, node, name, out);
}

void sink_object_url(const struct conf *conf, const char *name, struct text *out)
{
	append_destination(conf, true, out);
	text_append(out, "%s", name);
}

bool sink_is_name(const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length > SINK_NAME_MAX)
		return false;
	/* Those of UTF-8, U+0080 to U+009F, control terminals, too. */
	for (const unsigned char *p = (const unsigned char *)name; *p; p++)
		if (*p < ' ' || *p == 0x7f || (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0))
			return false;
	return true;
}

struct sink *sink_close(struct sink *sink)
{
	if (sink)
		sink_ops(sink)->close(sink);
	return NULL;
}

const struct sink_ops *sink_ops(const struct sink *sink)
{
	return ((const struct sink_base *)sink)->ops;
}
