/* SPDX-License-Identifier: Apache-2.0 */
#include "status/pages.h"

#include <stdlib.h>
#include <string.h>

#include "status/health.h"
#include "status/metrics.h"

#define TYPE_TEXT "text/plain; charset=utf-8"
#define TYPE_JSON "application/json"

enum {
	HTTP_OK = 200,
	HTTP_NOT_FOUND = 404,
	HTTP_METHOD_NOT_ALLOWED = 405,
	HTTP_SERVICE_UNAVAILABLE = 503,
};

static void answer_metrics(const struct pages_actions *actions, const struct page_request *request,
			   FILE *out, struct page_reply *reply)
{
	enum metrics_format format = metrics_negotiate(request->accept);
	struct status_facts facts;

	actions->gather(actions->context, &facts);
	metrics_write(out, format, &facts);
	reply->content_type = metrics_content_type(format);
}

static void answer_health(const struct pages_actions *actions, bool is_liveness, FILE *out,
			  struct page_reply *reply)
{
	struct health_finding findings[HEALTH_RULES];
	struct status_facts facts;

	actions->gather(actions->context, &facts);
	if (!health_judge(&facts, is_liveness, findings))
		reply->status = HTTP_SERVICE_UNAVAILABLE;
	health_write(out, is_liveness, findings);
	reply->content_type = TYPE_JSON;
}

static void answer_liveness(const struct pages_actions *actions, const struct page_request *request,
			    FILE *out, struct page_reply *reply)
{
	(void)request;
	answer_health(actions, true, out, reply);
}

static void answer_readiness(const struct pages_actions *actions,
			     const struct page_request *request, FILE *out,
			     struct page_reply *reply)
{
	(void)request;
	answer_health(actions, false, out, reply);
}

/* One row a page. `reply` comes in as 200, text/plain. */
static const struct page {
	const char *path, *method;
	bool is_control; /* by the control socket only */
	void (*answer)(const struct pages_actions *actions, const struct page_request *request,
		       FILE *out, struct page_reply *reply);
} pages[] = {
	{ "/metrics", "GET", false, answer_metrics },
	{ "/healthz", "GET", false, answer_liveness },
	{ "/readyz", "GET", false, answer_readiness },
};

static const struct page *find_page(const struct page_request *request)
{
	for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
		if (strcmp(pages[i].path, request->path) == 0 &&
		    (!pages[i].is_control || request->is_control))
			return &pages[i];
	return NULL;
}

static bool is_method_of(const struct page *page, const char *method)
{
	return strcmp(page->method, method) == 0 ||
	       (strcmp(page->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

void pages_answer(const struct pages_actions *actions, const struct page_request *request,
		  struct page_reply *ret_reply)
{
	const struct page *page = find_page(request);
	struct page_reply reply = { .status = HTTP_OK, .content_type = TYPE_TEXT };
	FILE *out = open_memstream(&reply.body, &reply.length);

	if (!out)
		abort(); /* no memory: as base/mem.h has it */
	if (!page) {
		reply.status = HTTP_NOT_FOUND;
		(void)fputs("There is no such page; there are /metrics, /healthz and /readyz.\n",
			    out);
	} else if (!is_method_of(page, request->method)) {
		reply.status = HTTP_METHOD_NOT_ALLOWED;
		reply.allow = strcmp(page->method, "GET") == 0 ? "GET, HEAD" : page->method;
		(void)fprintf(out, "This page is for %s only.\n", reply.allow);
	} else {
		page->answer(actions, request, out, &reply);
	}
	if (fclose(out) != 0)
		abort();
	*ret_reply = reply;
}
