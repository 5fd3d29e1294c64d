//! The 22 TPC-H queries on a simulated device, with every operator placed there that has a device form.

use swath::bench::answer::of_batches;
use swath::bench::compare::compare;
use swath::bench::generate::Stop;
use swath::config::{Config, Fallback, Placement};
use swath::observe::Receipt;
use swath::session::{Session, TableSource};
use swath::tpch::answer;
use swath::tpch::generate::generate;
use swath::tpch::query::Query;
use swath::tpch::table::Table;

use crate::placement::alone;

const SCALE_FACTOR: f64 = 0.01;

async fn session(fallback: Fallback) -> Session {
    session_with(Config { placement: Placement::Device, fallback, ..Config::default() }).await
}

pub async fn session_with(config: Config) -> Session {
    crate::simulator::use_device();
    let folder = std::env::temp_dir().join("swath-test-tpch-0.01");
    generate(&folder, SCALE_FACTOR, 2, &Stop::default()).expect("generates");
    let session = Session::with_config(Config {
        target_partitions: Some(2),
        cache_dir: Some(std::env::temp_dir().join("swath-test-kernels")),
        ..config
    })
    .expect("starts");
    assert_eq!(session.engine().absence(), None);
    for table in Table::ALL {
        let source = TableSource::path(table.file(&folder).to_string_lossy());
        session.register(table.name(), &source).await.expect("registers");
    }
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_right_under_placement_device() {
    let session = session(Fallback::Allow).await;
    check_all(&session).await;
}

/// Work runs only when something waits for it, so that a missing wait shows.
#[tokio::test(flavor = "multi_thread")]
async fn answers_are_right_on_a_lazy_device() {
    if !alone("tpch_device::answers_are_right_on_a_lazy_device") {
        return;
    }
    let session = session(Fallback::Allow).await;
    let _mode = crate::simulator::mode(true);
    for table in ["lineitem", "orders", "part"] {
        session.pin(table).await.expect("pins");
    }
    check_all(&session).await;
}

/// Memory for a fraction of the tables: what does not fit is folded, split, or runs on the CPU.
#[tokio::test(flavor = "multi_thread")]
async fn answers_are_right_where_memory_is_short() {
    for device_memory_limit in [300_000, 3_000_000] {
        let session = session_with(Config {
            placement: Placement::Device,
            device_memory_limit: Some(device_memory_limit),
            chunk_bytes_target: Some(1 << 20),
            ..Config::default()
        })
        .await;
        for query in Query::all() {
            check(&session, query).await.expect("the answer is right");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_right_under_placement_auto() {
    let session = session_with(Config { placement: Placement::Auto, ..Config::default() }).await;
    for query in Query::all() {
        check(&session, query).await.expect("the answer is right");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_share_the_device() {
    let session = std::sync::Arc::new(session(Fallback::Allow).await);
    let running: Vec<_> = Query::all()
        .map(|query| {
            let session = session.clone();
            tokio::spawn(async move { check(&session, query).await.expect("the answer is right") })
        })
        .collect();
    for query in running {
        query.await.expect("does not panic");
    }
}

async fn check_all(session: &Session) {
    let mut wrong = vec![];
    for query in Query::all() {
        match check(session, query).await {
            Err(difference) => wrong.push(difference),
            Ok(receipt) if receipt.totals.bytes_up == 0 => {
                wrong.push(format!("Q{}: nothing went to the device\n{receipt}", query.number()));
            }
            Ok(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs a query; answers its receipt, or what is wrong with its answer.
async fn check(session: &Session, query: Query) -> Result<Receipt, String> {
    let number = query.number();
    let frame =
        session.sql(&query.text(SCALE_FACTOR)).await.map_err(|error| format!("Q{number}: {error}"))?;
    let result = frame.collect().await.map_err(|error| format!("Q{number}: {error}"))?;
    let expected = answer::kept(query, SCALE_FACTOR).expect("is kept").expect("is whole");
    let actual = of_batches(&result.schema, &result.batches).expect("has an answer's types");
    match compare(&expected, &actual, query.partial_order()) {
        Ok(()) => Ok(result.receipt),
        Err(difference) => Err(format!("Q{number}: {difference}\n{}", result.receipt)),
    }
}

/// A quarter of the memory that each query takes: it takes longer then, and stays on the device.
#[tokio::test(flavor = "multi_thread")]
async fn a_quarter_of_the_working_set_is_enough() {
    let roomy = session(Fallback::Error).await;
    let (mut wrong, mut spilled) = (vec![], 0);
    for query in Query::all() {
        let receipt = check(&roomy, query).await.expect("the answer is right");
        let peak = receipt.device_operators().map(|operator| operator.peak_bytes).max().unwrap_or(0);
        let tight = session_with(Config {
            placement: Placement::Device,
            fallback: Fallback::Allow,
            // Of so little data a quarter is less than what hash tables and controls of any size take.
            device_memory_limit: Some((peak / 4).max(700_000)),
            ..Config::default()
        })
        .await;
        match check(&tight, query).await {
            Err(difference) => wrong.push(difference),
            Ok(receipt) => {
                println!(
                    "Q{}: {peak} bytes, {} kernels\n{receipt}",
                    query.number(),
                    receipt.totals.kernels_launched
                );
                spilled += receipt.totals.tiers.iter().map(|tier| tier.spilled_bytes).sum::<u64>();
                if !receipt.fallbacks.is_empty() {
                    wrong.push(format!("Q{}: {peak} bytes\n{receipt}", query.number()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(spilled > 0, "nothing was moved to make room");
}

/// From scan to result on the device, in at most 150 kernels.
#[tokio::test(flavor = "multi_thread")]
async fn every_query_runs_wholly_on_the_device() {
    let session = session(Fallback::Error).await;
    let mut wrong = vec![];
    for query in Query::all() {
        match check(&session, query).await {
            Err(difference) => wrong.push(difference),
            Ok(receipt) => {
                let kernels = receipt.totals.kernels_launched;
                println!("Q{}: {kernels} kernels", query.number());
                if kernels > 150 || !receipt.fallbacks.is_empty() || receipt.device_operators().count() == 0 {
                    wrong.push(format!("Q{}: {kernels} kernels\n{receipt}", query.number()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn q1_and_q6_run_wholly_on_the_device() {
    let session = session(Fallback::Error).await;
    for query in Query::all().filter(|query| matches!(query.number(), 1 | 6)) {
        let frame = session.sql(&query.text(SCALE_FACTOR)).await.expect("plans");
        let result = frame.collect().await.expect("nothing falls back");
        let receipt = &result.receipt;
        assert!(receipt.fallbacks.is_empty(), "{receipt}");
        assert_eq!(receipt.device_operators().count(), 1, "{receipt}");
        // A projection on top chooses columns, a sort puts four groups in order: neither is work for a device.
        for operator in &receipt.operators {
            let works = ["FilterExec", "AggregateExec"].contains(&operator.name.as_str());
            assert!(!works, "{} ran on the CPU\n{receipt}", operator.name);
        }
        let expected = answer::kept(query, SCALE_FACTOR).expect("is kept").expect("is whole");
        let actual = of_batches(&result.schema, &result.batches).expect("has an answer's types");
        compare(&expected, &actual, query.partial_order()).expect("the answer is right");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_without_a_device_form_is_refused_by_name() {
    let session = session(Fallback::Error).await;
    let query = "SELECT array_agg(o_orderkey) FROM orders WHERE o_totalprice > 1000";
    let error = match session.sql(query).await {
        Ok(frame) => frame.collect().await.expect_err("is refused"),
        Err(error) => error,
    };
    assert!(error.to_string().contains("AggregateExec"), "{error}");
}
