//! Follows the advice of messages: each case provokes a message, takes the advice from its text, and does what it says.
//!
//! Commands, options and settings are never repeated here. They are read from the message, typed, and have to work.

use crate::{scratch, text};
use ganlet_trainer::draw::Image;
use std::fs;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::{Command, Output};

const TINY: &str = r#"
name = "tiny"
[data]
source = "photos"
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
[schedule]
kind = "linear"
from = 0.5
to = 0.1
[train]
steps = 8
batch_size = 4
ema = 0.9
log_every = 2
sample_every = 4
save_every = 4
"#;

/// What a user puts in the place of the names that stand for files and values in messages.
const PLACES: [(&str, &str); 6] = [
    ("PATH", "photos"),
    ("FILE", "shown.png"),
    ("F.png", "template.png"),
    ("S,S", "1,2"),
    ("--data", "photos"),
    ("--out", "elsewhere"),
];

/// Words before a name or a number that the message suggests; the first of them that occurs counts.
const BEFORE_NAMES: [&str; 9] = [
    "nearest name is ",
    "newest run is ",
    "the nearest: ",
    "the nearest are ",
    "similar: ",
    "have one: ",
    "expected one of",
    "there are:",
    "expected ",
];

/// A folder with recipes and images, in which commands are typed.
struct Desk(PathBuf);

/// What a command printed on standard error.
struct Message(String);

impl Desk {
    /// Creates the folder with `tiny.toml`, 90 images in `photos` and 12 in the class folders of `classes`.
    fn new(name: &str) -> Self {
        let path = PathBuf::from(scratch(name));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("tiny.toml"), TINY).unwrap();
        let desk = Self(path);
        desk.photos("photos", 0..90);
        desk.photos("classes/cat", 0..6);
        desk.photos("classes/dog", 6..12);
        desk
    }

    fn photos(&self, folder: &str, numbers: std::ops::Range<usize>) {
        let folder = self.0.join(folder);
        fs::create_dir_all(&folder).unwrap();
        for i in numbers {
            let pixels: Vec<u8> =
                (0..8 * 8 * 3).map(|p| ((p / 3 % 8 + p / 24 * (p % 3 + 1) + 9) * (i + 3)) as u8).collect();
            fs::write(folder.join(format!("{i}.png")), Image::from_bytes(&pixels, (8, 8, 3)).png()).unwrap();
        }
    }

    fn typed(&self, command: &str) -> Output {
        let mut words = words(command);
        if words[0] == "train" && !words.iter().any(|word| word == "--threads") {
            words.extend(["--threads", "1"].map(str::to_owned));
        }
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
        xtask.args(words).current_dir(&self.0).env_remove("DISPLAY").output().unwrap()
    }

    /// Types a command that fails because of how it was typed.
    #[track_caller]
    fn refused(&self, command: &str) -> Message {
        let output = self.typed(command);
        assert_eq!(output.status.code(), Some(2), "{command}: {}", text(&output.stderr));
        Message(text(&output.stderr))
    }

    /// Types a command that works.
    #[track_caller]
    fn works(&self, command: &str) -> Message {
        self.follows(command, &Message(String::new()))
    }

    /// Types a command that `message` suggested, and that works.
    #[track_caller]
    fn follows(&self, command: &str, message: &Message) -> Message {
        let output = self.typed(command);
        assert!(output.status.success(), "{command}: {}\nfollowed: {}", text(&output.stderr), message.0);
        Message(text(&output.stderr))
    }

    /// Types all commands that a message suggests. Ten minutes of training become a few steps, and recipes of the project are only
    /// opened. Without a display, the message of `sim` says how it writes an image.
    #[track_caller]
    fn follows_commands(&self, message: &Message, expected: usize) {
        self.follows_some_commands(message, expected..=expected);
    }

    /// [`Desk::follows_commands`] for a message whose number of commands depends on a measurement.
    #[track_caller]
    fn follows_some_commands(&self, message: &Message, expected: RangeInclusive<usize>) {
        let commands = message.commands();
        assert!(expected.contains(&commands.len()), "{commands:?}: {}", message.0);
        for mut command in commands {
            command = command.replace("--minutes 10", "--minutes 0.00005");
            if command.starts_with("train") && !command.contains(".toml") && !command.contains("--resume") {
                command += " --dry-run";
            }
            if command.starts_with("sim") {
                let without_display = self.refused(&command);
                command += &without_display.option("--png");
            }
            self.follows(&command, message);
        }
    }
}

impl Message {
    /// Returns the commands of the message, without `cargo xtask`.
    fn commands(&self) -> Vec<String> {
        let parts = self.0.match_indices("cargo xtask ");
        let command = |(at, start): (usize, &str)| {
            let rest = &self.0[at + start.len()..];
            let ends: &[&str] = if self.0[..at].ends_with('`') { &["`"] } else { &["   or:", "\n"] };
            let end = ends.iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
            rest[..end].trim().to_owned()
        };
        parts.map(command).collect()
    }

    /// Returns ` --option value` as the message writes it, with the user's own value in the place of a name for it.
    #[track_caller]
    fn option(&self, option: &str) -> String {
        let all = self.0.match_indices(option).map(|(at, _)| &self.0[at..]);
        let found = all.map(|rest| rest.split(['\n', '`']).next().unwrap_or_default());
        let mut words =
            found.max_by_key(|words| words.len()).unwrap_or_else(|| panic!("{option}: {}", self.0)).split(' ');
        let named = words.next().unwrap_or_default();
        let place = |word: &str| PLACES.iter().find(|(name, _)| *name == word).map(|(_, own)| (*own).to_owned());
        let value = match words.next() {
            _ if ["--accept-changes", "--overwrite"].contains(&option) => String::new(),
            Some(value) if named == option => {
                let value = value.trim_end_matches([',', ';', ':', '.']);
                place(value)
                    .or_else(|| place(option).filter(|_| value.chars().all(char::is_lowercase)))
                    .unwrap_or_else(|| value.to_owned())
            }
            _ => place(option).unwrap_or_else(|| panic!("no value for {option}: {}", self.0)),
        };
        format!(" {option} {value}").trim_end().to_owned()
    }

    /// Returns ` --set key=value` for the setting that the message suggests.
    #[track_caller]
    fn setting(&self) -> String {
        let after = |mark: &str| self.0.match_indices(mark).map(|(at, _)| at + mark.len()).collect::<Vec<_>>();
        let mut starts: Vec<usize> = ["set ", "as in ", "try "].into_iter().flat_map(after).collect();
        starts.sort_unstable();
        let setting = |rest: &str| {
            let (key, value) = rest.split_once('=')?;
            let (key, value) = (key.trim(), value.trim_start());
            let is_key = key.contains('.') && key.chars().all(|c| c.is_ascii_lowercase() || "._".contains(c));
            let end = value.find([';', '\n', '`', ' ', ',']).unwrap_or(value.len());
            let end = if value.starts_with('[') { value.find(']').map_or(end, |at| at + 1) } else { end };
            is_key.then(|| format!(" --set '{key}={}'", &value[..end]))
        };
        let found = starts.into_iter().find_map(|at| setting(&self.0[at..]));
        found.unwrap_or_else(|| panic!("no setting: {}", self.0))
    }

    /// Returns the first name or number that the message suggests.
    #[track_caller]
    fn name(&self) -> String {
        let after = |mark: &&str| self.0.find(mark).map(|at| &self.0[at + mark.len()..]);
        let rest = BEFORE_NAMES.iter().find_map(after).unwrap_or_else(|| panic!("no name: {}", self.0));
        let word = rest.trim_start_matches([':', ' ', '\n', '`']).split([' ', ',', ';', '`', '\n']).next();
        word.unwrap_or_default().to_owned()
    }
}

/// Splits a command into words as a shell does.
fn words(command: &str) -> Vec<String> {
    let (mut all, mut quoted) = (vec![String::new()], false);
    for c in command.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => all.push(String::new()),
            c => all.last_mut().unwrap().push(c),
        }
    }
    all.retain(|word| !word.is_empty());
    all
}

/// Returns the command with `addition` in the place of the option of the same name.
fn with(command: &str, addition: &str) -> String {
    let words: Vec<&str> = command.split(' ').collect();
    let option = addition.split_whitespace().next().unwrap_or_default();
    match words.iter().position(|word| *word == option && option != "--set") {
        Some(at) => format!("{}{addition} {}", words[..at].join(" "), words[at + 2..].join(" ")).trim_end().to_owned(),
        None => format!("{command}{addition}"),
    }
}

#[test]
fn the_suggested_name_or_number_replaces_the_wrong_one() {
    let desk = Desk::new("advice-names");
    desk.works("train tiny.toml");
    desk.works("train tiny.toml --data classes --set data.classes=2 --out named");
    desk.works("export latest --out tiny.model");
    for (command, wrong) in [
        ("train facs --dry-run", "facs"),
        ("train tiny.toml+minmax --dry-run", "minmax"),
        ("train tiny.toml --set train.batchsize=4 --dry-run", "train.batchsize"),
        ("train tiny.toml --set objective.loss=hing --dry-run", "hing"),
        ("train tiny.toml --set train.batch_size=0 --dry-run", "0"),
        ("train tiny.toml --threads 1000 --dry-run", "1000"),
        ("train tiny.toml --data fotos --dry-run", "fotos"),
        ("train tiny.toml --fit microbitt --dry-run", "microbitt"),
        ("flash tiny.model --board pcio --dry-run", "pcio"),
        ("sim tiny.model --device toaster --png a.png", "toaster"),
        ("sim tiny.model --png a.jpg", ".jpg"),
        ("sim tiny.modl --png a.png", "tiny.modl"),
        ("grid runs/1 --png a.png", "runs/1"),
        ("export 00001-tiny", "00001-tiny"),
        ("grid named --class bird --png a.png", "bird"),
        ("grid tiny.model --truncation 3 --png a.png", "3"),
        ("eval latest --samples 800 --seeds 1 --checkpoint 3", "3"),
    ] {
        let message = desk.refused(command);
        let at = command.rfind(wrong).unwrap();
        let right = format!("{}{}{}", &command[..at], message.name(), &command[at + wrong.len()..]);
        desk.follows(&right, &message);
    }
    fs::remove_dir_all(&desk.0).unwrap();
}

#[test]
fn the_suggested_setting_is_added() {
    let desk = Desk::new("advice-settings");
    desk.works("data prepare photos --size 12 --out twelve.pack");
    for command in [
        "train tiny.toml --set data.size=9x9",
        "train tiny.toml --set technique.packing=3",
        "train tiny.toml --data classes --set data.classes=3",
        "train tiny.toml --set data.classes=3",
        "train tiny.toml --data twelve.pack",
    ] {
        let message = desk.refused(command);
        desk.follows(&with(command, &message.setting()), &message);
    }
    // Notes of a command that works.
    for (command, solved) in [
        ("train tiny.toml --data classes --dry-run", "2 classes: 0"),
        ("train tiny.toml --set generator.latent=300 --dry-run", "fits all"),
    ] {
        let message = desk.works(command);
        let followed = desk.follows(&with(command, &message.setting()), &message);
        assert!(!message.0.contains(solved) && followed.0.contains(solved), "{}", followed.0);
    }
    fs::remove_dir_all(&desk.0).unwrap();
}

#[test]
fn the_suggested_option_is_added_or_gets_the_suggested_value() {
    let desk = Desk::new("advice-options");
    desk.works("train tiny.toml --out run");
    desk.works("export run --out tiny.model");
    desk.photos("here", 0..90);
    desk.works("train tiny.toml --data here --out moved");
    fs::rename(desk.0.join("here"), desk.0.join("photos-of-2020")).unwrap();
    fs::write(desk.0.join("report.html"), "my own page").unwrap();
    for (command, option) in [
        ("train photos --dry-run", "--data"),
        ("train tiny.toml --data nowhere-at-all", "--data"),
        ("eval moved --samples 128 --seeds 1", "--data"),
        ("project moved --held-out 1 --steps 2 --restarts 1", "--data"),
        ("train --resume moved --steps 12", "--data"),
        ("eval tiny.model --samples 128 --seeds 1", "--data"),
        ("eval run --data blobs --samples 64 --seeds 1", "--samples"),
        ("train tiny.toml --out run", "--out"),
        ("train tiny.toml --out photos", "--out"),
        ("train --resume run --steps 12 --set optimizer.learning_rate=0.002", "--accept-changes"),
        ("sim run", "--png"),
        ("interpolate run --seeds 1 --png walk.png", "--seeds"),
        ("edit run", "--template"),
        ("data prepare photos --size 8 --out report.html", "--overwrite"),
    ] {
        let message = desk.refused(command);
        let right = with(command, &message.option(option));
        let _ = fs::remove_dir_all(desk.0.join("elsewhere"));
        // A folder is no recipe.
        desk.follows(&right.replace("train photos", "train"), &message);
    }
    let longer = "train --resume run --steps 16";
    let message = desk.works(&format!("{longer} --dry-run"));
    let followed =
        desk.follows(&format!("{longer}{}{}", message.setting(), message.option("--accept-changes")), &message);
    assert!(followed.0.contains("changed    schedule.kind"), "{}", followed.0);
    // A generator that is too large for a board, and one that is too large for all of them.
    let wide =
        "train tiny.toml --set 'generator.widths=[600, 600]' --set data.size=16x16 --set train.batch_size=1 --dry-run";
    let message = desk.works(wide);
    let followed = desk.follows(&with(wide, &message.option("--fit")), &message);
    assert!(message.0.contains("fits no board") && followed.0.contains("narrowed the generator"), "{}", followed.0);
    let wide = "train tiny.toml --set 'generator.widths=[200, 64]' --set data.size=16x16 --steps 1";
    desk.works(&format!("{wide} --out wide"));
    let message = Message(text(&desk.typed("flash wide --board microbit --dry-run").stderr));
    desk.follows(&format!("{wide} --out narrow{}", message.option("--fit")), &message);
    desk.works("flash narrow --board microbit --dry-run");
    fs::remove_dir_all(&desk.0).unwrap();
}

#[test]
fn the_suggested_commands_are_typed() {
    let desk = Desk::new("advice-commands");
    desk.follows_commands(&desk.refused("train --resume latest"), 1);
    desk.follows_commands(&desk.refused("export latest"), 1);
    desk.follows_commands(&desk.works("train tiny.toml"), 3);
    // The run is complete. More training is suggested only if the run still improves.
    desk.follows_some_commands(&desk.works("train --resume latest"), 2..=3);
    let exported = desk.works("export latest");
    assert!(exported.0.contains("runs/00001-tiny/generator.model"), "{}", exported.0);
    desk.follows_commands(&exported, 2);
    desk.follows_some_commands(&desk.works("train tiny.toml --out 'my run'"), 2..=3);
    desk.follows_commands(&desk.refused("train tiny.toml --out 'my run'"), 1);
    desk.follows_commands(&desk.works("sim 'my run' --png shown.png"), 1);
    desk.works("data prepare photos --size 16 --out 'my images.pack'");
    desk.follows_commands(&desk.works("data prepare photos --size 16 --out 'my images.pack'"), 1);
    // Few bits of the weights are left for most channels.
    desk.works(
        "train tiny.toml --set optimizer.learning_rate=0.5 --set 'generator.widths=[4, 4]' --steps 60 --out coarse",
    );
    // The distance may change with the quantization as well, and `eval` is suggested.
    desk.follows_some_commands(&desk.works("export coarse"), 3..=4);
    // Points have no images, but they are shown.
    desk.works("train ring --steps 2 --set train.batch_size=8");
    let points = desk.refused("grid latest --png a.png");
    desk.follows_commands(&points, 1);
    fs::remove_dir_all(desk.0.join("my run/checkpoints")).unwrap();
    fs::create_dir(desk.0.join("my run/checkpoints")).unwrap();
    desk.follows_commands(&desk.refused("export 'my run'"), 1);
    fs::remove_dir_all(&desk.0).unwrap();
}

#[test]
fn the_suggested_change_of_a_file_is_made() {
    let desk = Desk::new("advice-edits");
    desk.photos("few", 0..1);
    let message = desk.refused("train tiny.toml --data few");
    assert!(message.0.contains("to do:    add images"), "{}", message.0);
    desk.photos("few", 1..4);
    desk.follows("train tiny.toml --data few", &message);
    // A table whose names match no file: the message shows one of each.
    let table = desk.0.join("labels.csv");
    fs::write(&table, "name,kind\nIMG1.png,a\nIMG2.png,b\n").unwrap();
    let prepare = "data prepare photos --size 8 --labels labels.csv --out a.pack";
    let message = desk.refused(prepare);
    let word = |after: &str| {
        let rest =
            &message.0[message.0.find(after).unwrap_or_else(|| panic!("{after}: {}", message.0)) + after.len()..];
        rest.split([',', '\n']).next().unwrap().to_owned()
    };
    let (row, file) = (word("line 2 names "), word("a file is "));
    fs::write(&table, fs::read_to_string(&table).unwrap().replace(&row, &file).replace("IMG2", "1")).unwrap();
    desk.follows(prepare, &message);
    // Values beyond a byte: the message shows the division that makes them fit.
    let array = desk.0.join("images.npy");
    let values = (0..4 * 8 * 8 * 3u32).map(|i| (i * 91 % 65_536) as u16);
    fs::write(&array, npy("<u2", &values.clone().flat_map(u16::to_le_bytes).collect::<Vec<_>>())).unwrap();
    let message = desk.refused("train tiny.toml --data images.npy");
    let (_, rest) = message.0.split_once("(images // ").unwrap();
    let (divisor, kind) = rest.split_once(").astype('").unwrap();
    let divisor: u16 = divisor.parse().unwrap();
    assert!(kind.starts_with("uint8'"), "{kind}");
    fs::write(&array, npy("|u1", &values.map(|value| (value / divisor) as u8).collect::<Vec<_>>())).unwrap();
    desk.follows("train tiny.toml --data images.npy", &message);
    fs::remove_dir_all(&desk.0).unwrap();
}

/// Returns a NumPy file of four images of 8x8 pixels.
fn npy(kind: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (4, 8, 8, 3), }}");
    let header = format!("{header:<117}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.bytes());
    file.extend(data);
    file
}
