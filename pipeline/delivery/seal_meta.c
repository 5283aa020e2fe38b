/* Fields that end in a NUL byte, a version in front. A newer version only adds fields behind, so each is read by the one function, and what is
 * missing is what an older version did not know. */
#include "pipeline/delivery/seal_meta.h"

#include "pipeline/base/key_set.h"
#include "pipeline/base/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define NOTE_VERSION          "2"
#define NOTE_WITH_KEYS        "3"
#define NOTE_WITH_A_SIZE      "4" /* and keys, perhaps none */
#define NOTE_WITHOUT_AN_EPOCH "1"

static int add_field(struct buf *out, struct slice s)
{
    return buf_add_slice(out, s) < 0 || buf_add_char(out, '\0') < 0 ? -1 : 0;
}

int seal_meta_write(const struct seal_meta *n, struct buf *out)
{
    const char *version = n->body_max ? NOTE_WITH_A_SIZE : n->keys.n > 0 ? NOTE_WITH_KEYS : NOTE_VERSION;
    char level[16], epoch[24], size[24];

    snprintf(level, sizeof(level), "%d", n->level);
    snprintf(epoch, sizeof(epoch), "%" PRIx64, n->epoch);
    snprintf(size, sizeof(size), "%" PRIx64, n->body_max);
    if (n->keys.n > SEAL_META_KEYS_MAX)
        return -1;
    return add_field(out, slice_str(version)) < 0 || add_field(out, n->name) < 0 ||
                   add_field(out, slice_str(n->format)) < 0 || add_field(out, slice_str(n->codec)) < 0 ||
                   add_field(out, slice_str(level)) < 0 || add_field(out, slice_str(epoch)) < 0 ||
                   (n->body_max && add_field(out, slice_str(size)) < 0) || buf_add_slice(out, n->keys) < 0
               ? -1
               : 0;
}

/* The next NUL-terminated field, NUL not counted; {NULL, 0} when there is none. */
static struct slice take_field(struct slice *rest)
{
    const char *nul = rest->n ? memchr(rest->p, '\0', rest->n) : NULL;
    struct slice field = {NULL, 0};

    if (nul) {
        field = slice_of(rest->p, (size_t)(nul - rest->p));
        *rest = slice_of(nul + 1, rest->n - field.n - 1);
    }
    return field;
}

static bool is_key_set(struct slice bytes)
{
    struct slice name, value;

    if (bytes.n == 0)
        return false;
    while (key_set_next(&bytes, &name, &value))
        ;
    return bytes.n == 0;
}

int seal_meta_read(struct slice bytes, struct seal_meta *out)
{
    struct slice version = take_field(&bytes), name = take_field(&bytes), format = take_field(&bytes),
                 codec = take_field(&bytes), level = take_field(&bytes);
    bool with_size = slice_is(version, NOTE_WITH_A_SIZE), with_keys = slice_is(version, NOTE_WITH_KEYS);
    struct slice epoch = {NULL, 0}, size = {NULL, 0};

    if (with_size || with_keys || slice_is(version, NOTE_VERSION))
        epoch = take_field(&bytes);
    if (with_size)
        size = take_field(&bytes);
    with_keys = with_keys || (with_size && bytes.n > 0);
    if (!level.p || (!epoch.p && !slice_is(version, NOTE_WITHOUT_AN_EPOCH)) || (with_size && !size.p) ||
        (with_keys && !is_key_set(bytes)))
        return -1;
    *out = (struct seal_meta){.name = name,
                              .format = format.p,
                              .codec = codec.p,
                              .level = (int)strtol(level.p, NULL, 10),
                              .epoch = epoch.p ? strtoull(epoch.p, NULL, 16) : 0,
                              .body_max = size.p ? strtoull(size.p, NULL, 16) : 0,
                              .keys = with_keys ? bytes : slice_of(NULL, 0)};
    return 0;
}
