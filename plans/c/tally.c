/* tally FILE...: the ten most frequent words of all files, with their numbers. */
#include "table.h"
#include "words.h"

int main(int argc, char **argv)
{
    struct table table = {NULL, 0, 0};
    char word[LONGEST_WORD + 1];

    for (int i = 1; i < argc; i++) {
        FILE *text = fopen(argv[i], "r");
        if (text == NULL) {
            perror(argv[i]);
            return 1;
        }
        while (next_word(text, word))
            table_add(&table, word);
        fclose(text);
    }
    table_sort(&table);
    for (size_t i = 0; i < table.used && i < 10; i++)
        printf("%6lu %s\n", table.entries[i].count, table.entries[i].word);
    return 0;
}
