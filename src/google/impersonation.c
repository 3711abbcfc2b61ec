/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A token of a service account for the token of somebody who may speak for it: the IAM credentials API's
 * generateAccessToken, https://cloud.google.com/iam/docs/reference/credentials/rest.
 */
#include "google/credentials_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "google/credentials.h"

#define EXCHANGE_MS        30000
#define LIFETIME_DEFAULT_S 3600
/* What the service takes; more than an hour needs a policy of the organization. */
#define LIFETIME_MIN_S 600
#define LIFETIME_MAX_S 43200
#define DELEGATES_MAX  16

#define ACCOUNTS       "/serviceAccounts/"
#define METHOD         ":generateAccessToken"

#define REMEDY                                                                               \
	"grant the source roles/iam.workloadIdentityUser (a federated account) or "          \
	"roles/iam.serviceAccountTokenCreator on the service account, and see that the IAM " \
	"Service Account Credentials API is enabled"

struct credentials_impersonation {
	char *url;
	char *body; /* the whole request: it never changes */
	char *email;
	uint64_t lifetime_s;
};

void credentials_impersonation_close(struct credentials_impersonation *impersonation)
{
	if (!impersonation)
		return;
	free(impersonation->url);
	free(impersonation->body);
	free(impersonation->email);
	free(impersonation);
}

const char *credentials_impersonation_email(const struct credentials_impersonation *impersonation)
{
	return impersonation->email;
}

/* Whose tokens the URL gives; NULL if it gives none. The caller frees. */
static char *email_of(const char *url)
{
	const char *email = strstr(url, ACCOUNTS);
	const char *end = email ? strstr(email, METHOD) : NULL;

	if (!end || strcmp(end, METHOD) != 0)
		return NULL;
	email += strlen(ACCOUNTS);
	return email < end && !memchr(email, '/', (size_t)(end - email))
		       ? mem_strndup(email, (size_t)(end - email))
		       : NULL;
}

static int check_delegates(const json_t *delegates, struct error *err)
{
	const json_t *delegate;
	size_t i;

	if (delegates && (!json_is_array(delegates) || json_array_size(delegates) > DELEGATES_MAX))
		return error_set(err, ERROR_CONFIG,
				 "\"delegates\" has to be a list of at most %d texts",
				 DELEGATES_MAX);
	json_array_foreach(delegates, i, delegate)
	{
		if (!json_is_string(delegate))
			return error_set(err, ERROR_CONFIG,
					 "\"delegates\" has to be a list of texts");
	}
	return 0;
}

static char *make_body(const json_t *delegates, const char *scope, uint64_t lifetime_s)
{
	char lifetime[24];
	json_t *object;
	char *body;

	(void)snprintf(lifetime, sizeof lifetime, "%" PRIu64 "s", lifetime_s);
	object = json_pack("{s:o, s:[s], s:s}", "delegates",
			   delegates ? json_deep_copy(delegates) : json_array(), "scope", scope,
			   "lifetime", lifetime);
	body = json_dumps(object, JSON_COMPACT);
	if (!body)
		abort(); /* no memory: all that goes in came out of a JSON text */
	json_decref(object);
	return body;
}

int credentials_impersonation_open(const char *url, const json_t *delegates, uint64_t lifetime_s,
				   const struct credentials_setup *setup,
				   struct credentials_impersonation **ret_impersonation,
				   struct error *err)
{
	cleanup_free char *email = NULL;
	struct credentials_impersonation *impersonation;

	if (credentials_check_url("service_account_impersonation_url", url, setup->universe, err) <
		    0 ||
	    check_delegates(delegates, err) < 0)
		return -1;
	email = email_of(url);
	if (!email)
		return error_set(err, ERROR_CONFIG,
				 "\"service_account_impersonation_url\" has to end in " ACCOUNTS
				 "EMAIL" METHOD);
	lifetime_s = lifetime_s ? lifetime_s : LIFETIME_DEFAULT_S;
	if (lifetime_s < LIFETIME_MIN_S || lifetime_s > LIFETIME_MAX_S)
		return error_set(err, ERROR_CONFIG,
				 "\"token_lifetime_seconds\" has to be from %d to %d",
				 LIFETIME_MIN_S, LIFETIME_MAX_S);
	impersonation = mem_alloc(sizeof *impersonation);
	impersonation->url = mem_strdup(url);
	impersonation->body = make_body(delegates, setup->scope, lifetime_s);
	impersonation->email = take_ptr(email);
	impersonation->lifetime_s = lifetime_s;
	*ret_impersonation = impersonation;
	return 0;
}

int credentials_parse_impersonated(const char *body, uint64_t now_s,
				   struct credentials_token *ret_token, struct error *err)
{
	json_t *reply = json_loads(body, 0, NULL);
	const char *token = json_string_value(json_object_get(reply, "accessToken"));
	const char *end = json_string_value(json_object_get(reply, "expireTime"));
	uint64_t end_ns;

	if (!credentials_is_token(token) || !end || text_parse_time(end, &end_ns) < 0) {
		credentials_free_json(reply);
		return error_set(err, ERROR_TRANSIENT, "the reply holds no access token");
	}
	ret_token->value = mem_strdup(token);
	ret_token->lifetime_s = end_ns / CLOCK_NS_PER_S > now_s ? end_ns / CLOCK_NS_PER_S - now_s
								: 0;
	credentials_free_json(reply);
	return 0;
}

static int exchange(const struct credentials_impersonation *impersonation, struct http *http,
		    const char *login, struct credentials_token *ret_token, struct error *err)
{
	const char *const headers[] = { login, "Content-Type: application/json",
					"Accept: application/json", NULL };
	const struct http_request request = {
		.method = "POST",
		.url = impersonation->url,
		.headers = headers,
		.head = impersonation->body,
		.head_bytes = strlen(impersonation->body),
		.fd = -1,
		.timeout_ms = EXCHANGE_MS,
	};
	struct http_reply reply;

	if (http_send(http, &request, &reply, err) < 0)
		return -1;
	if (reply.status != 200)
		return credentials_judge(CREDENTIALS_IAM, &reply, REMEDY, err);
	/* The end is told in the server's time, which need not be ours. */
	if (credentials_parse_impersonated(
		    reply.body, reply.date_s ? reply.date_s : clock_real_ns() / CLOCK_NS_PER_S,
		    ret_token, err) < 0)
		return -1;
	if (ret_token->lifetime_s > impersonation->lifetime_s)
		ret_token->lifetime_s = impersonation->lifetime_s;
	return 0;
}

int credentials_impersonation_fetch(const struct credentials_impersonation *impersonation,
				    struct http *http, const struct credentials_token *source,
				    struct credentials_token *ret_token, struct error *err)
{
	char *login = mem_printf("Authorization: Bearer %s", source->value);
	int result = exchange(impersonation, http, login, ret_token, err);

	credentials_wipe(login);
	return result < 0 ? error_wrap(err, "cannot get a token of %s", impersonation->email) : 0;
}
