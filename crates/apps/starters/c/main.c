/* Counts the words of a text, in parts.
 *
 *   NAME split FILE PARTS        prints one line for each subtask
 *   NAME count FILE INDEX PARTS  counts every PARTS-th line of the file, from INDEX on, into /out/counts
 *   NAME merge                   adds up /in/0/counts, /in/1/counts and so on into /out/words.txt
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 65536

struct word {
    char *text;
    unsigned long count;
};

static struct word *words;
static size_t used, room;

/* What is said on standard error is what the user reads when a subtask fails. */
static void fail(const char *what, const char *which) {
    fprintf(stderr, "%s: %s\n", what, which);
    exit(1);
}

static FILE *open_file(const char *path, const char *mode) {
    FILE *file = fopen(path, mode);
    if (!file) fail("cannot open", path);
    return file;
}

static void add(const char *text, unsigned long count) {
    for (size_t i = 0; i < used; i++) {
        if (strcmp(words[i].text, text) == 0) {
            words[i].count += count;
            return;
        }
    }
    if (used == room) {
        room = room ? room * 2 : 256;
        words = realloc(words, room * sizeof *words);
        if (!words) fail("no memory for", text);
    }
    words[used].text = strdup(text);
    words[used++].count = count;
}

/* The most frequent first, then by the alphabet. */
static int by_count(const void *a, const void *b) {
    const struct word *x = a, *y = b;
    if (x->count != y->count) return x->count < y->count ? 1 : -1;
    return strcmp(x->text, y->text);
}

static void split(const char *path, long parts) {
    fclose(open_file(path, "r"));
    if (parts < 1) fail("no number of parts", "give 1 or more");
    for (long i = 0; i < parts; i++)
        /* One JSON object a line. A name is optional; the arguments are those of one subtask. */
        printf("{\"name\": \"part-%ld\", \"args\": [\"count\", \"%s\", \"%ld\", \"%ld\"]}\n", i, path, i, parts);
}

static void count(const char *path, long index, long parts) {
    FILE *file = open_file(path, "r");
    static char line[LINE_MAX_BYTES];
    for (long at = 0; fgets(line, sizeof line, file); at++) {
        if (at % parts != index) continue;
        char *p = line;
        while (*p) {
            while (*p && !isalnum((unsigned char)*p)) p++;
            char *start = p;
            while (isalnum((unsigned char)*p)) *p = (char)tolower((unsigned char)*p), p++;
            int more = *p != 0;
            *p = 0;
            if (p > start) add(start, 1);
            if (more) p++;
        }
    }
    fclose(file);
    FILE *out = open_file("/out/counts", "w");
    for (size_t i = 0; i < used; i++) fprintf(out, "%s %lu\n", words[i].text, words[i].count);
    if (fclose(out)) fail("cannot write", "/out/counts");
}

static void merge(void) {
    for (int i = 0;; i++) {
        char path[64], text[LINE_MAX_BYTES];
        unsigned long n;
        snprintf(path, sizeof path, "/in/%d/counts", i);
        FILE *file = fopen(path, "r");
        if (!file) break;
        while (fscanf(file, "%65535s %lu", text, &n) == 2) add(text, n);
        fclose(file);
    }
    qsort(words, used, sizeof *words, by_count);
    FILE *out = open_file("/out/words.txt", "w");
    for (size_t i = 0; i < used; i++) fprintf(out, "%6lu %s\n", words[i].count, words[i].text);
    if (fclose(out)) fail("cannot write", "/out/words.txt");
}

int main(int argc, char **argv) {
    const char *command = argc > 1 ? argv[1] : "";
    if (strcmp(command, "split") == 0 && argc == 4) split(argv[2], atol(argv[3]));
    else if (strcmp(command, "count") == 0 && argc == 5) count(argv[2], atol(argv[3]), atol(argv[4]));
    else if (strcmp(command, "merge") == 0 && argc == 2) merge();
    else fail("usage", "split FILE PARTS | count FILE INDEX PARTS | merge");
    return 0;
}
