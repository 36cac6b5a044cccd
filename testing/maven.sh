#!/bin/bash
# maven.sh FOLDER: builds testing/FOLDER into .peers/FOLDER (jars in lib/) from Maven Central. Does nothing when it is up
# to date; with --up-to-date after the folder it only says, by its exit code, whether it is. Folders may share their src by
# a link.
set -euo pipefail
cd "$(dirname "$0")/$1"
out=../../.peers/$1
stamp=$(cat pom.xml ../maven.sh $(find -L src -name '*.java' | sort) | sha256sum | cut -d' ' -f1)
[ -f "$out/.stamp" ] && [ "$(cat "$out/.stamp")" = "$stamp" ] && exit 0
[ "${2:-}" = --up-to-date ] && exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -rL pom.xml src "$work"
(cd "$work" && mvn --quiet --batch-mode package)
rm -rf "$out"
mkdir -p "$out"
mv "$work/target/lib" "$out/lib"
mv "$work/target/$1.jar" "$out/lib"
echo "$stamp" > "$out/.stamp"
