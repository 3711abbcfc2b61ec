/* SPDX-License-Identifier: Apache-2.0 */
/* A credentials file of any kind. */
#include "fuzz.h"
#include "google/account.h"

/* Looked at without the parser that made the decision: what was accepted does not lead elsewhere. */
static void check_url(const json_t *file, const char *key)
{
	const char *url = json_string_value(json_object_get(file, key));
	const char *host, *end;

	if (!url)
		return;
	host = strstr(url, "://");
	fuzz_require(host);
	host += 3;
	end = host + strcspn(host, "/?#:");
	if (strncasecmp(url, "https:", 6) == 0 && end - host > 15 &&
	    strncasecmp(end - 15, ".googleapis.com", 15) == 0)
		return;
	/* This machine, in one of the many ways to write it: never a name below a domain. */
	fuzz_require(*host == '[' ||
		     strspn(host, "0123456789abcdefxABCDEFX.%") >= (size_t)(end - host) ||
		     strncasecmp(host, "localhost", (size_t)(end - host)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const struct google_setup setup = { .universe = "googleapis.com", .scope = GOOGLE_SCOPE };
	json_t *file = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, NULL);
	struct google_account account = { 0 };
	struct error err = { 0 };
	const char *type;

	if (google_account_open(file, &setup, &account, &err) < 0) {
		fuzz_require(err.kind == ERROR_CONFIG);
	} else {
		fuzz_require(account.fetch && account.description);
		type = json_string_value(json_object_get(file, "type"));
		/* Other kinds do not look at these keys. */
		if (strcmp(type, "external_account") == 0)
			check_url(file, "token_url");
		if (strcmp(type, "external_account") == 0 ||
		    strcmp(type, "impersonated_service_account") == 0)
			check_url(file, "service_account_impersonation_url");
	}
	google_account_close(&account);
	key_file_free(file);
	return 0;
}
