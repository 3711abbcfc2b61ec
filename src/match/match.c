/* SPDX-License-Identifier: Apache-2.0 */
/* The filter as programs, one for each link type, and what they say of a packet. */
#include "match/match_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "index/decap.h"

#define PROGRAMS_MAX 64 /* files come from anybody */
#define SNAPLEN      262144

/* Of a name that a name server would know; pcap_compile() has no kinds of errors. */
static bool is_name_problem(const char *problem)
{
	return strstr(problem, "unknown host") || strstr(problem, "unknown network");
}

static void put_number(uint8_t *out, uint32_t number)
{
	memcpy(out, &number, sizeof number);
}

/* A capture file without packets, since pcap_open_dead() takes DLT_ values. */
static pcap_t *open_offline(uint16_t link_type, char *message)
{
	uint8_t header[24] = { 0 };
	FILE *file;
	pcap_t *pcap;

	put_number(header, 0xa1b2c3d4);
	put_number(header + 4, 2 | UINT32_C(4) << 16); /* version */
	put_number(header + 16, SNAPLEN);
	put_number(header + 20, link_type);
	file = fmemopen(header, sizeof header, "r");
	if (!file) {
		(void)snprintf(message, PCAP_ERRBUF_SIZE, "out of memory");
		return NULL;
	}
	pcap = pcap_fopen_offline(file, message);
	if (!pcap)
		(void)fclose(file);
	return pcap; /* closes it */
}

/* What "accepts nothing" is for libpcap, an error, is a program here. */
static bool is_reject_all(const char *problem)
{
	return strcmp(problem, "expression rejects all packets") == 0;
}

static struct match_program *compile_filter(const char *filter, uint16_t link_type)
{
	struct match_program *program = mem_calloc(1, sizeof *program);
	char message[PCAP_ERRBUF_SIZE] = "";
	pcap_t *pcap = open_offline(link_type, message);

	program->link_type = link_type;
	if (!pcap) {
		program->problem = mem_strdup(message);
		return program;
	}
	/* Netmask 0, as tcpdump has it for files. */
	if (pcap_compile(pcap, &program->compiled, filter, 1, 0) == 0)
		abstract_program_init(&program->abstract, program->compiled.bf_insns,
				      program->compiled.bf_len);
	else if (!is_reject_all(pcap_geterr(pcap)))
		program->problem = mem_strdup(pcap_geterr(pcap));
	pcap_close(pcap);
	return program;
}

static void free_program(struct match_program *program)
{
	abstract_program_done(&program->abstract);
	pcap_freecode(&program->compiled);
	free(program->problem);
	free(program);
}

static const struct match_program *find_program(struct match *match, uint16_t link_type)
{
	const struct match_program *program = atomic_load_explicit(&match->programs,
								   memory_order_acquire);

	while (program && program->link_type != link_type)
		program = program->next;
	return program;
}

/* Under the lock, or before there is anybody else. */
static void add_program(struct match *match, struct match_program *program)
{
	program->next = atomic_load_explicit(&match->programs, memory_order_relaxed);
	match->count++;
	atomic_store_explicit(&match->programs, program, memory_order_release);
}

/* Met first; another thread may be compiling it, too. */
static const struct match_program *compile_new(struct match *match, uint16_t link_type)
{
	static const struct match_program too_many = {
		.problem = (char *)(uintptr_t) "too many link types",
	};
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&match->lock);
	const struct match_program *program = find_program(match, link_type);

	if (program)
		return program;
	if (match->count == PROGRAMS_MAX)
		return &too_many;
	add_program(match, compile_filter(match->filter, link_type));
	return find_program(match, link_type);
}

const struct match_program *match_program_of(struct match *match, uint16_t link_type)
{
	const struct match_program *program = find_program(match, link_type);

	return program ? program : compile_new(match, link_type);
}

/* Ethernet last: so it is at the head of the list, which is searched for each packet, and the message is its own. */
static int compile_known(struct match *match, struct error *err)
{
	static const uint16_t link_types[] = { LINK_RAW, LINK_SLL, LINK_SLL2, LINK_ETHERNET };
	const char *problem = NULL;
	bool is_usable = false;

	for (size_t i = 0; i < sizeof link_types / sizeof *link_types; i++) {
		struct match_program *program = compile_filter(match->filter, link_types[i]);

		add_program(match, program);
		problem = program->problem;
		is_usable |= !problem;
		if (problem && is_name_problem(problem))
			return error_set(err, ERROR_TRANSIENT,
					 "filter: %s: use its address, or ask again", problem);
	}
	return is_usable ? 0
			 : error_set(err, ERROR_USAGE, "filter: %s%s", problem,
				     strstr(problem, "syntax error")
					     ? "; tcpdump's language is wanted, such as 'host "
					       "10.0.0.1 and tcp port 443', see pcap-filter(7)"
					     : "");
}

int match_open(const char *filter, bool is_inner, struct match **ret_match, struct error *err)
{
	struct match *match = mem_calloc(1, sizeof *match);

	match->filter = mem_strdup(filter);
	match->is_inner = is_inner;
	(void)pthread_mutex_init(&match->lock, NULL);
	if (compile_known(match, err) < 0) {
		(void)match_close(match);
		return -1;
	}
	*ret_match = match;
	return 0;
}

struct match *match_close(struct match *match)
{
	struct match_program *next;

	if (!match)
		return NULL;
	for (struct match_program *program = match->programs; program; program = next) {
		next = program->next;
		free_program(program);
	}
	(void)pthread_mutex_destroy(&match->lock);
	free(match->filter);
	free(match);
	return NULL;
}

const char *match_problem(struct match *match, uint16_t link_type)
{
	return match_program_of(match, link_type)->problem;
}

static bool run_program(const struct match_program *program, const uint8_t *packet,
			uint32_t captured, uint32_t original)
{
	struct pcap_pkthdr header = { .caplen = captured, .len = original };

	return program->compiled.bf_insns &&
	       pcap_offline_filter(&program->compiled, &header, packet) != 0;
}

bool match_packet(struct match *match, uint16_t link_type, const uint8_t *packet, uint32_t captured,
		  uint32_t original)
{
	const struct match_program *program = match_program_of(match, link_type);
	struct decap_inner inner;
	struct headers outer;
	uint32_t before;

	if (!match->is_inner || program->problem)
		return run_program(program, packet, captured, original);
	headers_read(link_type, packet, captured, &outer);
	if (!decap(&outer, &inner))
		return run_program(program, packet, captured, original);
	before = (uint32_t)(inner.packet - packet);
	return run_program(match_program_of(match, (uint16_t)inner.link_type), inner.packet,
			   (uint32_t)inner.captured, original > before ? original - before : 0);
}
