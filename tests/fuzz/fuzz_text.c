/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, sizes and times as people type them, and text as JSON. */
#include "fuzz.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	cleanup_free char *input = fuzz_text(bytes, size);
	char formatted[TEXT_TIME_MAX + TEXT_SIZE_MAX], json_bytes[256];
	struct text json = text_over(json_bytes, sizeof json_bytes);
	uint64_t number, size_bytes, time_ns, again;

	if (text_parse_number(input, &number) == 0) {
		fuzz_require(text_parse_size(input, 1, &size_bytes) == 0 && size_bytes == number);
		fuzz_require(number > 0 || *input == '0');
	}
	if (text_parse_size(input, 1, &size_bytes) == 0)
		text_format_size(size_bytes, formatted);
	if (text_parse_time(input, &time_ns) == 0) {
		text_format_time(time_ns, formatted);
		fuzz_require(text_parse_time(formatted, &again) == 0 && again == time_ns);
		text_format_rfc3339(time_ns, formatted);
	}
	text_append_json(&json, input);
	fuzz_require(json.length < sizeof json_bytes && json_bytes[json.length] == '\0');
	fuzz_require(json.is_cut || (json_bytes[0] == '"' && json_bytes[json.length - 1] == '"'));
	for (size_t i = 0; i < json.length; i++)
		fuzz_require((unsigned char)json_bytes[i] >= ' ');
	return 0;
}
