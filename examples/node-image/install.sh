#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs kube-node-tracer into a node image: run it as root in the machine or root directory that becomes
# the image, with any image builder. See README.md.
set -eu

usage() {
	cat <<'HELP'
Usage: install.sh PACKAGE [--conf FILE | --destination DESTINATION | --metadata]

PACKAGE is the .deb or .rpm. Source of the nodes' configuration:
--conf FILE         this file
--destination D     the package's file with this destination (bucket or URL)
--metadata          instance metadata, read at each boot (Google Compute Engine)
HELP
}

die() {
	echo "install.sh: $*" >&2
	exit 1
}

here=$(cd "$(dirname "$0")" && pwd)
conf=/etc/kube-node-tracer.conf
package='' file='' destination='' metadata=''
while [ $# -gt 0 ]; do
	case $1 in
	--conf | --destination)
		[ $# -gt 1 ] || die "$1 needs a value"
		if [ "$1" = --conf ]; then file=$2; else destination=$2; fi
		shift
		;;
	--metadata) metadata=yes ;;
	-h | --help)
		usage
		exit
		;;
	-*) die "unknown flag $1; see --help" ;;
	*)
		[ -z "$package" ] || die "more than one package: $1"
		package=$1
		;;
	esac
	shift
done
[ -n "$package" ] || {
	usage >&2
	exit 64
}
[ -f "$package" ] || die "no such file: $package"
[ -z "$file" ] || [ -f "$file" ] || die "no such file: $file"
case $destination in
*[!A-Za-z0-9._:/-]*) die "not a bucket or URL: $destination" ;;
esac
[ "$(id -u)" = 0 ] || die "must be run as root"
# Package managers treat a name with a slash as a file.
package=$(cd "$(dirname "$package")" && pwd)/$(basename "$package")

case $package in
*.deb)
	DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "$package" \
		${metadata:+curl}
	;;
*.rpm) dnf -q -y install "$package" ${metadata:+/usr/bin/curl} ;;
*) die "neither a .deb nor an .rpm: $package" ;;
esac

if [ -n "$file" ]; then
	install -m 0644 "$file" "$conf"
fi
if [ -n "$destination" ]; then
	sed -i "s|^\\([[:space:]]*\\)#*destination = .*|\\1destination = \"$destination\";|" "$conf"
fi
if [ -n "$file$destination" ]; then
	kube-node-tracer check-config --offline || die "$conf is invalid"
fi
if [ -n "$metadata" ]; then
	install -D -m 0755 "$here/from-metadata.sh" /usr/local/sbin/kube-node-tracer-from-metadata
	install -D -m 0644 "$here/kube-node-tracer-metadata.service" \
		/etc/systemd/system/kube-node-tracer-metadata.service
	systemctl enable kube-node-tracer-metadata.service
fi
# Enabled but not started: the machine that builds the image must not be recorded. Delete what it may have
# recorded already.
systemctl enable kube-node-tracer.service
if [ -d /run/systemd/system ]; then
	systemctl stop kube-node-tracer.service
fi
rm -rf /var/lib/kube-node-tracer/*
echo "kube-node-tracer is installed and will start with the node"
