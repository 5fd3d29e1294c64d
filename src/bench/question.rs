//! The queries of a benchmark, and what is known of their answers.

use super::answer::Answer;
use super::digest::Digest;

/// A query of a benchmark.
#[derive(Clone, Debug)]
pub struct Question {
    /// Counts from 1.
    pub number: usize,
    /// What tables call it, such as `Q1`.
    pub name: String,
    pub text: String,
    /// The columns that the result is ordered by where they leave some rows in no order, none where nothing is
    /// ordered; `None` where every row has its place.
    pub partial_order: Option<&'static [usize]>,
    /// Set where rows that are equal under the order compete for the last places: then more than one answer is right.
    pub cut: Option<Cut>,
    /// What another engine answered.
    pub kept: Option<Kept>,
}

/// The rows that an answer under `LIMIT` is taken from.
#[derive(Clone, Debug)]
pub struct Cut {
    /// The query for all of them.
    pub candidates: String,
}

/// A kept answer.
#[derive(Clone, Debug)]
pub enum Kept {
    /// The rows.
    Rows(Answer),
    /// A checksum: of the candidates where the answer is cut from them.
    Digest(Digest),
}

impl Question {
    /// The query whose answer is the same whoever gives it: all candidates, or the query itself.
    pub fn whole_text(&self) -> &str {
        self.cut.as_ref().map_or(&self.text, |cut| &cut.candidates)
    }
}
