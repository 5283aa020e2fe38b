#include "transforms/codecs/unsnappy.h"

#include <snappy-c.h>

int unsnappy_size(struct slice in, size_t *n, struct err *e)
{
    return snappy_uncompressed_length(in.p, in.n, n) == SNAPPY_OK ? 0 : err_set(e, ERR_FORMAT, "snappy: it is none");
}

int unsnappy_all(struct slice in, struct buf *out, struct err *e)
{
    size_t n;

    if (unsnappy_size(in, &n, e) < 0)
        return -1;
    if (n > out->max - out->n || buf_reserve(out, n) < 0)
        return err_set(e, ERR_LIMIT, "snappy: unpacked it has %zu bytes, for which there is no room", n);
    if (snappy_uncompress(in.p, in.n, out->p + out->n, &n) != SNAPPY_OK)
        return err_set(e, ERR_FORMAT, "snappy: damaged");
    out->n += n;
    return 0;
}
