/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration file. Given by a path, so the input goes through a file in memory. */
#include <sys/mman.h>

#include "cli/cli.h"
#include "fuzz.h"

/*
 * libconfig's own: its parser does not free the string at which it gives up on a file, as in `a = 1 "b"`.
 * Its scanner made it, by strbuf_append() or, if it is empty, in libconfig_yylex() itself.
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:strbuf_append\n"
	       "leak:libconfig_yylex\n";
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	cleanup_close int fd = memfd_create("fuzz_conf", MFD_CLOEXEC);
	cleanup_free char *path = mem_printf("/proc/self/fd/%d", fd);
	struct conf_cli cli = { .file = path };
	cleanup_conf struct conf *conf = NULL;
	cleanup_fclose FILE *null = fopen("/dev/null", "we");
	struct error err = { 0 };

	fuzz_require(fd >= 0 && null && write(fd, bytes, size) == (ssize_t)size);
	if (conf_load(&cli, &conf, &err) < 0) {
		fuzz_require(err.kind == ERROR_CONFIG && *err.message);
		return 0;
	}
	for (int i = 0; i < CONF_OPTION_COUNT; i++)
		fuzz_require(conf->origin[i]);
	fuzz_require(conf->interfaces.count > 0);
	print_config_write(null, conf);
	return 0;
}
