/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of conf/ share among themselves; everybody else includes conf/conf.h. */

#include "conf/conf.h"

/* Set an option from text. On failure too, conf has the origin, and err is as by conf_error(). */
int conf_set(struct conf *conf, enum conf_option option, enum conf_source source,
	     const char *origin, const char *text, struct error *err)
	__attribute__((warn_unused_result));

/* Set the options of the file. It may be missing unless it must exist. */
int conf_file_read(struct conf *conf, const char *path, bool must_exist, struct error *err)
	__attribute__((warn_unused_result));
