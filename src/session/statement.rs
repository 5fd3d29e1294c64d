//! Cuts a script into statements, and finds the statements that are ours.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::error::{Error, Result};

/// The statements of a script, in order, without their semicolons. Semicolons inside strings and comments do not
/// count; a statement that holds only comments is left out.
///
/// # Errors
/// A string or comment that is never closed: its line and column.
pub fn split(script: &str) -> Result<Vec<String>> {
    let tokens = tokens(script)?;
    let mut statements = Vec::new();
    let mut current: Vec<Token> = Vec::new();
    for token in tokens.into_iter().chain([Token::SemiColon]) {
        if token != Token::SemiColon {
            current.push(token);
            continue;
        }
        if current.iter().any(|token| !matches!(token, Token::Whitespace(_))) {
            let text: String = current.iter().map(Token::to_string).collect();
            statements.push(text.trim().to_string());
        }
        current.clear();
    }
    Ok(statements)
}

/// Whether a semicolon ends what was entered so far. One within a string or a comment ends nothing, nor does one after
/// which a statement goes on.
pub fn ends_statement(script: &str) -> bool {
    let tokens = tokens(script).unwrap_or_default();
    tokens.iter().rfind(|token| !matches!(token, Token::Whitespace(_))) == Some(&Token::SemiColon)
}

/// `PIN TABLE t` and `UNPIN TABLE t`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PinCommand {
    Pin(String),
    Unpin(String),
}

/// The pin command in `text`, if it is one.
///
/// # Errors
/// `PIN` or `UNPIN` that is not followed by `TABLE` and one name.
pub(super) fn pin_command(text: &str) -> Result<Option<PinCommand>> {
    let start = text.trim_start();
    let word = start.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
    let pin = word.eq_ignore_ascii_case("pin");
    if !pin && !word.eq_ignore_ascii_case("unpin") {
        return Ok(None);
    }
    let words: Vec<Token> = tokens(start)?
        .into_iter()
        .filter(|token| !matches!(token, Token::Whitespace(_) | Token::SemiColon))
        .collect();
    match words.as_slice() {
        [_, Token::Word(table), Token::Word(name)]
            if table.quote_style.is_none() && table.value.eq_ignore_ascii_case("table") =>
        {
            let name = match name.quote_style {
                Some(_) => name.value.clone(),
                None => name.value.to_lowercase(),
            };
            Ok(Some(if pin { PinCommand::Pin(name) } else { PinCommand::Unpin(name) }))
        }
        _ => Err(Error::user(format!(
            "'{}': expected {} TABLE and the name of a table",
            start.trim_end(),
            word.to_uppercase()
        ))),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>> {
    // Unescaping off: the tokens are printed again, and must come out as they went in.
    Tokenizer::new(&GenericDialect {}, text)
        .with_unescape(false)
        .tokenize()
        .map_err(|error| Error::user(format!("syntax error: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_outside_strings_and_comments() {
        let script = "SELECT ';' AS a; -- one; two\nSELECT \"x;y\", 'it''s' /* ; */ FROM t;\n;-- end";
        assert_eq!(
            split(script).unwrap(),
            ["SELECT ';' AS a", "-- one; two\nSELECT \"x;y\", 'it''s' /* ; */ FROM t"]
        );
        assert!(split("  \n").unwrap().is_empty());
        assert!(split("SELECT 'open").unwrap_err().is_user());
    }

    #[test]
    fn knows_where_a_statement_ends() {
        for whole in ["SELECT 1;", "SELECT 1; -- done", "SELECT ';' /* ; */ ;\n", "SELECT 1; SELECT 2;"] {
            assert!(ends_statement(whole), "{whole}");
        }
        for open in ["", "SELECT 1", "SELECT ';", "SELECT 1 -- one;", "SELECT 1; SELECT 2", "SELECT /* ;"] {
            assert!(!ends_statement(open), "{open}");
        }
    }

    #[test]
    fn reads_pin_commands() {
        assert_eq!(pin_command("pin table LineItem;").unwrap(), Some(PinCommand::Pin("lineitem".into())));
        assert_eq!(pin_command("UNPIN TABLE \"T\"").unwrap(), Some(PinCommand::Unpin("T".into())));
        assert_eq!(pin_command("SELECT pin FROM t").unwrap(), None);
        assert_eq!(pin_command("pinned").unwrap(), None);
        assert!(pin_command("PIN lineitem").unwrap_err().is_user());
    }
}
