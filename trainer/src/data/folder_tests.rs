//! Tests of reading folders: any sizes, classes, corrupt files reported, no panics.

use super::super::{Dataset, ReadOptions, open};
use image::{DynamicImage, GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use std::fs;
use std::path::Path;

fn save(path: &Path, image: impl Into<DynamicImage>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.into().save(path).unwrap();
}

fn color(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([(x * 9) as u8, (y * 9) as u8, 77]))
}

fn has(notes: &[String], text: &str) -> bool {
    notes.iter().any(|n| n.contains(text))
}

#[test]
fn mixed_sizes_become_the_most_common_one_and_are_reported() {
    let dir = tempfile::tempdir().unwrap();
    save(&dir.path().join("a.png"), color(24, 16));
    save(&dir.path().join("b.jpg"), color(24, 16));
    save(&dir.path().join("c.JPEG"), color(90, 50));
    fs::write(dir.path().join("notes.txt"), "hello").unwrap();
    let opened = open(dir.path(), &ReadOptions::default()).unwrap();
    assert_eq!((opened.images.shape(), opened.images.count()), ([16, 24, 3].as_slice(), 3));
    assert_eq!(opened.images.bytes(0), color(24, 16).as_raw());
    assert!(has(&opened.notes, "1 of 3 images cropped") && has(&opened.notes, "1 of 90x50"), "{:?}", opened.notes);
    assert!(has(&opened.notes, "notes.txt"), "{:?}", opened.notes);
}

#[test]
fn large_images_shrink_to_64_and_a_stated_size_wins() {
    let dir = tempfile::tempdir().unwrap();
    save(&dir.path().join("a.png"), color(178, 218));
    assert_eq!(open(dir.path(), &ReadOptions::default()).unwrap().images.shape(), [64, 52, 3]);
    let options = ReadOptions { size: Some((20, 30)), ..ReadOptions::default() };
    assert_eq!(open(dir.path(), &options).unwrap().images.shape(), [30, 20, 3]);
}

#[test]
fn gray_sets_have_one_channel_and_mixed_sets_have_three() {
    let dir = tempfile::tempdir().unwrap();
    let gray = GrayImage::from_fn(8, 12, |x, y| Luma([(x * 20 + y) as u8]));
    save(&dir.path().join("a.png"), gray.clone());
    save(&dir.path().join("b.png"), DynamicImage::from(gray.clone()).to_rgb8());
    let opened = open(dir.path(), &ReadOptions::default()).unwrap();
    assert_eq!((opened.images.shape(), opened.images.bytes(1)), ([12, 8, 1].as_slice(), gray.as_raw().as_slice()));
    assert!(has(&opened.notes, "gray"), "{:?}", opened.notes);
    save(&dir.path().join("c.png"), color(8, 12));
    assert_eq!(open(dir.path(), &ReadOptions::default()).unwrap().images.channels(), 3);
}

#[test]
fn subfolders_are_classes() {
    let dir = tempfile::tempdir().unwrap();
    save(&dir.path().join("cat/1.png"), color(8, 8));
    save(&dir.path().join("dog/1.png"), color(8, 8));
    save(&dir.path().join("dog/2.png"), color(8, 8));
    fs::create_dir(dir.path().join("empty")).unwrap();
    let opened = open(dir.path(), &ReadOptions::default()).unwrap();
    assert_eq!(opened.images.labels(), Some([0, 1, 1].as_slice()));
    assert_eq!(opened.images.label_names(), ["cat", "dog"]);
}

#[test]
fn transparent_parts_are_blended_onto_white() {
    let dir = tempfile::tempdir().unwrap();
    let half = RgbaImage::from_fn(8, 8, |x, _| Rgba([200, 0, 0, if x < 4 { 255 } else { 0 }]));
    save(&dir.path().join("a.png"), half);
    let opened = open(dir.path(), &ReadOptions::default()).unwrap();
    let bytes = opened.images.bytes(0);
    assert_eq!((&bytes[..3], &bytes[21..24]), ([200, 0, 0].as_slice(), [255, 255, 255].as_slice()));
    assert!(has(&opened.notes, "white"), "{:?}", opened.notes);
}

#[test]
fn corrupt_files_are_skipped_counted_and_listed() {
    let dir = tempfile::tempdir().unwrap();
    save(&dir.path().join("good.png"), color(16, 16));
    let good = fs::read(dir.path().join("good.png")).unwrap();
    for i in 0..7 {
        fs::write(dir.path().join(format!("bad{i}.png")), &good[..good.len() * i / 8]).unwrap();
    }
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 0xff;
    fs::write(dir.path().join("flipped.png"), flipped).unwrap();
    let opened = open(dir.path(), &ReadOptions::default()).unwrap();
    assert_eq!(opened.images.count(), 1);
    assert!(has(&opened.notes, "8 files skipped") && has(&opened.notes, "skipped "), "{:?}", opened.notes);
    assert_eq!(opened.notes.iter().filter(|n| n.starts_with("skipped ")).count(), 5);

    fs::remove_file(dir.path().join("good.png")).unwrap();
    let text = open(dir.path(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(text.contains("none of them readable") && text.contains("bad0.png"), "{text}");
}

#[test]
fn truncated_jpeg_files_are_detected() {
    let dir = tempfile::tempdir().unwrap();
    save(&dir.path().join("good.jpg"), color(64, 64));
    let good = fs::read(dir.path().join("good.jpg")).unwrap();
    for (name, part) in [("a.jpg", 4), ("b.jpg", 2), ("c.jpg", 1)] {
        fs::write(dir.path().join(name), &good[..good.len() - good.len() / (8 / part)]).unwrap();
    }
    // Data that cameras append after the image does no harm.
    fs::write(dir.path().join("more.jpg"), [&good[..], b"a film"].concat()).unwrap();
    let opened = open(dir.path(), &ReadOptions::default()).unwrap();
    assert_eq!(opened.images.count(), 2);
    assert_eq!(opened.notes.iter().filter(|n| n.contains("truncated")).count(), 3, "{:?}", opened.notes);
    assert!(has(&opened.notes, "more.jpg is the same image as"), "{:?}", opened.notes);
}

#[test]
fn folders_without_images_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let text = open(dir.path(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(text.contains("an empty folder"), "{text}");
    fs::write(dir.path().join("a.heic"), "ftyp").unwrap();
    let text = open(dir.path(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(text.contains("a.heic") && text.contains("convert"), "{text}");
}

#[test]
fn images_with_huge_header_sizes_are_skipped() {
    let dir = tempfile::tempdir().unwrap();
    save(&dir.path().join("a.png"), color(8, 8));
    // A PNG header for 2^31-1 x 2^31-1 pixels; its check sum is right.
    let mut huge = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x02\0\0\0".to_vec();
    let mut crc = flate2::Crc::new();
    crc.update(&huge[12..]);
    huge.extend(crc.sum().to_be_bytes());
    fs::write(dir.path().join("huge.png"), huge).unwrap();
    let opened = open(dir.path(), &ReadOptions { size: Some((8, 8)), ..ReadOptions::default() }).unwrap();
    assert!(opened.images.count() == 1 && has(&opened.notes, "huge.png"), "{:?}", opened.notes);
}

fn gray(value: u8) -> RgbImage {
    RgbImage::from_fn(8, 8, |x, y| Rgb([value, (x * 30) as u8, (y * 30) as u8]))
}

#[test]
fn every_format_is_read_and_only_the_first_frame_of_a_gif() {
    let dir = tempfile::tempdir().unwrap();
    for (i, name) in ["a.png", "b.webp", "c.bmp", "d.TIFF", "e.qoi", "f.gif", "g.jfif"].into_iter().enumerate() {
        let format =
            if name == "g.jfif" { image::ImageFormat::Jpeg } else { image::ImageFormat::from_path(name).unwrap() };
        gray(30 * i as u8).save_with_format(dir.path().join(name), format).unwrap();
    }
    let film = fs::File::create(dir.path().join("h.gif")).unwrap();
    let mut film = image::codecs::gif::GifEncoder::new(film);
    for shade in [250, 0] {
        film.encode_frame(image::Frame::new(RgbaImage::from_pixel(8, 8, Rgba([shade, shade, 9, 255])))).unwrap();
    }
    drop(film);
    let images = open(dir.path(), &ReadOptions::default()).unwrap().images;
    assert_eq!((images.count(), images.shape()), (8, [8, 8, 3].as_slice()));
    for i in 0..5 {
        assert_eq!(images.bytes(i), gray(30 * i as u8).as_raw(), "{i}");
    }
    assert_eq!(images.bytes(7)[..3], [250, 250, 9]);
}

#[test]
fn images_win_over_arrays_and_other_files_beside_them() {
    let dir = tempfile::tempdir().unwrap();
    save(&dir.path().join("x_idx3.png"), gray(1));
    save(&dir.path().join("y.png"), gray(2));
    fs::write(dir.path().join("backup.npy"), b"\x93NUMPY").unwrap();
    fs::write(dir.path().join("train-images-idx3-ubyte"), [0, 0, 8, 3]).unwrap();
    fs::write(dir.path().join("labels.csv"), "file,class\n").unwrap();
    let opened = open(dir.path(), &ReadOptions::default()).unwrap();
    assert_eq!(opened.images.count(), 2);
    assert!(has(&opened.notes, "3 other entries ignored, the first is backup.npy: an array beside images"));
    let out = dir.path().join("out.pack");
    let prepared = super::super::prepare(dir.path(), &Default::default(), &out, &mut |_, _| {}).unwrap();
    assert_eq!(prepared.count, 2);
    assert!(prepared.skipped().any(|row| row.file == "labels.csv" && row.reason.contains("prepare --labels")));
}

#[test]
fn parts_nested_classes_and_zip_files_are_read_alike() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("deep");
    let mut zip = zip::ZipWriter::new(fs::File::create(dir.path().join("deep.zip")).unwrap());
    let mut names = Vec::new();
    for (i, name) in ["train/1/0.png", "train/2/old/0.png", "train/10/0.png", "val/1/0.png"].into_iter().enumerate() {
        save(&deep.join(name), gray(i as u8));
        names.push(name);
    }
    names.extend(["__MACOSX/train/1/._0.png", "train/2/notes.md"]);
    for name in names {
        let bytes = fs::read(deep.join(name)).unwrap_or_else(|_| b"junk".to_vec());
        zip.start_file(format!("set\\{name}"), zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut zip, &bytes).unwrap();
    }
    zip.finish().unwrap();
    for path in [deep, dir.path().join("deep.zip")] {
        let opened = open(&path, &ReadOptions::default()).unwrap();
        assert_eq!(opened.images.name(), "deep");
        assert_eq!(opened.images.label_names(), ["1", "2", "10"]);
        assert_eq!(opened.images.labels(), Some([0, 1, 2].as_slice()));
        assert_eq!(opened.images.bytes(2), gray(2).as_raw());
        assert!(has(&opened.notes, "train is read, val is not"), "{:?}", opened.notes);
    }
}

#[test]
fn an_image_in_two_classes_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    save(&dir.path().join("cat/1.png"), gray(1));
    save(&dir.path().join("dog/1.png"), gray(1));
    save(&dir.path().join("dog/2.png"), gray(2));
    let notes = open(dir.path(), &ReadOptions::default()).unwrap().notes;
    assert!(notes.iter().any(|n| n.starts_with("1 image is in two classes") && n.contains("(dog)")), "{notes:?}");
}

#[cfg(unix)]
#[test]
fn folders_that_link_to_each_other_are_read_once() {
    let dir = tempfile::tempdir().unwrap();
    // Each of the folders is also reachable through all others: on 16 levels these are 10^16 paths.
    let names: Vec<String> = (0..10).map(|i| format!("class{i}")).collect();
    for (i, name) in names.iter().enumerate() {
        save(&dir.path().join(name).join("a.png"), gray(i as u8));
        for other in names.iter().filter(|other| *other != name) {
            std::os::unix::fs::symlink(format!("../{other}"), dir.path().join(name).join(other)).unwrap();
        }
    }
    let opened = open(dir.path(), &ReadOptions::default()).unwrap();
    assert_eq!((opened.images.count(), opened.images.label_names().len()), (10, 10));
    assert!(has(
        &opened.notes,
        "90 other entries ignored, the first is class0/class1: a link to a folder that is read already"
    ));
    // A link to a folder elsewhere is followed.
    let linked = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(dir.path().join("class3"), linked.path().join("a")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("class4"), linked.path().join("b")).unwrap();
    let opened = open(linked.path(), &ReadOptions::default()).unwrap();
    assert_eq!(opened.images.label_names().iter().take(2).map(String::as_str).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(opened.images.count(), 10);
}

#[test]
fn folders_of_systems_and_network_storage_are_no_classes() {
    let dir = tempfile::tempdir().unwrap();
    for (i, name) in ["a/1.png", "b/1.png"].into_iter().enumerate() {
        save(&dir.path().join(name), gray(i as u8));
    }
    for name in [".ipynb_checkpoints/1.png", "@eaDir/1.png@SynoEAStream/x.jpg", "#recycle/1.png", "$RECYCLE.BIN/1.png"]
    {
        save(&dir.path().join(name), gray(9));
    }
    fs::write(dir.path().join("a/._1.png"), "Mac OS X").unwrap();
    fs::write(dir.path().join("a/THUMBS.DB"), "").unwrap();
    let opened = open(dir.path(), &ReadOptions::default()).unwrap();
    assert_eq!((opened.images.count(), opened.images.label_names()), (2, ["a".to_owned(), "b".to_owned()].as_slice()));
    assert!(!has(&opened.notes, "ignored") && !has(&opened.notes, "skipped"), "{:?}", opened.notes);
}

#[cfg(unix)]
#[test]
fn pipes_devices_and_broken_links_are_never_opened() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe.png");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (i, name) in ["a.png", "b.png"].into_iter().enumerate() {
        save(&dir.path().join(name), gray(i as u8));
    }
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, dir.path().join(name)).unwrap();
    link("nowhere.png", "dangling.png");
    link("/dev/zero", "zero.png");
    link(".", "loop");
    let out = dir.path().join("out.pack");
    let prepared = super::super::prepare(dir.path(), &Default::default(), &out, &mut |_, _| {}).unwrap();
    assert_eq!(prepared.count, 2);
    let why = |name: &str| prepared.files.iter().find(|row| row.file == name).unwrap().reason.clone();
    assert!(why("pipe.png").contains("pipe") && why("zero.png").contains("device"), "{:?}", prepared.files);
    assert!(why("dangling.png").contains("broken link") && why("loop").contains("read already"));
    for path in [&pipe, Path::new("/dev/zero")] {
        let text = open(path, &ReadOptions::default()).unwrap_err().to_string();
        assert!(text.contains("a regular file") && text.contains("may never end"), "{text}");
        assert!(!super::super::PackedDataset::recognize(path));
    }
}
