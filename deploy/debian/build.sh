#!/bin/sh
# Makes the Debian package of a program that is built already:
#
#   deploy/debian/build.sh target/release/tarn target      # target/tarn_0.1.0_amd64.deb
#
# DEBFULLNAME and DEBEMAIL name whoever publishes it, COMPRESSION is options of dpkg-deb such as -Zgzip -z1.
# Needs dpkg-deb and objdump (Debian: dpkg, binutils). Man page and completions are the program's own.
set -eu

if [ $# != 2 ] || [ ! -x "$1" ] || [ ! -d "$2" ]; then
  echo "usage: build.sh PROGRAM FOLDER" >&2
  exit 64
fi
program=$(realpath "$1")
folder=$(realpath "$2")
here=$(dirname "$(realpath "$0")")
top=$(realpath "$here/../..")
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 755 "$tree"

version=$("$program" --version | cut -d' ' -f2)
# With a time that is not that of the build two builds are alike.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(stat -c %Y "$top/CHANGELOG.md")}
export SOURCE_DATE_EPOCH
maintainer="${DEBFULLNAME:-Tarn developers} <${DEBEMAIL:-tarn@localhost}>"
architecture=$(dpkg --print-architecture)
# The newest C library that a symbol of the program asks for.
libc=$(objdump -T "$program" | sed -n 's/.*(\{0,1\}GLIBC_\([0-9.]*\)[) ].*/\1/p' | sort -Vu | tail -n 1)

put() { # MODE SOURCE TARGET
  install -D -m "$1" "$2" "$tree$3"
}
share=/usr/share
doc=$share/doc/tarn

put 755 "$program" /usr/bin/tarn
strip --strip-unneeded --remove-section=.comment --remove-section=.note "$tree/usr/bin/tarn"
put 644 "$top/deploy/systemd/tarn.service" /usr/lib/systemd/system/tarn.service
put 644 "$top/deploy/systemd/tarn.sysusers" /usr/lib/sysusers.d/tarn.conf
put 644 "$top/deploy/systemd/tarn.tmpfiles" /usr/lib/tmpfiles.d/tarn.conf
put 644 "$top/deploy/systemd/tarn.yaml" /etc/tarn/tarn.yaml
put 644 "$top/deploy/systemd/tarn-tls.yaml" "$doc/examples/tarn-tls.yaml"
put 644 "$here/copyright" "$doc/copyright"

mkdir -p "$tree$share/man/man1" "$tree$share/bash-completion/completions" "$tree$share/zsh/vendor-completions" \
  "$tree$share/fish/vendor_completions.d"
"$program" man --dir "$tree$share/man/man1"
gzip -9n "$tree$share/man/man1/"*.1
"$program" completions bash > "$tree$share/bash-completion/completions/tarn"
"$program" completions zsh > "$tree$share/zsh/vendor-completions/_tarn"
"$program" completions fish > "$tree$share/fish/vendor_completions.d/tarn.fish"
changed=$(date -R -d "@$SOURCE_DATE_EPOCH")
sed "s/@VERSION@/$version/; s/@DATE@/$changed/; s/@MAINTAINER@/$maintainer/" "$here/changelog" | gzip -9n > "$tree$doc/changelog.gz"
put 644 "$here/lintian-overrides" "$share/lintian/overrides/tarn"

mkdir "$tree/DEBIAN"
size=$(du -sk --apparent-size --exclude=DEBIAN "$tree" | cut -f1)
sed "s/@VERSION@/$version/; s/@MAINTAINER@/$maintainer/; s/@ARCHITECTURE@/$architecture/; s/@LIBC@/$libc/; s/@SIZE@/$size/" "$here/control" \
  > "$tree/DEBIAN/control"
echo /etc/tarn/tarn.yaml > "$tree/DEBIAN/conffiles"
for script in postinst prerm postrm; do
  put 755 "$here/$script" "/DEBIAN/$script"
done
(cd "$tree" && find usr etc -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum > DEBIAN/md5sums)
chmod 644 "$tree/DEBIAN/md5sums" "$tree/DEBIAN/control" "$tree/DEBIAN/conffiles"
find "$tree" -type d -exec chmod 755 {} +

# shellcheck disable=SC2086 # may be several options
dpkg-deb --root-owner-group ${COMPRESSION:--Zxz} --build "$tree" "$folder/tarn_${version}_$architecture.deb"
