#!/bin/sh
# Lays out the file system of the image: the program, the libraries it links and the roots of trust below root/,
# an empty data folder beside it. Nothing else, so no shell.
#
#   deploy/docker/rootfs.sh PROGRAM FOLDER
#
# Tarn links the C library of the machine that built it, which resolves names and is tested; a static one would
# be another C library than the one under test. So its four shared objects go along.
set -eu

if [ $# != 2 ] || [ ! -x "$1" ]; then
  echo "usage: rootfs.sh PROGRAM FOLDER" >&2
  exit 64
fi
program=$1
root=$2/root

mkdir -p "$root/usr/bin" "$root/etc/ssl/certs" "$2/data"
cp "$program" "$root/usr/bin/tarn"

# Lines are "name => /path (address)", and "/path (address)" for the loader, whose path is part of the program.
ldd "$program" | sed -n 's/^.*=> \(\/[^ ]*\) .*$/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*$/\1/p' | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done

cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
printf 'root:x:0:0::/:/nologin\ntarn:x:65532:65532::/data:/nologin\n' > "$root/etc/passwd"
printf 'root:x:0:\ntarn:x:65532:\n' > "$root/etc/group"
printf 'hosts: files dns\n' > "$root/etc/nsswitch.conf"
