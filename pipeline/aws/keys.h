/* keys.h -- what requests to AWS are signed with.
 *
 * Threads    a plain value. Wipe it with aws_keys_wipe() after use.
 */
#ifndef PIPELINE_AWS_KEYS_H
#define PIPELINE_AWS_KEYS_H

#include "pipeline/base/clock.h"

#include <string.h>

#define ACCESS_KEY_ID_MAX     128
#define SECRET_ACCESS_KEY_MAX 256
#define SESSION_TOKEN_MAX     8192

struct aws_keys {
    char access_key_id[ACCESS_KEY_ID_MAX + 1];
    char secret_access_key[SECRET_ACCESS_KEY_MAX + 1];
    char session_token[SESSION_TOKEN_MAX + 1]; /* "": none */
    nsec expires;                              /* wall, by this machine's clock; 0: never */
    char source[256]; /* for people: the environment; profile `x` of /home/u/.aws/credentials */
};

static inline void aws_keys_wipe(struct aws_keys *k)
{
    explicit_bzero(k, sizeof(*k));
}

#endif
