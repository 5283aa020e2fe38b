/* options.h -- what every input that calls AWS has among its options: the keys, and how its service is reached.
 *
 * An input embeds struct aws_options and has AWS_KEYS_FIELDS and AWS_REACH_FIELDS among its fields; `endpoint` and `region` are fields of
 * its own, since their help says where each comes from when it is left out.
 *
 * Threads: immutable once bound.
 */
#ifndef PIPELINE_INPUTS_AWS_OPTIONS_H
#define PIPELINE_INPUTS_AWS_OPTIONS_H

#include "config/bind.h"
#include "config/options.h"
#include "pipeline/aws/credentials/credentials.h"
#include "pipeline/http/proxy.h"
#include "pipeline/http/tls.h"

#include <stddef.h>

struct aws_options {
    char *endpoint, *region;
    struct credentials_conf keys;
    char *proxy;
    struct tls_conf tls;
};

/* `at`: where the struct aws_options stands. */
/* clang-format off */
#define AWS_KEYS_FIELDS(at) \
    {.name = "access_key_id", .type = CFG_STRING, .offset = (at) + offsetof(struct aws_options, keys.access_key_id), \
     .help = "left out: as `credentials` says"}, \
    {.name = "secret_access_key", .type = CFG_STRING, .offset = (at) + offsetof(struct aws_options, keys.secret_access_key), \
     .secret = true, .help = "best as ${env:NAME} or ${file:PATH}"}, \
    {.name = "session_token", .type = CFG_STRING, .offset = (at) + offsetof(struct aws_options, keys.session_token), \
     .secret = true, .help = "of temporary keys"}, \
    {.name = "profile", .type = CFG_STRING, .offset = (at) + offsetof(struct aws_options, keys.profile), \
     .help = "profile in ~/.aws/credentials and ~/.aws/config to take the keys from; read again when the files change"}, \
    CREDENTIALS_FIELD((at) + offsetof(struct aws_options, keys.ways))

#define AWS_REACH_FIELDS(at) \
    PROXY_FIELD((at) + offsetof(struct aws_options, proxy)), \
    {.name = "tls", .type = CFG_BLOCK, .offset = (at) + offsetof(struct aws_options, tls), .fields = tls_fields, \
     .help = "how to trust an https endpoint"}
/* clang-format on */

/* Reports every mistake in them. */
void aws_options_check_all(const struct aws_options *a, const char *base_dir, const struct cfg_options *o);

#endif
