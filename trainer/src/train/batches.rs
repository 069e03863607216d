//! Prefetches batches of real examples in a thread while the previous batch is used, and measures the time spent waiting.
//!
//! A batch depends on its key only, so a prefetched batch equals a batch drawn in place.
use crate::data::{DataError, Dataset};
use crate::philox::Key;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Minimum number of values in a batch that is prefetched by a thread; for smaller batches, switching threads costs more than drawing.
const MIN_PREFETCH: usize = 1 << 15;

/// Real examples and their classes.
#[derive(Clone, Debug, Default)]
struct Batch {
    key: Option<Key>,
    real: Vec<f32>,
    labels: Vec<u8>,
}

/// Source of batches of real examples.
pub(crate) struct Batches {
    data: Arc<dyn Dataset>,
    current: Batch,
    ahead: Option<Prefetch>,
    waited: Duration,
}

/// A thread that prepares the next batch; it ends when these channels are dropped.
struct Prefetch {
    requests: SyncSender<Batch>,
    ready: Receiver<Batch>,
    /// Key of the batch that the thread prepares.
    pending: Option<Key>,
    spare: Option<Batch>,
}

impl Batches {
    /// Batches of `batch` examples of `data`, with their classes if `labeled`.
    pub(crate) fn new(data: Arc<dyn Dataset>, batch: usize, labeled: bool) -> Self {
        let item: usize = data.shape().iter().product();
        let current =
            Batch { key: None, real: vec![0.0; batch * item], labels: vec![0; if labeled { batch } else { 0 }] };
        let ahead =
            (batch * item >= MIN_PREFETCH).then(|| Prefetch::start(Arc::clone(&data), current.clone())).flatten();
        Self { data, current, ahead, waited: Duration::ZERO }
    }

    /// The data set that batches are drawn from.
    pub(crate) fn data(&self) -> &dyn Dataset {
        &*self.data
    }

    /// Why examples could not be read, if reading failed; the current batch is then not valid.
    pub(crate) fn failure(&self) -> Option<DataError> {
        self.data.failure()
    }

    /// Examples of the current batch.
    pub(crate) fn real(&self) -> &[f32] {
        &self.current.real
    }

    /// Classes of the current batch.
    pub(crate) fn labels(&self) -> &[u8] {
        &self.current.labels
    }

    /// Total time spent drawing in place or waiting for the thread.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }

    /// Makes the batch of `key` the current one and lets the thread prepare the batch of `next`.
    pub(crate) fn draw(&mut self, key: Key, next: Key) {
        let start = Instant::now();
        match &mut self.ahead {
            Some(ahead) if ahead.pending == Some(key) => {
                if let Ok(batch) = ahead.ready.recv() {
                    ahead.spare = Some(std::mem::replace(&mut self.current, batch));
                }
                ahead.pending = None;
            }
            _ => {}
        }
        // The prediction was wrong, or the thread is gone; drawing here gives the same batch.
        if self.current.key != Some(key) {
            self.current.fill(&*self.data, key);
        }
        if let Some(ahead) = &mut self.ahead {
            ahead.request(next);
        }
        self.waited += start.elapsed();
    }
}

impl Batch {
    fn fill(&mut self, data: &dyn Dataset, key: Key) {
        data.batch(key, &mut self.real);
        data.batch_labels(key, &mut self.labels);
        self.key = Some(key);
    }
}

impl Prefetch {
    fn start(data: Arc<dyn Dataset>, spare: Batch) -> Option<Self> {
        let (requests, requested) = sync_channel::<Batch>(1);
        let (done, ready) = sync_channel(1);
        let work = move || {
            for mut batch in requested {
                if let Some(key) = batch.key {
                    batch.fill(&*data, key);
                }
                if done.send(batch).is_err() {
                    break;
                }
            }
        };
        std::thread::Builder::new().name("data".into()).spawn(work).ok()?;
        Some(Self { requests, ready, pending: None, spare: Some(spare) })
    }

    /// Requests the batch of `key`; a batch that is still pending is received first and dropped.
    fn request(&mut self, key: Key) {
        if self.pending.is_some() {
            self.spare = self.ready.recv().ok();
        }
        self.pending = self.spare.take().and_then(|batch| {
            self.requests.send(Batch { key: Some(key), ..batch }).ok()?;
            Some(key)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::blobs;

    fn key(step: u64) -> Key {
        Key { seed: 3, stream: 1, step }
    }

    #[test]
    fn prefetched_batches_equal_batches_drawn_in_place() {
        let blobs = blobs(32, 32, 3, 40, 1);
        let mut batches = Batches::new(Arc::new(blobs.clone()), 16, false);
        assert!(batches.ahead.is_some());
        let mut want = vec![0.0; 16 * 32 * 32 * 3];
        // Right predictions, a wrong one, and the same batch twice.
        for (step, next) in [(0, 1), (1, 2), (2, 9), (3, 4), (4, 4), (4, 5), (5, 6)] {
            batches.draw(key(step), key(next));
            blobs.batch(key(step), &mut want);
            assert_eq!(batches.real(), want, "step {step}");
        }
    }

    #[test]
    fn small_batches_are_drawn_without_a_thread() {
        let batches = Batches::new(Arc::new(blobs(8, 8, 1, 10, 1)), 4, true);
        assert!(batches.ahead.is_none());
    }
}
