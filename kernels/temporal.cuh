// Dates in the proleptic Gregorian calendar, as days and ticks since 1970-01-01.

struct Civil {
    i64 year;
    u32 month, day;  // from 1
};

DEVICE i64 floor_divide(i64 a, i64 b) {
    i64 q = a / b;
    return q - (a % b != 0 && ((a < 0) != (b < 0)));
}
DEVICE i64 floor_modulo(i64 a, i64 b) { return a - floor_divide(a, b) * b; }

// Eras of 400 years that begin on 1 March, so that the leap day ends a year.
DEVICE Civil civil_from_days(i64 days) {
    i64 z = days + 719468;
    i64 era = floor_divide(z, 146097);
    u32 of_era = (u32)(z - era * 146097);
    u32 year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    u32 of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    u32 march_month = (5 * of_year + 2) / 153;
    u32 day = of_year - (153 * march_month + 2) / 5 + 1;
    u32 month = march_month < 10 ? march_month + 3 : march_month - 9;
    return Civil{(i64)year_of_era + era * 400 + (month <= 2), month, day};
}

DEVICE i64 days_from_civil(i64 year, u32 month, u32 day) {
    i64 y = year - (month <= 2);
    i64 era = floor_divide(y, 400);
    u32 year_of_era = (u32)(y - era * 400);
    u32 of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    u32 of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    return era * 146097 + (i64)of_era - 719468;
}

DEVICE u32 days_in_month(i64 year, u32 month) {
    if (month == 2) return (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)) ? 29 : 28;
    return 30 + ((month + (month > 7)) & 1);
}

// The day is clipped to the month's end: 31 January plus a month is 28 or 29 February.
DEVICE i64 add_months(i64 days, i64 months) {
    Civil c = civil_from_days(days);
    i64 index = c.year * 12 + (c.month - 1) + months;
    i64 year = floor_divide(index, 12);
    u32 month = (u32)floor_modulo(index, 12) + 1;
    u32 last = days_in_month(year, month);
    return days_from_civil(year, month, c.day < last ? c.day : last);
}

DEVICE i64 part_year(i64 days) { return civil_from_days(days).year; }
DEVICE i64 part_month(i64 days) { return civil_from_days(days).month; }
DEVICE i64 part_quarter(i64 days) { return (civil_from_days(days).month + 2) / 3; }
DEVICE i64 part_day(i64 days) { return civil_from_days(days).day; }
DEVICE i64 part_day_of_year(i64 days) { return days - days_from_civil(part_year(days), 1, 1) + 1; }
DEVICE i64 part_day_of_week(i64 days) { return floor_modulo(days + 4, 7); }  // Sunday is 0

// ISO 8601: the week belongs to the year of its Thursday.
DEVICE i64 part_week(i64 days) {
    i64 thursday = days - floor_modulo(days + 3, 7) + 3;
    return (thursday - days_from_civil(part_year(thursday), 1, 1)) / 7 + 1;
}

DEVICE i64 part_iso_year(i64 days) { return part_year(days - floor_modulo(days + 3, 7) + 3); }
DEVICE i64 part_iso_day_of_week(i64 days) { return floor_modulo(days + 3, 7) + 1; }  // Monday is 1

// Answers whether there is such a date, in the years that the CPU's calendar has.
DEVICE bool make_date(i32 year, i32 month, i32 day, i32& days) {
    if (year < -262142 || year > 262141 || month < 1 || month > 12 || day < 1) return false;
    if (day > (i32)days_in_month(year, (u32)month)) return false;
    days = (i32)days_from_civil(year, (u32)month, (u32)day);
    return true;
}

DEVICE i64 trunc_year(i64 days) { return days_from_civil(part_year(days), 1, 1); }
DEVICE i64 trunc_quarter(i64 days) {
    Civil c = civil_from_days(days);
    return days_from_civil(c.year, (c.month - 1) / 3 * 3 + 1, 1);
}
DEVICE i64 trunc_month(i64 days) { return days - part_day(days) + 1; }
DEVICE i64 trunc_week(i64 days) { return days - floor_modulo(days + 3, 7); }  // Monday
