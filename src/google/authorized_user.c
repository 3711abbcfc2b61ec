/* SPDX-License-Identifier: Apache-2.0 */
/* A person's login, as `gcloud auth application-default login` leaves it: a refresh token. */
#include "base/mem.h"
#include "google/account.h"
#include "http/url.h"

static int authorized_user_fetch(const struct google_account *user, struct http *http,
				 struct token *ret_token, struct error *err)
{
	const struct oauth_exchange exchange = {
		.url = user->url,
		.body = user->form,
		.remedy = "the login has ended: gcloud auth application-default login",
	};

	return oauth_exchange(http, &exchange, ret_token, err);
}

int google_open_authorized_user(const json_t *file, const struct google_setup *setup,
				struct google_account *user, struct error *err)
{
	cleanup_free char *usual_url = mem_printf(OAUTH_TOKEN_URL, setup->universe);
	cleanup_secret char *id = NULL, *secret = NULL, *token = NULL;
	const char *client_id, *client_secret, *refresh_token;

	if (key_file_text(file, "client_id", &client_id, err) < 0 ||
	    key_file_text(file, "client_secret", &client_secret, err) < 0 ||
	    key_file_text(file, "refresh_token", &refresh_token, err) < 0 ||
	    key_file_url(file, "token_uri", NULL, usual_url, &user->url, err) < 0)
		return -1;
	id = http_escape(client_id);
	secret = http_escape(client_secret);
	token = http_escape(refresh_token);
	user->form = mem_printf("grant_type=refresh_token&client_id=%s&client_secret=%s"
				"&refresh_token=%s",
				id, secret, token);
	user->description = mem_strdup("authorized user");
	user->fetch = authorized_user_fetch;
	return 0;
}
