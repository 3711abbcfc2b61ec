/* SPDX-License-Identifier: Apache-2.0 */
#include "google/account.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"

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

int google_impersonate(struct google_account *account, const json_t *file,
		       const struct google_setup *setup, struct error *err)
{
	const json_t *delegates = json_object_get(file, "delegates");
	const json_t *options = json_object_get(file, "service_account_impersonation");
	const json_t *lifetime = json_object_get(options, "token_lifetime_seconds");
	json_int_t lifetime_s = lifetime ? json_integer_value(lifetime) : LIFETIME_DEFAULT_S;
	bool is_list = !delegates ||
		       (json_is_array(delegates) && json_array_size(delegates) <= DELEGATES_MAX);
	cleanup_free char *url = NULL, *email = NULL;
	const json_t *delegate;
	size_t i;

	json_array_foreach(delegates, i, delegate) is_list &= json_is_string(delegate);
	if (!is_list)
		return error_set(err, ERROR_CONFIG,
				 "\"delegates\" must be a list of at most %d texts", DELEGATES_MAX);
	if (key_file_url(file, GOOGLE_IMPERSONATION_KEY, setup->universe, NULL, &url, err) < 0)
		return -1;
	email = email_of(url);
	if (!email)
		return error_set(err, ERROR_CONFIG,
				 "\"" GOOGLE_IMPERSONATION_KEY "\" must end in " ACCOUNTS
				 "EMAIL" METHOD);
	if (lifetime_s <= 0)
		return error_set(err, ERROR_CONFIG,
				 "\"token_lifetime_seconds\" must be a number of seconds");
	if (lifetime_s < LIFETIME_MIN_S || lifetime_s > LIFETIME_MAX_S)
		return error_set(err, ERROR_CONFIG,
				 "\"token_lifetime_seconds\" must be from %d to %d", LIFETIME_MIN_S,
				 LIFETIME_MAX_S);
	account->impersonations[account->impersonation_count++] = (struct google_impersonation){
		.url = take_ptr(url),
		.body = make_body(delegates, setup->scope, (uint64_t)lifetime_s),
		.email = take_ptr(email),
		.lifetime_s = (uint64_t)lifetime_s,
	};
	return 0;
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
		.email = impersonation->email,
	};

	if (oauth_exchange(http, &exchange, token, err) < 0)
		return -1;
	if (token->lifetime_s > impersonation->lifetime_s)
		token->lifetime_s = impersonation->lifetime_s;
	return 0;
}
