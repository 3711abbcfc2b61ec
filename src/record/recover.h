/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a crash left in capturing/: each file is cut after its last whole member and published with the
 * reason "recovered"; one that holds no packet is removed. Runs once at start, before any recorder, in
 * the caller's thread; takes as long as unpacking the files does.
 */

#include "base/counters.h"
#include "base/error.h"
#include "spool/spool.h"

/* A file that cannot be recovered is left where it is, and logged; only a spool that fails is an error. */
int recover_unfinished(struct spool *spool, struct counters *counters, struct error *err)
	__attribute__((warn_unused_result));
