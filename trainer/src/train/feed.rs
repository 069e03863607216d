//! Batches prepared on a thread of their own while the last one is trained on, and the time spent waiting for them.
//!
//! What is drawn depends on the key alone, so a batch prepared ahead is the batch that would have been drawn in place.
use crate::data::Dataset;
use crate::philox::Key;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Numbers of a batch that make a thread worth its switches; smaller batches are drawn in place.
const WORTH: usize = 1 << 15;

/// Real examples with their classes.
#[derive(Clone, Debug, Default)]
struct Batch {
    key: Option<Key>,
    real: Vec<f32>,
    labels: Vec<u8>,
}

/// Draws batches, ahead of time where that pays.
pub(crate) struct Feed {
    data: Arc<dyn Dataset>,
    current: Batch,
    ahead: Option<Ahead>,
    waited: Duration,
}

/// The thread's ends of two channels; it ends when they do.
struct Ahead {
    wanted: SyncSender<Batch>,
    ready: Receiver<Batch>,
    /// The key that the thread works on.
    at: Option<Key>,
    spare: Option<Batch>,
}

impl Feed {
    /// Batches of `batch` items, with their classes if `labeled`.
    pub(crate) fn new(data: Arc<dyn Dataset>, batch: usize, labeled: bool) -> Self {
        let item: usize = data.shape().iter().product();
        let current =
            Batch { key: None, real: vec![0.0; batch * item], labels: vec![0; if labeled { batch } else { 0 }] };
        let ahead = (batch * item >= WORTH).then(|| Ahead::start(Arc::clone(&data), current.clone())).flatten();
        Self { data, current, ahead, waited: Duration::ZERO }
    }

    /// The data set.
    pub(crate) fn data(&self) -> &dyn Dataset {
        &*self.data
    }

    /// Real examples of the last draw.
    pub(crate) fn real(&self) -> &[f32] {
        &self.current.real
    }

    /// Classes of the last draw.
    pub(crate) fn labels(&self) -> &[u8] {
        &self.current.labels
    }

    /// Time spent drawing in place or waiting for the thread.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }

    /// Makes the batch of `key` the current one and asks for that of `next`.
    pub(crate) fn draw(&mut self, key: Key, next: Key) {
        let start = Instant::now();
        match &mut self.ahead {
            Some(ahead) if ahead.at == Some(key) => {
                if let Ok(batch) = ahead.ready.recv() {
                    ahead.spare = Some(std::mem::replace(&mut self.current, batch));
                }
                ahead.at = None;
            }
            _ => {}
        }
        // Another key was guessed, or the thread is gone: what is drawn here is the same.
        if self.current.key != Some(key) {
            self.current.fill(&*self.data, key);
        }
        if let Some(ahead) = &mut self.ahead {
            ahead.ask(next);
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

impl Ahead {
    fn start(data: Arc<dyn Dataset>, spare: Batch) -> Option<Self> {
        let (wanted, asked) = sync_channel::<Batch>(1);
        let (done, ready) = sync_channel(1);
        let work = move || {
            for mut batch in asked {
                if let Some(key) = batch.key {
                    batch.fill(&*data, key);
                }
                if done.send(batch).is_err() {
                    break;
                }
            }
        };
        std::thread::Builder::new().name("data".into()).spawn(work).ok()?;
        Some(Self { wanted, ready, at: None, spare: Some(spare) })
    }

    /// Asks for the batch of `key`, unless one is on its way: that one is fetched first, and dropped.
    fn ask(&mut self, key: Key) {
        if self.at.is_some() {
            self.spare = self.ready.recv().ok();
        }
        self.at = self.spare.take().and_then(|batch| {
            self.wanted.send(Batch { key: Some(key), ..batch }).ok()?;
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
    fn batches_ahead_equal_batches_in_place_whatever_was_guessed() {
        let blobs = blobs(32, 32, 3, 40, 1);
        let mut feed = Feed::new(Arc::new(blobs.clone()), 16, false);
        assert!(feed.ahead.is_some());
        let mut want = vec![0.0; 16 * 32 * 32 * 3];
        // Right guesses, a wrong one, and the same batch twice.
        for (step, next) in [(0, 1), (1, 2), (2, 9), (3, 4), (4, 4), (4, 5), (5, 6)] {
            feed.draw(key(step), key(next));
            blobs.batch(key(step), &mut want);
            assert_eq!(feed.real(), want, "step {step}");
        }
    }

    #[test]
    fn small_batches_need_no_thread() {
        let feed = Feed::new(Arc::new(blobs(8, 8, 1, 10, 1)), 4, true);
        assert!(feed.ahead.is_none());
    }
}
