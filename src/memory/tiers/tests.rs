use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::memory::{Admission, Budget};

/// SplitMix64: a sequence for a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

fn plain(bytes: u64) -> ChunkBytes {
    ChunkBytes { pinned: bytes, plain: bytes }
}

fn tiers(pinned: u64, pageable: u64, disk: u64) -> Tiers {
    Tiers::new(TierLimits { pinned, pageable, disk })
}

/// Carries every step out until `id` has left its tier; answers the steps.
fn settle(tiers: &mut Tiers, id: ChunkId, may_drop: impl Fn(ChunkId) -> bool) -> Vec<Demotion> {
    let mut steps = vec![];
    loop {
        let step = tiers.demote(id, &may_drop, &|_| true);
        tiers.validate_state();
        steps.push(step.clone());
        match step {
            Demotion::Move { chunk, .. } => {
                assert!(tiers.finished(chunk));
                tiers.validate_state();
                if chunk == id {
                    return steps;
                }
            }
            Demotion::Drop { chunk } if chunk != id => {}
            Demotion::Drop { .. } | Demotion::Full { .. } => return steps,
        }
    }
}

#[test]
fn chunks_fill_the_tiers_from_the_top_and_the_oldest_move_down() {
    let mut tiers = tiers(20, 20, 20);
    for id in 0..7 {
        tiers.add(id, plain(10));
    }
    for id in 0..6 {
        settle(&mut tiers, id, |_| false);
    }
    let places: Vec<Tier> = (0..6).filter_map(|id| tiers.tier(id)).collect();
    let expected = [Tier::Disk, Tier::Disk, Tier::Pageable, Tier::Pageable, Tier::Pinned, Tier::Pinned];
    assert_eq!(places, expected);
    let full = settle(&mut tiers, 6, |_| false);
    assert_eq!(full, [Demotion::Full { asked: 10, free: Tier::BELOW_DEVICE.map(|tier| (tier, 0)).to_vec() }]);
    // Using one makes another the oldest.
    tiers.remove(0);
    tiers.touch(2);
    let steps = settle(&mut tiers, 6, |_| false);
    let moved = |chunk, from, to| Demotion::Move { chunk, from, to };
    assert_eq!(
        steps,
        [
            moved(3, Tier::Pageable, Tier::Disk),
            moved(4, Tier::Pinned, Tier::Pageable),
            moved(6, Tier::Device, Tier::Pinned)
        ]
    );
}

#[test]
fn what_does_not_fit_a_tier_at_all_passes_it_by() {
    let mut tiers = tiers(10, 0, 100);
    tiers.add(0, plain(50));
    assert_eq!(settle(&mut tiers, 0, |_| false).len(), 1);
    assert_eq!(tiers.tier(0), Some(Tier::Disk));
    // A small one stays above, though the large one below it is older.
    tiers.add(1, plain(5));
    settle(&mut tiers, 1, |_| false);
    assert_eq!(tiers.tier(1), Some(Tier::Pinned));
}

#[test]
fn what_can_be_made_again_displaces_nothing_and_never_goes_to_disk() {
    let mut tiers = tiers(10, 10, 100);
    for id in 0..4 {
        tiers.add(id, plain(10));
    }
    let is_table = |id| id >= 2;
    settle(&mut tiers, 0, is_table);
    settle(&mut tiers, 2, is_table);
    assert_eq!(tiers.tier(2), Some(Tier::Pageable));
    assert_eq!(settle(&mut tiers, 3, is_table), [Demotion::Drop { chunk: 3 }]);
    assert_eq!(tiers.tier(3), None);
    // It makes room for what cannot be made again.
    tiers.add(4, plain(10));
    let steps = settle(&mut tiers, 4, |id| id == 2);
    assert_eq!(steps[0], Demotion::Drop { chunk: 2 });
    assert_eq!((tiers.tier(4), tiers.tier(0)), (Some(Tier::Pinned), Some(Tier::Pageable)));
}

#[test]
fn a_tier_that_is_broken_is_passed_by() {
    let mut tiers = tiers(10, 10, 10);
    tiers.add(0, plain(10));
    let first = tiers.demote(0, &|_| false, &|_| true);
    assert_eq!(first, Demotion::Move { chunk: 0, from: Tier::Device, to: Tier::Pinned });
    assert!(tiers.failed(0));
    assert_eq!((tiers.tier(0), tiers.used(Tier::Pinned)), (Some(Tier::Device), 0));
    let next = tiers.demote(0, &|_| false, &|tier| tier != Tier::Pinned);
    assert_eq!(next, Demotion::Move { chunk: 0, from: Tier::Device, to: Tier::Pageable });
}

#[test]
fn what_is_removed_on_its_way_counts_until_it_ends() {
    let mut tiers = tiers(10, 10, 10);
    tiers.add(0, plain(10));
    tiers.demote(0, &|_| false, &|_| true);
    tiers.remove(0);
    tiers.validate_state();
    assert_eq!(tiers.used(Tier::Pinned), 10);
    assert!(!tiers.finished(0));
    assert_eq!((tiers.used(Tier::Pinned), tiers.tier(0)), (0, None));
}

/// What a worker does with the two state machines, without the bytes.
struct Model {
    random: Random,
    budget: Budget,
    tiers: Tiers,
    /// Device bytes of each chunk, and whether it can be made again.
    chunks: BTreeMap<ChunkId, (u64, bool)>,
    /// Chunks that somebody holds on the device.
    held: BTreeSet<ChunkId>,
    /// Bytes that are no chunk's.
    others: Vec<u64>,
    next_id: ChunkId,
}

impl Model {
    fn new(seed: u64) -> Model {
        let mut random = Random(seed);
        let budget = Budget::new(1 + random.below(1_000));
        let limits = TierLimits {
            pinned: random.below(600),
            pageable: random.below(600),
            disk: if random.one_in(2) { u64::MAX } else { random.below(600) },
        };
        let (chunks, held) = (BTreeMap::new(), BTreeSet::new());
        Model { random, budget, tiers: Tiers::new(limits), chunks, held, others: vec![], next_id: 0 }
    }

    fn check(&self, what: &str) {
        self.budget.validate();
        self.tiers.validate_state();
        let on_device = |id: &&ChunkId| self.tiers.tier(**id) == Some(Tier::Device);
        let bytes: u64 = self.chunks.keys().filter(on_device).map(|id| self.chunks[id].0).sum();
        assert_eq!(self.budget.reserved(), bytes + self.others.iter().sum::<u64>(), "{what}");
        assert!(self.budget.reserved() <= self.budget.limit(), "{what}");
        assert!(self.chunks.keys().all(|id| self.tiers.tier(*id).is_some()), "{what}: a chunk is lost");
        assert!(
            self.held.iter().all(|id| self.tiers.tier(*id) == Some(Tier::Device)),
            "{what}: held and gone"
        );
    }

    /// Reserves as a worker does; answers whether it got the bytes.
    fn reserve(&mut self, asked: u64) -> bool {
        let mut stuck: BTreeSet<ChunkId> = BTreeSet::new();
        loop {
            let admission = self.budget.reserve(asked, |id| !self.held.contains(&id) && !stuck.contains(&id));
            match admission {
                Admission::Granted => return true,
                Admission::Refused { .. } => return false,
                Admission::Evict(ids) => {
                    for id in ids {
                        if self.tiers.tier(id) == Some(Tier::Device) && !self.evict(id) {
                            stuck.insert(id);
                        }
                    }
                }
            }
        }
    }

    fn evict(&mut self, id: ChunkId) -> bool {
        let mut broken: BTreeSet<Tier> = BTreeSet::new();
        for steps in 0.. {
            assert!(steps < 1_000, "it does not end");
            let chunks = &self.chunks;
            let may_drop = |id: ChunkId| chunks.get(&id).is_some_and(|(_, is_table)| *is_table);
            match self.tiers.demote(id, &may_drop, &|tier| !broken.contains(&tier)) {
                Demotion::Full { .. } => return false,
                Demotion::Drop { chunk } => {
                    assert!(may_drop(chunk));
                    self.forget(chunk, chunk == id);
                    if chunk == id {
                        return true;
                    }
                }
                Demotion::Move { chunk, from, to } => {
                    self.tiers.validate_state();
                    assert!(to > from && self.tiers.used(to) <= self.tiers.limit(to));
                    assert!(to != Tier::Disk || !may_drop(chunk));
                    if self.random.one_in(12) {
                        assert!(self.tiers.failed(chunk));
                        broken.insert(to);
                        continue;
                    }
                    if chunk != id && self.random.one_in(12) {
                        // Its last handle is dropped by another thread meanwhile.
                        self.tiers.remove(chunk);
                        assert!(!self.tiers.finished(chunk));
                        self.chunks.remove(&chunk);
                        continue;
                    }
                    assert!(self.tiers.finished(chunk));
                    if chunk == id {
                        self.budget.remove_resident(id);
                        self.budget.release(self.chunks[&id].0);
                        return true;
                    }
                }
            }
        }
        unreachable!("it ends or fails above")
    }

    fn forget(&mut self, id: ChunkId, was_on_device: bool) {
        let (bytes, _) = self.chunks.remove(&id).unwrap();
        if was_on_device {
            self.budget.remove_resident(id);
            self.budget.release(bytes);
        }
        self.held.remove(&id);
    }

    fn any_chunk(&mut self) -> Option<ChunkId> {
        let index = self.random.below(self.chunks.len().max(1) as u64) as usize;
        self.chunks.keys().nth(index).copied()
    }

    fn step(&mut self) {
        match self.random.below(8) {
            0 | 1 => {
                let bytes = 1 + self.random.below(self.budget.limit());
                if self.reserve(bytes) {
                    self.others.push(bytes);
                }
            }
            2 if !self.others.is_empty() => {
                let index = self.random.below(self.others.len() as u64) as usize;
                self.budget.release(self.others.swap_remove(index));
            }
            3 | 4 if !self.others.is_empty() => {
                let bytes = self.others.swap_remove(0);
                let (id, is_table) = (self.next_id, self.random.one_in(3));
                self.next_id += 1;
                self.budget.add_resident(id, bytes);
                let plain = bytes - self.random.below(bytes / 2 + 1);
                self.tiers.add(id, ChunkBytes { pinned: plain + self.random.below(8), plain });
                self.chunks.insert(id, (bytes, is_table));
            }
            5 => {
                if let Some(id) = self.any_chunk() {
                    self.fetch(id);
                }
            }
            6 => {
                let release = self.held.iter().next().copied();
                release.map(|id| self.held.remove(&id));
            }
            _ => {
                if let Some(id) = self.any_chunk() {
                    let was_on_device = self.tiers.tier(id) == Some(Tier::Device);
                    self.tiers.remove(id);
                    self.forget(id, was_on_device);
                }
            }
        }
    }

    fn fetch(&mut self, id: ChunkId) {
        self.tiers.touch(id);
        self.budget.touch(id);
        if self.tiers.tier(id) != Some(Tier::Device) {
            let from = self.tiers.promote(id);
            let bytes = self.chunks[&id].0;
            if !self.reserve(bytes) {
                assert!(self.tiers.failed(id));
                assert_eq!(self.tiers.tier(id), from, "it is where it was");
                return;
            }
            assert!(self.tiers.finished(id));
            self.budget.add_resident(id, bytes);
        }
        self.held.insert(id);
    }
}

#[test]
fn random_sequences_lose_nothing_and_keep_every_limit() {
    let mut seen: BTreeSet<Tier> = BTreeSet::new();
    for seed in 0..3_000 {
        let mut model = Model::new(seed);
        for step in 0..120 {
            model.step();
            model.check(&format!("seed {seed} step {step}"));
        }
        seen.extend(model.chunks.keys().filter_map(|id| model.tiers.tier(*id)));
        for id in model.chunks.keys().copied().collect::<Vec<_>>() {
            model.tiers.remove(id);
        }
        assert!(Tier::BELOW_DEVICE.iter().all(|tier| model.tiers.used(*tier) == 0), "seed {seed}");
    }
    assert_eq!(seen.len(), 4, "every tier is used: {seen:?}");
}

#[test]
fn full_is_said_only_where_nothing_fits() {
    for seed in 0..2_000 {
        let mut random = Random(seed);
        let mut tiers = tiers(random.below(60), random.below(60), random.below(60));
        for id in 0..12 {
            tiers.add(id, plain(1 + random.below(30)));
            let steps = settle(&mut tiers, id, |_| false);
            if let Some(Demotion::Full { asked, free }) = steps.last() {
                assert!(free.iter().all(|(_, free)| free < asked), "seed {seed}: {asked} fits {free:?}");
            }
        }
    }
}
