/* fuzz_sqs.c -- answers of a queue, whatever they are: messages lie within what was read, an answer is taken whole or not at all, and no entry
 * of a batch is done that the answer does not name.
 *
 *     first byte                  the envelope that is taken off, and whether checksums count
 *     the rest                    the answer; and once more, as a message that may name objects
 */
#include "pipeline/base/compiler.h"
#include "pipeline/base/facts.h"
#include "pipeline/base/limits.h"
#include "pipeline/inputs/objects/event.h"
#include "pipeline/inputs/sqs/call.h"
#include "pipeline/inputs/sqs/message.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_within(const struct sqs_batch *b, struct slice s)
{
    check(s.n == 0 || (s.p >= b->text.p && s.p + s.n <= b->text.p + b->text.n));
}

static void check_facts(struct slice facts)
{
    struct slice rest = facts, name, value;

    check(facts.n <= RECORD_FACTS_MAX);
    while (facts_next(&rest, &name, &value))
        check(name.n > 0 && value.p >= facts.p && value.p + value.n <= facts.p + facts.n);
    check(rest.n == 0);
}

static void read_messages(struct slice answer, unsigned how)
{
    struct sqs_batch b;
    struct err e;

    sqs_batch_init(&b);
    for (int turn = 0; turn < 2; turn++) { /* again into what the first one left */
        int rc = sqs_batch_read(&b, answer, (enum sqs_unwrap)(how % 3), how & 4, &e);

        check(rc == 0 || b.n == 0);
        check(b.n <= SQS_BATCH_MAX);
        for (size_t i = 0; i < b.n; i++) {
            const struct sqs_message *m = &b.messages[i];

            check(m->handle.n > 0 && m->handle.n <= SQS_HANDLE_MAX && !memchr(m->handle.p, '\0', m->handle.n));
            check(m->sent >= 0);
            check_within(&b, m->id);
            check_within(&b, m->handle);
            check_within(&b, m->record);
            check_within(&b, m->facts);
            check_facts(m->facts);
        }
    }
    sqs_batch_release(&b);
}

static void read_entries(struct slice answer, size_t n)
{
    struct sqs_fates f;
    struct err e;

    if (sqs_entries_read(answer, n, &f, &e) < 0)
        return;
    for (size_t i = 0; i < n; i++) {
        char id[8] = {'"', (char)('0' + i), '"', '\0'};

        check(f.fate[i] == SQS_FAILED || f.fate[i] == SQS_DONE || f.fate[i] == SQS_GONE);
        if (f.fate[i] != SQS_FAILED && !memchr(answer.p, '\\', answer.n))
            check(memmem(answer.p, answer.n, id, strlen(id)) != NULL);
    }
    check(memchr(f.code, '\0', sizeof(f.code)) != NULL);
}

static void read_objects(struct slice message)
{
    struct object_list l;

    object_list_init(&l);
    if (!object_list_read(&l, message))
        check(l.n == 0);
    for (size_t i = 0; i < l.n; i++) {
        const struct slice parts[] = {l.at[i].bucket, l.at[i].key, l.at[i].version, l.at[i].tag, l.at[i].sequencer};

        check(parts[0].n > 0 && parts[1].n > 0);
        for (size_t k = 0; k < ARRAY_LEN(parts); k++)
            check(parts[k].n == 0 || (parts[k].p >= l.text.p && parts[k].p + parts[k].n <= l.text.p + l.text.n));
    }
    object_list_release(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice answer;

    if (size == 0)
        return 0;
    answer = slice_of((const char *)data + 1, size - 1);
    read_messages(answer, data[0]);
    read_objects(answer);
    read_entries(answer, 1 + data[0] % SQS_BATCH_MAX);
    return 0;
}
