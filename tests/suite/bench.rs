//! Questions of a benchmark in a session: the answers checked, and what fell back.

use std::collections::BTreeMap;

use swath::bench::question::Question;
use swath::bench::reference::{Outcome, Reference};
use swath::bench::run::{TableFile, references, register};
use swath::config::{Config, Fallback, Placement};
use swath::observe::Receipt;
use swath::session::Session;

/// A session on the host over the tables of a benchmark.
pub async fn host(tables: &[TableFile]) -> Session {
    open(Config { placement: Placement::Host, ..Config::default() }, tables).await
}

/// A session that places everything on the simulated device that has a device form.
async fn device(tables: &[TableFile], fallback: Fallback) -> Session {
    crate::simulator::use_device();
    let session = open(
        Config {
            placement: Placement::Device,
            fallback,
            target_partitions: Some(2),
            cache_dir: Some(std::env::temp_dir().join("swath-test-kernels")),
            ..Config::default()
        },
        tables,
    )
    .await;
    assert_eq!(session.engine().absence(), None);
    session
}

async fn open(config: Config, tables: &[TableFile]) -> Session {
    let session = Session::with_config(config).expect("starts");
    register(&session, tables).await.expect("registers");
    session
}

/// Runs all questions; answers their receipts. Panics with all that is wrong.
pub async fn check_all(session: &Session, questions: &[Question], references: &[Reference]) -> Vec<Receipt> {
    let mut wrong = Vec::new();
    let mut receipts = Vec::new();
    for (question, reference) in questions.iter().zip(references) {
        let ran = async { session.sql(&question.text).await?.collect().await }.await;
        match ran {
            Err(error) => wrong.push(format!("{}: {error}", question.name)),
            Ok(result) => {
                let rows = Outcome { schema: result.schema, batches: result.batches };
                if let Err(difference) = reference.check(question, &rows).expect("has an answer's types") {
                    wrong.push(format!("{}: {difference}\n{}", question.name, result.receipt));
                }
                receipts.push(result.receipt);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    receipts
}

/// Runs all questions with everything placed on the simulated device. Panics where an answer is wrong, something fell
/// back, or no kernel was launched.
pub async fn check_on_device(tables: &[TableFile], questions: &[Question]) {
    let references = references(tables, questions).await.expect("DataFusion answers right");
    let session = device(tables, Fallback::Allow).await;
    let receipts = check_all(&session, questions, &references).await;
    check_fallbacks(questions, &receipts);
    let launched: u64 = receipts.iter().map(|receipt| receipt.totals.kernels_launched).sum();
    assert!(launched > 0, "nothing ran on the device");
}

/// Prints what fell back in each question. Panics where one did.
fn check_fallbacks(questions: &[Question], receipts: &[Receipt]) {
    let mut fell_back = Vec::new();
    for (question, receipt) in questions.iter().zip(receipts) {
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for warning in receipt.warnings() {
            *times.entry(warning).or_default() += 1;
        }
        if !times.is_empty() {
            fell_back.push(question.name.as_str());
        }
        for (warning, times) in times {
            println!("{}: {warning} (×{times})", question.name);
        }
    }
    println!("{} of {} questions without a fallback", questions.len() - fell_back.len(), questions.len());
    assert!(fell_back.is_empty(), "fell back: {fell_back:?}");
}
