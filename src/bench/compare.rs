//! Compares a result with its reference: exactly, but for numbers that one side computed in floating point.

use super::answer::{Answer, AnswerColumn, Precision};
use super::digest::close;

/// Says where `actual` differs from `expected`; `Ok` where it does not.
///
/// `partial_order` names the columns that alone are ordered; rows are then compared as a multiset, and the ordered
/// columns position by position. The columns' names do not count, their number does.
pub fn compare(expected: &Answer, actual: &Answer, partial_order: Option<&[usize]>) -> Result<(), String> {
    let Some(ordered) = partial_order else {
        compare_shape(expected, actual)?;
        return compare_rows(expected, actual, 0..expected.columns.len());
    };
    compare_columns(expected, actual, ordered)?;
    compare_rows(&sorted(expected), &sorted(actual), 0..expected.columns.len())
}

/// Compares some columns position by position, and of the others only that they are there.
pub fn compare_columns(expected: &Answer, actual: &Answer, columns: &[usize]) -> Result<(), String> {
    compare_shape(expected, actual)?;
    compare_rows(expected, actual, columns.iter().copied())
}

fn compare_shape(expected: &Answer, actual: &Answer) -> Result<(), String> {
    if expected.columns.len() != actual.columns.len() {
        return Err(format!("{} columns, expected {}", actual.columns.len(), expected.columns.len()));
    }
    if expected.rows.len() != actual.rows.len() {
        return Err(format!("{} rows, expected {}", actual.rows.len(), expected.rows.len()));
    }
    Ok(())
}

fn compare_rows(
    expected: &Answer,
    actual: &Answer,
    columns: impl Iterator<Item = usize> + Clone,
) -> Result<(), String> {
    for (row, (expected_row, actual_row)) in expected.rows.iter().zip(&actual.rows).enumerate() {
        for column in columns.clone() {
            let (kept, found) = (&expected_row[column], &actual_row[column]);
            let (kept_column, found_column) = (&expected.columns[column], &actual.columns[column]);
            let equal = match (kept, found) {
                (None, None) => true,
                (Some(kept), Some(found)) => equal(kept, kept_column, found, found_column),
                _ => false,
            };
            if !equal {
                let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_string());
                return Err(format!(
                    "row {}, column '{}': {}, expected {}",
                    row + 1,
                    found_column.name,
                    shown(found),
                    shown(kept)
                ));
            }
        }
    }
    Ok(())
}

fn equal(expected: &str, expected_column: &AnswerColumn, actual: &str, actual_column: &AnswerColumn) -> bool {
    match (expected_column.precision, actual_column.precision) {
        (Precision::Float, other) | (other, Precision::Float) => {
            let (Ok(expected), Ok(actual)) = (expected.parse::<f64>(), actual.parse::<f64>()) else {
                return expected == actual;
            };
            // A quotient kept as a decimal is cut after its last digit.
            let last_digit = match other {
                Precision::Decimal(scale) => 10f64.powi(-i32::from(scale)),
                _ => 0.0,
            };
            let difference = (expected - actual).abs();
            difference <= last_digit || close(expected, actual)
        }
        _ => plain(expected, expected_column) == plain(actual, actual_column),
    }
}

/// A decimal without the zeros at its end; anything else as it is.
fn plain<'a>(text: &'a str, column: &AnswerColumn) -> &'a str {
    match column.precision {
        Precision::Decimal(_) if text.contains('.') => text.trim_end_matches('0').trim_end_matches('.'),
        _ => text,
    }
}

/// The rows in the order of their text. Numbers that two sides may compute differently in the last digit count last.
fn sorted(answer: &Answer) -> Answer {
    let mut sorted = answer.clone();
    let (inexact, exact): (Vec<usize>, Vec<usize>) =
        (0..answer.columns.len()).partition(|column| answer.columns[*column].precision == Precision::Float);
    let order: Vec<usize> = exact.into_iter().chain(inexact).collect();
    sorted.rows.sort_by_cached_key(|row| {
        let cells = order.iter().map(|column| (&row[*column], &answer.columns[*column]));
        cells
            .map(|(cell, column)| cell.as_deref().map(|text| plain(text, column).to_string()))
            .collect::<Vec<_>>()
    });
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(precisions: &[Precision], rows: &[&[&str]]) -> Answer {
        let columns = precisions
            .iter()
            .enumerate()
            .map(|(index, precision)| AnswerColumn { name: format!("c{index}"), precision: *precision })
            .collect();
        let rows = rows.iter().map(|row| row.iter().map(|cell| Some(cell.to_string())).collect()).collect();
        Answer { columns, rows }
    }

    #[test]
    fn decimals_are_exact_whatever_their_zeros() {
        let expected = answer(&[Precision::Decimal(4)], &[&["12.3400"]]);
        assert!(compare(&expected, &answer(&[Precision::Decimal(2)], &[&["12.34"]]), None).is_ok());
        let wrong = compare(&expected, &answer(&[Precision::Decimal(4)], &[&["12.3401"]]), None);
        assert_eq!(wrong.unwrap_err(), "row 1, column 'c0': 12.3401, expected 12.3400");
    }

    #[test]
    fn a_cut_quotient_is_equal_to_the_last_digit() {
        let expected = answer(&[Precision::Float], &[&["0.03443589040665483"]]);
        assert!(compare(&expected, &answer(&[Precision::Decimal(8)], &[&["0.03443589"]]), None).is_ok());
        assert!(compare(&expected, &answer(&[Precision::Decimal(8)], &[&["0.03443591"]]), None).is_err());
        assert!(compare(&expected, &answer(&[Precision::Float], &[&["0.0344358904066548"]]), None).is_ok());
        assert!(compare(&expected, &answer(&[Precision::Float], &[&["0.0344358905"]]), None).is_err());
    }

    #[test]
    fn what_is_no_number_equals_itself_alone() {
        let nan = answer(&[Precision::Float], &[&["NaN"]]);
        assert!(compare(&nan, &nan, None).is_ok());
        assert!(compare(&nan, &answer(&[Precision::Float], &[&["0"]]), None).is_err());
    }

    #[test]
    fn ties_may_come_in_any_order_but_keys_may_not() {
        let exact = [Precision::Exact, Precision::Exact];
        let expected = answer(&exact, &[&["a", "2"], &["b", "2"], &["c", "1"]]);
        let tied = answer(&exact, &[&["b", "2"], &["a", "2"], &["c", "1"]]);
        assert!(compare(&expected, &tied, Some(&[1])).is_ok());
        assert!(compare(&expected, &tied, None).is_err());
        let unordered = answer(&exact, &[&["c", "1"], &["b", "2"], &["a", "2"]]);
        assert!(compare(&expected, &unordered, Some(&[1])).is_err());
    }

    #[test]
    fn counts_of_rows_and_nulls_matter() {
        let expected = answer(&[Precision::Exact], &[&["a"]]);
        let mut null = expected.clone();
        null.rows[0][0] = None;
        assert!(compare(&expected, &null, None).unwrap_err().contains("null"));
        assert_eq!(
            compare(&expected, &answer(&[Precision::Exact], &[]), None).unwrap_err(),
            "0 rows, expected 1"
        );
    }
}
