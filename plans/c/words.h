/* Words of a text: runs of letters, in lower case. */
#ifndef WORDS_H
#define WORDS_H

#include <stdio.h>

#define LONGEST_WORD 64

/* Read the next word, cut after LONGEST_WORD letters; return 0 at the end of the text. */
int next_word(FILE *text, char word[LONGEST_WORD + 1]);

#endif
