#include "pipeline/base/digest.h"

#include "pipeline/base/mem.h"
#include "pipeline/base/simd.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#ifdef HAVE_LIBISAL
#include <isa-l/crc.h>
#endif

enum {
    SHA256_BLOCK = 64,
    INNER_PAD = 0x36,
    OUTER_PAD = 0x5c,
};

/* OpenSSL's digests fail only with a broken installation, which leaves nothing sensible to do. */
struct sha256 {
    EVP_MD_CTX *ctx;
};

/* OpenSSL's own registry says what SHA-256 is, and asking it costs more than hashing a short text. It says the same each time: so it is
 * asked once in a process. */
static EVP_MD *sha256_md;

static void fetch_sha256(void)
{
    sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
    assert(sha256_md);
}

static const EVP_MD *sha256_algorithm(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, fetch_sha256);
    return sha256_md;
}

static void *openssl_alloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return size ? mem_grow(NULL, size, 1) : NULL;
}

static void openssl_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    mem_free(p);
}

static void *openssl_realloc(void *p, size_t size, const char *file, int line)
{
    if (size > 0)
        return mem_grow(p, size, 1);
    openssl_free(p, file, line);
    return NULL;
}

void digest_init(void)
{
    int ok;

    /* Too late where a library has used OpenSSL before main(), as one of Ubuntu 24.04's does: then it keeps the C library's allocator. */
    (void)CRYPTO_set_mem_functions(openssl_alloc, openssl_realloc, openssl_free);
    ok = OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
    assert(ok == 1);
}

struct sha256 *sha256_new(void)
{
    struct sha256 *s = mem_alloc(sizeof(*s));

    s->ctx = EVP_MD_CTX_new();
    assert(s->ctx);
    return s;
}

void sha256_free(struct sha256 **s)
{
    if (!*s)
        return;
    EVP_MD_CTX_free((*s)->ctx);
    MEM_CLEAR(*s);
}

void sha256_begin(struct sha256 *s)
{
    int ok = EVP_DigestInit_ex2(s->ctx, sha256_algorithm(), NULL);

    assert(ok == 1);
}

void sha256_add(struct sha256 *s, struct slice in)
{
    int ok = EVP_DigestUpdate(s->ctx, in.p, in.n);

    assert(ok == 1);
}

void sha256_end(struct sha256 *s, unsigned char out[SHA256_BYTES])
{
    int ok = EVP_DigestFinal_ex(s->ctx, out, NULL);

    assert(ok == 1);
}

void sha256_of(struct slice in, unsigned char out[SHA256_BYTES])
{
    int ok = EVP_Digest(in.p, in.n, out, NULL, sha256_algorithm(), NULL);

    assert(ok == 1);
}

/* RFC 2104: two hashes, each over the key in a block of its own and what follows it. OpenSSL's HMAC() looks up what it is made of in
 * each call, which takes several times as long as the hashes of a short text. */
void hmac_sha256(struct slice key, struct slice in, unsigned char out[SHA256_BYTES])
{
    struct sha256 s = {.ctx = EVP_MD_CTX_new()};
    unsigned char block[SHA256_BLOCK] = {0}, inner[SHA256_BYTES];

    assert(s.ctx);
    if (key.n > sizeof(block))
        sha256_of(key, block);
    else if (key.n > 0)
        memcpy(block, key.p, key.n);
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] ^= INNER_PAD;
    sha256_begin(&s);
    sha256_add(&s, slice_of((const char *)block, sizeof(block)));
    sha256_add(&s, in);
    sha256_end(&s, inner);
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] ^= INNER_PAD ^ OUTER_PAD;
    sha256_begin(&s);
    sha256_add(&s, slice_of((const char *)block, sizeof(block)));
    sha256_add(&s, slice_of((const char *)inner, sizeof(inner)));
    sha256_end(&s, out);
    explicit_bzero(block, sizeof(block));
    explicit_bzero(inner, sizeof(inner));
    EVP_MD_CTX_free(s.ctx);
}

void sha512_of(const struct slice *parts, size_t n, unsigned char out[SHA512_BYTES])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha512(), NULL);

    for (size_t i = 0; i < n && ok; i++)
        ok = EVP_DigestUpdate(ctx, parts[i].p, parts[i].n);
    ok = ok && EVP_DigestFinal_ex(ctx, out, NULL);
    assert(ok);
    EVP_MD_CTX_free(ctx);
}

bool md5_of(struct slice in, unsigned char out[MD5_BYTES])
{
    return EVP_Q_digest(NULL, "MD5", NULL, in.p, in.n, out, NULL) == 1;
}

/* As struct sha256; but it may be forbidden. */
struct md5 {
    EVP_MD *md;
    EVP_MD_CTX *ctx;
};

struct md5 *md5_new(void)
{
    EVP_MD *md = EVP_MD_fetch(NULL, "MD5", NULL);
    struct md5 *m;

    if (!md)
        return NULL;
    m = mem_alloc(sizeof(*m));
    m->md = md;
    m->ctx = EVP_MD_CTX_new();
    assert(m->ctx);
    return m;
}

void md5_free(struct md5 **m)
{
    if (!*m)
        return;
    EVP_MD_CTX_free((*m)->ctx);
    EVP_MD_free((*m)->md);
    MEM_CLEAR(*m);
}

void md5_begin(struct md5 *m)
{
    int ok = EVP_DigestInit_ex2(m->ctx, m->md, NULL);

    assert(ok == 1);
}

void md5_add(struct md5 *m, struct slice in)
{
    int ok = EVP_DigestUpdate(m->ctx, in.p, in.n);

    assert(ok == 1);
}

void md5_end(struct md5 *m, unsigned char out[MD5_BYTES])
{
    int ok = EVP_DigestFinal_ex(m->ctx, out, NULL);

    assert(ok == 1);
}

char *hex_encode(const unsigned char *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    out[2 * n] = '\0';
    return out;
}

int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* --- CRC-32C: by ISA-L; without it (a decision of the build) by a table, some fifty times slower ------------------- */

#ifdef HAVE_LIBISAL

/* ISA-L takes an int for the length. */
#define PIECE (1U << 30)

static uint32_t remainder_of(uint32_t state, struct slice in)
{
    while (in.n > 0) {
        size_t piece = in.n < PIECE ? in.n : PIECE;

        state = crc32_iscsi((unsigned char *)in.p, (int)piece, state);
        in = slice_of(in.p + piece, in.n - piece);
    }
    simd_end_avx();
    return state;
}
#else
static uint32_t remainder_of(uint32_t state, struct slice in)
{
    /* The remainders of four bits, for Castagnoli's polynomial, reflected: 0x82f63b78. */
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
        0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };

    for (size_t i = 0; i < in.n; i++) {
        state ^= (unsigned char)in.p[i];
        state = state >> 4 ^ table[state & 15];
        state = state >> 4 ^ table[state & 15];
    }
    return state;
}
#endif

/* The inversion before and after is done on the way in and on the way out, so that pieces chain. */
uint32_t crc32c(uint32_t crc, struct slice in)
{
    return ~remainder_of(~crc, in);
}

bool equal_constant_time(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

void random_bytes(void *out, size_t n)
{
    char *p = out;

    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);

        assert(got > 0 || errno == EINTR);
        if (got > 0) {
            p += got;
            n -= (size_t)got;
        }
    }
}

uint32_t random_bits(void)
{
    uint32_t bits;

    random_bytes(&bits, sizeof(bits));
    return bits;
}
