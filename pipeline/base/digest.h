/* digest.h -- SHA-256, HMAC-SHA-256, MD5 and CRC-32C: thin covers of OpenSSL and ISA-L, so that no other file knows
 * their APIs.
 *
 * Threads: a struct sha256 belongs to one thread at a time; the rest are pure functions.
 */
#ifndef PIPELINE_BASE_DIGEST_H
#define PIPELINE_BASE_DIGEST_H

#include "pipeline/base/compiler.h"
#include "pipeline/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define MD5_BYTES    16
#define SHA256_BYTES 32
#define SHA256_HEX   65 /* with NUL */
#define SHA512_BYTES 64
#define SHA512_HEX   129

/* Before anything else uses OpenSSL, curl included: without memory it ends as the rest of the program does (mem.h). Left to itself
 * it goes on and takes locks that it could not make (3.0). And it cleans nothing up when the process ends: a thread that nobody waits for
 * may still read a certificate. */
void digest_init(void);

struct sha256; /* reusable context */
struct sha256 *sha256_new(void);
void sha256_free(struct sha256 **s);
void sha256_begin(struct sha256 *s);
void sha256_add(struct sha256 *s, struct slice in);
void sha256_end(struct sha256 *s, unsigned char out[SHA256_BYTES]);

void sha256_of(struct slice in, unsigned char out[SHA256_BYTES]);
void hmac_sha256(struct slice key, struct slice in, unsigned char out[SHA256_BYTES]);

/* Of several texts behind one another, for protocols that want it. */
void sha512_of(const struct slice *parts, size_t n, unsigned char out[SHA512_BYTES]);

/* For formats that were laid out with it (KPL records, Content-MD5), never for anything that must be safe. False where the system's
 * policy forbids MD5. */
MUST_CHECK bool md5_of(struct slice in, unsigned char out[MD5_BYTES]);

struct md5;                /* reusable context */
struct md5 *md5_new(void); /* NULL where it is forbidden */
void md5_free(struct md5 **m);
void md5_begin(struct md5 *m);
void md5_add(struct md5 *m, struct slice in);
void md5_end(struct md5 *m, unsigned char out[MD5_BYTES]);

/* Lower-case hex with NUL; out has 2 * n + 1 bytes. Returns out. */
char *hex_encode(const unsigned char *p, size_t n, char *out);
/* The value of a digit in either case; -1: it is none. */
int hex_digit(char c);

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4); begin with 0, feed pieces in turn. */
uint32_t crc32c(uint32_t crc, struct slice in);
/* CRC-64/NVME, the same way. By a table: some ten times slower. */
uint64_t crc64nvme(uint64_t crc, struct slice in);

/* Compares in a time that does not depend on where they differ. */
bool equal_constant_time(const void *a, const void *b, size_t n);

void random_bytes(void *out, size_t n);
uint32_t random_bits(void);

#endif
