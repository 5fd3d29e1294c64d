//! `swath calibrate`: what it measures, what it writes, and who uses it.

use std::fs;

use indicatif::ProgressBar;
use swath::calibrate::{device, host};
use swath::config::Config;
use swath::plan::PlacementExec;
use swath::plan::cost::{CostFile, Costs, DeviceCosts, HostCosts, Origin};
use swath::session::Session;
use swath::tpch::query::Query;

use crate::program::{Ran, assert_names, command, swath_on_simulator};

#[test]
fn a_machine_is_measured_and_its_constants_are_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cache").join("swath").join("costs.json");
    let text = swath_on_simulator(folder.path(), ["calibrate", "--rows", "2000", "--dry-run"]).succeeded();
    assert_names(
        &text,
        &["nodes_per_s", "compares_per_s", "is simulated", "residual", "nothing was written"],
    );
    assert!(!path.exists());
    let text = swath_on_simulator(folder.path(), ["calibrate", "--rows", "2000"]).succeeded();
    assert_names(&text, &["old", "new", "costs.json"]);
    let file = CostFile::load(&path).expect("can be read").expect("was written");
    assert_ne!(file.host, HostCosts::default());
    assert_eq!((file.host.check(), file.device), (Ok(()), None));
    let doctor = swath_on_simulator(folder.path(), ["doctor"]).succeeded();
    assert_names(&doctor, &["host: measured; device: defaults", "costs.json"]);
    let explained = swath_on_simulator(folder.path(), ["explain", "SELECT 1"]).succeeded();
    assert_names(&explained, &["costs:  host: measured"]);
}

#[test]
fn a_damaged_file_is_told_and_not_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("costs.json");
    fs::write(&path, "{\"version\": 1, ").expect("writes");
    let run = |arguments: &[&str]| {
        let mut command = command(folder.path(), arguments);
        command.env("XDG_CACHE_HOME", folder.path().join("cache"));
        Ran::of(command.output().expect("the program starts"))
    };
    // One that was asked for is an error.
    let error = run(&["sql", "SELECT 1", "--cost-file", "costs.json"]).failed();
    assert_names(&error, &["costs.json", "swath calibrate"]);
    // The user's own costs a warning.
    let users = folder.path().join("cache").join("swath");
    fs::create_dir_all(&users).expect("a folder");
    fs::rename(&path, users.join("costs.json")).expect("moves");
    let warned = run(&["sql", "SELECT 1 AS one", "--format", "csv"]);
    assert_names(&warned.stderr, &["warning: ", "costs.json", "swath calibrate"]);
    assert_eq!(warned.succeeded(), "one\n1\n");
    assert_names(&run(&["doctor"]).succeeded(), &["host: defaults", "costs.json", "no cost constants"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_measured_over_a_few_rows() {
    let old = HostCosts::default();
    let fitted = host::measure(&old, 3000, 2, &ProgressBar::hidden()).await.expect("measures");
    assert_eq!(fitted.costs.check(), Ok(()));
    assert!((0.5..=1.0).contains(&fitted.costs.core_share), "{:?}", fitted.costs);
    assert!(fitted.residual.is_some_and(f64::is_finite));
    assert!(fitted.observations.iter().all(|one| one.measured_s > 0.0), "{:?}", fitted.observations);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_device_is_measured_over_a_few_rows() {
    crate::simulator::use_device();
    let old = DeviceCosts::default();
    let fitted = device::measure(&old, 3000, &ProgressBar::hidden()).await.expect("measures");
    assert_eq!(fitted.costs.check(), Ok(()));
    assert_ne!(fitted.costs.launch_s, old.launch_s);
    assert_ne!(fitted.costs.task_s, old.task_s);
    assert_ne!(fitted.costs.compile_s, old.compile_s);
    assert_eq!(fitted.observations.len(), 13);
    // What it measured is found again for the same card on the same machine alone.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("costs.json");
    CostFile::new(4, HostCosts::default(), Some(("Card".to_string(), fitted.costs)))
        .save(&path)
        .expect("saves");
    let costs = Costs::find(Some(&path), Some("Card"), 4);
    assert_eq!((costs.host, costs.device), (Origin::Measured, Origin::Measured));
    for ((name, _, found), (.., saved)) in costs.model.device.list().iter().zip(fitted.costs.list()) {
        // The last digit may differ: it went through text.
        assert!((found / saved - 1.0).abs() < 1e-12, "{name}: {found} {saved}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_never_places_what_costs_more_there() {
    crate::simulator::use_device();
    let folder = tempfile::tempdir().expect("a folder");
    let costs = folder.path().join("costs.json");
    // A card of which small work is worth having: else all of so few rows stays on the CPU, which proves nothing.
    let quick = DeviceCosts { compile_s: 1e-9, task_s: 1e-9, launch_s: 1e-9, ..DeviceCosts::default() };
    let name = swath::device::devices().expect("lists")[0].name.clone();
    let cores = swath::device::cpu_cores();
    CostFile::new(cores, HostCosts::default(), Some((name, quick))).save(&costs).expect("saves");
    let config = Config {
        cache_dir: Some(folder.path().join("kernels")),
        cost_file: Some(costs),
        ..Config::default()
    };
    let session = Session::with_config(config).expect("starts");
    assert_eq!(session.engine().costs().device, Origin::Measured);
    let tables = swath::tpch::table::files(crate::tpch_host::data());
    swath::bench::run::register(&session, &tables).await.expect("registers");
    for pinned in [false, true] {
        if pinned {
            for table in &tables {
                session.pin(table.name).await.expect("pins");
            }
        }
        let (mut placed, mut kept) = (0, 0);
        for query in Query::all() {
            let frame = session.context().sql(&query.text(0.01)).await.expect("plans");
            let plan = frame.create_physical_plan().await.expect("plans");
            let notes = plan.downcast_ref::<PlacementExec>().expect("is placed").notes();
            for note in notes {
                let Some((host_s, device_s)) = note.host_s.zip(note.device_s) else { continue };
                if note.place == "host" {
                    kept += 1;
                } else {
                    assert!(device_s < host_s, "{query}: {note:?}");
                    placed += 1;
                }
            }
        }
        assert!(kept > 0 && (placed > 0 || !pinned), "{placed} placed, {kept} kept");
    }
}
