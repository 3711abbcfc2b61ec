#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: from-metadata.sh [FILE]
# Writes the configuration FILE from this instance's metadata (Google Compute Engine), before
# kube-node-tracer starts. Uses the first of these attributes that exists, on the instance or else on the
# project:
#     kube-node-tracer-conf         the whole file
#     kube-node-tracer-destination  only the destination
# If there is none, or no response, an error, or an invalid configuration, FILE is not changed.
set -eu

file=${1:-/etc/kube-node-tracer.conf}
server=http://${GCE_METADATA_HOST:-metadata.google.internal}/computeMetadata/v1

say() {
	echo "kube-node-tracer-from-metadata: $*"
}

# Puts an attribute into $new.answer; fails if it does not exist, exits if that cannot be determined.
attribute() {
	code=$(curl --silent --show-error --noproxy '*' --max-time 10 --retry 4 --retry-connrefused \
		--header 'Metadata-Flavor: Google' --output "$new.answer" --write-out '%{http_code}' \
		"$server/$1/attributes/$2") || {
		say "no response from the metadata server; $file is unchanged"
		exit 0
	}
	case $code in
	200) [ -s "$new.answer" ] ;;
	404) return 1 ;;
	*)
		say "the metadata server responded with status $code; $file is unchanged"
		exit 0
		;;
	esac
}

either() {
	attribute instance "$1" || attribute project "$1"
}

# In the same directory, so that the file is replaced in one step.
new=$(mktemp "$file.XXXXXX")
trap 'rm -f "$new" "$new.answer"' EXIT
if either kube-node-tracer-conf; then
	cat "$new.answer" >"$new"
elif either kube-node-tracer-destination; then
	destination=$(tr -d '\n' <"$new.answer")
	case $destination in
	*[!A-Za-z0-9._:/-]*)
		say "kube-node-tracer-destination is not a bucket or URL; $file is unchanged"
		exit 0
		;;
	esac
	printf '# From the attribute kube-node-tracer-destination.\nupload: { destination = "%s"; };\n' \
		"$destination" >"$new"
else
	say "no attribute kube-node-tracer-conf or kube-node-tracer-destination; $file is unchanged"
	exit 0
fi
if ! kube-node-tracer check-config --offline --config "$new"; then
	say "the configuration in the metadata is invalid; $file is unchanged"
	exit 0
fi
chmod 0644 "$new"
mv "$new" "$file"
say "wrote $file"
