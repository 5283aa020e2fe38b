#!/bin/sh
# rsyslog (with RELP and TLS) and syslog-ng out of Debian's packages, which exclude one another: unpacked and not installed, so that no service starts.
# Prints the folder that has both.
. "$(dirname "$0")/lib.sh"

FOLDER=syslog-debian12

get_senders() (
    cd "$1"
    apt-get -o APT::Sandbox::User="$(id -un)" download rsyslog rsyslog-relp rsyslog-openssl libestr0 libfastjson4 liblognorm5 librelp0 \
        syslog-ng-core libivykis0 libnet1 libpcre3 libwrap0 libnsl2
    for package in ./*.deb; do
        dpkg-deb -x "$package" .
    done
    rm ./*.deb
    # The names that a program finds its libraries by; syslog-ng has its own in a folder of its own.
    mkdir lib-all
    ln -s "$1"/lib/*-linux-gnu*/*.so* "$1"/usr/lib/*-linux-gnu*/*.so* "$1"/usr/lib/syslog-ng/*.so* lib-all/ 2>/dev/null || true
    LD_LIBRARY_PATH=$1/lib-all usr/sbin/rsyslogd -v | grep -q rsyslogd
    LD_LIBRARY_PATH=$1/lib-all usr/sbin/syslog-ng --version --module-path "$1/usr/lib/syslog-ng/3.38" | grep -q syslog-ng
)

need apt-get dpkg-deb flock
install_once $FOLDER get_senders
echo "$CACHE/$FOLDER"
