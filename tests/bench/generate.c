/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends packets as fast or as evenly as it is told, for the benchmark and for the end-to-end tests; says in
 * one line of JSON what it sent and what the other end of the wire got. `generate --help` lists the rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "inject.h"
#include "trace.h"

enum {
	BATCH_MAX = 64, /* packets of one system call */
	BATCHES_PER_S = 1000,
	SOCKET_BYTES = 4 << 20,
	DEVICES_MAX = 1 << 20, /* of the text that lists the interfaces */
};

static const char usage[] =
	"Usage: generate -i IF [--rate PPS] [--count N] [--seconds S] [MORE]\n"
	"       generate --write FILE [--snaplen BYTES] [MORE]\n"
	"\n"
	"Sends packets until the count or the time is over, or SIGTERM or SIGINT comes,\n"
	"then prints one line of JSON. Rate, count and time are unlimited unless given.\n"
	"\n"
	"  -i, --interface IF     send there\n"
	"      --rate PPS         at most so many packets a second\n"
	"      --count N          so many packets\n"
	"      --seconds S        for so long\n"
	"      --received-by IF[@PID]\n"
	"                         also say what this interface got (in that process's\n"
	"                         network namespace)\n"
	"      --sizes N[,N...]   packets of these sizes in turn; else a node's mix\n"
	"      --flows N          of so many flows (400)\n"
	"      --packets N        make up so many different packets (32768)\n"
	"      --pcap FILE        send the packets of this file\n"
	"      --numbered STREAM  UDP packets to this port that bear their number\n"
	"      --first N          the first number (0)\n"
	"      --write FILE       write the packets to a capture file instead\n"
	"      --snaplen BYTES    cut them to this there\n"
	"      --inject           have the interface receive them, at rates that nobody\n"
	"                         can send: --count of them, of the first size\n";

struct options {
	const char *interface, *received_by, *pcap, *write;
	uint64_t rate, count, seconds, first, snaplen;
	bool is_injecting;
	struct trace_model model;
};

struct result {
	uint64_t sent, bytes, again, ns;
};

static volatile sig_atomic_t is_stopping;

static void on_signal(int number)
{
	(void)number;
	is_stopping = 1;
}

static int parse_sizes(const char *value, struct trace_model *model)
{
	cleanup_free char *words = mem_strdup(value);
	char *rest = words, *word;

	while ((word = strsep(&rest, ","))) {
		uint64_t size;

		if (text_parse_number(word, &size) < 0 || size < TRACE_PACKET_MIN ||
		    size > TRACE_PACKET_MAX || model->size_count == TRACE_SIZES_MAX)
			return -1;
		model->sizes[model->size_count++] = (uint32_t)size;
	}
	return 0;
}

static int parse_limited(const char *value, uint64_t max, size_t *ret_number)
{
	uint64_t number;

	if (text_parse_number(value, &number) < 0 || number == 0 || number > max)
		return -1;
	*ret_number = (size_t)number;
	return 0;
}

static int parse_option(int letter, const char *value, struct options *options)
{
	uint64_t stream;

	switch (letter) {
	case 'i':
		options->interface = value;
		return 0;
	case 'r':
		return text_parse_number(value, &options->rate);
	case 'c':
		return text_parse_number(value, &options->count);
	case 't':
		return text_parse_number(value, &options->seconds);
	case 'g':
		options->received_by = value;
		return 0;
	case 's':
		return parse_sizes(value, &options->model);
	case 'f':
		return parse_limited(value, TRACE_FLOWS_MAX, &options->model.flows);
	case 'p':
		return parse_limited(value, TRACE_PACKETS_MAX, &options->model.packets);
	case 'P':
		options->pcap = value;
		return 0;
	case 'n':
		options->model.is_numbered = true;
		if (text_parse_number(value, &stream) < 0 || stream > UINT16_MAX)
			return -1;
		options->model.stream = (uint16_t)stream;
		return 0;
	case '1':
		return text_parse_number(value, &options->first);
	case 'w':
		options->write = value;
		return 0;
	case 'l':
		return text_parse_number(value, &options->snaplen);
	case 'j':
		options->is_injecting = true;
		return 0;
	default:
		return -1;
	}
}

/* 0: go on; else the process ends with this status, or with success if it is -1. */
static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option flags[] = {
		{ "interface", required_argument, NULL, 'i' },
		{ "rate", required_argument, NULL, 'r' },
		{ "count", required_argument, NULL, 'c' },
		{ "seconds", required_argument, NULL, 't' },
		{ "received-by", required_argument, NULL, 'g' },
		{ "sizes", required_argument, NULL, 's' },
		{ "flows", required_argument, NULL, 'f' },
		{ "packets", required_argument, NULL, 'p' },
		{ "pcap", required_argument, NULL, 'P' },
		{ "numbered", required_argument, NULL, 'n' },
		{ "first", required_argument, NULL, '1' },
		{ "write", required_argument, NULL, 'w' },
		{ "snaplen", required_argument, NULL, 'l' },
		{ "inject", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int letter;

	while ((letter = getopt_long(argc, argv, "i:", flags, NULL)) != -1) {
		if (letter == 'h') {
			(void)fputs(usage, stdout);
			return -1;
		}
		if (letter == '?')
			return 2;
		if (parse_option(letter, optarg, options) < 0) {
			(void)fprintf(stderr, "generate: '%s' is out of range\n", optarg);
			return 2;
		}
	}
	if (optind < argc || !(options->interface || options->write) ||
	    (options->pcap && options->model.is_numbered)) {
		(void)fputs(usage, stderr);
		return 2;
	}
	return 0;
}

static int open_socket(const char *interface, struct error *err)
{
	cleanup_close int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct sockaddr_ll address = { .sll_family = AF_PACKET };
	const int bypass = 1, bytes = SOCKET_BYTES;

	if (fd < 0)
		return error_errno(err, "packet socket");
	address.sll_ifindex = (int)if_nametoindex(interface);
	if (address.sll_ifindex == 0)
		return error_errno(err, "interface %s", interface);
	if (bind(fd, (const struct sockaddr *)&address, sizeof address) < 0)
		return error_errno(err, "bind to %s", interface);
	/* No queue in between: what is sent is at the other end of a veth pair, or an error. */
	if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &bypass, sizeof bypass) < 0)
		return error_errno(err, "bypass of the queue");
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
	return take_fd(&fd);
}

/* Until it is time for the packet after `sent`. Sleeping is the only wait: others need the CPU. */
static void pace(const struct options *options, uint64_t begin_ns, uint64_t sent)
{
	uint64_t due_ns = begin_ns +
			  (uint64_t)((double)sent / (double)options->rate * CLOCK_NS_PER_S);
	struct timespec due = { (time_t)(due_ns / CLOCK_NS_PER_S),
				(long)(due_ns % CLOCK_NS_PER_S) };

	if (due_ns > clock_monotonic_ns())
		(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

static int send_batch(int fd, struct mmsghdr *messages, unsigned count, struct result *result,
		      struct error *err)
{
	unsigned done = 0;

	while (done < count) {
		int sent = sendmmsg(fd, messages + done, count - done, 0);

		if (sent > 0) {
			for (int i = 0; i < sent; i++)
				result->bytes += messages[done + (unsigned)i].msg_len;
			done += (unsigned)sent;
		} else if (errno == ENOBUFS || errno == EAGAIN || errno == EINTR) {
			result->again++; /* it was not sent: the same one again */
		} else {
			return error_errno(err, "send");
		}
	}
	result->sent += count;
	return 0;
}

static int send_all(struct options *options, struct trace *trace, int fd, struct result *result,
		    struct error *err)
{
	struct iovec parts[BATCH_MAX];
	struct mmsghdr messages[BATCH_MAX] = { 0 };
	uint64_t begin_ns = clock_monotonic_ns(), batch_max = BATCH_MAX;
	uint64_t end_ns = begin_ns + options->seconds * CLOCK_NS_PER_S;
	size_t next = 0;
	int status = 0;

	if (options->rate > 0 && options->rate / BATCHES_PER_S < BATCH_MAX)
		batch_max = options->rate / BATCHES_PER_S + 1;
	while (status == 0 && !is_stopping &&
	       (options->count == 0 || result->sent < options->count) &&
	       (options->seconds == 0 || clock_monotonic_ns() < end_ns)) {
		uint64_t left = options->count ? options->count - result->sent : batch_max;
		unsigned count = (unsigned)(left < batch_max ? left : batch_max);

		/* A numbered packet must not be in a batch twice. */
		count = count < trace->count ? count : (unsigned)trace->count;
		for (unsigned i = 0; i < count; i++) {
			struct trace_packet *packet = &trace->packets[next];

			next = next + 1 < trace->count ? next + 1 : 0;
			if (trace->number_offset)
				trace_number(trace, packet, options->first + result->sent + i);
			parts[i] = (struct iovec){ packet->bytes, packet->length };
			messages[i].msg_hdr.msg_iov = &parts[i];
			messages[i].msg_hdr.msg_iovlen = 1;
		}
		if (options->rate > 0)
			pace(options, begin_ns, result->sent);
		status = send_batch(fd, messages, count, result, err);
	}
	result->ns = clock_monotonic_ns() - begin_ns;
	return status;
}

/* Packets that an interface received so far, and those that it had no room for. */
static int read_received(const char *where, uint64_t *ret_packets, uint64_t *ret_drops,
			 struct error *err)
{
	cleanup_free char *name = mem_strdup(where), *path = NULL, *text = NULL;
	char *at = strchr(name, '@');
	size_t length;

	if (at)
		*at++ = '\0';
	path = mem_printf("/proc/%s/net/dev", at ? at : "self");
	if (file_read_text(AT_FDCWD, path, DEVICES_MAX, &text, &length, err) < 0)
		return -1;
	for (const char *line = text; line; line = strchr(line, '\n')) {
		char word[IF_NAMESIZE + 1];
		unsigned long long packets, drops;

		line += strspn(line, "\n ");
		/* NAME: bytes packets errs drop … (the receiving side comes first) */
		if (sscanf(line, "%16[^: \n]: %*u %llu %*u %llu", word, &packets, &drops) == 3 &&
		    strcmp(word, name) == 0) {
			*ret_packets = packets;
			*ret_drops = drops;
			return 0;
		}
	}
	return error_set(err, ERROR_CONFIG, "no interface %s in %s", name, path);
}

static int inject_all(const struct options *options, const struct trace *trace, struct error *err)
{
	unsigned interface = if_nametoindex(options->interface);
	uint64_t begin_ns = clock_monotonic_ns(), injected;

	if (interface == 0)
		return error_errno(err, "interface %s", options->interface);
	if (inject(trace, interface, options->rate, options->count, &injected, err) < 0)
		return -1;
	(void)printf("{\"sent\": %ju, \"received\": %ju, \"seconds\": %.6f}\n", (uintmax_t)injected,
		     (uintmax_t)injected, (double)(clock_monotonic_ns() - begin_ns) / 1e9);
	return 0;
}

static int generate(struct options *options, struct trace *trace, struct error *err)
{
	uint64_t before = 0, after = 0, drops_before = 0, drops_after = 0;
	cleanup_close int fd = open_socket(options->interface, err);
	struct result result = { 0 };

	if (fd < 0 || (options->received_by &&
		       read_received(options->received_by, &before, &drops_before, err) < 0))
		return -1;
	if (send_all(options, trace, fd, &result, err) < 0)
		return -1;
	if (options->received_by &&
	    read_received(options->received_by, &after, &drops_after, err) < 0)
		return -1;
	(void)printf("{\"sent\": %ju, \"bytes\": %ju, \"again\": %ju, \"seconds\": %.6f",
		     (uintmax_t)result.sent, (uintmax_t)result.bytes, (uintmax_t)result.again,
		     (double)result.ns / 1e9);
	if (options->received_by)
		(void)printf(", \"received\": %ju, \"not_received\": %ju",
			     (uintmax_t)(after - before), (uintmax_t)(drops_after - drops_before));
	(void)puts("}");
	return 0;
}

static int run(struct options *options, struct error *err)
{
	struct trace trace;
	int result;

	if (!options->pcap)
		trace_make(&options->model, &trace);
	else if (trace_read(options->pcap, &trace, err) < 0)
		return -1;
	if (options->write)
		result = trace_write(&trace, options->write,
				     options->rate ? (double)options->rate : 100000,
				     (uint32_t)options->snaplen, err);
	else if (options->is_injecting)
		result = inject_all(options, &trace, err);
	else
		result = generate(options, &trace, err);
	trace_done(&trace);
	return result;
}

int main(int argc, char **argv)
{
	const struct sigaction stop = { .sa_handler = on_signal };
	struct options options = { .snaplen = 262144, .model = { .packets = 32768, .flows = 400 } };
	int status = parse_options(argc, argv, &options);
	struct error err;

	if (status != 0)
		return status < 0 ? 0 : status;
	(void)sigaction(SIGTERM, &stop, NULL);
	(void)sigaction(SIGINT, &stop, NULL);
	(void)prctl(PR_SET_TIMERSLACK, 1); /* wake up when it was said */
	if (run(&options, &err) < 0) {
		(void)fprintf(stderr, "generate: %s\n", err.message);
		return 1;
	}
	return 0;
}
