#!/bin/sh
# SPDX-License-Identifier: MIT
# json-c and msgpack-c write a message of 33 levels and refuse to read it; cJSON changes integers below 2^53
#
# With:     libjson-c5 and libjson-c-dev 0.16-2, libmsgpackc2 and libmsgpack-dev 4.0.0-3, libcjson1 and
#           libcjson-dev 1.7.15-1+deb12u4 (Debian 12).
# Expected: what a library has written it reads again. There are limits of depth against hostile input, at a thousand
#           levels or so, or where the stack ends. A number that a double holds exactly comes back as it was.
# Seen:     json_object_to_json_string() and msgpack_pack_array() go as deep as they are asked to, json_tokener_parse()
#           and msgpack_unpack_next() read 32 levels: NULL, and a parse error, for the 33rd. cJSON reads 1000,
#           and prints 9007199254740991 as 9007199254740990: it takes 15 digits if they are right to about one
#           part in 2^52. And cJSON_GetObjectItem(object, "id") finds "ID" if that one comes first.
# Why:      trees of jobs, spans and filters are nested; the sender notices nothing, and the first deep one is
#           refused by the receiver each time it is delivered. A number near 2^53 is changed by one by a relay
#           that changes nothing.
. "$(dirname "$0")/common.inc"

debs libjson-c5=0.16-2 libjson-c-dev=0.16-2 libmsgpackc2=4.0.0-3 libmsgpack-dev=4.0.0-3 \
    libcjson1=1.7.15-1+deb12u4 libcjson-dev=1.7.15-1+deb12u4
build "$tmp/nest" "-I$root/usr/include" "-L$libs" -l:libjson-c.so.5 -l:libmsgpackc.so.2 -l:libcjson.so.1 <<'C'
#include <cjson/cJSON.h>
#include <json-c/json.h>
#include <msgpack.h>
#include <stdio.h>
#include <string.h>

static char json[5000];

/* Each library writes LEVELS arrays within each other, and reads what it wrote. */
static const char *json_c(int levels)
{
    json_object *outer = json_object_new_array(), *inner = outer;

    for (int i = 1; i < levels; i++) {
        json_object *next = json_object_new_array();

        json_object_array_add(inner, next);
        inner = next;
    }
    snprintf(json, sizeof json, "%s", json_object_to_json_string_ext(outer, JSON_C_TO_STRING_PLAIN));
    return json_tokener_parse(json) != NULL ? "reads" : "refuses";
}

static const char *msgpack_c(int levels)
{
    msgpack_sbuffer bytes;
    msgpack_packer packer;
    msgpack_unpacked read;
    size_t offset = 0;

    msgpack_sbuffer_init(&bytes);
    msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
    for (int i = 1; i < levels; i++) {
        msgpack_pack_array(&packer, 1);
    }
    msgpack_pack_array(&packer, 0);
    msgpack_unpacked_init(&read);
    return msgpack_unpack_next(&read, bytes.data, bytes.size, &offset) == MSGPACK_UNPACK_SUCCESS ? "reads"
                                                                                                : "refuses";
}

/* Reads what json_c() has written. */
static const char *cjson(void)
{
    return cJSON_Parse(json) != NULL ? "reads" : "refuses";
}

int main(void)
{
    static const int depths[] = { 32, 33, 1000 };

    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
        const char *first = json_c(depths[i]);

        printf("%d: json-c %s, msgpack-c %s, cJSON %s\n", depths[i], first, msgpack_c(depths[i]), cjson());
    }
    printf("integer: %s\n", cJSON_PrintUnformatted(cJSON_Parse("[9007199254740991]")));
    printf("double: %.0f\n", cJSON_Parse("9007199254740991")->valuedouble);
    printf("id: %d\n", cJSON_GetObjectItem(cJSON_Parse("{\"ID\":1,\"id\":2}"), "id")->valueint);
    return 0;
}
C
timeout 20 "$tmp/nest" | tee "$tmp/out"
said() { grep -qxF "$1" "$tmp/out"; }
expect "32 levels: all read it" said "32: json-c reads, msgpack-c reads, cJSON reads"
expect "33: the two do not" said "33: json-c refuses, msgpack-c refuses, cJSON reads"
expect "1000: the third one does" said "1000: json-c refuses, msgpack-c refuses, cJSON reads"
expect "cJSON reads the integer exactly" said "double: 9007199254740991"
expect "and writes one that is less by one" said "integer: [9.00719925474099e+15]"
expect "capitals do not matter" said "id: 1"
