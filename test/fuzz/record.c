/* SPDX-License-Identifier: MIT */
/*
 * Inputs: taken apart, applied, invented.
 */
#include <string.h>

#include "fuzz.h"

size_t fuzz_parse(const uint8_t *data, size_t size, unsigned *ret_flags,
                  struct fuzz_record ret_records[FUZZ_RECORDS_MAX])
{
    size_t count = 0;

    *ret_flags = size > 0 ? data[0] : 0;
    for (size_t at = 1; at + FUZZ_RECORD_BYTES <= size && count < FUZZ_RECORDS_MAX;
         at += FUZZ_RECORD_BYTES) {
        struct fuzz_record *r = &ret_records[count++];
        *r = (struct fuzz_record){data[at], data[at + 1], data[at + 2], data[at + 3], 0};
        memcpy(&r->value, data + at + 4, sizeof r->value);
    }
    return count;
}

/* ------------------------------------------------------------------------------------ changing */

struct place {
    uint64_t off, bytes;
};

static struct place table(uint64_t off, uint64_t entry_bytes, uint64_t count, unsigned index)
{
    return count == 0 ? (struct place){0, sizeof(struct sb_super)}
                      : (struct place){off + index % count * entry_bytes, entry_bytes};
}

/* Owner and next of a lane, its skip, or the header of a cell. */
static struct place place_in_lanes(const struct sb_channel_geometry *ch, unsigned index)
{
    unsigned what = index % 4u;
    uint64_t lane = ch->ring_off + index / 4u % ch->lanes * sizeof(struct sb_lane);
    uint64_t cell = (uint64_t)index / 2u % ((uint64_t)ch->lanes * ch->depth);

    switch (what) {
    case 0:
        return (struct place){lane, 2 * sizeof(sb_word)};
    case 1:
        return (struct place){lane + offsetof(struct sb_lane, skip), sizeof(sb_word)};
    default:
        return (struct place){ch->cells_off + cell * ch->bytes, sizeof(struct sb_cell)};
    }
}

static struct place place_in_channel(const struct sb_geometry *g, unsigned area, unsigned index)
{
    const struct sb_channel_geometry *ch = &g->channels[index % g->channel_count];
    uint64_t ring_bytes = ch->kind == SHMBUS_KIND_STREAM ? ch->bytes : ch->depth * sizeof(sb_word);

    if (area == FUZZ_RING && ch->lanes > 0) {
        return place_in_lanes(ch, index / g->channel_count);
    }
    if (area == FUZZ_RING) {
        return (struct place){ch->ring_off, ring_bytes};
    }
    return table(ch->endpoint_off, sizeof(struct sb_endpoint), ch->endpoints,
                 index / g->channel_count);
}

static struct place place_in_class(const struct sb_geometry *g, unsigned area, unsigned index)
{
    const struct sb_class_geometry *cls;

    if (g->class_count == 0) {
        return (struct place){0, sizeof(struct sb_super)};
    }
    cls = &g->classes[index % g->class_count];
    index /= g->class_count;
    if (area == FUZZ_BITMAP) {
        return (struct place){cls->bitmap_off, (cls->count + 63) / 64 * sizeof(sb_word)};
    }
    if (area == FUZZ_BLOCK) {
        return (struct place){cls->header_off + index % cls->count * cls->header_stride,
                              sizeof(struct sb_block)};
    }
    return (struct place){cls->payload_off + index % cls->count * cls->payload_stride,
                          cls->size_bytes};
}

static struct place place_of(const struct sb_geometry *g, size_t size, unsigned area,
                             unsigned index)
{
    switch (area % FUZZ_AREAS) {
    case FUZZ_SUPER:
        return (struct place){(index & 1u) * 512u, 512 - (index & 1u) * 256u};
    case FUZZ_PROCESS:
        return table(g->process_off, sizeof(struct sb_proc), g->processes, index);
    case FUZZ_CLASS:
        return table(g->class_off, sizeof(struct sb_class), g->class_count, index);
    case FUZZ_CHANNEL:
        return table(g->channel_off, sizeof(struct sb_channel), g->channel_count, index);
    case FUZZ_REGION:
        return table(g->region_off, sizeof(struct sb_region), g->region_count, index);
    case FUZZ_ENDPOINT:
    case FUZZ_RING:
        return place_in_channel(g, area % FUZZ_AREAS, index);
    case FUZZ_BLOCK:
    case FUZZ_BITMAP:
    case FUZZ_PAYLOAD:
        return place_in_class(g, area % FUZZ_AREAS, index);
    case FUZZ_DATA:
        return (struct place){g->regions[index % g->region_count].data_off, 128};
    default:
        return (struct place){(uint64_t)index * 256u % size, 2048};
    }
}

/* The header of the n-th record that waits in a stream: the words that a receiver believes. */
static uint64_t nth_header(const uint8_t *base, const struct sb_geometry *g, uint32_t index,
                           unsigned n)
{
    const struct sb_channel_geometry *ch = &g->channels[index];
    const struct sb_channel *shared =
        (const struct sb_channel *)(const void *)(base + g->channel_off) + index;
    uint64_t head_bytes = (ch->flags & SB_CHANNEL_TIMESTAMPS) != 0 ? 16 : 8;
    uint64_t mask = (ch->bytes - 1) & ~7ull, at = sb_load_relaxed(&shared->acked) & mask;

    for (; n > 0; n--) {
        uint64_t header =
            sb_load_relaxed((const sb_word *)(const void *)(base + ch->ring_off + at));
        if ((header & 1u) == 0) {
            break; /* the marker */
        }
        at = (header & 2u) != 0 ? 0 : (at + head_bytes + ((header >> 32) + 7u)) & mask;
    }
    return ch->ring_off + at;
}

static uint64_t word_offset(struct place place, size_t size, unsigned word)
{
    uint64_t words = place.bytes / 8 > 0 ? place.bytes / 8 : 1;
    return (place.off + word * 8ull % (words * 8)) % (size & ~7ull);
}

/* A header with one field replaced. */
static uint64_t change_header(uint64_t old, unsigned field, uint64_t value)
{
    uint64_t gen = sb_hdr_gen(old);
    uint32_t deliveries = sb_hdr_deliveries(old), owner = sb_hdr_owner(old);
    enum sb_block_state state = sb_hdr_state(old);

    switch (field & 3u) {
    case 0:
        state = (enum sb_block_state)(value & 15u);
        break;
    case 1:
        owner = (uint32_t)value & 0x3fffu;
        break;
    case 2:
        deliveries = (uint32_t)value & 63u;
        break;
    default:
        gen += value;
        break;
    }
    return sb_hdr_make(gen, deliveries, state, owner);
}

void fuzz_change(uint8_t *base, size_t size, const struct sb_geometry *g,
                 const struct fuzz_record *record)
{
    unsigned area = record->kind / 2u, how = record->how;
    uint64_t off = word_offset(place_of(g, size, area, record->index), size, record->word);
    uint32_t channel = record->index % g->channel_count;
    unsigned shift = (how / 8u) % 8u * 8u;
    sb_word *word;
    uint64_t old, value = record->value;

    if (area % FUZZ_AREAS == FUZZ_RING && g->channels[channel].kind == SHMBUS_KIND_STREAM &&
        (how & 0x80u) == 0) {
        off = nth_header(base, g, channel, record->word % 8u);
    }
    word = (sb_word *)(void *)(base + off);
    old = sb_load_relaxed(word);

    switch (how % 8u) {
    case 1:
        value = old ^ value;
        break;
    case 2:
        value = old + value;
        break;
    case 3:
        value = (old & ~(0xffffffffull << (shift & 32u))) | (value & 0xffffffffull)
                                                                << (shift & 32u);
        break;
    case 4:
        value = (old & ~(0xffull << shift)) | (value & 0xffull) << shift;
        break;
    case 5: /* a word from somewhere else */
        value = sb_load_relaxed((sb_word *)(void *)(base + value % (size & ~7ull) / 8 * 8));
        break;
    case 6:
        value = change_header(old, how / 8u, value);
        break;
    default:
        break;
    }
    sb_store_relaxed(word, value);
}

/* ----------------------------------------------------------------------------------- inventing */

uint64_t fuzz_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dull;
}

static uint64_t invent_value(uint64_t *state)
{
    uint64_t r = fuzz_random(state), s = fuzz_random(state);

    switch (r % 12u) {
    case 0:
        return s % 16u;
    case 1:
        return 1ull << (s & 63u);
    case 2:
        return (1ull << (s & 63u)) - 1u;
    case 3:
        return 0ull - s % 4097u;
    case 4:
        return sb_hdr_make(s % 8u, (uint32_t)(s >> 8) % 5u, (enum sb_block_state)((s >> 16) % 8u),
                           sb_owner_make((uint32_t)(s >> 24) % 5u, (s >> 32) % 3u));
    case 5:
        return sb_slot_make(s % 4u, (s & 0x100u) != 0 ? SB_SLOT_EMPTY : (uint32_t)(s >> 16) % 16u);
    case 6:
        return sb_loc_make((uint32_t)(s >> 32) % 9u, s % 12u);
    case 7:
        return sb_owner64_make((uint32_t)(s >> 32) % 6u, s % 3u);
    case 8: /* a stream record */
        return (s % 4200u) << 32 | ((s >> 32) % 12u) << 16 | (s >> 48 & 3u);
    case 9:
        return (s % 1200u) * 8u;
    case 10:
        return s % 9000u;
    default:
        return s;
    }
}

/* Words that others act upon. */
static uint8_t hot_word(unsigned area, uint64_t r)
{
    static const uint8_t process[] = {0, 16, 17, 18, 32}, region[] = {16, 17, 18, 17, 18};
    static const uint8_t channel[] = {0,  7,  8,  9,  11, 16, 17, 18, 32,
                                      48, 64, 65, 66, 80, 81, 82, 83, 96};

    switch (area) {
    case FUZZ_PROCESS:
        return process[r % sizeof process];
    case FUZZ_CHANNEL:
        return channel[r % sizeof channel];
    case FUZZ_REGION:
        return region[r % sizeof region];
    default:
        return (uint8_t)(r % 12u);
    }
}

void fuzz_invent(uint64_t *state, bool call, uint8_t out[FUZZ_RECORD_BYTES])
{
    static const uint8_t likely[] = {FUZZ_BLOCK,   FUZZ_BLOCK,   FUZZ_RING,    FUZZ_RING,
                                     FUZZ_CHANNEL, FUZZ_CHANNEL, FUZZ_PROCESS, FUZZ_REGION,
                                     FUZZ_CLASS,   FUZZ_SUPER,   FUZZ_ENDPOINT};
    uint64_t r = fuzz_random(state), value = invent_value(state);

    if (call) {
        out[0] = (uint8_t)(r % FUZZ_CALLS * 2u + 1u);
    } else {
        uint64_t area = (r & 7u) != 0 ? likely[(r >> 3) % sizeof likely] : (r >> 3) % FUZZ_AREAS;
        out[0] = (uint8_t)(area * 2u);
    }
    out[1] = (uint8_t)((r >> 8) % 40u);
    out[2] = (uint8_t)((r & 0x30000u) != 0 ? hot_word(out[0] / 2u, r >> 20) : r >> 20);
    out[3] = (uint8_t)((r & 0x30000000u) != 0 ? (r >> 30) : 0);
    memcpy(out + 4, &value, sizeof value);
}

static size_t insert(uint8_t *data, size_t size, size_t max, size_t at,
                     const uint8_t record[FUZZ_RECORD_BYTES])
{
    if (size + FUZZ_RECORD_BYTES > max) {
        return size;
    }
    memmove(data + at + FUZZ_RECORD_BYTES, data + at, size - at);
    memcpy(data + at, record, FUZZ_RECORD_BYTES);
    return size + FUZZ_RECORD_BYTES;
}

size_t fuzz_mutate(uint8_t *data, size_t size, size_t max, uint64_t *state)
{
    uint8_t record[FUZZ_RECORD_BYTES];
    size_t count, at, other;
    uint64_t r = fuzz_random(state);

    if (size == 0) {
        data[0] = (uint8_t)r;
        size = 1;
    }
    count = (size - 1) / FUZZ_RECORD_BYTES;
    size = 1 + count * FUZZ_RECORD_BYTES;
    at = 1 + (r >> 8) % (count + 1) * FUZZ_RECORD_BYTES;
    fuzz_invent(state, (r & 0x30u) == 0, record);
    if (count == 0 || r % 8u < 3) {
        return insert(data, size, max, at, record);
    }
    at = 1 + (r >> 8) % count * FUZZ_RECORD_BYTES;
    other = 1 + (r >> 32) % count * FUZZ_RECORD_BYTES;
    switch (r % 8u) {
    case 3:
        memcpy(data + at, record, FUZZ_RECORD_BYTES);
        break;
    case 4: /* another value in the same place */
        memcpy(data + at + 4, record + 4, FUZZ_RECORD_BYTES - 4);
        break;
    case 5:
        memcpy(record, data + other, FUZZ_RECORD_BYTES);
        return insert(data, size, max, at, record);
    case 6:
        memmove(data + at, data + at + FUZZ_RECORD_BYTES, size - at - FUZZ_RECORD_BYTES);
        return size - FUZZ_RECORD_BYTES;
    default:
        if ((r & 0x40000000u) != 0) {
            data[0] = (uint8_t)(data[0] ^ (1u << ((r >> 48) % FUZZ_FLAGS)));
        } else {
            data[at + (r >> 48) % 4u] = (uint8_t)(r >> 56);
        }
        break;
    }
    return size;
}
