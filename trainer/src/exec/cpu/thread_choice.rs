//! Decides whether a program runs on one thread or on all. For small networks, synchronizing threads can cost more than it saves.

/// Run times of one program on one thread and on all threads.
///
/// Both give the same results, so a trial only costs the time of a few slower runs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ThreadChoice {
    runs: u64,
    /// Seconds of the last trial's runs on one thread and on all threads.
    seconds: [f64; 2],
}

impl ThreadChoice {
    /// Number of runs per trial on one thread, and again on all threads.
    const TRIALS: u64 = 4;
    /// Number of runs from one trial to the next. Trials are repeated because the other load on the machine changes.
    const EVERY: u64 = 2000;

    /// Whether the next run uses all threads.
    pub(super) fn use_all(&self) -> bool {
        let at = self.runs % Self::EVERY;
        if self.in_trial() { at.is_multiple_of(2) } else { self.seconds[1] <= self.seconds[0] }
    }

    /// Whether the next run belongs to a trial. The first two runs of a program do not, because they warm up caches.
    fn in_trial(&self) -> bool {
        (2..2 + 2 * Self::TRIALS).contains(&(self.runs % Self::EVERY))
    }

    /// Records the time of the run that [`ThreadChoice::use_all`] decided about.
    pub(super) fn record(&mut self, seconds: f64) {
        if self.in_trial() {
            if self.runs % Self::EVERY == 2 {
                self.seconds = [0.0; 2];
            }
            self.seconds[usize::from(self.use_all())] += seconds;
        }
        self.runs += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::ThreadChoice;

    #[test]
    fn the_faster_thread_count_is_kept_until_the_next_trial() {
        let mut choice = ThreadChoice::default();
        let mut on_all = Vec::new();
        for run in 0..2 * ThreadChoice::EVERY {
            let all = choice.use_all();
            on_all.push(all);
            // One thread is faster at first; all threads are faster from the second trial on.
            let quick = all == (run >= ThreadChoice::EVERY);
            choice.record(if quick { 1.0 } else { 2.0 });
        }
        let (trial, every) = (2 + 2 * ThreadChoice::TRIALS as usize, ThreadChoice::EVERY as usize);
        assert!(on_all[..2].iter().all(|all| *all), "nothing has been measured yet");
        assert_eq!(on_all[2..trial].iter().filter(|all| **all).count() as u64, ThreadChoice::TRIALS);
        assert!(on_all[trial..every].iter().all(|all| !all));
        assert!(on_all[every + trial..].iter().all(|all| *all));
    }
}
