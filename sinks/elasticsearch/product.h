/* product.h -- who answers _bulk: Elasticsearch or OpenSearch, and which version. For people: requests are the same for all
 * of Elasticsearch 7 to 9 and OpenSearch 1 to 3.
 *
 * Any answer tells the product by its headers, also a 401; GET / tells the version as well, to whom it lets in.
 *
 * Threads    pure functions.
 */
#ifndef SINKS_ELASTICSEARCH_PRODUCT_H
#define SINKS_ELASTICSEARCH_PRODUCT_H

#include "pipeline/http/message.h"
#include "sinks/sink.h"

#include <stdbool.h>

enum elasticsearch_product { PRODUCT_UNKNOWN, PRODUCT_ELASTICSEARCH, PRODUCT_OPENSEARCH };

/* By the headers of an answer. */
enum elasticsearch_product elasticsearch_product_of(const struct http_response *re);
/* "the server" when it is not known. */
const char *elasticsearch_product_name(enum elasticsearch_product p);

/* Reads an answer to GET /. False: ask again later, whoever it is does not talk to us now. */
bool elasticsearch_product_identified(const struct http_response *re, const char *address, struct sink_identity *g);

#endif
