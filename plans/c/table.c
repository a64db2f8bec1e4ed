#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *need(void *memory)
{
    if (memory == NULL) {
        perror("tally");
        exit(2);
    }
    return memory;
}

static struct entry *place_of(const struct table *table, const char *word)
{
    size_t hash = 5381;
    for (const char *at = word; *at != '\0'; at++)
        hash = hash * 33 + (unsigned char)*at;
    for (;; hash++) {
        struct entry *entry = &table->entries[hash & (table->places - 1)];
        if (entry->word == NULL || strcmp(entry->word, word) == 0)
            return entry;
    }
}

static void grow(struct table *table)
{
    struct table larger = {NULL, table->places ? table->places * 2 : 256, table->used};
    larger.entries = need(calloc(larger.places, sizeof *larger.entries));
    for (size_t i = 0; i < table->places; i++)
        if (table->entries[i].word != NULL)
            *place_of(&larger, table->entries[i].word) = table->entries[i];
    free(table->entries);
    *table = larger;
}

void table_add(struct table *table, const char *word)
{
    if (table->used * 2 >= table->places)
        grow(table);
    struct entry *entry = place_of(table, word);
    if (entry->word == NULL) {
        entry->word = need(strdup(word));
        table->used++;
    }
    entry->count++;
}

static int by_count(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    return strcmp(a->word, b->word);
}

void table_sort(struct table *table)
{
    size_t kept = 0;
    for (size_t i = 0; i < table->places; i++)
        if (table->entries[i].word != NULL)
            table->entries[kept++] = table->entries[i];
    if (kept > 0)
        qsort(table->entries, kept, sizeof *table->entries, by_count);
}
