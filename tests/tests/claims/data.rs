//! Data sets: training ends with an error and a checkpoint if its data can no longer be read, and recipes decide how images are read.
use ganlet_trainer::data::{self, PrepareOptions, prepare};
use ganlet_trainer::draw::Image;
use ganlet_trainer::recipe::Recipe;
use ganlet_trainer::run::{self, Run, RunEvent, RunFolder, TrainingError};
use ganlet_trainer::train::Trainer;
use std::fs::{self, File};
use std::path::Path;

fn recipe(source: &Path, settings: &[&str]) -> Recipe {
    let mut all = vec!["train.batch_size=4", "generator.widths=[8, 8]", "discriminator.widths=[8, 8]"];
    all.extend(settings);
    let mut recipe = Recipe::open("faces-small", &all.iter().map(|s| s.to_string()).collect::<Vec<_>>()).unwrap();
    recipe.data.source = source.display().to_string();
    recipe
}

#[test]
fn training_on_a_packed_file_that_shrinks_ends_with_a_checkpoint() {
    let root = tempfile::tempdir().unwrap();
    let pack = root.path().join("some.pack");
    let small = PrepareOptions { size: Some((8, 8)), ..PrepareOptions::default() };
    prepare(Path::new("blobs"), &small, &pack, &mut |_, _| {}).unwrap();
    let whole = fs::read(&pack).unwrap();
    let recipe = recipe(&pack, &["data.size=8", "train.save_every=1000"]);
    let data = run::load_data(&recipe).unwrap();
    let trainer = Trainer::new(recipe.clone(), data.train, 1, 50, 1).unwrap();
    let folder = RunFolder::create(root.path(), None, &recipe).unwrap();
    let mut run = Run::new(trainer, folder.clone()).unwrap();
    let ended = run.train(&|| false, &mut |event| {
        if let RunEvent::Step(report) = event
            && report.step == 3
        {
            File::options().write(true).open(&pack).unwrap().set_len(100).unwrap();
        }
    });
    let Err(TrainingError::Data(error)) = ended else { panic!("no failure") };
    assert!(error.to_string().contains("some.pack") && error.found.contains("shorter"), "{error}");
    let saved = folder.newest().unwrap().checkpoint;
    assert_eq!(saved.step, if run.trainer.step() == saved.step { 3 } else { 0 });
    drop(run);
    // With its data, the run continues.
    fs::write(&pack, whole).unwrap();
    let data = run::load_data(&recipe).unwrap();
    let trainer = run::restore_trainer(&saved, &data, 5, 1).unwrap();
    Run::new(trainer, folder.clone()).unwrap().train(&|| false, &mut |_| {}).unwrap();
    assert_eq!(folder.newest().unwrap().checkpoint.step, 5);
}

/// Saves images of two classes, each 16 pixels wide and 8 high, with a white stripe at the left and at the right.
fn wide_images(folder: &Path) {
    for (class, shade) in [("sun", 40), ("moon", 90)] {
        fs::create_dir_all(folder.join(class)).unwrap();
        for i in 0..6 {
            let stripe = |x: usize| if (1..15).contains(&x) { [shade, 10 * i, 0] } else { [255; 3] };
            let pixels: Vec<u8> = (0..16 * 8).flat_map(|p| stripe(p % 16)).collect();
            let image = Image::from_bytes(&pixels, (16, 8, 3));
            fs::write(folder.join(class).join(format!("{i}.png")), image.png()).unwrap();
        }
    }
}

#[test]
fn recipes_set_size_fit_and_gray_and_the_start_says_what_is_not_used() {
    let root = tempfile::tempdir().unwrap();
    wide_images(root.path());
    let first = |settings: &[&str]| {
        let data = run::load_data(&recipe(root.path(), settings)).unwrap();
        let images = data.images.unwrap().train;
        ((images.width(), images.height(), images.channels()), images.bytes(0).to_vec(), data.notes)
    };
    let (shape, cropped, notes) = first(&["data.size=8"]);
    assert_eq!(shape, (8, 8, 3));
    assert!(cropped.iter().all(|v| *v != 255), "the white stripes are cropped");
    assert!(notes.iter().any(|n| n.contains(" to train, ") && n.contains(" held out")), "{notes:?}");
    assert!(notes.iter().any(|n| n == "2 classes not used: --set data.classes=2 trains on them"), "{notes:?}");
    let (_, padded, _) = first(&["data.size=8x8", "data.fit=pad"]);
    assert!(padded[..8 * 3].iter().all(|v| *v == 255), "white margins");
    let (shape, stretched, notes) =
        first(&["data.size=\"8x4\"", "data.fit=stretch", "data.gray=true", "data.classes=2"]);
    assert_eq!((shape, stretched.len()), ((8, 4, 1), 32));
    assert!(notes.iter().any(|n| n == "2 classes: 0 moon, 1 sun"), "{notes:?}");
    let wrong = Recipe::open("faces-small", &["data.size=big".into()]).unwrap_err().to_string();
    assert!(wrong.contains("32 for a square"), "{wrong}");
}

#[test]
fn a_recipe_needs_no_description() {
    let text = Recipe::open("ring", &[]).unwrap().to_toml();
    let text: String = text.lines().filter(|line| !line.starts_with("about")).map(|line| format!("{line}\n")).collect();
    assert_eq!(Recipe::parse("own", &text, &[]).unwrap().about, "");
}

#[test]
fn messages_about_images_in_memory_do_not_speak_of_files() {
    for refused in [
        data::ImageDataset::new("mine", (2, 2, 1), vec![0; 7], None),
        data::ImageDataset::new("mine", (2, 2, 4), vec![0; 16], None),
        data::ImageDataset::new("mine", (2, 2, 1), vec![0; 8], Some(vec![0; 3])),
        data::ImageDataset::new("mine", (usize::MAX, 2, 3), vec![0; 8], None),
    ] {
        let text = refused.unwrap_err().to_string();
        assert!(!text.contains("file") && !text.contains("folder"), "{text}");
    }
}
