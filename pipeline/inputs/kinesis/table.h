/* table.h -- the table of leases in DynamoDB: what is asked, and what its answers say.
 *
 * Pure. Amazon DynamoDB API Reference: Scan, GetItem, UpdateItem, DeleteItem, CreateTable. Attributes that are not ours stay as they are.
 */
#ifndef PIPELINE_INPUTS_KINESIS_TABLE_H
#define PIPELINE_INPUTS_KINESIS_TABLE_H

#include "pipeline/aws/json_call.h"
#include "pipeline/base/buf.h"
#include "pipeline/base/compiler.h"
#include "pipeline/base/err.h"
#include "pipeline/inputs/kinesis/leases.h"

#include <stdbool.h>

extern const struct aws_json_service dynamodb_service;

/* What to do about a refusal with this code; NULL: nothing is known. */
const char *table_hint(const char *code);

/* All of these: -1: out is full. */

/* `from`: the key that the page before has said (an item as it came); empty: the first page; of
 * KINESIS_TABLE_KEY_MAX at most, and so fits with the rest into KINESIS_LEASE_MAX. `limit`: 0: as many as there may be. */
MUST_CHECK int table_scan_text(const char *table, struct slice from, unsigned limit, struct buf *out);
MUST_CHECK int table_look_text(const char *table, const char *key, struct buf *out);
/* LEASE_PUT, LEASE_DELETE. */
MUST_CHECK int table_write_text(const char *table, const struct lease_act *act, struct buf *out);
MUST_CHECK int table_create_text(const char *table, struct buf *out);

/* All of these: -1 when the answer is not what DynamoDB says. */

/* Calls each() for every lease of the page. *from: for the next one, empty when this is the last. Items that are no leases are passed by. */
MUST_CHECK int table_scan_read(struct slice answer, void (*each)(void *ctx, const struct lease *x), void *ctx,
                               struct buf *from, struct err *e);
MUST_CHECK int table_look_read(struct slice answer, struct lease *x, bool *there, struct err *e);

#endif
