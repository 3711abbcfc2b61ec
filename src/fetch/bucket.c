/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/bucket.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"

#define PAUSE_FIRST_MS  UINT64_C(250)
#define PAUSE_MAX_MS    UINT64_C(8000)
#define PATIENCE_MS     UINT64_C(30000)
#define GIVEN_UP_MAX    4
#define STACK_BYTES     ((size_t)1 << 20) /* enough for TLS and name servers */
#define CACHE_MODE      0700
#define CACHE_FILE_MODE 0600 /* packets are private */

static void begin_bucket(struct bucket *bucket, const struct conf *conf, const atomic_bool *cancel)
{
	*bucket = (struct bucket){ .cache_fd = -1, .cancel = cancel };
	bucket->context = (struct sink_context){
		.conf = conf,
		.connections = connections_new(),
		.counters = mem_calloc(1, sizeof *bucket->context.counters),
		.cancel = cancel,
	};
}

static int open_cache(struct bucket *bucket, const char *cache, struct error *err)
{
	if (!cache)
		return 0;
	if (file_make_folders(cache, CACHE_MODE, err) < 0) {
		err->kind = ERROR_USAGE;
		return error_wrap(err, "--cache");
	}
	bucket->cache_fd = open(cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return bucket->cache_fd < 0 ? error_errno_as(err, ERROR_USAGE, "--cache %s", cache) : 0;
}

int bucket_open(const struct conf *conf, const char *cache, const atomic_bool *cancel,
		struct bucket *ret_bucket, struct error *err)
{
	begin_bucket(ret_bucket, conf, cancel);
	if (open_cache(ret_bucket, cache, err) == 0 &&
	    sink_open(&ret_bucket->context, &ret_bucket->sink, err) == 0)
		return 0;
	bucket_close(ret_bucket);
	return -1;
}

int bucket_open_spool(const struct conf *conf, struct here *here, const atomic_bool *cancel,
		      struct bucket *ret_bucket, struct error *err)
{
	begin_bucket(ret_bucket, conf, cancel);
	ret_bucket->here = here;
	if (sink_open_spool(&ret_bucket->context, conf->spool_directory, &ret_bucket->sink, err) ==
	    0)
		return 0;
	bucket_close(ret_bucket);
	return -1;
}

void bucket_close(struct bucket *bucket)
{
	sink_close(bucket->sink);
	connections_free(bucket->context.connections);
	free(bucket->context.counters);
	close_fd(&bucket->cache_fd);
}

/* Crew ------------------------------------------------------------------------------------------- */

struct member {
	struct thread thread;
	struct bucket *bucket;
	int (*work)(void *context, struct bucket_reader *reader, struct error *err);
	void *context;
	int result;
	struct error failure;
};

static void run_member(void *context)
{
	struct member *member = context;
	struct bucket_reader reader = { .bucket = member->bucket };
	const struct sink_ops *ops = sink_ops(member->bucket->sink);

	member->result = ops->worker_open(member->bucket->sink, &reader.worker, &member->failure);
	if (member->result < 0)
		return;
	member->result = member->work(member->context, &reader, &member->failure);
	ops->worker_close(reader.worker);
}

int bucket_crew(struct bucket *bucket, unsigned threads,
		int (*work)(void *context, struct bucket_reader *reader, struct error *err),
		void *context, struct error *err)
{
	cleanup_free struct member *crew = mem_calloc(threads, sizeof *crew);
	unsigned started = 0;
	int result = 0;

	while (started < threads) {
		struct member *member = &crew[started];

		*member = (struct member){ .bucket = bucket, .work = work, .context = context };
		/* With one of them the work is done all the same. */
		if (thread_start_small(&member->thread, "search", STACK_BYTES, run_member, member,
				       err) < 0)
			break;
		started++;
	}
	if (started == 0)
		return -1;
	for (unsigned i = 0; i < started; i++) {
		thread_join(&crew[i].thread);
		if (crew[i].result < 0 && result == 0) {
			*err = crew[i].failure;
			result = -1;
		}
	}
	return result;
}

/* Again ------------------------------------------------------------------------------------------ */

/* How long one question has been asked in vain: since its first failure, not while it was answered. */
struct patience {
	uint64_t since_ms, until_ms, pause_ms; /* 0: it has not failed yet */
};

/* Before the first answer, whoever waits is told for what: perhaps that will not come. */
static void tell_waiting(struct bucket *bucket, const struct error *err)
{
	if (atomic_load(&bucket->answered_ms) == 0 && !atomic_exchange(&bucket->has_told, true))
		log_warning("no answer yet, trying again for half a minute", log_reason(err));
	else
		log_debug("the bucket is asked again", log_reason(err));
}

/* After a failure: wait, and try again? Ctrl-C ends the waiting. */
static bool is_worth_another(struct bucket *bucket, struct patience *patience,
			     const struct error *err)
{
	uint64_t now_ms = clock_monotonic_ms(), end_ms;

	if (patience->until_ms == 0)
		*patience = (struct patience){ now_ms, now_ms + PATIENCE_MS, PAUSE_FIRST_MS };
	end_ms = now_ms + (err->retry_after_ms > patience->pause_ms ? err->retry_after_ms
								    : patience->pause_ms);

	if (err->kind != ERROR_TRANSIENT || end_ms > patience->until_ms)
		return false;
	tell_waiting(bucket, err);
	for (; now_ms < end_ms && !atomic_load(bucket->cancel); now_ms = clock_monotonic_ms())
		(void)nanosleep(&(struct timespec){ .tv_nsec = 20 * (long)CLOCK_NS_PER_MS }, NULL);
	patience->pause_ms *= 2;
	if (patience->pause_ms > PAUSE_MAX_MS)
		patience->pause_ms = PAUSE_MAX_MS;
	return !atomic_load(bucket->cancel);
}

/* A listing that breaks off goes on behind the last name it told. */
struct visiting {
	bool (*visit)(void *context, const struct sink_item *item);
	void *context;
	char *last; /* NULL: none yet */
	unsigned count, limit;
	bool has_ended;
};

static bool visit_once(void *context, const struct sink_item *item)
{
	struct visiting *visiting = context;

	if (visiting->last && strcmp(item->name, visiting->last) <= 0)
		return true;
	free(visiting->last);
	visiting->last = mem_strdup(item->name);
	visiting->count++;
	visiting->has_ended = !visiting->visit(visiting->context, item) ||
			      visiting->count == visiting->limit;
	return !visiting->has_ended;
}

int bucket_list(struct bucket_reader *reader, const struct sink_list *what,
		bool (*visit)(void *context, const struct sink_item *item), void *context,
		struct error *err)
{
	struct bucket *bucket = reader->bucket;
	struct visiting visiting = { .visit = visit, .context = context, .limit = what->limit };
	struct patience patience = { .until_ms = 0 };
	struct sink_list rest = *what;
	int result = 0;

	do {
		unsigned requests = 0, before = visiting.count;

		if (visiting.last) {
			rest.from = visiting.last;
			/* That one will be told again. */
			rest.limit = what->limit ? what->limit - visiting.count + 1 : 0;
		}
		result = sink_ops(bucket->sink)
				 ->list(reader->worker, &rest, visit_once, &visiting, &requests,
					err);
		atomic_fetch_add(&bucket->requests, requests);
		if (visiting.count > before) /* it was answered */
			patience.until_ms = 0;
		if (visiting.count > before || result == 0)
			atomic_store(&bucket->answered_ms, clock_monotonic_ms());
	} while (result < 0 && !visiting.has_ended && is_worth_another(bucket, &patience, err));
	free(visiting.last);
	return visiting.has_ended ? 0 : result;
}

/* Cache ------------------------------------------------------------------------------------------ */

/* What was read has a file: a name cannot hold all that it depends on, so its beginning says that. */
static char *describe(const struct bucket *bucket, const char *name, const char *version,
		      uint64_t offset, size_t length)
{
	return mem_printf("%s\n%s\n%s\n%ju+%zu\n", bucket->context.conf->upload_destination, name,
			  version, (uintmax_t)offset, length);
}

static char *name_in_cache(const char *description)
{
	size_t length = strlen(description);

	return mem_printf("%08x%08x", crc32c_update(0, description, length),
			  crc32c_update(UINT32_MAX, description + length / 2, length - length / 2));
}

static bool read_cached(struct bucket *bucket, const char *description, uint8_t *out, size_t length)
{
	cleanup_free char *name = name_in_cache(description);
	cleanup_close int fd = openat(bucket->cache_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t head = strlen(description);
	cleanup_free char *found = mem_alloc(head);
	uint32_t checksum;
	struct error err;
	struct stat st;

	/* The description, the checksum of what follows, the bytes. */
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size == head + sizeof checksum + length &&
	       file_read_at(fd, found, head, 0, &err) == (ssize_t)head &&
	       memcmp(found, description, head) == 0 &&
	       file_read_at(fd, &checksum, sizeof checksum, head, &err) == sizeof checksum &&
	       file_read_at(fd, out, length, head + sizeof checksum, &err) == (ssize_t)length &&
	       crc32c_update(0, out, length) == checksum;
}

static int write_file(struct bucket *bucket, const char *temporary, const char *description,
		      const uint8_t *bytes, size_t length, struct error *err)
{
	cleanup_close int fd = openat(bucket->cache_fd, temporary,
				      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
				      CACHE_FILE_MODE);
	uint32_t checksum = crc32c_update(0, bytes, length);

	if (fd < 0)
		return error_errno(err, "create %s", temporary);
	if (file_write_all(fd, description, strlen(description), err) < 0 ||
	    file_write_all(fd, &checksum, sizeof checksum, err) < 0)
		return -1;
	return file_write_all(fd, bytes, length, err);
}

/*
 * The cache is a convenience: what it has no room for is read again, and so is what a power failure damaged. Nothing
 * waits for the disk: there may be a file for each of 26,000 objects.
 */
static void write_cached(struct bucket *bucket, const char *description, const uint8_t *bytes,
			 size_t length)
{
	cleanup_free char *name = name_in_cache(description);
	cleanup_free char *temporary = mem_printf(".%s.new", name);
	struct error err;

	if (write_file(bucket, temporary, description, bytes, length, &err) == 0) {
		if (renameat(bucket->cache_fd, temporary, bucket->cache_fd, name) == 0)
			return;
		(void)error_errno(&err, "rename %s", temporary);
	}
	(void)unlinkat(bucket->cache_fd, temporary, 0);
	log_debug("not kept in --cache", log_reason(&err));
}

static bool visit_none(void *context, const struct sink_item *item)
{
	(void)context;
	(void)item;
	return false;
}

/* Does the bucket answer a simple question? */
static bool is_answering(struct bucket_reader *reader)
{
	struct bucket *bucket = reader->bucket;
	const struct sink_list first = { .prefix = "", .from = "", .to = "", .limit = 1 };
	unsigned requests = 0;
	struct error err;
	int result = sink_ops(bucket->sink)
			     ->list(reader->worker, &first, visit_none, NULL, &requests, &err);

	atomic_fetch_add(&bucket->requests, requests);
	return result == 0;
}

/*
 * An object was asked for in vain for as long as we are patient. If the bucket has answered others meanwhile, or does
 * so now, that is about this object, and no reason to end the search; unless it is so with one after the other.
 */
static void judge_silence(struct bucket_reader *reader, const struct patience *patience,
			  struct error *err)
{
	struct bucket *bucket = reader->bucket;

	if (err->kind != ERROR_TRANSIENT || atomic_load(bucket->cancel) ||
	    atomic_fetch_add(&bucket->given_up, 1) >= GIVEN_UP_MAX)
		return;
	if (atomic_load(&bucket->answered_ms) >= patience->since_ms || is_answering(reader))
		err->kind = ERROR_REJECTED;
}

int bucket_read(struct bucket_reader *reader, const char *name, const char *version,
		uint64_t offset, size_t length, uint8_t *out, struct error *err)
{
	struct bucket *bucket = reader->bucket;
	cleanup_free char *description = describe(bucket, name, version, offset, length);
	struct patience patience = { .until_ms = 0 };
	int result;

	if (bucket->here)
		here_pause(bucket->here);
	if (bucket->cache_fd >= 0 && read_cached(bucket, description, out, length)) {
		atomic_fetch_add(&bucket->cached_bytes, length);
		return 0;
	}
	do {
		result = sink_ops(bucket->sink)
				 ->read(reader->worker, name, version, offset, length, out, err);
		atomic_fetch_add(&bucket->requests, 1);
	} while (result < 0 && is_worth_another(bucket, &patience, err));
	if (result < 0) {
		judge_silence(reader, &patience, err);
		return -1;
	}
	atomic_store(&bucket->answered_ms, clock_monotonic_ms());
	atomic_store(&bucket->given_up, 0);
	atomic_fetch_add(&bucket->bytes, length);
	if (bucket->cache_fd >= 0)
		write_cached(bucket, description, out, length);
	return 0;
}
