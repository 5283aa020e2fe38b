/* replay.c -- runs a fuzzer's function once over each file of a folder: what the fuzzer found stays found. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *folder, const char *name)
{
    static uint8_t data[1 << 20];
    char path[4096];
    FILE *f;
    size_t n;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return -1;
    }
    n = fread(data, 1, sizeof(data), f);
    fclose(f);
    return LLVMFuzzerTestOneInput(data, n);
}

int main(int argc, char **argv)
{
    DIR *d = argc == 2 ? opendir(argv[1]) : NULL;
    struct dirent *entry;
    size_t count = 0;

    if (!d) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    while ((entry = readdir(d)))
        if (entry->d_name[0] != '.') {
            if (replay(argv[1], entry->d_name) < 0)
                return 1;
            count++;
        }
    closedir(d);
    printf("%zu inputs\n", count);
    return count ? 0 : 1;
}
