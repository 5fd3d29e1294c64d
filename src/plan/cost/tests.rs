use super::*;

fn chain(rows: f64, resident: bool, compiled: bool) -> TreeSize {
    TreeSize {
        inputs: vec![InputSize {
            rows: Estimate { rows, certainty: Certainty::Exact },
            row_bytes: 30.0,
            resident,
            spilled_share: 0.0,
            decoded: false,
        }],
        compiled,
        missed_s: 0.0,
        chunk_bytes: 64e6,
        steps: vec![
            StepSize {
                work: Work::Filter { nodes: 5 },
                rows_built: 0.0,
                rows_in: rows,
                rows_out: rows / 2.0,
                row_bytes_out: 30.0,
            },
            StepSize {
                work: Work::Aggregate { nodes: 6, keys: 2, aggregates: 8, passes: 1 },
                rows_built: 0.0,
                rows_in: rows / 2.0,
                rows_out: 4.0,
                row_bytes_out: 100.0,
            },
        ],
    }
}

#[test]
fn policy_overrides_cost() {
    let model = CostModel::default();
    let small = chain(10.0, false, false);
    assert!(model.decide(Placement::Device, &small, 8).on_device);
    assert!(!model.decide(Placement::Host, &chain(1e9, true, true), 8).on_device);
}

#[test]
fn small_and_cold_work_stays_on_the_cpu() {
    let model = CostModel::default();
    let cold = model.decide(Placement::Auto, &chain(10_000.0, false, false), 8);
    assert!(!cold.on_device);
    assert!(cold.reason.contains("compiling its kernels takes"), "{}", cold.reason);
    assert!(!model.decide(Placement::Auto, &chain(100.0, false, true), 8).on_device);
}

#[test]
fn work_that_comes_again_and_again_is_compiled() {
    let model = CostModel::default();
    let mut again = chain(3e6, true, false);
    assert!(!model.decide(Placement::Auto, &again, 16).on_device);
    let mut runs = 0;
    while !model.decide(Placement::Auto, &again, 16).on_device {
        again.missed_s += model.missed_seconds(&again, 16);
        runs += 1;
        assert!(runs < 100);
    }
    assert!(runs > 1);
    let never = chain(100.0, false, false);
    assert_eq!(model.missed_seconds(&never, 16), 0.0);
}

#[test]
fn large_resident_work_goes_to_the_device() {
    let model = CostModel::default();
    let hot = model.decide(Placement::Auto, &chain(6e7, true, true), 16);
    assert!(hot.on_device, "{}", hot.reason);
    assert!(hot.reason.contains("in device memory"), "{}", hot.reason);
}

#[test]
fn a_cheap_filter_is_not_worth_the_bus() {
    let model = CostModel::default();
    let mut filter = chain(1e8, false, true);
    filter.steps.truncate(1);
    let decision = model.decide(Placement::Auto, &filter, 32);
    assert!(!decision.on_device);
    assert!(decision.reason.contains("upload of"), "{}", decision.reason);
}

#[test]
fn costs_grow_with_rows_and_are_finite() {
    let model = CostModel::default();
    for resident in [false, true] {
        for rows in [0.0, 1.0, 1e3, 1e6, 1e9] {
            let (less, more) = (chain(rows, resident, true), chain(rows * 2.0 + 1.0, resident, true));
            assert!(model.device_seconds(&less) <= model.device_seconds(&more));
            assert!(model.host_seconds(&less, 4) <= model.host_seconds(&more, 4));
            assert!(model.device_seconds(&more).is_finite());
        }
    }
}

fn input(rows: f64, row_bytes: f64, resident: bool) -> InputSize {
    InputSize {
        rows: Estimate { rows, certainty: Certainty::Exact },
        row_bytes,
        resident,
        spilled_share: 0.0,
        decoded: false,
    }
}

/// One operator over rows of 24 bytes; a join builds a tenth of them.
fn single(work: Work, rows: f64, resident: bool) -> TreeSize {
    let is_join = matches!(work, Work::Join { .. });
    let rows_built = if is_join { rows / 10.0 } else { 0.0 };
    let rows_out = match work {
        Work::Aggregate { keys: 0, .. } => 1.0,
        Work::Aggregate { .. } => rows / 100.0,
        Work::Sort { fetch: Some(fetch), .. } => rows.min(fetch as f64),
        Work::Join { keys: 0, .. } => 1.0,
        _ => rows,
    };
    let mut inputs = vec![input(rows, 24.0, resident)];
    if is_join {
        inputs.insert(0, input(rows_built, 24.0, resident));
    }
    // What a query asks for is little in the end: else the way back decides.
    let step = StepSize { work, rows_built, rows_in: rows, rows_out, row_bytes_out: 24.0 };
    let sum = StepSize {
        work: Work::Aggregate { nodes: 0, keys: 0, aggregates: 1, passes: 1 },
        rows_built: 0.0,
        rows_in: rows_out,
        rows_out: 1.0,
        row_bytes_out: 8.0,
    };
    TreeSize { inputs, compiled: true, missed_s: 0.0, chunk_bytes: 64e6, steps: vec![step, sum] }
}

const WORKS: [Work; 9] = [
    Work::Filter { nodes: 4 },
    Work::Project { nodes: 4 },
    Work::Aggregate { nodes: 1, keys: 0, aggregates: 3, passes: 1 },
    Work::Aggregate { nodes: 1, keys: 2, aggregates: 3, passes: 1 },
    Work::Join { nodes: 0, keys: 1 },
    Work::Join { nodes: 2, keys: 0 },
    Work::Sort { keys: 2, fetch: None },
    Work::Sort { keys: 2, fetch: Some(100) },
    Work::Window { nodes: 1, functions: 2 },
];

#[test]
fn every_operator_costs_more_for_more_rows_and_no_cost_is_infinite() {
    let model = CostModel::default();
    for work in WORKS {
        for resident in [false, true] {
            let (mut host, mut device) = (0.0, 0.0);
            for rows in [0.0, 1.0, 2.0, 1e2, 9e3, 1e5, 1e6, 3e6, 1e8, 1e10] {
                let tree = single(work, rows, resident);
                let (on_host, on_device) = (model.host_seconds(&tree, 8), model.device_seconds(&tree));
                assert!(on_host.is_finite() && on_device.is_finite(), "{work:?} {rows}");
                assert!(on_host > host || rows < 2.0, "{work:?} {rows}: {on_host} after {host}");
                assert!(on_device >= device, "{work:?} {rows}: {on_device} after {device}");
                assert!(on_host <= model.host_seconds(&tree, 1));
                (host, device) = (on_host, on_device);
            }
        }
    }
}

#[test]
fn few_rows_stay_and_many_resident_ones_go() {
    let model = CostModel::default();
    for work in WORKS {
        for resident in [false, true] {
            let small = model.decide(Placement::Auto, &single(work, 100.0, resident), 8);
            assert!(!small.on_device, "{work:?}: {}", small.reason);
        }
        let large = model.decide(Placement::Auto, &single(work, 5e7, true), 16);
        assert!(large.on_device, "{work:?}: {}", large.reason);
        assert_eq!(large.steps.len(), 2);
    }
}

#[test]
fn what_left_the_device_has_to_come_back() {
    let model = CostModel::default();
    let resident = single(WORKS[3], 1e8, true);
    let mut seconds = model.device_seconds(&resident);
    for spilled_share in [0.3, 0.7, 1.0] {
        let mut spilled = resident.clone();
        spilled.inputs[0].spilled_share = spilled_share;
        assert!(model.device_seconds(&spilled) > seconds);
        assert_eq!(model.host_seconds(&spilled, 8), model.host_seconds(&resident, 8));
        seconds = model.device_seconds(&spilled);
    }
    assert!(seconds <= model.device_seconds(&single(WORKS[3], 1e8, false)));
}

#[test]
fn what_a_device_has_it_need_not_decode() {
    let model = CostModel::default();
    let tree = |resident: bool, decoded: bool| {
        let mut tree = single(WORKS[0], 1e6, resident);
        tree.inputs[0].decoded = decoded;
        tree
    };
    assert!(model.host_seconds(&tree(true, true), 8) > model.host_seconds(&tree(true, false), 8));
    // Where neither has it, both decode.
    assert_eq!(model.host_seconds(&tree(false, true), 8), model.host_seconds(&tree(false, false), 8));
    assert_eq!(model.device_seconds(&tree(true, true)), model.device_seconds(&tree(true, false)));
}

#[test]
fn groups_and_partners_beyond_the_caches_cost_more() {
    let model = CostModel::default();
    let with_groups = |rows_out: f64| {
        let mut tree = single(WORKS[3], 1e8, true);
        tree.steps[0].rows_out = rows_out;
        tree
    };
    let with_built = |rows_built: f64| {
        let mut tree = single(WORKS[4], 1e8, true);
        (tree.steps[0].rows_built, tree.steps[0].rows_out) = (rows_built, 1e6);
        tree
    };
    for (few, many) in [(with_groups(1e3), with_groups(3e7)), (with_built(1e3), with_built(3e7))] {
        assert!(model.host_seconds(&many, 8) > 1.5 * model.host_seconds(&few, 8));
        assert!(model.device_seconds(&many) > 1.2 * model.device_seconds(&few));
    }
}

#[test]
fn the_first_rows_cost_less_than_all_in_order() {
    let model = CostModel::default();
    let (whole, first) = (single(WORKS[6], 1e7, true), single(WORKS[7], 1e7, true));
    assert!(model.host_seconds(&first, 8) < 0.5 * model.host_seconds(&whole, 8));
    assert!(model.device_seconds(&first) < model.device_seconds(&whole));
}

#[test]
fn a_slower_bus_or_card_keeps_more_on_the_cpu() {
    let tree = single(WORKS[3], 3e7, false);
    let model = CostModel::default();
    let slow =
        CostModel { host: model.host, device: DeviceCosts { upload_bytes_per_s: 1e9, ..model.device } };
    assert!(slow.device_seconds(&tree) > model.device_seconds(&tree));
    let small = CostModel { host: model.host, device: DeviceCosts::of_card("NVIDIA L4").expect("is known") };
    assert!(
        small.device_seconds(&single(WORKS[3], 1e8, true))
            > model.device_seconds(&single(WORKS[3], 1e8, true))
    );
}
