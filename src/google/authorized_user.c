/* SPDX-License-Identifier: Apache-2.0 */
/* A person's login, as `gcloud auth application-default login` leaves it: a refresh token. */
#include "google/credentials_private.h"

#include "base/mem.h"
#include "google/credentials.h"
#include "http/url.h"

struct authorized_user {
	char *url;
	char *form; /* the whole request: it never changes */
};

static void authorized_user_close(void *state)
{
	struct authorized_user *user = state;

	if (!user)
		return;
	credentials_wipe(user->form);
	free(user->url);
	free(user);
}

static int authorized_user_open(const json_t *file, const struct credentials_setup *setup,
				void **ret_state, char **ret_description, struct error *err)
{
	const char *client_id, *client_secret, *refresh_token;
	struct authorized_user *user;
	char *id, *secret, *token;
	char *url;

	if (credentials_text(file, "client_id", &client_id, err) < 0 ||
	    credentials_text(file, "client_secret", &client_secret, err) < 0 ||
	    credentials_text(file, "refresh_token", &refresh_token, err) < 0 ||
	    credentials_token_url(file, setup->universe, &url, err) < 0)
		return -1;
	id = http_escape(client_id);
	secret = http_escape(client_secret);
	token = http_escape(refresh_token);
	user = mem_alloc(sizeof *user);
	user->url = url;
	user->form = mem_printf("grant_type=refresh_token&client_id=%s&client_secret=%s"
				"&refresh_token=%s",
				id, secret, token);
	credentials_wipe(id);
	credentials_wipe(secret);
	credentials_wipe(token);
	*ret_state = user;
	*ret_description = mem_strdup("authorized user");
	return 0;
}

static int authorized_user_fetch(void *state, struct http *http,
				 struct credentials_token *ret_token, struct error *err)
{
	const struct authorized_user *user = state;
	const struct credentials_exchange exchange = {
		.url = user->url,
		.form = user->form,
		.remedy = "the login has ended: gcloud auth application-default login",
	};

	return credentials_exchange(http, &exchange, ret_token, err);
}

const struct credentials_kind credentials_authorized_user = {
	.type = "authorized_user",
	.open = authorized_user_open,
	.fetch = authorized_user_fetch,
	.close = authorized_user_close,
};
