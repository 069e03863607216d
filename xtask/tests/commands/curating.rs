//! Tests of rejection by the discriminator: curated seeds, the measurement of accepted images, and the exported discriminator.

use crate::{refused, scratch, text, xtask};
use std::fs;

fn trained(name: &str, settings: &[&str]) -> String {
    let out = scratch(name);
    let _ = fs::remove_dir_all(&out);
    let small =
        ["--set", "train.batch_size=8", "--set", "generator.widths=[8,4]", "--set", "discriminator.widths=[8,8]"];
    let words =
        [&["train", "digits-small", "--steps", "4", "--threads", "1", "--out", &out], &small[..], settings].concat();
    let output = xtask(&words);
    assert!(output.status.success(), "{}", text(&output.stderr));
    out
}

fn done(words: &[&str]) -> (String, String) {
    let output = xtask(words);
    assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn curated_seeds_are_written_shown_and_the_same_again() {
    let run = trained("curated", &[]);
    let (latents, png) = (scratch("curated.latents"), scratch("curated.png"));
    let words = ["curate", &run, "--count", "20", "--fit-steps", "30", "--out", &latents, "--png", &png];
    let (shown, notes) = done(&words);
    assert!(shown.contains("accepted 20 of ") && shown.contains("(wished: 25 %)"), "{shown}");
    assert!(shown.contains("cross-entropy") && notes.contains("next: cargo xtask sim"), "{shown} {notes}");
    let first = fs::read(&latents).unwrap();
    let json: serde_json::Value = serde_json::from_str(&done(&[&words[..], &["--json"]].concat()).0).unwrap();
    assert_eq!(fs::read(&latents).unwrap(), first);
    let seeds = json["seeds"].as_array().unwrap();
    assert_eq!((seeds.len(), json["accepted"].as_u64()), (20, Some(20)));
    let of = |seed: &serde_json::Value| format!("# seed {},", seed["seed"]);
    let listed = text(&first);
    assert!(seeds.iter().all(|seed| listed.contains(&of(seed))), "{listed}");
    // The simulator shows the first curated seed, without the caption of a seed's number.
    let device = scratch("curated-device.png");
    done(&["sim", &run, "--latents", &latents, "--png", &device]);
    fs::write(&latents, "my own notes").unwrap();
    refused(&words, 2, "curated.latents");
}

#[test]
fn accepted_images_are_measured_beside_all_images() {
    let run = trained("rejection", &["--set", "objective.loss=\"hinge\""]);
    let words = ["eval", &run, "--samples", "200", "--seeds", "2", "--rejection", "0.5", "--fit-steps", "30"];
    let json: serde_json::Value = serde_json::from_str(&done(&[&words[..], &["--json"]].concat()).0).unwrap();
    for path in ["/accepted/precision", "/accepted/share", "/accepted/fit/after", "/accepted/realism/times_real"] {
        assert!(json.pointer(path).is_some_and(|v| v.is_number()), "{path}: {json}");
    }
    assert_eq!(json["intervals"]["accepted"]["recall"]["n"], 2);
    assert!((json["accepted"]["share"].as_f64().unwrap() - 0.5).abs() < 0.15, "{json}");
    assert!(json["int8"]["frechet"].is_number() && json["realism"]["times_real"].is_number());
    let shown = done(&words).0;
    assert!(shown.contains("accepted") && shown.contains("verdict: accepted images"), "{shown}");
    refused(
        &["eval", &run, "--rejection", "1.5"],
        2,
        "--rejection: share 1.5 of accepted images: expected a number above 0",
    );
    refused(&["eval", &run, "--fit-steps", "5"], 2, "--fit-steps belongs to --rejection");
    let trained = ["eval", &run, "--samples", "200", "--rejection", "0.5", "--fit-steps", "0"];
    refused(&trained, 2, "the loss \"hinge\" trains a discriminator whose score is not the logarithm");
    refused(&["eval", crate::MODEL, "--rejection", "0.5"], 2, "name the run that the model was exported from");
}

#[test]
fn a_fitted_discriminator_is_exported_and_the_best_images_are_shown() {
    let run = trained("fitted", &[]);
    let model = scratch("fitted.model");
    let (_, notes) = done(&["export", &run, "--with-discriminator", "--fit-steps", "30", "--out", &model]);
    assert!(notes.contains("after 30 steps of fitting") || notes.contains("steps of fitting"), "{notes}");
    let shown = |buttons: &str| {
        let png = scratch("fitted.png");
        done(&["sim", &model, "--press", buttons, "--png", &png]);
        fs::read(png).unwrap()
    };
    let best = "select,select,select";
    assert_eq!(shown(best), shown(&format!("{best},right,left")));
    assert_ne!(shown(best), shown(&format!("{best},right")));
    refused(&["export", &run, "--fit-steps", "30"], 2, "--with-discriminator");
    done(&["export", &run, "--with-discriminator", "--fit-steps", "0", "--out", &model]);
}
