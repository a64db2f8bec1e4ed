#include "words.h"

#include <ctype.h>

int next_word(FILE *text, char word[LONGEST_WORD + 1])
{
    int length = 0, letter;
    while ((letter = getc(text)) != EOF) {
        if (isalpha(letter)) {
            if (length < LONGEST_WORD)
                word[length++] = (char)tolower(letter);
        } else if (length > 0) {
            break;
        }
    }
    word[length] = '\0';
    return length > 0;
}
