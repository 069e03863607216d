//! Tests of `data`: problems of every file are reported, and the remaining images can be trained on.

use crate::{refused, root, scratch, text, xtask};
use std::fs;
use std::path::Path;

/// Creates a folder with different images, some of which are not usable.
fn photographs(name: &str) -> String {
    let folder = scratch(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for seed in 1..=30 {
        let png = format!("{folder}/{seed:02}.png");
        let seed = seed.to_string();
        let words = ["sim", crate::MODEL, "--device", "led-5x5", "--seed", &seed, "--png", &png];
        assert!(xtask(&words).status.success());
    }
    fs::copy(format!("{folder}/07.png"), format!("{folder}/copy.png")).unwrap();
    let whole = fs::read(format!("{folder}/08.png")).unwrap();
    fs::write(format!("{folder}/cut.png"), &whole[..whole.len() / 2]).unwrap();
    fs::write(format!("{folder}/notes.txt"), "words").unwrap();
    folder
}

#[test]
fn prepared_images_train_and_every_file_is_reported() {
    let (folder, pack) = (photographs("prepared"), scratch("prepared.pack"));
    let output = xtask(&["data", "prepare", &folder, "--size", "16x16", "--out", &pack]);
    let printed = text(&output.stderr);
    assert!(output.status.success(), "{printed}");
    let next = format!("next: cargo xtask train faces --data {pack}\n");
    for part in
        ["copy.png: the same image as", "cut.png: ", "notes.txt: its extension is not", "resized to 16x16", &next]
    {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let report = fs::read_to_string(Path::new(&pack).with_extension("report.csv")).unwrap();
    assert!(report.starts_with("file,found,kept,why\n") && report.lines().count() == 34, "{report}");
    let words = ["train", "faces-small", "--data", &pack, "--set", "train.batch_size=8", "--dry-run"];
    let output = xtask(&words);
    assert!(
        output.status.success() && text(&output.stderr).contains("streamed from the disk"),
        "{}",
        text(&output.stderr)
    );
    refused(&["train", "portraits-64", "--data", &pack, "--dry-run"], 2, "prepare them again with --size 64x64");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn faces_in_photographs_are_cropped_and_shown() {
    let (folder, pack, sheet) = (scratch("people"), scratch("people.pack"), scratch("people.png"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let photographs = root().join("trainer/tests/photographs");
    for name in ["astronaut.jpg", "cat.jpg"] {
        fs::copy(photographs.join(name), Path::new(&folder).join(name)).unwrap();
    }
    // One face is too few to train on, and the message says what is missing.
    refused(&["data", "faces", &folder, "--out", &pack], 2, "cat.jpg: no face found");
    refused(&["data", "faces", &folder, "--margin", "0.2", "--out", &pack], 2, "--margin 0.2");
    refused(&["data", "faces", &folder, "--min-confidence", "0", "--out", &pack], 2, "--min-confidence 0");
    // A copy with other pixels, at the smallest size in which the detector finds a face.
    let png = format!("{folder}/smaller.png");
    let words = ["data", "prepare", &folder, "--size", "200x156", "--out", &pack, "--sheet", &png];
    assert!(xtask(&words).status.success());
    let output = xtask(&["data", "faces", &folder, "--size", "32", "--out", &pack, "--sheet", &sheet]);
    let printed = text(&output.stderr);
    assert!(output.status.success(), "{printed}");
    assert!(text(&output.stdout).starts_with("2 faces of 32x32x3"), "{}", text(&output.stdout));
    assert!(fs::read(&sheet).unwrap().starts_with(b"\x89PNG"));
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn data_reports_errors_before_any_work() {
    let (pack, empty) = (scratch("never.pack"), scratch("no-images"));
    fs::create_dir_all(&empty).unwrap();
    refused(&["data", "prepare", "no-such-folder", "--out", &pack], 2, "check the spelling");
    refused(&["data", "prepare", &empty, "--out", &pack], 2, "an empty folder");
    refused(&["data", "prepare", "digits", "--size", "big", "--out", &pack], 2, "as in 64x48");
    refused(&["data", "prepare", "digits", "--out", "no-such-folder/a.pack"], 2, "create it first");
    refused(&["data", "prepare", "ring", "--out", &pack], 2, "points");
    refused(&["data", "faces", &empty, "--out", &pack], 2, "an empty folder");
    for steps in ["0", "100000001", "99999999999999999"] {
        refused(&["train", "ring", "--steps", steps, "--dry-run"], 2, "is not in 1..=100000000");
    }
    let list = text(&xtask(&["data", "list"]).stdout);
    assert!(list.contains("digits") && list.contains("CC0"), "{list}");
    assert!(!Path::new(&pack).exists());
    fs::remove_dir_all(&empty).unwrap();
}

#[test]
fn the_printed_next_step_trains_on_the_prepared_images() {
    let pack = scratch("next step.pack");
    for size in ["12x8", "28"] {
        let output = xtask(&["data", "prepare", "blobs", "--size", size, "--out", &pack, "--overwrite"]);
        let printed = text(&output.stderr);
        let next = printed.lines().find_map(|line| line.strip_prefix("next: cargo xtask ")).expect("a next step");
        let quoted = format!("'{pack}'");
        assert!(next.contains(&quoted), "{next}");
        let next = next.replace(&quoted, "PACK");
        let words = next.split(' ').map(|word| if word == "PACK" { &pack } else { word });
        let more = ["--set", "train.batch_size=8", "--set", "generator.widths=[8, 8, 8]", "--dry-run"];
        let output = xtask(&words.chain(more).collect::<Vec<_>>());
        assert!(output.status.success(), "{next}: {}", text(&output.stderr));
    }
    let output = xtask(&["data", "prepare", "blobs", "--size", "9x6", "--out", &pack, "--overwrite"]);
    assert!(text(&output.stderr).contains("prepare the images with --size 12x8"), "{}", text(&output.stderr));
    fs::remove_file(&pack).unwrap();
}

/// Writes images of 16x16 pixels into folders `2`, `10` and `cat` of a folder.
fn classes(name: &str) -> String {
    let folder = scratch(name);
    let _ = fs::remove_dir_all(&folder);
    for (class, shade) in [("2", 20), ("10", 90), ("cat", 160)] {
        fs::create_dir_all(format!("{folder}/train/{class}")).unwrap();
        for i in 0..6 {
            let pixels: Vec<u8> = (0..16 * 16).flat_map(|p| [shade + i, (p % 16 * 10) as u8, 10 * i]).collect();
            let image = ganlet_trainer::draw::Image::from_bytes(&pixels, (16, 16, 3));
            fs::write(format!("{folder}/train/{class}/{i}.png"), image.png()).unwrap();
        }
    }
    fs::write(format!("{folder}/train/backup.npy"), b"\x93NUMPY").unwrap();
    folder
}

#[test]
fn class_names_are_kept_with_the_run_and_its_model() {
    let (folder, run) = (classes("named-classes"), scratch("named-run"));
    let _ = fs::remove_dir_all(&run);
    let png = format!("{folder}/grid.png");
    let grid = |what: &str, more: &[&str]| xtask(&[&["grid", what, "--count", "2", "--png", &png], more].concat());
    let words = ["train", "faces-small", "--data", &folder, "--out", &run, "--steps", "2", "--threads", "1"];
    let small = ["data.classes=3", "train.batch_size=8", "generator.widths=[8, 8, 8]"];
    let output = xtask(&[&words[..], &small.map(|setting| ["--set", setting]).concat()].concat());
    let printed = text(&output.stderr);
    assert!(output.status.success(), "{printed}");
    for part in ["3 classes: 0 2, 1 10, 2 cat", "backup.npy: an array beside images", " to train, "] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let rows = "classes from top to bottom: 0 (2), 1 (10), 2 (cat)";
    assert!(text(&grid(&run, &[]).stderr).contains(rows));
    let exported = xtask(&["export", &run]);
    assert!(text(&exported.stderr).contains("generator.classes.txt"), "{}", text(&exported.stderr));
    let model = format!("{run}/generator.model");
    assert!(text(&grid(&model, &[]).stderr).contains(rows));
    assert!(text(&xtask(&["inspect", &model]).stdout).contains("classes: 0 (2), 1 (10), 2 (cat)"));
    assert!(grid(&model, &["--class", "cat"]).status.success() && grid(&run, &["--class", "10"]).status.success());
    let refused = text(&grid(&model, &["--class", "dog"]).stderr);
    assert!(refused.contains("--class dog: expected 0 to 2, or one of 2, 10, cat"), "{refused}");
    fs::remove_dir_all(&folder).unwrap();
    fs::remove_dir_all(&run).unwrap();
}
