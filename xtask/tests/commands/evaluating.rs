//! Tests of `eval` on runs of a few steps: keys, intervals and error messages.

use crate::{refused, scratch, text, xtask};
use std::fs;

fn trained(name: &str, words: &[&str]) -> String {
    let out = scratch(name);
    let _ = fs::remove_dir_all(&out);
    let output = xtask(&[&["train"], words, &["--steps", "3", "--threads", "1", "--out", &out]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    out
}

fn measured(words: &[&str]) -> serde_json::Value {
    let output = xtask(&[&["eval", "--json"], words].concat());
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn numbers(json: &serde_json::Value, paths: &[&str]) {
    for path in paths {
        assert!(json.pointer(path).is_some_and(|v| v.is_number()), "{path}: {json}");
    }
}

#[test]
fn images_are_evaluated_with_all_metrics_and_intervals() {
    let run = trained("eval-digits", &["digits-small", "--set", "train.batch_size=8"]);
    let json = measured(&[&run, "--samples", "200", "--seeds", "2"]);
    let keys = ["/floor", "/psnr_mean_db", "/real/recall", "/int8/patches/0", "/int8/memorization", "/int8/class_kl"];
    numbers(&json, &keys);
    numbers(&json, &["/intervals/int8/frechet/low", "/intervals/float/patches.1/high", "/int8/support/pairs"]);
    assert_eq!(json["intervals"]["int8"]["recall"]["n"], 2);
    let shown = text(&xtask(&["eval", &run, "--samples", "200", "--seeds", "2"]).stdout);
    for part in
        ["Fréchet distance", "patches 2", "memorization", "rarest class", "≥ ", "with 95 % confidence, over 2 sets"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    refused(&["eval", &run, "--samples", "100"], 2, "128 or more, two for each of 64 features");
    refused(&["eval", &run, "--seeds", "0"], 2, "--seeds 0: expected 1 to 100");
    refused(&["eval", &run, "--checkpoint", "1"], 2, "there is no checkpoint of step 1");
    refused(&["eval", &run, "--checkpoint", "first"], 2, "expected best, last, or a step");
}

#[test]
fn several_runs_give_intervals_over_runs_if_they_are_comparable() {
    let [a, b] = ["1", "2"].map(|seed| trained(&format!("eval-line-{seed}"), &["bimodal-1d", "--seed", seed]));
    let json = measured(&[&a, &b]);
    numbers(&json, &["/intervals/points/wasserstein/low", "/intervals/points/jensen_shannon/mean"]);
    assert_eq!(json["runs"].as_array().unwrap().len(), 2);
    let one = measured(&[&a, "--seeds", "4"]);
    numbers(&one, &["/wasserstein", "/jensen_shannon_floor", "/intervals/wasserstein/spread"]);
    assert_eq!(one["intervals"]["modes"]["n"], 4);
    let digits = trained("eval-other", &["digits-small", "--set", "train.batch_size=8"]);
    let why = "a run of points of 1 numbers of bimodal, the second a run of 28x28x1 images of digits";
    refused(&["eval", &a, &digits, "--samples", "200"], 2, why);
    let shown = text(&xtask(&["eval", &a, &b]).stdout);
    assert!(shown.contains("high quality") && !shown.contains("high_quality"), "{shown}");
}
