#!/bin/bash
# Builds the Java peers into .peers/dubbo-java (jars in lib/) from Maven Central. Does nothing when they are up to date;
# --up-to-date only says, by its exit code, whether they are.
set -euo pipefail
cd "$(dirname "$0")"
out=../../.peers/dubbo-java
stamp=$(cat pom.xml build.sh $(find src -name '*.java' | sort) | sha256sum | cut -d' ' -f1)
[ -f "$out/.stamp" ] && [ "$(cat "$out/.stamp")" = "$stamp" ] && exit 0
[ "${1:-}" = --up-to-date ] && exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r pom.xml src "$work"
(cd "$work" && mvn --quiet --batch-mode package)
rm -rf "$out"
mkdir -p "$out"
mv "$work/target/lib" "$out/lib"
mv "$work/target/dubbo-java.jar" "$out/lib"
echo "$stamp" > "$out/.stamp"
