#include "pipeline/inputs/aws/options.h"

#include "pipeline/http/url.h"

void aws_options_check_all(const struct aws_options *a, const char *base_dir, const struct cfg_options *o)
{
    struct credentials *keys = NULL;
    struct http_url u;
    struct err e;

    if (a->endpoint) {
        if (http_url_parse(&u, "endpoint", a->endpoint, &e) < 0)
            cfg_options_refuse(o, &e);
        else
            http_url_release(&u);
    }
    if (credentials_new(&keys, &a->keys, &e) < 0)
        cfg_options_refuse(o, &e);
    credentials_free(&keys);
    proxy_check_option(a->proxy, o);
    tls_options_check_all(&a->tls, base_dir, o);
}
