/* Words and how often each was seen. */
#ifndef TABLE_H
#define TABLE_H

#include <stddef.h>

struct entry {
    char *word;
    unsigned long count;
};

struct table {
    struct entry *entries; /* places without a word are free */
    size_t places;         /* a power of two, or 0 */
    size_t used;
};

/* Count a word once more; end the program where there is no memory. */
void table_add(struct table *table, const char *word);

/* Sort by count, then by word, and leave out free places: afterwards the table can only be read. */
void table_sort(struct table *table);

#endif
