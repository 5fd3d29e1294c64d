//! `swath sql`: a query, a file of statements, or the shell.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::arguments::SessionArguments;
use super::note;
use super::output::{self, OutputFormat, Target};
use crate::config::Fallback;
use crate::error::{Error, Result};
use crate::observe::receipt::Receipt;
use crate::session::{Session, WholeFile, split_statements};

#[derive(Args, Clone, Debug)]
pub(super) struct SqlArguments {
    /// One or more statements; without this and --file, an interactive shell.
    pub query: Option<String>,
    /// A file of statements.
    #[arg(long, short = 'f', value_name = "PATH", conflicts_with = "query")]
    pub file: Option<PathBuf>,
    /// How the result is written; by default a table, or what the extension of --output says.
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<OutputFormat>,
    /// A file for the result; written beside it and renamed when whole.
    #[arg(long, short = 'o', value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Print what ran where to standard error.
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    pub receipt: Option<ReceiptFormat>,
    #[command(flatten)]
    pub session: SessionArguments,
}

/// How a receipt is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ReceiptFormat {
    Text,
    /// One JSON object on one line for each statement.
    Json,
}

impl SqlArguments {
    /// Whether statements come from a person at a terminal.
    pub fn is_interactive(&self) -> bool {
        self.query.is_none() && self.file.is_none() && std::io::stdin().is_terminal()
    }

    /// The statements to run.
    fn script(&self) -> Result<String> {
        if let Some(query) = &self.query {
            return Ok(query.clone());
        }
        let Some(file) = &self.file else {
            let mut script = String::new();
            return match std::io::stdin().read_to_string(&mut script) {
                Ok(_) => Ok(script),
                Err(error) => {
                    Err(Error::io(format!("cannot read the statements from standard input: {error}")))
                }
            };
        };
        std::fs::read_to_string(file).map_err(|error| {
            Error::io(format!("cannot read the statements in '{}': {error}", file.display()))
        })
    }
}

/// Runs the statements and writes each result; with `--output`, the one result there is.
pub(super) async fn run(arguments: &SqlArguments) -> Result<()> {
    let format = OutputFormat::choose(arguments.format, arguments.output.as_deref())?;
    let statements = split_statements(&arguments.script()?)?;
    if statements.is_empty() {
        return Err(Error::user("there is no statement to run"));
    }
    // Before the work, so that hours of it are not lost to a folder that cannot be written to.
    let file = arguments.output.as_deref().map(WholeFile::create).transpose()?;
    let session = arguments.session.open().await?;
    let mut results = 0;
    for (index, statement) in statements.iter().enumerate() {
        let result =
            run_statement(&session, statement, format, file.as_ref(), &mut results, arguments.receipt).await;
        result.map_err(|error| match statements.len() {
            1 => error,
            _ => error.context(format!("statement {}", index + 1)),
        })?;
    }
    match file {
        Some(_) if results == 0 => Err(Error::user("no statement returns rows for --output")),
        Some(file) => file.finish(),
        None => Ok(()),
    }
}

async fn run_statement(
    session: &Session,
    statement: &str,
    format: OutputFormat,
    file: Option<&WholeFile>,
    results: &mut usize,
    receipt_format: Option<ReceiptFormat>,
) -> Result<()> {
    let frame = session.sql(statement).await?;
    if !frame.schema().fields().is_empty() {
        *results += 1;
        if *results > 1 && file.is_some() {
            return Err(Error::user("a second statement returns rows; --output takes the rows of one"));
        }
    }
    let target = file.map_or(Target::Stdout, Target::File);
    let (_, receipt) = output::write(frame, format, target).await?;
    print_warnings(session, &receipt);
    match receipt_format {
        Some(format) => print_receipt(&receipt, format),
        None => Ok(()),
    }
}

/// Prints what fell back, where the policy asks for it.
pub(super) fn print_warnings(session: &Session, receipt: &Receipt) {
    if session.fallback() == Fallback::Warn {
        for warning in receipt.warnings() {
            note(format!("warning: {warning}"));
        }
    }
}

/// Prints a receipt to standard error.
pub(super) fn print_receipt(receipt: &Receipt, format: ReceiptFormat) -> Result<()> {
    match format {
        ReceiptFormat::Text => note(receipt.to_string().trim_end()),
        ReceiptFormat::Json => {
            let text = serde_json::to_string(receipt).map_err(|error| Error::bug(error.to_string()))?;
            note(text);
        }
    }
    Ok(())
}
