//! Scratch.
use ganlet_trainer::exec::cpu::*;
fn main() {
    for (m, k, n) in
        [(512, 512, 512), (3136, 1024, 128), (3136, 128, 1024), (1024, 3136, 128), (12544, 16, 64), (12544, 64, 16)]
    {
        let (a, b, mut c) = (vec![1.0; m * k], vec![1.0; k * n], vec![0.0; m * n]);
        let mut best = f64::MAX;
        for _ in 0..10 {
            let s = std::time::Instant::now();
            sgemm(
                (m, k, n),
                MatRef { data: &a, rows: k, cols: 1 },
                MatRef { data: &b, rows: n, cols: 1 },
                0.0,
                MatMut { data: &mut c, rows: n, cols: 1 },
            );
            best = best.min(s.elapsed().as_secs_f64());
        }
        println!("{m} {k} {n}: {:.1} GFLOP/s", 2.0 * (m * k * n) as f64 / best / 1e9);
    }
}
