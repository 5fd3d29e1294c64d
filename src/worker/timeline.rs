//! How long the device took, measured by events on the device itself.
//!
//! Each kernel and each transfer gets a pair of events. Recording one costs the host about a microsecond, which is
//! little beside kernels over chunks of megabytes, and unlike the host's clock it does not count time in which the
//! device waited for the host. Events are used again.

use std::collections::VecDeque;

use super::stats::TaskStats;
use crate::Result;
use crate::device::{Device, Event, Stream};

/// What a stretch of time was spent on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Activity {
    Kernel,
    Upload,
    Download,
}

/// Stretches that began and are not yet counted.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    unused: Vec<Event>,
    pending: VecDeque<(Activity, Event, Event)>,
}

/// Stretches that may wait to be counted before the oldest are looked at.
const PENDING_MAX: usize = 512;

impl Timeline {
    /// Marks the start of a stretch behind what `stream` has to do so far.
    pub(super) fn start(&mut self, device: &Device, stream: &Stream) -> Result<Event> {
        let event = match self.unused.pop() {
            Some(event) => event,
            None => Event::timing(device)?,
        };
        event.record(stream)?;
        Ok(event)
    }

    /// Marks the end of a stretch behind what `stream` has to do so far.
    pub(super) fn finish(
        &mut self,
        activity: Activity,
        start: Event,
        device: &Device,
        stream: &Stream,
        stats: &mut TaskStats,
    ) -> Result<()> {
        let end = self.start(device, stream)?;
        self.pending.push_back((activity, start, end));
        while self.pending.len() > PENDING_MAX && self.count_oldest(stats)? {}
        Ok(())
    }

    /// Counts every stretch that has ended; after a synchronisation that is all of them.
    pub(super) fn collect(&mut self, stats: &mut TaskStats) -> Result<()> {
        while self.count_oldest(stats)? {}
        Ok(())
    }

    /// Drops what was not counted: it belongs to a task that has ended.
    pub(super) fn clear(&mut self) {
        for (_, start, end) in self.pending.drain(..) {
            self.unused.extend([start, end]);
        }
    }

    fn count_oldest(&mut self, stats: &mut TaskStats) -> Result<bool> {
        let Some((_, _, end)) = self.pending.front() else { return Ok(false) };
        if !end.is_reached()? {
            return Ok(false);
        }
        let Some((activity, start, end)) = self.pending.pop_front() else { return Ok(false) };
        let took = end.elapsed(&start)?;
        match activity {
            Activity::Kernel => stats.kernel_time += took,
            Activity::Upload => stats.upload_time += took,
            Activity::Download => stats.download_time += took,
        }
        self.unused.extend([start, end]);
        Ok(true)
    }
}
