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
    for part in ["copy.png: the same image as", "cut.png: ", "notes.txt: its extension is not", "resized to 16x16"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let report = fs::read_to_string(Path::new(&pack).with_extension("report.csv")).unwrap();
    assert!(report.starts_with("file,found,kept,why\n") && report.lines().count() == 34, "{report}");
    let words =
        ["train", "faces", "--data", &pack, "--set", "data.size=[16, 16]", "--set", "train.batch_size=8", "--dry-run"];
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
    refused(&["data", "faces", &folder, "--sure", "0", "--out", &pack], 2, "--sure 0");
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
    let list = text(&xtask(&["data", "list"]).stdout);
    assert!(list.contains("digits") && list.contains("CC0"), "{list}");
    assert!(!Path::new(&pack).exists());
    fs::remove_dir_all(&empty).unwrap();
}
