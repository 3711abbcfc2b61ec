/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sink.h"

#include <ctype.h>
#include <string.h>

static const struct sink_ops *const sinks[] = {
	&sink_gcs,
	&sink_file,
};

static const struct {
	const char *extension;
	const char *type;
} content_types[] = {
	{ ".pcap.gz", "application/gzip" },          { ".pcap.zst", "application/zstd" },
	{ ".pcap", "application/vnd.tcpdump.pcap" }, { ".pcapng.gz", "application/gzip" },
	{ ".pcapng.zst", "application/zstd" },       { ".pcapng", "application/x-pcapng" },
};

const char *sink_content_type(const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < sizeof content_types / sizeof content_types[0]; i++) {
		size_t extension = strlen(content_types[i].extension);

		if (length >= extension &&
		    strcmp(name + length - extension, content_types[i].extension) == 0)
			return content_types[i].type;
	}
	return "application/octet-stream";
}

int sink_open(const struct sink_context *context, struct sink **ret_sink, struct error *err)
{
	const struct conf *conf = context->conf;
	const char *destination = conf->upload_destination;

	if (!destination[0])
		return conf_error(conf, CONF_upload_destination, err,
				  "is required (-b): BUCKET, gs://BUCKET[/PREFIX] or file:///DIR");
	for (size_t i = 0; i < sizeof sinks / sizeof sinks[0]; i++) {
		size_t length = strlen(sinks[i]->scheme);

		if (strncmp(destination, sinks[i]->scheme, length) == 0)
			return sinks[i]->open(context, destination + length, ret_sink, err);
	}
	if (isalnum((unsigned char)destination[0]) && strchr(destination, '/') &&
	    !strchr(destination, ':'))
		return conf_error(conf, CONF_upload_destination, err,
				  "\"%s\" is not a destination; allowed are gs://%s, BUCKET, and "
				  "file:///DIR for a folder",
				  destination, destination);
	/* The original script took the name of a bucket; a path is neither. */
	if (strchr(destination, '/') || strchr(destination, ':'))
		return conf_error(conf, CONF_upload_destination, err,
				  "\"%s\" is not a destination; allowed are BUCKET, "
				  "gs://BUCKET[/PREFIX] and file:///DIR",
				  destination);
	return sink_gcs.open(context, destination, ret_sink, err);
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
