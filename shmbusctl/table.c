/* Tables for people. */
#include "table.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "text.h"

static const struct table_column *find_column(const struct table_column *all, const char *name)
{
    for (; all->name; all++)
        if (strcmp(all->name, name) == 0)
            return all;
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
        ctl_note("unknown column '%s'; did you mean '%s'?", name, near);
    else
        ctl_note("unknown column '%s'; --help lists them", name);
    return false;
}

bool table_init(struct table *table, const struct table_column *all, const char *list,
                const struct table_options *options)
{
    char name[64];

    memset(table, 0, sizeof(*table));
    table->options = *options;
    while (*list) {
        size_t bytes = strcspn(list, ",");
        const struct table_column *column;

        snprintf(name, sizeof(name), "%.*s", (int)bytes, list);
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

static void print_cell(const struct table *table, size_t c, const struct table_cell *cell,
                       size_t width, FILE *out)
{
    bool last = c + 1 == table->column_count, right = table->columns[c]->right;
    bool colour = table->options.colour && cell->style != TABLE_PLAIN;
    int blanks = (int)(width - text_width(cell->text));

    fprintf(out, "%*s%s%s%s", right ? blanks : 0, "", colour ? colour_of(cell->style) : "",
            cell->text, colour ? "\033[0m" : "");
    if (!last)
        fprintf(out, "%*s", right ? 2 : blanks + 2, "");
}

void table_print(const struct table *table, FILE *out)
{
    size_t widths[TABLE_COLUMNS_MAX];

    for (size_t c = 0; c < table->column_count; c++) {
        widths[c] = table->options.no_headings ? 0 : text_width(table->columns[c]->heading);
        for (size_t r = 0; r < table->row_count; r++) {
            size_t width = text_width(table->cells[r * table->column_count + c].text);

            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    for (size_t c = 0; c < table->column_count && !table->options.no_headings; c++) {
        struct table_cell heading = {.style = TABLE_PLAIN};

        snprintf(heading.text, sizeof(heading.text), "%s", table->columns[c]->heading);
        print_cell(table, c, &heading, widths[c], out);
    }
    if (!table->options.no_headings)
        fputc('\n', out);
    for (size_t r = 0; r < table->row_count; r++) {
        for (size_t c = 0; c < table->column_count; c++)
            print_cell(table, c, &table->cells[r * table->column_count + c], widths[c], out);
        fputc('\n', out);
    }
}

void table_free(struct table *table)
{
    free(table->cells);
    memset(table, 0, sizeof(*table));
}

void table_help(FILE *out, const char *title, const struct table_column *all)
{
    fprintf(out, "\n%s:\n", title);
    for (; all->name; all++)
        fprintf(out, "  %-18s %s\n", all->name, all->text);
}

bool table_colour_wanted(void)
{
    const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

    return isatty(STDOUT_FILENO) && !(no_color && no_color[0]) && term && strcmp(term, "dumb") != 0;
}
