#include "tests/fuzz/reference.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    const unsigned char *p, *end;
    unsigned depth;
};

static struct ref *new_ref(char kind)
{
    struct ref *v = calloc(1, sizeof(*v));

    v->kind = kind;
    return v;
}

void ref_free(struct ref *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->count; i++) {
        ref_free(v->items[i]);
        if (v->keys)
            ref_free(v->keys[i]);
    }
    free(v->items);
    free(v->keys);
    free(v->text);
    free(v);
}

static void add(struct ref *v, struct ref *key, struct ref *item)
{
    v->items = realloc(v->items, (v->count + 1) * sizeof(*v->items));
    v->items[v->count] = item;
    if (v->kind == '{') {
        v->keys = realloc(v->keys, (v->count + 1) * sizeof(*v->keys));
        v->keys[v->count] = key;
    }
    v->count++;
}

static void spaces(struct parser *s)
{
    while (s->p < s->end && (*s->p == 0x20 || *s->p == 0x09 || *s->p == 0x0a || *s->p == 0x0d))
        s->p++;
}

static bool take(struct parser *s, char c)
{
    if (s->p == s->end || *s->p != (unsigned char)c)
        return false;
    s->p++;
    return true;
}

static void put(struct ref *v, unsigned c)
{
    v->text[v->n++] = (char)c;
}

static void put_code(struct ref *v, uint32_t c)
{
    if (c < 0x80) {
        put(v, c);
    } else if (c < 0x800) {
        put(v, 0xc0 + c / 64);
        put(v, 0x80 + c % 64);
    } else if (c < 0x10000) {
        put(v, 0xe0 + c / 4096);
        put(v, 0x80 + c / 64 % 64);
        put(v, 0x80 + c % 64);
    } else {
        put(v, 0xf0 + c / 262144);
        put(v, 0x80 + c / 4096 % 64);
        put(v, 0x80 + c / 64 % 64);
        put(v, 0x80 + c % 64);
    }
}

static bool hex(struct parser *s, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char c;

        if (s->p == s->end)
            return false;
        c = *s->p++;
        if (c >= '0' && c <= '9')
            *out = *out * 16 + (c - '0');
        else if (c >= 'a' && c <= 'f')
            *out = *out * 16 + (c - 'a' + 10u);
        else if (c >= 'A' && c <= 'F')
            *out = *out * 16 + (c - 'A' + 10u);
        else
            return false;
    }
    return true;
}

static bool unicode(struct parser *s, struct ref *v)
{
    uint32_t c, low;
    const unsigned char *before;

    if (!hex(s, &c))
        return false;
    if (c >= 0xd800 && c < 0xdc00) {
        before = s->p;
        if (s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u') {
            s->p += 2;
            if (hex(s, &low) && low >= 0xdc00 && low < 0xe000) {
                put_code(v, 0x10000 + (c - 0xd800) * 1024 + (low - 0xdc00));
                return true;
            }
        }
        s->p = before;
    }
    put_code(v, c >= 0xd800 && c < 0xe000 ? 0xfffd : c);
    return true;
}

static bool escape(struct parser *s, struct ref *v)
{
    if (s->p == s->end)
        return false;
    switch (*s->p++) {
    case '"':
        put(v, '"');
        return true;
    case '\\':
        put(v, '\\');
        return true;
    case '/':
        put(v, '/');
        return true;
    case 'b':
        put(v, 8);
        return true;
    case 'f':
        put(v, 12);
        return true;
    case 'n':
        put(v, 10);
        return true;
    case 'r':
        put(v, 13);
        return true;
    case 't':
        put(v, 9);
        return true;
    case 'u':
        return unicode(s, v);
    default:
        return false;
    }
}

/* A code point above U+007F: decoded, and taken only if writing it again gives the same bytes. */
static bool high(struct parser *s, struct ref *v)
{
    unsigned char c = *s->p;
    size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2, before = v->n;
    uint32_t code = n == 4 ? c & 7 : n == 3 ? c & 15 : c & 31;

    if (c < 0xc0 || c > 0xf7 || (size_t)(s->end - s->p) < n)
        return false;
    for (size_t i = 1; i < n; i++) {
        if (s->p[i] / 64 != 2)
            return false;
        code = code * 64 + s->p[i] % 64;
    }
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return false;
    put_code(v, code);
    if (v->n - before != n || memcmp(v->text + before, s->p, n) != 0)
        return false;
    s->p += n;
    return true;
}

static struct ref *string(struct parser *s)
{
    struct ref *v = new_ref('"');

    v->text = malloc((size_t)(s->end - s->p) + 8);
    if (!take(s, '"'))
        goto bad;
    for (;;) {
        if (s->p == s->end || *s->p < 0x20)
            goto bad;
        if (take(s, '"'))
            return v;
        if (take(s, '\\')) {
            if (!escape(s, v))
                goto bad;
        } else if (*s->p >= 0x80) {
            if (!high(s, v))
                goto bad;
        } else {
            put(v, *s->p++);
        }
    }
bad:
    ref_free(v);
    return NULL;
}

static bool digits(struct parser *s)
{
    const unsigned char *begin = s->p;

    while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
        s->p++;
    return s->p > begin;
}

static struct ref *number(struct parser *s)
{
    const unsigned char *begin = s->p;
    struct ref *v;

    take(s, '-');
    if (!take(s, '0') && !digits(s))
        return NULL;
    if (take(s, '.') && !digits(s))
        return NULL;
    if (take(s, 'e') || take(s, 'E')) {
        if (!take(s, '+'))
            take(s, '-');
        if (!digits(s))
            return NULL;
    }
    v = new_ref('0');
    v->n = (size_t)(s->p - begin);
    v->text = malloc(v->n + 1);
    memcpy(v->text, begin, v->n);
    return v;
}

static struct ref *word(struct parser *s, const char *text)
{
    size_t n = strlen(text);

    if ((size_t)(s->end - s->p) < n || memcmp(s->p, text, n) != 0)
        return NULL;
    s->p += n;
    return new_ref(*text);
}

static struct ref *value(struct parser *s);

static struct ref *container(struct parser *s, char open, char close)
{
    struct ref *v = new_ref(open);

    if (s->depth == 0)
        goto bad;
    s->depth--;
    take(s, open);
    spaces(s);
    while (!(v->count == 0 && take(s, close))) {
        struct ref *key = NULL, *item;

        if (open == '{') {
            spaces(s);
            key = string(s);
            spaces(s);
            if (!key || !take(s, ':')) {
                ref_free(key);
                goto bad;
            }
        }
        item = value(s);
        if (!item) {
            ref_free(key);
            goto bad;
        }
        add(v, key, item);
        spaces(s);
        if (take(s, close))
            break;
        if (!take(s, ','))
            goto bad;
    }
    s->depth++;
    return v;
bad:
    ref_free(v);
    return NULL;
}

static struct ref *value(struct parser *s)
{
    spaces(s);
    if (s->p == s->end)
        return NULL;
    switch (*s->p) {
    case '{':
        return container(s, '{', '}');
    case '[':
        return container(s, '[', ']');
    case '"':
        return string(s);
    case 't':
        return word(s, "true");
    case 'f':
        return word(s, "false");
    case 'n':
        return word(s, "null");
    default:
        return number(s);
    }
}

struct ref *ref_parse(const char *text, size_t n, unsigned depth)
{
    struct parser s = {(const unsigned char *)text, (const unsigned char *)text + n, depth};
    struct ref *v = value(&s);

    spaces(&s);
    if (s.p == s.end)
        return v;
    ref_free(v);
    return NULL;
}

static bool same_text(const struct ref *a, const struct ref *b)
{
    return a->n == b->n && (a->n == 0 || memcmp(a->text, b->text, a->n) == 0);
}

bool ref_equal(const struct ref *a, const struct ref *b)
{
    if (a->kind != b->kind || !same_text(a, b) || a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!ref_equal(a->items[i], b->items[i]) || (a->keys && !same_text(a->keys[i], b->keys[i])))
            return false;
    return true;
}

static struct ref *new_string(const char *p, size_t n)
{
    struct ref *v = new_ref('"');

    v->text = malloc(n + 1);
    if (n)
        memcpy(v->text, p, n);
    v->n = n;
    return v;
}

struct ref *ref_copy(const struct ref *v)
{
    struct ref *c = new_string(v->text, v->n);

    c->kind = v->kind;
    for (size_t i = 0; i < v->count; i++)
        add(c, v->keys ? ref_copy(v->keys[i]) : NULL, ref_copy(v->items[i]));
    return c;
}

static bool is_key(const struct ref *object, size_t i, const char *key, size_t n)
{
    return object->keys[i]->n == n && (n == 0 || memcmp(object->keys[i]->text, key, n) == 0);
}

size_t ref_find(const struct ref *object, const char *key, size_t n)
{
    for (size_t i = object->count; i > 0; i--)
        if (is_key(object, i - 1, key, n))
            return i - 1;
    return object->count;
}

static void cut(struct ref *v, size_t i)
{
    ref_free(v->items[i]);
    memmove(v->items + i, v->items + i + 1, (v->count - i - 1) * sizeof(*v->items));
    if (v->keys) {
        ref_free(v->keys[i]);
        memmove(v->keys + i, v->keys + i + 1, (v->count - i - 1) * sizeof(*v->keys));
    }
    v->count--;
}

void ref_remove(struct ref *object, const char *key, size_t n)
{
    for (size_t i = object->count; i > 0; i--)
        if (is_key(object, i - 1, key, n))
            cut(object, i - 1);
}

void ref_set(struct ref *object, const char *key, size_t n, struct ref *v)
{
    size_t at = ref_find(object, key, n);

    if (at == object->count) {
        add(object, new_string(key, n), v);
        return;
    }
    ref_free(object->items[at]);
    object->items[at] = v;
    for (size_t i = at; i > 0; i--)
        if (is_key(object, i - 1, key, n))
            cut(object, i - 1);
}

bool ref_set_at(struct ref *array, size_t index, struct ref *v)
{
    if (index > array->count) {
        ref_free(v);
        return false;
    }
    if (index == array->count) {
        add(array, NULL, v);
        return true;
    }
    ref_free(array->items[index]);
    array->items[index] = v;
    return true;
}

bool ref_remove_last(struct ref *array)
{
    if (array->count == 0)
        return false;
    cut(array, array->count - 1);
    return true;
}
