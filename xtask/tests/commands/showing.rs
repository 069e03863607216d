//! Tests of what commands show and write: runs without an export, boards before training, image formats, control characters.

use crate::{MODEL, refused, root, scratch, text, xtask, xtask_in};
use std::fs;
use std::path::Path;

const TINY: [&str; 7] =
    ["--steps", "2", "--set", "train.batch_size=8", "--set", "generator.widths=[8, 8, 8]", "--threads=1"];

/// Returns an empty folder for one test.
fn empty_folder(name: &str) -> String {
    let folder = scratch(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs a command that succeeds; returns standard output and standard error.
#[track_caller]
fn done(folder: &str, words: &[&str]) -> (String, String) {
    let output = xtask_in(folder, words);
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_run_is_shown_like_its_exported_model_and_the_newest_one_without_an_argument() {
    let folder = empty_folder("shown-runs");
    done(&folder, &[&["train", "faces-small"][..], &TINY].concat());
    done(&folder, &["train", "ring", "--steps", "2", "--set", "train.batch_size=8", "--threads", "1"]);
    done(&folder, &["export", "runs/00001-faces-small"]);
    done(&folder, &["sim", "runs/00001-faces-small", "--png", "run.png"]);
    done(&folder, &["sim", "runs/00001-faces-small/generator.model", "--png", "model.png"]);
    let [run, model] = ["run.png", "model.png"].map(|name| fs::read(Path::new(&folder).join(name)).unwrap());
    assert_eq!(run, model);
    let (json, note) = done(&folder, &["inspect", "runs/00001-faces-small", "--json"]);
    assert_eq!(json, done(&folder, &["inspect", "runs/00001-faces-small/generator.model", "--json"]).0);
    assert!(note.contains("runs/00001-faces-small: using the checkpoint of step 2"), "{note}");
    // The newest run generates points.
    let (shown, note) = done(&folder, &["inspect"]);
    assert!(note.contains("using the newest run, runs/00002-ring") && shown.contains("2x1 gray"), "{note}{shown}");
    done(&folder, &["sim", "latest", "--png", "points.png"]);
    let (steps, note) = done(&folder, &["flash", "--board", "pico", "--dry-run"]);
    assert!(note.contains("runs/00002-ring") && steps.contains("target/device/00002-ring-2.model"), "{note}{steps}");
    let output = xtask_in(&folder, &["emulate", "runs/00001-faces-small", "--board", "lm3s6965evb"]);
    assert!(text(&output.stderr).contains("--png FILE"), "the window is refused before any work");
    // A run whose only checkpoint is damaged: the message names it, and how to show another model.
    let broken = Path::new(&folder).join("runs/00002-ring/checkpoints");
    for file in fs::read_dir(broken).unwrap() {
        fs::write(file.unwrap().path(), "damaged").unwrap();
    }
    let output = xtask_in(&folder, &["inspect"]);
    let message = text(&output.stderr);
    assert!(output.status.code() == Some(2) && message.contains("00002-ring"), "{message}");
    assert!(message.contains("to show another model") && message.contains("faces.model"), "{message}");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn flash_and_ram_are_known_before_training() {
    let folder = empty_folder("before-training");
    let dry = |more: &[&str]| done(&folder, &[&["train", "faces-small", "--dry-run", "--threads", "1"], more].concat());
    let tiny = ["--set", "train.batch_size=8"];
    let (recipe, notes) = dry(&tiny);
    assert!(recipe.contains("widths = [64, 48, 32]"), "{recipe}");
    for part in ["bytes of flash", "board", "instructions", "microbit", "pico2", "stm32f405", "fits"] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
    let (fitted, notes) = dry(&[&tiny[..], &["--flash", "32K"]].concat());
    assert!(!fitted.contains("widths = [64, 48, 32]") && notes.contains("narrowed the generator"), "{notes}{fitted}");
    assert!(notes.contains("--flash allows 32,768"), "{notes}");
    let (same, notes) = dry(&[&tiny[..], &["--fit", "pico2"]].concat());
    assert!(same == recipe && notes.contains("fits as it is"), "{notes}");
    for (name, words) in [("faces", &["generator.latent=257"][..]), ("ring", &["generator.latent=300"])] {
        let words = words.iter().flat_map(|word| ["--set", word]);
        let words: Vec<_> = ["train", name, "--dry-run"].into_iter().chain(tiny).chain(words).collect();
        let (_, notes) = done(&folder, &words);
        assert!(
            notes.contains("no device can run this generator") && notes.contains("use 1 to 256 latent values"),
            "{notes}"
        );
    }
    refused(&["train", "faces-small", "--flash", "100", "--dry-run"], 2, "set fewer widths");
    refused(&["train", "faces-small", "--fit", "toaster", "--dry-run"], 2, "lm3s6965evb");
    refused(&["train", "faces-small", "--flash", "1T", "--dry-run"], 2, "64K");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn image_files_have_the_format_of_their_name() {
    let folder = empty_folder("formats");
    let model = root().join(MODEL).canonicalize().unwrap();
    let model = model.to_str().unwrap();
    let start = |name: &str| fs::read(Path::new(&folder).join(name)).unwrap()[..4].to_vec();
    for (name, magic) in [("x.gif", b"GIF8"), ("x.PNG", b"\x89PNG"), ("plain", b"\x89PNG")] {
        done(&folder, &["grid", model, "--count", "4", "--png", name]);
        assert_eq!(start(name), magic, "grid {name}");
        done(&folder, &["interpolate", model, "--steps", "2", "--png", name]);
        assert_eq!(start(name), magic, "interpolate {name}");
        done(&folder, &["sim", model, "--device", "led-5x5", "--png", name]);
        assert_eq!(start(name), magic, "sim {name}");
    }
    for words in [
        &["grid", model, "--png", "x.jpg"][..],
        &["interpolate", model, "--png", "x.jpg"],
        &["interpolate", model, "--gif", "x.png"],
        &["project", "runs/1", "--of-seed", "1", "--png", "x.jpg"],
        &["project", "runs/1", "--of-seed", "1", "--curve", "x.svg"],
        &["edit", "runs/1", "--template", "x.jpg"],
        &["edit", "runs/1", "--png", "x.webp"],
        &["sim", model, "--png", "x.jpg"],
        &["sim", model, "--gif", "x.png"],
        &["emulate", model, "--board", "microbit", "--png", "x.jpg"],
        &["emulate", model, "--board", "microbit", "--gif", "x.mp4"],
        &["data", "prepare", "photos", "--size", "8x8", "--out", "x.pack", "--sheet", "x.jpg"],
    ] {
        refused(words, 2, ".gif");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn control_characters_never_reach_the_terminal() {
    let folder = empty_folder("controls");
    let name = "a\u{1b}[2Jb\u{9b}31m";
    let recipe = fs::read_to_string(root().join("trainer/recipes/faces-small.toml")).unwrap();
    let recipe = recipe
        .replace("name = \"faces-small\"", "name = \"x\\u001b[2Jy\"")
        .replace("Pixel-art", "\\u001b]0;title\\u0007");
    fs::write(Path::new(&folder).join("own.toml"), recipe).unwrap();
    let trained = [&["train", "own.toml", "--out", name][..], &TINY].concat();
    let image = format!("{name}.png");
    for words in [
        &trained[..],
        &["export", name],
        &["inspect", name],
        &["inspect", &format!("{name}/generator.model")],
        &["inspect", name, "--json"],
        &["sim", name, "--png", &image],
        &["inspect", &format!("{name}.model")],
        &["sim", MODEL, "--latents", name, "--png", "x.png"],
        &[name],
        &["sim", MODEL, "--seed", name],
    ] {
        let output = xtask_in(&folder, words);
        for printed in [text(&output.stdout), text(&output.stderr)] {
            let found = printed.chars().find(|c| c.is_control() && *c != '\n');
            assert!(found.is_none(), "{words:?} printed {found:?}: {printed:?}");
        }
    }
    assert!(Path::new(&folder).join(&image).is_file());
    let (shown, _) = done(&folder, &["inspect", name]);
    assert!(shown.starts_with("x\\u001b[2Jy  16x16 RGB"), "{shown}");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_is_missing_or_too_large_is_named_with_a_remedy() {
    let folder = empty_folder("missing");
    // Without a display or terminal, the missing model is still what is wrong.
    let missing = text(&xtask_in(&folder, &["sim", "missing.model"]).stderr);
    assert!(missing.contains("missing.model: there is no such run folder or model file"), "{missing}");
    // A line break in a name stays on its line, and the printed command works.
    let settings =
        ["generator.widths=[8, 8]", "discriminator.widths=[8]", "discriminator.stem=0", "train.batch_size=4"];
    let settings: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    let words = [&["train", "faces-small", "--steps", "2", "--out", "a\nb"], &settings[..]].concat();
    let trained = xtask_in(&folder, &words);
    let printed = text(&trained.stderr);
    assert!(trained.status.success() && printed.contains("run folder a\\u000ab;"), "{printed}");
    assert!(printed.contains("cargo xtask export $'a\\u000ab'"), "{printed}");
    // The name of a recipe is also that of a file.
    fs::write(format!("{folder}/ring"), "").unwrap();
    let dry = text(&xtask_in(&folder, &["train", "ring", "--dry-run"]).stderr);
    assert!(dry.contains("type ./ring for the file") && dry.contains("Eight Gaussians"), "{dry}");
    let own = text(&xtask_in(&folder, &["train", "faces-small", "--data", "digits", "--dry-run"]).stderr);
    assert!(!own.contains("Pixel-art faces"), "{own}");
    let plus = text(&xtask_in(&folder, &["train", "+"]).stderr);
    assert!(plus.contains("as in ring+augment"), "{plus}");
}

#[test]
fn files_that_are_not_latents_and_models_of_points_are_explained() {
    refused(&["sim", MODEL, "--latents", MODEL, "--png", "x.png"], 2, "this is a model file");
    let other = scratch("noise.latents");
    fs::write(&other, b"1 2 \xff\xfe").unwrap();
    refused(&["sim", MODEL, "--latents", &other, "--png", "x.png"], 2, "not a text file (byte 4 is no UTF-8)");
    let folder = empty_folder("points");
    done(&folder, &["train", "ring", "--steps", "2", "--set", "train.batch_size=8", "--threads", "1", "--out", "ring"]);
    done(&folder, &["export", "ring", "--out", "ring.model"]);
    let model = format!("{folder}/ring.model");
    let run = format!("{folder}/ring");
    for what in [&model, &run] {
        refused(&["grid", what, "--png", "x.png"], 2, "points, not images");
        refused(&["interpolate", what, "--gif", "x.gif"], 2, "points, not images");
    }
    assert!(xtask(&["sim", &model, "--png", &format!("{folder}/ring.png")]).status.success());
    fs::remove_dir_all(&folder).unwrap();
}

/// Returns a model file of 17 KB whose image takes two billion multiply-accumulates.
fn endless_model() -> Vec<u8> {
    use ganlet_runtime::{
        Shape,
        encode::{LayerSpec, ModelBuilder, Op, Source},
    };
    let dense = LayerSpec {
        op: Op::Dense { shape: Shape { h: 1, w: 1, c: 8 } },
        input: Source::Latent,
        zero_point: 0,
        table: None,
        weights: vec![1; 8],
        wide: [0; 2],
        bias: vec![0; 8],
        scale: vec![1 << 30; 8],
    };
    let copy = |factor, before| LayerSpec {
        op: Op::Upsample { factor },
        input: Source::Layer(before),
        weights: vec![],
        bias: vec![],
        scale: vec![],
        ..dense.clone()
    };
    let conv = LayerSpec {
        op: Op::Conv { k: 16, s: 1, p: 8, c: 1 },
        input: Source::Layer(2),
        weights: vec![1; 2048],
        bias: vec![0],
        scale: vec![1 << 20],
        ..dense.clone()
    };
    let mut builder = ModelBuilder::new("endless", 1);
    [dense.clone(), copy(250, 0), copy(4, 1), conv].iter().for_each(|layer| _ = builder.push(layer));
    builder.finish().unwrap()
}

#[test]
fn a_model_that_draws_for_very_long_is_refused_unless_it_is_allowed() {
    let path = scratch("endless.model");
    let file = endless_model();
    assert!(file.len() < 20_000, "{}", file.len());
    fs::write(&path, file).unwrap();
    let why = "an image takes 2,052,098,056 multiply-accumulates, and the limit is 1,000,000,000: --max-macs 2052098056 draws it";
    for words in [
        &["sim", &path, "--png", "never.png"][..],
        &["emulate", &path, "--board", "lm3s6965evb", "--png", "never.png"],
        &["grid", &path, "--png", "never.png"],
        &["interpolate", &path, "--png", "never.png"],
        &["eval", &path],
    ] {
        refused(words, 2, why);
    }
    refused(&["sim", &path, "--png", "never.png", "--max-macs", "2052098055"], 2, "the limit is 2,052,098,055");
    // The limit is not the only check: this model does not fit the device either.
    refused(&["sim", &path, "--device", "oled-128x64", "--png", "x.png", "--max-macs", "2052098056"], 1, "RAM");
    let shown = text(&xtask(&["inspect", &path]).stdout);
    assert!(shown.contains("commands draw it only with --max-macs 2052098056"), "{shown}");
}
