/* SPDX-License-Identifier: MIT */
/* Tables for people: named columns, -o selection, aligned output. */
#ifndef SHMBUSCTL_TABLE_H
#define SHMBUSCTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 40
#define TABLE_CELL_BYTES 512

enum table_style { TABLE_PLAIN = 0, TABLE_GOOD, TABLE_ODD, TABLE_BAD };

struct table_cell {
    char text[TABLE_CELL_BYTES]; /* "" is printed as - */
    enum table_style style;
};

struct table_options {
    bool exact_bytes; /* --bytes */
    bool no_headings;
    bool colour;
    unsigned width; /* that the output has; 0: any */
};

struct table_column {
    const char *name; /* for -o */
    const char *heading;
    const char *text; /* for help */
    void (*fill)(struct table_cell *cell, const void *row, int arg,
                 const struct table_options *options);
    int arg;    /* for fill */
    bool right; /* numbers */
};

struct table {
    const struct table_column *columns[TABLE_COLUMNS_MAX];
    bool hidden[TABLE_COLUMNS_MAX];
    size_t column_count;
    struct table_options options;
    struct table_cell *cells; /* row by row */
    size_t row_count, row_room;
};

/* @list: names or headings, in capitals or not, with commas in between. False: it said which one is
 * wrong. */
bool table_init(struct table *table, const struct table_column *all, const char *list,
                const struct table_options *options);
bool table_add(struct table *table, const void *row); /* false: no memory, said so */
/* Leaves out columns until the table fits: those of @expendable, the first one first. For the usual
 * columns; who asks for one by name gets it. */
void table_fit(struct table *table, const char *expendable);
/* The last column is wrapped between words if the width is not enough for it. */
void table_print(const struct table *table, FILE *out);
void table_free(struct table *table);

void table_help(FILE *out, const char *title, const struct table_column *all);

/* Columns of the terminal, or $COLUMNS; 0: unlimited. */
unsigned table_width_of_output(void);

/* stdout is a terminal that wants colour (NO_COLOR unset, TERM not dumb). */
bool table_colour_wanted(void);

#endif
