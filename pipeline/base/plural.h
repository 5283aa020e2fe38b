/* plural.h -- "1 record is lost", "2 records are lost": "%zu record%s %s lost", n, noun_s(n), is_are(n). */
#ifndef PIPELINE_BASE_PLURAL_H
#define PIPELINE_BASE_PLURAL_H

#include <stdint.h>

static inline const char *noun_s(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static inline const char *verb_s(uint64_t n)
{
    return n == 1 ? "s" : "";
}

static inline const char *is_are(uint64_t n)
{
    return n == 1 ? "is" : "are";
}

#endif
