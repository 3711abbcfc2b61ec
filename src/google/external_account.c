/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workload Identity Federation: the token of another issuer, such as a Kubernetes cluster's, is exchanged at
 * Google's security token service (RFC 8693), and, where the file says so, that token for one of a service
 * account. https://google.aip.dev/auth/4117
 */
#include "google/credentials_private.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "google/credentials.h"
#include "google/jwt.h"
#include "http/url.h"

#define FORM                                                                                 \
	"grant_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Agrant-type%%3Atoken-exchange"          \
	"&requested_token_type=urn%%3Aietf%%3Aparams%%3Aoauth%%3Atoken-type%%3Aaccess_token" \
	"&audience=%s&scope=%s&subject_token_type=%s"

struct external_account {
	char *url;
	char *form;  /* the request, but for the token */
	char *login; /* of the client, an Authorization header; NULL: none */
	struct credentials_subject *subject;
	struct credentials_impersonation *impersonation; /* NULL: none */
};

static void external_account_close(void *state)
{
	struct external_account *account = state;

	if (!account)
		return;
	free(account->url);
	free(account->form);
	credentials_wipe(account->login);
	credentials_subject_close(account->subject);
	credentials_impersonation_close(account->impersonation);
	free(account);
}

static int read_url(const json_t *file, const char *universe, char **ret_url, struct error *err)
{
	const json_t *value = json_object_get(file, "token_url");
	const char *given = json_string_value(value);

	if (value && credentials_check_url("token_url", given ? given : "", universe, err) < 0)
		return -1;
	*ret_url = given ? mem_strdup(given) : mem_printf("https://sts.%s/v1/token", universe);
	return 0;
}

static int read_form(const json_t *file, const char *scope, char **ret_form, struct error *err)
{
	cleanup_free char *escaped_audience = NULL, *escaped_scope = NULL, *escaped_type = NULL;
	const char *audience, *type;

	if (credentials_text(file, "audience", &audience, err) < 0 ||
	    credentials_text(file, "subject_token_type", &type, err) < 0)
		return -1;
	escaped_audience = http_escape(audience);
	escaped_scope = http_escape(scope);
	escaped_type = http_escape(type);
	*ret_form = mem_printf(FORM, escaped_audience, escaped_scope, escaped_type);
	return 0;
}

/* RFC 7617 */
static char *basic_login(const char *id, const char *secret)
{
	char *both = mem_printf("%s:%s", id, secret);
	size_t length = strlen(both);
	char *encoded = mem_alloc((length + 2) / 3 * 4 + 1);
	char *login;

	(void)EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)both, (int)length);
	login = mem_printf("Authorization: Basic %s", encoded);
	credentials_wipe(both);
	credentials_wipe(encoded);
	return login;
}

static int read_login(const json_t *file, char **ret_login, struct error *err)
{
	const char *id, *secret;

	*ret_login = NULL;
	if (!json_object_get(file, "client_id") && !json_object_get(file, "client_secret"))
		return 0;
	if (credentials_text(file, "client_id", &id, err) < 0 ||
	    credentials_text(file, "client_secret", &secret, err) < 0)
		return -1;
	*ret_login = basic_login(id, secret);
	return 0;
}

static int read_impersonation(const json_t *file, const struct credentials_setup *setup,
			      struct credentials_impersonation **ret_impersonation,
			      struct error *err)
{
	const json_t *options = json_object_get(file, "service_account_impersonation");
	const json_t *lifetime = json_object_get(options, "token_lifetime_seconds");
	json_int_t lifetime_s = json_integer_value(lifetime);
	const char *url;

	*ret_impersonation = NULL;
	if (!json_object_get(file, "service_account_impersonation_url"))
		return 0;
	if (credentials_text(file, "service_account_impersonation_url", &url, err) < 0)
		return -1;
	if (lifetime && lifetime_s <= 0)
		return error_set(err, ERROR_CONFIG,
				 "\"token_lifetime_seconds\" has to be a number of seconds");
	return credentials_impersonation_open(url, NULL, (uint64_t)lifetime_s, setup,
					      ret_impersonation, err);
}

static int external_account_open(const json_t *file, const struct credentials_setup *setup,
				 void **ret_state, char **ret_description, struct error *err)
{
	struct external_account *account = mem_calloc(1, sizeof *account);
	const char *scope;

	if (read_url(file, setup->universe, &account->url, err) < 0 ||
	    read_login(file, &account->login, err) < 0 ||
	    read_impersonation(file, setup, &account->impersonation, err) < 0)
		goto failed;
	scope = account->impersonation ? CREDENTIALS_SCOPE_OF_SOURCE : setup->scope;
	if (read_form(file, scope, &account->form, err) < 0 ||
	    credentials_subject_open(json_object_get(file, "credential_source"), &account->subject,
				     err) < 0)
		goto failed;
	*ret_description =
		account->impersonation
			? mem_printf("external account as %s",
				     credentials_impersonation_email(account->impersonation))
			: mem_strdup("external account");
	*ret_state = account;
	return 0;
failed:
	external_account_close(account);
	return -1;
}

static int exchange_subject(const struct external_account *account, struct http *http,
			    struct credentials_token *ret_token, struct error *err)
{
	struct credentials_exchange exchange = {
		.url = account->url,
		.login = account->login,
		.remedy =
			"compare the token's issuer, audience and age, and the provider's attribute "
			"condition, with the workload identity pool",
	};
	char *subject, *escaped, *form;
	int result;

	if (credentials_subject_fetch(account->subject, http, &subject, err) < 0)
		return -1;
	escaped = http_escape(subject);
	exchange.form = form = mem_printf("%s&subject_token=%s", account->form, escaped);
	result = credentials_exchange(http, &exchange, ret_token, err);
	/* Whoever keeps it fresh is late, as at boot: the next one may do. */
	if (result < 0 && err->kind == ERROR_CONFIG &&
	    credentials_jwt_has_ended(subject, clock_real_ns() / CLOCK_NS_PER_S)) {
		err->kind = ERROR_TRANSIENT;
		(void)error_wrap(err, "the token to exchange has ended");
	}
	credentials_wipe(subject);
	credentials_wipe(escaped);
	credentials_wipe(form);
	return result;
}

static int external_account_fetch(void *state, struct http *http,
				  struct credentials_token *ret_token, struct error *err)
{
	const struct external_account *account = state;
	struct credentials_token token;
	int result;

	if (exchange_subject(account, http, &token, err) < 0)
		return -1;
	if (!account->impersonation) {
		*ret_token = token;
		return 0;
	}
	result = credentials_impersonation_fetch(account->impersonation, http, &token, ret_token,
						 err);
	credentials_wipe(token.value);
	return result;
}

const struct credentials_kind credentials_external_account = {
	.type = "external_account",
	.open = external_account_open,
	.fetch = external_account_fetch,
	.close = external_account_close,
};
