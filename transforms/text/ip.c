/* An address is its bytes, 4 or 16; a network is an address whose bits behind the prefix are 0. Being in it is
 * masking and comparing. An IPv4 address inside IPv6 (::ffff:0:0/96) is in a network of IPv4. */
#include "transforms/text/ip.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

bool ip_parse(struct ip_address *out, struct slice text)
{
    char z[IP_TEXT_MAX];

    if (text.n == 0 || text.n >= sizeof(z) || memchr(text.p, '\0', text.n))
        return false;
    memcpy(z, text.p, text.n);
    z[text.n] = '\0';
    *out = (struct ip_address){.bits = 32};
    if (inet_pton(AF_INET, z, out->bytes) == 1)
        return true;
    out->bits = 128;
    return inet_pton(AF_INET6, z, out->bytes) == 1;
}

static bool read_prefix(struct slice digits, unsigned max, unsigned *out)
{
    *out = 0;
    if (digits.n == 0 || digits.n > 3 || (digits.n > 1 && digits.p[0] == '0'))
        return false;
    for (size_t i = 0; i < digits.n; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9')
            return false;
        *out = *out * 10 + (unsigned)(digits.p[i] - '0');
    }
    return *out <= max;
}

bool ip_network_parse(struct ip_network *out, struct slice text)
{
    const char *slash = text.n ? memchr(text.p, '/', text.n) : NULL;
    size_t n = slash ? (size_t)(slash - text.p) : text.n;

    if (!ip_parse(&out->address, slice_of(text.p, n)))
        return false;
    out->prefix = out->address.bits;
    if (slash && !read_prefix(slice_of(slash + 1, text.n - n - 1), out->address.bits, &out->prefix))
        return false;
    ip_mask(&out->address, out->prefix);
    return true;
}

void ip_mask(struct ip_address *a, unsigned prefix)
{
    for (unsigned i = 0; i < a->bits / 8; i++) {
        unsigned keep = prefix > i * 8 ? prefix - i * 8 : 0;

        if (keep < 8)
            a->bytes[i] = (unsigned char)(a->bytes[i] & (0xff00 >> keep));
    }
}

static const unsigned char MAPPED[12] = {[10] = 0xff, [11] = 0xff};

/* The IPv4 address inside ::ffff:0:0/96. */
static bool unmap(const struct ip_address *a, struct ip_address *out)
{
    if (a->bits != 128 || memcmp(a->bytes, MAPPED, sizeof(MAPPED)) != 0)
        return false;
    *out = (struct ip_address){.bits = 32};
    memcpy(out->bytes, a->bytes + sizeof(MAPPED), 4);
    return true;
}

bool ip_in(const struct ip_address *a, const struct ip_network *n)
{
    struct ip_address masked = *a;

    if (a->bits != n->address.bits && !unmap(a, &masked))
        return false;
    if (masked.bits != n->address.bits)
        return false;
    ip_mask(&masked, n->prefix);
    return memcmp(masked.bytes, n->address.bytes, masked.bits / 8) == 0;
}

char *ip_text(const struct ip_address *a, char *out)
{
    const char *p = inet_ntop(a->bits == 32 ? AF_INET : AF_INET6, a->bytes, out, IP_TEXT_MAX);

    assert(p); /* the family is known and the room is enough */
    return out;
}

/* The first that fits. */
static const struct {
    const char *network, *scope;
} SCOPES[] = {
    {"0.0.0.0", "unspecified"},
    {"0.0.0.0/8", "reserved"},
    {"10.0.0.0/8", "private"},
    {"100.64.0.0/10", "shared"},
    {"127.0.0.0/8", "loopback"},
    {"169.254.0.0/16", "link-local"},
    {"172.16.0.0/12", "private"},
    {"192.0.2.0/24", "documentation"},
    {"192.168.0.0/16", "private"},
    {"198.18.0.0/15", "reserved"},
    {"198.51.100.0/24", "documentation"},
    {"203.0.113.0/24", "documentation"},
    {"224.0.0.0/4", "multicast"},
    {"240.0.0.0/4", "reserved"},
    {"::", "unspecified"},
    {"::1", "loopback"},
    {"fc00::/7", "private"},
    {"fe80::/10", "link-local"},
    {"ff00::/8", "multicast"},
    {"2001:db8::/32", "documentation"},
};

const char *ip_scope(const struct ip_address *a)
{
    for (size_t i = 0; i < ARRAY_LEN(SCOPES); i++) {
        struct ip_network n;

        if (ip_network_parse(&n, slice_str(SCOPES[i].network)) && ip_in(a, &n))
            return SCOPES[i].scope;
    }
    return "global";
}
