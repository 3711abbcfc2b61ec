/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/filter.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "capture/pcap_device.h"

#define LINK_TYPES_MAX 8
/* Of the compiling thread: with more, an interface that comes is not recorded for too long. */
#define CPU_NS_MAX (UINT64_C(10) * CLOCK_NS_PER_S)
#define RETRY_MS   UINT64_C(1000) /* after a name that could not be looked up */
#define TELL_MS    UINT64_C(3000) /* by then somebody should know why nothing is recorded */
#define SHOWN_MAX  200            /* of a filter, in a message */

enum state {
	COMPILING,
	READY,
	FAILED,
};

/* The filter for one type of link. */
struct entry {
	struct filter *filter;
	struct thread thread;
	char interface[64]; /* one that has this type of link; "": FILTER_TEXT_ONLY */
	int dlt;
	enum state state;
	bool is_told;
	uint64_t since_ms;       /* of this state */
	struct error failure;    /* ERROR_CONFIG: libpcap's words for what the user wrote */
	struct bpf_program made; /* while READY */
};

struct filter {
	const struct conf *conf;
	struct bpf_insn all; /* the filter that is empty */
	struct bpf_program everything;
	pthread_mutex_t lock;
	pthread_cond_t is_done;
	unsigned references; /* besides the first */
	struct entry list[LINK_TYPES_MAX];
	size_t count;
};

struct filter *filter_new(const struct conf *conf)
{
	struct filter *filter = mem_calloc(1, sizeof *filter);

	filter->conf = conf_ref(conf);
	filter->all = (struct bpf_insn)BPF_STMT(BPF_RET | BPF_K, device_snaplen(conf));
	filter->everything = (struct bpf_program){ .bf_len = 1, .bf_insns = &filter->all };
	(void)pthread_mutex_init(&filter->lock, NULL);
	(void)pthread_cond_init(&filter->is_done, NULL);
	return filter;
}

struct filter *filter_ref(struct filter *filter)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&filter->lock);

	filter->references++;
	return filter;
}

struct filter *filter_free(struct filter *filter)
{
	bool is_last;

	if (!filter)
		return NULL;
	(void)pthread_mutex_lock(&filter->lock);
	is_last = filter->references == 0;
	filter->references -= !is_last;
	(void)pthread_mutex_unlock(&filter->lock);
	if (!is_last)
		return NULL;
	for (size_t i = 0; i < filter->count; i++)
		pcap_freecode(&filter->list[i].made);
	(void)pthread_mutex_destroy(&filter->lock);
	(void)pthread_cond_destroy(&filter->is_done);
	conf_free(filter->conf);
	free(filter);
	return NULL;
}

/* pcap_compile() knows no kinds of errors: what it says of a name that a name server would know. */
static enum error_kind kind_of(const char *message)
{
	return strstr(message, "unknown host") || strstr(message, "unknown network")
		       ? ERROR_TRANSIENT
		       : ERROR_CONFIG;
}

static int compile(pcap_t *pcap, const struct conf *conf, bool is_optimized,
		   struct bpf_program *program, struct error *err)
{
	if (pcap_compile(pcap, program, conf->capture_filter, is_optimized, PCAP_NETMASK_UNKNOWN) ==
	    0)
		return 0;
	return error_set(err, kind_of(pcap_geterr(pcap)), "%s", pcap_geterr(pcap));
}

/* For an interface: only an open device knows how this kernel keeps VLAN tags. */
static int compile_for_link(const struct entry *entry, struct bpf_program *program,
			    struct error *err)
{
	pcap_t *pcap;
	int result;

	if (device_open_briefly(entry->filter->conf, entry->interface, &pcap, err) < 0)
		return -1;
	if (pcap_datalink(pcap) != entry->dlt && pcap_set_datalink(pcap, entry->dlt) < 0)
		result = error_set(err, ERROR_FATAL, "%s has another type of link now",
				   entry->interface);
	else
		result = compile(pcap, entry->filter->conf, true, program, err);
	pcap_close(pcap);
	return result;
}

static int compile_text(const struct entry *entry, struct bpf_program *program, struct error *err)
{
	/* The error is that of the last. */
	static const int link_types[] = { DLT_RAW, DLT_IEEE802_11_RADIO, DLT_LINUX_SLL2,
					  DLT_EN10MB };
	int result = -1;

	for (size_t i = 0; i < sizeof link_types / sizeof *link_types && result < 0; i++) {
		pcap_t *pcap = pcap_open_dead(link_types[i],
					      (int)device_snaplen(entry->filter->conf));

		if (!pcap)
			return error_set(err, ERROR_FATAL, "out of memory");
		/* Not the program is wanted, and an optimized one takes longer. */
		result = compile(pcap, entry->filter->conf, false, program, err);
		pcap_close(pcap);
		if (result < 0 && err->kind == ERROR_TRANSIENT)
			break; /* it was looked up in vain once */
	}
	return result;
}

static void run_compiler(void *context)
{
	struct entry *entry = context;
	struct filter *filter = entry->filter;
	struct bpf_program program = { 0 };
	struct error err = { 0 };
	int result;

	(void)pthread_detach(pthread_self()); /* nobody has to wait for it */
	result = entry->dlt == FILTER_TEXT_ONLY ? compile_text(entry, &program, &err)
						: compile_for_link(entry, &program, &err);
	(void)pthread_mutex_lock(&filter->lock);
	if (entry->state == COMPILING) {
		entry->state = result == 0 ? READY : FAILED;
		entry->since_ms = clock_monotonic_ms();
		entry->made = program;
		entry->failure = err;
		(void)pthread_cond_broadcast(&filter->is_done);
	} else if (result == 0) { /* it was given up */
		pcap_freecode(&program);
	}
	(void)pthread_mutex_unlock(&filter->lock);
	(void)filter_free(filter);
}

/* The filter's lock is held from here on. ----------------------------------------------------- */

static void start_compiler(struct entry *entry, const char *interface)
{
	(void)snprintf(entry->interface, sizeof entry->interface, "%s", interface);
	entry->state = COMPILING;
	entry->since_ms = clock_monotonic_ms();
	entry->filter->references++;
	if (thread_start(&entry->thread, "filter", run_compiler, entry, &entry->failure) == 0)
		return;
	entry->filter->references--;
	entry->state = FAILED;
	entry->failure.kind = ERROR_TRANSIENT;
}

/* It failed for the interface that was opened for it, which may have gone, and not for its text. */
static bool is_of_another(const struct entry *entry, const char *interface)
{
	return entry->state == FAILED && entry->failure.kind == ERROR_FATAL &&
	       strcmp(entry->interface, interface) != 0;
}

static struct entry *find_entry(struct filter *filter, const char *interface, int dlt)
{
	struct entry *entry = filter->list, *end = filter->list + filter->count;

	while (entry < end && entry->dlt != dlt)
		entry++;
	if (entry == end && filter->count == LINK_TYPES_MAX)
		return NULL;
	if (entry == end) {
		*entry = (struct entry){ .filter = filter, .dlt = dlt };
		filter->count++;
		start_compiler(entry, interface);
	} else if (entry->state == FAILED && entry->failure.kind != ERROR_CONFIG &&
		   clock_monotonic_ms() >= entry->since_ms + RETRY_MS) {
		start_compiler(entry, interface);
	}
	return entry;
}

/* While it is COMPILING, its thread is there. */
static void give_up_if_long(struct entry *entry)
{
	struct timespec used = { 0 };
	clockid_t clock;

	if (pthread_getcpuclockid(entry->thread.id, &clock) != 0 ||
	    clock_gettime(clock, &used) != 0 ||
	    (uint64_t)used.tv_sec * CLOCK_NS_PER_S + (uint64_t)used.tv_nsec < CPU_NS_MAX)
		return;
	entry->state = FAILED;
	error_set(
		&entry->failure, ERROR_CONFIG,
		"it takes more than %d s to compile; use fewer hosts, or networks (net 10.0.0.0/8) "
		"instead",
		(int)(CPU_NS_MAX / CLOCK_NS_PER_S));
}

static void tell_if_long(struct entry *entry)
{
	if (entry->is_told || clock_monotonic_ms() < entry->since_ms + TELL_MS)
		return;
	entry->is_told = true;
	log_event(EVENT_FILTER_SLOW, log_text("interface", entry->interface));
}

static int report_failure(const struct entry *entry, struct error *err)
{
	const struct conf *conf = entry->filter->conf;
	const struct error *failure = &entry->failure;

	if (failure->kind == ERROR_TRANSIENT)
		return error_set(err, ERROR_TRANSIENT, "capture.filter: %s", failure->message);
	if (failure->kind != ERROR_CONFIG) {
		*err = *failure;
		return -1;
	}
	return conf_error(conf, CONF_capture_filter, err,
			  "'%.*s%s' is not a filter: %s; see pcap-filter(7)", SHOWN_MAX,
			  conf->capture_filter, strlen(conf->capture_filter) > SHOWN_MAX ? "…" : "",
			  failure->message);
}

int filter_get(struct filter *filter, const char *interface, int dlt, uint64_t wait_ms,
	       const struct bpf_program **ret_program, struct error *err)
{
	uint64_t deadline_ns = clock_monotonic_ns() + wait_ms * CLOCK_NS_PER_MS;
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&filter->lock);
	struct entry *entry;

	if (!*filter->conf->capture_filter) {
		*ret_program = &filter->everything;
		return 0;
	}
	entry = find_entry(filter, interface, dlt);
	if (!entry)
		return error_set(err, ERROR_FATAL, "capture on %s: too many types of link",
				 interface);
	do {
		if (is_of_another(entry, interface))
			start_compiler(entry, interface);
		while (entry->state == COMPILING &&
		       thread_cond_wait_until(&filter->is_done, &filter->lock, deadline_ns))
			;
	} while (is_of_another(entry, interface));
	if (entry->state == COMPILING)
		give_up_if_long(entry);
	if (entry->state == COMPILING) {
		tell_if_long(entry);
		return 1;
	}
	if (entry->state == FAILED)
		return report_failure(entry, err);
	*ret_program = &entry->made;
	return 0;
}
