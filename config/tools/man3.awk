# SPDX-License-Identifier: MIT
# From the public header and what kernel-doc makes of its comments to one page for each call, and
# shmbus.3, which lists them. config/tools/man3.sh runs it.
# usage: awk -v out=DIR -v date=DATE -v version=VERSION -f man3.awk HEADER KERNEL_DOC_OUTPUT

# ---------------------------------------------------------------------------- the header as it is

function cap(text) { return toupper(substr(text, 1, 1)) substr(text, 2) }

function trim(text) { sub(/^[ \t]+/, "", text); sub(/[ \t]+$/, "", text); return text }

# What the page of a call shows of a struct, an enum, or a type of callback.
function keep_declaration(    name) {
    name = block
    if (name ~ /^typedef/) { sub(/.*\(\*/, "", name); sub(/\).*/, "", name) }
    else { sub(/ \{.*/, "", name) }
    declaration[name] = block
    kind_of[name] = name ~ /^struct/ ? 1 : name ~ /^enum/ ? 3 : 2
    declared[++declared_count] = name
}

# A comment that says what several calls have in common: "The errors of x" are ...
function keep_common(text,    what) {
    if (!match(text, /"The errors of [a-z ]+" are /)) return
    what = substr(text, RSTART + 5, RLENGTH - 11)
    text = substr(text, RSTART + RLENGTH)
    sub(/ *\*\/ *$/, "", text)
    sub(/ @index: .*/, "", text)
    common["the " what] = text
}

BEGIN {
    alone["-ENOMEM"] = "not enough memory"
    alone["-ENOENT"] = "there is none"
    alone["-ENAMETOOLONG"] = "the path is not below SHMBUS_PATH_BYTES"
    alone["-EMFILE, -ENFILE"] = "no descriptor to be had"
}

FNR == NR {
    if (/^\/\* -+ /) {
        topic = $0
        sub(/^\/\* -+ /, "", topic); sub(/ \*\/.*/, "", topic)
        topics[++topic_count] = topic
    }
    if (/^ \* shmbus[a-z_]*\(\) - /) {
        name = $2; sub(/\(\)/, "", name)
        topic_of[name] = topic_count
        calls[++call_count] = name
    }
    if (/^X?\(?$/) next
    if (match($0, /^ +X\([A-Z_]+, [0-9]+, "[^"]*"/)) {
        name = $0; sub(/^ +X\(/, "", name); sub(/,.*/, "", name)
        alone["-SHMBUS_ERR_" name] = $0
        sub(/^[^"]*"/, "", alone["-SHMBUS_ERR_" name]); sub(/".*/, "", alone["-SHMBUS_ERR_" name])
    }
    # The first comment, and that about options, for the page that lists all calls.
    if (FNR == 2) in_head = 1
    if (/^\/\* Structs of options/) { in_head = 1; head[++head_count] = "" ; head[++head_count] = " * Structs of options"; next }
    if (in_head && FNR > 2) {
        line = $0; sub(/ *\*\/ *$/, "", line)
        head[++head_count] = line
        if (/\*\//) in_head = 0
    }
    # Comments outside of declarations.
    if (/^\/\* /) { remark = ""; in_remark = 1 }
    if (in_remark) {
        line = $0; sub(/^ ?\/?\* */, "", line)
        remark = remark (remark == "" ? "" : " ") line
        if (/\*\//) { in_remark = 0; keep_common(remark) }
    }
    if (/^(struct|enum) shmbus[a-z_]* \{/ || /^typedef /) { block = ""; in_block = 1 }
    if (in_block) {
        block = block (block == "" ? "" : "\n") $0
        if (/^\};/ || /^typedef.*;$/ || (/;$/ && block ~ /^typedef/) || /^enum.*\};/) {
            in_block = 0; keep_declaration()
        }
    }
    next
}

# --------------------------------------------------------------------------------- text to roff

# Names of calls get the number of their section; a minus is a minus; nothing begins with a dot.
function roff(text) {
    gsub(/\\fBshmbus/, "\\fB\001shmbus", text)
    while (match(text, /\\fB\001shmbus[a-z_]*\\fP/)) {
        name = substr(text, RSTART + 4, RLENGTH - 7)
        if (!(name in seen)) { seen[name] = 1; seen_list[++seen_count] = name }
        text = substr(text, 1, RSTART - 1) "\\fB" name "\\fP(3)" substr(text, RSTART + RLENGTH)
    }
    gsub(/\001/, "", text)
    gsub(/\\fB(fork|vfork|clone|chroot|open|read|unlink|epoll_wait)\\fP/, "&(2)", text)
    gsub(/\\fB(posix_spawn|dlclose|opendir|pthread_exit|pthread_cancel|closefrom)\\fP/, "&(3)", text)
    gsub(/\\fP\(/, "\002", text)
    gsub(/\\fB[a-z_]+\\fP/, "&()", text)
    gsub(/\002/, "\\fP(", text)
    gsub(/"Time" above/, "\"Time\" in \\fBshmbus\\fP(3)", text)
    gsub(/"Structs of options"/, "& in \\fBshmbus\\fP(3)", text)
    gsub(/-/, "\\-", text)
    gsub(/\\\\-/, "\\-", text)
    gsub(/"/, "\\(dq", text)
    gsub(/`/, "\\(ga", text)
    if (text ~ /^[.']/) text = "\\&" text
    return text
}

# As words of the header, in which calls are written with ().
function plain(text) {
    while (match(text, /[a-z_]+\(\)/))
        text = substr(text, 1, RSTART - 1) "\\fB" substr(text, RSTART, RLENGTH - 2) "\\fP" substr(text, RSTART + RLENGTH)
    while (match(text, /@[a-z_]+/))
        text = substr(text, 1, RSTART - 1) "\\fI" substr(text, RSTART + 1, RLENGTH - 1) "\\fP" substr(text, RSTART + RLENGTH)
    return roff(text)
}

# A sentence to a line would break names: lines of words, none too long.
function fill(text, file,    n, words, i, line) {
    n = split(text, words, / +/)
    line = ""
    for (i = 1; i <= n; i++) {
        if (line != "" && length(line) + length(words[i]) > 76) {
            print (line ~ /^[.']/ ? "\\&" line : line) > file
            line = ""
        }
        line = line (line == "" ? "" : " ") words[i]
    }
    if (line != "") print (line ~ /^[.']/ ? "\\&" line : line) > file
}

function sentence(text) {
    text = trim(text)
    sub(/[.;,]$/, "", text)
    return text "."
}

function no_text(key) {
    print "man3: " call "(): " key " is not explained, in the header or in man3.awk" > "/dev/stderr"
    failed = 1
    return ""
}

# "-EINVAL: the name; -ENOMEM; the errors of sending" as a list.
# @is_return: the first of them is what the call returns, errors come under a heading of their own.
function items(text, file, is_return,    n, piece, i, one, key, said, count, fresh, tail) {
    n = split(text, piece, /; */)
    count = 0
    for (i = 1; i <= n; i++) {
        one = trim(piece[i])
        if (one == "") continue
        if (count > 0 && one !~ /^-/ && one !~ /^the errors of / && one !~ /^what /) {
            said[count] = said[count] "; " one
            continue
        }
        said[++count] = one
    }
    tail = "" # a sentence behind the last error is about all of them
    if (count > 0 && match(said[count], /\. [A-Z]/)) {
        tail = substr(said[count], RSTART + 2)
        said[count] = substr(said[count], 1, RSTART)
    }
    for (i = 1; i <= count; i++) {
        one = said[i]
        fresh = i == 1
        if (is_return && i > 1 || is_return && one ~ /^-/) {
            if (is_return == 1) { print ".SH ERRORS" > file; fresh = 1 }
            is_return = 2
        }
        if (match(one, /^-(errno|[A-Z][A-Z_0-9]*)((,| or| and) (-[A-Z][A-Z_0-9]*|_[A-Z]+))*/)) {
            key = substr(one, 1, RLENGTH)
            one = substr(one, RLENGTH + 1)
            sub(/^: */, "", one)
            one = trim(one)
            if (one == "" || one == ".") one = (key in alone) ? alone[key] : no_text(key)
            print ".TP" > file
            print ".B " roff(key) > file
            fill(roff(sentence(cap(one))), file)
        } else {
            if (!fresh) print ".PP" > file
            fill(roff(sentence(cap(one))), file)
        }
    }
    if (tail != "") { print ".PP" > file; fill(roff(tail), file) }
}

function code(text, file, is_first,    n, lines, i) {
    n = split(text, lines, "\n")
    if (!is_first) print ".PP" > file
    print ".in +4n" > file
    print ".nf" > file
    for (i = 1; i <= n; i++) {
        gsub(/\\/, "\\e", lines[i]); gsub(/-/, "\\-", lines[i])
        if (lines[i] ~ /^[.']/) lines[i] = "\\&" lines[i]
        print lines[i] > file
    }
    print ".fi" > file
    print ".in" > file
}

function paragraphs(n, lines, file,    i, text) {
    text = ""
    for (i = 1; i <= n; i++) {
        if (lines[i] != "") { text = text (text == "" ? "" : " ") lines[i]; continue }
        if (text != "") { fill(roff(text), file); text = "" ; if (i < n) print ".PP" > file }
    }
    if (text != "") fill(roff(text), file)
}

# ------------------------------------------------------------------------------ a page for a call

function begin(title, section_title, file) {
    print ".\\\" Made by `make man3` from shmbus.h and config/tools/man3.awk: do not edit." > file
    print ".TH " toupper(title) " 3 " date " \"shmbus " version "\" \"shmbus\"" > file
    print ".nh" > file
    print ".ad l" > file
    print ".SH NAME" > file
    print title " \\- " section_title > file
}

function synopsis(file,    i, line, type, name, indent, one) {
    print ".SH LIBRARY" > file
    print "shmbus (\\fI\\-lshmbus\\fP)" > file
    print ".SH SYNOPSIS" > file
    print ".nf" > file
    print ".B #include <shmbus/shmbus.h>" > file
    print ".PP" > file
    sub(/^SHMBUS_API /, "", returns)
    line = returns (returns ~ /\*$/ ? "" : " ") call "("
    indent = sprintf("%" length(line) "s", "")
    one = length(line)
    for (i = 1; i <= param_count; i++) one += length(param[i]) + 2
    if (one > 78 && length(indent) > 40) indent = "        "
    if (param_count == 0 || param[1] == "void") { print ".B \"" line "void);\"" > file }
    else for (i = 1; i <= param_count; i++) {
        type = name = param[i]
        sub(/[a-z_0-9]+$/, "", type); sub(/.*[ *]/, "", name)
        print ".BI \"" line type "\" " name " \"" (i < param_count ? "," : ");") "\"" > file
        line = indent
    }
    print ".fi" > file
}

# The structs that it takes, the callbacks, the enumerations; what a struct names is further down.
function declarations(file, text,    kind, i, shown) {
    for (kind = 1; kind <= 3; kind++)
        for (i = 1; i <= declared_count; i++) {
            if (kind_of[declared[i]] != kind || !match(text, declared[i] "[^a-z_]")) continue
            if (!shown) print ".SH DECLARATIONS" > file
            code(declaration[declared[i]], file, !shown)
            shown = 1
            text = text "\n" declaration[declared[i]]
        }
}

function finish(    file, i, k, n, text, section, part, what, all, key) {
    if (call == "") return
    file = out "/" call ".3"
    pages++
    for (key in seen) delete seen[key]
    seen_count = 0
    seen[call] = 1
    sub(/\.$/, "", purpose)
    begin(call, roff(purpose), file)
    synopsis(file)
    all = returns
    for (i = 1; i <= param_count; i++) all = all " " param[i] ";"
    if (arg_count > 0) print ".SH PARAMETERS" > file
    for (i = 1; i <= arg_count; i++) {
        print ".TP" > file
        print ".I " arg_name[i] > file
        fill(roff(cap(arg_text[i])), file)
        all = all " " arg_text[i]
    }
    # Description, then what was returned; either may end with lines "Threads: ..." and so on.
    section = "text"; n = 0
    for (k in extra) delete extra[k]
    for (i = 1; i <= line_count; i++) {
        all = all " " lines[i]
        if (match(lines[i], /^(Blocking|Threads|Death|Fork): /)) {
            section = substr(lines[i], 1, RLENGTH - 2)
            extra[section] = substr(lines[i], RLENGTH + 1)
        } else if (section != "text") {
            extra[section] = extra[section] " " lines[i]
        } else { part[++n] = lines[i] }
    }
    while (n > 0 && part[n] == "") n--
    if (n > 0) { print ".SH DESCRIPTION" > file; paragraphs(n, part, file) }
    section = "text"; text = ""
    for (i = 1; i <= return_count; i++) {
        all = all " " return_line[i]
        if (match(return_line[i], /^(Blocking|Threads|Death|Fork): /)) {
            section = substr(return_line[i], 1, RLENGTH - 2)
            extra[section] = substr(return_line[i], RLENGTH + 1)
        } else if (section != "text") {
            extra[section] = extra[section] " " return_line[i]
        } else { text = text " " return_line[i] }
    }
    print ".SH RETURN VALUE" > file
    if (returns == "void") print "None." > file
    else items(trim(text), file, 1)
    for (what in common) {
        if (index(text, what) == 0) continue
        print ".SS " toupper(substr(what, 5, 1)) substr(what, 6) > file
        items(common_text(what), file, 0)
    }
    n = split("Blocking Threads Death Fork", part, " ")
    for (i = 1; i <= n; i++) if (part[i] in extra) {
        print ".SH " toupper(part[i]) > file
        text = trim(extra[part[i]])
        fill(roff(cap(text)), file)
    }
    declarations(file, all " ")
    print ".SH SEE ALSO" > file
    for (i = 1; i <= seen_count; i++) print ".BR " seen_list[i] " (3)," > file
    print ".BR shmbus (3)," > file
    print ".BR shmbus (7)" > file
    close(file)
}

function common_text(what,    text) {
    text = common[what]
    while (match(text, /[a-z_]+\(\)/))
        text = substr(text, 1, RSTART - 1) "\\fB" substr(text, RSTART, RLENGTH - 2) "\\fP" substr(text, RSTART + RLENGTH)
    while (match(text, /@[a-z_]+/))
        text = substr(text, 1, RSTART - 1) "\\fI" substr(text, RSTART + 1, RLENGTH - 1) "\\fP" substr(text, RSTART + RLENGTH)
    return text
}

/^\.TH / {
    finish()
    call = $2; gsub(/"/, "", call)
    part_of_page = ""; param_count = arg_count = line_count = return_count = 0
    returns = purpose = ""
    next
}
/^\.SH / { part_of_page = $0; sub(/^\.SH "?/, "", part_of_page); sub(/"$/, "", part_of_page); next }
part_of_page == "NAME" { purpose = $0; sub(/^[a-z_]+ \\- /, "", purpose); purpose_of[call] = purpose; sub(/\.$/, "", purpose_of[call]); next }
part_of_page == "SYNOPSIS" && /^\.B "/ { returns = $0; sub(/^\.B "/, "", returns); sub(/".*/, "", returns); next }
part_of_page == "SYNOPSIS" && /^\.BI "/ {
    one = $0; sub(/^\.BI "\(?/, "", one); sub(/".*/, "", one)
    param[++param_count] = trim(one); next
}
part_of_page == "ARGUMENTS" && /^\.IP "/ {
    if ($2 == "\"void\"") { skipping = 1; next }
    skipping = 0
    arg_name[++arg_count] = $2; gsub(/"/, "", arg_name[arg_count]); arg_text[arg_count] = ""; next
}
part_of_page == "ARGUMENTS" { if (!skipping) arg_text[arg_count] = trim(arg_text[arg_count] " " $0); next }
part_of_page == "DESCRIPTION" { lines[++line_count] = trim($0); next }
part_of_page == "RETURN" { return_line[++return_count] = trim($0); next }

# ------------------------------------------------------------------------- the page for all of them

function index_page(file,    i, k, line, verbatim, open, text) {
    begin("shmbus", "the calls of the message bus in shared memory, by topic", file)
    print ".SH LIBRARY" > file
    print "shmbus (\\fI\\-lshmbus\\fP)" > file
    print ".SH SYNOPSIS" > file
    print ".nf" > file
    print ".B #include <shmbus/shmbus.h>" > file
    print ".PP" > file
    print ".RI \"cc \" program.c \" $(pkg\\-config \\-\\-cflags \\-\\-libs shmbus)\"" > file
    print ".fi" > file
    print ".SH DESCRIPTION" > file
    print "A page of its own has each call; this one what holds for all of them. What a bus is:" > file
    print ".BR shmbus (7)." > file
    text = ""
    for (i = 1; i <= head_count; i++) {
        line = head[i]
        sub(/^ \* ?/, "", line)
        if (line ~ /^shmbus: /) continue
        if (line ~ /^[^ ]/) { # a title
            if (text != "") { fill(plain(text), file); text = "" }
            if (verbatim) { print ".fi" > file; verbatim = 0 }
            print ".SS " line > file
            if (line == "Threads") { print ".nf" > file; verbatim = 1 }
            continue
        }
        if (verbatim && line ~ /^  (Only|No call)/) { print ".fi" > file; print ".PP" > file; verbatim = 0 }
        line = trim(line)
        if (line == "") continue
        if (verbatim) {
            line = head[i]; sub(/^ \*   /, "", line); sub(/ +$/, "", line)
            print line > file
        } else if (line ~ /^- /) {
            if (text != "") fill(plain(text), file)
            print ".IP \\(bu 2" > file
            text = substr(line, 3)
        } else { text = text (text == "" ? "" : " ") line }
    }
    if (text != "") fill(plain(text), file)
    print ".SH CALLS" > file
    for (k = 1; k <= topic_count; k++) {
        open = 0
        for (i = 1; i <= call_count; i++) if (topic_of[calls[i]] == k) {
            if (!open) print ".SS " cap(topics[k]) > file
            open = 1
            print ".TP" > file
            print ".BR " calls[i] " (3)" > file
            print roff(purpose_of[calls[i]]) > file
        }
    }
    print ".SH SEE ALSO" > file
    print ".BR shmbus (7)," > file
    print ".BR shmbus.yaml (5)," > file
    print ".BR shmbusctl (1)" > file
    close(file)
}

END {
    finish()
    index_page(out "/shmbus.3")
    if (pages != call_count || pages == 0) {
        print "man3: the header has " call_count " calls, kernel-doc " pages + 0 > "/dev/stderr"
        failed = 1
    }
    exit failed
}
