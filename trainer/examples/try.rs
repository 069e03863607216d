//! Scratch.
use ganlet_trainer::{data, recipe::Recipe, train::Trainer};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let recipe = Recipe::open(&args[1], &args[4..]).unwrap();
    let steps: u64 = args[2].parse().unwrap();
    let threads: usize = args[3].parse().unwrap();
    let source = data::builtin(&recipe.data.source).unwrap();
    let boxed: Box<dyn data::Dataset> = match source {
        data::Source::Pictures(p) => Box::new(p.usual_split().unwrap().0),
        data::Source::Mixture(m) => Box::new(m),
    };
    let mut t = Trainer::new(recipe, boxed, 1, steps, threads).unwrap();
    println!("G {} D {} bytes {} gflop {}", t.generator().len(), t.critic().len(), t.bytes(), t.flops() / 1e9);
    for p in t.programs() {
        println!("{} nodes {} steps {} {} KB", p.name, p.graph.len(), p.plan.steps(), p.plan.bytes() / 1024);
    }
    let profile = std::env::var("PROFILE").is_ok();
    if profile {
        t.advance().unwrap();
        t.executor().start_profile();
    }
    let start = std::time::Instant::now();
    for i in 0..steps {
        let r = match t.advance() {
            Ok(r) => r,
            Err(e) => {
                println!("{e}");
                break;
            }
        };
        if i % (steps / 20).max(1) == 0 || i + 1 == steps {
            let s = start.elapsed().as_secs_f64();
            println!(
                "{:.1}s {:.2} ms/step {:.1} GFLOP/s {r:?}",
                s,
                1e3 * s / (i + 1) as f64,
                t.flops() * (i + 1) as f64 / s / 1e9
            );
        }
    }
    if profile {
        let mut rows = t.executor().profile();
        let total: f64 = rows.iter().map(|r| r.3).sum();
        rows.sort_by(|a, b| b.3.total_cmp(&a.3));
        let mut kinds = std::collections::BTreeMap::new();
        for r in &rows {
            *kinds.entry(r.1.clone()).or_insert(0.0) += r.3;
        }
        println!("{kinds:?} {total}");
        for r in rows.iter().take(40) {
            println!("{:5.1}% {:.3} ms {} {} {}", r.3 / total * 100.0, r.3 / steps as f64 * 1e3, r.0, r.1, r.2);
        }
        return;
    }
    let shape = t.data().shape().to_vec();
    let n = if shape.len() == 3 { 64 } else { 2500 };
    let x = t.samples(1, n);
    if let [h, w, c] = shape[..] {
        let mut img = image::RgbImage::new((8 * (w + 1) * 3) as u32, (8 * (h + 1) * 3) as u32);
        for (k, p) in x.chunks(h * w * c).enumerate() {
            for y in 0..h * 3 {
                for xx in 0..w * 3 {
                    let at = ((y / 3) * w + xx / 3) * c;
                    let px = [0, 1, 2].map(|ch| ((p[at + ch.min(c - 1)] + 1.0) * 127.5) as u8);
                    img.put_pixel(
                        ((k % 8) * (w + 1) * 3 + xx) as u32,
                        ((k / 8) * (h + 1) * 3 + y) as u32,
                        image::Rgb(px),
                    );
                }
            }
        }
        img.save(format!("/tmp/try-{}.png", args[1])).unwrap();
    } else {
        let data::Source::Mixture(m) = data::builtin(&t.recipe().data.source).unwrap() else { return };
        let mut counts = vec![0; m.means().len()];
        let mut hq = 0;
        for p in x.chunks(shape[0]) {
            let (j, d) = m
                .means()
                .iter()
                .map(|c| c.iter().zip(p).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt())
                .enumerate()
                .min_by(|a, b| a.1.total_cmp(&b.1))
                .unwrap();
            if d < 3.0 * m.sigma() {
                hq += 1;
                counts[j] += 1;
            }
        }
        println!("hq {} counts {counts:?}", hq as f32 / 2500.0);
    }
}
