//! Tests of run folders: moved data, changed recipes, outputs that are not overwritten, exit codes.

use crate::{MODEL, refused, root, scratch, text, xtask};
use std::fs;
use std::path::Path;

/// Settings of small networks.
const SMALL: [&str; 8] = [
    "generator.latent=4",
    "generator.widths=[8, 8]",
    "discriminator.widths=[8]",
    "discriminator.stem=0",
    "train.batch_size=4",
    "train.save_every=10",
    "train.sample_every=20",
    "train.log_every=10",
];

/// Returns an empty folder for one test.
fn folder(name: &str) -> String {
    let path = scratch(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// Trains small networks with the further `words` of the command line.
#[track_caller]
fn train(words: &[&str]) {
    let settings: Vec<&str> = SMALL.iter().flat_map(|setting| ["--set", setting]).collect();
    succeed(&[&["train", "faces-small", "--threads", "1"], &settings[..], words].concat());
}

/// Runs a command that must succeed; returns what it printed.
#[track_caller]
fn succeed(words: &[&str]) -> String {
    let output = xtask(words);
    let printed = text(&output.stderr) + &text(&output.stdout);
    assert!(output.status.success(), "{words:?}: {printed}");
    printed
}

/// Writes `count` different images of 16x16 pixels into the folder `at`.
fn photos(at: &str, count: usize) {
    sized_photos(at, count, (16, 16));
}

/// Writes `count` different images of this width and height into the folder `at`.
fn sized_photos(at: &str, count: usize, (width, height): (usize, usize)) {
    fs::create_dir_all(at).unwrap();
    for i in 0..count {
        let value = |p: usize| ((p / 3 % width + p / (3 * width) * (p % 3 + 1) + 9) * (i + 3)) as u8;
        let pixels: Vec<u8> = (0..width * height * 3).map(value).collect();
        let file = fs::File::create(format!("{at}/photo-{i}.png")).unwrap();
        let mut encoder = png::Encoder::new(file, width as u32, height as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    }
}

#[test]
fn a_named_recipe_follows_the_proportions_of_own_images() {
    let at = folder("proportions");
    let [wide, run, square] = ["wide", "run", "square"].map(|n| format!("{at}/{n}"));
    sized_photos(&wide, 40, (24, 16));
    let settings: Vec<&str> = SMALL.iter().flat_map(|setting| ["--set", setting]).collect();
    let words = [&["train", "faces-small", "--threads", "1", "--steps", "4", "--data", &wide], &settings[..]].concat();
    let printed = succeed(&[&words[..], &["--out", &run]].concat());
    assert!(printed.contains("about 1.5 times as wide as high") && printed.contains("data.size=16x10"), "{printed}");
    let recipe = fs::read_to_string(format!("{run}/recipe.toml")).unwrap();
    assert!(recipe.replace([' ', '\n'], "").contains("size=[16,10"), "{recipe}");
    succeed(&["export", &run, "--out", &format!("{at}/m.model")]);
    // A size that the user sets stays.
    let printed = succeed(&[&words[..], &["--set", "data.size=16", "--out", &square]].concat());
    assert!(!printed.contains("as wide as high"), "{printed}");
}

#[test]
fn a_run_whose_data_have_moved_is_used_and_continued() {
    let at = folder("moved");
    let [here, there, run, png, model] =
        ["here", "there", "my run", "grid.png", "m.model"].map(|n| format!("{at}/{n}"));
    photos(&here, 90);
    train(&["--data", &here, "--steps", "10", "--out", &run]);
    fs::rename(&here, &there).unwrap();
    succeed(&["grid", &run, "--png", &png]);
    succeed(&["interpolate", &run, "--png", &png]);
    succeed(&["project", &run, "--of-seed", "3", "--steps", "3", "--restarts", "1"]);
    succeed(&["edit", &run, "--template", &png]);
    let exported = succeed(&["export", &run, "--out", &model]);
    assert!(exported.contains("not compared with real images") && exported.contains("dB"), "{exported}");
    // The advice works.
    refused(&["eval", &run, "--samples", "64"], 2, "--data PATH");
    refused(&["train", "--resume", &run, "--steps", "20"], 2, "--data PATH");
    let measured = succeed(&["eval", &run, "--data", &there, "--samples", "64", "--seeds", "1"]);
    assert!(measured.contains("the data of the run") && measured.contains("Fréchet distance"), "{measured}");
    refused(&["project", &run, "--held-out", "1"], 2, "--data PATH");
    succeed(&["project", &run, "--held-out", "1", "--data", &there, "--steps", "3", "--restarts", "1"]);
    let continued = succeed(&["train", "--resume", &run, "--data", &there, "--steps", "20"]);
    assert!(continued.contains(&format!("next: cargo xtask export '{run}'")), "{continued}");
    succeed(&["eval", &run, "--samples", "64", "--seeds", "1"]);
    // Other images than those of the run, of another shape.
    let other = succeed(&["eval", &run, "--data", "digits", "--samples", "200", "--seeds", "1"]);
    assert!(other.contains("other data than those of the run") && other.contains("28x28x1"), "{other}");
}

#[test]
fn a_model_of_any_name_and_size_is_compared_with_named_images() {
    let at = folder("own-model");
    let [run, model, pack, data] = ["run", "mine.model", "discs.pack", "data"].map(|n| format!("{at}/{n}"));
    let recipe = format!("{at}/mine.toml");
    let own = text(&xtask(&["train", "faces-small", "--dry-run"]).stdout)
        .replace("name = \"faces-small\"", "name = \"mine\"");
    fs::write(&recipe, own).unwrap();
    let settings: Vec<&str> = SMALL.iter().chain(["data.size=[32, 32]"].iter()).flat_map(|s| ["--set", s]).collect();
    photos(&data, 90);
    let words = ["train", &recipe, "--data", &data, "--threads", "1", "--steps", "2", "--out", &run];
    succeed(&[&words[..], &settings[..]].concat());
    succeed(&["export", &run, "--out", &model]);
    refused(&["eval", &model], 2, "name these data with --data");
    succeed(&["data", "prepare", "blobs", "--out", &pack]);
    for data in [data, pack] {
        let printed = succeed(&["eval", &model, "--data", &data, "--samples", "200", "--seeds", "1"]);
        assert!(printed.contains("held-out images of") && printed.contains("Fréchet distance"), "{printed}");
    }
    refused(&["eval", &model, "--data", "ring"], 2, "a distribution of points");
}

#[test]
fn a_changed_recipe_or_data_set_is_refused_unless_it_is_accepted() {
    let at = folder("changed");
    let [data, run] = ["data", "run"].map(|n| format!("{at}/{n}"));
    photos(&data, 20);
    train(&["--data", &data, "--steps", "10", "--out", &run]);
    let resume = ["train", "--resume", &run, "--steps", "20", "--threads", "1"];
    refused(&[&resume[..], &["--set", "optimizer.learning_rate=0.5"]].concat(), 2, "optimizer.learning_rate: ");
    refused(&["train", "faces-small", "--resume", &run], 2, "generator.widths");
    fs::remove_file(format!("{data}/photo-3.png")).unwrap();
    refused(&resume, 2, "--accept-changes");
    let printed = succeed(&[&resume[..], &["--accept-changes"]].concat());
    assert!(printed.contains("changed    data: "), "{printed}");
    refused(&["train", "--accept-changes"], 2, "--resume");
    // The run is complete now. Its figures and its page are written again.
    let lost = ["timeline.gif", "losses.png", "report.html"].map(|name| Path::new(&run).join(name));
    lost.iter().for_each(|file| fs::remove_file(file).unwrap());
    let printed = succeed(&["train", "--resume", &run]);
    assert!(printed.contains("has completed its 20 steps") && lost.iter().all(|file| file.is_file()), "{printed}");
}

#[test]
fn files_and_folders_of_the_user_are_not_overwritten() {
    let at = folder("own-files");
    let [data, pack, mine, notes] = ["data", "a.pack", "mine", "data/notes.csv"].map(|n| format!("{at}/{n}"));
    photos(&data, 4);
    let photo = format!("{data}/photo-1.png");
    let before = fs::read(&photo).unwrap();
    fs::write(&notes, "my notes").unwrap();
    let prepare = ["data", "prepare", &data, "--size", "16x16", "--out"];
    refused(&[&prepare[..], &[&photo]].concat(), 2, "this command did not make it");
    refused(&[&prepare[..], &[&pack, "--report", &notes]].concat(), 2, "--overwrite");
    refused(&[&prepare[..], &[&pack, "--sheet", &photo]].concat(), 2, "this command did not make it");
    refused(&[&prepare[..], &["/dev/null"]].concat(), 2, "a device or a pipe");
    refused(&[&prepare[..], &[&pack, "--report", &pack]].concat(), 2, "another output");
    refused(&["data", "prepare", &photo, "--overwrite", "--out", &photo], 2, "an input or another output");
    // An image of the source stays, also with --overwrite, under its own name or that of a link.
    let link = format!("{at}/link.png");
    std::os::unix::fs::symlink(&photo, &link).unwrap();
    for outputs in [&[&photo[..]][..], &[&link], &[&pack, "--report", &photo], &[&pack, "--sheet", &photo]] {
        refused(&[&prepare[..], outputs, &["--overwrite"]].concat(), 2, "one of the images in");
    }
    refused(&["data", "faces", &data, "--overwrite", "--out", &photo], 2, "one of the images in");
    assert!(fs::read(&photo).unwrap() == before && fs::read_to_string(&notes).unwrap() == "my notes");
    refused(&["project", "latest", "--of-seed", "1", "--out", &photo], 2, "this command did not make it");
    refused(&["edit", "latest", "--out", &notes], 2, "this command did not make it");
    assert!(fs::read(&photo).unwrap() == before && fs::read_to_string(&notes).unwrap() == "my notes");
    // What the command made itself is replaced.
    let sheet = format!("{at}/sheet.png");
    succeed(&[&prepare[..], &[&pack, "--sheet", &sheet]].concat());
    succeed(&[&prepare[..], &[&pack, "--sheet", &sheet]].concat());
    succeed(&[&prepare[..], &[&pack]].concat());
    fs::create_dir(&mine).unwrap();
    fs::write(format!("{mine}/report.html"), "my report").unwrap();
    for words in [&["train", "ring"][..], &["demo"], &["lab", "dirac"]] {
        refused(&[words, &["--out", &mine]].concat(), 2, "nothing was overwritten");
    }
    assert_eq!(fs::read_dir(&mine).unwrap().count(), 1);
}

#[test]
fn images_and_pages_of_the_user_are_not_overwritten_by_any_command() {
    let at = folder("own-images");
    photos(&format!("{at}/frames"), 1);
    let [photo, film, page, run, frames] =
        ["frames/frame-00000.png", "film.gif", "page.html", "run", "frames"].map(|name| format!("{at}/{name}"));
    fs::rename(format!("{frames}/photo-0.png"), &photo).unwrap();
    fs::write(&film, b"GIF89a\x10\0\x10\0\0\0\0;").unwrap();
    fs::write(&page, "<!DOCTYPE html><title>mine</title>").unwrap();
    train(&["--steps", "2", "--out", &run]);
    let before = [&photo, &film, &page].map(|file| fs::read(file).unwrap());
    let new = ["new.png", "new.gif", "new.html", "new"].map(|name| format!("{at}/{name}"));
    let project = ["project", &run, "--of-seed", "1", "--steps", "1", "--restarts", "1"];
    for (words, own, new) in [
        (&["grid", MODEL, "--png"][..], &photo, &new[0]),
        (&["grid", MODEL, "--png"], &film, &new[1]),
        (&["interpolate", MODEL, "--png"], &photo, &new[0]),
        (&["interpolate", MODEL, "--gif"], &film, &new[1]),
        (&["interpolate", MODEL, "--frames"], &frames, &new[3]),
        (&["sim", MODEL, "--png"], &photo, &new[0]),
        (&["sim", MODEL, "--gif"], &film, &new[1]),
        (&["edit", &run, "--template"], &photo, &new[0]),
        (&[&project[..], &["--png"]].concat(), &photo, &new[0]),
        (&[&project[..], &["--curve"]].concat(), &photo, &new[0]),
        (&["report", &run, "--out"], &page, &new[2]),
    ] {
        refused(&[words, &[own]].concat(), 2, "choose another name");
        // Files that any command of ganlet wrote are replaced.
        succeed(&[words, &[new]].concat());
        succeed(&[words, &[new]].concat());
    }
    refused(&["emulate", MODEL, "--board", "microbit", "--png", &photo], 2, "choose another name");
    assert!(before == [&photo, &film, &page].map(|file| fs::read(file).unwrap()));
    // A name that an option cannot use is reported before a search, and so is a model of another run.
    refused(&[&project[..], &["--curve", "no-such-folder/a.png"]].concat(), 2, "create it first");
    refused(&[&project[..], &["--model", MODEL, "--png", &new[0]]].concat(), 2, "exported from another run");
    refused(&[&project[..], &["--model", "no-such.model"]].concat(), 2, "no-such.model");
}

#[test]
fn a_folder_that_demo_wrote_stands_for_its_model() {
    let at = folder("demo-folder");
    let [out, run, png] = ["out", "run", "a.png"].map(|name| format!("{at}/{name}"));
    fs::create_dir(&out).unwrap();
    let model = format!("{out}/generator.model");
    train(&["--steps", "2", "--out", &run]);
    succeed(&["export", &run, "--out", &model]);
    for words in [&["sim", &out, "--png", &png][..], &["inspect", &out], &["grid", &out, "--png", &png]] {
        assert!(succeed(words).contains(&model), "{words:?}");
    }
    succeed(&["flash", &out, "--board", "pico", "--dry-run"]);
    succeed(&["eval", &out, "--samples", "128", "--seeds", "1", "--data", "faces"]);
    refused(&["project", &out, "--of-seed", "1"], 2, "name the run that it was exported from");
    refused(&["export", &out], 2, "has no recipe.toml");
    // A run folder with an exported model is no folder of `demo`.
    succeed(&["export", &run]);
    refused(&["demo", "--out", &run], 2, "nothing was overwritten");
}

#[test]
fn a_continued_run_may_roll_back_to_a_step_before_its_first_one() {
    let run = folder("rolled-back") + "/run";
    let settings = ["optimizer.learning_rate=3", "train.rollbacks=8", "train.save_every=100"];
    let settings = settings.map(|setting| ["--set", setting]).concat();
    train(&[&settings[..], &["--steps", "40", "--out", &run]].concat());
    let printed = succeed(&["train", "--resume", &run, "--steps", "300", "--threads", "1"]);
    assert!(printed.contains("rolled back to step 0") && printed.contains("step 300/300"), "{printed}");
    assert!(!printed.contains("update D on x"), "no step was to be traced: {printed}");
}

#[cfg(unix)]
#[cfg(unix)]
#[test]
fn a_run_that_cannot_start_has_its_own_exit_code_and_a_full_disk_ends_with_advice_that_works() {
    let at = folder("full disk");
    let run = format!("{at}/run");
    train(&["--steps", "10", "--out", &run]);
    // Another process trains this run. Its data are not read before that is noticed.
    let other = fs::File::open(&run).unwrap();
    other.lock().unwrap();
    let recipe = fs::read_to_string(format!("{run}/recipe.toml")).unwrap();
    fs::write(format!("{run}/recipe.toml"), recipe.replace("source = \"faces\"", "source = \"/no/such/place\""))
        .unwrap();
    refused(&["train", "--resume", &run, "--steps", "20"], 2, "another process is training this run");
    fs::write(format!("{run}/recipe.toml"), &recipe).unwrap();
    drop(other);
    // A log that cannot be written prevents the start.
    fs::rename(format!("{run}/log.jsonl"), format!("{at}/log")).unwrap();
    fs::create_dir(format!("{run}/log.jsonl")).unwrap();
    refused(&["train", "--resume", &run, "--steps", "20"], 2, "log.jsonl");
    fs::remove_dir(format!("{run}/log.jsonl")).unwrap();
    fs::rename(format!("{at}/log"), format!("{run}/log.jsonl")).unwrap();
    // Images that cannot be written any more end training. Here, a link is in their place, which is not followed.
    let newest = format!("{run}/samples/latest.png");
    fs::remove_file(&newest).unwrap();
    std::os::unix::fs::symlink("/dev/full", &newest).unwrap();
    let advice = format!("continue with `cargo xtask train --resume '{run}'`");
    refused(&["train", "--resume", &run, "--steps", "20"], 1, &advice);
    fs::remove_file(&newest).unwrap();
    succeed(&["train", "--resume", &run, "--steps", "20"]);
    let log = fs::read_to_string(format!("{run}/log.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 2, "{log}");
}

#[test]
fn a_stopped_run_has_its_own_exit_code_and_continues() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    let at = folder("stopped");
    let run = format!("{at}/run");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args([
        "train",
        "ring",
        "--threads",
        "1",
        "--steps",
        "100000000",
        "--set",
        "train.save_every=50",
        "--out",
        &run,
    ]);
    let mut child = command.current_dir(root()).stderr(Stdio::piped()).spawn().unwrap();
    let mut printed = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(printed.any(|line| line.starts_with("step ")));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let advice = printed.find(|line| line.contains("continue with")).unwrap();
    printed.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert_eq!(advice, format!("stopped and saved; continue with: cargo xtask train --resume {run}"));
    succeed(&["train", "--resume", &run, "--steps", "1", "--threads", "1"]);
}
