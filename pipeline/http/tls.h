/* tls.h -- the block `tls:` that every sink which may speak https has.
 *
 * Certificates are verified unless the operator says otherwise in words. The files are read again when they change, so
 * certificates can be rotated without a restart; a request for https:// waits for them, any other does not need them. Where they name no
 * authorities, and for an https proxy, the system's serve (system_trust.h).
 *
 * Ownership  tls_options_free(); a thread that hangs in a read keeps what it needs. Threads: any; no lock is held while files are
 *            read.
 */
#ifndef PIPELINE_HTTP_TLS_H
#define PIPELINE_HTTP_TLS_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/http/message.h"
#include "pipeline/http/trust/system_trust.h"

#include <stdbool.h>

struct tls_conf {
    bool verify;
    char *ca_file, *cert_file, *key_file, *key_password;
};

extern const struct cfg_field tls_fields[];

struct tls_options;

/* Relative paths start at base_dir. */
struct tls_options *tls_options_new(const struct tls_conf *conf, const char *base_dir);
void tls_options_free(struct tls_options **t);

/* Are the files there and readable? */
MUST_CHECK int tls_options_check(const struct tls_options *t, struct err *e);
/* The same of the options alone, every mistake at its place. */
void tls_options_check_all(const struct tls_conf *conf, const char *base_dir, const struct cfg_options *o);

/* Sets rq->tls and rq->system, as rq->url and rq->proxy need them, to what the files say now, or neither. Reads them: for those who may
 * wait. */
MUST_CHECK int tls_options_get(struct tls_options *t, struct http_request *rq, struct err *e);

/* The same for those who may not: the files are read on a thread of its own (base/aside_reader.h). TLS_NOT_YET while that goes on: to be
 * called again a few milliseconds later. Where it hangs what was known serves on. */
enum { TLS_NOT_YET = SYSTEM_TRUST_NOT_YET };
MUST_CHECK int tls_options_poll(struct tls_options *t, nsec now, struct http_request *rq, struct err *e);

#endif
