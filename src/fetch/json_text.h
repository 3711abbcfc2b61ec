/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the answers for programs are made of. No memory ends the program, as everywhere. */

struct json_t;

/*
 * A JSON string. Names come from outside, and may be no UTF-8: then a question mark stands for each byte that is not
 * ASCII. Never NULL.
 */
struct json_t *json_text(const char *text) __attribute__((warn_unused_result, returns_nonnull));
/* Set a member of an object; value is taken over. */
void json_set(struct json_t *object, const char *key, struct json_t *value);
