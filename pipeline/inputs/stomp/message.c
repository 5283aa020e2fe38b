#include "pipeline/inputs/stomp/message.h"

#include "pipeline/base/digest.h"
#include "pipeline/base/facts.h"

#include <string.h>

/* What the protocol needs of a message stands first: so it is not what is left out. */
bool stomp_facts(const struct stomp_parser *p, struct buf *facts)
{
    static const struct {
        const char *header, *fact;
    } known[] = {{"message-id", "message_id"}, {"destination", "destination"}, {"content-type", "content_type"}};
    static const char *const unsaid[] = {"ack", "subscription", "content-length"};
    bool fine = true;

    buf_clear(facts);
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        struct slice value;

        if (stomp_header(p, known[i].header, &value))
            fine &= facts_add(facts, slice_str(known[i].fact), value) == 0;
    }
    for (size_t i = 0; i < p->header_count; i++) {
        char name[256] = "header.";
        struct slice n, value;
        bool said = false;

        stomp_header_at(p, i, &n, &value);
        for (size_t k = 0; k < ARRAY_LEN(known); k++)
            said |= slice_is(n, known[k].header) || slice_is(n, unsaid[k]);
        if (said)
            continue;
        if (n.n > 255 - strlen(name)) {
            fine = false;
            continue;
        }
        memcpy(name + 7, n.p, n.n);
        fine &= facts_add(facts, slice_of(name, 7 + n.n), value) == 0;
    }
    return fine && !p->headers_cut;
}

/* Artemis puts the number of the consumer before that of the message: "32,11". */
static struct slice without_consumer(struct slice id)
{
    size_t comma = 0;

    for (size_t i = 0; i < id.n; i++) {
        if (id.p[i] == ',' && comma == 0 && i > 0)
            comma = i + 1;
        else if (id.p[i] < '0' || id.p[i] > '9')
            return id;
    }
    return comma > 0 && comma < id.n ? slice_from(id, comma) : id;
}

struct slice stomp_identity(const struct stomp_parser *p, struct buf *out)
{
    struct slice id, sent;

    if (!stomp_header(p, "message-id", &id) || id.n == 0)
        return SLICE("");
    (void)stomp_header(p, "timestamp", &sent);
    buf_clear(out);
    if (buf_add_slice(out, without_consumer(id)) < 0 ||
        buf_printf(out, " %.*s %08x", (int)(sent.n < 40 ? sent.n : 40), sent.n ? sent.p : "",
                   (unsigned)crc32c(0, buf_slice(&p->body))) < 0)
        return id;
    return buf_slice(out);
}
