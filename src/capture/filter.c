/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/filter.h"

int filter_install(pcap_t *pcap, const struct conf *conf, struct error *err)
{
	struct bpf_program program;
	int result;

	if (pcap_compile(pcap, &program, conf->capture_filter, 1, PCAP_NETMASK_UNKNOWN) < 0)
		return conf_error(conf, CONF_capture_filter, err,
				  "'%s' is not a filter: %s; see pcap-filter(7)",
				  conf->capture_filter, pcap_geterr(pcap));
	result = pcap_setfilter(pcap, &program);
	pcap_freecode(&program);
	if (result < 0)
		return error_set(err, ERROR_FATAL, "install the capture filter: %s",
				 pcap_geterr(pcap));
	return 0;
}
