//! Tests of `bench host`, and of data that does not fit the batch size or the memory.
use crate::{refused, scratch, text, xtask};
use std::fs;

#[test]
fn bench_host_reports_errors_before_it_measures() {
    refused(&["bench", "host", "--threads", "0"], 2, "--threads 0: expected at least 1");
    refused(&["bench", "host", "--config", "mnist"], 2, "dcgan28");
    refused(&["bench", "host", "--seconds", "0"], 2, "--seconds 0");
    refused(&["bench", "data", "--recipe", "ring"], 2, "data.size");
    refused(&["bench", "host", "--peer", "no-such-python"], 2, "no-such-python: cannot be run");
}

#[cfg(unix)]
#[test]
fn a_missing_peer_is_named_with_the_remedy() {
    // This program always fails, like a Python interpreter that imports a missing package.
    let words = ["bench", "host", "--peer", "false"];
    refused(&words, 2, "PyTorch is not installed for false and is skipped: false -m pip install torch");
    refused(&words, 2, "neither PyTorch nor JAX is installed");
}

#[test]
fn more_threads_than_cores_are_reported_and_measured() {
    let threads = std::thread::available_parallelism().unwrap().get() + 1;
    let words = ["bench", "host", "--config", "bimodal1d", "--seconds", "0.01", "--json", "--threads"];
    let output = xtask(&[&words[..], &[&threads.to_string()]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("more threads than that wait for each other"), "{}", text(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["rows"][0]["threads"].as_u64(), Some(threads as u64));
    assert!(json["rows"][0]["gflop"].as_f64().unwrap() > 0.0);
}

/// Creates a folder of `count` equal images.
fn images(name: &str, count: usize) -> String {
    let (image, folder) = (scratch(&format!("{name}.png")), scratch(name));
    assert!(xtask(&["sim", crate::MODEL, "--device", "led-5x5", "--png", &image]).status.success());
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    (0..count).for_each(|i| _ = fs::copy(&image, format!("{folder}/{i}.png")).unwrap());
    folder
}

#[test]
fn a_batch_larger_than_the_set_is_reported_and_trains() {
    // Four of the images are held out.
    let folder = images("few", 20);
    let words = ["train", "faces", "--data", &folder, "--set", "data.size=[16, 16]", "--set", "train.batch_size=64"];
    let output = xtask(&[&words[..], &["--dry-run"]].concat());
    let printed = text(&output.stderr);
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("the batch size 64 exceeds the data set of 16: batches contain duplicates"), "{printed}");
    assert!(printed.contains("MB planned") && printed.contains("ms per step"), "{printed}");
    let again = xtask(&[&words[..], &["--dry-run", "--set", "train.recompute=true"]].concat());
    assert!(text(&again.stderr).contains("MB planned, activations recomputed"), "{}", text(&again.stderr));
}

#[test]
fn a_set_larger_than_memory_is_rejected_with_the_remedy() {
    // The header announces ten million images of 28x28; none is read.
    let head = [&[0, 0, 8, 3][..], &10_000_000u32.to_be_bytes(), &28u32.to_be_bytes(), &28u32.to_be_bytes()].concat();
    let path = scratch("huge-images.idx3-ubyte");
    fs::write(&path, head).unwrap();
    refused(
        &["train", "digits", "--data", &path, "--dry-run"],
        2,
        "stream them from the disk: cargo xtask data prepare",
    );
}

#[test]
fn time_spent_waiting_for_data_is_a_row_of_the_profile() {
    let out = scratch("profiled");
    let _ = fs::remove_dir_all(&out);
    let output = xtask(&["train", "bimodal-1d", "--steps", "20", "--profile", "--out", &out]);
    let printed = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("waiting for data"), "{printed}");
    let trace = fs::read_to_string(format!("{out}/profile.folded")).unwrap();
    assert!(trace.lines().any(|l| l.starts_with("train;waiting for data ")), "{trace}");
}
