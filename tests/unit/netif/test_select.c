/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "unit.h"

#include "base/mem.h"
#include "base/text.h"
#include "netif/netif.h"

#define HEADING \
	"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"

static void test_default_route_of_ipv4_with_the_lowest_metric(void **state)
{
	char name[IF_NAMESIZE] = "";

	(void)state;
	assert_true(default_route_find(
		HEADING "ens5\t00000000\t0100000A\t0003\t0\t0\t200\t00000000\t0\t0\t0\n"
			"ens4\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
			"ens6\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
			"gke0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n",
		false, name));
	assert_string_equal(name, "ens4");
}

static void test_what_is_no_default_route_of_ipv4(void **state)
{
	char name[IF_NAMESIZE] = "none";

	(void)state;
	assert_false(default_route_find("", false, name));
	assert_false(default_route_find(HEADING, false, name));
	/* Half of everything (a VPN's 0.0.0.0/1), a route that is down, one that rejects. */
	assert_false(default_route_find(
		HEADING "tun0\t00000000\t0100000A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n"
			"ens4\t00000000\t0100000A\t0002\t0\t0\t0\t00000000\t0\t0\t0\n"
			"*\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0\n"
			"broken line\n",
		false, name));
	assert_string_equal(name, "none");
}

/* As a node that speaks BGP may have them: no route costs as much as the table is long. */
static void test_default_route_behind_many_others(void **state)
{
	static const char route[] = "gke0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
	static const char last[] = "ens4\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n";
	const size_t count = 100000;
	cleanup_free char *table =
		mem_alloc(sizeof HEADING + count * (sizeof route - 1) + sizeof last);
	char *end = table + strlen(strcpy(table, HEADING)), name[IF_NAMESIZE] = "";

	(void)state;
	for (size_t i = 0; i < count; i++)
		memcpy(end + i * (sizeof route - 1), route, sizeof route - 1);
	memcpy(end + count * (sizeof route - 1), last, sizeof last);
	assert_true(default_route_find(table, false, name));
	assert_string_equal(name, "ens4");
}

static void test_default_route_of_ipv6(void **state)
{
#define ZERO "00000000000000000000000000000000"
	char name[IF_NAMESIZE] = "";

	(void)state;
	assert_true(default_route_find(
		"fd000000000000000000000000000000 40 " ZERO " 00 " ZERO
		" 00000100 00000001 00000000 00000001     eth9\n" ZERO " 00 " ZERO
		" 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth1\n" ZERO
		" 00 " ZERO
		" 00 fe800000000000000000000000000001 00000200 00000001 00000000 00000003     eth0\n" ZERO
		" 00 " ZERO " 00 " ZERO " ffffffff 00000001 00000000 00200200       lo\n",
		true, name));
	assert_string_equal(name, "eth0");
	assert_false(default_route_find(ZERO " 00 " ZERO " 00 " ZERO
					     " ffffffff 00000001 00000000 00200200       lo\n",
					true, name));
	assert_false(default_route_find("", true, name));
}

static void parse(const char *text, struct interface_words *words)
{
	struct error err;

	if (interface_words_parse(text, words, &err) < 0)
		fail_msg("%s: %s", text, err.message);
}

static void test_words_are_parsed(void **state)
{
	static const struct {
		const char *text;
		unsigned count;
		struct interface_word words[3];
		bool has_any, has_auto;
	} cases[] = {
		{ "eth0", 1, { { INTERFACE_WORD_NAME, false, "eth0" } }, false, false },
		{ "eth*,!lo,auto",
		  3,
		  { { INTERFACE_WORD_PATTERN, false, "eth*" },
		    { INTERFACE_WORD_NAME, true, "lo" },
		    { INTERFACE_WORD_AUTO, false, "auto" } },
		  false,
		  true },
		{ "any", 1, { { INTERFACE_WORD_ANY, false, "any" } }, true, false },
		{ "auto0,!anyhow",
		  2,
		  { { INTERFACE_WORD_NAME, false, "auto0" },
		    { INTERFACE_WORD_NAME, true, "anyhow" } },
		  false,
		  false },
		{ "[ab]?,!a\\*",
		  2,
		  { { INTERFACE_WORD_PATTERN, false, "[ab]?" },
		    { INTERFACE_WORD_PATTERN, true, "a\\*" } },
		  false,
		  false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct interface_words words;

		parse(cases[i].text, &words);
		assert_int_equal(words.count, cases[i].count);
		assert_int_equal(words.has_any, cases[i].has_any);
		assert_int_equal(words.has_auto, cases[i].has_auto);
		for (unsigned j = 0; j < words.count; j++) {
			assert_int_equal(words.list[j].kind, cases[i].words[j].kind);
			assert_int_equal(words.list[j].is_excluded, cases[i].words[j].is_excluded);
			assert_string_equal(words.list[j].text, cases[i].words[j].text);
		}
	}
}

static void test_words(void **state)
{
	static const struct {
		const char *words, *name, *auto_name;
		bool is_wanted;
	} cases[] = {
		{ "eth0", "eth0", "", true },
		{ "eth0", "eth00", "", false },
		{ "eth0,eth1", "eth1", "", true },
		{ "eth*", "eth0.100", "", true },
		{ "eth*", "veth0", "", false },
		{ "eth?,gke*", "gke1234abcd", "", true },
		{ "eth[0-3]", "eth3", "", true },
		{ "eth[0-3]", "eth4", "", false },
		{ "*", "lo", "", true },
		{ "*,!lo", "lo", "", false },
		{ "!lo,*", "lo", "", false }, /* wherever it stands */
		{ "*,!veth*,!lo", "veth17", "", false },
		{ "*,!veth*,!lo", "eth0", "", true },
		{ "eth0,eth1,!eth*,lo", "eth0", "", false },
		{ "auto", "ens4", "ens4", true },
		{ "auto", "ens4", "", false },
		{ "auto", "ens5", "ens4", false },
		{ "auto,gke*", "gke0", "ens4", true },
		{ "auto,!ens4", "ens4", "ens4", false },
		{ "any", "any", "", true },
		{ "any", "eth0", "", false },
	};
	struct interface_words words = { .count = 0 };

	(void)state;
	assert_false(interfaces_want(&words, "eth0", ""));
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		parse(cases[i].words, &words);
		if (interfaces_want(&words, cases[i].name, cases[i].auto_name) !=
		    cases[i].is_wanted)
			fail_msg("%s in %s with auto %s", cases[i].name, cases[i].words,
				 cases[i].auto_name);
	}
	parse("eth0,auto", &words);
	assert_true(interfaces_have(&words, "auto"));
	assert_true(interfaces_have(&words, "eth0"));
	parse("auto0,eth*,!lo", &words);
	assert_false(interfaces_have(&words, "auto"));
	assert_false(interfaces_have(&words, "eth0"));
	assert_false(interfaces_have(&words, "lo"));
}

static const struct link links[] = {
	{ .index = 1, .name = "lo", .is_up = true, .is_loopback = true },
	{ .index = 2, .name = "ens4", .is_up = false },
	{ .index = 3, .name = "ens5", .is_up = true },
	{ .index = 9, .name = "gke0", .is_up = true },
};

static void test_what_auto_stands_for(void **state)
{
	(void)state;
	assert_ptr_equal(interfaces_auto(links, 4, "gke0", 3), &links[3]);
	/* Without a default route: what it was before, as long as that is there. */
	assert_ptr_equal(interfaces_auto(links, 4, "", 9), &links[3]);
	assert_ptr_equal(interfaces_auto(links, 4, "", 2), &links[1]);
	/* Else the first that is up, but not the loopback. */
	assert_ptr_equal(interfaces_auto(links, 4, "", 0), &links[2]);
	assert_ptr_equal(interfaces_auto(links, 4, "gone0", 17), &links[2]);
	assert_null(interfaces_auto(links, 2, "", 0));
	assert_null(interfaces_auto(links, 0, "", 3));
}

static void list_missing(const char *text, const char *auto_name, struct text *out)
{
	struct interface_words words;

	parse(text, &words);
	for (unsigned i = 0; i < words.count; i++) {
		const char *reason = interfaces_why_missing(&words, &words.list[i], links, 4,
							    auto_name);

		if (reason)
			text_append(out, "%s: %s; ", words.list[i].text, reason);
	}
}

static void test_why_a_word_has_no_interface(void **state)
{
	char bytes[512];
	struct text text = text_over(bytes, sizeof bytes);

	(void)state;
	list_missing("eth9,ens4,ens5,gke*,cali*,lo,ens[1-3],!lo,auto", "", &text);
	assert_string_equal(bytes,
			    "eth9: there is none of this name; ens4: it is down; "
			    "cali*: none matches; lo: it is excluded; ens[1-3]: none matches; "
			    "auto: there is no default route; ");
	text = text_over(bytes, sizeof bytes);
	list_missing("any", "", &text);
	list_missing("auto,*", "ens5", &text);
	assert_string_equal(bytes, "");
	list_missing("auto", "ens4", &text);
	assert_string_equal(bytes, "auto: it is down; ");
}

static void list_names(const char *text, struct text *out)
{
	struct interface_words words;

	parse(text, &words);
	for (unsigned i = 0; i < words.count; i++)
		if (interfaces_is_name(&words, &words.list[i]))
			text_append(out, "%s;", words.list[i].text);
}

static void test_exact_names(void **state)
{
	char bytes[256];
	struct text text = text_over(bytes, sizeof bytes);

	(void)state;
	list_names("eth9,gke*,ens[1-3],lo,!lo,auto,eth?,br1,!br2", &text);
	assert_string_equal(bytes, "eth9;br1;");
	text = text_over(bytes, sizeof bytes);
	list_names("any", &text);
	assert_string_equal(bytes, "");
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_route_of_ipv4_with_the_lowest_metric),
		cmocka_unit_test(test_what_is_no_default_route_of_ipv4),
		cmocka_unit_test(test_default_route_behind_many_others),
		cmocka_unit_test(test_default_route_of_ipv6),
		cmocka_unit_test(test_words_are_parsed),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_what_auto_stands_for),
		cmocka_unit_test(test_why_a_word_has_no_interface),
		cmocka_unit_test(test_exact_names),
	};

	unit_add(tests, NULL, NULL);
}
