//! `swath calibrate`: what it measures, what it writes, and who uses it.

use std::fs;

use indicatif::ProgressBar;
use swath::calibrate::{device, host};
use swath::plan::cost::{CostFile, Costs, DeviceCosts, HostCosts, Origin};

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
async fn the_device_is_measured_and_what_took_no_time_stays() {
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
    assert_eq!(costs.model.device, fitted.costs);
}
