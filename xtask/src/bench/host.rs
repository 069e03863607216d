//! `bench host`: measures the speed of training steps, and of the matrix product for comparison.

use super::peers::{PeerRow, Peers};
use super::speed_page;
use super::step_timing::StepTiming;
use super::workload::{self, Workload};
use crate::console;
use crate::failure::Failure;
use crate::process;
use crate::table::Table;
use clap::Args as ClapArgs;
use cpu_time::ProcessTime;
use ganlet_trainer::exec::cpu::{MatMut, MatRef, sgemm};
use ganlet_trainer::exec::profile::{KernelTiming, totals};
use ganlet_trainer::simd::{InstructionSet, instruction_set};
use serde::Serialize;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Rounds of steps; the median round is reported.
const ROUNDS: usize = 7;

/// Measure the time of training steps, and compare it with the rate of the plain matrix product
///
/// Each configuration runs in its own process, so that its memory is measured alone. CPU milliseconds count all threads. The column
/// "of sgemm" compares with matrixmultiply's 512x512x512 product on one thread in the same process; the Winograd kernels can exceed it.
#[derive(ClapArgs)]
#[command(after_help = "Examples:
  cargo xtask bench host
  cargo xtask bench host --threads 1 --config dcgan28 --json
  cargo xtask bench host --peer python3               next to PyTorch and JAX
  cargo xtask bench host --isa avx2 --peer python3    all of them without AVX-512")]
pub(crate) struct Args {
    /// Number of threads [default: 1, then one for each core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Measure only this configuration: bimodal1d, ring2d, dcgan28, dcgan64, wgangp28, faces-small, lenet5 or tinymlp
    #[arg(long, value_name = "NAME")]
    config: Option<String>,
    /// Print JSON to standard output, and nothing else
    #[arg(long)]
    json: bool,
    /// A Python interpreter with PyTorch or JAX, to measure the same steps there for comparison
    #[arg(long, value_name = "PYTHON")]
    peer: Option<String>,
    /// Write the timings to docs/SPEED.md
    #[arg(long)]
    record: bool,
    /// Print the slowest N nodes of each configuration on standard error, with the rates of matrixmultiply and of plain loops
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    nodes: usize,
    /// Seconds to measure each configuration
    #[arg(long, value_name = "S", default_value_t = 3.0)]
    seconds: f64,
    /// Measure in this process instead of a new one
    #[arg(long, hide = true)]
    here: bool,
}

/// Minimum seconds of a measurement that is recorded.
const RECORD_SECONDS: f64 = 2.0;

#[derive(Serialize)]
struct HostReport {
    sgemm_gflops: Option<f64>,
    /// The instruction set of the kernels.
    instructions: &'static str,
    rows: Vec<StepTiming>,
    /// Timings of PyTorch and JAX, if requested.
    peers: Vec<PeerRow>,
}

/// Runs the command.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let names = workload::names();
    if let Some(name) = args.config.as_ref().filter(|n| !names.contains(&n.as_str())) {
        return Err(Failure::unusable(format!("--config {name}: expected one of {}", names.join(", "))));
    }
    if args.threads == Some(0) {
        return Err(Failure::unusable("--threads 0: expected at least 1"));
    }
    if !(args.seconds > 0.0 && args.seconds <= 3600.0) {
        return Err(Failure::unusable(format!("--seconds {}: expected a number above 0, up to 3600", args.seconds)));
    }
    if args.here {
        let row = measure(
            args.config.as_deref().unwrap_or("faces-small"),
            args.threads.unwrap_or(1),
            (args.nodes, args.seconds),
        )?;
        return console::print(&format!("{}\n", serde_json::to_string(&row)?));
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.map_or_else(|| if cores > 1 { vec![1, cores] } else { vec![1] }, |n| vec![n]);
    if threads.iter().any(|&n| n > cores) {
        console::note(&format!("this machine has {cores} cores: more threads than that wait for each other"));
    }
    if args.record && args.seconds < RECORD_SECONDS {
        let message = format!(
            "--record --seconds {}: expected at least {RECORD_SECONDS} seconds, for a stable median",
            args.seconds
        );
        return Err(Failure::unusable(message));
    }
    let peers = args.peer.as_deref().map(Peers::find).transpose()?;
    let (mut rows, mut others): (Vec<StepTiming>, Vec<PeerRow>) = Default::default();
    for name in names.iter().filter(|n| args.config.as_ref().is_none_or(|c| c == *n)) {
        for &threads in &threads {
            console::note(&format!("{name} on {threads} thread{}", if threads == 1 { "" } else { "s" }));
            rows.push(measure_in_new_process(name, threads, &args)?);
            match &peers {
                Some(_) if *name == "faces-small" => console::note("the peers have no script for faces-small"),
                Some(peers) => others.extend(peers.measure(name, threads, args.seconds)?),
                None => {}
            }
        }
    }
    if args.record {
        speed_page::record(instruction_set().name(), &rows, &others)?;
    }
    let sgemm_gflops = rows.iter().filter_map(|r| r.sgemm_gflops).reduce(f64::max);
    if args.json {
        return console::print(&format!(
            "{}\n",
            serde_json::to_string_pretty(&HostReport {
                sgemm_gflops,
                instructions: instruction_set().name(),
                rows,
                peers: others
            })?
        ));
    }
    console::print(&timings(&rows, &others, sgemm_gflops))
}

/// The table of timings, and that of the peers.
fn timings(rows: &[StepTiming], others: &[PeerRow], sgemm_gflops: Option<f64>) -> String {
    let headings = [
        "config",
        ">threads",
        ">CPU ms",
        ">wall ms",
        ">spread",
        ">samples/s",
        ">GFLOP",
        ">GFLOP/s/core",
        ">of sgemm",
        ">RSS MB",
    ];
    let mut table = Table::new(&headings);
    for r in rows {
        table.row([
            r.config.clone(),
            r.threads.to_string(),
            format!("{:.3}", r.cpu_ms),
            format!("{:.3}", r.wall_ms),
            format!("{:.2}", r.spread),
            format!("{:.0}", r.samples_per_s),
            format!("{:.4}", r.gflop),
            format!("{:.1}", r.gflops_per_core),
            r.share.map_or("–".to_owned(), |share| format!("{:.0} %", 100.0 * share)),
            format!("{:.0}", r.rss_bytes as f64 / 1e6),
        ]);
    }
    let compared = if others.is_empty() { String::new() } else { format!("\n{}", compared(rows, others)) };
    let product = sgemm_gflops.map_or_else(
        || {
            let set = instruction_set().id();
            let limit = format!("MMTEST_FEATURE={} cargo xtask bench host --isa {set}", matrixmultiply_features());
            format!("matrixmultiply would use wider instructions; to build it with a limit: {limit}")
        },
        |rate| format!("matrixmultiply: {rate:.0} GFLOP/s on one core"),
    );
    let product = format!("  {product}; kernels here: {}\n", instruction_set());
    format!("{}{product}{compared}", table.lines())
}

/// A table of the peers' CPU time and memory as multiples of ours.
fn compared(rows: &[StepTiming], others: &[PeerRow]) -> String {
    let headings = ["config", ">threads", "peer", ">CPU ms", ">RSS MB", ">CPU, times ours", ">RSS, times ours"];
    let mut table = Table::new(&headings);
    for o in others {
        let Some(ours) = rows.iter().find(|r| r.config == o.config && r.threads == o.threads) else { continue };
        table.row([
            o.config.clone(),
            o.threads.to_string(),
            o.peer.clone(),
            format!("{:.3}", o.cpu_ms),
            format!("{:.0}", o.rss_bytes as f64 / 1e6),
            format!("{:.2}", o.cpu_ms / ours.cpu_ms),
            format!("{:.1}", o.rss_bytes as f64 / ours.rss_bytes as f64),
        ]);
    }
    table.lines()
}

/// Measures in a new process.
fn measure_in_new_process(config: &str, threads: usize, args: &Args) -> Result<StepTiming, Failure> {
    let mut command = Command::new(process::this_program()?);
    command.args(["bench", "host", "--here", "--config", config, "--threads", &threads.to_string()]);
    command.args(["--nodes", &args.nodes.to_string(), "--seconds", &args.seconds.to_string()]);
    command.args(["--isa", instruction_set().id()]);
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(Failure::failed(format!("the measurement of {config} failed")));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn measure(config: &str, threads: usize, (nodes, seconds): (usize, f64)) -> Result<StepTiming, Failure> {
    let mut workload = Workload::new(config, threads)?;
    // Two steps fill the caches and include an update with a penalty, even if it is lazy.
    workload.advance()?;
    workload.advance()?;
    let start = Instant::now();
    workload.advance()?;
    let one = start.elapsed().as_secs_f64();
    // Whole periods of lazy penalties, so that every round does the same work.
    let steps = ((seconds / ROUNDS as f64 / one) as u64).max(1).next_multiple_of(workload.period());
    let (mut cpu, mut wall) = (Vec::new(), Vec::new());
    let mut gemm = comparable().then(sgemm_rate);
    for _ in 0..ROUNDS {
        let (start, started) = (Instant::now(), ProcessTime::now());
        for _ in 0..steps {
            workload.advance()?;
        }
        wall.push(1e3 * start.elapsed().as_secs_f64() / steps as f64);
        cpu.push(1e3 * started.elapsed().as_secs_f64() / steps as f64);
        gemm = gemm.map(|best| best.max(sgemm_rate()));
    }
    workload.executor().start_profile();
    for _ in 0..steps {
        workload.advance()?;
    }
    let timings = workload.executor().profile();
    let kinds = totals(&timings, |t| t.kernel.clone()).into_iter().map(|t| (t.name, 1e3 * t.seconds / steps as f64));
    let kinds = kinds.collect();
    print_nodes(&mut workload, &timings, nodes, steps);
    wall.sort_by(f64::total_cmp);
    cpu.sort_by(f64::total_cmp);
    let (cpu_ms, wall_ms) = (cpu[ROUNDS / 2], wall[ROUNDS / 2]);
    let gflop = workload.flops() / 1e9;
    let gflops_per_core = gflop / cpu_ms * 1e3;
    Ok(StepTiming {
        config: config.into(),
        threads,
        cpu_ms,
        wall_ms,
        spread: wall[ROUNDS - 1] / wall[0],
        samples_per_s: workload.samples() / wall_ms * 1e3,
        gflop,
        gflops_per_core,
        share: gemm.map(|gemm| gflops_per_core / gemm),
        sgemm_gflops: gemm,
        rss_bytes: peak_rss(),
        planned_bytes: workload.bytes(),
        kinds,
        processor: processor(),
    })
}

/// Prints the slowest kernel calls, and the rates of plain ways to compute them.
fn print_nodes(workload: &mut Workload, timings: &[KernelTiming], nodes: usize, steps: u64) {
    for t in totals(timings, |t| format!("{}\t{}", t.kernel, t.node)).iter().filter(|t| t.calls > 0).take(nodes) {
        let (kernel, node) = t.name.split_once('\t').unwrap_or_default();
        let alternative = workload.executor().alternative_rates(kernel, node).map_or(String::new(), |rates| {
            let loops = rates.loops.map_or(String::new(), |loops| format!(", loops {loops:.1}"));
            format!(" [matrixmultiply {:.1}{loops}]", rates.matrixmultiply)
        });
        console::note(&format!(
            "{:9.4} ms {:6.1} GFLOP/s {:6.1} GB/s  {kernel} {node}{alternative}",
            1e3 * t.seconds / steps as f64,
            t.flops / t.seconds / 1e9,
            t.bytes / t.seconds / 1e9,
        ));
    }
}

/// Value of the environment variable MMTEST_FEATURE with which matrixmultiply is built for the instruction set of the kernels.
fn matrixmultiply_features() -> &'static str {
    if instruction_set().id() == "avx2" { "avx2,fma" } else { "none" }
}

/// Whether matrixmultiply uses the same instruction set as the kernels. It selects its own, unless it was built with a limit.
fn comparable() -> bool {
    let widest = InstructionSet::available().next() == Some(instruction_set());
    match option_env!("MMTEST_FEATURE") {
        None | Some("") => widest,
        Some(features) => features == matrixmultiply_features(),
    }
}

/// The processor's name with its family and model, as the system reports them.
fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |key: &str| {
        let line = info.lines().find(|line| line.split(':').next().is_some_and(|k| k.trim() == key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    match (value("model name"), value("cpu family"), value("model")) {
        (Some(name), Some(family), Some(model)) => format!("{name} (family {family}, model {model})"),
        (Some(name), ..) => name,
        _ => std::env::consts::ARCH.to_owned(),
    }
}

/// GFLOP/s of a 512 x 512 x 512 product on one thread, the best of eight runs.
fn sgemm_rate() -> f64 {
    const N: usize = 512;
    let (a, b, mut c) = (vec![0.5; N * N], vec![0.25; N * N], vec![0.0; N * N]);
    let mut best = f64::MAX;
    for _ in 0..8 {
        let start = Instant::now();
        let (left, right) =
            (MatRef { data: &a, row_stride: N, col_stride: 1 }, MatRef { data: &b, row_stride: N, col_stride: 1 });
        sgemm((N, N, N), left, right, 0.0, MatMut { data: &mut c, row_stride: N, col_stride: 1 });
        best = best.min(start.elapsed().as_secs_f64());
    }
    2.0 * (N * N * N) as f64 / best / 1e9
}

/// Peak resident memory of this process; 0 if the system does not report it.
fn peak_rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<u64>().ok()).map_or(0, |kb| kb * 1024)
}

#[cfg(test)]
mod tests {
    use super::workload::gan;

    /// Networks keep their sizes, and steps make no more kernel calls than when they were recorded: on the two small configurations,
    /// calls dominate the time.
    #[test]
    fn configurations_keep_their_networks_and_their_number_of_kernel_calls() {
        for (config, weights, gflop, calls) in [
            ("bimodal1d", [49, 609], 0.0012, [12, 7]),
            ("ring2d", [17_154, 17_025], 0.206, [12, 7]),
            ("dcgan28", [540_225, 138_817], 10.3, [72, 58]),
            ("dcgan64", [3_814_723, 2_766_529], 39.8, [144, 110]),
            ("wgangp28", [540_225, 138_561], 51.0, [73, 51]),
        ] {
            let trainer = gan(config, 1).unwrap();
            assert_eq!([trainer.generator().len(), trainer.discriminator().len()], weights, "weights of {config}");
            assert!((trainer.flops() / 1e9 / gflop - 1.0).abs() < 0.05, "{config}: {} GFLOP", trainer.flops() / 1e9);
            for (step, most) in ["discriminator step", "generator step"].into_iter().zip(calls) {
                let programs = trainer.programs().iter().filter(|p| p.name == step);
                let calls = programs.map(|p| p.plan.kernel_calls()).max();
                assert!(
                    calls.is_some_and(|n| (1..=most).contains(&n)),
                    "{config}: {calls:?} calls of a {step}, not {most}"
                );
            }
        }
    }
}
