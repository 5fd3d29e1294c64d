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
        "lpad(v, n, s)",
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
