//! The interactive shell of `swath sql`: history, completion, and Ctrl-C that cancels the query alone.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{CompletionType, Context, Editor, Helper, Highlighter, Hinter, Validator};
use tokio::runtime::Runtime;

use super::output::{self, OutputFormat, Target};
use super::sql::{self, ReceiptFormat, SqlArguments};
use super::{note, print, until_interrupted};
use crate::error::{Error, Result};
use crate::session::{Session, ends_statement, split_statements};

const HELP: &str = "\
Statements end with a semicolon and may span lines.
  .tables            list the tables
  .columns TABLE     list the columns of a table
  .explain QUERY     show where each operator would run
  .receipt on|off    print a receipt after each query
  .timing on|off     print the time after each query
  .quit              leave (or Ctrl-D)
Ctrl-C cancels the running query.
";

/// Words offered at the start of and within statements.
const KEYWORDS: &[&str] = &[
    "ALL",
    "AND",
    "AS",
    "ASC",
    "AVG",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "COUNT",
    "CREATE",
    "CROSS",
    "DATE",
    "DESC",
    "DESCRIBE",
    "DISTINCT",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN",
    "EXTRACT",
    "FALSE",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "IN",
    "INNER",
    "INTERSECT",
    "INTERVAL",
    "IS",
    "JOIN",
    "LEFT",
    "LIKE",
    "LIMIT",
    "MAX",
    "MIN",
    "NOT",
    "NULL",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "PIN",
    "RIGHT",
    "SELECT",
    "SET",
    "SHOW",
    "SUM",
    "TABLE",
    "TABLES",
    "THEN",
    "TRUE",
    "UNION",
    "UNPIN",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WITH",
];

/// Reads statements from the terminal until it ends.
pub(super) fn run(runtime: &Runtime, arguments: &SqlArguments) -> Result<()> {
    let format = OutputFormat::choose(arguments.format, None)?;
    if arguments.output.is_some() {
        return Err(Error::user("--output takes a query, or --file"));
    }
    let session = runtime.block_on(until_interrupted(arguments.session.open()))?;
    let mut shell = Shell { session: Arc::new(session), format, receipt: arguments.receipt, timing: true };
    let terminal = |error: ReadlineError| Error::io(format!("the terminal failed: {error}"));
    // As shells do: what is common to all names, then a list of them.
    let completion = rustyline::Config::builder().completion_type(CompletionType::List).build();
    let mut editor: Editor<Names, DefaultHistory> = Editor::with_config(completion).map_err(terminal)?;
    let history = history_path();
    if let Some(path) = &history {
        // The first run has none, and a shell without its history still works.
        let _ = editor.load_history(path);
    }
    let mut pending = String::new();
    loop {
        editor.set_helper(Some(Names { names: runtime.block_on(shell.names()) }));
        match editor.readline(if pending.is_empty() { "swath> " } else { "   ...> " }) {
            Ok(line) => {
                pending.push_str(&line);
                pending.push('\n');
                let entered = pending.trim();
                if entered.is_empty() {
                    pending.clear();
                    continue;
                }
                let command = entered.starts_with('.');
                if !command && !ends_statement(entered) {
                    continue;
                }
                // Too long a line or a full disk costs the history, not the session.
                let _ = editor.add_history_entry(entered);
                let entered = std::mem::take(&mut pending);
                let outcome = match command {
                    true => shell.command(runtime, entered.trim()),
                    false => runtime.block_on(until_interrupted(shell.statements(&entered))).map(|()| true),
                };
                match outcome {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) if error.is_cancelled() => note("cancelled"),
                    Err(error) => note(format!("error: {error}")),
                }
            }
            Err(ReadlineError::Interrupted) => pending.clear(),
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(terminal(error)),
        }
    }
    if let Some(path) = &history {
        let saved = path.parent().map(std::fs::create_dir_all).unwrap_or(Ok(()));
        if let Err(error) = saved.map_err(ReadlineError::Io).and_then(|()| editor.save_history(path)) {
            note(format!("warning: cannot save the history in '{}': {error}", path.display()));
        }
    }
    Ok(())
}

/// `history.txt` in the user's data folder; `None` where there is no such folder.
fn history_path() -> Option<PathBuf> {
    Some(dirs::data_local_dir()?.join("swath").join("history.txt"))
}

struct Shell {
    session: Arc<Session>,
    format: OutputFormat,
    receipt: Option<ReceiptFormat>,
    timing: bool,
}

impl Shell {
    async fn statements(&self, script: &str) -> Result<()> {
        for statement in split_statements(script)? {
            let started = Instant::now();
            let frame = self.session.sql(&statement).await?;
            let has_rows = !frame.schema().fields().is_empty();
            let (rows, receipt) = output::write(frame, self.format, Target::Stdout).await?;
            if self.timing && has_rows {
                note(format!("{rows} rows in {:.3} s", started.elapsed().as_secs_f64()));
            }
            sql::print_warnings(&self.session, &receipt);
            if let Some(format) = self.receipt {
                sql::print_receipt(&receipt, format)?;
            }
        }
        Ok(())
    }

    /// Runs a dot command; `false` ends the shell.
    fn command(&mut self, runtime: &Runtime, text: &str) -> Result<bool> {
        let (command, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim().trim_end_matches(';');
        match command {
            ".quit" | ".exit" | ".q" => return Ok(false),
            ".help" => print(HELP)?,
            ".tables" => print(&lines(&self.session.table_names()))?,
            ".columns" => print(&lines(&runtime.block_on(self.session.column_names(rest))?))?,
            ".explain" => {
                let explained = async { self.session.sql(rest).await?.explain().await };
                print(&runtime.block_on(until_interrupted(explained))?)?;
            }
            ".receipt" => self.receipt = on_or_off(rest)?.then_some(ReceiptFormat::Text),
            ".timing" => self.timing = on_or_off(rest)?,
            _ => return Err(Error::user(format!("there is no command '{command}'; .help lists them"))),
        }
        Ok(true)
    }

    /// Everything that completion offers.
    async fn names(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = KEYWORDS.iter().map(|keyword| keyword.to_string()).collect();
        for table in self.session.table_names() {
            // A table of another schema than the default one offers its name alone.
            names.extend(self.session.column_names(&table).await.into_iter().flatten());
            names.insert(table);
        }
        names
    }
}

fn on_or_off(text: &str) -> Result<bool> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(Error::user("expected on or off")),
    }
}

fn lines(names: &[String]) -> String {
    names.iter().map(|name| format!("{name}\n")).collect()
}

/// Completes keywords, tables and columns.
#[derive(Helper, Highlighter, Hinter, Validator)]
struct Names {
    names: BTreeSet<String>,
}

impl Completer for Names {
    type Candidate = String;

    fn complete(&self, line: &str, end: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let start = line[..end]
            .rfind(|letter: char| !letter.is_alphanumeric() && letter != '_')
            .map_or(0, |before| before + line[before..].chars().next().map_or(1, char::len_utf8));
        Ok((start, completions(&line[start..end], &self.names)))
    }
}

/// The names that begin with `word`, whatever its case; keywords in the case of the word.
fn completions(word: &str, names: &BTreeSet<String>) -> Vec<String> {
    if word.is_empty() {
        return Vec::new();
    }
    let lower = word.to_lowercase();
    let small = word.chars().any(char::is_lowercase);
    names
        .iter()
        .filter(|name| name.to_lowercase().starts_with(&lower))
        .map(|name| match KEYWORDS.contains(&name.as_str()) && small {
            true => name.to_lowercase(),
            false => name.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completes_keywords_in_the_case_of_the_word() {
        let names: BTreeSet<String> = ["SELECT", "SET", "sessions"].map(String::from).into();
        assert_eq!(completions("se", &names), ["select", "set", "sessions"]);
        assert_eq!(completions("SEL", &names), ["SELECT"]);
        assert!(completions("", &names).is_empty());
    }
}
