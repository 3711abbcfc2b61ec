/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of conf/ share among themselves; everybody else includes conf/conf.h. */

#include "base/text.h"
#include "conf/conf.h"

#define CONF_TEXT_MAX 65535 /* bytes of a value */

/* The field of an option in its struct conf. */
void *conf_field(struct conf *conf, enum conf_option option);
const void *conf_field_const(const struct conf *conf, enum conf_option option);

/*
 * conf_value: one option's value from and to text, the same for file, environment and command line.
 */

/* Parse text into the row's field, freeing the old value; or -1 and why, the field unchanged. */
int conf_value_parse(const struct conf_row *row, const char *text, void *field, struct text *reason)
	__attribute__((warn_unused_result));
/* The value as the user would type it, which parses back to the same. The caller frees. */
char *conf_value_format(const struct conf_row *row, const void *field)
	__attribute__((warn_unused_result));

/*
 * Set an option from text. conf takes over origin, even on failure: then err is as by conf_error().
 */
int conf_set(struct conf *conf, enum conf_option option, enum conf_source source, char *origin,
	     const char *text, struct error *err) __attribute__((warn_unused_result));

/*
 * conf_check: what the table cannot say of a value; capture.interface is parsed into conf->interfaces. err is
 * as by conf_error().
 */
int conf_check(struct conf *conf, struct error *err) __attribute__((warn_unused_result));

/* conf_file: set the options of the file. It may be missing unless it must exist. */
int conf_file_read(struct conf *conf, const char *path, bool must_exist, struct error *err)
	__attribute__((warn_unused_result));
