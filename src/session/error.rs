//! DataFusion's errors as ours: the kind that callers decide by, and a message without the layers it came through.

use std::error::Error as _;

use arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

use super::suggest::did_you_mean;
use crate::error::Error;

/// Translates an error of DataFusion.
pub fn translate(error: DataFusionError) -> Error {
    translate_ref(&error)
}

/// An unknown table, with the name that was probably meant.
pub(super) fn unknown_table(table: &str, names: &[String]) -> Error {
    let hint = did_you_mean(table, names.iter().map(String::as_str));
    let known = match names {
        [] => "no table is registered".to_string(),
        _ => format!("the tables are: {}", names.join(", ")),
    };
    Error::missing_name(format!("there is no table '{table}'{hint} ({known})"))
}

/// The innermost error that says what happened.
pub(super) fn root(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => root(inner),
        DataFusionError::Shared(inner) => root(inner),
        DataFusionError::Collection(errors) if !errors.is_empty() => root(&errors[0]),
        DataFusionError::External(inner) => match inner.downcast_ref::<DataFusionError>() {
            Some(inner) => root(inner),
            None => error,
        },
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            ArrowError::ExternalError(inner) => match inner.downcast_ref::<DataFusionError>() {
                Some(inner) => root(inner),
                None => error,
            },
            _ => error,
        },
        _ => error,
    }
}

fn translate_ref(error: &DataFusionError) -> Error {
    let root = root(error);
    match root {
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            None => Error::user(text_of(root)),
        },
        DataFusionError::ArrowError(inner, _) => arrow(inner),
        DataFusionError::SchemaError(inner, _) => schema(inner),
        DataFusionError::SQL(inner, _) => {
            let text = inner.to_string();
            Error::user(format!("syntax error: {}", text.trim_start_matches("sql parser error: ")))
        }
        DataFusionError::Plan(text)
        | DataFusionError::Configuration(text)
        | DataFusionError::Execution(text) => Error::user(first_part(text)),
        DataFusionError::NotImplemented(text) => Error::user(format!("not supported: {}", first_part(text))),
        DataFusionError::IoError(inner) => Error::io(inner.to_string()),
        DataFusionError::ObjectStore(inner) => Error::io(inner.to_string()),
        DataFusionError::ResourcesExhausted(text) => Error::out_of_memory(first_part(text)),
        DataFusionError::ParquetError(inner) => Error::user(inner.to_string()),
        DataFusionError::ExecutionJoin(inner) if inner.is_panic() => {
            Error::bug("a task of the query panicked")
        }
        DataFusionError::Internal(text) if text.starts_with("Error encountered while finalizing writes") => {
            // The cause is not passed on.
            Error::io("the result could not be written whole: the disk may be full")
        }
        DataFusionError::Internal(text) => Error::bug(first_part(text)),
        _ => Error::user(text_of(root)),
    }
}

fn arrow(error: &ArrowError) -> Error {
    match error {
        ArrowError::DivideByZero => Error::user("division by zero"),
        ArrowError::ArithmeticOverflow(text) => Error::user(format!("arithmetic overflow: {text}")),
        ArrowError::ExternalError(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => ours.clone(),
            None => Error::user(inner.to_string()),
        },
        ArrowError::MemoryError(text) => Error::out_of_memory(text),
        ArrowError::IoError(text, inner) => match inner.source() {
            Some(_) => Error::io(text),
            None => Error::io(inner.to_string()),
        },
        ArrowError::CastError(text)
        | ArrowError::ParseError(text)
        | ArrowError::ComputeError(text)
        | ArrowError::SchemaError(text)
        | ArrowError::CsvError(text)
        | ArrowError::JsonError(text)
        | ArrowError::InvalidArgumentError(text) => Error::user(text),
        other => Error::user(other.to_string()),
    }
}

fn schema(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let names: Vec<&str> = valid_fields.iter().map(|field| field.name.as_str()).collect();
            let hint = did_you_mean(&field.name, names.iter().copied());
            let known = match names.is_empty() {
                true => String::new(),
                false => format!(" (the columns are: {})", shortened(&names)),
            };
            Error::missing_name(format!("there is no column '{}'{hint}{known}", field.flat_name()))
        }
        SchemaError::AmbiguousReference { field } => Error::user(format!(
            "column '{}' is in more than one table; say which, as in table.{}",
            field.name, field.name
        )),
        SchemaError::DuplicateUnqualifiedField { name } => {
            Error::user(format!("two columns would have the name '{name}'; rename one with AS"))
        }
        SchemaError::DuplicateQualifiedField { qualifier, name } => {
            Error::user(format!("table '{qualifier}' would have two columns of the name '{name}'"))
        }
    }
}

fn shortened(names: &[&str]) -> String {
    const SHOWN_MAX: usize = 20;
    match names.len() > SHOWN_MAX {
        true => format!("{} and {} more", names[..SHOWN_MAX].join(", "), names.len() - SHOWN_MAX),
        false => names.join(", "),
    }
}

fn text_of(error: &DataFusionError) -> String {
    first_part(&error.strip_backtrace())
}

/// The message without a backtrace or the library's call to report a bug to it.
fn first_part(text: &str) -> String {
    let end = ["\n\nbacktrace: ", "\nThis issue was likely caused by a bug in DataFusion"]
        .iter()
        .filter_map(|mark| text.find(mark))
        .min()
        .unwrap_or(text.len());
    without_attempts(text[..end].trim_end())
}

/// A call that no signature takes, without the list of every signature that was tried.
fn without_attempts(text: &str) -> String {
    let Some((call, attempts)) = text.split_once(" failed to match any signature") else {
        return text.to_string();
    };
    let call = call.rsplit("error: ").next().unwrap_or(call);
    let received = attempts.split_once("but received ").map(|(_, rest)| rest);
    match received.and_then(|rest| rest.split([',', '.']).next()) {
        Some(received) => format!("{call} does not take {received}"),
        None => format!("{call} does not take these arguments"),
    }
}
