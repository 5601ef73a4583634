/* SPDX-License-Identifier: MIT */
/* Tables for people. */
#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctl.h"
#include "text.h"

/* Whoever reads a table knows the headings. */
static const struct table_column *find_column(const struct table_column *all, const char *name)
{
    for (const struct table_column *column = all; column->name; column++)
        if (strcasecmp(column->name, name) == 0)
            return column;
    for (const struct table_column *column = all; column->name; column++)
        if (strcasecmp(column->heading, name) == 0)
            return column;
    return NULL;
}

static bool unknown_column(const struct table_column *all, const char *name)
{
    const char *names[TABLE_COLUMNS_MAX + 1], *near;
    size_t count = 0;

    for (; count < TABLE_COLUMNS_MAX && all[count].name; count++)
        names[count] = all[count].name;
    names[count] = NULL;
    near = ctl_nearest(name, names);
    if (near)
        ctl_note("unknown column `%s`; did you mean `%s`?", name, near);
    else
        ctl_note("unknown column `%s`; --help lists them", name);
    return false;
}

bool table_init(struct table *table, const struct table_column *all, const char *list,
                const struct table_options *options)
{
    char name[64];

    memset(table, 0, sizeof(*table));
    table->options = *options;
    while (*list) {
        size_t bytes = strcspn(list, ","), blanks = strspn(list, " ");
        const struct table_column *column;

        snprintf(name, sizeof(name), "%.*s", (int)(bytes - blanks), list + blanks);
        name[strcspn(name, " ")] = 0;
        column = find_column(all, name);
        if (!column)
            return unknown_column(all, name);
        if (table->column_count == TABLE_COLUMNS_MAX) {
            ctl_note("more than %d columns", TABLE_COLUMNS_MAX);
            return false;
        }
        table->columns[table->column_count++] = column;
        list += bytes;
        list += *list == ',';
    }
    if (table->column_count == 0)
        ctl_note("-o needs the name of a column");
    return table->column_count > 0;
}

bool table_add(struct table *table, const void *row)
{
    struct table_cell *cells = table->cells;

    if (table->row_count == table->row_room) {
        size_t room = table->row_room ? 2 * table->row_room : 16;

        cells = reallocarray(cells, room * table->column_count, sizeof(*cells));
        if (!cells) {
            ctl_note("out of memory");
            return false;
        }
        table->cells = cells;
        table->row_room = room;
    }
    cells += table->row_count++ * table->column_count;
    for (size_t c = 0; c < table->column_count; c++) {
        char raw[TABLE_CELL_BYTES];

        memset(&cells[c], 0, sizeof(cells[c]));
        table->columns[c]->fill(&cells[c], row, table->columns[c]->arg, &table->options);
        memcpy(raw, cells[c].text, sizeof(raw));
        text_clean(raw[0] ? raw : "-", cells[c].text, sizeof(cells[c].text));
    }
    return true;
}

static const char *colour_of(enum table_style style)
{
    static const char *const colours[] = {"", "\033[32m", "\033[33m", "\033[31m"};

    return colours[style];
}

static size_t last_shown(const struct table *table)
{
    size_t last = 0;

    for (size_t c = 0; c < table->column_count; c++)
        last = table->hidden[c] ? last : c;
    return last;
}

/* Columns that each needs, and all of them with two blanks in between. */
static size_t measure(const struct table *table, size_t widths[TABLE_COLUMNS_MAX])
{
    size_t sum = 0;

    for (size_t c = 0; c < table->column_count; c++) {
        widths[c] = table->options.no_headings ? 0 : text_width(table->columns[c]->heading);
        for (size_t r = 0; r < table->row_count; r++) {
            size_t width = text_width(table->cells[r * table->column_count + c].text);

            widths[c] = width > widths[c] ? width : widths[c];
        }
        sum += table->hidden[c] ? 0 : widths[c] + (sum ? 2 : 0);
    }
    return sum;
}

void table_fit(struct table *table, const char *expendable)
{
    size_t widths[TABLE_COLUMNS_MAX];

    while (table->options.width && *expendable && measure(table, widths) > table->options.width) {
        size_t bytes = strcspn(expendable, ",");

        for (size_t c = 0; c < table->column_count; c++)
            if (strlen(table->columns[c]->name) == bytes &&
                strncmp(table->columns[c]->name, expendable, bytes) == 0)
                table->hidden[c] = true;
        expendable += bytes + (expendable[bytes] == ',');
    }
}

/* The last cell of a row, on more lines if it has to be; between words. */
static void print_wrapped(const struct table *table, const char *text, size_t indent, FILE *out)
{
    /* Where even one word has no room, lines would do no good. */
    size_t room = table->options.width > indent + 12 ? table->options.width - indent : SIZE_MAX;
    size_t column = 0;

    while (*text) {
        size_t bytes = strcspn(text + 1, " ") + 1;
        char word[TABLE_CELL_BYTES];
        size_t width;

        snprintf(word, sizeof(word), "%.*s", (int)bytes, text);
        width = text_width(word);
        if (column && column + width > room) {
            fprintf(out, "\n%*s", (int)indent, "");
            fputs(word + (word[0] == ' '), out);
            column = width - (word[0] == ' ');
        } else {
            fputs(word, out);
            column += width;
        }
        text += bytes;
    }
}

static void print_row(const struct table *table, const struct table_cell *cells,
                      const size_t *widths, FILE *out)
{
    size_t last = last_shown(table), at = 0;

    for (size_t c = 0; c <= last; c++) {
        const struct table_cell *cell = &cells[c];
        bool right = table->columns[c]->right;
        bool colour = table->options.colour && cell->style != TABLE_PLAIN;
        int blanks = (int)(widths[c] - text_width(cell->text));

        if (table->hidden[c])
            continue;
        fprintf(out, "%*s%s", right ? blanks : 0, "", colour ? colour_of(cell->style) : "");
        if (c == last && !right)
            print_wrapped(table, cell->text, at, out);
        else
            fputs(cell->text, out);
        fputs(colour ? "\033[0m" : "", out);
        if (c != last)
            fprintf(out, "%*s", right ? 2 : blanks + 2, "");
        at += widths[c] + 2;
    }
    fputc('\n', out);
}

void table_print(const struct table *table, FILE *out)
{
    struct table_cell headings[TABLE_COLUMNS_MAX] = {{.style = TABLE_PLAIN}};
    size_t widths[TABLE_COLUMNS_MAX] = {0};

    measure(table, widths);
    for (size_t c = 0; c < table->column_count; c++)
        snprintf(headings[c].text, sizeof(headings[c].text), "%s", table->columns[c]->heading);
    if (!table->options.no_headings)
        print_row(table, headings, widths, out);
    for (size_t r = 0; r < table->row_count; r++)
        print_row(table, &table->cells[r * table->column_count], widths, out);
}

void table_free(struct table *table)
{
    free(table->cells);
    memset(table, 0, sizeof(*table));
}

void table_help(FILE *out, const char *title, const struct table_column *all)
{
    fprintf(out, "\n%s:\n", title);
    for (; all->name; all++) {
        fprintf(out, "  %-14s  %-14s  ", all->name, all->heading);
        ctl_help_hanging(out, all->text, 34);
    }
}

unsigned table_width_of_output(void)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;
    uint64_t count;

    if (columns && text_parse_count(columns, &count) && count > 0 && count < 10000)
        return (unsigned)count;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        return size.ws_col;
    return 0;
}

bool table_colour_wanted(void)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

    return isatty(STDOUT_FILENO) && !(no_color && no_color[0]) && term && strcmp(term, "dumb") != 0;
}
