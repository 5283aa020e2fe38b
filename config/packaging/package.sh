#!/usr/bin/env bash
# Builds the Debian package: `./run package` calls it. A copy of the source tree is made below build/, with debian/ on top of it, as the tools want
# it. Two builds of the same tree make the same package, byte for byte: dates come from debian/changelog, paths are mapped away.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

version=$(sed -n 's/^#define SLUICE_VERSION "\(.*\)"$/\1/p' pipeline/base/version.h)
packaged=$(sed -n '1s/^sluice (\(.*\)) .*/\1/p' config/packaging/debian/changelog)
[ "$version" = "$packaged" ] || {
    echo "package: the program is $version and the newest entry of config/packaging/debian/changelog is of $packaged" >&2
    exit 1
}

work=build/package
tree=$work/sluice-$version
rm -rf "$work"
mkdir -p "$tree"
tar -c --exclude=__pycache__ CHANGELOG.md CMakeLists.txt CMakePresets.json LICENSE README.md config docs pipeline sinks transforms |
    tar -x -C "$tree"
cp -r config/packaging/debian "$tree/debian"
cp config/systemd/sluice.sysusers "$tree/debian/sluice.sysusers"
find "$tree" -exec touch --no-dereference --date="$(sed -n '/^ -- /{s/.*>  //p;q}' config/packaging/debian/changelog)" {} +
(cd "$tree" && DEB_BUILD_OPTIONS="parallel=$(nproc) ${DEB_BUILD_OPTIONS-}" dpkg-buildpackage --build=binary -us -uc)
mv "$work"/*.deb build/
