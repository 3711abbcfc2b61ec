/* SPDX-License-Identifier: Apache-2.0 */
/* The memory that packets may take, and what there is. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "daemon/daemon_state.h"
#include "index/collector.h"

#define CGROUP_OF_SELF "/proc/self/cgroup" /* "0::/PATH" */
#define CGROUP_MAX     4096

/* The limit of the control group, of a container or a service, in bytes; UINT64_MAX: it has none. */
static uint64_t group_limit(void)
{
	cleanup_free char *groups = NULL, *path = NULL, *text = NULL;
	const char *own;
	struct error err;
	uint64_t limit;
	size_t length;

	if (file_read_text(AT_FDCWD, CGROUP_OF_SELF, CGROUP_MAX, &groups, &length, &err) < 0 ||
	    !(own = strstr(groups, "0::")))
		return UINT64_MAX;
	own += strlen("0::");
	path = mem_printf("/sys/fs/cgroup%.*s/memory.max", (int)strcspn(own, "\n"), own);
	if (file_read_text(AT_FDCWD, path, CGROUP_MAX, &text, &length, &err) < 0)
		return UINT64_MAX;
	text[strcspn(text, "\n")] = '\0';
	return text_parse_number(text, &limit) == 0 ? limit : UINT64_MAX; /* "max" */
}

/* What a worker, its connection and TLS hold besides the file, which is read as it is sent. */
#define UPLOAD_BYTES ((size_t)1 << 20)

/* Patterns may match as many as are allowed. */
static uint64_t count_interfaces(const struct conf *conf)
{
	const struct interface_words *words = &conf->interfaces;
	uint64_t count = 0;

	for (unsigned i = 0; i < words->count; i++)
		if (words->list[i].kind == INTERFACE_WORD_PATTERN && !words->list[i].is_excluded)
			return conf->capture_max_interfaces;
		else
			count += !words->list[i].is_excluded;
	return count < conf->capture_max_interfaces ? count : conf->capture_max_interfaces;
}

/*
 * The keys of each chunk, the tables by which captures find them (during a reload an interface has two), what recorders
 * make of them, and what packs that. Recovery has one of each, too.
 */
static uint64_t count_index_bytes(const struct daemon *daemon, uint64_t interfaces)
{
	return (daemon->pool.count + 1) * sizeof(struct chunk_keys) +
	       (2 * interfaces + 1) * sizeof(struct collector) +
	       (interfaces + 1) * INDEX_OWN_BYTES + daemon->index_pool.limit + INDEX_PACKING_BYTES;
}

/*
 * So that somebody who sets a limit knows what for. The kernel's buffers are not in the process's own, but in the
 * machine's; during a reload an interface has two of them.
 */
void memory_log(const struct daemon *daemon, bool is_detailed)
{
	const struct conf *conf = daemon->conf;
	char rings[TEXT_SIZE_MAX], chunks[TEXT_SIZE_MAX], recorders[TEXT_SIZE_MAX],
		uploads[TEXT_SIZE_MAX], indexes[TEXT_SIZE_MAX], all[TEXT_SIZE_MAX],
		there[TEXT_SIZE_MAX];
	uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t count = count_interfaces(conf), bytes[5] = { 0 }, sum, group = group_limit();
	bool is_group_short;
	const struct codec *codec;
	struct error err;
	int level;

	if (codec_choose(conf, &codec, &level, &err) < 0)
		return; /* was checked before */
	bytes[0] = 2 * count * conf->capture_buffer;
	bytes[1] = daemon->pool.count * CHUNK_BYTES;
	bytes[2] = count * codec_memory_bytes(codec, level);
	bytes[3] = conf->upload_workers * UPLOAD_BYTES;
	if (conf->segment_index && codec->compress)
		bytes[4] = count_index_bytes(daemon, count);
	text_format_size(bytes[0], rings);
	text_format_size(bytes[1], chunks);
	text_format_size(bytes[2], recorders);
	text_format_size(bytes[3], uploads);
	text_format_size(bytes[4], indexes);
	sum = bytes[0] + bytes[1] + bytes[2] + bytes[3] + bytes[4];
	text_format_size(sum, all);
	is_group_short = sum - bytes[0] > group; /* which the kernel's buffers are not counted in */
	text_format_size(is_group_short ? group : machine, there);
	if (is_detailed)
		log_notice("memory for packets is at most", log_text("total", all),
			   log_number("interfaces", count), log_text("kernel_buffers", rings),
			   log_text("chunks", chunks), log_text("recorders", recorders),
			   log_text("uploads", uploads),
			   log_text(bytes[4] > 0 ? "indexes" : NULL, indexes));
	if (is_group_short || sum > machine)
		log_event(EVENT_MEMORY_SHORT, log_text("total", all),
			  log_number("interfaces", count), log_text("kernel_buffers", rings),
			  log_text("memory", there));
}
