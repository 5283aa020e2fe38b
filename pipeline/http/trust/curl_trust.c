#include "pipeline/http/trust/curl_trust.h"

#include <stdint.h>

/* A connection begins. Where several addresses are tried, all of this is before the first handshake. */
static int on_socket(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    struct curl_trust *t = arg;

    (void)fd;
    (void)purpose;
    t->handshakes = 0;
    return CURL_SOCKOPT_OK;
}

static CURLcode on_ssl_ctx(CURL *c, void *ssl_ctx, void *arg)
{
    struct curl_trust *t = arg;
    const struct authorities *a = t->handshakes++ == 0 && t->proxy ? t->proxy : t->destination;

    (void)c;
    return !a || authorities_use(a, ssl_ctx) ? CURLE_OK : CURLE_OUT_OF_MEMORY;
}

/* Not copied: the authorities keep it. */
static bool set_mark(CURL *c, CURLoption option, const struct authorities *a)
{
    struct slice mark = a ? authorities_mark(a) : slice_of(NULL, 0);
    struct curl_blob blob = {.data = (void *)(uintptr_t)mark.p, .len = mark.n, .flags = CURL_BLOB_NOCOPY};

    return mark.n == 0 || curl_easy_setopt(c, option, &blob) == CURLE_OK;
}

bool curl_trust_set(CURL *c, struct curl_trust *t)
{
    static const CURLoption OWN[] = {CURLOPT_CAINFO, CURLOPT_CAPATH, CURLOPT_PROXY_CAINFO, CURLOPT_PROXY_CAPATH};

    for (size_t i = 0; i < ARRAY_LEN(OWN); i++) /* the system's, which curl would read */
        curl_easy_setopt(c, OWN[i], NULL);
    curl_easy_setopt(c, CURLOPT_SOCKOPTFUNCTION, on_socket);
    curl_easy_setopt(c, CURLOPT_SOCKOPTDATA, t);
    return set_mark(c, CURLOPT_CAINFO_BLOB, t->destination) && set_mark(c, CURLOPT_PROXY_CAINFO_BLOB, t->proxy) &&
           curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_SSL_CTX_DATA, t) == CURLE_OK;
}
