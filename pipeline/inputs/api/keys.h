/* keys.h -- what lets a request in: keys to be signed with, tokens and users; they may be others from one request to the next.
 *
 * A request takes those that are in force when it begins and is judged by them to its end.
 *
 * Ownership  counted: api_keys_take() and api_keys_drop(). What is in them never changes. Threads: any.
 */
#ifndef PIPELINE_INPUTS_API_KEYS_H
#define PIPELINE_INPUTS_API_KEYS_H

#include "pipeline/inputs/api/api.h"

#include <stdatomic.h>
#include <stddef.h>

struct api_keys {
    atomic_uint users;
    struct api_credential *v;
    size_t n;
    struct http_access *access; /* NULL: neither tokens nor users */
};

/* Is anything of it needed? */
static inline bool api_keys_needed(const struct api_keys *k)
{
    return k->n > 0 || k->access;
}

/* A copy of those of conf; its first user is the caller. */
struct api_keys *api_keys_new(const struct api_conf *conf);
struct api_keys *api_keys_take(struct api_keys *k);
void api_keys_drop(struct api_keys **k); /* NULL: nothing */

#endif
