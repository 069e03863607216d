//! Tests of `bench host`, and of data that does not fit the batch size or the memory.
use crate::{refused, scratch, text, xtask};
use std::fs;

#[test]
fn bench_host_reports_errors_before_it_measures() {
    refused(&["bench", "host", "--threads", "0"], 2, "--threads 0: expected at least 1");
    refused(&["bench", "host", "--config", "mnist"], 2, "dcgan28");
    refused(&["bench", "host", "--seconds", "0"], 2, "--seconds 0");
    refused(
        &["bench", "device", "--cycles", "--core", "m7"],
        2,
        "--cycles --core m7: there is a model of cycles for m0, m3, m4 only",
    );
    refused(&["bench", "data", "--recipe", "ring"], 2, "data.size");
    refused(&["bench", "learn", "lenet5", "--data", "faces"], 2, "expected gray images of 28x28");
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

/// Creates a folder of `count` different images.
fn images(name: &str, count: usize) -> String {
    let folder = scratch(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for i in 0..count {
        let (seed, image) = (i.to_string(), format!("{folder}/{i}.png"));
        let words = ["sim", crate::MODEL, "--seed", &seed, "--device", "oled-128x64", "--png", &image];
        assert!(xtask(&words).status.success());
    }
    folder
}

#[test]
fn a_batch_larger_than_the_set_is_reported_and_trains() {
    let folder = images("few", 20);
    let words =
        ["train", "faces-small", "--data", &folder, "--set", "data.size=[16, 16]", "--set", "train.batch_size=64"];
    let output = xtask(&[&words[..], &["--dry-run"]].concat());
    let printed = text(&output.stderr);
    assert!(output.status.success(), "{printed}");
    // The content of the images decides which ones are held out.
    let trained = printed.lines().find_map(|line| Some(line.split_once(" to train, ")?.0.trim())).unwrap();
    let warning = format!("the batch size 64 exceeds the data set of {trained}: batches contain duplicates");
    assert!(printed.contains(&warning), "{printed}");
    assert!(printed.contains("MB planned") && printed.contains("ms per step"), "{printed}");
    let again = xtask(&[&words[..], &["--dry-run", "--set", "train.recompute=true"]].concat());
    assert!(text(&again.stderr).contains("MB planned, activations recomputed"), "{}", text(&again.stderr));
}

#[test]
fn a_set_larger_than_memory_is_rejected_with_the_remedy() {
    // The header announces four billion images of 28x28; none is read.
    let head = [&[0, 0, 8, 3][..], &u32::MAX.to_be_bytes(), &28u32.to_be_bytes(), &28u32.to_be_bytes()].concat();
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
