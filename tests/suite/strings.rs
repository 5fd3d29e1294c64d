//! Functions of strings, regular expressions and casts: the device against the CPU, over generated strings.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;

use crate::differential::Pair;
use crate::generated::Rng;

/// Text of every kind: empty, ASCII and not, with what patterns look for; one in some hundred is very long.
fn text(rng: &mut Rng, stems: &[&str], long: bool) -> String {
    let parts = rng.below(6);
    let mut text: String = (0..parts).map(|_| stems[rng.below(stems.len() as u64) as usize]).collect();
    if long && rng.below(300) == 0 {
        text.push_str(&text.clone().repeat(100_000 / text.len().max(1)));
    }
    text
}

const STEMS: [&str; 26] = [
    "", "a", "b", "ab", "abc", "foo", "bar", " ", "  ", "http://", "https://", "www.", "x.y/", "/", "é",
    "Ünï", "日本", "ß", "Σas", "\n", "12", "7", ".", ",", "A", "Zz",
];

fn table(seed: u64, rows: usize, long: bool) -> Vec<RecordBatch> {
    let mut rng = Rng(seed);
    let fields = [
        ("s", DataType::Utf8),
        ("v", DataType::Utf8View),
        ("l", DataType::LargeUtf8),
        ("d", DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))),
        ("ascii", DataType::Utf8),
    ];
    let mut schema = vec![Field::new("n", DataType::Int64, false), Field::new("k", DataType::Int64, true)];
    schema.extend(fields.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)));
    let schema = Arc::new(Schema::new(schema));
    let ascii: Vec<&str> = STEMS.into_iter().filter(|stem| stem.is_ascii()).collect();
    [rows / 2, rows - rows / 2]
        .into_iter()
        .map(|rows| {
            let n: Int64Array = (0..rows).map(|row| Some(row as i64 % 23 - 11)).collect();
            let k: Int64Array =
                (0..rows).map(|_| (rng.below(9) > 0).then(|| rng.below(7) as i64 - 3)).collect();
            let mut columns: Vec<ArrayRef> = vec![Arc::new(n), Arc::new(k)];
            for (name, data_type) in &fields {
                let stems = if *name == "ascii" { &ascii[..] } else { &STEMS[..] };
                let array: StringArray =
                    (0..rows).map(|_| (rng.below(8) > 0).then(|| text(&mut rng, stems, long))).collect();
                columns.push(cast(&array, data_type).expect("a string is a string"));
            }
            RecordBatch::try_new(schema.clone(), columns).expect("columns fit the schema")
        })
        .collect()
}

fn pairs() -> Vec<Pair> {
    [(61, 600, false), (62, 400, true)]
        .map(|(seed, rows, lazy)| {
            Pair::over(
                &table(seed, rows, true),
                lazy,
                format!("strings, seed {seed}, {rows} rows, lazy {lazy}"),
            )
        })
        .into()
}

fn check_each(expressions: &[&str]) {
    let expressions: Vec<String> = expressions.iter().map(|text| text.to_string()).collect();
    for pair in pairs() {
        pair.expressions(&expressions, 0.0);
    }
}

#[test]
fn like_by_every_kind_of_pattern() {
    let mut rng = Rng(63);
    let mut expressions = vec![];
    for _ in 0..30 {
        let pieces = ["%", "%", "_", "a", "ab", "foo", "/", "é", "日", "\\%", "b", "."];
        let pattern: String = (0..1 + rng.below(6)).map(|_| pieces[rng.below(12) as usize]).collect();
        let (column, not) =
            (["s", "v", "d", "l"][rng.below(4) as usize], ["", "NOT "][rng.below(2) as usize]);
        let like = ["LIKE", "LIKE", "ILIKE"][rng.below(3) as usize];
        expressions.push(format!("{column} {not}{like} '{pattern}'"));
    }
    for pair in pairs() {
        pair.expressions(&expressions, 0.0);
    }
}

#[test]
fn comparisons_by_words() {
    check_each(&[
        "s = v",
        "s < v",
        "upper(ascii) >= lower(ascii)",
        "substr(s, 2) = substr(v, 2)",
        "s || 'x' > v",
        "contains(s, v)",
        "starts_with(s, substr(s, 1, 3))",
        "ends_with(s, right(s, 2))",
        "nullif(substr(v, 3), substr(s, 3))",
        "character_length(v) + octet_length(s)",
        "substr(v, n)",
        "substr(v, 3, abs(n))",
    ]);
}

#[test]
fn new_text() {
    check_each(&[
        "s || v",
        "s || '-' || d",
        "concat(s, v, 'x')",
        "concat(s, NULL, l)",
        "concat_ws(', ', s, v, ascii)",
        "concat_ws(s, v, ascii)",
        "replace(s, 'a', '')",
        "replace(v, 'ab', 'é-é')",
        "replace(s, '', 'x')",
        "replace(s, v, ascii)",
        "reverse(v)",
        "repeat(ascii, n)",
        "lpad(s, 12)",
        "lpad(v, 7, 'é!')",
        "rpad(s, 5, 'xy')",
        "rpad(v, 20, '')",
        "lpad(v, abs(n), s)",
        "initcap(ascii)",
        "translate(s, 'aé日/', 'xy')",
        "translate(v, 'ab', 'Ünï')",
        "chr(n + 900)",
        "upper(CASE WHEN n > 3 THEN ascii ELSE 'éàß' || v END)",
        "lower(replace(s, 'Σ', 'é'))",
        "upper(v)",
    ]);
}

#[test]
fn slices() {
    check_each(&[
        "trim(s)",
        "btrim(v, 'abé ')",
        "ltrim(s, '日ab')",
        "rtrim(v, ' .')",
        "ltrim(v)",
        "rtrim(s || '  ')",
        "left(s, 3)",
        "left(v, n)",
        "right(s, 2)",
        "right(v, n)",
        "split_part(s, '/', 2)",
        "split_part(v, 'a', -1)",
        "split_part(s, 'oo', 1)",
        "split_part(s, '', 1)",
        "split_part(s, v, CASE WHEN n = 0 THEN 1 ELSE n END)",
        "substr_index(s, '.', 1)",
        "substr_index(v, 'a', n)",
        "strpos(s, 'b')",
        "position('日' IN v)",
        "strpos(s, ascii)",
        "ascii(v)",
        "ascii(s)",
    ]);
}

#[test]
fn regular_expressions() {
    check_each(&[
        "s ~ '^https?://'",
        "v ~ 'a+b'",
        "s !~ '[0-9]+'",
        "v ~* 'FOO|BAR'",
        "s !~* 'ÜNÏ'",
        "regexp_like(s, '^.b.?$')",
        "regexp_like(v, 'É', 'i')",
        "regexp_like(l, '^a.*b$', 's')",
        "d ~ '(foo|bar){2}'",
        "s ~ '\\w\\s\\w'",
        "v ~ '^$'",
        "s ~ '^[^/]*/[^/]*$'",
        "v SIMILAR TO '%(a|b)%'",
        "ascii ~ '\\bfoo\\b'",
        "s ~ 'a' AND s !~ 'b'",
        "regexp_match(s, 'fo+') IS NOT NULL",
        "regexp_match(v, '[[:upper:]]') IS NULL",
    ]);
}

#[test]
fn regular_expressions_replace() {
    check_each(&[
        r"regexp_replace(s, '^https?://(?:www\.)?([^/]+)/.*$', '\1')",
        r"regexp_replace(v, '(a|b)+', '<\0>')",
        r"regexp_replace(v, '(a)(b)?', '\2\1', 'g')",
        r"regexp_replace(s, '', '-')",
        r"regexp_replace(s, '', '-', 'g')",
        r"regexp_replace(s, 'x*', '.', 'g')",
        r"regexp_replace(v, 'É', 'e', 'gi')",
        r"regexp_replace(l, '[^a-z]+', ' ', 'g')",
        r"regexp_replace(s, '(?P<first>.)(.*)', '$2${first}$1x')",
        r"regexp_replace(s, 'a(?:b|bc)c?', 'Q', 'g')",
        r"regexp_replace(s, '(.*)/(.*)', '\2|\1')",
        r"regexp_replace(s, '(.*?)/(.*?)', '\2|\1')",
    ]);
}

#[test]
fn generated_regular_expressions() {
    let mut rng = Rng(64);
    let atoms = [
        "a", "b", "foo", ".", "[a-f]", "[^/]", "é", "\\d", "\\w", "\\s", "(a|bc)", "(?:x|y)", "(f?)", "日",
        "/",
    ];
    let counts = ["", "", "", "*", "+", "?", "*?", "+?", "{2}", "{1,3}"];
    let mut expressions = vec![];
    for index in 0..40 {
        let mut pattern = String::new();
        if rng.below(4) == 0 {
            pattern.push('^');
        }
        for _ in 0..1 + rng.below(4) {
            let atom = atoms[rng.below(15) as usize];
            // Classes of Unicode have many states backwards: those are left to the CPU where groups are looked for.
            let atom = if index % 3 > 0 { atom.replace('\\', "") } else { atom.to_string() };
            let atom = atom.as_str();
            let count = counts[rng.below(10) as usize];
            // A repetition of what may be empty is left to the CPU.
            let count = if atom == "(f?)" { "" } else { count };
            let atom = if atom == "foo" && !count.is_empty() { "(foo)" } else { atom };
            pattern.push_str(&format!("{atom}{count}"));
        }
        if rng.below(4) == 0 {
            pattern.push('$');
        }
        let column = ["s", "v", "ascii"][rng.below(3) as usize];
        expressions.push(match index % 3 {
            0 => format!("{column} ~ '{pattern}'"),
            1 => format!("regexp_replace({column}, '({pattern})', '[\\1]')"),
            _ => format!("regexp_replace({column}, '{pattern}', '<\\0>', 'g')"),
        });
    }
    for pair in pairs() {
        pair.expressions(&expressions, 0.0);
    }
}

#[test]
fn new_text_in_filters_groups_and_aggregates() {
    for pair in pairs() {
        for sql in [
            "SELECT n, s FROM t WHERE s || v LIKE '%ab%' AND reverse(ascii) < 'b'",
            "SELECT n, s || v, v FROM t WHERE replace(s, 'a', 'aaaa') > 'aa'",
            "SELECT s || '/' || k, count(*), min(n) FROM t GROUP BY s || '/' || k",
            "SELECT k, min(v || 'é'), max(reverse(s)), count(*) FROM t GROUP BY k",
            "SELECT min(concat(s, v)), max(concat(s, v)) FROM t",
            "SELECT repeat(ascii, 40) AS r, count(*) FROM t GROUP BY r",
            "SELECT k, avg(length(replace(s, 'a', 'bb'))) FROM t WHERE lpad(s, 3) <> 'abc' GROUP BY k",
            r"SELECT regexp_replace(s, '^https?://(?:www\.)?([^/]+)/.*$', '\1') AS h, avg(length(s)), count(*), min(s) FROM t WHERE s <> '' GROUP BY h",
            "SELECT upper(v), count(*) FROM t WHERE v NOT LIKE '%Σ%' GROUP BY upper(v)",
        ] {
            pair.check(sql, 1e-12);
        }
    }
}

#[test]
fn predicates_on_dictionaries() {
    for pair in pairs() {
        for filter in [
            "d LIKE '%ab%'",
            "d LIKE 'a_%' AND s <> ''",
            "d NOT LIKE '%foo%bar%' OR d = 'ab'",
            "d IN ('a', 'foo', '')",
            "d NOT IN ('a', 'b')",
            "d >= 'b' AND d < 'http'",
            "NOT (d ~ '^[a-z]+$')",
            "starts_with(d, 'www')",
        ] {
            pair.check(&format!("SELECT n, d, s FROM t WHERE {filter}"), 0.0);
            pair.check(
                &format!("SELECT d, count(*), count(CASE WHEN {filter} THEN n END) FROM t GROUP BY d"),
                0.0,
            );
        }
        // Matches of both sides of a join, by keys that are new text.
        pair.check(
            "SELECT count(*), min(a.n), max(b.s) FROM t a JOIN t b ON a.ascii || 'x' = concat(b.ascii, 'x') \
             WHERE a.d LIKE '%a%' AND b.d <> 'foo'",
            0.0,
        );
        pair.check(
            "SELECT a.n FROM t a LEFT JOIN t b ON repeat(a.ascii, 50) = repeat(b.ascii, 50) AND b.d LIKE '%b%' \
             WHERE b.n IS NULL ORDER BY a.n",
            0.0,
        );
    }
}

#[test]
fn text_of_any_amount_finds_room() {
    // Far more than the strings that are read: the first heap is too small, and so may be the second, because what
    // finds no room is empty, and what is made of that is too.
    let pair = Pair::over(&table(65, 500, false), true, "much text".into());
    pair.check("SELECT n, repeat('0123456789', 300 + n) FROM t", 0.0);
    pair.check(
        "SELECT n, octet_length(repeat(replace(repeat(ascii, 30), 'a', ascii || 'xyz'), 20)) FROM t",
        0.0,
    );
    pair.check("SELECT k, max(repeat(ascii, 500)), count(*) FROM t GROUP BY k", 0.0);
    pair.check("SELECT repeat(ascii, 300) AS r, count(*) FROM t GROUP BY r", 0.0);
    pair.check("SELECT n FROM t WHERE repeat(ascii, 400) LIKE '%foo%bar%foo%'", 0.0);
    pair.check("SELECT k, avg(length(repeat(ascii, 700))) FROM t GROUP BY k", 1e-12);
}

#[test]
fn failures_of_strings_name_the_expression() {
    let pair = Pair::over(&table(66, 100, false), false, "failures".into());
    for (sql, part) in [
        ("SELECT split_part(s, ',', n - n) FROM t", "splitpart"),
        ("SELECT chr(n * 1000000) FROM t", "chr"),
        ("SELECT substr(s, 1, -2 - abs(n)) FROM t", "substring"),
    ] {
        let error = pair.error(sql);
        assert!(error.contains("range") && error.contains(part), "{sql}: {error}");
    }
    let error = pair.error(r"SELECT s ~ '[a-q][^u-z]{13}x' FROM t");
    assert!(error.contains("regular expression") && error.contains("states"), "{error}");
}

/// Text that is a number, a date or a word for true and false, or nearly.
fn written(rng: &mut Rng) -> String {
    let digits = |rng: &mut Rng, most: u64| -> String {
        (0..1 + rng.below(most)).map(|_| (b'0' + rng.below(10) as u8) as char).collect()
    };
    let pick = |rng: &mut Rng, list: &[&str]| list[rng.below(list.len() as u64) as usize].to_string();
    let sign = pick(rng, &["", "", "-", "+"]);
    let date = |rng: &mut Rng| {
        format!("{}-{:02}-{:02}", 1600 + rng.below(800), 1 + rng.below(13), 1 + rng.below(31))
    };
    let text = match rng.below(9) {
        0 => sign + &digits(rng, 3),
        1 => sign + &digits(rng, 21),
        2 => sign + &digits(rng, 6) + "." + &digits(rng, 7),
        3 => pick(rng, &["true", "YES", "f", "n", "off", "on", "1", "tru", "x", "", " no "]),
        4 => date(rng),
        5 => format!(
            "{}{}{:02}:{:02}:{:02}",
            date(rng),
            pick(rng, &[" ", "T"]),
            rng.below(25),
            rng.below(60),
            rng.below(60)
        ),
        6 => format!("{} 01:02:03.{}{}", date(rng), digits(rng, 9), pick(rng, &["", "Z"])),
        7 => pick(
            rng,
            &["2024-1-3", "2024-02-30", "20240229", "1999-12-1", "9999-12-31", "12-1-1", "0000-01-01", "."],
        ),
        _ => sign + &digits(rng, 9) + &pick(rng, &["", " ", "a", "."]),
    };
    if rng.below(6) == 0 { format!(" {text}\t") } else { text }
}

#[test]
fn casts_from_text() {
    for (seed, lazy) in [(71, false), (72, true)] {
        let mut rng = Rng(seed);
        let array: StringArray = (0..3_000).map(|_| (rng.below(9) > 0).then(|| written(&mut rng))).collect();
        let view = cast(&array, &DataType::Utf8View).expect("text is text");
        let schema = Schema::new(vec![
            Field::new("s", DataType::Utf8, true),
            Field::new("v", DataType::Utf8View, true),
        ]);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(array), view]).expect("it fits");
        let pair = Pair::over(&[batch], lazy, format!("written, seed {seed}, lazy {lazy}"));
        let mut expressions: Vec<String> = vec![];
        for to in
            ["TINYINT", "SMALLINT", "INT", "BIGINT", "INT UNSIGNED", "BIGINT UNSIGNED", "BOOLEAN", "DATE"]
        {
            expressions.push(format!("TRY_CAST(s AS {to})"));
        }
        for unit in ["Second", "Millisecond", "Microsecond"] {
            expressions.push(format!("arrow_try_cast(v, 'Timestamp({unit}, None)')"));
        }
        expressions.push("TRY_CAST(v AS TIMESTAMP)".into());
        // Other shapes are the CPU's.
        let shape = "CASE WHEN v ~ '^ ?[-+]?[0-9]{1,9}([.][0-9]*)?\\s*$' THEN v END";
        for to in ["DECIMAL(9, 2)", "DECIMAL(18, 4)", "DECIMAL(38, 10)", "DECIMAL(5, 0)"] {
            expressions.push(format!("TRY_CAST({shape} AS {to})"));
        }
        let simple = "CASE WHEN s ~ '^-?[0-9]{1,6}([.][0-9]{1,2})?$' THEN s END";
        expressions.push(format!("CAST({simple} AS DOUBLE)"));
        expressions
            .push("TRY_CAST(CASE WHEN s !~ '[.e]' AND s ~ '^-?[0-9]{1,7}$' THEN s END AS REAL)".to_string());
        pair.expressions(&expressions, 0.0);
        let error = pair.error("SELECT CAST(s AS INT) FROM t");
        assert!(error.contains("range") && error.contains("CAST(s AS Int32)"), "{error}");
    }
}

#[test]
fn casts_to_text() {
    let mut expressions = vec![];
    for name in [
        "bool", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "d5", "d15", "d18", "d25", "d38",
        "date", "ts_s", "ts_ms", "ts_us", "ts_ns",
    ] {
        expressions.push(format!("CAST({name}_a AS VARCHAR)"));
    }
    expressions.push("i32_a || '/' || date_a".into());
    expressions.push("arrow_cast(i64_a, 'Utf8View')".into());
    expressions.push("CAST(CAST(i64_a AS VARCHAR) AS BIGINT) = i64_a".into());
    expressions.push("CAST(CAST(ts_us_a AS VARCHAR) AS TIMESTAMP) IS NOT NULL".into());
    for (seed, lazy) in [(73, false), (74, true)] {
        let pair = Pair::new(seed, 700, crate::generated::Nulls::Some, lazy);
        pair.expressions(&expressions, 0.0);
        pair.check(
            "SELECT CAST(i8_a AS VARCHAR) AS x, count(*), max(CAST(d5_a AS VARCHAR)) FROM t GROUP BY x",
            0.0,
        );
    }
}
