/* SPDX-License-Identifier: Apache-2.0 */
/* --check-config: what a start does until it would change something, and what it would run into later. */
#include "daemon/daemon.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "daemon/daemon_state.h"

#define CGROUP_LIMIT     "/sys/fs/cgroup/memory.max" /* of a container, as it sees itself */
#define CGROUP_LIMIT_MAX 32

/* What there is, in bytes: the machine's, or the container's. */
static uint64_t memory_limit(void)
{
	uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	cleanup_free char *text = NULL;
	struct error err;
	uint64_t limit;
	size_t length;

	if (file_read_text(AT_FDCWD, CGROUP_LIMIT, CGROUP_LIMIT_MAX, &text, &length, &err) < 0)
		return machine;
	text[strcspn(text, "\n")] = '\0';
	return text_parse_number(text, &limit) == 0 && limit < machine ? limit : machine;
}

/* What a worker, its connection and TLS hold besides the file, which is read as it is sent. */
#define UPLOAD_BYTES ((size_t)1 << 20)

/* So that somebody who sets a limit knows what for. The kernel's buffers are not in the process's own. */
static void log_memory(const struct daemon *daemon)
{
	const struct conf *conf = daemon->conf;
	char rings[TEXT_SIZE_MAX], chunks[TEXT_SIZE_MAX], recorders[TEXT_SIZE_MAX],
		uploads[TEXT_SIZE_MAX], all[TEXT_SIZE_MAX], there[TEXT_SIZE_MAX];
	uint64_t count = conf->capture_max_interfaces, bytes[4] = { 0 }, sum, most = memory_limit();
	const struct codec *codec;
	struct error err;
	int level;

	if (codec_choose(conf, &codec, &level, &err) < 0)
		return; /* was checked before */
	bytes[0] = count * conf->capture_buffer;
	bytes[1] = daemon->pool.count * CHUNK_BYTES;
	bytes[2] = count * codec_memory_bytes(codec, level);
	bytes[3] = conf->upload_workers * UPLOAD_BYTES;
	text_format_size(bytes[0], rings);
	text_format_size(bytes[1], chunks);
	text_format_size(bytes[2], recorders);
	text_format_size(bytes[3], uploads);
	sum = bytes[0] + bytes[1] + bytes[2] + bytes[3];
	text_format_size(sum, all);
	log_notice("memory for packets is at most", log_text("total", all),
		   log_number("interfaces", count), log_text("kernel_buffers", rings),
		   log_text("chunks", chunks), log_text("recorders", recorders),
		   log_text("uploads", uploads));
	text_format_size(most, there);
	if (sum > most / 2)
		log_warning("packets may take more than half of the memory", log_text("total", all),
			    log_text("memory", there),
			    log_text("remedy", "lower capture.buffer or capture.max_interfaces"));
}

/* A start would go on all the same, or another start would not be the one that matters. */
static void log_doubts(const struct conf *conf)
{
	const char *exceeded = spool_exceeded(conf);
	cleanup_free char *account = file_account();
	struct error err;

	if (exceeded)
		log_warning("the spool's file system has no room: until it has, new segments are "
			    "dropped or waiting ones deleted",
			    log_text("spool", conf->spool_directory), log_text("option", exceeded));
	if (conf->file && access(conf->file, R_OK) < 0)
		log_warning("a reload cannot read the configuration file, which root reads at a "
			    "start",
			    log_text("file", conf->file), log_text("as", account),
			    log_text("remedy", "chgrp it to a group of the account, chmod 640"));
	/* The status address is then taken by the same process. */
	if (spool_is_in_use(conf->spool_directory))
		log_warning("another kube-node-tracer uses this spool: it can reload this "
			    "configuration, a second one would not start",
			    log_text("spool", conf->spool_directory));
	else if (server_try(conf, &err) < 0)
		log_warning("metrics and health could not be served, a start would record without",
			    log_text("address", conf->status_listen), log_reason(&err));
}

int daemon_check(const struct conf *conf, struct error *err)
{
	struct daemon *daemon = daemon_new(conf, NULL);
	int result = -1;

	if (daemon_prepare(daemon, err) == 0 && privileges_drop(conf, true, err) == 0)
		result = uploader_check(daemon->uploader, err);
	if (result < 0 && err->kind == ERROR_TRANSIENT)
		(void)error_wrap(err, "no answer (a start would record anyway)");
	if (result == 0) {
		log_doubts(conf);
		log_notice("configuration is valid");
		log_memory(daemon);
	}
	daemon_free(daemon);
	return result;
}
