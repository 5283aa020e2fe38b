#include "pipeline/inputs/api/keys.h"

#include "pipeline/base/mem.h"

struct api_keys *api_keys_new(const struct api_conf *conf)
{
    struct api_keys *k = mem_alloc(sizeof(*k));

    atomic_init(&k->users, 1);
    k->n = conf->credential_count;
    k->v = mem_array(k->n, sizeof(*k->v));
    for (size_t i = 0; i < k->n; i++) {
        k->v[i].access_key_id = mem_strdup(conf->credentials[i].access_key_id);
        k->v[i].secret_access_key = mem_strdup(conf->credentials[i].secret_access_key);
    }
    k->access = http_access_new(&conf->access, NULL);
    return k;
}

struct api_keys *api_keys_take(struct api_keys *k)
{
    atomic_fetch_add(&k->users, 1);
    return k;
}

void api_keys_drop(struct api_keys **kp)
{
    struct api_keys *k = *kp;

    *kp = NULL;
    if (!k || atomic_fetch_sub(&k->users, 1) > 1)
        return;
    for (size_t i = 0; i < k->n; i++) {
        mem_wipe(k->v[i].access_key_id);
        mem_wipe(k->v[i].secret_access_key);
    }
    mem_free(k->v);
    http_access_free(&k->access);
    mem_free(k);
}
