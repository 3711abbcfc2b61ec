/* SPDX-License-Identifier: Apache-2.0 */
/* Which file system is a destination on, and is it still that one? */
#include <fcntl.h>

#include "unit.h"

#include "base/mem.h"
#include "sink/mount.h"

static void test_what_is_expected(void **state)
{
	static const struct {
		const char *noted, *now;
		bool is_expected;
	} cases[] = {
		/* unknown */
		{ "", "/ ext4 /dev/sda1 1f", true },
		{ "/ ext4 /dev/sda1 1f", "", true },
		/* the same; mounted again; a disk that has another name now */
		{ "/srv nfs4 host:/export 0", "/srv nfs4 host:/export 0", true },
		{ "/srv tmpfs share 1f", "/srv tmpfs share 2f", true },
		{ "/srv ext4 /dev/sdb1 1f", "/srv ext4 /dev/sdc1 1f", true },
		{ "/srv/captures ext4 /dev/sda1 1f", "/ ext4 /dev/sda1 1f", true },
		/* a share that comes late, and one that goes */
		{ "/ ext4 /dev/sda1 1f", "/srv nfs4 host:/export 0", true },
		{ "/srv nfs4 host:/export 0", "/ ext4 /dev/sda1 1f", false },
		{ "/srv nfs4 host:/export 0", "/sr ext4 /dev/sda1 1f", false },
		/* another one in its place */
		{ "/srv nfs4 host:/export 0", "/srv nfs4 other:/export 0", false },
		{ "/srv nfs4 host:/export 0", "/srv nfs4 host:/export2 0", false },
		{ "/srv nfs4 host:/export 0", "/srv ext4 /dev/sda1 1f", false },
		{ "/srv xfs /dev/sdb1 811", "/srv xfs /dev/sdc1 821", false },
		{ "/srv ext4 /dev/sdb1 1f", "/srv xfs /dev/sdb1 1f", false },
		{ "/srv ext4 /dev/sdb1 1f", "/ ext4 /dev/sda1 2f", false },
		{ "/mnt nfs4 host:/export 0", "/srv nfs4 host:/export 0", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
		if (mount_is_expected(cases[i].noted, cases[i].now) != cases[i].is_expected)
			fail_msg("%s, then %s", cases[i].noted, cases[i].now);
}

static void test_description(void **state)
{
	char bytes[64];
	struct text text = text_over(bytes, sizeof bytes);

	(void)state;
	mount_describe("/srv nfs4 host:/export 0", &text);
	assert_string_equal(bytes, "nfs4 host:/export at /srv");
}

static void test_the_folder_decides(void **state)
{
	char here[1024] = "", there[1024] = "";
	struct text text = text_over(here, sizeof here), other = text_over(there, sizeof there);
	cleanup_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	mount_identify(root, &text);
	mount_identify(proc, &other);
	assert_memory_equal(here, "/ ", 2);
	assert_memory_equal(there, "/proc proc ", 11);
	assert_false(mount_is_expected(there, here));
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_expected),
		cmocka_unit_test(test_description),
		cmocka_unit_test(test_the_folder_decides),
	};

	unit_add(tests, NULL, NULL);
}
