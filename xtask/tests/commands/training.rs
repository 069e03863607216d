//! Tests of `train`: what it prints, and that the commands it prints work.

use super::{scratch, text};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TINY: &str = r#"
name = "tiny"
[data]
source = "blobs"
size = [8, 8]
[generator]
family = "dcgan"
latent = 4
widths = [8]
[discriminator]
family = "dcgan"
widths = [8]
[objective]
loss = "relativistic"
[optimizer]
learning_rate = 1e-3
[train]
steps = 12
batch_size = 4
ema = 0.9
log_every = 2
sample_every = 6
save_every = 2
"#;

/// Creates an empty folder with a tiny recipe.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(scratch(name));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(path.join("c++")).unwrap();
    for file in ["tiny.toml", "c++/tiny.toml"] {
        fs::write(path.join(file), TINY).unwrap();
    }
    path
}

fn typed(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(words).current_dir(folder).env_remove("DISPLAY").output().unwrap()
}

/// Runs a command that must succeed; returns its standard error.
#[track_caller]
fn notes(folder: &Path, words: &[&str]) -> String {
    let output = typed(folder, words);
    let message = text(&output.stderr);
    assert!(output.status.success(), "{words:?}: {message}");
    message
}

#[test]
fn a_run_says_where_it_is_how_it_went_and_what_to_type_next() {
    let folder = folder("verdict");
    let first = notes(&folder, &["train", "tiny.toml", "--threads", "1"]);
    let line = first.lines().next().unwrap();
    assert!(line.starts_with("run folder runs/00001-tiny;") && line.ends_with("runs/00001-tiny/samples/latest.png"));
    let samples = |name: &str| fs::read(folder.join("runs/00001-tiny/samples").join(name)).unwrap();
    assert!(samples("latest.png") == samples("step-0000012.png"));
    assert_eq!(first.matches("step 12/12").count(), 1, "{first}");
    assert!(first.contains(" images/s") && first.contains("verdict: "), "{first}");
    for part in
        ["the samples are far from real images", "times as far from held-out images", "those of a random network"]
    {
        assert!(first.contains(part), "{part}: {first}");
    }
    // More steps would change little.
    let next = "next: cargo xtask export runs/00001-tiny   or: cargo xtask sim runs/00001-tiny";
    assert_eq!(first.lines().last(), Some(next), "{first}");
    let again = notes(&folder, &["train", "--resume", "latest", "--minutes", "0.001", "--threads", "1"]);
    assert!(again.contains("resumed    at step 12") && again.contains("verdict: "), "{again}");
    assert!(!again.contains("schedule"), "the learning rate of this recipe is constant: {again}");
    // The name of a run does not change its result.
    let recipe = folder.join("runs/00001-tiny/recipe.toml");
    let toml = fs::read_to_string(&recipe).unwrap();
    fs::write(&recipe, toml.replace("about = \"\"", "about = \"Mine\"")).unwrap();
    let fewer = notes(&folder, &["train", "--resume", "latest", "--steps", "5"]);
    assert!(fewer.contains("more than --steps 5: nothing is left to train"), "{fewer}");
    notes(&folder, &["eval", "latest", "--samples", "128", "--seeds", "1"]);
    notes(&folder, &["export", "latest"]);
    assert!(folder.join("runs/00001-tiny/generator.model").is_file() && !folder.join("latest").exists());
    // After a few measurements, more training may help.
    let short = notes(&folder, &["train", "tiny.toml", "--steps", "4", "--threads", "1"]);
    assert!(short.ends_with("or: cargo xtask train --resume latest --minutes 10\n"), "{short}");
    let _ = fs::remove_dir_all(&folder);
}

#[test]
fn recipe_paths_may_contain_plus_and_names_are_never_paths() {
    let folder = folder("plus");
    let words = ["train", "./c++/tiny.toml", "--steps", "1", "--threads", "1"];
    assert!(notes(&folder, &words).contains("runs/00001-tiny;"));
    let path = folder.join("c++/tiny.toml+augment");
    let words = ["train", path.to_str().unwrap(), "--steps", "1", "--threads", "1", "--out", "my run"];
    let printed = notes(&folder, &words);
    assert!(printed.contains("tiny+augment") && printed.contains("cargo xtask export 'my run'"), "{printed}");
    let recipe = fs::read_to_string(folder.join("my run/recipe.toml")).unwrap();
    assert!(recipe.contains("name = \"tiny+augment\""), "{recipe}");
    let missing = text(&typed(&folder, &["train", "c++/other.toml+augment"]).stderr);
    assert!(missing.contains("no recipe is called \"c++/other.toml\""), "{missing}");
    let _ = fs::remove_dir_all(&folder);
}

#[test]
fn steps_are_described_while_the_run_goes_on_to_its_end() {
    let folder = folder("trace");
    let output = typed(&folder, &["train", "tiny.toml", "--steps", "4", "--trace-steps", "2", "--threads", "1"]);
    let (described, notes) = (text(&output.stdout), text(&output.stderr));
    assert!(described.contains("step 2: done") && !described.contains("step 3"), "{described}");
    assert!(notes.contains("step 4/4"), "{notes}");
    let _ = fs::remove_dir_all(&folder);
}

#[test]
fn several_seeds_are_a_range_or_a_list() {
    let folder = folder("seeds");
    let train =
        |seeds: &str| typed(&folder, &["train", "tiny.toml", "--seeds", seeds, "--steps", "1", "--threads", "1"]);
    let table = text(&train("2-3").stdout);
    let seeds: Vec<_> = table.lines().filter_map(|l| l.split_whitespace().nth(1)).collect();
    assert_eq!(seeds, ["seed", "2", "3"], "{table}");
    let refused = text(&train("4-1").stderr);
    assert!(refused.contains("a range as in 1-4"), "{refused}");
    let _ = fs::remove_dir_all(&folder);
}

#[test]
fn a_run_starts_with_the_weights_and_the_recipe_of_another_one() {
    let folder = folder("warm-start");
    notes(&folder, &["train", "tiny.toml", "--out", "first"]);
    let said = notes(&folder, &["train", "--from", "first", "--data", "blobs", "--out", "second", "--steps", "4"]);
    assert!(said.contains("starting with the weights of first, step ") && said.contains("tiny"), "{said}");
    let page = fs::read_to_string(folder.join("second/report.html")).unwrap();
    assert!(page.contains("starting with the weights of first at step "), "{page}");
    // A run of another size is refused before anything is written.
    for (set, expected) in [
        ("data.size=[16, 16]", "16x16 with 3 channels here\n  to do: --set data.size=8x8; or"),
        ("generator.latent=8", "generator: input [4] there, [8] here"),
    ] {
        let refused = typed(&folder, &["train", "--from", "first", "--set", set, "--out", "third"]);
        let message = text(&refused.stderr);
        assert!(refused.status.code() == Some(2) && message.contains(expected), "{message}");
        assert!(!folder.join("third").exists());
    }
    // The remedy works when it is typed.
    notes(&folder, &["train", "--from", "first", "--set", "data.size=8x8", "--steps", "2", "--out", "fourth"]);
    let missing = typed(&folder, &["train", "--from", "nowhere", "--out", "third"]);
    assert_eq!(missing.status.code(), Some(2), "{}", text(&missing.stderr));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn trials_choose_penalty_and_learning_rate_and_are_refused_without_time() {
    let folder = folder("auto");
    let small = ["--set", "generator.hidden=[4]", "--set", "discriminator.hidden=[4]", "--set", "train.batch_size=8"];
    let words = |rest: &[&'static str]| [&["train", "ring", "--auto"], &small[..], rest].concat();
    let said = notes(&folder, &words(&["--steps", "1200", "--out", "run"]));
    assert!(said.contains("7 trials of 100 steps each") && said.contains("trial 7 of 7"), "{said}");
    let trials: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("run/auto.json")).unwrap()).unwrap();
    let value = |t: &serde_json::Value| t["measurement"]["value"].as_f64().unwrap();
    let trials = trials.as_array().unwrap();
    let best = trials.iter().min_by(|a, b| value(a).total_cmp(&value(b))).unwrap();
    let recipe = fs::read_to_string(folder.join("run/recipe.toml")).unwrap();
    for (key, field) in [("gamma", "penalty_weight"), ("learning_rate", "learning_rate")] {
        let line = recipe.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
        let written: f64 = line.split(" = ").nth(1).unwrap().parse().unwrap();
        assert!((written / best[field].as_f64().unwrap() - 1.0).abs() < 1e-3, "{line}: {best}");
    }
    let refused = typed(&folder, &words(&["--steps", "1199", "--out", "none"]));
    let message = text(&refused.stderr);
    assert!(refused.status.code() == Some(2) && message.contains("to do: --steps 1200 or more"), "{message}");
    assert!(!folder.join("none").exists());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_page_of_a_run_shows_real_images_neighbors_curves_and_devices() {
    let folder = folder("page");
    notes(&folder, &["train", "tiny.toml", "--threads", "1"]);
    let file = folder.join("runs/00001-tiny/report.html");
    let page = fs::read_to_string(&file).unwrap();
    for part in [
        "<h2>Verdict</h2>",
        "<h2>Samples</h2>",
        "<h2>Real images</h2>",
        "<h2>Nearest training images</h2>",
        "<h2>Timeline</h2>",
        "floor: real images",
        "<h2>Devices</h2>",
        "led-5x5",
        "<h2>Layers of the generator</h2>",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // A phone has to load it: the timeline is an image of a few moments, not an animation.
    assert!(page.len() < 1 << 20 && !page.contains("data:image/gif"), "{} bytes", page.len());
    assert!(page.contains("Each row: the same latents, at step 0; "), "the moments of the timeline");
    fs::remove_file(&file).unwrap();
    notes(&folder, &["report"]);
    assert!(fs::read_to_string(&file).unwrap().contains("<h2>Devices</h2>"));
    notes(&folder, &["report", "runs/00001-tiny", "--checkpoint", "last", "--out", "last.html"]);
    assert!(fs::read_to_string(folder.join("last.html")).unwrap().contains("Generated at step 12"));
    let _ = fs::remove_dir_all(&folder);
}
