/* fuzz_elasticsearch_bulk.c -- what anybody may post to the input elasticsearch_bulk: no crash, each document is within the body, reading ends, and
 * an envelope is JSON. Its paths: no crash, and the index is within the path. */
#include "pipeline/inputs/elasticsearch_bulk/bulk.h"
#include "pipeline/inputs/elasticsearch_bulk/paths.h"

#include "pipeline/base/facts.h"
#include "pipeline/base/limits.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static bool is_within(struct slice part, struct slice all)
{
    return part.n == 0 || (part.p >= all.p && part.p + part.n <= all.p + all.n);
}

static void look_at(struct bulk_item *item, struct slice all)
{
    struct slice left, name, value;
    struct buf room, facts, out;

    buf_init(&room, PUSH_FACTS_MAX);
    buf_init(&facts, PUSH_FACTS_MAX);
    buf_init(&out, all.n + 1024);
    check(is_within(item->document, all) && (item->wrong ? item->document.n == 0 : item->document.n >= 2));
    bulk_facts(item, SLICE("of-url"), &room, &facts);
    left = buf_slice(&facts);
    while (facts_next(&left, &name, &value))
        check(name.n > 0 && value.n > 0);
    check(left.n == 0);
    if (!item->wrong) {
        check(bulk_envelope(item, SLICE("of-url"), &out) == 0);
        check(json_valid(buf_slice(&out), PUSH_JSON_DEPTH + 1));
    }
    buf_release(&room);
    buf_release(&facts);
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const METHODS[] = {"GET", "HEAD", "POST", "PUT", "DELETE"};
    struct slice all = slice_of((const char *)data, size), index;
    struct bulk_reader r = {.rest = all};
    struct bulk_item item;
    char path[256] = "/";

    while (bulk_next(&r, &item) == BULK_ITEM)
        look_at(&item, all);
    check(is_within(r.rest, all));
    if (size > sizeof(path) - 2)
        size = sizeof(path) - 2;
    if (size)
        memcpy(path + 1, data, size);
    for (size_t i = 0; i < ARRAY_LEN(METHODS); i++) {
        (void)bulk_path_of(METHODS[i], path, &index);
        check(is_within(index, slice_str(path)));
    }
    return 0;
}
