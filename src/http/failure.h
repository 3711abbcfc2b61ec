/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Why there was no reply, in words that help an operator and contain no secret. */

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "http/reply.h"

struct http;

/* Fill err as http_send() promises; returns the kind of failure. */
enum http_failure http_fail(const struct http *http, CURLcode code, struct error *err);

/*
 * May libcurl's message (in a buffer of this capacity) be logged? It may repeat the URL of a proxy with its
 * password, and where the message was cut, the part that gives it away may be missing.
 */
bool http_is_loggable(const char *reason, size_t capacity);
/* Does this verification result (X509_V_ERR_*) mean a certificate that is not yet or no longer valid? */
bool http_is_out_of_time(long verify_result);
