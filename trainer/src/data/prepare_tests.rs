//! Tests of preparing images: every file is accounted for, and training on the packed file equals training on the folder.

use super::super::{PackedDataset, blobs};
use super::*;
use image::{GrayImage, Rgb, RgbImage};
use std::fs;

const RANGE: (f32, f32) = (-1.0, 1.0);

fn image(seed: u64, side: usize) -> RgbImage {
    let blob = blobs(side, side, 3, 1, seed);
    RgbImage::from_raw(side as u32, side as u32, blob.bytes(0).to_vec()).unwrap()
}

/// Creates a folder of ten valid images and one file for every possible defect.
fn folder(path: &Path) {
    for i in 0..10 {
        image(i, 16).save(path.join(format!("{i}.png"))).unwrap();
    }
    fs::copy(path.join("3.png"), path.join("copy.png")).unwrap();
    let good = fs::read(path.join("4.png")).unwrap();
    fs::write(path.join("broken.png"), &good[..good.len() / 2]).unwrap();
    fs::write(path.join("text.jpg"), "no image at all").unwrap();
    fs::write(path.join("old.heic"), "ftyp").unwrap();
    GrayImage::new(1200, 900).save(path.join("vast.png")).unwrap();
    RgbImage::from_pixel(200, 7, Rgb([9, 8, 7])).save(path.join("wide.png")).unwrap();
    fs::create_dir(path.join("more")).unwrap();
    image(11, 16).save(path.join("more/11.png")).unwrap();
}

#[test]
fn every_file_is_accounted_for() {
    let dir = tempfile::tempdir().unwrap();
    let (photos, out) = (dir.path().join("photos"), dir.path().join("photos.pack"));
    fs::create_dir(&photos).unwrap();
    folder(&photos);
    let mut calls = Vec::new();
    let preparation = PrepareOptions { max_pixels: 1_000_000, ..PrepareOptions::default() };
    let prepared = prepare(&photos, &preparation, &out, &mut |done, all| calls.push((done, all))).unwrap();
    assert_eq!((prepared.count, prepared.shape), (11, [16, 16, 3]));
    assert_eq!(calls, (1..=15).map(|i| (i, 15)).collect::<Vec<_>>());
    let why = |file: &str| {
        let row = prepared.files.iter().find(|row| row.file.ends_with(file)).unwrap();
        assert_eq!(row.kept, usize::from(row.reason.is_empty()), "{row:?}");
        row.reason.clone()
    };
    assert_eq!(why("3.png") + &why("wide.png"), "");
    assert!(why("copy.png").contains("the same image as") && why("copy.png").ends_with("3.png"));
    assert!(!why("broken.png").is_empty() && !why("text.jpg").is_empty());
    assert!(why("vast.png").contains("1200x900 are 2 megapixels; the limit is 1"), "{}", why("vast.png"));
    assert!(why("old.heic").contains("convert") && why("more").contains("beside"));
    assert_eq!(prepared.skipped().count(), 6);
    assert!(prepared.notes.iter().any(|n| n.contains("1 image smaller than 16x16")), "{:?}", prepared.notes);
    assert_eq!(prepared.csv().lines().count(), 1 + 17);
    let packed = PackedDataset::open(&out, RANGE, false, 0.2).unwrap();
    let (train, held_out) = packed.to_measure().unwrap();
    assert_eq!(train.count() + held_out.count(), 11);
}

#[test]
fn classes_come_from_folders_tables_and_arrays() {
    let dir = tempfile::tempdir().unwrap();
    let (photos, out) = (dir.path().join("photos"), dir.path().join("photos.pack"));
    for (i, class) in [(0, "cat"), (1, "cat"), (2, "dog"), (3, "dog"), (4, "dog")] {
        fs::create_dir_all(photos.join(class)).unwrap();
        image(i, 8).save(photos.join(class).join(format!("{i}.png"))).unwrap();
    }
    let run = |labels: Option<&Path>, column| {
        let labels = labels.map(|path| LabelSource { path, label_column: column, file_column: None });
        let preparation = PrepareOptions { labels, ..PrepareOptions::default() };
        prepare(&photos, &preparation, &out, &mut |_, _| {})
    };
    assert_eq!(run(None, None).unwrap().classes, [("cat".into(), 2), ("dog".into(), 3)]);
    let table = dir.path().join("labels.csv");
    fs::write(&table, "file,size,tail\n0.png,big,short\n1.png,small,long\n2.png,small,long\n3.png,big,long\n").unwrap();
    let by_table = run(Some(&table), Some("tail")).unwrap();
    assert_eq!(by_table.classes, [("long".into(), 3), ("short".into(), 1)]);
    assert!(by_table.skipped().all(|row| row.file.ends_with("4.png") && row.reason.contains("no row")));
    assert_eq!(run(Some(&table), None).unwrap().classes[0], ("big".into(), 2));
    let packed = PackedDataset::open(&out, RANGE, false, 0.2).unwrap();
    assert_eq!(packed.label_names(), ["big", "small"]);

    let array = dir.path().join("labels.npy");
    let mut npy = b"\x93NUMPY\x01\x00\x40\x00".to_vec();
    npy.extend(format!("{:<63}\n", "{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }").bytes());
    npy.extend([1, 0, 1, 0, 1]);
    fs::write(&array, &npy).unwrap();
    assert_eq!(run(Some(&array), None).unwrap().classes, [("0".into(), 2), ("1".into(), 3)]);
    fs::remove_file(photos.join("dog/4.png")).unwrap();
    let message = run(Some(&array), None).unwrap_err().to_string();
    assert!(message.contains("4 labels, one for each image file") && message.contains("CSV"), "{message}");
}

#[test]
fn built_in_sets_and_arrays_are_prepared_without_copies() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("digits.pack");
    let small = PrepareOptions { size: Some((14, 14)), ..PrepareOptions::default() };
    let prepared = prepare(Path::new("digits"), &small, &out, &mut |_, _| {}).unwrap();
    assert_eq!((prepared.shape, prepared.classes.len()), ([14, 14, 1], 10));
    assert!(prepared.count > 9_900 && prepared.count + prepared.skipped().count() == 10_000);
    let message = prepare(Path::new("ring"), &small, &out, &mut |_, _| {}).unwrap_err().to_string();
    assert!(message.contains("points"), "{message}");
}

#[test]
fn too_little_to_train_on_is_refused_and_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let (photos, out) = (dir.path().join("photos"), dir.path().join("photos.pack"));
    fs::create_dir(&photos).unwrap();
    let message = || prepare(&photos, &PrepareOptions::default(), &out, &mut |_, _| {}).unwrap_err().to_string();
    assert!(message().contains("an empty folder"));
    for name in ["a.png", "b.png", "c.png"] {
        image(1, 8).save(photos.join(name)).unwrap();
    }
    let text = message();
    assert!(text.contains("1 of 3 files") && text.contains("the same image as"), "{text}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "only the photographs are left");
}
