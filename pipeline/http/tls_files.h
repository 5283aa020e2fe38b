/* tls_files.h -- what the TLS connections of a destination are made with: whom they trust, and who they say they are.
 *
 * One value that does not change once it is made. When the files change, another takes its place, and what is under way keeps its
 * own.
 *
 * Ownership  counted: http_tls_keep() and http_tls_leave() each. Threads: any.
 */
#ifndef PIPELINE_HTTP_TLS_FILES_H
#define PIPELINE_HTTP_TLS_FILES_H

#include "pipeline/base/buf.h"
#include "pipeline/base/certificates.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/base/io.h"

#include <stdatomic.h>
#include <stdbool.h>

enum tls_file { TLS_CA_FILE, TLS_CERT_FILE, TLS_KEY_FILE, TLS_FILES };

/* "tls.ca_file": as the option is called. */
const char *tls_file_option(enum tls_file which);

struct http_tls {
    atomic_uint users;
    bool insecure;                   /* tls: { verify: false }, in words, logged at start */
    struct authorities *authorities; /* of TLS_CA_FILE; NULL: not set, the system's are meant */
    struct buf text[TLS_FILES];      /* PEM of the others; empty: not set */
    char *key_password;              /* NULL: none */
};

/* Where they are; borrowed. NULL: not set. */
struct tls_paths {
    const char *path[TLS_FILES];
    const char *key_password;
    bool insecure; /* ca_file is not read then: nobody is asked whether to trust */
};

/* Reads the files; *at is the one that is being read. -1: "tls.ca_file: cannot read `/etc/ca.pem`: No such file or directory". */
MUST_CHECK int http_tls_read(struct http_tls **tls, const struct tls_paths *p, atomic_uint *at, struct err *e);
struct http_tls *http_tls_keep(struct http_tls *tls);
void http_tls_leave(struct http_tls *tls); /* NULL: nobody's */

/* Of those that are set and read. */
void tls_paths_stamp(const struct tls_paths *p, atomic_uint *at, struct file_stamp stamps[TLS_FILES]);

#endif
