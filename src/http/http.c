/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "http/handle.h"
#include "http/redact.h"
#include "http/url.h"

#define CONNECTIONS_KEPT     4L      /* storage, token endpoint, and one successor of each */
#define UPLOAD_BUFFER_BYTES  131072L /* fewer system calls than with the default of 64 KiB */
#define KEEPALIVE_S          60L
#define LOCAL_TIMEOUT_MS     5000L /* a metadata server is on this node or next to it */
#define STALL_BYTES_A_SECOND 1024L

/* Only what we use, so that no URL from outside can name a file or a mail server. */
#if LIBCURL_VERSION_NUM >= 0x075500
#define PROTOCOLS_OPTION CURLOPT_PROTOCOLS_STR
#define PROTOCOLS_VALUE  "http,https"
#else
#define PROTOCOLS_OPTION CURLOPT_PROTOCOLS
#define PROTOCOLS_VALUE  ((long)(CURLPROTO_HTTP | CURLPROTO_HTTPS))
#endif

/*
 * libcurl resolves names in a thread of its own and joins it when an exchange ends early, which takes minutes
 * if no name server answers. With this option it detaches the thread instead.
 */
#if LIBCURL_VERSION_NUM >= 0x075700
#define LEAVE_RESOLVER(easy) curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L)
#else
#define LEAVE_RESOLVER(easy) CURLE_OK
#endif

int http_global_init(struct error *err)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return error_set(err, ERROR_FATAL, "cannot initialize libcurl");
	if (!(curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_SSL))
		return error_set(err, ERROR_FATAL, "this libcurl is built without TLS");
	return 0;
}

int http_open(const struct conf *conf, struct connections *connections, struct rate *rate,
	      const atomic_bool *cancel, struct http **ret_http, struct error *err)
{
	struct http *http;
	CURL *easy;

	if (conf->upload_ca_file[0] && access(conf->upload_ca_file, R_OK) < 0)
		return conf_error(conf, CONF_upload_ca_file, err, "%s: %s", conf->upload_ca_file,
				  strerror(errno));
	easy = curl_easy_init();
	if (!easy)
		return error_set(err, ERROR_FATAL, "cannot make a libcurl handle");
	http = mem_calloc(1, sizeof *http);
	http->easy = easy;
	http->conf = conf;
	http->rate = rate;
	sockets_init(&http->sockets, connections);
	http->cancel = cancel;
	*ret_http = http;
	return 0;
}

struct http *http_close(struct http *http)
{
	if (!http)
		return NULL;
	/* Closes the kept connections through close_socket(). */
	curl_easy_cleanup(http->easy);
	/* The last reply may have been a token. */
	explicit_bzero(http->body, sizeof http->body);
	mem_free_secret(http->secrets);
	free(http);
	return NULL;
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *remote)
{
	struct http *http = context;
	int fd;

	(void)purpose;
	fd = sockets_open(&http->sockets, remote->socktype, remote->protocol, &remote->addr,
			  remote->addrlen, &http->problem);
	if (fd < 0)
		return CURL_SOCKET_BAD;
	/* One address of the host is enough: forget that another, perhaps IPv6, had no route. */
	http->problem.kind = ERROR_NONE;
	return fd;
}

static int close_socket(void *context, curl_socket_t fd)
{
	struct http *http = context;

	/* Between exchanges this is an idle connection, and nothing is lost. */
	sockets_close(&http->sockets, fd, http->request && atomic_load(http->cancel));
	return 0;
}

static int on_progress(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
		       curl_off_t up)
{
	const struct http *http = context;

	(void)down_total, (void)down, (void)up_total, (void)up;
	thread_beat();
	return atomic_load(http->cancel);
}

uint64_t http_body_bytes(const struct http_request *request)
{
	return request->head_bytes + request->file_bytes + request->tail_bytes;
}

ssize_t http_body_read(const struct http_request *request, uint64_t position, char *out,
		       size_t capacity)
{
	const uint64_t tail_begin = request->head_bytes + request->file_bytes;
	bool is_head = position < request->head_bytes, is_tail = position >= tail_begin;
	uint64_t begin = is_head ? 0 : is_tail ? tail_begin : request->head_bytes;
	uint64_t end = is_head   ? request->head_bytes
		       : is_tail ? tail_begin + request->tail_bytes
				 : tail_begin;
	uint64_t length = end - position < capacity ? end - position : capacity;
	ssize_t got;

	if (is_head || is_tail) {
		if (length > 0)
			memcpy(out, (is_head ? request->head : request->tail) + (position - begin),
			       length);
		return (ssize_t)length;
	}
	do {
		got = pread(request->fd, out, length,
			    (off_t)(request->file_offset + position - begin));
	} while (got < 0 && errno == EINTR);
	if (got == 0)
		errno = ENODATA;
	return got > 0 ? got : -1;
}

static size_t on_read(char *out, size_t size, size_t count, void *context)
{
	struct http *http = context;
	size_t capacity = http->rate ? rate_piece(http->rate, size * count) : size * count;
	ssize_t got = http_body_read(http->request, http->position, out, capacity);

	if (got > 0 && http->rate && !rate_wait(http->rate, (size_t)got, http->cancel))
		return CURL_READFUNC_ABORT;
	if (got < 0) {
		error_errno(&http->problem, "cannot read the segment");
		http->is_unreadable = true;
		return CURL_READFUNC_ABORT;
	}
	http->position += (uint64_t)got;
	return (size_t)got;
}

/* libcurl has the last byte, so it may have arrived. */
static bool is_sent(const struct http *http)
{
	return http->position == http_body_bytes(http->request);
}

/* libcurl repeats the request because a kept connection turned out to be dead. */
static int on_seek(void *context, curl_off_t offset, int origin)
{
	struct http *http = context;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > http_body_bytes(http->request))
		return CURL_SEEKFUNC_FAIL;
	http->is_sent_again |= is_sent(http);
	http->position = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

/* Does the caller want this body piece by piece? An error's body is short and needed as a whole. */
static bool is_streamed(const struct http *http)
{
	long status = 0;

	(void)curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
	return http->request->on_body && status >= 200 && status < 300;
}

static size_t on_write(char *bytes, size_t size, size_t count, void *context)
{
	struct http *http = context;
	const struct http_request *request = http->request;
	size_t length = size * count;
	size_t room = HTTP_BODY_MAX - http->body_bytes;

	if (is_streamed(http)) {
		http->is_cut = !request->on_body(request->on_body_context, bytes, length);
	} else {
		http->is_cut = length > room;
		memcpy(http->body + http->body_bytes, bytes, http->is_cut ? room : length);
		http->body_bytes += http->is_cut ? room : length;
	}
	/* Any other number than length makes libcurl close the connection. */
	return http->is_cut ? 0 : length;
}

static size_t on_header(char *line, size_t size, size_t count, void *context)
{
	struct http *http = context;

	http_headers_add(&http->headers, line, size * count);
	return size * count;
}

/* This machine and metadata servers: to a proxy, their names mean other hosts. */
static bool is_without_proxy(const struct http_request *request)
{
	struct http_url url;

	return request->is_local ||
	       (http_read_url(request->url, &url) && (url.is_loopback || url.is_link_local));
}

/* Below this rate (bytes per second) a transfer is stalled; lower if a worker's share of the limit is. */
static long stall_rate(const struct http *http)
{
	uint64_t limit = http->rate ? atomic_load(&http->rate->bytes_a_second) : 0;
	uint64_t share = limit / http->conf->upload_workers / 2;

	return limit == 0 || share > STALL_BYTES_A_SECOND ? STALL_BYTES_A_SECOND : (long)share + 1;
}

/* Every option of one exchange. Returns the first code that is not CURLE_OK. */
static CURLcode set_options(struct http *http, const struct http_request *request,
			    struct curl_slist *headers)
{
	const struct conf *conf = http->conf;
	CURL *easy = http->easy;
	CURLcode code = CURLE_OK;

#define SET(option, value) (code = code ? code : curl_easy_setopt(easy, option, value))
	curl_easy_reset(easy); /* options only: connections, sessions and names stay */
	SET(CURLOPT_URL, request->url);
	SET(PROTOCOLS_OPTION, PROTOCOLS_VALUE);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_USERAGENT, PACKAGE_NAME "/" PACKAGE_VERSION);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
	SET(CURLOPT_TCP_KEEPINTVL, KEEPALIVE_S);
	SET(CURLOPT_MAXCONNECTS, CONNECTIONS_KEPT);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_BYTES);
	SET(CURLOPT_ERRORBUFFER, http->reason);
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	code = code ? code : LEAVE_RESOLVER(easy);

	SET(CURLOPT_LOW_SPEED_LIMIT, stall_rate(http));
	SET(CURLOPT_LOW_SPEED_TIME, (long)conf->upload_stall_timeout);
	if (is_without_proxy(request))
		SET(CURLOPT_NOPROXY, "*");
	else if (conf->upload_proxy[0])
		SET(CURLOPT_PROXY, conf->upload_proxy);
	if (request->is_local) {
		SET(CURLOPT_CONNECTTIMEOUT_MS, LOCAL_TIMEOUT_MS);
		SET(CURLOPT_TIMEOUT_MS, LOCAL_TIMEOUT_MS);
	} else {
		SET(CURLOPT_CONNECTTIMEOUT, (long)conf->upload_connect_timeout);
		SET(CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	}
	if (conf->upload_ca_file[0]) {
		SET(CURLOPT_CAINFO, conf->upload_ca_file);
		SET(CURLOPT_CAPATH, NULL);
		SET(CURLOPT_PROXY_CAINFO, conf->upload_ca_file);
		SET(CURLOPT_PROXY_CAPATH, NULL);
	}

	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_OPENSOCKETDATA, http);
	SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	SET(CURLOPT_CLOSESOCKETDATA, http);
	SET(CURLOPT_XFERINFOFUNCTION, on_progress);
	SET(CURLOPT_XFERINFODATA, http);
	SET(CURLOPT_NOPROGRESS, 0L);
	SET(CURLOPT_WRITEFUNCTION, on_write);
	SET(CURLOPT_WRITEDATA, http);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, http);

	SET(CURLOPT_HTTPHEADER, headers);
	if (strcmp(request->method, "GET") != 0) {
		/* libcurl calls any body that it reads piece by piece an upload, even an empty one. */
		SET(CURLOPT_UPLOAD, 1L);
		SET(CURLOPT_CUSTOMREQUEST, request->method);
		SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)http_body_bytes(request));
		SET(CURLOPT_READFUNCTION, on_read);
		SET(CURLOPT_READDATA, http);
		SET(CURLOPT_SEEKFUNCTION, on_seek);
		SET(CURLOPT_SEEKDATA, http);
	}
#undef SET
	return code;
}

static void fill_reply(struct http *http, struct http_reply *ret_reply)
{
	const char *retry_after;
	uint64_t now_s;

	http->body[http->body_bytes] = '\0';
	*ret_reply = (struct http_reply){
		.is_sent = is_sent(http),
		.is_sent_again = http->is_sent_again,
		.is_cut = http->is_cut,
		.body = http->body,
		.body_bytes = http->body_bytes,
		.headers = &http->headers,
		.secrets = http->secrets,
	};
	(void)curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &ret_reply->status);
	ret_reply->date_s = http_parse_date(http_reply_header(ret_reply, "Date"));
	retry_after = http_reply_header(ret_reply, "Retry-After");
	now_s = ret_reply->date_s ? ret_reply->date_s : clock_real_ns() / CLOCK_NS_PER_S;
	ret_reply->retry_after_ms = http_parse_retry_after(retry_after, now_s);
}

static struct curl_slist *append_header(struct curl_slist *list, const char *header)
{
	struct curl_slist *longer = curl_slist_append(list, header);

	if (!longer)
		abort(); /* out of memory, as in mem_alloc() */
	return longer;
}

int http_send(struct http *http, const struct http_request *request, struct http_reply *ret_reply,
	      struct error *err)
{
	/* Otherwise libcurl waits a second for a "100 Continue" that hardly any server sends. */
	struct curl_slist *headers = append_header(NULL, "Expect:");
	CURLcode code;

	for (const char *const *header = request->headers; header && *header; header++)
		headers = append_header(headers, *header);
	http->request = request;
	mem_free_secret(http->secrets);
	http->secrets = redact_collect(request->headers, request->url, request->head,
				       http->conf->upload_proxy);
	http->position = 0;
	http->body_bytes = 0;
	http->reason[0] = '\0';
	http->problem.kind = ERROR_NONE;
	http->is_cut = http->is_unreadable = http->is_sent_again = false;
	http->headers.length = 0;

	code = set_options(http, request, headers);
	if (code == CURLE_OK)
		code = curl_easy_perform(http->easy);
	curl_slist_free_all(headers);
	if (code == CURLE_OK || http->is_cut) {
		fill_reply(http, ret_reply);
		code = CURLE_OK;
	} else {
		*ret_reply = (struct http_reply){ .status = http_fail(http, code, err),
						  .is_sent = is_sent(http),
						  .is_sent_again = http->is_sent_again };
	}
	http->request = NULL;
	return code == CURLE_OK ? 0 : -1;
}
