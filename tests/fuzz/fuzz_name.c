/* SPDX-License-Identifier: Apache-2.0 */
/* File names, as found in a spool folder that anybody may have put files into. */
#include <ctype.h>

#include "fuzz.h"
#include "spool/name.h"

static int sign(int order)
{
	return (order > 0) - (order < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	cleanup_free char *name = fuzz_text(bytes, size);
	const char *other = "node_20261123T083000.123Z_eth0_00000042.pcap.gz";
	struct name_parts parts;

	fuzz_require(name_compare(name, name) == 0);
	fuzz_require(sign(name_compare(name, other)) == -sign(name_compare(other, name)));
	if (!name_parse(name, &parts))
		return 0;
	fuzz_require(parts.node_length > 0 && name[parts.node_length] == '_');
	fuzz_require(parts.start == name + parts.node_length + 1);
	fuzz_require(isdigit((unsigned char)*parts.start));
	fuzz_require(parts.interface > parts.start && parts.interface_length > 0);
	fuzz_require(parts.interface + parts.interface_length < name + strlen(name));
	return 0;
}
