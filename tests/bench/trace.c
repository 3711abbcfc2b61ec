/* SPDX-License-Identifier: Apache-2.0 */
#include "trace.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

static void reserve(struct trace *trace, size_t packets, size_t bytes)
{
	*trace = (struct trace){ .packets = mem_calloc(packets, sizeof *trace->packets),
				 .bytes = mem_alloc(bytes) };
}

static uint8_t *append(struct trace *trace, size_t *length, uint32_t packet)
{
	uint8_t *bytes = trace->bytes + *length;

	trace->packets[trace->count++] = (struct trace_packet){ bytes, packet };
	*length += packet;
	return bytes;
}

/* Twice over the file: what there is, then the bytes. */
static int read_file(const char *path, struct trace *trace, bool is_counting, size_t *packets,
		     size_t *length, struct error *err)
{
	char message[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline(path, message);
	struct pcap_pkthdr *header;
	const u_char *packet;
	int result;

	if (!pcap)
		return error_set(err, ERROR_CONFIG, "%s", message);
	if (pcap_datalink(pcap) != DLT_EN10MB) {
		pcap_close(pcap);
		return error_set(err, ERROR_CONFIG, "%s: not a capture of Ethernet", path);
	}
	*packets = *length = 0;
	while ((result = pcap_next_ex(pcap, &header, &packet)) == 1) {
		if (header->caplen < TRACE_PACKET_MIN || header->caplen > TRACE_PACKET_MAX ||
		    *packets == TRACE_PACKETS_MAX)
			continue;
		++*packets;
		if (is_counting)
			*length += header->caplen;
		else
			memcpy(append(trace, length, header->caplen), packet, header->caplen);
	}
	if (result == PCAP_ERROR)
		error_set(err, ERROR_CONFIG, "%s: %s", path, pcap_geterr(pcap));
	pcap_close(pcap);
	return result == PCAP_ERROR ? -1 : 0;
}

int trace_read(const char *path, struct trace *ret_trace, struct error *err)
{
	size_t packets, length;

	if (read_file(path, NULL, true, &packets, &length, err) < 0)
		return -1;
	if (packets == 0)
		return error_set(err, ERROR_CONFIG, "%s: no packet of %d to %d bytes", path,
				 TRACE_PACKET_MIN, TRACE_PACKET_MAX);
	reserve(ret_trace, packets, length);
	if (read_file(path, ret_trace, false, &packets, &length, err) == 0)
		return 0;
	trace_done(ret_trace);
	return -1;
}

int trace_write(const struct trace *trace, const char *path, double rate, uint32_t snaplen,
		struct error *err)
{
	cleanup_fclose FILE *file = fopen(path, "we");
	const struct pcap_file_header header = { 0xa1b2c3d4, 2, 4, 0, 0, snaplen, DLT_EN10MB };

	if (!file)
		return error_errno(err, "create %s", path);
	(void)fwrite(&header, sizeof header, 1, file);
	for (size_t i = 0; i < trace->count; i++) {
		const struct trace_packet *packet = &trace->packets[i];
		uint64_t ns = 1700000000 * CLOCK_NS_PER_S + (uint64_t)((double)i / rate * 1e9);
		uint32_t captured = packet->length < snaplen ? packet->length : snaplen;
		uint32_t record[4] = { (uint32_t)(ns / CLOCK_NS_PER_S),
				       (uint32_t)(ns % CLOCK_NS_PER_S / 1000), captured,
				       packet->length };

		(void)fwrite(record, sizeof record, 1, file);
		(void)fwrite(packet->bytes, captured, 1, file);
	}
	if (fflush(file) != 0 || ferror(file))
		return error_errno(err, "write %s", path);
	return 0;
}

void trace_done(struct trace *trace)
{
	free(take_ptr(trace->packets));
	free(take_ptr(trace->bytes));
	trace->count = 0;
}
