/* ip.h -- IPv4 and IPv6 addresses and networks, as values.
 *
 * Threads: pure functions.
 */
#ifndef TRANSFORMS_TEXT_IP_H
#define TRANSFORMS_TEXT_IP_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>

#define IP_TEXT_MAX 64

struct ip_address {
    unsigned char bytes[16]; /* network order; the first 4 or all 16 */
    unsigned bits;           /* 32 or 128 */
};

struct ip_network {
    struct ip_address address;
    unsigned prefix;
};

/* Strict: four decimal numbers without leading zeros, or RFC 4291; no port, no brackets, no zone. */
MUST_CHECK bool ip_parse(struct ip_address *out, struct slice text);
/* "10.0.0.0/8"; an address alone is a network of one. Bits behind the prefix are cleared. */
MUST_CHECK bool ip_network_parse(struct ip_network *out, struct slice text);

/* An IPv4 address written as IPv6 (::ffff:1.2.3.4) is in the networks of both kinds. */
bool ip_in(const struct ip_address *a, const struct ip_network *n);
/* Clears the bits behind the prefix. */
void ip_mask(struct ip_address *a, unsigned prefix);

/* Shortest form, RFC 5952. Returns out, of IP_TEXT_MAX bytes. */
char *ip_text(const struct ip_address *a, char *out);

/* "loopback", "private", "link-local", "multicast", "unspecified", "shared", "documentation", "reserved" or "global",
 * by the registries of special-purpose addresses (RFC 6890). */
const char *ip_scope(const struct ip_address *a);

#endif
