/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that a crash left in capturing/: the first byte chooses the format, and gzip, zstd or none; the rest
 * is the file.
 */
#include <fcntl.h>
#include <stdatomic.h>

#include "base/log.h"
#include "fuzz.h"
#include "record/record.h"
#include "spool/spool.h"

static char directory[] = "/dev/shm/knt-fuzz-recover-XXXXXX";
static struct counters counters;
static struct index_pool index_pool;
static struct spool *spool;

static void clean_up(void)
{
	static const char *const names[] = { "capturing", "ready",    "sending",
					     "rejected",  "metadata", "upload-state",
					     "lost",      "lock",     "sequence" };

	spool_close(spool);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		cleanup_free char *path = mem_printf("%s/%s", directory, names[i]);

		(void)remove(path);
	}
	(void)remove(directory);
}

static void set_up(void)
{
	struct error err;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT);
	counters_init(&counters);
	index_pool_init(&index_pool, INDEX_POOL_BYTES);
	fuzz_require(mkdtemp(directory));
	fuzz_require(spool_open(directory, &counters, &spool, &err) == 0);
	(void)atexit(clean_up);
}

/* What was published is what its metadata say. */
static void take_away(struct error *err)
{
	static const struct conf none; /* without limits */
	struct spool_claim claim;
	off_t end;

	if (spool_claim(spool, SPOOL_OLDEST_FIRST, 0, &claim, err) > 0) {
		end = lseek(claim.fd, 0, SEEK_END);
		fuzz_require(end >= 0 && (uint64_t)end == claim.segment.bytes);
		fuzz_require(claim.segment.packets > 0);
		fuzz_require(claim.segment.earliest_ns > 0 || claim.segment.latest_ns == 0 ||
			     claim.segment.packets > 1);
		fuzz_require(spool_remove(spool, &claim, err) == 0);
	}
	spool_set_budget(spool, &none); /* what was set aside goes */
	spool_maintain(spool);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char *const extensions[] = { ".pcap.gz",   ".pcap.zst",   ".pcap",
						  ".pcapng.gz", ".pcapng.zst", ".pcapng" };
	const struct segment segment = { .node = "n", .interface = "eth0" };
	const struct error ended = { .message = "it ended" };
	struct spool_writer *writer;
	struct spool_totals totals;
	atomic_bool is_stopping = false;
	struct error err;

	if (size == 0)
		return 0;
	if (!spool)
		set_up();
	fuzz_require(spool_begin(spool, &segment,
				 extensions[bytes[0] % (sizeof extensions / sizeof *extensions)],
				 &writer, &err) == 0);
	fuzz_require(write(writer->file.fd, bytes + 1, size - 1) == (ssize_t)size - 1);
	spool_leave_for_recovery(writer, &ended);
	recover_unfinished(spool, &counters, &index_pool, &is_stopping);
	take_away(&err);
	fuzz_require(spool_totals(spool, &totals));
	fuzz_require(totals.ready + totals.sending + totals.rejected == 0);
	return 0;
}
