//! Writes the table of timings in `docs/SPEED.md`, for `bench host --record`.

use super::peers::PeerRow;
use super::step_timing::StepTiming;
use crate::failure::Failure;
use crate::process::root;
use std::fs;

const END: &str = "<!-- end of timings -->\n";

/// The comment before the table of an instruction set.
fn begin(instructions: &str) -> String {
    format!("<!-- timings, {instructions}: written by cargo xtask bench host --record -->\n")
}

/// Replaces `rows` in the table of the instruction set; rows of other configurations stay as they are.
pub(crate) fn record(instructions: &str, rows: &[StepTiming], peers: &[PeerRow]) -> Result<(), Failure> {
    let path = root().join("docs/SPEED.md");
    let page = fs::read_to_string(&path).map_err(|e| Failure::file(&path, e))?;
    let begin = begin(instructions);
    let parts = page.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(END)?)));
    let (before, (old, after)) = parts.ok_or_else(|| {
        let comments = format!("there is no table between the lines \"{}\" and \"{}\"", begin.trim(), END.trim());
        Failure::file(&path, format!("{comments}; restore them with git checkout docs/SPEED.md, or add them"))
    })?;
    check_peers(old, rows, peers)?;
    fs::write(&path, format!("{before}{begin}{}{END}{after}", merged(old, rows, peers)))
        .map_err(|e| Failure::file(&path, e))
}

/// Checks that no figure of a peer would be lost: a row that has some needs new ones, because ratios compare times of one run.
fn check_peers(old: &str, rows: &[StepTiming], peers: &[PeerRow]) -> Result<(), Failure> {
    for r in rows {
        let start = format!("| {} | {} |", r.config, r.threads);
        let has_peers = |line: &str| line.split('|').nth(8).is_some_and(|cell| !cell.trim().is_empty());
        let is_measured = peers.iter().any(|p| p.config == r.config && p.threads == r.threads);
        if !is_measured && old.lines().any(|line| line.starts_with(&start) && has_peers(line)) {
            return Err(Failure::unusable(format!(
                "--record: docs/SPEED.md has figures of PyTorch beside {} on {} thread{}, and this run has none: add --peer python3",
                r.config,
                r.threads,
                if r.threads == 1 { "" } else { "s" }
            )));
        }
    }
    Ok(())
}

/// The header, then the new lines and the old lines that they do not replace, sorted by configuration and threads.
fn merged(old: &str, rows: &[StepTiming], peers: &[PeerRow]) -> String {
    let now: Vec<_> = rows.iter().map(|r| format!("| {} | {} |", r.config, r.threads)).collect();
    let head = "| config | threads | CPU ms | wall ms | GFLOP/s a core | of matrixmultiply | RSS MB | PyTorch CPU ms | times ours | its RSS, times ours | compiled | channels-last | JAX CPU ms | times ours | processor |\n\
                |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n";
    let kept = old.lines().skip(2).filter(|line| !now.iter().any(|start| line.starts_with(start)));
    let mut lines: Vec<_> = kept.map(str::to_owned).collect();
    for r in rows {
        let peer = |name: &str| {
            peers.iter().find(|p| p.peer.starts_with(name) && p.config == r.config && p.threads == r.threads)
        };
        let torch = peer("pytorch").map_or(" | | ".to_owned(), |p| {
            let memory = p.rss_bytes as f64 / r.rss_bytes as f64;
            format!("{:.3} | **{:.2}** | {memory:.1}", p.cpu_ms, p.cpu_ms / r.cpu_ms)
        });
        let times = |name: &str| peer(name).map_or(String::new(), |p| format!("{:.2}", p.cpu_ms / r.cpu_ms));
        let variants = format!("{} | {}", times("compiled pytorch"), times("channels-last pytorch"));
        let jax = peer("jax").map_or(" | ".to_owned(), |p| format!("{:.3} | **{:.2}**", p.cpu_ms, p.cpu_ms / r.cpu_ms));
        lines.push(format!(
            "| {} | {} | {:.3} | {:.3} | {:.0} | {} | {:.0} | {torch} | {variants} | {jax} | {} |",
            r.config,
            r.threads,
            r.cpu_ms,
            r.wall_ms,
            r.gflops_per_core,
            r.share.map_or("–".to_owned(), |share| format!("{:.0} %", 100.0 * share)),
            r.rss_bytes as f64 / 1e6,
            r.processor,
        ));
    }
    lines.sort_by_key(|line| line.split('|').map(|cell| cell.trim().to_owned()).take(3).collect::<Vec<_>>());
    lines.iter().fold(head.to_owned(), |out, line| out + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_other_configurations_and_threads_stay() {
        let old = "| config |\n|---|\n| ring2d | 1 | old |\n| faces-small | 2 | old |\n| faces-small | 1 | old |\n";
        let row = StepTiming {
            config: "faces-small".into(),
            threads: 2,
            cpu_ms: 10.0,
            wall_ms: 5.5,
            spread: 1.0,
            samples_per_s: 1.0,
            gflop: 1.0,
            gflops_per_core: 100.0,
            share: Some(0.95),
            sgemm_gflops: Some(105.0),
            rss_bytes: 80_000_000,
            planned_bytes: 1,
            kinds: Default::default(),
            processor: "a processor".into(),
        };
        let table = merged(old, &[row], &[]);
        let lines: Vec<_> = table.lines().skip(2).collect();
        assert_eq!((lines[0], lines[2]), ("| faces-small | 1 | old |", "| ring2d | 1 | old |"));
        assert_eq!(
            lines[1],
            "| faces-small | 2 | 10.000 | 5.500 | 100 | 95 % | 80 |  | |  |  |  |  |  | a processor |"
        );
        assert_eq!(lines.len(), 3);
    }
}
