/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the control group of this process may use, of version 1 or 2, also in a container, where it is the root of what
 * can be seen. Sources: cgroups(7), proc(5), the kernel's admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
 */

#include <stdint.h>

struct cgroup {
	/*
	 * Bytes until the limit of the group, or of one above it, is reached, whichever is nearest; UINT64_MAX: there is
	 * no limit. Files in the page cache that nobody uses count as room: a recorder's files fill it.
	 */
	uint64_t memory_room;
	double cpus; /* that it may use at a time; 0: no limit */
};

/*
 * proc: a folder as /proc/self, with `cgroup` and `mountinfo`; root: what is put before the places of mounts, "" but in
 * tests. What cannot be read is no limit.
 */
void cgroup_read(const char *proc, const char *root, struct cgroup *ret_cgroup);
