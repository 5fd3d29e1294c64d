//! `swath explain`: where each operator of a query would run, and why.

use clap::Args;

use super::arguments::SessionArguments;
use super::print;
use crate::error::{Error, Result};
use crate::session::split_statements;

#[derive(Args, Clone, Debug)]
pub(super) struct ExplainArguments {
    /// One or more queries.
    pub query: String,
    #[command(flatten)]
    pub session: SessionArguments,
}

pub(super) async fn run(arguments: &ExplainArguments) -> Result<()> {
    let statements = split_statements(&arguments.query)?;
    if statements.is_empty() {
        return Err(Error::user("there is no query to explain"));
    }
    let session = arguments.session.open().await?;
    for statement in statements {
        let frame = session.sql(&statement).await?;
        print(&frame.explain().await?)?;
    }
    Ok(())
}
