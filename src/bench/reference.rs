//! What an answer is compared with, and how.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::answer::{Answer, of_batches};
use super::compare::{compare, compare_columns};
use super::digest::{Digest, HashedRows, close};
use super::question::{Kept, Question};
use crate::error::Result;

/// Rows of an answer that are compared one by one; longer answers are compared by checksum.
const ROWS_MAX: usize = 100_000;

/// The rows that a query gave.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
}

impl Outcome {
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    fn answer(&self) -> Result<Answer> {
        of_batches(&self.schema, &self.batches)
    }

    fn hashed(&self) -> Result<HashedRows> {
        HashedRows::of(&self.schema, &self.batches)
    }
}

/// The right answer of a question.
#[derive(Clone, Debug)]
pub struct Reference(Right);

#[derive(Clone, Debug)]
enum Right {
    Rows(Answer),
    Digest(Digest),
    /// One right answer of many, and the rows that all are taken from, where those are known.
    Cut(Answer, Option<Candidates>),
}

/// Rows by the hash of their exact cells, each as its other cells.
#[derive(Clone, Debug, Default)]
struct Candidates(HashMap<u64, Vec<Vec<f64>>>);

impl Reference {
    /// Makes the reference from what DataFusion answered, and says where that differs from the kept answer.
    ///
    /// # Errors
    /// Rows of a type that no answer has.
    pub fn of(
        question: &Question,
        answered: &Outcome,
        candidates: Option<Outcome>,
    ) -> Result<(Reference, Option<String>)> {
        let fault = match &question.kept {
            Some(Kept::Rows(kept)) => return Ok((Reference(Right::Rows(kept.clone())), None)),
            Some(Kept::Digest(kept)) => {
                // What an answer was cut from has a checksum, the answer itself may differ from run to run.
                let whole = match &question.cut {
                    Some(_) => candidates.as_ref(),
                    None => Some(answered),
                };
                match whole {
                    Some(whole) => kept.compare(&whole.hashed()?.digest()).err(),
                    None => None,
                }
            }
            None => None,
        };
        let right = match (&question.cut, answered.rows()) {
            (Some(_), _) => {
                let candidates = candidates.map(|rows| rows.hashed().map(|rows| Candidates::of(&rows)));
                Right::Cut(answered.answer()?, candidates.transpose()?)
            }
            (None, 0..=ROWS_MAX) => Right::Rows(answered.answer()?),
            (None, _) => Right::Digest(answered.hashed()?.digest()),
        };
        Ok((Reference(right), fault))
    }

    /// Says where an answer is wrong; `Ok(Ok(()))` where it is right.
    ///
    /// # Errors
    /// Rows of a type that no answer has.
    pub fn check(&self, question: &Question, rows: &Outcome) -> Result<Result<(), String>> {
        Ok(match &self.0 {
            Right::Rows(right) if right.rows.len() != rows.rows() => {
                Err(format!("{} rows, expected {}", rows.rows(), right.rows.len()))
            }
            Right::Rows(right) => compare(right, &rows.answer()?, question.partial_order),
            Right::Digest(right) => right.compare(&rows.hashed()?.digest()),
            Right::Cut(right, candidates) => {
                let ordered = compare_columns(right, &rows.answer()?, question.partial_order.unwrap_or(&[]));
                match (ordered, candidates) {
                    (Ok(()), Some(candidates)) => candidates.check(&rows.hashed()?),
                    (outcome, _) => outcome,
                }
            }
        })
    }
}

impl Candidates {
    fn of(rows: &HashedRows) -> Self {
        let mut candidates = Candidates::default();
        for (row, hash) in rows.hashes.iter().enumerate() {
            candidates.0.entry(*hash).or_default().push(numbers(rows, row));
        }
        candidates
    }

    /// Every row is a candidate, and none is taken twice.
    fn check(&self, rows: &HashedRows) -> Result<(), String> {
        let mut taken: HashMap<u64, Vec<usize>> = HashMap::new();
        for (row, hash) in rows.hashes.iter().enumerate() {
            let found = numbers(rows, row);
            let taken = taken.entry(*hash).or_default();
            let candidates = self.0.get(hash).map_or(&[][..], Vec::as_slice);
            let free = candidates.iter().enumerate().position(|(index, numbers)| {
                !taken.contains(&index)
                    && numbers.len() == found.len()
                    && numbers.iter().zip(&found).all(|(expected, found)| close(*expected, *found))
            });
            match free {
                Some(index) => taken.push(index),
                None => return Err(format!("row {} is none that the answer may have", row + 1)),
            }
        }
        Ok(())
    }
}

fn numbers(rows: &HashedRows, row: usize) -> Vec<f64> {
    rows.numbers.iter().map(|column| column[row]).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int32Array, StringArray};

    use super::*;
    use crate::bench::question::Cut;

    fn outcome(keys: &[&str], counts: &[i32], means: &[f64]) -> Outcome {
        let batch = RecordBatch::try_from_iter([
            ("k", Arc::new(StringArray::from(keys.to_vec())) as _),
            ("c", Arc::new(Int32Array::from(counts.to_vec())) as _),
            ("m", Arc::new(Float64Array::from(means.to_vec())) as _),
        ])
        .expect("has columns of one length");
        Outcome { schema: batch.schema(), batches: vec![batch] }
    }

    #[test]
    fn ties_at_the_cut_may_be_any_candidate() {
        let question = Question {
            number: 1,
            name: "Q1".to_string(),
            text: String::new(),
            partial_order: Some(&[1]),
            cut: Some(Cut { candidates: String::new() }),
            kept: None,
        };
        let all = outcome(&["a", "b", "c"], &[2, 1, 1], &[0.5, 0.25, 0.75]);
        let first = outcome(&["a", "b"], &[2, 1], &[0.5, 0.25]);
        let (reference, fault) = Reference::of(&question, &first, Some(all)).expect("has plain types");
        assert_eq!(fault, None);
        let check = |keys: [&str; 2], counts: [i32; 2], means: [f64; 2]| {
            reference.check(&question, &outcome(&keys, &counts, &means)).expect("has plain types")
        };
        assert_eq!(check(["a", "c"], [2, 1], [0.5, 0.75]), Ok(()));
        assert_eq!(check(["a", "b"], [2, 1], [0.5, 0.25 + 1e-14]), Ok(()));
        assert!(check(["a", "d"], [2, 1], [0.5, 0.75]).is_err(), "is no candidate");
        assert!(check(["a", "c"], [2, 1], [0.5, 0.7]).is_err(), "has another mean");
        assert!(check(["b", "c"], [1, 1], [0.25, 0.75]).is_err(), "misses the first");
        assert!(check(["b", "b"], [2, 1], [0.25, 0.25]).is_err(), "takes one twice");
    }
}
