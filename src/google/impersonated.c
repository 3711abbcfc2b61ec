/* SPDX-License-Identifier: Apache-2.0 */
/* A service account that is spoken for by another account, whose key or login the file holds. */
#include "google/credentials_private.h"

#include <string.h>

#include "base/mem.h"
#include "google/credentials.h"

struct impersonated {
	struct credentials_account source;
	struct credentials_impersonation *impersonation;
};

static void impersonated_close(void *state)
{
	struct impersonated *impersonated = state;

	if (!impersonated)
		return;
	credentials_account_done(&impersonated->source);
	credentials_impersonation_close(impersonated->impersonation);
	free(impersonated);
}

static int impersonated_open(const json_t *file, const struct credentials_setup *setup,
			     void **ret_state, char **ret_description, struct error *err)
{
	const json_t *source = json_object_get(file, "source_credentials");
	const json_t *delegates = json_object_get(file, "delegates");
	struct credentials_setup source_setup = *setup;
	struct impersonated *impersonated;
	const char *url;

	/* The delegates are for chains; and this way the file cannot nest without end. */
	if (setup->is_source)
		return error_set(err, ERROR_CONFIG,
				 "they are impersonated themselves; name the accounts between in "
				 "\"delegates\"");
	if (credentials_text(file, "service_account_impersonation_url", &url, err) < 0)
		return -1;
	impersonated = mem_calloc(1, sizeof *impersonated);
	source_setup.scope = CREDENTIALS_SCOPE_OF_SOURCE;
	source_setup.is_source = true;
	if (credentials_impersonation_open(url, delegates, 0, setup, &impersonated->impersonation,
					   err) < 0) {
		impersonated_close(impersonated);
		return -1;
	}
	if (credentials_account_open(source, &source_setup, &impersonated->source, err) < 0) {
		impersonated_close(impersonated);
		return error_wrap(err, "\"source_credentials\"");
	}
	*ret_state = impersonated;
	*ret_description = mem_printf("service account %s by %s",
				      credentials_impersonation_email(impersonated->impersonation),
				      impersonated->source.description);
	return 0;
}

static int impersonated_fetch(void *state, struct http *http, struct credentials_token *ret_token,
			      struct error *err)
{
	const struct impersonated *impersonated = state;
	const struct credentials_account *source = &impersonated->source;
	struct credentials_token token;
	int result;

	if (source->kind->fetch(source->state, http, &token, err) < 0)
		return -1;
	result = credentials_impersonation_fetch(impersonated->impersonation, http, &token,
						 ret_token, err);
	credentials_wipe(token.value);
	return result;
}

const struct credentials_kind credentials_impersonated = {
	.type = "impersonated_service_account",
	.open = impersonated_open,
	.fetch = impersonated_fetch,
	.close = impersonated_close,
};
