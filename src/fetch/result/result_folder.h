/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The folder of a result that has a file for each node. Blocks on the disk. */

#include "base/error.h"
#include "fetch/coverage/interned.h"

/* Make it, or see that nothing is in it but parts of a run that was broken off. */
int result_folder_open(const char *path, struct error *err) __attribute__((warn_unused_result));

/* FOLDER/NODE.extension; names has the files of the folder. The caller frees. */
char *result_folder_name(struct interned *names, const char *folder, const char *node,
			 const char *extension) __attribute__((warn_unused_result));
