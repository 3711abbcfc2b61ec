/* SPDX-License-Identifier: Apache-2.0 */
#include "google/account.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "google/key_file.h"
#include "google/oauth.h"

#define LIFETIME_DEFAULT_S 3600
/* The API's limits; more than an hour needs an organization policy. */
#define LIFETIME_MIN_S 600
#define LIFETIME_MAX_S 43200
#define DELEGATES_MAX  16

#define ACCOUNTS       "/serviceAccounts/"
#define METHOD         ":generateAccessToken"

#define REMEDY                                                                               \
	"grant the source roles/iam.workloadIdentityUser (a federated account) or "          \
	"roles/iam.serviceAccountTokenCreator on the service account, and see that the IAM " \
	"Service Account Credentials API is enabled"

/* The account whose tokens the URL returns. The caller frees; NULL: it is another kind of URL. */
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
	bool is_good = !delegates ||
		       (json_is_array(delegates) && json_array_size(delegates) <= DELEGATES_MAX);
	const json_t *delegate;
	size_t i;

	json_array_foreach(delegates, i, delegate) is_good &= json_is_string(delegate);
	return is_good ? 0
		       : error_set(err, ERROR_CONFIG,
				   "\"delegates\" must be a list of at most %d texts",
				   DELEGATES_MAX);
}

static char *make_body(const json_t *delegates, const char *scope, uint64_t lifetime_s)
{
	cleanup_free char *lifetime = mem_printf("%" PRIu64 "s", lifetime_s);
	json_t *object = json_pack("{s:o, s:[s], s:s}", "delegates",
				   delegates ? json_deep_copy(delegates) : json_array(), "scope",
				   scope, "lifetime", lifetime);
	char *body = json_dumps(object, JSON_COMPACT);

	if (!body)
		abort(); /* out of memory: the object was made from JSON */
	json_decref(object);
	return body;
}

int google_impersonate(struct google_account *account, const char *url, const json_t *delegates,
		       uint64_t lifetime_s, const struct google_setup *setup, struct error *err)
{
	cleanup_free char *email = NULL;

	if (key_file_check_url(GOOGLE_IMPERSONATION_KEY, url, setup->universe, err) < 0 ||
	    check_delegates(delegates, err) < 0)
		return -1;
	email = email_of(url);
	if (!email)
		return error_set(err, ERROR_CONFIG,
				 "\"" GOOGLE_IMPERSONATION_KEY "\" must end in " ACCOUNTS
				 "EMAIL" METHOD);
	lifetime_s = lifetime_s ? lifetime_s : LIFETIME_DEFAULT_S;
	if (lifetime_s < LIFETIME_MIN_S || lifetime_s > LIFETIME_MAX_S)
		return error_set(err, ERROR_CONFIG,
				 "\"token_lifetime_seconds\" must be from %d to %d", LIFETIME_MIN_S,
				 LIFETIME_MAX_S);
	account->impersonations[account->impersonation_count++] = (struct google_impersonation){
		.url = mem_strdup(url),
		.body = make_body(delegates, setup->scope, lifetime_s),
		.email = take_ptr(email),
		.lifetime_s = lifetime_s,
	};
	return 0;
}

int google_impersonation_parse(const char *body, uint64_t now_s, struct token *ret_token,
			       struct error *err)
{
	json_t *reply = json_loads(body, 0, NULL);
	const char *token = json_string_value(json_object_get(reply, "accessToken"));
	const char *end = json_string_value(json_object_get(reply, "expireTime"));
	uint64_t end_ns = 0;
	bool is_good = oauth_is_token(token) && end && text_parse_time(end, &end_ns) == 0;
	uint64_t end_s = end_ns / CLOCK_NS_PER_S;

	if (is_good)
		*ret_token = (struct token){
			.value = mem_strdup(token),
			.lifetime_s = end_s > now_s ? end_s - now_s : 0,
		};
	key_file_free(reply);
	return is_good ? 0 : error_set(err, ERROR_TRANSIENT, "the reply holds no access token");
}

int google_impersonation_exchange(const struct google_impersonation *impersonation,
				  struct http *http, struct token *token, struct error *err)
{
	cleanup_secret char *source = take_ptr(token->value);
	cleanup_secret char *login = mem_printf("Authorization: Bearer %s", source);
	const struct oauth_exchange exchange = {
		.service = OAUTH_IAM,
		.url = impersonation->url,
		.body = impersonation->body,
		.content_type = "Content-Type: application/json",
		.login = login,
		.remedy = REMEDY,
	};
	struct http_reply reply;
	uint64_t now_s;

	if (oauth_post(http, &exchange, &reply, err) < 0)
		return error_wrap(err, "cannot get a token of %s", impersonation->email);
	/* expireTime is by the server's clock, which may differ from ours. */
	now_s = reply.date_s ? reply.date_s : clock_real_ns() / CLOCK_NS_PER_S;
	if (google_impersonation_parse(reply.body, now_s, token, err) < 0)
		return error_wrap(err, "cannot get a token of %s", impersonation->email);
	if (token->lifetime_s > impersonation->lifetime_s)
		token->lifetime_s = impersonation->lifetime_s;
	return 0;
}
