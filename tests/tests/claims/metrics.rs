//! Every metric agrees with an independent implementation on fixed inputs; `tests/peers/metrics.py` generates both.
use ganlet_trainer::metrics::{self, ClassHistogram, ConfidenceInterval, FloatImage};
use ndarray::{Array1, Array2};
use serde_json::Value;

/// Relative tolerance between two implementations of a formula.
const TOLERANCE: f64 = 1e-3;

fn golden(part: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../../golden/metrics.json")).unwrap();
    all[part].clone()
}

fn list(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn matrix(v: &Value) -> Array2<f64> {
    let rows: Vec<_> = v.as_array().unwrap().iter().map(list).collect();
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

fn bytes(v: &Value) -> Vec<u8> {
    list(v).into_iter().map(|v| v as u8).collect()
}

#[track_caller]
fn near(what: &str, found: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap_or_else(|| panic!("{what} is not in the golden file"));
    assert!((found - expected).abs() <= TOLERANCE * expected.abs().max(1e-3), "{what}: {found}, {expected} elsewhere");
}

#[test]
fn distances_of_features_agree_with_scipy_and_scikit_learn() {
    let g = golden("features");
    let (real, made) = (matrix(&g["real"]), matrix(&g["made"]));
    near("Fréchet distance", metrics::frechet(real.view(), made.view()), &g["frechet"]);
    near("kernel distance", metrics::kernel_distance(real.view(), made.view()), &g["kernel"]);
    let subsets = metrics::kernel_of_subsets(real.view(), made.view(), 4);
    assert_eq!(subsets.len(), 4);
    subsets.iter().zip(g["kernel_of_subsets"].as_array().unwrap()).for_each(|(k, g)| near("kernel of a subset", *k, g));
}

#[test]
fn neighborhoods_agree_with_prdc() {
    let g = golden("features");
    let (real, made, held_out) = (matrix(&g["real"]), matrix(&g["made"]), matrix(&g["held_out"]));
    let found = metrics::precision_recall(real.view(), made.view(), 3);
    for (name, value) in [
        ("precision", found.precision),
        ("recall", found.recall),
        ("density", found.density),
        ("coverage", found.coverage),
    ] {
        near(name, value, &g["neighborhoods"][name]);
    }
    let recalled: Vec<_> = g["recalled"].as_array().unwrap().iter().map(|v| v.as_bool().unwrap()).collect();
    assert_eq!(metrics::recalled(real.view(), made.view(), 3), recalled);
    let nearest = metrics::memorization(real.view(), made.view(), held_out.view());
    near("nearest of generated", nearest.generated, &g["memorization"]["made"]);
    near("nearest of held out", nearest.held_out, &g["memorization"]["held_out"]);
    let support = metrics::support_size(made.view(), g["support"]["radius"].as_f64().unwrap());
    assert_eq!(support.duplicates as u64, g["support"]["doubles"].as_u64().unwrap());
    near("support", support.at_least, &g["support"]["at_least"]);
}

#[test]
fn histograms_agree_with_scipy() {
    let g = golden("histograms");
    let (p, q) = (list(&g["p"]), list(&g["q"]));
    near("KL", metrics::kl(&p, &q), &g["kl"]);
    near("KL to uniform", metrics::kl_to_uniform(&p), &g["kl_to_uniform"]);
    near("Jensen-Shannon", metrics::jensen_shannon(&p, &q), &g["jensen_shannon"]);
    let g = golden("binned");
    let number = |key: &str| g[key].as_f64().unwrap();
    let values = Array1::from_vec(list(&g["values"]));
    let counts = metrics::histogram(values.view(), number("low"), number("high"), number("bins") as usize);
    assert_eq!(counts, list(&g["counts"]));
    let g = golden("classes");
    near("KL of classes", ClassHistogram::of(&bytes(&g["seen"]), &list(&g["wanted"])).kl, &g["kl"]);
}

#[test]
fn wasserstein_distances_agree_with_scipy_and_pot() {
    let g = golden("distances");
    let (a, b) = (Array1::from_vec(list(&g["line_a"])), Array1::from_vec(list(&g["line_b"])));
    near("W1", metrics::w1(a.view(), b.view()), &g["w1"]);
    let (a, b) = (matrix(&g["plane_a"]), matrix(&g["plane_b"]));
    let directions = g["directions"].as_u64().unwrap() as usize;
    near("sliced W1", metrics::sliced_w1(a.view(), b.view(), directions), &g["sliced"]);
}

#[test]
fn modes_agree_with_scikit_learn() {
    let g = golden("modes");
    let means: Vec<Vec<f32>> =
        g["means"].as_array().unwrap().iter().map(|m| list(m).iter().map(|v| *v as f32).collect()).collect();
    let found = metrics::modes(matrix(&g["points"]).view(), &means, g["sigma"].as_f64().unwrap());
    assert_eq!(found.modes as u64, g["modes"].as_u64().unwrap());
    assert_eq!(found.counts, list(&g["counts"]).iter().map(|c| *c as usize).collect::<Vec<_>>());
    near("high quality", found.high_quality, &g["high_quality"]);
    near("reverse KL", found.reverse_kl, &g["reverse_kl"]);
    found.spread.iter().flatten().zip(g["spread"].as_array().unwrap()).for_each(|(s, g)| near("spread", *s, g));
}

#[test]
fn pyramids_and_patches_agree_with_scipy_and_pot() {
    let g = golden("patches");
    let shape: Vec<_> = list(&g["shape"]).iter().map(|v| *v as usize).collect();
    let pyramids = ["a", "b"].map(|set| {
        let plane = |v: &Value| FloatImage {
            shape: [shape[0], shape[1], shape[2]],
            values: list(v).iter().map(|v| *v as f32).collect(),
        };
        let pyramid = |v| metrics::laplacian_pyramid(plane(v), 2);
        g[set].as_array().unwrap().iter().map(pyramid).collect::<Vec<_>>()
    });
    for (level, expected) in pyramids[0][0].iter().zip(g["levels"].as_array().unwrap()) {
        let expected = list(expected);
        assert_eq!(level.values.len(), expected.len());
        assert!(level.values.iter().zip(&expected).all(|(v, e)| (f64::from(*v) - e).abs() < 1e-5));
    }
    let corners: Vec<_> =
        matrix(&g["corners"]).rows().into_iter().map(|c| (c[0] as usize, c[1] as usize, c[2] as usize)).collect();
    let directions = matrix(&g["directions"]);
    for (level, expected) in g["sliced"].as_array().unwrap().iter().enumerate() {
        let [a, b] = [0, 1].map(|set: usize| {
            let planes: Vec<FloatImage> = pyramids[set].iter().map(|p| p[level].clone()).collect();
            metrics::patches(&planes, &corners)
        });
        near("patches", metrics::sliced_along(a.view(), b.view(), directions.view()), expected);
    }
}

#[test]
fn psnr_and_intervals_agree_with_scikit_image_and_scipy() {
    let g = golden("psnr");
    for ((a, b), db) in g["a"].as_array().unwrap().iter().zip(g["b"].as_array().unwrap()).zip(list(&g["db"])) {
        near("PSNR", metrics::psnr(&bytes(a), &bytes(b)), &db.into());
    }
    let g = golden("interval");
    let found = ConfidenceInterval::of(&list(&g["values"])).unwrap();
    for (name, value) in [("mean", found.mean), ("low", found.low), ("high", found.high), ("spread", found.spread)] {
        near(name, value, &g[name]);
    }
}
