//! What moved between the memory tiers for one device node, as metrics of its plan.

use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};

use crate::memory::Tier;
use crate::observe::TierReceipt;
use crate::worker::{TaskStats, TierTraffic};

/// For each tier below the device the counters of bytes moved there and fetched from there.
const NAMES: [(Tier, &str, &str); 3] = [
    (Tier::Pinned, "spilled_pinned_bytes", "fetched_pinned_bytes"),
    (Tier::Pageable, "spilled_pageable_bytes", "fetched_pageable_bytes"),
    (Tier::Disk, "spilled_disk_bytes", "fetched_disk_bytes"),
];

/// Counters of one execution, in the order of [`NAMES`].
#[derive(Clone)]
pub struct TierMetrics([(Count, Count); 3]);

impl TierMetrics {
    pub fn new(metrics: &ExecutionPlanMetricsSet) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(metrics).counter(name, 0);
        TierMetrics(NAMES.map(|(_, spilled, fetched)| (counter(spilled), counter(fetched))))
    }

    pub fn add(&self, stats: &TaskStats) {
        for ((spilled, fetched), (tier, ..)) in self.0.iter().zip(NAMES) {
            spilled.add(bytes(&stats.spilled, tier));
            fetched.add(bytes(&stats.fetched, tier));
        }
    }
}

/// Reads the counters off a node that has run; tiers that nothing moved to or from are left out.
pub fn tier_receipts(metrics: &MetricsSet) -> Vec<TierReceipt> {
    let sum = |name: &str| metrics.sum_by_name(name).map_or(0, |value| value.as_usize() as u64);
    let receipt = |(tier, spilled, fetched): (Tier, &str, &str)| TierReceipt {
        tier: tier.to_string(),
        spilled_bytes: sum(spilled),
        fetched_bytes: sum(fetched),
    };
    let moved = |receipt: &TierReceipt| receipt.spilled_bytes + receipt.fetched_bytes > 0;
    NAMES.into_iter().map(receipt).filter(moved).collect()
}

/// What a task moved; tiers that nothing moved to or from are left out.
pub fn tiers_of(stats: &TaskStats) -> Vec<TierReceipt> {
    let receipt = |(tier, ..): (Tier, &str, &str)| TierReceipt {
        tier: tier.to_string(),
        spilled_bytes: bytes(&stats.spilled, tier) as u64,
        fetched_bytes: bytes(&stats.fetched, tier) as u64,
    };
    let moved = |receipt: &TierReceipt| receipt.spilled_bytes + receipt.fetched_bytes > 0;
    NAMES.into_iter().map(receipt).filter(moved).collect()
}

fn bytes(traffic: &TierTraffic, tier: Tier) -> usize {
    let bytes = match tier {
        Tier::Device => 0,
        Tier::Pinned => traffic.pinned_bytes,
        Tier::Pageable => traffic.pageable_bytes,
        Tier::Disk => traffic.disk_bytes,
    };
    bytes as usize
}
