//! Tests of the command line: help has examples, JSON is printed alone, errors fit on one screen.
#![forbid(unsafe_code)]

mod advice;
mod curating;
mod data;
mod evaluating;
mod latents;
mod measuring;
mod runs;
mod showing;
mod training;

use std::fs;
#[cfg(unix)]
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::process::Stdio;
use std::process::{Command, Output};

const COMMANDS: [&str; 18] = [
    "demo",
    "train",
    "data",
    "eval",
    "lab",
    "grid",
    "curate",
    "interpolate",
    "project",
    "edit",
    "export",
    "report",
    "inspect",
    "sim",
    "emulate",
    "flash",
    "test",
    "doctor",
];

fn xtask(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(words).current_dir(root()).env_remove("DISPLAY").output().unwrap()
}

/// Runs the command in another folder, so that it does not see the runs of the project's own folder.
fn xtask_in(folder: &str, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(words).current_dir(folder).env_remove("DISPLAY").output().unwrap()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Returns the path of a file that does not exist, for one test.
fn scratch(name: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    path.to_str().unwrap().to_owned()
}

/// Checks that the command fails with this exit code and a message of at most 24 lines that contains `why`.
#[track_caller]
fn refused(words: &[&str], code: i32, why: &str) {
    let output = xtask(words);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {message}");
    assert!(message.contains(why) && message.lines().count() <= 24, "{words:?}: {message}");
    assert!(!message.contains("panicked") && !message.contains("RUST_BACKTRACE"), "{words:?}: {message}");
    assert!(output.stdout.is_empty(), "{words:?}: {}", text(&output.stdout));
}

const MODEL: &str = "runtime/tests/golden/kinds-v2.model";

#[test]
fn without_a_file_the_committed_faces_are_shown() {
    let folder = scratch("no-runs");
    fs::create_dir_all(&folder).unwrap();
    let output = xtask_in(&folder, &["inspect", "--json"]);
    let (json, note) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success() && note.contains("firmware-sim/models/faces.model"), "{note}");
    assert!(json.contains("\"name\": \"faces\"") && json.contains("\"width\": 16"), "{json}");
    let models = ["faces", "digits"].map(|name| root().join(format!("firmware-sim/models/{name}.model")));
    let shown = [None, Some(&models[0]), Some(&models[1])].map(|file| {
        let png = scratch("shown.png");
        let words: Vec<_> =
            ["sim"].into_iter().chain(file.map(|f| f.to_str().unwrap())).chain(["--png", &png]).collect();
        let output = xtask_in(&folder, &words);
        assert!(output.status.success(), "{}", text(&output.stderr));
        fs::read(png).unwrap()
    });
    assert!(shown[0] == shown[1] && shown[1] != shown[2]);
}

#[test]
fn every_command_explains_itself_with_an_example() {
    let overview = text(&xtask(&["--help"]).stdout);
    for command in COMMANDS {
        assert!(overview.contains(command), "{overview}");
        let output = xtask(&[command, "--help"]);
        let help = text(&output.stdout);
        assert!(output.status.success() && output.stderr.is_empty());
        assert!(help.contains("Example") && help.contains(&format!("cargo xtask {command}")), "{help}");
    }
}

#[test]
fn inspect_prints_json_alone_with_the_keys_that_other_tools_parse() {
    let output = xtask(&["inspect", MODEL, "--json"]);
    assert!(output.status.success() && output.stderr.is_empty());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let bytes = fs::metadata(root().join(MODEL)).unwrap().len();
    assert_eq!(json["flash_bytes"].as_u64(), Some(bytes));
    // In a model this small, rounding up costs more than streaming saves.
    assert_eq!((json["arena_bytes"].as_u64(), json["whole_tensor_bytes"].as_u64()), (Some(364), Some(360)));
    let layers = json["layers"].as_array().unwrap();
    assert_eq!(layers.iter().map(|l| l["macs"].as_u64().unwrap()).sum::<u64>(), json["macs"].as_u64().unwrap());
    assert!(layers.iter().all(|l| l["kind"].is_string() && l["layout"].is_string() && l["weight_bytes"].is_u64()));
    let boards = json["boards"].as_array().unwrap();
    assert!(boards.len() >= 7 && boards.iter().all(|b| b["name"].is_string() && b["fits"].is_boolean()));
}

#[test]
fn inspect_prints_the_same_sums_as_text() {
    let shown = text(&xtask(&["inspect", MODEL]).stdout);
    for part in ["dense", "upsample", "depthwise", "16,605", "364 bytes drawn row by row", "led-5x5", "fits"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn files_that_are_not_models_are_rejected_by_name() {
    let whole = fs::read(root().join(MODEL)).unwrap();
    for (name, bytes) in [("empty.model", &[][..]), ("short.model", &whole[..700]), ("text.model", &[b'x'; 4000][..])] {
        let path = scratch(name);
        fs::write(&path, bytes).unwrap();
        refused(&["inspect", &path, "--json"], 2, name);
        refused(&["sim", &path, "--png", "never.png"], 2, name);
    }
    refused(&["inspect", "no-such.model"], 2, "no-such.model");
    refused(&["inspect", "docs"], 2, "docs");
}

#[cfg(unix)]
#[test]
fn pipes_and_endless_files_are_refused() {
    let folder = scratch("special");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let [model, names, pipe] = ["m.model", "m.classes.txt", "pipe.png"].map(|name| format!("{folder}/{name}"));
    fs::copy(root().join("firmware-sim/models/faces.model"), &model).unwrap();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for special in ["/dev/zero", &pipe] {
        refused(&["train", special, "--dry-run"], 2, "a pipe, socket or device");
        refused(
            &["sim", &model, "--latents", special, "--png", &scratch("endless.png")],
            2,
            "a pipe, socket or device",
        );
        refused(&["inspect", special], 2, "not a file of a known length");
        refused(&["data", "prepare", special, "--out", &scratch("endless.pack")], 2, "which may never end");
        // The names of the model's classes.
        let _ = fs::remove_file(&names);
        std::os::unix::fs::symlink(special, &names).unwrap();
        for words in [&["inspect", &model][..], &["grid", &model, "--png", "x.png"], &["sim", &model, "--png", "x.png"]]
        {
            refused(words, 2, "m.classes.txt: this is a pipe, socket or device");
        }
        refused(&["flash", &model, "--board", "pico", "--dry-run"], 2, "m.classes.txt");
        fs::remove_file(&names).unwrap();
    }
    let run = format!("{folder}/run");
    let settings =
        ["generator.widths=[8, 8]", "discriminator.widths=[8]", "discriminator.stem=0", "train.batch_size=4"];
    let settings: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    let trained = xtask(&[&["train", "faces-small", "--steps", "2", "--out", &run], &settings[..]].concat());
    assert!(trained.status.success(), "{}", text(&trained.stderr));
    for name in ["best.json", "log.jsonl", "alarms.txt"] {
        let file = format!("{run}/{name}");
        let old = fs::read(&file).ok();
        let _ = fs::remove_file(&file);
        std::os::unix::fs::symlink(&pipe, &file).unwrap();
        refused(&["grid", &run, "--png", &scratch("special.png")], 2, name);
        refused(&["report", &run], 2, "a pipe, socket or device");
        fs::remove_file(&file).unwrap();
        old.iter().for_each(|old| fs::write(&file, old).unwrap());
    }
    // Nothing is written to a pipe or through a link in the run folder.
    let [log, aside] = ["log.jsonl", "aside"].map(|name| format!("{run}/{name}"));
    let before = fs::read(&log).unwrap();
    fs::rename(&log, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &log).unwrap();
    refused(
        &["train", "--resume", &run, "--steps", "4"],
        2,
        "log.jsonl: this is a link, which is not followed; remove it",
    );
    assert!(fs::read(&aside).unwrap() == before);
    for words in [&["grid", &run, "--png", &pipe][..], &["sim", &model, "--png", &pipe]] {
        let written = xtask(words);
        assert!(!written.status.success() && text(&written.stderr).contains("pipe"), "{}", text(&written.stderr));
    }
}

#[test]
fn sim_writes_images_of_the_named_device() {
    let (png, gif) = (scratch("device.png"), scratch("session.gif"));
    let output = xtask(&["sim", MODEL, "--device", "led-5x5", "--seed", "7", "--png", &png]);
    assert!(output.status.success() && text(&output.stderr).contains("led-5x5"));
    assert!(fs::read(&png).unwrap().starts_with(b"\x89PNG"));
    assert!(xtask(&["sim", MODEL, "--press", "right,wait:3", "--gif", &gif]).status.success());
    assert!(fs::read(&gif).unwrap().starts_with(b"GIF89a"));
}

#[test]
fn sim_lists_its_devices_and_reports_unknown_words() {
    let devices = text(&xtask(&["sim", "--list-devices"]).stdout);
    assert!(devices.contains("oled-128x64") && devices.lines().count() >= 7, "{devices}");
    refused(&["sim", MODEL, "--device", "toaster", "--terminal"], 2, "toaster");
    refused(&["sim", MODEL, "--press", "jump", "--png", "never.png"], 2, "jump");
    refused(&["sim", MODEL, "--png", "a.png", "--gif", "b.gif"], 2, "--gif");
    refused(&["sim", MODEL, "--seed", "-1"], 2, "-1");
    refused(&["sim", MODEL], 2, "--png FILE");
    refused(&["sim", MODEL, "--png", "no-such-folder/a.png"], 1, "no-such-folder");
}

#[test]
fn emulate_reports_errors_before_building() {
    refused(&["emulate", MODEL, "--board", "toaster", "--png", "never.png"], 2, "lm3s6965evb");
    refused(&["emulate", MODEL, "--board", "lm3s6965evb"], 2, "--png FILE");
    refused(&["emulate", MODEL, "--board", "lm3s6965evb", "--press", "jump", "--png", "never.png"], 2, "jump");
    refused(&["emulate", "no-such.model", "--board", "lm3s6965evb", "--png", "never.png"], 2, "no-such.model");
}

#[test]
fn flash_prints_every_step_for_every_board() {
    let boards = text(&xtask(&["flash", "--list-boards"]).stdout);
    let names: Vec<&str> = boards.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains(&"pico") && names.contains(&"lm3s6965evb"), "{boards}");
    for name in names {
        let output = xtask(&["flash", MODEL, "--board", name, "--dry-run"]);
        let steps = text(&output.stdout);
        assert!(output.status.success() && steps.contains("nothing was done"), "{steps}");
        for part in ["cargo build", "--target", "firmware-sim/boards", name] {
            assert!(steps.contains(part), "{name}: {part}: {steps}");
        }
        assert!(text(&output.stderr).contains("fits"));
        for how in ["--own-region", "--model-only"] {
            let output = xtask(&["flash", MODEL, "--board", name, how, "--dry-run"]);
            let (steps, notes) = (text(&output.stdout), text(&output.stderr));
            if name == "esp32c3" {
                assert!(!output.status.success() && notes.contains("boot loader"), "{notes}");
            } else {
                assert!(notes.contains("fits the region for models") && steps.contains("0x"), "{name}: {notes}{steps}");
                assert_eq!(steps.contains("cargo build"), how == "--own-region", "{name}: {steps}");
            }
        }
    }
    let steps = text(&xtask(&["flash", MODEL, "--board", "pico2", "--uf2", "never.uf2", "--dry-run"]).stdout);
    assert!(steps.contains("0xe48bff59") && steps.contains("BOOTSEL"), "{steps}");
}

#[test]
fn flash_reports_errors_before_building() {
    refused(&["flash", MODEL, "--board", "stm32f405", "--uf2", "never.uf2"], 2, "pico");
    refused(&["flash", MODEL, "--board", "toaster"], 2, "stm32f405");
    refused(&["flash", MODEL], 2, "--board");
    refused(&["flash"], 2, "--board");
    refused(&["flash", MODEL, "--board", "pico", "--uf2", "never.hex"], 2, "expected a name that ends in .uf2");
    refused(&["flash", "no-such.model", "--board", "pico"], 2, "no-such.model");
}

#[test]
fn the_command_line_is_checked_before_any_work() {
    refused(&["paint"], 2, "paint");
    refused(&["train", "--steps", "many"], 2, "many");
    refused(&["train", "--steps", "10", "--minutes", "1"], 2, "--minutes");
    refused(&["export", "runs/1", "--bits", "7"], 2, "7");
    refused(&["eval"], 2, "RUN|MODEL");
}

#[test]
fn doctor_says_what_each_tool_is_for() {
    let output = xtask(&["doctor"]);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}{}", text(&output.stderr));
    for part in ["rustc", "thumbv6m-none-eabi", "qemu-system-arm", "probe-rs", "display"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

/// Stops an experiment of a thousand runs with Ctrl-C after the first ones.
#[cfg(unix)]
#[test]
fn an_interrupted_experiment_keeps_its_finished_runs() {
    let out = scratch("lab-interrupted");
    let words =
        ["lab", "ring", "--methods", "minimax,r1", "--seeds", "1000", "--steps", "2", "--json", "--threads", "1"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(words).args(["--out", &out]).current_dir(root()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut printed = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(printed.any(|line| line.contains("minimax, seed 2:")), "the second seed is finished");
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert!(printed.any(|line| line.contains("hold what was finished")));
    // Read on, so that further output does not fill the pipe.
    printed.for_each(drop);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let methods = json["methods"].as_array().unwrap();
    let seeds = methods[0]["seeds"].as_array().unwrap().len();
    assert!(json["stopped"] == true && methods.len() == 1 && (2..1000).contains(&seeds), "{seeds} seeds");
    let table = fs::read_to_string(Path::new(&out).join("table.md")).unwrap();
    assert!(table.contains(&format!("| minimax | 2 | {seeds} |")) && !table.contains("| r1 |"), "{table}");
    assert!(Path::new(&out).join("ring.png").is_file() && Path::new(&out).join("results.json").is_file());
    fs::remove_dir_all(&out).unwrap();
}

#[test]
fn the_first_step_uses_ten_generated_and_ten_real_examples() {
    let out = scratch("ten");
    let words =
        ["train", "bimodal-1d", "--set", "train.batch_size=10", "--trace-steps", "1", "--steps", "2", "--out", &out];
    let printed = text(&xtask(&words).stdout);
    assert!(printed.contains("draw 10 latents z and 10 real examples x; generate G(z)"), "{printed}");
    assert!(printed.contains("update D on x and G(z): D(x)") && printed.contains("update G through D"), "{printed}");
    let _ = fs::remove_dir_all(&out);
}

#[test]
fn stacked_digits_and_real_ones_are_counted_in_json() {
    let out = scratch("lab-stacked");
    let words = ["lab", "stacked", "--steps", "1", "--seed", "3", "--out", &out, "--json", "--threads", "1"];
    let output = xtask(&words);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    // Real triples reach every mode; a generator of one step does not.
    assert_eq!((json["samples"].as_u64(), json["real"]["modes"].as_u64()), (Some(26_000), Some(1000)));
    assert!(json["real"]["rkl"].as_f64().unwrap() < 0.03, "{json}");
    let (run, median) = (&json["runs"][0], &json["median"]["recipe"]);
    assert_eq!(
        (run["method"].as_str(), run["seed"].as_u64(), json["steps"].as_u64()),
        (Some("recipe"), Some(3), Some(1))
    );
    assert_eq!((&run["modes"], &run["rkl"]), (&median["modes"], &median["rkl"]));
    assert!(run["modes"].as_u64().unwrap() < 1000 && run["rkl"].as_f64().unwrap() > 1.0 && run["seconds"].is_number());
    for file in ["results.json", "table.md", "stacked.png"] {
        assert!(Path::new(&out).join(file).is_file(), "{file}");
    }
    fs::remove_dir_all(&out).unwrap();
}

#[test]
fn an_experiment_writes_its_table_figures_and_numbers() {
    let out = scratch("lab-ring");
    let words = ["lab", "ring", "--methods", "minimax", "--steps", "3", "--out", &out, "--json", "--threads", "1"];
    let output = xtask(&words);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["methods"][0]["method"], "minimax");
    assert!(json["methods"][0]["seeds"][0]["modes"].as_u64().unwrap() <= 8);
    let run = &json["runs"][0];
    assert_eq!((run["method"].as_str(), run["seed"].as_u64()), (Some("minimax"), Some(1)));
    let numbers = [&run["hq"], &run["seconds"], &json["median"]["minimax"]["modes"], &json["median"]["minimax"]["hq"]];
    assert!(numbers.iter().all(|n| n.is_number()) && json["median"]["minimax"].get("rkl").is_some(), "{json}");
    for file in ["results.json", "table.md", "ring.png", "ring-minimax.gif"] {
        assert!(Path::new(&out).join(file).is_file(), "{file}");
    }
    let page = fs::read_to_string(Path::new(&out).join("index.html")).unwrap();
    assert!(page.contains("eight Gaussians") && page.contains("src=\"ring.png\"") && page.contains("<td>minimax"));
    assert!(text(&output.stderr).contains("expected duration: a few seconds"));
    refused(&words, 2, "nothing was overwritten");
    fs::remove_dir_all(&out).unwrap();
    refused(&["lab", "ring", "--methods", "minimax,unroled", "--out", &out], 2, "unroled");
    refused(&["lab", "ring", "--seeds", "0", "--out", &out], 2, "expected a number of seeds");
    refused(&["lab", "symmetry", "--steps", "0", "--out", &out], 2, "0 is not in 1..=100000000");
    refused(&["lab", "rates", "faces", "--out", &out], 2, "try ring or grid");
    refused(
        &["lab", "rates", "--discriminator=0.1,-1", "--out", &out],
        2,
        "--discriminator -1.0: expected positive numbers",
    );
    let _ = fs::remove_dir_all(&out);
}
