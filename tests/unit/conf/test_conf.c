/* SPDX-License-Identifier: Apache-2.0 */
/* The table of options, and values from file, environment and command line. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "unit.h"

#include "base/log.h"
#include "conf/environment.h"
#include "conf_fixture.h"

/* What errors have in common. */
#define NODE_REFUSED                                                                        \
	" cannot be in a file name; allowed: 1 to 253 letters, digits, '.', '_', '-', not " \
	"beginning with '.'"
#define INTERFACE_REFUSED                                                                            \
	" is not the name of an interface; allowed, joined by commas: names of 1 to 15 characters, " \
	"patterns such as eth*, any, auto, and !NAME or !PATTERN to exclude"
#define NOTHING_LEFT      " selects no interface: all of it is excluded"
#define COMPONENT_REFUSED " has an empty, '.' or '..' component, or a slash at an end"
#define BYTE_REFUSED \
	" cannot be in an object name; allowed: printable ASCII without # [ ] * ? : \" < > | \\"
#define PROXY_REFUSED                                                              \
	"not a proxy URL; allowed: http://HOST:PORT, or https, socks5 or socks5h " \
	"instead of http"
#define NUMBER_REFUSED \
	" is too large for a number; allowed: at most 2147483647, or a text such as \"5GiB\""
#define SUFFIXES ", or with a suffix: B, k, M, G, KiB, MiB, GiB"

static void test_rows_are_sound(void **state)
{
	char flag[CONF_FLAG_MAX], other[CONF_FLAG_MAX];

	(void)state;
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++) {
		const struct conf_row *row = &conf_rows[i];

		conf_flag(row, flag);
		assert_true(strlen(row->key) < CONF_FLAG_MAX - 1);
		assert_null(strchr(flag, '_'));
		assert_int_equal(row->help[strlen(row->help) - 1], '.');
		if (row->type == CONF_SIZE) {
			assert_true(row->unit == 1024 || row->unit == 1000000);
			assert_true(row->max <= UINT64_MAX / row->unit);
		}
		assert_true(row->min <= row->max);
		for (unsigned j = 0; j < i; j++) {
			conf_flag(&conf_rows[j], other);
			assert_string_not_equal(flag, other);
			assert_false(row->letter && row->letter == conf_rows[j].letter);
			/* A group stands in one place: it becomes one group of the sample. */
			if (strcmp(row->group, conf_rows[j].group) == 0)
				assert_string_equal(row->group, conf_rows[i - 1].group);
		}
	}
}

static void test_defaults(void **state)
{
	cleanup_conf struct conf *conf = fixture_good(*state, "", "");
	char host[256];

	assert_string_equal(conf->capture_interface, "auto");
	assert_int_equal(conf->capture_snaplen, 96);
	assert_int_equal(conf->capture_buffer, 1000 * 1024);
	assert_int_equal(conf->segment_size, 100 * 1000 * 1000);
	assert_int_equal(conf->segment_age, 300);
	assert_string_equal(conf->segment_compression, "true");
	assert_int_equal(conf->spool_max_segments, 100);
	assert_true(conf->capture_promiscuous);
	assert_string_equal(conf->upload_destination, "");
	assert_string_equal(conf->spool_directory, DEFAULT_SPOOL_DIRECTORY);
	assert_string_equal(conf->origin[CONF_spool_directory], "default");
	assert_int_equal(gethostname(host, sizeof host), 0);
	assert_string_equal(conf->node_name, host);
	assert_string_equal(conf->origin[CONF_node_name], "host name");
}

/* Unless it is given, a part of the age that is in effect; a given one is as given. */
static void test_spread_follows_the_age(void **state)
{
	static const struct {
		const char *file, *flags;
		uint64_t seconds;
	} cases[] = {
		{ "", "", 30 },
		{ "", "-G 0", 0 },
		{ "", "-G 9", 0 },
		{ "", "-G 19", 1 },
		{ "segment: { age = 600; };", "", 60 },
		{ "segment: { age = 86400; };", "", 60 },
		{ "segment: { age = 86400; };", "-G 100", 10 },
		{ "upload: { spread = 30; };", "-G 600", 30 },
		{ "upload: { spread = 0; };", "", 0 },
		{ "upload: { spread = 0; };", "--upload-spread 10m", 600 },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		cleanup_conf struct conf *conf = fixture_good(*state, cases[i].file,
							      cases[i].flags);

		assert_int_equal(conf->upload_spread, cases[i].seconds);
		if (i < 7)
			assert_string_equal(conf->origin[CONF_upload_spread],
					    "a tenth of segment.age, at most 60");
	}
}

/* The original script's DaemonSet, and every other letter. */
static void test_flags_of_the_original(void **state)
{
	cleanup_conf struct conf *daemonset = fixture_good(*state, "", "-N X -b Y -C 100 -W 100");
	cleanup_conf struct conf *conf =
		fixture_good(*state, "", "-i eth0 -f udp -s 0 -B 2048 -G 0 -c true -o d -C 1MiB");
	cleanup_free char *here = NULL, *path = NULL;

	assert_string_equal(daemonset->node_name, "X");
	assert_string_equal(daemonset->upload_destination, "Y");
	assert_int_equal(daemonset->segment_size, 100000000);
	assert_int_equal(daemonset->spool_max_segments, 100);
	assert_string_equal(daemonset->origin[CONF_spool_max_segments], "-W");
	assert_string_equal(conf->capture_interface, "eth0");
	assert_string_equal(conf->capture_filter, "udp");
	assert_int_equal(conf->capture_snaplen, 0);
	assert_int_equal(conf->capture_buffer, 2048 * 1024);
	assert_int_equal(conf->segment_age, 0);
	assert_string_equal(conf->segment_compression, "true");
	/* Absolute from now on, whatever becomes of the current directory. */
	here = getcwd(NULL, 0);
	path = mem_printf("%s/d", here);
	assert_string_equal(conf->spool_directory, path);
	assert_int_equal(conf->segment_size, 1 << 20);
}

/* Words of CHOICE options stand at the positions that the enums name. */
static void test_choices(void **state)
{
	cleanup_conf struct conf *a = fixture_good(
		*state, "",
		"--gcs-storage-class archive --capture-direction out --capture-precision nano");
	cleanup_conf struct conf *b =
		fixture_good(*state, "", "--gcs-storage-class=nearline --capture-direction=in");

	assert_int_equal(a->gcs_storage_class, CONF_STORAGE_CLASS_ARCHIVE);
	assert_int_equal(a->capture_direction, CONF_DIRECTION_OUT);
	assert_int_equal(a->capture_precision, CONF_PRECISION_NANO);
	assert_int_equal(b->gcs_storage_class, CONF_STORAGE_CLASS_NEARLINE);
	assert_int_equal(b->capture_direction, CONF_DIRECTION_IN);
	assert_int_equal(b->capture_precision, CONF_PRECISION_MICRO);
}

static void test_log_follows_its_options(void **state)
{
	static const char *const words[] = { "error", "warning", "notice", "info", "debug" };
	static const enum log_level levels[] = {
		LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE,
		LOG_LEVEL_INFO,  LOG_LEVEL_DEBUG,
	};

	for (size_t i = 0; i < COUNT_OF(words); i++) {
		cleanup_free char *args = mem_printf("--log-format text --log-level %s", words[i]);
		cleanup_conf struct conf *conf = fixture_good(*state, "", args);

		conf_setup_log(conf);
		for (size_t j = 0; j < COUNT_OF(levels); j++)
			assert_int_equal(log_is_enabled(levels[j]), j <= i);
	}
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
}

/* Every word is found at its constant, and shown as it was written. */
static void test_words_of_choices(void **state)
{
	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++) {
		char flag[CONF_FLAG_MAX];
		cleanup_free char *words = mem_strdup(conf_rows[i].argument);
		unsigned position = 0;

		if (conf_rows[i].type != CONF_CHOICE)
			continue;
		conf_flag(&conf_rows[i], flag);
		for (char *rest = words, *word; (word = strsep(&rest, "|")); position++) {
			cleanup_free char *args = mem_printf("--%s %s", flag, word);
			cleanup_free char *line = mem_printf("%s = \"%s\";", conf_rows[i].name,
							     word);
			cleanup_conf struct conf *conf = fixture_good(*state, "", args);
			cleanup_free char *text = fixture_printed(conf);
			unsigned value;

			memcpy(&value, (char *)conf + conf_rows[i].offset, sizeof value);
			assert_int_equal(value, position);
			assert_non_null(strstr(text, line));
		}
		assert_true(position >= 2);
	}
}

/* The same value by flag and by file; as the file has it, and as it is printed. */
static void test_good_values(void **state)
{
	static const struct {
		const char *flag, *file, *shown;
	} cases[] = {
		{ "-s 262144", "capture: { snaplen = 262144; };", "snaplen = 262144;" },
		{ "-s 96", "capture: { snaplen = \"96\"; };", "snaplen = 96;" },
		{ "-s 16", "capture: { snaplen = 0x10; };", "snaplen = 16;" },
		{ "-s 5", "capture: { snaplen = 5L; };", "snaplen = 5;" },
		{ "-B 1", "capture = { buffer = 1 }", "buffer = 1;" },
		{ "-B 2097151", "capture: { buffer = 2097151; };", "buffer = 2097151;" },
		{ "-B 8MiB", "capture: { buffer = \"8MiB\"; };", "buffer = 8192;" },
		{ "-B 1025B", "capture: { buffer = \"1025B\"; };", "buffer = \"1025B\";" },
		{ "-C 1G", "segment: { size = 1000; };", "size = 1000;" },
		{ "-C 1GiB", "segment: { size = \"1048576KiB\"; };", "size = \"1073741824B\";" },
		{ "--spool-max-size 1000000000", "spool: { max_size = 1000000000; };",
		  "max_size = 1000000000;" },
		{ "-G 86400", "segment: { age = 86400; };", "age = 86400;" },
		{ "-G 24h", "segment: { age = \"1440m\"; };", "age = 86400;" },
		{ "-G 10s", "segment: { age = \"10s\"; };", "age = 10;" },
		{ "--capture-promiscuous no", "capture: { promiscuous = false; };",
		  "promiscuous = false;" },
		{ "--capture-promiscuous on", "capture: { promiscuous = \"yes\"; };",
		  "promiscuous = true;" },
		{ "-c false", "segment: { compression = false; };", "compression = \"false\";" },
		{ "-N 7", "node: { name = 7; };", "name = \"7\";" },
		{ "-i a,b", "capture: { interface = [ \"a\", \"b\" ]; };", "interface = \"a,b\";" },
		{ "-i gke*,!gke[0-9],auto,enp0s3?",
		  "capture: { interface = [ \"gke*\", \"!gke[0-9]\", "
		  "\"auto\", \"enp0s3?\" ]; };",
		  "interface = \"gke*,!gke[0-9],auto,enp0s3?\";" },
		{ "-i eth*,!eth?", "capture: { interface = \"eth*,!eth?\"; };",
		  "interface = \"eth*,!eth?\";" },
		{ "-i auto,a[]],!aut?", "capture: { interface = \"auto,a[]],!aut?\"; };",
		  "interface = \"auto,a[]],!aut?\";" },
		{ "--spool-max-size 1", "spool: { max_size = \"1000000B\"; };", "max_size = 1;" },
		{ "-i a -i b", "capture: { interface = ( \"a\", \"b\" ); };",
		  "interface = \"a,b\";" },
		{ "--log-level debug", "log: { level = \"debug\"; };", "level = \"debug\";" },
		{ "-o /a\\\"b", "spool: { directory = \"/a\\\\\\\"b\"; };",
		  "directory = \"/a\\\\\\\"b\";" },
		{ "--upload-proxy h:1", "upload: { proxy = \"h:1\"; };", "proxy = \"h:1\";" },
		{ "--upload-proxy http://h:1", "upload: { proxy = \"http://h:1\"; };",
		  "proxy = \"http://h:1\";" },
		{ "--upload-proxy HTTPS://h", "upload: { proxy = \"HTTPS://h\"; };",
		  "proxy = \"HTTPS://h\";" },
		{ "--upload-proxy socks5://h:1", "upload: { proxy = \"socks5://h:1\"; };",
		  "proxy = \"socks5://h:1\";" },
		{ "--upload-proxy socks5h://h:1", "upload: { proxy = \"socks5h://h:1\"; };",
		  "proxy = \"socks5h://h:1\";" },
		{ "--upload-prefix ...a/b.c/...", "upload: { prefix = \"...a/b.c/...\"; };",
		  "prefix = \"...a/b.c/...\";" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		cleanup_conf struct conf *by_flag = fixture_good(*state, "", cases[i].flag);
		cleanup_conf struct conf *by_file = fixture_good(*state, cases[i].file, "");
		cleanup_free char *text = fixture_printed(by_file);

		fixture_assert_same(by_flag, by_file);
		if (!strstr(text, cases[i].shown))
			fail_msg("no %s in %s", cases[i].shown, text);
	}
}

static void test_bad_flag_values(void **state)
{
	static const struct {
		const char *args, *message;
	} cases[] = {
		{ "-s abc", "-s: 'abc' is not a number; allowed: 0 to 262144" },
		{ "-s 262145", "-s: '262145' is out of range; allowed: 0 to 262144" },
		{ "-s -1", "-s: '-1' is not a number; allowed: 0 to 262144" },
		{ "-s 18446744073709551617",
		  "-s: '18446744073709551617' is not a number; allowed: 0 to 262144" },
		{ "--upload-workers=0", "--upload-workers: '0' is out of range; allowed: 1 to 16" },
		{ "-i lo -i !lo", "-i: 'lo,!lo'" NOTHING_LEFT },
		{ "-i eth*,lo,!eth*,!l[no]", "-i: 'eth*,lo,!eth*,!l[no]'" NOTHING_LEFT },
		{ "-i auto,!*", "-i: 'auto,!*'" NOTHING_LEFT },
		{ "-i eth[", "-i: 'eth['" INTERFACE_REFUSED },
		{ "-i eth[]", "-i: 'eth[]'" INTERFACE_REFUSED },
		{ "-i lo,!eth[!]", "-i: '!eth[!]'" INTERFACE_REFUSED },
		{ "-i eth[0][1", "-i: 'eth[0][1'" INTERFACE_REFUSED },
		{ "--spool-max-size 999999B",
		  "--spool-max-size: '999999B' is too small for one segment; allowed: 0 (no limit), or "
		  "at least 1 MB" },
		{ "--spool-min-free 5XB",
		  "--spool-min-free: '5XB' is not a size; allowed: 0% to 90%, "
		  "or a size with a suffix: B, k, M, G, KiB, MiB, GiB" },
		{ "-B 0", "-B: '0' is out of range; allowed: 1 to 2097151 KiB" SUFFIXES },
		{ "-B 1023B", "-B: '1023B' is out of range; allowed: 1 to 2097151 KiB" SUFFIXES },
		{ "-B 2GiB", "-B: '2GiB' is out of range; allowed: 1 to 2097151 KiB" SUFFIXES },
		{ "-C 5q", "-C: '5q' is not a size; allowed: 1 to 1000000 MB" SUFFIXES },
		{ "-G 1.5",
		  "-G: '1.5' is not a number; allowed: 0 to 86400 seconds, or with a suffix "
		  "s, m, h" },
		{ "-G 5ms",
		  "-G: '5ms' is not a number; allowed: 0 to 86400 seconds, or with a suffix "
		  "s, m, h" },
		{ "-G 25h",
		  "-G: '25h' is out of range; allowed: 0 to 86400 seconds, or with a suffix "
		  "s, m, h" },
		{ "--capture-promiscuous 2",
		  "--capture-promiscuous: '2' is neither true nor false; allowed: true, false" },
		{ "--capture-direction i",
		  "--capture-direction: 'i' is not one of the words; allowed: both, in, out" },
		{ "--capture-direction both|in",
		  "--capture-direction: 'both|in' is not one of the words; allowed: both, in, out" },
		{ "-o a\nb", "-o: has a control character at byte 2" },
		{ "-i a,,b", "-i: ''" INTERFACE_REFUSED },
		{ "-i 1234567890123456", "-i: '1234567890123456'" INTERFACE_REFUSED },
		{ "-i a/b", "-i: 'a/b'" INTERFACE_REFUSED },
		{ "-i a -i b,a", "-i: 'a' appears twice" },
		{ "-i :b", "-i: ':b'" INTERFACE_REFUSED },
		{ "-i eth[[:digit:]]", "-i: 'eth[[:digit:]]'" INTERFACE_REFUSED },
		{ "-i eth0:1",
		  "-i: 'eth0:1' is an alias of eth0 and no interface; use eth0, and a filter if "
		  "only its address is wanted" },
		{ "-i a,!", "-i: '!'" INTERFACE_REFUSED },
		{ "-i a,!!b", "-i: '!!b'" INTERFACE_REFUSED },
		{ "-i *,!auto", "-i: '!auto'" INTERFACE_REFUSED },
		{ "-i a,!b,!b", "-i: '!b' appears twice" },
		{ "-i !lo,!veth*",
		  "-i: only exclusions; say what they exclude from: '*,!lo,!veth*'" },
		{ "-i any -i a",
		  "-i: 'any' captures all interfaces as one, and cannot be combined; "
		  "'*,!lo' captures each separately, except lo" },
		{ "-i 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,"
		  "30,31,32,33",
		  "-i: more than 32 interfaces" },
		{ "-N .a", "-N: '.a'" NODE_REFUSED },
		{ "-N a:b", "-N: 'a:b'" NODE_REFUSED },
		{ "--upload-prefix /a", "--upload-prefix: '/a'" COMPONENT_REFUSED },
		{ "--upload-prefix a/", "--upload-prefix: 'a/'" COMPONENT_REFUSED },
		{ "--upload-prefix .", "--upload-prefix: '.'" COMPONENT_REFUSED },
		{ "--upload-prefix a/../b", "--upload-prefix: 'a/../b'" COMPONENT_REFUSED },
		{ "--upload-prefix a?b", "--upload-prefix: byte 2" BYTE_REFUSED },
		{ "--upload-prefix \xc3\xa9", "--upload-prefix: byte 1" BYTE_REFUSED },
		/* What the command line itself can have wrong. */
		{ "-x", "unknown flag '-x'; see --help" },
		{ "-b=x", "flag '-b' takes its value without '=': -b x" },
		{ "--snaplen=1", "unknown flag '--snaplen'; did you mean --capture-snaplen?" },
		{ "--size", "unknown flag '--size'; did you mean --gcs-chunk-size, --segment-size, "
			    "--spool-max-size?" },
		{ "--apture-snaplen", "unknown flag '--apture-snaplen'; see --help" },
		{ "-b", "flag '-b' needs an argument; see --help" },
		{ "--log-level", "flag '--log-level' needs an argument; see --help" },
		{ "--no-such=1", "unknown flag '--no-such=1'; see --help" },
		{ "--log=1", "flag '--log' is ambiguous: --log-level, --log-format" },
		{ "--print-config=1", "flag '--print-config' takes no argument; see --help" },
		{ "-f udp tcp",
		  "the filter is given twice: by '-f' and by 'tcp' at the end; quote a "
		  "filter that contains blanks" },
		{ "--check-config --print-config",
		  "--check-config and --print-config exclude each other" },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++)
		fixture_bad(*state, "", cases[i].args, ERROR_USAGE, cases[i].message);
}

static char *flag_with(const char *flag, char letter, size_t length)
{
	cleanup_free char *value = mem_calloc(1, length + 1);

	memset(value, letter, length);
	return mem_printf("%s %s", flag, value);
}

static void test_long_values(void **state)
{
	cleanup_free char *filter = flag_with("-f", 'a', 65535);
	cleanup_free char *filter_over = flag_with("-f", 'a', 65536);
	cleanup_free char *prefix = flag_with("--upload-prefix", 'p', 512);
	cleanup_free char *prefix_over = flag_with("--upload-prefix", 'p', 513);
	cleanup_free char *node = flag_with("-N", 'n', 253);
	cleanup_free char *node_over = flag_with("-N", 'n', 254);
	cleanup_free char *args = mem_printf("%s %s %s", filter, prefix, node);
	cleanup_conf struct conf *conf = fixture_good(*state, "", args);
	struct error err;

	assert_int_equal(strlen(conf->capture_filter), 65535);
	assert_int_equal(strlen(conf->upload_prefix), 512);
	assert_int_equal(strlen(conf->node_name), 253);
	fixture_bad(*state, "", filter_over, ERROR_USAGE, "-f: longer than 65535 bytes");
	fixture_bad(*state, "", prefix_over, ERROR_USAGE, "--upload-prefix: longer than 512 bytes");
	assert_int_equal(fixture_load(*state, "", node_over, &conf, &err), -1);
}

static void test_bad_files(void **state)
{
	static const struct {
		const char *content, *message;
	} cases[] = {
		{ "capture:\n{\n\tsnaplen = \"abc\";\n};\n",
		  "conf:3: capture.snaplen: 'abc' is not a number; allowed: 0 to 262144" },
		{ "\ncapture: { snaplen = -1; };",
		  "conf:2: capture.snaplen: '-1' is not a number; allowed: 0 to 262144" },
		/* libconfig 1.5 by itself: 1000, 2, 300, 1316134911. */
		{ "capture: { buffer = 4294968296; };", "conf:1: 4294968296" NUMBER_REFUSED },
		{ "upload: { proxy = \"\\\"\"; /* \n\" */ # \"\nrate_limit=1workers=+4294967298}",
		  "conf:3: 4294967298" NUMBER_REFUSED },
		{ "// \"\nsegment: { age = 0x10000012C; };", "conf:2: 0x10000012C" NUMBER_REFUSED },
		{ "capture: { buffer = 99999999999999999999999; };",
		  "conf:1: 99999999999999999999999" NUMBER_REFUSED },
		{ "spool: { min_free_inodes = 2147483648L; };",
		  "conf:1: 2147483648L" NUMBER_REFUSED },
		/* The largest that is a number, and what is none. */
		{ "capture: { buffer = 2147483647; };",
		  "conf:1: capture.buffer: '2147483647' is out of range; allowed: 1 to 2097151 KiB" SUFFIXES },
		{ "capture: { buffer = 0x7fffffff; };",
		  "conf:1: capture.buffer: '2147483647' is out of range; allowed: 1 to 2097151 KiB" SUFFIXES },
		{ "capture: { snaplen = 1.59999999999; };",
		  "conf:1: capture.snaplen: '1.6' is not a number; allowed: 0 to 262144" },
		{ "log: { level = \"4294967298\"; };",
		  "conf:1: log.level: '4294967298' is not one of the words; allowed: error, "
		  "warning, notice, info, debug" },
		{ "log: { level4294967298 = 1; };", "conf:1: unknown key 'log.level4294967298'" },
		{ "capture: { snaplen = 1.5; };",
		  "conf:1: capture.snaplen: '1.5' is not a number; allowed: 0 to 262144" },
		{ "capture: { snaplen = true; };",
		  "conf:1: capture.snaplen: 'true' is not a number; allowed: 0 to 262144" },
		{ "capture: { snaplen = [ 1 ]; };", "conf:1: capture.snaplen: must be one value" },
		{ "capture: { snaplen: { a = 1; }; };",
		  "conf:1: capture.snaplen: must be one value" },
		{ "capture: { interface = [ 1 ]; };",
		  "conf:1: capture.interface: must be one value or a list of strings" },
		{ "capture: { interface = [ ]; };",
		  "conf:1: capture.interface: ''" INTERFACE_REFUSED },
		{ "capture:\n{\n\tsnaplan = 1;\n};\n",
		  "conf:3: unknown key 'capture.snaplan'; did you mean 'capture.snaplen'?" },
		{ "log: { lev = 1; };",
		  "conf:1: unknown key 'log.lev'; did you mean 'log.level'?" },
		{ "log: { le = 1; };", "conf:1: unknown key 'log.le'" },
		{ "log: { levelxx = 1; };",
		  "conf:1: unknown key 'log.levelxx'; did you mean 'log.level'?" },
		{ "log: { levelxxx = 1; };", "conf:1: unknown key 'log.levelxxx'" },
		{ "log: { snaplen = 1; };", "conf:1: unknown key 'log.snaplen'" },
		{ "snaplen = 1;",
		  "conf:1: unknown key 'snaplen'; did you mean 'capture.snaplen'?" },
		{ "xyzzy = 1;", "conf:1: unknown key 'xyzzy'" },
		{ "\n\nuplaod: { };", "conf:3: unknown group 'uplaod'; did you mean 'upload'?" },
		{ "xyzzy: { };", "conf:1: unknown group 'xyzzy'" },
		{ "upload = 1;", "conf:1: upload: must be a group: upload: { ... }" },
		{ "upload = ( );", "conf:1: upload: must be a group: upload: { ... }" },
		{ "log: { level = \"info\"; };\nlog: { };\n",
		  "conf:2: duplicate setting name; each group, and each key in it, may appear only "
		  "once" },
		{ "log: { level = \"info\";\n level = \"info\"; };",
		  "conf:2: duplicate setting name; each group, and each key in it, may appear only "
		  "once" },
		{ "log:\n{\n\tlevel = ;\n};\n",
		  "conf:3: syntax error; strings need double quotes, and each value ends with ';'" },
		{ "log: {",
		  "conf:1: syntax error; strings need double quotes, and each value ends with ';'" },
		{ "node: { name = \"a b\"; };", "conf:1: node.name: 'a b'" NODE_REFUSED },
		{ "upload: { proxy = \"ftp://user:hush@h:1\"; };",
		  "conf:1: upload.proxy: " PROXY_REFUSED },
		{ "upload: { proxy = \"socks4a://h\"; };", "conf:1: upload.proxy: " PROXY_REFUSED },
		{ "upload: { proxy = \"://h\"; };", "conf:1: upload.proxy: " PROXY_REFUSED },
		{ "upload: { prefix = \"a//b\"; };",
		  "conf:1: upload.prefix: 'a//b'" COMPONENT_REFUSED },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++)
		fixture_bad(*state, cases[i].content, "", ERROR_CONFIG, cases[i].message);
}

/* libconfig ends the process where an included file cannot be read. */
static void test_includes_are_refused(void **state)
{
	static const char refused[] =
		"conf:2: @include is not supported; put everything into this file";

	fixture_bad(*state, "\n@include \"/etc\"\n", "", ERROR_CONFIG, refused);
	fixture_bad(*state, "log: {\n \t@include \"x\"\n};\n", "", ERROR_CONFIG, refused);
}

static void test_unreadable_files(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *big = mem_alloc((1 << 20) + 1);
	cleanup_conf struct conf *conf = NULL;
	struct conf_cli cli = { 0 };
	struct error err;

	assert_int_equal(fixture_load(fixture, NULL, "", &conf, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_non_null(strstr(err.message, "No such file or directory"));

	memset(big, '\n', (1 << 20) + 1);
	fixture_write(fixture->path, big, (1 << 20) + 1);
	assert_int_equal(fixture_load(fixture, NULL, "", &conf, &err), -1);
	assert_non_null(strstr(err.message, "larger than 1048576 bytes"));
	fixture_write(fixture->path, big, 1 << 20);
	assert_int_equal(fixture_load(fixture, NULL, "", &conf, &err), 0);
	assert_string_equal(conf->file, fixture->path);
	fixture_write(fixture->path, "log: { };\0x", 11);
	assert_int_equal(fixture_load(fixture, NULL, "", &conf, &err), -1);
	assert_non_null(strstr(err.message, "not a text file"));

	/* A FIFO without a writer must not be waited for. */
	(void)unlink(fixture->path);
	assert_int_equal(mkfifo(fixture->path, 0600), 0);
	assert_int_equal(fixture_load(fixture, NULL, "", &conf, &err), -1);
	assert_non_null(strstr(err.message, "not a regular file"));

	if (access(DEFAULT_CONFIG_FILE, F_OK) < 0) {
		conf = conf_free(conf);
		assert_int_equal(conf_load(&cli, &conf, &err), 0);
		assert_null(conf->file);
	}
}

static void assert_credentials(struct fixture *fixture, const char *args, const char *expected)
{
	cleanup_conf struct conf *conf = fixture_good(fixture, "", args);

	assert_string_equal(conf->gcs_credentials, expected);
}

static void test_environment(void **state)
{
	static const struct {
		const char *value, *got, *copied;
	} cases[] = {
		{ NULL, NULL, NULL },
		{ "", NULL, NULL },
		{ "/a", "/a", "/a" },
		{ "/a:/b", "/a:/b", "/a" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *got;
		cleanup_free char *copied = NULL;

		unsetenv("RUNTIME_DIRECTORY");
		if (cases[i].value)
			setenv("RUNTIME_DIRECTORY", cases[i].value, 1);
		got = environment_get("RUNTIME_DIRECTORY");
		copied = environment_first_folder("RUNTIME_DIRECTORY");
		assert_string_equal(got ? got : "", cases[i].got ? cases[i].got : "");
		assert_string_equal(copied ? copied : "", cases[i].copied ? cases[i].copied : "");
		assert_int_equal(!got, !cases[i].got);
	}
}

static void test_precedence(void **state)
{
	static const char file[] = "node: { name = \"by-file\"; };\n"
				   "gcs: { credentials = \"by-file\"; };\n"
				   "spool: { directory = \"/by-file\"; };\n";
	struct fixture *fixture = *state;
	cleanup_conf struct conf *conf = fixture_good(fixture, file, "");
	cleanup_free char *origin = mem_printf("%s:1", fixture->path);

	assert_string_equal(conf->node_name, "by-file");
	assert_string_equal(conf->origin[CONF_node_name], origin);

	setenv("NODE_NAME", "by-variable", 1);
	setenv("GOOGLE_APPLICATION_CREDENTIALS", "key", 1);
	setenv("STATE_DIRECTORY", "/state/one:/state/two", 1);
	conf_free(conf);
	conf = fixture_good(fixture, file, "");
	assert_string_equal(conf->node_name, "by-variable");
	assert_string_equal(conf->origin[CONF_node_name], "$NODE_NAME");
	assert_string_equal(conf->gcs_credentials, "key");
	/* systemd always sets this one: it must not undo what the user wrote. */
	assert_string_equal(conf->spool_directory, "/by-file");

	conf_free(conf);
	conf = fixture_good(fixture, "spool: { directory = \"\"; };", "-N by-flag");
	assert_string_equal(conf->node_name, "by-flag");
	assert_string_equal(conf->origin[CONF_node_name], "-N");
	assert_string_equal(conf->spool_directory, "/state/one");
	assert_string_equal(conf->origin[CONF_spool_directory], "$STATE_DIRECTORY");

	setenv("SSL_CERT_FILE", "/of-the-environment", 1);
	conf_free(conf);
	conf = fixture_good(fixture, "", "");
	assert_string_equal(conf->upload_ca_file, "/of-the-environment");
	assert_string_equal(conf->origin[CONF_upload_ca_file], "$SSL_CERT_FILE");
	conf_free(conf);
	conf = fixture_good(fixture, "upload: { ca_file = \"/by-file\"; };", "");
	assert_string_equal(conf->upload_ca_file, "/by-file");
	unsetenv("SSL_CERT_FILE");

	/* A flag that takes a variable's value away wins, too. */
	assert_credentials(fixture, "--gcs-credentials=", "");
	assert_credentials(fixture, "--gcs-credentials other", "other");
	assert_credentials(fixture, "", "key");

	setenv("NODE_NAME", "a b", 1);
	fixture_bad(fixture, "", "", ERROR_CONFIG, "$NODE_NAME: 'a b'" NODE_REFUSED);
	setenv("NODE_NAME", "", 1);
	conf_free(conf);
	conf = fixture_good(fixture, file, "");
	assert_string_equal(conf->node_name, "by-file");
}

static void test_proxies(void **state)
{
	static const char *const good[] = {
		"http://h:3128",
		"h:3128",
		"https://h",
		"socks5://h:1080",
		"SOCKS5H://h.example:1",
		"socks5h://u:p@[::1]:1080",
		"http://u:p@ss@h:3128/",
		"u@h",
		"10.0.0.1:65535",
		"[::1]",
		"http://proxy_1.corp:8080",
	};
	static const char *const bad[] = {
		"http://user:hush@[",
		"ftp://user:hush@h",
		"hush://h",
		"://hush",
		"http://",
		"user:hush@",
		"http://hush:",
		"http://hush:65536",
		"http://hush:1x",
		"http://[hush]:1",
		"http://[::1]hush",
		"h:hush",
		"http://u:hush@:1",
		"http://[]:1",
		"http://hush:123456",
		"http://hush hush:1",
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT_OF(good); i++) {
		cleanup_free char *content = mem_printf("upload: { proxy = \"%s\"; };", good[i]);
		cleanup_conf struct conf *conf = fixture_good(fixture, content, "");

		assert_string_equal(conf->upload_proxy, good[i]);
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		cleanup_free char *content = mem_printf("upload: { proxy = \"%s\"; };", bad[i]);

		fixture_bad(fixture, content, "", ERROR_CONFIG,
			    "conf:1: upload.proxy: " PROXY_REFUSED);
	}
}

static void test_prefixes(void **state)
{
	static const char *const good[] = { "", "a", "a/b.c/..d", "a:b#?*" };
	static const char *const bad[] = { "/a",    "a/",   "a//b", ".",       "a/..",
					   "a/./b", "a\tb", "a\\b", "\xc3\xa4" };
	char bytes[256];
	struct text reason;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		reason = text_over(bytes, sizeof bytes);
		assert_true(conf_is_prefix(good[i], "\\", &reason));
		assert_string_equal(bytes, "");
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		reason = text_over(bytes, sizeof bytes);
		if (conf_is_prefix(bad[i], "\\", &reason) || !*bytes)
			fail_msg("%s", bad[i]);
	}
}

static void test_reload(void **state)
{
	cleanup_conf struct conf *old = fixture_good(*state, "", "-N a -s 96 -b b");
	cleanup_conf struct conf *same = fixture_good(*state, "capture: { snaplen = 96; };",
						      "-N a -b b");
	cleanup_conf struct conf *new = fixture_good(*state, "log: { level = \"debug\"; };",
						     "-N n -s 97 -b b");

	for (unsigned reload = 0; reload < CONF_RELOAD_COUNT; reload++)
		assert_false(conf_needs(old, same, reload));
	assert_true(conf_needs(old, new, CONF_RELOAD_LIVE));
	assert_true(conf_needs(old, new, CONF_RELOAD_CAPTURE));
	assert_true(conf_needs(old, new, CONF_RELOAD_RESTART));
	assert_false(conf_needs(old, new, CONF_RELOAD_UPLOAD));
	assert_true(conf_differs(old, new, CONF_capture_snaplen));
	assert_false(conf_differs(old, new, CONF_upload_destination));

	for (unsigned i = 0; i < CONF_OPTION_COUNT; i++)
		conf_keep(new, old, i);
	fixture_assert_same(old, new);
	assert_string_equal(new->node_name, "a");
	assert_string_equal(new->origin[CONF_log_level], "default");
	assert_string_equal(new->origin[CONF_capture_snaplen], "-s");
}

static void test_references(void **state)
{
	struct conf *conf = fixture_good(*state, "", "-N a");
	const struct conf *shared = conf_ref(conf);

	assert_ptr_equal(shared, conf);
	assert_null(conf_free(conf));
	assert_string_equal(shared->node_name, "a"); /* a sanitizer sees if it is gone */
	assert_null(conf_free(shared));
	assert_null(conf_free(NULL));
}

static void test_errors_of_the_stages(void **state)
{
	struct fixture *fixture = *state;
	cleanup_conf struct conf *conf =
		fixture_good(fixture, "capture: { interface = \"eth9\"; };", "port x");
	cleanup_free char *expected = mem_printf("%s:1: capture.interface: no interface eth9",
						 fixture->path);
	struct error err;

	assert_int_equal(conf_error(conf, CONF_capture_filter, &err, "unknown port %s", "x"), -1);
	assert_string_equal(err.message, "filter: unknown port x");
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_int_equal(conf_error(conf, CONF_capture_interface, &err, "no interface eth9"), -1);
	assert_string_equal(err.message, expected);
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_int_equal(conf_error(conf, CONF_upload_destination, &err, "is required"), -1);
	assert_string_equal(err.message, "upload.destination: is required");
	assert_int_equal(err.kind, ERROR_CONFIG);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_rows_are_sound),
		FIXTURE_TEST(test_defaults),
		FIXTURE_TEST(test_spread_follows_the_age),
		FIXTURE_TEST(test_flags_of_the_original),
		FIXTURE_TEST(test_choices),
		FIXTURE_TEST(test_words_of_choices),
		FIXTURE_TEST(test_log_follows_its_options),
		FIXTURE_TEST(test_good_values),
		FIXTURE_TEST(test_bad_flag_values),
		FIXTURE_TEST(test_long_values),
		FIXTURE_TEST(test_bad_files),
		FIXTURE_TEST(test_includes_are_refused),
		FIXTURE_TEST(test_unreadable_files),
		FIXTURE_TEST(test_environment),
		FIXTURE_TEST(test_precedence),
		FIXTURE_TEST(test_proxies),
		FIXTURE_TEST(test_prefixes),
		FIXTURE_TEST(test_reload),
		FIXTURE_TEST(test_references),
		FIXTURE_TEST(test_errors_of_the_stages),
	};

	unit_add(tests, NULL, NULL);
}
