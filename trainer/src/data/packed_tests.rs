//! Tests of packed files: training on a packed file equals training on images in memory, and damaged files are refused.

use super::*;
use crate::data::blobs;
use crate::data::packed_writer::{Added, PackedWriter};

const RANGE: (f32, f32) = (-1.0, 1.0);

fn packed(path: &Path, images: &ImageDataset, classes: &[String]) {
    let mut writer = PackedWriter::create(path, (images.width(), images.height())).unwrap();
    for i in 0..images.count() {
        let rgb: Vec<u8> = match images.channels() {
            1 => images.bytes(i).iter().flat_map(|&v| [v; 3]).collect(),
            _ => images.bytes(i).to_vec(),
        };
        assert_eq!(writer.add(&rgb, images.label(i).unwrap_or(0)).unwrap(), Added::New, "image {i}");
    }
    assert!(!path.exists(), "the file has its name only when it is complete");
    assert_eq!(writer.finish(classes).unwrap(), images.channels());
}

#[test]
fn training_from_the_disk_is_bit_for_bit_training_from_memory() {
    let folder = tempfile::tempdir().unwrap();
    for channels in [1, 3] {
        let path = folder.path().join(format!("{channels}.pack"));
        let images = blobs(12, 10, channels, 203, 1).with_flip(true);
        packed(&path, &images, images.label_names());
        let packed = PackedDataset::open(&path, RANGE, true, 0.2).unwrap();
        let (train, held_out) = images.split_by_content(0.2).unwrap();
        assert_eq!((packed.shape(), packed.len(), packed.labels()), (train.shape(), train.len(), train.labels()));
        assert_eq!(packed.label_names(), images.label_names());
        let (mut a, mut b) = (vec![0.0; 64 * 120 * channels], vec![0.0; 64 * 120 * channels]);
        let (mut of_a, mut of_b) = ([0; 64], [0; 64]);
        for step in 0..20 {
            let key = Key { seed: 3, stream: 1, step };
            packed.batch(key, &mut a);
            packed.batch_labels(key, &mut of_a);
            train.batch(key, &mut b);
            train.batch_labels(key, &mut of_b);
            assert!(a == b && of_a == of_b, "step {step}");
        }
        let (some, measured) = packed.to_measure().unwrap();
        assert_eq!((some.count(), measured.count()), (train.count(), held_out.count()));
        assert!((0..held_out.count()).all(|i| measured.bytes(i) == held_out.bytes(i)));
        assert!((0..train.count()).all(|i| some.bytes(i) == train.bytes(i)));
        assert!(PackedDataset::recognize(&path) && !PackedDataset::recognize(folder.path()));
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.pack");
    let blobs = blobs(8, 8, 3, 40, 1);
    packed(&path, &blobs, &[]);
    let packed = PackedDataset::open(&path, RANGE, false, 0.2).unwrap();
    let mut out = vec![0.0; 16 * 192];
    packed.batch(Key { seed: 1, stream: 0, step: 0 }, &mut out);
    assert_eq!(packed.failure(), None);
    File::options().write(true).open(&path).unwrap().set_len(100).unwrap();
    packed.batch(Key { seed: 1, stream: 0, step: 0 }, &mut out);
    let text = packed.failure().unwrap().to_string();
    assert!(text.contains("become shorter") && text.contains("some.pack"), "{text}");
    assert!(packed.to_measure().is_err());
}

#[test]
fn damaged_pixels_are_noticed_at_the_start_and_while_training() {
    let folder = tempfile::tempdir().unwrap();
    for channels in [1, 3] {
        let path = folder.path().join(format!("{channels}.pack"));
        packed(&path, &blobs(8, 8, channels, 40, 1), &[]);
        let whole = std::fs::read(&path).unwrap();
        for image in 0..40 {
            let size = 64 * channels;
            let mut damaged = whole.clone();
            damaged[HEADER + image * size + image % size] ^= 1 << (image % 8);
            std::fs::write(&path, &whole).unwrap();
            let packed = PackedDataset::open(&path, RANGE, false, 0.2).unwrap();
            std::fs::write(&path, &damaged).unwrap();
            let text = packed.to_measure().unwrap_err().to_string();
            let expected = format!("the pixels of image {image}\n");
            assert!(text.contains(&expected) && text.contains("is damaged"), "{text}");
            if let Some(item) = packed.trained.iter().position(|i| *i == image) {
                packed.item(item, &mut vec![0.0; size]);
                assert_eq!(packed.failure().map(|e| e.to_string()), Some(text));
            }
        }
    }
}

#[test]
fn gray_images_equal_those_of_a_set_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.pack");
    let blobs = blobs(6, 4, 3, 30, 1).with_flip(true);
    packed(&path, &blobs, &[]);
    let packed = PackedDataset::open(&path, RANGE, true, 0.2).unwrap().gray();
    let train = blobs.split_by_content(0.2).unwrap().0.gray();
    assert_eq!(packed.shape(), train.shape());
    let (mut a, mut b) = ([0.0; 24 * 8], [0.0; 24 * 8]);
    let key = Key { seed: 3, stream: 1, step: 0 };
    packed.batch(key, &mut a);
    train.batch(key, &mut b);
    assert_eq!(a, b);
}

#[test]
fn copies_are_left_out_and_unfinished_files_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blobs.pack");
    let blobs = blobs(6, 5, 3, 4, 1);
    let mut writer = PackedWriter::create(&path, (6, 5)).unwrap();
    for (i, wanted) in [(0, Added::New), (1, Added::New), (0, Added::CopyOf(0)), (2, Added::New), (2, Added::CopyOf(2))]
    {
        assert_eq!(writer.add(blobs.bytes(i), 0).unwrap(), wanted);
    }
    assert_eq!(writer.count(), 3);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    drop(writer);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let nowhere = PackedWriter::create(&folder.path().join("no/blobs.pack"), (6, 5)).err().unwrap().to_string();
    assert!(nowhere.contains("can be written"), "{nowhere}");
}

#[test]
fn two_commands_do_not_write_one_file_and_other_temporary_files_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (path, part) = (folder.path().join("a.pack"), folder.path().join("a.pack.part"));
    let blobs = blobs(6, 5, 3, 4, 1);
    let create = || PackedWriter::create(&path, (6, 5));
    let message = || create().err().unwrap().to_string();
    let mut writer = create().unwrap();
    (0..2).for_each(|i| assert_eq!(writer.add(blobs.bytes(i), 0).unwrap(), Added::New));
    let text = message();
    assert!(text.contains("another command is writing it") && text.contains("wait until"), "{text}");
    (2..4).for_each(|i| assert_eq!(writer.add(blobs.bytes(i), 0).unwrap(), Added::New));
    writer.finish(&[]).unwrap();
    assert!(PackedDataset::open(&path, RANGE, false, 0.5).unwrap().to_measure().is_ok());
    // What an interrupted command left is replaced.
    std::fs::write(&part, [0; 4000]).unwrap();
    drop(create().unwrap());
    assert!(!part.exists());
    std::fs::write(&part, "my notes").unwrap();
    let text = message();
    assert!(text.contains("a.pack.part exists") && text.contains("move "), "{text}");
    assert_eq!(std::fs::read_to_string(&part).unwrap(), "my notes");
    std::fs::remove_file(&part).unwrap();
    std::os::unix::fs::symlink(&path, &part).unwrap();
    assert!(message().contains("a.pack.part exists"));
    assert!(PackedDataset::open(&path, RANGE, false, 0.5).is_ok());
}

#[test]
fn damaged_files_are_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.pack");
    let blobs = blobs(4, 4, 3, 20, 1);
    packed(&path, &blobs, blobs.label_names());
    let whole = std::fs::read(&path).unwrap();
    let message = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        PackedDataset::open(&path, RANGE, false, 0.2).err().map(|e| e.to_string()).unwrap_or_default()
    };
    for cut in 0..whole.len() {
        assert!(message(&whole[..cut]).contains("cargo xtask data prepare"), "cut at {cut}");
    }
    let pixels = HEADER..HEADER + 20 * 48;
    for at in (0..whole.len()).filter(|at| !pixels.contains(at) && !(44..48).contains(at)) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        assert!(!message(&damaged).is_empty(), "byte {at}");
    }
    let mut earlier = whole.clone();
    earlier[..8].copy_from_slice(EARLIER);
    assert!(message(&earlier).contains("an earlier version"));
    let mut many = whole.clone();
    many[24..32].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(message(&many).contains("images in"));
    assert_eq!(message(&whole), "");
}
