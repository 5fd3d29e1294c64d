//! What machines do per second, as data: defaults, and those of known cards.

use serde::{Deserialize, Serialize};

/// Declares a set of constants, so that they can be written, fitted and printed one by one.
macro_rules! constants {
    ($(#[$about:meta])* $type:ident { $($(#[$doc:meta])* $name:ident: $default:expr, $unit:literal;)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $type {
            $($(#[$doc])* pub $name: f64,)+
        }

        impl Default for $type {
            fn default() -> Self {
                $type { $($name: $default,)+ }
            }
        }

        impl $type {
            /// Returns the name, the unit and the value of each.
            pub fn list(&self) -> Vec<(&'static str, &'static str, f64)> {
                vec![$((stringify!($name), $unit, self.$name),)+]
            }

            /// Says which of them no machine has: they are positive and finite.
            ///
            /// # Errors
            /// The name and the value.
            pub fn check(&self) -> Result<(), String> {
                match self.list().into_iter().find(|(.., value)| !(value.is_finite() && *value > 0.0)) {
                    Some((name, unit, value)) => {
                        Err(format!("{name} is {value} {unit}, which is not a positive number"))
                    }
                    None => Ok(()),
                }
            }
        }
    };
}

constants! {
    /// What one core does. The defaults are those of current server cores.
    HostCosts {
        /// Rows through one expression node.
        nodes_per_s: 1e9, "rows/s";
        /// Bytes that are copied when a filter, a join or a sort makes new rows.
        copy_bytes_per_s: 8e9, "bytes/s";
        /// Rows put into groups, of which there are so few that they stay in the caches.
        groups_per_s: 100e6, "rows/s";
        /// Rows whose group is not in the caches: this time comes on top.
        group_misses_per_s: 30e6, "rows/s";
        /// Rows built or looked up in a join, of which so few are built that they stay in the caches.
        joins_per_s: 150e6, "rows/s";
        /// Rows whose partner is not in the caches: this time comes on top.
        join_misses_per_s: 60e6, "rows/s";
        /// Rows added to one aggregate.
        aggregates_per_s: 400e6, "rows/s";
        /// Comparisons of rows in a sort, for each key.
        compares_per_s: 200e6, "rows/s";
        /// Rows through one window function.
        window_values_per_s: 30e6, "rows/s";
        /// Bytes of columns decoded from files: counted where a device would not have to, the table being there.
        decode_bytes_per_s: 600e6, "bytes/s";
        /// Gathering batches into pinned memory; overlapped with the copy to the device, so that the slower counts.
        stage_bytes_per_s: 8e9, "bytes/s";
        /// The least time that any operator takes.
        operator_s: 20e-6, "s";
        /// The share of their number by which several cores are faster than one: memory and merging keep it below 1.
        core_share: 0.8, "of 1";
    }
}

constants! {
    /// What a device does, and what a step costs whatever its size. The defaults are those of the H200 class on PCIe 5.
    DeviceCosts {
        /// Pinned copies to the device.
        upload_bytes_per_s: 50e9, "bytes/s";
        /// Copies back.
        download_bytes_per_s: 50e9, "bytes/s";
        /// Device memory as generated kernels read it.
        bytes_per_s: 3.3e12, "bytes/s";
        /// Rows through one expression node: arithmetic only shows for long expressions over few bytes.
        nodes_per_s: 1e12, "rows/s";
        /// Rows put into groups, of which there are so few that they stay in the caches.
        groups_per_s: 4e9, "rows/s";
        /// Rows whose group is not in the caches: this time comes on top.
        group_misses_per_s: 2e9, "rows/s";
        /// Rows built or looked up in a join, of which so few are built that they stay in the caches.
        joins_per_s: 8e9, "rows/s";
        /// Rows whose partner is not in the caches: this time comes on top.
        join_misses_per_s: 3e9, "rows/s";
        /// Rows ordered by one key.
        sort_keys_per_s: 8e9, "rows/s";
        /// Rows through one window function.
        window_values_per_s: 20e9, "rows/s";
        /// Queueing a task for the worker, and waiting for its answer.
        task_s: 30e-6, "s";
        /// One kernel launch with its parameters.
        launch_s: 6e-6, "s";
        /// Compiling one kernel: 20–60 ms measured for kernels without headers; nothing where it is known.
        compile_s: 60e-3, "s";
    }
}

/// A card: part of its name, its memory's bandwidth and its bus's, one way, in GB/s. Of two that match the first is
/// meant.
struct Card {
    name: &'static str,
    memory: f64,
    bus: f64,
}

/// From NVIDIA's data sheets: "H200 Tensor Core GPU" (4.8 TB/s), "H100 Tensor Core GPU" (SXM 3.35, NVL 3.9, PCIe 2.0
/// TB/s), "A100 Tensor Core GPU" (80 GB: 1,935 PCIe, 2,039 SXM; 40 GB: 1,555), "L4 Tensor Core GPU" (300), "L40S"
/// (864), "Ada GPU Architecture" (RTX 4090: 1,008). PCIe x16 moves 31.5 (version 4) and 63 GB/s (version 5) each way
/// by its specification. Grace Hopper's chip-to-chip link (450 each way) is left to `swath calibrate`.
const CARDS: [Card; 11] = [
    Card { name: "H200", memory: 4800.0, bus: 63.0 },
    Card { name: "H100 NVL", memory: 3900.0, bus: 63.0 },
    Card { name: "H100 PCIe", memory: 2000.0, bus: 63.0 },
    Card { name: "H100", memory: 3350.0, bus: 63.0 },
    Card { name: "A100-PCIE-40GB", memory: 1555.0, bus: 31.5 },
    Card { name: "A100-SXM4-40GB", memory: 1555.0, bus: 31.5 },
    Card { name: "A100-SXM4-80GB", memory: 2039.0, bus: 31.5 },
    Card { name: "A100", memory: 1935.0, bus: 31.5 },
    Card { name: "L40S", memory: 864.0, bus: 31.5 },
    Card { name: "L4", memory: 300.0, bus: 31.5 },
    Card { name: "RTX 4090", memory: 1008.0, bus: 31.5 },
];

/// What generated kernels get of a memory's bandwidth on paper, and copies of a bus's.
const SHARE_OF_MEMORY: f64 = 0.7;
const SHARE_OF_BUS: f64 = 0.8;

impl DeviceCosts {
    /// Returns the constants of a card by the name that its driver gives; `None` of one that is not known, of a laptop's
    /// and of a part of a card. Everything that memory bounds is scaled by the card's bandwidth.
    pub fn of_card(name: &str) -> Option<DeviceCosts> {
        // Whole words: an L40 is no L4.
        let words = |text: &str| {
            let separate = |letter: char| !letter.is_ascii_alphanumeric();
            let words = text.to_ascii_uppercase();
            format!(" {} ", words.split(separate).collect::<Vec<_>>().join(" "))
        };
        let named = words(name);
        if named.contains(" LAPTOP ") || named.contains(" MIG ") {
            return None;
        }
        let card = CARDS.iter().find(|card| named.contains(&words(card.name)))?;
        let defaults = DeviceCosts::default();
        let scale = card.memory / CARDS[0].memory;
        let bus_bytes_per_s = card.bus * 1e9 * SHARE_OF_BUS;
        Some(DeviceCosts {
            upload_bytes_per_s: bus_bytes_per_s,
            download_bytes_per_s: bus_bytes_per_s,
            bytes_per_s: card.memory * 1e9 * SHARE_OF_MEMORY,
            groups_per_s: defaults.groups_per_s * scale,
            group_misses_per_s: defaults.group_misses_per_s * scale,
            joins_per_s: defaults.joins_per_s * scale,
            join_misses_per_s: defaults.join_misses_per_s * scale,
            sort_keys_per_s: defaults.sort_keys_per_s * scale,
            window_values_per_s: defaults.window_values_per_s * scale,
            ..defaults
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_known_by_name() {
        let memory = |name: &str| {
            DeviceCosts::of_card(name).map(|costs| (costs.bytes_per_s / SHARE_OF_MEMORY).round())
        };
        assert_eq!(memory("NVIDIA H200"), Some(4.8e12));
        assert_eq!(memory("NVIDIA H100 80GB HBM3"), Some(3.35e12));
        assert_eq!(memory("NVIDIA H100 PCIe"), Some(2e12));
        assert_eq!(memory("NVIDIA A100-SXM4-80GB"), Some(2.039e12));
        assert_eq!(memory("NVIDIA L4"), Some(3e11));
        assert_eq!(memory("NVIDIA GeForce RTX 4090"), Some(1.008e12));
        assert_eq!(memory("NVIDIA GeForce RTX 4090 Laptop GPU"), None, "is another chip");
        assert_eq!(memory("NVIDIA L40"), None);
        assert_eq!(memory("Simulated device"), None);
    }

    #[test]
    fn constants_are_positive() {
        assert_eq!(HostCosts::default().check(), Ok(()));
        for card in &CARDS {
            let costs = DeviceCosts::of_card(card.name).expect("is known");
            assert_eq!(costs.check(), Ok(()), "{}", card.name);
        }
        let broken = HostCosts { nodes_per_s: f64::NAN, ..HostCosts::default() };
        assert!(broken.check().unwrap_err().contains("nodes_per_s"));
        assert!(HostCosts { operator_s: 0.0, ..HostCosts::default() }.check().is_err());
    }
}
