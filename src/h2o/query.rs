//! The ten questions that group and the five that join.

use std::fmt;
use std::str::FromStr;

use super::data::Shape;
use crate::bench::digest;
use crate::bench::question::{Kept, Question};
use crate::error::{Error, Result};

/// Which of the two tasks: each has tables of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    GroupBy,
    Join,
}

impl Task {
    pub const ALL: [Task; 2] = [Task::GroupBy, Task::Join];

    /// The names of its tables.
    pub fn tables(self) -> &'static [&'static str] {
        match self {
            Task::GroupBy => &["x"],
            Task::Join => &["x", "small", "medium", "big"],
        }
    }
}

/// A question: `Q1` to `Q10` group, `J1` to `J5` join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Query {
    task: Task,
    number: u8,
}

macro_rules! texts {
    ($($name:literal)+) => { [$(include_str!(concat!("queries/", $name, ".sql"))),+] };
}

const GROUP_BY: [&str; 10] = texts!("q1" "q2" "q3" "q4" "q5" "q6" "q7" "q8" "q9" "q10");
const JOIN: [&str; 5] = texts!("j1" "j2" "j3" "j4" "j5");

macro_rules! answers {
    ($($name:literal)+) => { [$(($name, include_str!(concat!("answers/", $name, ".csv")))),+] };
}

/// Checksums of DuckDB's answers, by the name of the data, which `answers/make.py` made.
const KEPT: [(&str, &str); 6] = answers!(
    "G1_1e4_1e1_0_0" "G1_1e4_1e1_5_0" "G1_1e5_1e2_0_0" "J1_1e4_NA_0_0" "J1_1e4_NA_5_0" "J1_1e5_NA_0_0"
);

impl Query {
    /// All of them: those that group, then those that join.
    pub fn all() -> impl Iterator<Item = Query> {
        let group_by = (1..=10).map(|number| Query { task: Task::GroupBy, number });
        group_by.chain((1..=5).map(|number| Query { task: Task::Join, number }))
    }

    pub fn task(self) -> Task {
        self.task
    }

    pub fn text(self) -> &'static str {
        let index = usize::from(self.number) - 1;
        match self.task {
            Task::GroupBy => GROUP_BY[index],
            Task::Join => JOIN[index],
        }
    }

    /// The question for a bench. Joins count from 11.
    pub fn question(self, shape: Shape) -> Question {
        let number = usize::from(self.number)
            + match self.task {
                Task::GroupBy => 0,
                Task::Join => GROUP_BY.len(),
            };
        // The same rows in another order have the same answers.
        let data = Shape { sorted: false, ..shape }.name(self.task);
        let kept = KEPT.iter().find(|(name, _)| *name == data);
        Question {
            number,
            name: self.to_string(),
            text: self.text().to_string(),
            partial_order: Some(&[]),
            cut: None,
            kept: kept.and_then(|(_, text)| digest::kept(text, number)).map(Kept::Digest),
        }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.task {
            Task::GroupBy => 'Q',
            Task::Join => 'J',
        };
        write!(f, "{letter}{}", self.number)
    }
}

impl FromStr for Query {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let name = text.trim().to_ascii_uppercase();
        Query::all()
            .find(|query| {
                query.to_string() == name || (query.task == Task::GroupBy && query.number.to_string() == name)
            })
            .ok_or_else(|| {
                Error::user(format!(
                    "'{text}' is not a question; they are 1 to 10, which group, and j1 to j5, which join"
                ))
            })
    }
}
