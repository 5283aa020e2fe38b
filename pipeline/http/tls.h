/* tls.h -- the block `tls:` that every sink which may speak https has.
 *
 * Certificates are verified unless the operator says otherwise in words.
 *
 * Ownership  tls_options_release(). Threads: immutable once made.
 */
#ifndef PIPELINE_HTTP_TLS_H
#define PIPELINE_HTTP_TLS_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/http/message.h"

#include <stdbool.h>

struct tls_conf {
    bool verify;
    char *ca_file, *cert_file, *key_file, *key_password;
};

extern const struct cfg_field tls_fields[];

struct tls_options {
    struct http_tls http; /* points to what follows */
    char *ca_file, *cert_file, *key_file, *key_password;
};

/* Relative paths start at base_dir. */
void tls_options_init(struct tls_options *t, const struct tls_conf *conf, const char *base_dir);
void tls_options_release(struct tls_options *t);

/* Are the files there and readable? */
MUST_CHECK int tls_options_check(const struct tls_options *t, struct err *e);
/* The same of the options alone, every mistake at its place. */
void tls_options_check_all(const struct tls_conf *conf, const char *base_dir, const struct cfg_options *o);

#endif
