//! The `swath` command: parses arguments, opens a session, prints.
//!
//! Results go to standard output, everything else (errors, progress, receipts) to standard error. The exit code is 0
//! for success, 1 for an error, 2 for wrong arguments, 70 for a bug of ours and 130 for Ctrl-C.

mod arguments;
mod bench;
mod calibrate;
mod doctor;
mod explain;
mod generate;
mod output;
mod shell;
mod sql;

use std::fmt;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, PanicHookInfo};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, Result};

/// What the last panic said, for the error that is printed in its place.
static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Stack of the threads that plan and run queries: deeply nested queries are planned by recursion.
const STACK_BYTES: usize = 8 << 20;
/// How long cancelled work may take to clean up.
const SHUTDOWN_WAIT_MAX: Duration = Duration::from_secs(10);

#[derive(Parser)]
#[command(name = "swath", version, about = "Runs SQL over files, on every GPU there is and on none")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a query, a file of statements, or an interactive shell.
    Sql(sql::SqlArguments),
    /// Show where each operator of a query would run, and why.
    Explain(explain::ExplainArguments),
    /// Run a benchmark, with every answer checked.
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// Generate benchmark data.
    #[command(subcommand)]
    Generate(generate::GenerateCommand),
    /// Measure this machine, and keep what the choice between CPU and device is made by.
    Calibrate(calibrate::CalibrateArguments),
    /// Say what was found of drivers and devices, what is missing, and what to do.
    Doctor(doctor::DoctorArguments),
}

/// Runs the command line and reports as the process's exit code.
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(record_panic));
    let arguments = Arguments::parse();
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

fn run(command: Command) -> Result<()> {
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .build()
        .map_err(|error| Error::io(format!("cannot start the threads of the runtime: {error}")))?;
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| dispatch(&runtime, command)));
    // Cancelled work removes its temporary files as it ends; a blocking call that goes on is not waited for.
    runtime.shutdown_timeout(SHUTDOWN_WAIT_MAX);
    outcome.unwrap_or_else(|_| Err(Error::bug(last_panic())))
}

fn dispatch(runtime: &Runtime, command: Command) -> Result<()> {
    match command {
        // The shell handles Ctrl-C itself: it cancels the query, not the shell.
        Command::Sql(arguments) if arguments.is_interactive() => shell::run(runtime, &arguments),
        Command::Sql(arguments) => runtime.block_on(until_interrupted(sql::run(&arguments))),
        Command::Explain(arguments) => runtime.block_on(until_interrupted(explain::run(&arguments))),
        Command::Bench(command) => bench::run(runtime, &command),
        Command::Generate(command) => runtime.block_on(until_interrupted(generate::run(&command))),
        Command::Calibrate(arguments) => runtime.block_on(until_interrupted(calibrate::run(&arguments))),
        Command::Doctor(arguments) => doctor::run(&arguments),
    }
}

/// Runs `work` until it is done or Ctrl-C is pressed; dropping it then cancels queries and removes temporary files.
async fn until_interrupted<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        // Ctrl-C first: the handler is in place before the work begins.
        biased;
        _ = tokio::signal::ctrl_c() => Err(Error::cancelled()),
        outcome = work => outcome,
    }
}

fn report(error: &Error) -> ExitCode {
    if error.is_cancelled() {
        note("cancelled");
        return ExitCode::from(130);
    }
    if error.is_bug() {
        let detail = last_panic_if_any().unwrap_or_else(|| error.to_string());
        note(format!("error: internal error: {detail}\nThis is a bug in swath; please report it."));
        return ExitCode::from(70);
    }
    note(format!("error: {error}"));
    ExitCode::FAILURE
}

/// Writes a line to standard error. Where that is closed or full there is nowhere left to say so, and the work that
/// the line is about is not lost with it.
fn note(line: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes to standard output. A reader that went away, as in `swath … | head`, ends the program quietly.
fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).or_else(stdout_failed)
}

/// What a failed write to standard output does.
fn stdout_failed(error: io::Error) -> Result<()> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    Err(Error::io(format!("cannot write to standard output: {error}")))
}

fn record_panic(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a panic without a message");
    let place = info.location().map(|location| format!(" ({location})")).unwrap_or_default();
    *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{message}{place}"));
}

fn last_panic_if_any() -> Option<String> {
    LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn last_panic() -> String {
    last_panic_if_any().unwrap_or_else(|| "a thread panicked".to_string())
}
