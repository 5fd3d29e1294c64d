//! The receipt of a query: what ran where, what it moved, and what fell back.

use std::fmt;

use serde::Serialize;

/// What a query did. Its `Display` is an aligned table; serialised, it is JSON for programs.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Receipt {
    /// The text of the query, where there was one.
    pub query: Option<String>,
    /// The operators of the plan, the root first, children below their parents.
    pub operators: Vec<OperatorReceipt>,
    /// What a fallback was to do: `allow`, `warn` or `error`. Where it is `warn`, show [`Receipt::warnings`].
    pub fallback_policy: String,
    /// Work that was to run on a device and ran on the CPU.
    pub fallbacks: Vec<FallbackReceipt>,
    /// Sums over the query.
    pub totals: Totals,
}

/// What one operator did. Times are milliseconds; those of concurrent work add up past the wall clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OperatorReceipt {
    /// Distance from the root.
    pub depth: usize,
    /// The name that `EXPLAIN` prints.
    pub name: String,
    /// What it computes, on one line.
    pub detail: String,
    /// `host`, or the device: `gpu:0`.
    pub place: String,
    /// The name of the device, where it ran on one.
    pub device_name: Option<String>,
    pub rows_in: u64,
    pub rows_out: u64,
    /// Bytes sent to the device.
    pub bytes_up: u64,
    /// Bytes fetched from the device.
    pub bytes_down: u64,
    pub kernels_launched: u64,
    /// Kernels that had to be compiled; the others came from the cache.
    pub kernels_compiled: u64,
    pub cache_hits: u64,
    pub compile_ms: f64,
    pub kernel_ms: f64,
    pub upload_ms: f64,
    pub download_ms: f64,
    /// On the host: time spent computing, over all threads. On a device: from the first input to the last output.
    pub elapsed_ms: f64,
    /// The most device memory that was in use at a time while it ran, whoever used it.
    pub peak_bytes: u64,
    /// The tiers below the device that data moved to and from for want of room, from the fastest; empty where none
    /// did.
    pub tiers: Vec<TierReceipt>,
    /// Why it ran where it ran, and what went otherwise than planned.
    pub note: Option<String>,
}

/// What moved between the device and one tier below it, for want of room.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TierReceipt {
    /// `pinned host memory`, `pageable host memory` or `disk`.
    pub tier: String,
    /// Bytes that were moved there, from the device or from a tier above.
    pub spilled_bytes: u64,
    /// Bytes that came back to the device from there.
    pub fetched_bytes: u64,
}

impl fmt::Display for TierReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (spilled, fetched) = (human_bytes(self.spilled_bytes), human_bytes(self.fetched_bytes));
        write!(f, "{}: {spilled} spilled, {fetched} fetched", self.tier)
    }
}

/// One piece of work that was to run on a device and ran on the CPU.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FallbackReceipt {
    pub operator: String,
    pub reason: String,
}

/// Sums over a query.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    pub wall_ms: f64,
    pub planning_ms: f64,
    pub bytes_up: u64,
    pub bytes_down: u64,
    pub kernels_launched: u64,
    pub kernels_compiled: u64,
    pub compile_ms: f64,
    /// Sums of what moved to and from each tier below the device; empty where nothing did.
    pub tiers: Vec<TierReceipt>,
    /// Rows of the result.
    pub rows: u64,
}

impl Receipt {
    /// Returns the operators that ran on a device.
    pub fn device_operators(&self) -> impl Iterator<Item = &OperatorReceipt> {
        self.operators.iter().filter(|operator| operator.place != "host")
    }

    /// Returns one warning for each fallback, in words for the user.
    pub fn warnings(&self) -> Vec<String> {
        self.fallbacks
            .iter()
            .map(|fallback| format!("{} ran on the CPU: {}", fallback.operator, fallback.reason))
            .collect()
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["operator", "place", "rows in", "rows out", "up", "down", "kernels", "compiled", "ms"];
        let mut rows = vec![header.map(String::from)];
        for operator in &self.operators {
            let on_host = operator.place == "host";
            let device = |text: String| if on_host { String::new() } else { text };
            rows.push([
                format!("{}{}", "  ".repeat(operator.depth), operator.name),
                operator.place.clone(),
                operator.rows_in.to_string(),
                operator.rows_out.to_string(),
                device(human_bytes(operator.bytes_up)),
                device(human_bytes(operator.bytes_down)),
                device(operator.kernels_launched.to_string()),
                device(operator.kernels_compiled.to_string()),
                format!("{:.2}", operator.elapsed_ms),
            ]);
        }
        let mut widths = [0; 9];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for (index, row) in rows.iter().enumerate() {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
                // Names and places read from the left, numbers line up on the right.
                if column < 2 {
                    line.push_str(&format!("{cell:<width$}  "));
                } else {
                    line.push_str(&format!("{cell:>width$}  "));
                }
            }
            writeln!(f, "{}", line.trim_end())?;
            let operator = index.checked_sub(1).map(|index| &self.operators[index]);
            if let Some(operator) = operator {
                let indent = "  ".repeat(operator.depth + 2);
                if let (false, Some(name)) = (operator.place == "host", &operator.device_name) {
                    writeln!(
                        f,
                        "{indent}{name}: kernels {:.2} ms, upload {:.2} ms, download {:.2} ms, compile {:.2} ms, at most {}",
                        operator.kernel_ms,
                        operator.upload_ms,
                        operator.download_ms,
                        operator.compile_ms,
                        human_bytes(operator.peak_bytes)
                    )?;
                }
                for tier in &operator.tiers {
                    writeln!(f, "{indent}{tier}")?;
                }
                if let Some(note) = &operator.note {
                    writeln!(f, "{indent}{note}")?;
                }
            }
        }
        let totals = &self.totals;
        writeln!(
            f,
            "{} rows in {:.2} ms (planning {:.2} ms); up {}, down {}; {} kernels launched, {} compiled in {:.2} ms",
            totals.rows,
            totals.wall_ms,
            totals.planning_ms,
            human_bytes(totals.bytes_up),
            human_bytes(totals.bytes_down),
            totals.kernels_launched,
            totals.kernels_compiled,
            totals.compile_ms
        )?;
        for tier in &totals.tiers {
            writeln!(f, "{tier}")?;
        }
        for fallback in &self.fallbacks {
            writeln!(f, "fell back: {}: {}", fallback.operator, fallback.reason)?;
        }
        Ok(())
    }
}

/// Adds up what moved, tier by tier.
pub fn sum_tiers<'a>(operators: impl IntoIterator<Item = &'a OperatorReceipt>) -> Vec<TierReceipt> {
    let mut sums: Vec<TierReceipt> = vec![];
    for tier in operators.into_iter().flat_map(|operator| &operator.tiers) {
        match sums.iter_mut().find(|sum| sum.tier == tier.tier) {
            Some(sum) => {
                sum.spilled_bytes += tier.spilled_bytes;
                sum.fetched_bytes += tier.fetched_bytes;
            }
            None => sums.push(tier.clone()),
        }
    }
    sums
}

/// Writes a number of bytes with a binary unit: `1.5 MiB`.
pub fn human_bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_the_largest_unit_that_fits() {
        assert_eq!(human_bytes(0), "0 B");
        assert_eq!(human_bytes(1023), "1023 B");
        assert_eq!(human_bytes(1536), "1.5 KiB");
        assert_eq!(human_bytes(3 << 40), "3.0 TiB");
    }

    #[test]
    fn moves_between_tiers_are_told_and_added_up() {
        let moved = |tier: &str, spilled_bytes, fetched_bytes| TierReceipt {
            tier: tier.into(),
            spilled_bytes,
            fetched_bytes,
        };
        let operator = |tiers| OperatorReceipt { tiers, ..OperatorReceipt::default() };
        let operators = vec![
            operator(vec![moved("pinned host memory", 1024, 0), moved("disk", 2048, 2048)]),
            operator(vec![moved("disk", 1, 2)]),
        ];
        let tiers = sum_tiers(&operators);
        assert_eq!(tiers, [moved("pinned host memory", 1024, 0), moved("disk", 2049, 2050)]);
        let receipt =
            Receipt { operators, totals: Totals { tiers, ..Totals::default() }, ..Receipt::default() };
        let text = receipt.to_string();
        assert!(text.contains("    pinned host memory: 1.0 KiB spilled, 0 B fetched\n"), "{text}");
        assert!(text.contains("\ndisk: 2.0 KiB spilled, 2.0 KiB fetched\n"), "{text}");
    }

    #[test]
    fn text_lines_up_and_names_fallbacks() {
        let receipt = Receipt {
            operators: vec![
                OperatorReceipt { name: "SortExec".into(), place: "host".into(), ..Default::default() },
                OperatorReceipt {
                    depth: 1,
                    name: "DeviceExec".into(),
                    place: "gpu:0".into(),
                    device_name: Some("Simulated".into()),
                    kernels_launched: 3,
                    ..Default::default()
                },
            ],
            fallbacks: vec![FallbackReceipt {
                operator: "HashJoinExec".into(),
                reason: "no device form".into(),
            }],
            ..Default::default()
        };
        let text = receipt.to_string();
        let places: Vec<_> =
            text.lines().filter_map(|line| line.find("host").or(line.find("gpu:0"))).collect();
        assert_eq!(places.len(), 2);
        assert_eq!(places[0], places[1]);
        assert!(text.contains("fell back: HashJoinExec: no device form"));
        assert!(!text.contains("spilled"), "tiers are told only where something moved");
        assert_eq!(receipt.device_operators().count(), 1);
        assert_eq!(receipt.warnings(), ["HashJoinExec ran on the CPU: no device form"]);
    }
}
