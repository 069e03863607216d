//! Tests of the latent tools on a run of a few steps: a known latent is recovered, whatever its image shows.

use crate::{MODEL, refused, scratch, text, xtask};
use std::fs;
use std::path::Path;
use std::process::Output;

/// Trains digits for a few steps; returns the run and its model.
fn run(name: &str) -> (String, String) {
    let (run, model) = (scratch(name), scratch(&format!("{name}.model")));
    let _ = fs::remove_dir_all(&run);
    well(&["train", "digits-small", "--steps", "4", "--set", "train.batch_size=16", "--out", &run, "--threads", "1"]);
    well(&["export", &run, "--out", &model]);
    (run, model)
}

#[track_caller]
fn well(words: &[&str]) -> Output {
    let output = xtask(words);
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    output
}

#[test]
fn a_known_latent_is_recovered_and_shown_by_the_simulator() {
    let (run, model) = run("latents-run");
    let (latents, sheet) = (scratch("found.latents"), scratch("found.png"));
    let words = ["project", &run, "--of-seed", "3", "--restarts", "8", "--model", &model, "--out", &latents];
    let output = well(&[&words[..], &["--png", &sheet, "--json"]].concat());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let best = &json["searches"][0];
    assert!(best["psnr_db"].as_f64().unwrap() >= 30.0 && json["int8_psnr_db"].as_f64().unwrap() >= 30.0, "{best}");
    assert_eq!(json["searches"].as_array().unwrap().len(), 8);
    assert!(fs::read(&sheet).unwrap().starts_with(b"\x89PNG"));
    let kept = fs::read_to_string(&latents).unwrap();
    let line: Vec<&str> = kept.lines().nth(1).unwrap().split(' ').collect();
    assert_eq!(line.len(), best["latent"].as_array().unwrap().len());

    let (shown, png) = (scratch("kept.png"), scratch("held.png"));
    well(&["sim", &model, "--latents", &latents, "--png", &shown]);
    let steps = text(&well(&["flash", &model, "--board", "pico", "--latents", &latents, "--dry-run"]).stdout);
    assert!(steps.contains("GANLET_LATENTS="), "{steps}");
    refused(&["sim", MODEL, "--latents", &latents, "--png", &png], 2, "another model");
    refused(&["interpolate", MODEL, "--latents", &latents, "--png", &png], 2, "another generator");
    refused(&["sim", &model, "--latents", &shown, "--png", &png], 2, "kept.png");

    // Strokes: the upper half in white.
    let (strokes, both) = (scratch("strokes.png"), scratch("both.latents"));
    refused(&["edit", &run, "--strokes", &shown, "--out", &both], 2, "aspect ratio");
    refused(&["edit", &run, "--out", &both], 2, "nothing to change");
    well(&["edit", &run, "--seed", "5", "--template", &strokes]);
    refused(&["edit", &run, "--strokes", &strokes, "--out", &both], 2, "opaque everywhere");
    fs::write(&strokes, half_white(28)).unwrap();
    let printed = text(&well(&["edit", &run, "--seed", "5", "--strokes", &strokes, "--out", &both]).stdout);
    assert!(printed.contains("under the strokes"), "{printed}");
    let way = text(&well(&["interpolate", &run, "--latents", &both, "--steps", "5", "--png", &png]).stdout);
    assert!(way.starts_with("6 frames"), "{way}");

    refused(&["project", &run, "--held-out", "1000000"], 2, "the held-out images");
    refused(&["project", &run, "--image", "no-such.png"], 2, "no-such.png");
    // A target of another size, depth and aspect ratio is converted, and the message says that the result is not near.
    fs::write(&png, stripes(90, 40)).unwrap();
    let printed = text(&well(&["project", &run, "--image", &png, "--restarts", "2", "--steps", "20"]).stderr);
    for part in [
        "90x40 cropped to the center where needed and resized to 28x28",
        "converted to gray",
        "not near",
        "more --restarts",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    fs::write(&png, &stripes(90, 40)[..200]).unwrap();
    refused(&["project", &run, "--image", &png], 2, "expected: a PNG");
    refused(&["project", &model, "--of-seed", "1"], 2, "no gradient");
    refused(&["project", &run], 2, "--image");
    refused(&["project", &run, "--of-seed", "1", "--class", "2"], 2, "without classes");
    fs::remove_dir_all(Path::new(&run)).unwrap();
}

/// Returns a transparent image whose upper half is white.
fn half_white(side: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, side, side);
    encoder.set_color(png::ColorType::Rgba);
    let pixel = |i: u32| if i / side < side / 2 { [255; 4] } else { [0; 4] };
    let bytes: Vec<u8> = (0..side * side).flat_map(pixel).collect();
    encoder.write_header().unwrap().write_image_data(&bytes).unwrap();
    file
}

/// Returns colored stripes with 16 bits per value.
fn stripes(width: u32, height: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Sixteen);
    let pixel = |i: u32| if i % 4 < 2 { [255, 255, 255, 255, 0, 0] } else { [0, 0, 0, 0, 255, 255] };
    let bytes: Vec<u8> = (0..width * height).flat_map(pixel).collect();
    encoder.write_header().unwrap().write_image_data(&bytes).unwrap();
    file
}

#[test]
fn interpolations_and_grids_are_drawn_from_model_files() {
    let (gif, png, frames) = (scratch("way.gif"), scratch("way.png"), scratch("way-frames"));
    let words = ["interpolate", MODEL, "--seeds", "1,2,3", "--steps", "4", "--gif", &gif, "--png", &png];
    let printed = text(&well(&[&words[..], &["--frames", &frames, "--loop"]].concat()).stdout);
    assert!(printed.starts_with("13 frames"), "{printed}");
    assert_eq!(fs::read_dir(&frames).unwrap().count(), 13);
    fs::remove_dir_all(&frames).unwrap();
    well(&["grid", MODEL, "--truncation", "0.5", "--count", "6", "--png", &png]);
    refused(&["interpolate", MODEL, "--seeds", "1", "--png", &png], 2, "two latents");
    refused(&["interpolate", MODEL, "--seeds", "1,2"], 2, "--gif");
    refused(&["interpolate", MODEL, "--steps", "0", "--png", &png], 2, "--steps");
    refused(&["grid", MODEL, "--truncation", "2", "--png", &png], 2, "0 to 1");
    refused(&["grid", MODEL, "--class", "1", "--png", &png], 2, "without classes");
}
