/* compiler.h -- every compiler attribute this program uses, spelled once. */
#ifndef PIPELINE_BASE_COMPILER_H
#define PIPELINE_BASE_COMPILER_H

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_CHECK             __attribute__((warn_unused_result))
#define UNUSED                 __attribute__((unused))
#define NORETURN               __attribute__((noreturn))
#define ALWAYS_INLINE          inline __attribute__((always_inline))

/* A function for processors with these, in a binary for all of its kind; see simd.h. */
#define TARGET_AVX2   __attribute__((target("avx2,bmi,popcnt")))
#define TARGET_AVX512 __attribute__((target("avx2,bmi,popcnt,avx512f,avx512bw,avx512vbmi2")))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The struct that embeds `member`; for intrusive lists and heaps. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
