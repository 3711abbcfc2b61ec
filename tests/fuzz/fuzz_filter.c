/* SPDX-License-Identifier: Apache-2.0 */
/* A filter's text, as the configuration has it. Nothing is asked of a name service. */
#include <netdb.h>

#include "capture/capture_check.h"
#include "fuzz.h"

/* In place of the C library's: "host example.com" must not leave the process. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **results)
{
	(void)node;
	(void)service;
	(void)hints;
	*results = NULL;
	return EAI_NONAME;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct conf_cli cli = { .file = NULL };
	cleanup_conf struct conf *conf = NULL;
	struct error err = { 0 };

	cli.value[CONF_capture_filter] = fuzz_text(bytes, size);
	cli.typed[CONF_capture_filter] = mem_strdup("-f");
	if (conf_load(&cli, &conf, &err) == 0) {
		struct filter *filter = filter_new(conf);

		if (capture_check_filter(filter, 5000, &err) < 0)
			fuzz_require((err.kind == ERROR_USAGE || err.kind == ERROR_TRANSIENT) &&
				     *err.message && !strchr(err.message, '\n'));
		(void)filter_free(filter);
	}
	conf_cli_done(&cli);
	return 0;
}
