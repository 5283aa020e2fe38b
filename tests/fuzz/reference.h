/* reference.h -- JSON as simple as it can be, for the fuzzers to compare with: RFC 8259 by recursion, one byte at a
 * time, everything decoded and allocated. Shares no code with the program.
 */
#ifndef TESTS_FUZZ_REFERENCE_H
#define TESTS_FUZZ_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>

struct ref {
    char kind;  /* { [ " 0 t f n */
    char *text; /* decoded string, or a number's digits */
    size_t n;
    struct ref **items; /* values */
    struct ref **keys;  /* of an object: strings */
    size_t count;
};

/* NULL when `text` is not one valid document of at most `depth` nested containers. */
struct ref *ref_parse(const char *text, size_t n, unsigned depth);
struct ref *ref_copy(const struct ref *v);
void ref_free(struct ref *v);

/* Equal in everything: order of members, duplicates, digits of numbers. */
bool ref_equal(const struct ref *a, const struct ref *b);

/* The last member with this key; count when there is none. */
size_t ref_find(const struct ref *object, const char *key, size_t n);
/* Objects: as a script's r[key] = value (taken over) and r[key] = nil. */
void ref_set(struct ref *object, const char *key, size_t n, struct ref *value);
void ref_remove(struct ref *object, const char *key, size_t n);
/* Arrays, 0-based: false when there is no such place (value is then freed). */
bool ref_set_at(struct ref *array, size_t index, struct ref *value);
bool ref_remove_last(struct ref *array);

#endif
