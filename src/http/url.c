/* SPDX-License-Identifier: Apache-2.0 */
#include "http/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <string.h>

#include "base/mem.h"

/* Google's metadata server has this name everywhere. */
#define METADATA_NAME "metadata.google.internal"

/* An IPv4 address as the IPv6 address that it is mapped to. False: it is a name. */
static bool parse_address(const char *host, struct in6_addr *ret_address)
{
	*ret_address = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
	return inet_pton(AF_INET, host, ret_address->s6_addr + 12) == 1 ||
	       inet_pton(AF_INET6, host, ret_address) == 1;
}

/* libcurl itself never asks a name server for "localhost". */
static void find_place(struct http_url *url)
{
	struct in6_addr address;
	const uint8_t *four = address.s6_addr + 12;
	bool is_mapped;

	if (!parse_address(url->host, &address)) {
		url->is_loopback = strcmp(url->host, "localhost") == 0;
		url->is_link_local = strcmp(url->host, METADATA_NAME) == 0;
		return;
	}
	is_mapped = IN6_IS_ADDR_V4MAPPED(&address);
	url->is_loopback = IN6_IS_ADDR_LOOPBACK(&address) ||
			   (is_mapped && four[0] == IN_LOOPBACKNET);
	url->is_link_local = IN6_IS_ADDR_LINKLOCAL(&address) ||
			     (is_mapped && four[0] == 169 && four[1] == 254);
}

/* The host as libcurl gives it, without the brackets of an IPv6 address. */
static bool copy_host(const char *from, char *out)
{
	bool is_bracketed = from[0] == '[';
	size_t length = strlen(from) - (is_bracketed ? 2 : 0);

	if (length == 0 || length > HTTP_HOST_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		out[i] = (char)tolower((unsigned char)from[i + is_bracketed]);
	out[length] = '\0';
	return true;
}

bool http_read_url(const char *url, struct http_url *ret_url)
{
	struct http_url read = { .host = "" };
	char *scheme = NULL, *host = NULL, *fragment = NULL;
	const char *authority = strstr(url, "://");
	CURLU *parts;
	bool is_good;

	/* libcurl forgives one slash or three. */
	if (!authority || authority[3] == '/')
		return false;
	for (const char *p = url; *p; p++)
		if (*p <= ' ' || *p > '~' || p - url >= HTTP_URL_MAX)
			return false;
	parts = curl_url();
	is_good = parts &&
		  curl_url_set(parts, CURLUPART_URL, url, CURLU_DISALLOW_USER) == CURLUE_OK &&
		  curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		  curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
		  curl_url_get(parts, CURLUPART_FRAGMENT, &fragment, 0) == CURLUE_NO_FRAGMENT &&
		  copy_host(host, read.host);
	if (is_good) {
		read.is_https = strcmp(scheme, "https") == 0;
		is_good = read.is_https || strcmp(scheme, "http") == 0;
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(fragment);
	curl_url_cleanup(parts);
	if (is_good) {
		find_place(&read);
		*ret_url = read;
	}
	return is_good;
}

bool http_host_is_in(const char *host, const char *domain)
{
	size_t host_length = strlen(host), length = strlen(domain);

	return host_length > length + 1 && host[host_length - length - 1] == '.' &&
	       strcmp(host + host_length - length, domain) == 0;
}

char *http_escape(const char *text)
{
	char *escaped = curl_easy_escape(NULL, text, (int)strlen(text));
	char *copy;

	if (!escaped)
		abort(); /* no memory */
	copy = mem_strdup(escaped);
	explicit_bzero(escaped, strlen(escaped)); /* it may be a secret */
	curl_free(escaped);
	return copy;
}
