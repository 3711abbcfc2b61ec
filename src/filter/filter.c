/* SPDX-License-Identifier: Apache-2.0 */
#include "filter/filter.h"

static int refuse_filter(pcap_t *pcap, const struct conf *conf, struct error *err)
{
	return conf_error(conf, CONF_capture_filter, err,
			  "'%s' is not a filter: %s; see pcap-filter(7)", conf->capture_filter,
			  pcap_geterr(pcap));
}

int filter_install(pcap_t *pcap, const struct conf *conf, struct error *err)
{
	struct bpf_program program;
	int result;

	if (pcap_compile(pcap, &program, conf->capture_filter, 1, PCAP_NETMASK_UNKNOWN) < 0)
		return refuse_filter(pcap, conf, err);
	result = pcap_setfilter(pcap, &program);
	pcap_freecode(&program);
	if (result < 0)
		return error_set(err, ERROR_FATAL, "cannot install the capture filter: %s",
				 pcap_geterr(pcap));
	return 0;
}

int filter_check(const struct conf *conf, struct error *err)
{
	/* The error is that of the first. */
	static const int link_types[] = { DLT_EN10MB, DLT_LINUX_SLL2, DLT_IEEE802_11_RADIO,
					  DLT_RAW };
	int result = -1;

	for (size_t i = 0; i < sizeof link_types / sizeof *link_types && result < 0; i++) {
		pcap_t *pcap = pcap_open_dead(link_types[i], 262144);
		struct bpf_program program;

		if (!pcap)
			return error_set(err, ERROR_FATAL,
					 "cannot compile the filter: out of memory");
		result = pcap_compile(pcap, &program, conf->capture_filter, 1,
				      PCAP_NETMASK_UNKNOWN);
		if (result == 0)
			pcap_freecode(&program);
		else if (i == 0)
			refuse_filter(pcap, conf, err);
		pcap_close(pcap);
	}
	return result;
}
