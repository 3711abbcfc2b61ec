/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where a URL leads. It is parsed by libcurl, which sends the request, so that a check and the request
 * cannot see two different hosts. Pure: no name is resolved.
 */

#include <stdbool.h>

#define HTTP_URL_MAX  4096
#define HTTP_HOST_MAX 253

struct http_url {
	char host[HTTP_HOST_MAX + 1]; /* in lower case; an IPv6 address without brackets */
	bool is_https;
	bool is_loopback; /* this machine */
	bool is_link_local; /* a metadata server: 169.254.0.0/16, fe80::/10, metadata.google.internal */
};

/* False if it is not an http:// or https:// URL with a host, or has a user name or a fragment. */
bool http_read_url(const char *url, struct http_url *ret_url);

/* Is the host (in lower case) below the domain, and not the domain itself? */
bool http_host_is_in(const char *host, const char *domain);

/* Percent-encode all but A-Z a-z 0-9 - . _ ~, so '/' as well. The caller frees. */
char *http_escape(const char *text) __attribute__((warn_unused_result));
