// Text to numbers, dates and times, and back, as Arrow's cast kernel reads and writes them.

// What reading came to: what is surely no value, a value, and what only the CPU knows to read.
#define READ_FAILED 0
#define READ_DONE 1
#define READ_ON_HOST 2

DEVICE bool is_digit(u8 c) { return c >= '0' && c <= '9'; }
DEVICE bool is_space(u8 c) { return c == ' ' || (c >= 9 && c <= 13 && c != 11); }

static __device__ __noinline__ Str trim_spaces(const Str& s) {
    u32 from = 0, to = s.length;
    while (from < to && is_space(s.data[from])) from++;
    while (to > from && is_space(s.data[to - 1])) to--;
    return slice(s, from, to);
}

// Signed digits, spaces around them.
static __device__ __noinline__ u32 read_integer(const Str& text, i128 low, i128 high, i128& out) {
    Str s = trim_spaces(text);
    u32 i = s.length && (s.data[0] == '-' || s.data[0] == '+');
    bool negative = i && s.data[0] == '-';
    if (i == s.length) return READ_FAILED;
    i128 value = 0;
    for (; i < s.length; i++) {
        if (!is_digit(s.data[i])) return READ_FAILED;
        value = value * 10 + (s.data[i] - '0');
        if (value > (i128)1 << 65) value = (i128)1 << 65;
    }
    out = negative ? -value : value;
    return out >= low && out <= high ? READ_DONE : READ_FAILED;
}

// Signed digits with a point, half away from zero where there are more than `scale` behind it. The limit is ten to the
// precision, and comes with its tenth.
static __device__ __noinline__ u32 read_decimal(const Str& text, u32 scale, i128 limit, i128 tenth, i128& out) {
    if (!is_ascii(text)) return READ_ON_HOST;
    Str s = trim_spaces(text);
    u32 i = s.length && (s.data[0] == '-' || s.data[0] == '+');
    bool negative = i && s.data[0] == '-', point = false, any = false, cut = false, up = false;
    u32 digits = 0, behind = 0;
    i128 value = 0;
    for (; i < s.length; i++) {
        u8 c = s.data[i];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        // Exponents and other shapes have rules of their own.
        if (!is_digit(c)) return READ_ON_HOST;
        any = true;
        if (point && behind == scale) {
            if (!cut) up = c >= '5';
            cut = true;
            continue;
        }
        digits += value != 0 || c != '0';
        if (digits > 38) return READ_ON_HOST;
        value = value * 10 + (c - '0');
        behind += point;
    }
    if (!any) return READ_ON_HOST;
    for (; behind < scale; behind++) {
        if (value >= tenth) return READ_FAILED;
        value *= 10;
    }
    if (up) value++;
    out = negative ? -value : value;
    return value < limit ? READ_DONE : READ_FAILED;
}

// Digits with a point where the nearest float follows from one exact operation; the rest is for the CPU.
static __device__ __noinline__ u32 read_float(const Str& text, bool is_double, f64& out) {
    Str s = trim_spaces(text);
    u32 i = s.length && s.data[0] == '-';
    bool point = false;
    u64 value = 0;
    u32 behind = 0, digits = 0;
    for (; i < s.length; i++) {
        u8 c = s.data[i], lower = c | 0x20;
        if (c == '.' && !point && digits && i + 1 < s.length) {
            point = true;
            continue;
        }
        if (!is_digit(c)) {
            // Words for infinity and NaN, exponents, signs and points: what they make valid is not decided here.
            bool perhaps = digits ? lower == 'e' || c == '.' : lower == 'i' || lower == 'n' || c == '.' || c == '+';
            return perhaps ? READ_ON_HOST : READ_FAILED;
        }
        if (digits == 18) return READ_ON_HOST;
        value = value * 10 + (c - '0');
        digits++;
        behind += point;
    }
    if (digits == 0) return READ_FAILED;
    if (value > (is_double ? 1ull << 53 : 1ull << 24) || behind > (is_double ? 18 : 10)) return READ_ON_HOST;
    f64 power = 1;
    for (u32 k = 0; k < behind; k++) power *= 10;
    f64 magnitude = is_double ? (f64)value / power : (f64)((f32)value / (f32)power);
    out = s.data[0] == '-' ? -magnitude : magnitude;
    return READ_DONE;
}

// Any beginning of true, yes, false, no, or on, off, 1, 0; in any case.
static __device__ __noinline__ u32 read_bool(const Str& text, bool& out) {
    if (!is_ascii(text)) return READ_ON_HOST;
    u32 from = 0, to = text.length;
    while (from < to && (is_space(text.data[from]) || text.data[from] == 11)) from++;
    while (to > from && (is_space(text.data[to - 1]) || text.data[to - 1] == 11)) to--;
    if (from == to || to - from > 5) return READ_FAILED;
    Str s = Str{text.data + from, to - from, 2};
    u64 word = word_at(s, 0);
    u64 below = (1ull << (8 * s.length)) - 1;
    out = true;
    if (word == '1' || word == ('o' | 'n' << 8)) return READ_DONE;
    if (s.length <= 4 && word == (0x65757274ull & below)) return READ_DONE;  // true
    if (s.length <= 3 && word == (0x736579ull & below)) return READ_DONE;    // yes
    out = false;
    if (word == '0' || word == ('o' | 'f' << 8) || word == 0x66666full) return READ_DONE;
    if (word == (0x65736c6166ull & below)) return READ_DONE;                 // false
    if (s.length <= 2 && word == (0x6f6eull & below)) return READ_DONE;      // no
    return READ_FAILED;
}

// `count` digits at `at`, or -1.
DEVICE i32 digits_at(const Str& s, u32 at, u32 count) {
    i32 value = 0;
    for (u32 i = at; i < at + count; i++) {
        if (i >= s.length || !is_digit(s.data[i])) return -1;
        value = value * 10 + (s.data[i] - '0');
    }
    return value;
}
DEVICE bool has_at(const Str& s, u32 at, u8 c) { return at < s.length && s.data[at] == c; }
static __device__ __noinline__ bool days_of_date(i32 year, i32 month, i32 day, i64& days) {
    if (year < 0 || month < 1 || month > 12 || day < 1 || day > (i32)days_in_month(year, month)) return false;
    days = days_from_civil(year, (u32)month, (u32)day);
    return true;
}

// 2024-01-31, then perhaps T or a space, 12:34:56 or 123456, a fraction after the former, and Z.
static __device__ __noinline__ u32 read_time(const Str& s, i64& days, i64& nanoseconds) {
    nanoseconds = 0;
    if (s.length < 10 || !has_at(s, 4, '-') || !has_at(s, 7, '-')) return READ_FAILED;
    if (!days_of_date(digits_at(s, 0, 4), digits_at(s, 5, 2), digits_at(s, 8, 2), days)) return READ_FAILED;
    if (s.length == 10) return READ_DONE;
    if (!has_at(s, 10, 'T') && !has_at(s, 10, 't') && !has_at(s, 10, ' ')) return READ_FAILED;
    i32 hour = digits_at(s, 11, 2), minute, second;
    u32 end;
    i64 fraction = 0;
    if (has_at(s, 13, ':') && has_at(s, 16, ':')) {
        minute = digits_at(s, 14, 2);
        second = digits_at(s, 17, 2);
        end = 19;
        if (has_at(s, 19, '.')) {
            i64 unit = 100000000;
            for (end = 20; end < s.length && is_digit(s.data[end]); end++, unit /= 10) fraction += unit * (s.data[end] - '0');
            if (end == 20) return READ_FAILED;
        }
    } else {
        minute = digits_at(s, 13, 2);
        second = digits_at(s, 15, 2);
        end = 17;
    }
    if (hour < 0 || minute < 0 || second < 0 || hour > 23 || minute > 59 || second > 60) return READ_FAILED;
    if (second == 60) return READ_ON_HOST;
    if (end < s.length && !(end + 1 == s.length && (s.data[end] == 'z' || s.data[end] == 'Z'))) return READ_ON_HOST;
    nanoseconds = (i64)(hour * 3600 + minute * 60 + second) * 1000000000ll + fraction;
    return READ_DONE;
}

// 2024-01-31, 2024-1-3, 20240131, or a time, of which the date is kept. Years with a sign are for the CPU.
static __device__ __noinline__ u32 read_date(const Str& s, i64& days) {
    i64 nanoseconds;
    if (s.length && (s.data[0] == '+' || s.data[0] == '-')) {
        u32 end = 1;
        while (end < s.length && is_digit(s.data[end])) end++;
        return end >= 5 && has_at(s, end, '-') ? READ_ON_HOST : READ_FAILED;
    }
    if (s.length > 10) return read_time(s, days, nanoseconds);
    i32 year = digits_at(s, 0, 4);
    if (!has_at(s, 4, '-')) {
        if (s.length != 8) return READ_FAILED;
        return days_of_date(year, digits_at(s, 4, 2), digits_at(s, 6, 2), days) ? READ_DONE : READ_FAILED;
    }
    u32 of_month = has_at(s, 6, '-') ? 1 : 2, day = 6 + of_month;
    if (!has_at(s, day - 1, '-') || s.length < day + 1 || s.length > day + 2) return READ_FAILED;
    i32 of_day = digits_at(s, day, s.length - day);
    return days_of_date(year, digits_at(s, 5, of_month), of_day, days) ? READ_DONE : READ_FAILED;
}

// Days and nanoseconds as ticks; false where they do not fit.
DEVICE bool ticks_of(i64 days, i64 nanoseconds, i64 per_day, i64& out) {
    i128 ticks = (i128)days * per_day + nanoseconds / (86400000000000ll / per_day);
    out = (i64)ticks;
    return (i128)out == ticks;
}

// Writes a number's digits so that the last lies before `end`; returns where they begin.
static __device__ __noinline__ u32 put_digits(u8* to, u32 end, u128 value, u32 digits_min) {
    u32 at = end;
    while (value >> 64) {
        to[--at] = (u8)('0' + (u32)(value % 10));
        value /= 10;
    }
    for (u64 rest = (u64)value; rest; rest /= 10) to[--at] = (u8)('0' + rest % 10);
    while (end - at < digits_min) to[--at] = '0';
    return at;
}

#define CONVERTED_MAX 48
static __device__ __noinline__ Str keep_converted(Heap heap, const u8* from, u32 begin, u32 end) {
    u8* to = new_text(heap, end - begin);
    if (to == 0) return nothing();
    for (u32 i = begin; i < end; i++) to[i - begin] = from[i];
    return Str{to, end - begin, 0};
}

DEVICE u128 unsigned_of(i128 v) { return v < 0 ? (u128)0 - (u128)v : (u128)v; }

// A decimal of `scale` digits behind the point; an integer has none.
static __device__ __noinline__ Str text_of_decimal(Heap heap, i128 value, u32 scale) {
    u8 buffer[CONVERTED_MAX];
    u32 at = put_digits(buffer, CONVERTED_MAX, unsigned_of(value), scale + 1);
    if (scale) {
        at--;
        for (u32 i = at; i + 1 + scale < CONVERTED_MAX; i++) buffer[i] = buffer[i + 1];
        buffer[CONVERTED_MAX - scale - 1] = '.';
    }
    if (value < 0) buffer[--at] = '-';
    return keep_converted(heap, buffer, at, CONVERTED_MAX);
}

// Years from 0 to 9999 have four digits, others a sign and four at least.
static __device__ __noinline__ u32 put_date(u8* to, u32 end, i64 days) {
    Civil c = civil_from_days(days);
    u32 at = put_digits(to, end, c.day, 2);
    to[--at] = '-';
    at = put_digits(to, at, c.month, 2);
    to[--at] = '-';
    at = put_digits(to, at, unsigned_of(c.year), 4);
    if (c.year < 0) to[--at] = '-';
    if (c.year > 9999) to[--at] = '+';
    return at;
}
// The dates that the CPU's calendar knows: years -262143 to 262142.
DEVICE bool is_printable_date(i64 days) { return days >= -96465292 && days <= 95026236; }
static __device__ __noinline__ Str text_of_date(Heap heap, i64 days) {
    u8 buffer[CONVERTED_MAX];
    u32 at = put_date(buffer, CONVERTED_MAX, days);
    return keep_converted(heap, buffer, at, CONVERTED_MAX);
}

// A fraction has three, six or nine digits, as it needs.
static __device__ __noinline__ Str text_of_time(Heap heap, i64 days, i64 ticks, i64 per_day) {
    u8 buffer[CONVERTED_MAX];
    u64 per_second = (u64)per_day / 86400, seconds = (u64)ticks / per_second;
    u32 nanoseconds = (u32)((u64)ticks % per_second * (1000000000 / per_second));
    u32 at = CONVERTED_MAX;
    if (nanoseconds) {
        u32 digits = nanoseconds % 1000 ? 9 : nanoseconds % 1000000 ? 6 : 3;
        for (u32 k = digits; k < 9; k++) nanoseconds /= 10;
        at = put_digits(buffer, at, nanoseconds, digits);
        buffer[--at] = '.';
    }
    at = put_digits(buffer, at, seconds % 60, 2);
    buffer[--at] = ':';
    at = put_digits(buffer, at, seconds / 60 % 60, 2);
    buffer[--at] = ':';
    at = put_digits(buffer, at, seconds / 3600, 2);
    buffer[--at] = 'T';
    at = put_date(buffer, at, days);
    return keep_converted(heap, buffer, at, CONVERTED_MAX);
}

DEVICE Str text_of_bool(bool value, const u8* words) { return value ? Str{words, 4, 0} : Str{words + 4, 5, 0}; }
