/* All pieces of GRAM bytes of the text go into a table, and all of its words that are not common into another, both without letter
 * case. Then the body is gone through once as a stream of bytes, which several views look at: as it stands, without the escapes of
 * JSON, and what base64 holds, again with and without escapes. A view keeps a window of its bytes and looks each place up; a filter of
 * one bit per hash value sends nearly all of them past the tables. */
#include "sinks/answer/match.h"

#include "pipeline/base/compiler.h"
#include "pipeline/base/limits.h"
#include "pipeline/base/mem.h"
#include "pipeline/base/utf8.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

/* What is also in the body is a quote from so many bytes on; where it has no figures and signs, from PROSE_MIN on. */
#define GRAM      ((size_t)8)
#define PROSE_MIN ((size_t)12)
/* Shorter words tell nothing. */
#define WORD_MIN ((size_t)3)

#define SLOTS       4096 /* a power of two, more than 3 * ANSWER_SAID_MAX */
#define FILTER_BITS 16
#define WORDS_MAX   (ANSWER_SAID_MAX / 4)
#define CHAINS      256

struct gram {
    uint64_t bytes;
    uint16_t at;     /* in the text */
    uint16_t covers; /* so many bytes of it; 0: an empty slot */
};

struct word {
    uint16_t at, covers; /* in the text */
    uint16_t folded, n;  /* in `folded` */
    uint16_t next;       /* with the same beginning: its index + 1; 0: none */
};

struct search {
    struct slice text;
    struct gram slot[SLOTS];
    uint64_t filter[(1U << FILTER_BITS) / 64];
    struct word word[WORDS_MAX];
    size_t words;
    uint16_t chain[CHAINS]; /* index + 1 */
    char folded[ANSWER_SAID_MAX];
    bool *found_pieces, *found;
};

static bool is_word_byte(char c)
{
    return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* The same for both letter cases. In UTF-8 these differ nearly always in the two bits that are taken away. */
static char fold(char c)
{
    return (char)((unsigned char)c >= 0x80 ? (unsigned char)c & 0xde : tolower((unsigned char)c));
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* Chance gives common words; figures, signs and capitals within words it gives seldom. */
static bool is_odd(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isdigit((unsigned char)p[i]) ||
            (i > 0 && isupper((unsigned char)p[i]) && isalpha((unsigned char)p[i - 1])) ||
            (i > 0 && i + 1 < n && ispunct((unsigned char)p[i]) && is_word_byte(p[i - 1]) && is_word_byte(p[i + 1])))
            return true;
    return false;
}

/* --- what is looked for ----------------------------------------------------------------------------------------------
 */

static uint32_t hash_of(uint64_t bytes)
{
    return (uint32_t)((bytes * 0x9e3779b97f4a7c15ULL) >> (64 - FILTER_BITS));
}

static uint64_t load(const char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static unsigned chain_of(const char *folded)
{
    return ((unsigned char)folded[0] * 31U + (unsigned char)folded[1] * 7U + (unsigned char)folded[2]) % CHAINS;
}

static void add_gram(struct search *s, const char *folded, size_t at, size_t covers)
{
    uint64_t v = load(folded);
    uint32_t h = hash_of(v), i = h & (SLOTS - 1);

    while (s->slot[i].covers)
        i = (i + 1) & (SLOTS - 1);
    s->slot[i] = (struct gram){.bytes = v, .at = (uint16_t)at, .covers = (uint16_t)covers};
    s->filter[h / 64] |= 1ULL << (h % 64);
}

static void add_word(struct search *s, size_t folded, size_t n, size_t at, size_t covers)
{
    uint16_t *chain = &s->chain[chain_of(s->folded + folded)];

    if (s->words == WORDS_MAX)
        return;
    s->word[s->words++] = (struct word){
        .at = (uint16_t)at, .covers = (uint16_t)covers, .folded = (uint16_t)folded, .n = (uint16_t)n, .next = *chain};
    *chain = (uint16_t)s->words;
}

/* From the text at i on: a word as long as it goes; *n is 0 where none begins. Returns where to look on. */
static size_t next_word(struct slice text, size_t i, size_t *n)
{
    size_t end = i;

    while (end < text.n && is_word_byte(text.p[end]))
        end++;
    *n = end - i;
    return *n ? end : i + 1;
}

static bool is_searched(struct slice word)
{
    return word.n >= WORD_MIN && !answer_is_common(word);
}

/* `card%3D4111+1111` is a quote of `card=4111 1111`: from[i] is where the i-th byte of `plain` stands in the text. */
static struct slice without_escapes(struct slice text, char *plain, size_t *from)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; n++) {
        int high = text.p[i] == '%' && i + 2 < text.n ? hex_value(text.p[i + 1]) : -1;
        int low = high >= 0 ? hex_value(text.p[i + 2]) : -1;

        from[n] = i;
        plain[n] = (char)(low >= 0 ? high << 4 | low : text.p[i] == '+' ? ' ' : text.p[i]);
        i += low >= 0 ? 3 : 1;
    }
    from[n] = text.n;
    return slice_of(plain, n);
}

static void add_text(struct search *s)
{
    char escaped[ANSWER_SAID_MAX], plain[ANSWER_SAID_MAX];
    size_t from[ANSWER_SAID_MAX + 1], n;
    struct slice text = without_escapes(s->text, plain, from);

    for (size_t i = 0; i < s->text.n; i++)
        escaped[i] = fold(s->text.p[i]);
    for (size_t i = 0; i < text.n; i++)
        s->folded[i] = fold(plain[i]);
    for (size_t i = 0; i + GRAM <= s->text.n; i++)
        add_gram(s, escaped + i, i, GRAM);
    for (size_t i = 0; i + GRAM <= text.n; i++)
        if (memcmp(s->folded + i, escaped + from[i], GRAM) != 0)
            add_gram(s, s->folded + i, from[i], from[i + GRAM] - from[i]);
    for (size_t i = 0, end; i < text.n; i = end) {
        end = next_word(text, i, &n);
        if (is_searched(slice_of(plain + i, n)))
            add_word(s, i, n, from[i], from[i + n] - from[i]);
    }
}

/* --- a view of the body ----------------------------------------------------------------------------------------------
 * Around a place it needs some bytes before, to see whether a word begins, and as many behind as are compared. */

#define BEFORE  ((size_t)3)
#define COMPARE ((size_t)64) /* of a word */
#define WINDOW  ((size_t)4096)

struct view {
    struct search *s;
    char text[WINDOW]; /* folded */
    size_t n;
};

static void view_open(struct view *v, struct search *s)
{
    v->s = s;
    memset(v->text, '\n', BEFORE);
    v->n = BEFORE;
}

static void look_up_gram(struct search *s, const char *p)
{
    uint64_t bytes = load(p);
    uint32_t h = hash_of(bytes);

    if (!(s->filter[h / 64] >> (h % 64) & 1))
        return;
    for (uint32_t i = h & (SLOTS - 1); s->slot[i].covers; i = (i + 1) & (SLOTS - 1))
        if (s->slot[i].bytes == bytes)
            memset(s->found_pieces + s->slot[i].at, true, s->slot[i].covers);
}

/* Behind an escape as well: `\nword`, `%3Dword`. */
static bool word_begins(const char *p)
{
    return is_word_byte(*p) && (!is_word_byte(p[-1]) || p[-2] == '\\' || p[-3] == '%');
}

/* A word of the text that a longer one of the body begins with was cut off, or is another form of it. */
static void look_up_word(struct search *s, const char *p, size_t left)
{
    for (uint16_t i = s->chain[chain_of(p)]; i; i = s->word[i - 1].next) {
        const struct word *w = &s->word[i - 1];
        size_t n = w->n < COMPARE ? w->n : COMPARE;

        if (n <= left && memcmp(p, s->folded + w->folded, n) == 0)
            memset(s->found + w->at, true, w->covers);
    }
}

static void view_look(struct view *v, size_t end)
{
    for (size_t at = BEFORE; at < end; at++) {
        const char *p = v->text + at;

        if (at + GRAM <= v->n)
            look_up_gram(v->s, p);
        if (word_begins(p) && at + WORD_MIN <= v->n)
            look_up_word(v->s, p, v->n - at);
    }
}

static void view_put(struct view *v, char c)
{
    v->text[v->n++] = fold(c);
    if (v->n < WINDOW)
        return;
    view_look(v, WINDOW - COMPARE);
    v->n = BEFORE + COMPARE;
    memmove(v->text, v->text + WINDOW - v->n, v->n);
}

/* --- JSON ------------------------------------------------------------------------------------------------------------
 */

/* Undoes escapes. Half of a pair of surrogates is left out: no text has it. */
struct json_view {
    struct view view;
    enum { JSON_PLAIN = 0, JSON_ESCAPE, JSON_CODE } state;
    unsigned digits;
    uint32_t code;
};

static void json_put_code(struct json_view *j)
{
    char utf8[UTF8_MAX];
    size_t n = j->code >= 0xd800 && j->code < 0xe000 ? 0 : utf8_put(j->code, utf8);

    for (size_t i = 0; i < n; i++)
        view_put(&j->view, utf8[i]);
    j->state = JSON_PLAIN;
}

static void json_put(struct json_view *j, char c)
{
    static const char NAMES[] = "nrtbf";

    if (j->state == JSON_CODE && hex_value(c) >= 0) {
        j->code = j->code << 4 | (uint32_t)hex_value(c);
        if (++j->digits == 4)
            json_put_code(j);
    } else if (j->state == JSON_ESCAPE && c == 'u') {
        j->state = JSON_CODE;
        j->code = j->digits = 0;
    } else if (j->state == JSON_ESCAPE) {
        view_put(&j->view, strchr(NAMES, c) && c ? '\n' : c);
        j->state = JSON_PLAIN;
    } else if (c == '\\') {
        j->state = JSON_ESCAPE;
    } else {
        view_put(&j->view, c);
        j->state = JSON_PLAIN;
    }
}

/* --- base64 ----------------------------------------------------------------------------------------------------------
 */

/* What any run of its characters holds, in both alphabets, as text and as JSON: most runs are words and hold nothing, which is found
 * nowhere. */
struct base64_view {
    struct view text;
    struct json_view json;
    uint32_t bits;
    unsigned chars; /* 0 to 3 of a group */
    bool in_run;
};

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

static void base64_emit(struct base64_view *b, char c)
{
    view_put(&b->text, c);
    json_put(&b->json, c);
}

static void base64_end_run(struct base64_view *b)
{
    if (!b->in_run)
        return;
    if (b->chars >= 2)
        base64_emit(b, (char)(b->bits >> (b->chars * 6 - 8)));
    if (b->chars == 3)
        base64_emit(b, (char)(b->bits >> 2));
    b->json.state = JSON_PLAIN;
    base64_emit(b, '\n');
    b->chars = 0;
    b->in_run = false;
}

static void base64_put(struct base64_view *b, char c)
{
    int value = base64_value(c);

    if (value < 0) {
        base64_end_run(b);
        return;
    }
    b->in_run = true;
    b->bits = b->bits << 6 | (uint32_t)value;
    if (++b->chars < 4)
        return;
    for (int shift = 16; shift >= 0; shift -= 8)
        base64_emit(b, (char)(b->bits >> shift));
    b->chars = 0;
}

/* --- all together ----------------------------------------------------------------------------------------------------
 */

struct views {
    struct search search;
    struct view text;
    struct json_view json;
    struct base64_view base64;
};

void answer_match(struct slice text, struct slice body, bool *found)
{
    bool pieces[ANSWER_SAID_MAX + 1] = {false};
    struct views *v;
    bool escapes;

    if (text.n == 0 || body.n == 0)
        return;
    escapes = memchr(body.p, '\\', body.n) != NULL;
    v = mem_alloc(sizeof(*v));
    v->search.text = text;
    v->search.found = found;
    v->search.found_pieces = pieces;
    add_text(&v->search);
    view_open(&v->text, &v->search);
    view_open(&v->json.view, &v->search);
    view_open(&v->base64.text, &v->search);
    view_open(&v->base64.json.view, &v->search);
    for (size_t i = 0; i < body.n; i++) {
        view_put(&v->text, body.p[i]);
        if (escapes)
            json_put(&v->json, body.p[i]);
        base64_put(&v->base64, body.p[i]);
    }
    base64_end_run(&v->base64);
    view_look(&v->text, v->text.n);
    view_look(&v->json.view, v->json.view.n);
    view_look(&v->base64.text, v->base64.text.n);
    view_look(&v->base64.json.view, v->base64.json.view.n);

    mem_free(v);
    for (size_t i = 0, end; i < text.n; i = end + 1) {
        end = i;
        while (pieces[end])
            end++;
        if (end > i && (end - i >= PROSE_MIN || is_odd(text.p + i, end - i))) {
            size_t from = i + (text.p[i] == ' '), to = end - (text.p[end - 1] == ' ');

            memset(found + from, true, to - from);
        }
    }
}

void answer_match_unseen(struct slice text, bool *found)
{
    size_t n;

    for (size_t i = 0, end; i < text.n; i = end) {
        end = next_word(text, i, &n);
        if (is_searched(slice_of(text.p + i, n)))
            memset(found + i, true, n);
    }
}
